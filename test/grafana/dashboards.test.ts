/**
 * The dashboards as files: current, and as Grafana's dashboard-linter wants them (its rules, made again here because it is
 * a Go program that cannot be had from npm or Debian), and what it cannot know: that every metric exists.
 * `npx vitest run test/grafana -u` writes the files, as `make dashboards` does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VariableType } from '@grafana/grafana-foundation-sdk/dashboard';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRICS } from '../../daemon/metrics.ts';
import { DASHBOARDS, dashboardText } from '../../grafana/dashboards.ts';
import {
  annotationsOf,
  committedDashboards,
  panelsOf,
  substitute,
  targetsOf,
  variableQuery,
  variablesOf,
} from '../helpers/dashboards.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { parsePromql } from '../helpers/promql.ts';

const TIMES = { interval: '15s', rateInterval: '1m', range: '1h' };
/** Labels by metric, those of Prometheus itself and of the parts of histograms included. */
const LABELS = new Map<string, ReadonlySet<string>>([
  ['up', new Set(['job', 'instance'])],
  ['ALERTS', new Set(['job', 'instance', 'alertname', 'alertstate'])],
  ...METRICS.flatMap(({ name, type, labels }) => {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    return suffixes.map(
      (suffix) => [name + suffix, new Set(['job', 'instance', 'le', ...labels])] as const,
    );
  }),
]);
const UNITS_WITHOUT_MEANING = new Set(['', undefined]);
const dashboards = [...committedDashboards()];

test.each(Object.entries(DASHBOARDS))('grafana/dashboards/%s is current', async (file, build) => {
  await expect(dashboardText(build())).toMatchFileSnapshot(
    join(projectRoot, 'grafana/dashboards', file),
  );
});

test('there is no dashboard without a source, and every uid is its own', () => {
  expect(dashboards.map(([file]) => file).toSorted()).toEqual(Object.keys(DASHBOARDS).toSorted());
  const uids = dashboards.map(([, { uid }]) => uid);
  expect(new Set(uids).size).toBe(uids.length);
});

