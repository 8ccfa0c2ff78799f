/**
 * Problems in files that people wrote: collected, never thrown one by one, so that one run names them all.
 *
 * Messages may quote what stands in the file. Control and formatting characters are escaped when a problem is
 * printed: a rule name must not be able to move the cursor of the terminal that shows the complaint about it.
 */
import type { ProblemCode } from './problem-codes.ts';

/** A place in a file. Line and column count from 1; columns count UTF-16 units. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type Severity = 'error' | 'warning';

/** One packet that shows what a problem says, in the words of `nsgd verify`. */
export interface Witness {
  /** Undefined where no interface has the group. */
  readonly nic?: string;
  readonly direction: 'Inbound' | 'Outbound';
  readonly protocol: string;
  /** `10.0.1.4:80`, `[fd00::4]:80`, or an address alone where the protocol has no ports. */
  readonly local: string;
  readonly remote: string;
}

export interface Problem extends Position {
  /** Azure's error code where one exists, in the same spelling style otherwise. */
  readonly code: ProblemCode;
  readonly message: string;
  readonly severity: Severity;
  readonly witness?: Witness;
}

const QUOTED_LENGTH_MAX = 120;

/** An error of a whole file, which stands nowhere in it. */
export function fileError(file: string, code: ProblemCode, message: string): Problem {
  return { file, line: 1, column: 1, code, message, severity: 'error' };
}

/** `file:line:column: code: message`, on one line whatever the texts hold. A warning says so before its message. */
export function formatProblem(problem: Problem): string {
  const { line, column, code, severity } = problem;
  const message = severity === 'warning' ? `warning: ${problem.message}` : problem.message;
  return `${escapeControls(problem.file)}:${line}:${column}: ${code}: ${escapeControls(message)}`;
}

/** `file:line:column`, for messages that name a second place. */
export function formatPosition(position: Position): string {
  return `${position.file}:${position.line}:${position.column}`;
}

/** In the order of files, then of positions; problems of one position keep their order. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => {
    if (a.file !== b.file) return a.file < b.file ? -1 : 1;
    return a.line - b.line || a.column - b.column;
  });
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** Text from a file as it may stand in a message: in double quotes, cut when it is very long. */
export function quote(text: string): string {
  if (text.length <= QUOTED_LENGTH_MAX) return `"${text}"`;
  return `"${text.slice(0, QUOTED_LENGTH_MAX)}..." (${text.length} characters)`;
}

/**
 * Control, bidirectional, zero-width and unpaired characters as `\u001b`, the escapes of JSON: what is JSON stays JSON, and what
 * was escaped already stays as it is.
 */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    // By UTF-16 unit: those beyond the first plane are two.
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** Collects problems while files are read. */
export class ProblemList {
  readonly #problems: Problem[] = [];
  #errorCount = 0;

  error(at: Position, code: ProblemCode, message: string): void {
    this.#add(at, code, message, 'error');
  }

  warning(at: Position, code: ProblemCode, message: string): void {
    this.#add(at, code, message, 'warning');
  }

  /** A warning that names a packet. */
  finding(at: Position, code: ProblemCode, message: string, witness: Witness | undefined): void {
    if (witness === undefined) {
      this.warning(at, code, message);
      return;
    }
    const { direction, protocol, local, remote } = witness;
    const example = `for example ${direction} ${protocol}, local ${local}, remote ${remote}`;
    const { file, line, column } = at;
    const text = `${message} (${example})`;
    this.#push({ file, line, column, code, message: text, severity: 'warning', witness });
  }

  addAll(problems: readonly Problem[]): void {
    for (const problem of problems) this.#push(problem);
  }

  /** How many errors so far: compare two readings to learn whether a step went well. */
  get errorCount(): number {
    return this.#errorCount;
  }

  sorted(): Problem[] {
    return sortProblems(this.#problems);
  }

  #add(at: Position, code: ProblemCode, message: string, severity: Severity): void {
    const { file, line, column } = at;
    this.#push({ file, line, column, code, message, severity });
  }

  #push(problem: Problem): void {
    this.#problems.push(problem);
    if (problem.severity === 'error') this.#errorCount++;
  }
}
