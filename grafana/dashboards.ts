/**
 * Every dashboard, and the file that it is committed as.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { benchmark } from './benchmark.ts';
import { dataPlane } from './data-plane.ts';
import { overview } from './overview.ts';
import { rules } from './rules.ts';

/** By name of the file in `grafana/dashboards/`. */
export const DASHBOARDS: Readonly<Record<string, () => Dashboard>> = {
  'overview.json': overview,
  'rules.json': rules,
  'data-plane.json': dataPlane,
  'benchmark.json': benchmark,
};

/** The text of a file. */
export function dashboardText(dashboard: Dashboard): string {
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}
