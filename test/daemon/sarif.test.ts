/**
 * SARIF: what the format and GitHub's code scanning ask of a log, checked with a schema of that part of the format.
 */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sarifOf } from '../../daemon/sarif.ts';
import type { Problem } from '../../src/policy/problem.ts';

const text = z.strictObject({ text: z.string().min(1) });
/** SARIF 2.1.0 section 3.13 and what is below it, as far as nsgd writes it; `strictObject`: nothing else. */
const sarifSchema = z.strictObject({
  $schema: z.url(),
  version: z.literal('2.1.0'),
  runs: z.tuple([
    z.strictObject({
      tool: z.strictObject({
        driver: z.strictObject({
          name: z.literal('nsgd'),
          semanticVersion: z.string().regex(/^\d+\.\d+\.\d+$/),
          rules: z.array(
            z.strictObject({
              id: z.string().min(1),
              shortDescription: text,
              fullDescription: text,
              help: text,
              properties: z.strictObject({ tags: z.array(z.string()).max(20) }),
            }),
          ),
        }),
      }),
      columnKind: z.literal('utf16CodeUnits'),
      results: z.array(
        z.strictObject({
          ruleId: z.string(),
          ruleIndex: z.int().min(0),
          level: z.enum(['error', 'warning']),
          message: text,
          locations: z.tuple([
            z.strictObject({
              physicalLocation: z.strictObject({
                // A URI reference: no space, no backslash.
                artifactLocation: z.strictObject({ uri: z.string().regex(/^[^\s\\]+$/) }),
                region: z.strictObject({
                  startLine: z.int().min(1),
                  startColumn: z.int().min(1),
                }),
              }),
            }),
          ]),
        }),
      ),
    }),
  ]),
});

const problem = (changes: Partial<Problem> = {}): Problem => ({
  file: 'nsg/web.json',
  line: 3,
  column: 7,
  code: 'SecurityRuleConflict',
  message: 'two rules',
  severity: 'error',
  ...changes,
});

function uriOf(file: string): string | undefined {
  const log = sarifOf([problem({ file })], '1.2.3', '/srv/repository');
  return log.runs[0].results[0]?.locations[0].physicalLocation.artifactLocation.uri;
}

describe('sarifOf', () => {
  const problems = [
    problem(),
    problem({
      line: 9,
      code: 'RuleShadowed',
      severity: 'warning',
      message: 'never \u001b[31mreached',
    }),
    problem({ line: 12 }),
  ];
  const log = sarifOf(problems, '1.2.3', '/srv/repository');
  const [run] = log.runs;

  test('is a SARIF log', () => {
    expect(sarifSchema.parse(JSON.parse(JSON.stringify(log)))).toEqual(log);
  });

  test('each result points to the rule of its code, and each rule is there once', () => {
    expect(run.tool.driver.rules.map(({ id }) => id)).toEqual([
      'RuleShadowed',
      'SecurityRuleConflict',
    ]);
    for (const [index, result] of run.results.entries()) {
      expect(result.ruleId).toBe(problems[index]?.code);
      expect(run.tool.driver.rules[result.ruleIndex]?.id).toBe(result.ruleId);
    }
  });

  test('places and levels are those of the problems, control characters are escaped', () => {
    expect(run.results[1]).toMatchObject({
      level: 'warning',
      message: { text: String.raw`never \u001b[31mreached` },
      locations: [{ physicalLocation: { region: { startLine: 9, startColumn: 7 } } }],
    });
  });

  test('without a problem there is a run without results: code scanning then closes its alerts', () => {
    const empty = sarifOf([], '1.2.3', '/srv/repository');
    expect(sarifSchema.parse(empty).runs[0].results).toEqual([]);
  });

  test.each([
    ['relative', 'nsg/web.json', 'nsg/web.json'],
    ['absolute, below the directory', '/srv/repository/nsg/web.json', 'nsg/web.json'],
    ['absolute, elsewhere', '/etc/nsgd/nsgd.yaml', 'file:///etc/nsgd/nsgd.yaml'],
    ['with characters of a URI', 'a b/50%?#.json', 'a%20b/50%25%3F%23.json'],
    ['standard input', '-', '-'],
  ])('a file: %s', (_, file, uri) => {
    expect(uriOf(file)).toBe(uri);
  });
});