describe.each(dashboards)('%s', (_, dashboard) => {
  const panels = panelsOf(dashboard).map((panel) => [panel.title ?? '', panel] as const);
  const variables = variablesOf(dashboard);
  const queried = variables.filter(({ type }) => type === VariableType.Query);
  const expressions = [
    ...panels.flatMap(([title, panel]) => targetsOf(panel).map(({ expr }) => [title, expr])),
    ...annotationsOf(dashboard).map(({ name, expr }) => [name, expr]),
    ...queried.map((variable) => [`$${variable.name}`, variableQuery(variable).series]),
  ] as [string, string][];

  test('can be provisioned: fixed uid, no number of one server, links to the others', () => {
    expect(dashboard).toMatchObject({ id: null, editable: true, graphTooltip: 1, tags: ['nsgd'] });
    expect(dashboard.uid).toMatch(/^nsgd-[a-z-]+$/);
    expect(dashboard.title).toMatch(/^nsgd /);
    expect(dashboard.description).toMatch(/\.$/);
    expect(dashboard.links).toMatchObject([
      { type: 'dashboards', tags: ['nsgd'], includeVars: true, keepTime: true },
    ]);
    expect(annotationsOf(dashboard).map(({ name }) => name)).toContain('Reloads');
  });

  test('asks for the data source first, then for job, instance and wire', () => {
    expect(variables.slice(0, 4).map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
      ['wire', 'query'],
    ]);
    expect(variables[0]?.query).toBe('prometheus');
    for (const variable of queried) {
      expect(variable).toMatchObject({
        datasource: { type: 'prometheus', uid: '${datasource}' },
        multi: true,
        includeAll: true,
        allValue: '.+',
        refresh: 2,
      });
      expect(variable.label).toMatch(/^[A-Z]/);
      const { series, label } = variableQuery(variable);
      const [selector] = parsePromql(substitute(series, TIMES)).selectors;
      if (!['job', 'instance'].includes(label)) {
        expect(LABELS.get(selector?.metric ?? '')?.has(label), label).toBe(true);
      }
    }
  });

  test('every variable is used, and every used one exists', () => {
    const names = variables.map(({ name }) => name).filter((name) => name !== 'datasource');
    const used = expressions.flatMap(([, expr]) =>
      [...expr.matchAll(/\$(?!__)(\w+)/g)].map(([, name]) => name),
    );
    expect(new Set(used)).toEqual(new Set(names));
  });

  test('panels lie beside each other, not over each other, within 24 columns', () => {
    const taken = new Set<string>();
    for (const { gridPos } of dashboard.panels ?? []) {
      if (gridPos === undefined) throw new Error('a panel without a place');
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x},${y}`), `${x},${y}`).toBe(false);
          taken.add(`${x},${y}`);
        }
      }
    }
    const ids = (dashboard.panels ?? []).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test.each(panels)('panel %s: title, description, unit, data source, targets', (title, panel) => {
    expect(title).toMatch(/^\w/);
    expect(panel.description).toMatch(/\.$/);
    expect(UNITS_WITHOUT_MEANING.has(panel.fieldConfig?.defaults.unit)).toBe(false);
    const source = { type: 'prometheus', uid: '${datasource}' };
    expect(panel.datasource).toEqual(source);
    const targets = targetsOf(panel);
    expect(targets.length).toBeGreaterThan(0);
    expect(targets.map(({ refId }) => refId)).toEqual(
      ['A', 'B', 'C', 'D', 'E'].slice(0, targets.length),
    );
    for (const target of targets) {
      expect(target.datasource).toEqual(source);
      // What a legend names has to be in the answer.
      const labels = [...(target.legendFormat ?? '').matchAll(/\{\{(\w+)\}\}/g)];
      for (const [, label] of labels) expect(target.expr).toMatch(new RegExp(`\\b${label}\\b`));
    }
  });

  test.each(expressions)('%s: %s', (name, expr) => {
    const { selectors, ranges } = parsePromql(substitute(expr, TIMES));
    expect(selectors.length).toBeGreaterThan(0);
    // The same expression before the variables were put in.
    const written = expr.match(/\{[^}]*\}/g) ?? [];
    for (const [index, { metric, matchers }] of selectors.entries()) {
      const known = LABELS.get(metric);
      expect(known, `${metric} is no metric`).toBeDefined();
      for (const matcher of matchers) {
        const [label = ''] = matcher.split(/[=!]/);
        expect(known?.has(label), `${metric} has no label ${label}`).toBe(true);
      }
      // Those that find the jobs and instances cannot be asked for them.
      if (name !== '$job') expect(written[index]).toContain('job=~"$job"');
      if (name !== '$job' && name !== '$instance') {
        expect(written[index]).toContain('instance=~"$instance"');
      }
    }
    for (const range of ranges) {
      if (range.function === 'rate' || range.function === 'changes') {
        expect(range.text).toBe(TIMES.rateInterval);
      } else {
        expect([range.function, range.text]).toEqual(['increase', TIMES.range]);
      }
    }
    expect(expr).not.toMatch(/\b(?:rate|increase|changes)\([^)]*\[\d/);
  });
});

describe('provisioning', () => {
  const read = (file: string): unknown =>
    parse(readFileSync(join(projectRoot, 'grafana/provisioning', file), 'utf8'));

  test('the data source is a Prometheus with a fixed uid', () => {
    expect(read('datasources/nsgd.yaml')).toMatchObject({
      apiVersion: 1,
      datasources: [{ uid: 'prometheus', type: 'prometheus', access: 'proxy' }],
    });
  });

  test('dashboards come from files', () => {
    expect(read('dashboards/nsgd.yaml')).toMatchObject({
      apiVersion: 1,
      providers: [{ name: 'nsgd', type: 'file', options: { path: expect.stringMatching(/^\//) } }],
    });
  });
});
