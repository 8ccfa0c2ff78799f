import { describe, expect, it } from 'vitest';
import {
  escapeControls,
  formatProblem,
  hasErrors,
  ProblemList,
  quote,
  sortProblems,
} from '../../src/policy/problem.ts';

const at = (file: string, line: number, column: number) => ({ file, line, column });

describe('formatProblem', () => {
  it('is file:line:column: code: message', () => {
    const problem = {
      ...at('a.yaml', 3, 7),
      code: 'InvalidValue',
      message: 'is wrong',
      severity: 'error',
    } as const;
    expect(formatProblem(problem)).toBe('a.yaml:3:7: InvalidValue: is wrong');
    expect(formatProblem({ ...problem, severity: 'warning' })).toBe(
      'a.yaml:3:7: InvalidValue: warning: is wrong',
    );
  });

  it('stays on one line and sends no escape sequence to a terminal', () => {
    const message = 'a\nb\u001b[31mc\u202ed\u200be\ud800f';
    const problem = {
      ...at('x\r.json', 1, 1),
      code: 'InvalidJson',
      message,
      severity: 'error',
    } as const;
    expect(formatProblem(problem)).toBe(
      'x\\u000d.json:1:1: InvalidJson: a\\u000ab\\u001b[31mc\\u202ed\\u200be\\ud800f',
    );
  });

  it('leaves letters of all languages and paired surrogates alone', () => {
    expect(escapeControls('Köln 東京 😀')).toBe('Köln 東京 😀');
  });
});

describe('ProblemList', () => {
  it('sorts by file and position and keeps the order of one place', () => {
    const list = new ProblemList();
    list.error(at('b', 1, 1), 'InvalidYaml', '');
    list.error(at('a', 10, 1), 'InvalidJson', '');
    list.warning(at('a', 2, 9), 'DuplicateKey', '');
    list.error(at('a', 2, 9), 'DuplicateName', '');
    list.error(at('a', 2, 1), 'InvalidValue', '');
    expect(list.sorted().map(({ code }) => code)).toEqual([
      'InvalidValue',
      'DuplicateKey',
      'DuplicateName',
      'InvalidJson',
      'InvalidYaml',
    ]);
    expect(list.errorCount).toBe(4);
  });

  it('tells errors from warnings', () => {
    const list = new ProblemList();
    list.warning(at('a', 1, 1), 'RuleRedundant', '');
    expect(hasErrors(list.sorted())).toBe(false);
    list.addAll([{ ...at('a', 1, 1), code: 'InvalidValue', message: '', severity: 'error' }]);
    expect(hasErrors(list.sorted())).toBe(true);
    expect(list.errorCount).toBe(1);
  });

  it('does not change the list it sorts', () => {
    const problems = [2, 1].map((line) => ({
      ...at('a', line, 1),
      code: 'InvalidValue' as const,
      message: '',
      severity: 'error' as const,
    }));
    expect(sortProblems(problems).map(({ line }) => line)).toEqual([1, 2]);
    expect(problems.map(({ line }) => line)).toEqual([2, 1]);
  });
});

describe('quote', () => {
  it('cuts long texts', () => {
    expect(quote('abc')).toBe('"abc"');
    expect(quote('x'.repeat(1000))).toBe(`"${'x'.repeat(120)}..." (1000 characters)`);
  });
});
