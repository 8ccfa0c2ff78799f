/**
 * What a dashboard asks Prometheus: its queries, with Grafana's variables put in as Grafana would.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Dashboard, Panel, VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { dataquery as Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import { projectRoot } from './project-root.ts';

/** The committed files, by name. */
export function committedDashboards(): Map<string, Dashboard> {
  const folder = join(projectRoot, 'grafana/dashboards');
  return new Map(
    readdirSync(folder).map((file) => [
      file,
      JSON.parse(readFileSync(join(folder, file), 'utf8')) as Dashboard,
    ]),
  );
}

/** Panels that show something, rows left out. */
export function panelsOf(dashboard: Dashboard): Panel[] {
  return (dashboard.panels ?? []).filter((panel): panel is Panel => panel.type !== 'row');
}

export function targetsOf(panel: Panel): Dataquery[] {
  return (panel.targets ?? []) as Dataquery[];
}

export function variablesOf(dashboard: Dashboard): readonly VariableModel[] {
  return dashboard.templating?.list ?? [];
}

/** `label_values(series, label)` of a variable. */
export function variableQuery({ name, query }: VariableModel): { series: string; label: string } {
  const text = typeof query === 'object' ? String(query['query']) : String(query);
  const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(text) ?? [];
  if (series === undefined || label === undefined) {
    throw new Error(`variable ${name}: ${text} is no label_values(series, label)`);
  }
  return { series, label };
}

export function annotationsOf(dashboard: Dashboard): { name: string; expr: string }[] {
  return (dashboard.annotations?.list ?? []).map(({ name, expr = '' }) => ({ name, expr }));
}

/** The time that is shown, as Grafana derives it from the width of a panel and the scrape interval. Durations as Prometheus writes them. */
export interface TimeVariables {
  readonly interval: string;
  readonly rateInterval: string;
  readonly range: string;
}

/** What "All" stands for in every variable of ours. */
const ALL = '.+';

/** @param chosen values of variables; those that are not there are "All" */
export function substitute(
  expr: string,
  times: TimeVariables,
  chosen: Readonly<Record<string, string>> = {},
): string {
  return expr
    .replaceAll('$__rate_interval', times.rateInterval)
    .replaceAll('$__range', times.range)
    .replaceAll('$__interval', times.interval)
    .replaceAll(/\$(\w+)/g, (_, name: string) => chosen[name] ?? ALL);
}
