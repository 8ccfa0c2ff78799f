/**
 * Every query of every dashboard, and every rule, on a real Prometheus that scrapes a real nsgd under traffic: none is an
 * error, and none is empty. What a file cannot tell shows here: a label that does not exist, a join without a match.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { RULE_SERIES_MAX } from '../../daemon/metrics-readers.ts';
import {
  annotationsOf,
  committedDashboards,
  panelsOf,
  substitute,
  targetsOf,
  variableQuery,
  variablesOf,
} from '../helpers/dashboards.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { monitoredPolicy, MonitoredNetwork } from '../helpers/monitored-network.ts';
import { PrometheusServer } from '../helpers/prometheus-server.ts';
import { prometheus, runPromtool } from '../helpers/prometheus.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { parsePromql } from '../helpers/promql.ts';

const SCRAPE_MS = 500;
/** As Grafana would have it for a scrape interval of half a second and a look back of half a minute. */
const TIMES = { interval: '1s', rateInterval: '4s', range: '30s' };
const RANGE_SECONDS = 30;
const SERIES_MAX = 2000;
const MANY_RULES = 500;
const TRAFFIC_RATE = 400_000;

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
}
const rules = (
  parse(readFileSync(join(projectRoot, 'prometheus/nsgd.rules.yaml'), 'utf8')) as {
    groups: { rules: Rule[] }[];
  }
).groups.flatMap((group) => group.rules);

const obstacle = liveObstacle ?? (prometheus === undefined ? 'needs prometheus' : undefined);
const dashboards = [...committedDashboards()];

describe.skipIf(obstacle !== undefined)(`dashboards on Prometheus (${obstacle ?? 'live'})`, () => {
  let lab: Lab;
  let site: MonitoredNetwork;
  let server: PrometheusServer;
  /** Seconds since the epoch; traffic has not stopped yet. */
  let end: number;
  let manyRules: string;

  beforeAll(async () => {
    lab = new Lab();
    site = await MonitoredNetwork.start(lab, monitoredPolicy(MANY_RULES));
    manyRules = site.daemon.fetch('/metrics');
    server = await PrometheusServer.start(lab, site.network.filter, {
      scrapeIntervalMs: SCRAPE_MS,
      hasRules: true,
    });
    const traffic = site.traffic(14, () => TRAFFIC_RATE);
    await sleep(3000);
    expect(site.daemon.reload(monitoredPolicy(0)).status).toBe(0);
    await sleep(2000);
    process.kill(site.daemon.dataPlane(), 'SIGKILL');
    await sleep(1000);
    await site.daemon.untilReady();
    await sleep(5000);
    end = Date.now() / 1000;
    await traffic;
  });
  afterAll(async () => {
    await lab?.close();
  });

  const put = (expr: string): string => substitute(expr, TIMES);

  test(`${MANY_RULES} rules make fewer than ${SERIES_MAX} series, and promtool has no complaint`, () => {
    const series = manyRules.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const hits = series.filter((line) => line.startsWith('nsgd_rule_hits_total{'));
    expect(hits.length).toBeGreaterThan(MANY_RULES);
    expect(hits.length).toBeLessThan(RULE_SERIES_MAX);
    expect(series.length).toBeLessThan(SERIES_MAX);
    expect(runPromtool(['check', 'metrics'], manyRules)).toEqual({ status: 0, output: '' });
  });

  test('series of rules that a reload took out are gone', () => {
    expect(manyRules).toContain('securityRules/AllowService7');
    const now = site.daemon.fetch('/metrics');
    expect(now).not.toContain('AllowService');
    expect(now).toContain('securityRules/AllowHttp');
    expect(server.query('nsgd_rule_hits_total{rule=~".*AllowService.*"}')).toEqual([]);
  });

  describe.each(dashboards)('%s', (_file, dashboard) => {
    const queries = panelsOf(dashboard).flatMap((panel) =>
      targetsOf(panel).map(
        ({ refId, ...target }) => [`${panel.title ?? ''} ${refId}`, target] as const,
      ),
    );

    test.each(queries)('%s', (_name, { expr, instant }) => {
      const result =
        instant === true
          ? server.query(put(expr), end)
          : server.queryRange(put(expr), end - RANGE_SECONDS, end, 1);
      const numbers = result.flatMap(({ value, values = [] }) =>
        [...values, ...(value === undefined ? [] : [value])].map(([, text]) => text),
      );
      expect(
        numbers.some((text) => text !== 'NaN'),
        put(expr),
      ).toBe(true);
    });

    test.each(annotationsOf(dashboard).map(({ name, expr }) => [name, expr]))(
      'annotation %s',
      (_name, expr) => {
        expect(server.queryRange(put(expr), end - RANGE_SECONDS, end, 1)).not.toEqual([]);
      },
    );

    const variables = variablesOf(dashboard).filter(({ name }) => name !== 'datasource');
    test.each(variables.map((variable) => [variable.name, variable] as const))(
      'variable %s',
      (_name, variable) => {
        const { series, label } = variableQuery(variable);
        expect(server.labelValues(label, put(series))).not.toEqual([]);
      },
    );
  });

  test('Prometheus can evaluate every rule', () => {
    expect(server.ruleErrors()).toEqual([]);
  });

  test.each(rules.flatMap(({ record }) => (record === undefined ? [] : [record])))(
    '%s is recorded',
    (record) => {
      expect(server.query(record, end)).not.toEqual([]);
    },
  );

  // An alert that is silent because its series do not exist is silent for ever.
  test.each(
    rules.flatMap(({ alert, expr }) =>
      alert === undefined
        ? []
        : parsePromql(expr).selectors.map(({ text }) => [alert, text] as const),
    ),
  )('%s looks at series that there are: %s', (_, selector) => {
    expect(server.query(selector, end)).not.toEqual([]);
  });

  test('no alert fires but for what was done here', () => {
    const firing = server.query('ALERTS{alertstate="firing"}', end);
    expect(firing.map(({ metric }) => metric['alertname'])).toEqual([]);
  });
});
