/**
 * How commands print: results on stdout, diagnostics on stderr, tables for people and JSON for programs. Names come from files and
 * packets that others wrote, so no line leaves here with a character that a terminal obeys: control characters are escaped, as
 * JSON does, which leaves JSON as it is.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { Option } from 'commander';
import { escapeControls } from '../src/policy/problem.ts';
import { CommandError, ExitCode } from './exit-code.ts';

export type OutputFormat = 'table' | 'json' | 'ndjson' | 'csv' | 'sarif';

/** `-o`, for a command that has these formats, the first of which is the usual one. */
export function outputOption(formats: readonly OutputFormat[], note = ''): Option {
  return new Option('-o, --output <format>', `output format${note}`)
    .choices(formats)
    .default(formats[0]);
}

const STDOUT = 1;
const STDERR = 2;

/** Waits a millisecond, for a pipe that is full or empty for the moment. */
export function sleepSync(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/**
 * Writes all of a text, also to a pipe that is full for the moment. A reader that went away (`nsgd flows | head`)
 * ends the process quietly, as it does for other tools.
 */
function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(ExitCode.Ok);
      if (code !== 'EAGAIN') throw error;
      sleepSync();
    }
  }
}

/** A result that is not made of lines, as it is: the caller has escaped what others wrote. */
export function printText(text: string): void {
  writeAll(STDOUT, text);
}

/** A result that may go to a file. @param path `-` for stdout @throws CommandError (1) when it cannot be written */
export function writeResult(path: string, text: string): void {
  if (path === '-') {
    printText(text);
    return;
  }
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new CommandError(ExitCode.Failed, `--output ${path}: ${(error as Error).message}`);
  }
}

/** One line of result. */
export function print(line: string): void {
  writeAll(STDOUT, `${escapeControls(line)}\n`);
}

/** Many lines of result, written at once. */
export function printLines(lines: readonly string[]): void {
  if (lines.length > 0) writeAll(STDOUT, `${lines.map(escapeControls).join('\n')}\n`);
}

/** One line of diagnostics. */
export function printError(line: string): void {
  writeAll(STDERR, `${escapeControls(line)}\n`);
}

export function printJson(value: unknown): void {
  printLines(JSON.stringify(value, undefined, 2).split('\n'));
}

/**
 * Columns aligned to the left, two spaces apart; control characters in cells are escaped.
 * @param header column names; shown in capitals
 */
export function tableLines(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const lines = [
    header.map((name) => name.toUpperCase()),
    ...rows.map((row) => row.map(escapeControls)),
  ];
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(column === line.length - 1 ? 0 : (widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/**
 * A line of CSV (RFC 4180, section 2). A cell that a spreadsheet would take for a formula gets an apostrophe in front:
 * rule names and descriptions are what somebody else wrote.
 */
function csvLine(cells: readonly string[]): string {
  return cells
    .map((cell) => {
      const text = escapeControls(/^[=+@\t\r]|^-(?!$)/.test(cell) ? `'${cell}` : cell);
      return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}

/** With a header, lines end in CRLF (RFC 4180). */
export function printCsv(header: readonly string[], rows: readonly (readonly string[])[]): void {
  printText([header, ...rows].map((row) => `${csvLine(row)}\r\n`).join(''));
}

export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const line of tableLines(header, rows)) print(line);
}
