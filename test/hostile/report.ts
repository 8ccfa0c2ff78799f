/**
 * The catalogue as a table of what is expected and what was seen, for people and as JSON lines.
 */
import { advisories, type Advisory, type Held } from './advisories.ts';
import type { Case, FrameCase, HeldCase } from './catalogue/case.ts';
import { rows } from './catalogue/rows.ts';

/** A step, or a test that holds an entry. */
export interface Line {
  readonly expected: string;
  readonly seen: string;
  /** What came out of a real wire, where it was sent through one: `pass`, `drop`. */
  readonly onWire?: string;
}

export interface EntryReport {
  readonly entry: Case;
  readonly lines: readonly Line[];
}

export const HOLDS = 'holds';
/** A test that cannot run here. It is no difference, but it is shown. */
export const SKIPPED = 'skipped';

export function isAsExpected({ expected, seen, onWire }: Line): boolean {
  if (seen === SKIPPED) return true;
  return seen === expected && (onWire === undefined || expected.split(' ')[1] === onWire);
}

const EXPECTED_WIDTH = 62;

/** The table, grouped by row. Equal lines in sequence are one, with their number. */
export function formatTable(reports: readonly EntryReport[]): string[] {
  const head = ['    expected'.padEnd(EXPECTED_WIDTH), 'seen'.padEnd(EXPECTED_WIDTH), 'on a wire'];
  const lines = [head.join(' ')];
  let row = 0;
  for (const { entry, lines: found } of reports) {
    if (entry.row !== row) {
      row = entry.row;
      lines.push('', `${row} ${rows[row - 1]?.title} (${rows[row - 1]?.reference})`);
    }
    lines.push(`  ${entry.attack}`);
    if (entry.chosen !== undefined) lines.push(`  by choice: ${entry.chosen}`);
    if (isHeld(entry)) lines.push(`  held by ${entry.file}: ${entry.test}`);
    lines.push(...compact(found.map(formatLine)));
  }
  return lines;
}

function formatLine(line: Line): string {
  const { expected, seen, onWire = '' } = line;
  const mark = isAsExpected(line) ? '' : '  <-- differs';
  const columns = [`    ${expected}`.padEnd(EXPECTED_WIDTH), seen.padEnd(EXPECTED_WIDTH), onWire];
  return `${columns.join(' ').trimEnd()}${mark}`;
}

function compact(lines: readonly string[]): string[] {
  const counted: { line: string; count: number }[] = [];
  for (const line of lines) {
    const last = counted.at(-1);
    if (last?.line === line) last.count++;
    else counted.push({ line, count: 1 });
  }
  return counted.map(({ line, count }) => (count === 1 ? line : `${line} (${count} times)`));
}

/** What became of the lesson of an advisory. */
export interface AdvisoryReport {
  readonly advisory: Advisory;
  /** Whether every entry of its rows is as expected. */
  readonly areRowsAsExpected: boolean;
  /** Of each of its tests. */
  readonly outcomes: readonly { readonly held: Held; readonly seen: string }[];
}

export function reportAdvisories(
  reports: readonly EntryReport[],
  outcomeOf: (held: Held) => string,
): AdvisoryReport[] {
  return advisories.map((advisory) => ({
    advisory,
    areRowsAsExpected: reports
      .filter(({ entry }) => advisory.rows?.includes(entry.row))
      .every(({ lines }) => lines.every(isAsExpected)),
    outcomes: (advisory.tests ?? []).map((held) => ({ held, seen: outcomeOf(held) })),
  }));
}

export function isLessonHeld({ areRowsAsExpected, outcomes }: AdvisoryReport): boolean {
  return areRowsAsExpected && outcomes.every(({ seen }) => seen === HOLDS || seen === SKIPPED);
}

export function formatAdvisories(reports: readonly AdvisoryReport[]): string[] {
  const lines = ['', 'Advisories of peers'];
  for (const report of reports) {
    const { advisory, areRowsAsExpected, outcomes } = report;
    const { id, peer, lesson, rows: own = [], byDesign } = advisory;
    lines.push('', `${id} (${peer}): ${lesson}${isLessonHeld(report) ? '' : '  <-- differs'}`);
    if (byDesign !== undefined) lines.push(`  by design: ${byDesign}`);
    if (own.length > 0) {
      const seen = areRowsAsExpected ? 'as expected' : 'not as expected';
      lines.push(`  ${own.length === 1 ? 'row' : 'rows'} ${own.join(', ')}: ${seen}`);
    }
    for (const { held, seen } of outcomes) lines.push(`  ${held.file}: ${held.test}: ${seen}`);
  }
  return lines;
}

/** One JSON object for each entry, then one for each advisory. */
export function formatJson(
  reports: readonly EntryReport[],
  advised: readonly AdvisoryReport[],
): string[] {
  return [
    ...reports.map(({ entry, lines }) =>
      JSON.stringify({
        row: entry.row,
        ...rows[entry.row - 1],
        attack: entry.attack,
        ...(entry.chosen !== undefined && { chosen: entry.chosen }),
        ...('file' in entry && { file: entry.file, test: entry.test }),
        asExpected: lines.every(isAsExpected),
        lines,
      }),
    ),
    ...advised.map((report) => {
      const { id, ...rest } = report.advisory;
      const tests = report.outcomes.map(({ held, seen }) => ({ ...held, seen }));
      return JSON.stringify({ advisory: id, ...rest, tests, asExpected: isLessonHeld(report) });
    }),
  ];
}

export function isHeld(entry: Case): entry is HeldCase {
  return 'file' in entry;
}

export function isPlayed(entry: Case): entry is FrameCase {
  return 'steps' in entry;
}
