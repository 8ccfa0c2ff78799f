/**
 * prometheus/: the rules as promtool sees them, and what it cannot see: that every metric they name exists, that every
 * alert is tested and has its place in the runbook.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRICS } from '../../daemon/metrics.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { promtool, runPromtool } from '../helpers/prometheus.ts';

const RULES = 'prometheus/nsgd.rules.yaml';
const TESTS = 'prometheus/nsgd.rules.test.yaml';

interface RuleFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert?: string;
      readonly record?: string;
      readonly expr: string;
      readonly labels?: { readonly severity: string };
      readonly annotations?: Readonly<Record<string, string>>;
    }[];
  }[];
}

const read = (file: string): string => readFileSync(join(projectRoot, file), 'utf8');
const rules = (parse(read(RULES)) as RuleFile).groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);

describe.skipIf(promtool === undefined)(
  `promtool${promtool === undefined ? ' (missing)' : ''}`,
  () => {
    test('finds nothing wrong with the rules', () => {
      const { status, output } = runPromtool([
        'check',
        'rules',
        '--lint=all',
        '--lint-fatal',
        RULES,
      ]);
      expect(status, output).toBe(0);
      expect(output).toContain(`${rules.length} rules found`);
    });

    test('finds that every case ends as it should', () => {
      const { status, output } = runPromtool(['test', 'rules', TESTS]);
      expect(status, output).toBe(0);
    });
  },
);

describe('the rules', () => {
  const names = new Set(
    METRICS.flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
    ),
  );
  const recorded = new Set(rules.flatMap(({ record }) => (record === undefined ? [] : [record])));

  test.each(rules.map((rule) => [rule.alert ?? rule.record ?? '', rule.expr]))(
    '%s names only metrics that there are',
    (_, expr) => {
      const used = expr.match(/[a-z:]*\b(?:nsgd|process)_[a-z0-9_:]+/g) ?? [];
      for (const name of used) expect(names.has(name) || recorded.has(name), name).toBe(true);
      expect(used.length > 0 || expr.startsWith('up{')).toBe(true);
    },
  );

  test.each(alerts.map(({ alert = '' }) => alert))(
    '%s has a case that fires and one that does not',
    (name) => {
      const text = read(TESTS);
      expect(text).toMatch(new RegExp(`alertname: ${name}, exp_alerts: \\[\\]`));
      expect(text).toContain(`{alertname="${name}",severity=`);
    },
  );

  test.each(alerts.map((rule) => [rule.alert ?? '', rule] as const))(
    '%s tells what to do',
    (name, rule) => {
      expect(rule.labels?.severity).toMatch(/^(critical|warning|info)$/);
      const { summary = '', description = '', runbook_url: runbook } = rule.annotations ?? {};
      expect([summary, description]).not.toContain('');
      expect(runbook).toBe(`docs/RUNBOOK.md#${name.toLowerCase()}`);
      expect(read('docs/RUNBOOK.md')).toContain(`\n## ${name}\n`);
    },
  );

  test('the runbook has nothing that is no alert', () => {
    const sections = read('docs/RUNBOOK.md').match(/(?<=^## ).+$/gm) ?? [];
    expect(sections).toEqual(alerts.map(({ alert }) => alert));
  });
});
