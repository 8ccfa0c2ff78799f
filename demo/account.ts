/**
 * The account of a demo: one line for each attempt, what was expected, what was seen, and the rule that decided.
 */

export interface Attempt {
  readonly what: string;
  readonly expected: string;
  readonly seen: string;
  /** The rules that decided as nsgd names them, in the order in which the packet met them. */
  readonly expectedRules: readonly string[];
  readonly rules: readonly string[];
}

const HEADINGS = ['what', 'expected', 'seen', 'decided by'] as const;

export class Account {
  readonly #attempts: Attempt[] = [];

  /** How many attempts did not end as expected. */
  get differences(): number {
    return this.#attempts.filter((attempt) => !isAsExpected(attempt)).length;
  }

  get length(): number {
    return this.#attempts.length;
  }

  /** Keeps the attempt and prints it at once, so that one sees where a demo is. */
  add(attempt: Attempt): void {
    this.#attempts.push(attempt);
    const mark = isAsExpected(attempt) ? 'ok ' : 'NOT';
    say(`  ${mark} ${attempt.what}: ${attempt.seen}`);
  }

  print(): void {
    const rows = this.#attempts.map((attempt) => {
      const { what, expected, seen, rules, expectedRules } = attempt;
      const decided = rules.join(', ');
      const isRight = decided === expectedRules.join(', ');
      const rule = isRight ? decided : `${decided} (expected ${expectedRules.join(', ')})`;
      return [what, expected, isAsExpected(attempt) ? seen : `${seen}  <-- differs`, rule];
    });
    printTable(HEADINGS, rows);
  }
}

function isAsExpected({ expected, seen, expectedRules, rules }: Attempt): boolean {
  return expected === seen && expectedRules.join() === rules.join();
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const print = (row: readonly string[]): void => {
    say(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  };
  print(headings);
  print(widths.map((width) => '-'.repeat(width)));
  for (const row of rows) print(row);
}
