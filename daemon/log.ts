/**
 * The daemon's log: one JSON object a line for programs, one readable line for people on a terminal. What would repeat
 * without end is limited, and the number of lines left out is in the next one.
 */
import { writeSync } from 'node:fs';
import pino from 'pino';
import { escapeControls } from '../src/policy/problem.ts';

const STDOUT = 1;
const STDERR = 2;
const NEWLINE = 0x0a;

/** Lines with the same message within a window; a wire that fails at every start makes three in a second. */
const LINES_PER_WINDOW = 30;
const WINDOW_MS = 60_000;

/** Counts lines by message. Messages are texts of the program, so there are few; what varies is in a line's fields. */
export class LineLimit {
  readonly #clock: () => number;
  readonly #windows = new Map<string, { start: number; lines: number; suppressed: number }>();

  /** @param clock milliseconds, monotonic */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** @returns lines of this message left out since the last one written; undefined when this one is to be left out */
  admit(message: string): number | undefined {
    const now = this.#clock();
    let window = this.#windows.get(message);
    if (window === undefined || now - window.start >= WINDOW_MS) {
      const suppressed = window?.suppressed ?? 0;
      window = { start: now, lines: 1, suppressed: 0 };
      this.#windows.set(message, window);
      return suppressed;
    }
    if (window.lines >= LINES_PER_WINDOW) {
      window.suppressed++;
      return undefined;
    }
    window.lines++;
    return 0;
  }
}

/** `12:00:00.123 WARN  waiting wire=w detail="interface eth1 is down"`, from a line of JSON; times are local. */
export function readableLine(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const date = new Date(Number(time));
  const clock = `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
  const name = (pino.levels.labels[Number(level)] ?? String(level)).toUpperCase().padEnd(5);
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  return [clock, name, typeof msg === 'string' ? escapeControls(msg) : '', ...rest].join(' ');
}

/** JSON for everything but plain words; its quotes and escapes keep a value on its line and in its place. */
function fieldText(value: unknown): string {
  if (typeof value === 'string' && /^[\w./:+-]+$/.test(value)) return value;
  return escapeControls(JSON.stringify(value));
}

/** Of the process and what it was started by. */
export interface LogSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether standard error is a terminal. */
  readonly isTerminal: boolean;
  readonly clock: () => number;
  /** Writes at once, as what was logged before a crash is what explains it. @returns bytes written, some or all */
  readonly write: (descriptor: number, line: Uint8Array) => number;
}

/**
 * Writes a line where the log goes. Whoever reads it may have ended (EPIPE), be slow (EAGAIN) or have no room (ENOSPC): none of
 * that may end or hold up the daemon, so the line is lost, and the next one that is written is told how many were. A line of
 * which a part was written is lost too; the next begins on a line of its own.
 */
export class LineWriter {
  readonly #write: LogSurroundings['write'];
  #lost = 0;
  #isLineOpen = false;

  constructor(write: LogSurroundings['write']) {
    this.#write = write;
  }

  /** Lines lost since the last one that was written. */
  get lost(): number {
    return this.#lost;
  }

  /** @param line with its end */
  write(descriptor: number, line: string): void {
    const bytes = Buffer.from(this.#isLineOpen ? `\n${line}` : line, 'utf8');
    try {
      const written = this.#write(descriptor, bytes);
      if (written > 0) this.#isLineOpen = bytes[written - 1] !== NEWLINE;
      this.#lost = written === bytes.length ? 0 : this.#lost + 1;
    } catch {
      this.#lost++;
    }
  }
}

export const PROCESS_SURROUNDINGS: LogSurroundings = {
  environment: process.env,
  isTerminal: process.stderr.isTTY,
  clock: () => performance.now(),
  write: (descriptor, line) => writeSync(descriptor, line),
};

/**
 * JSON to standard output under systemd, whose journal reads it (JOURNAL_STREAM, systemd.exec(5)); else to standard
 * error, readable when that is a terminal.
 */
export function createLog(level: string, surroundings = PROCESS_SURROUNDINGS): pino.Logger {
  const { environment, isTerminal, clock, write } = surroundings;
  const descriptor = environment['JOURNAL_STREAM'] === undefined ? STDERR : STDOUT;
  const isReadable = descriptor === STDERR && isTerminal;
  const limit = new LineLimit(clock);
  const writer = new LineWriter(write);
  return pino(
    {
      level,
      base: {},
      hooks: {
        logMethod(parts, method) {
          const [first, second] = parts as readonly unknown[];
          const hasFields = typeof first === 'object' && first !== null;
          const message = String(hasFields ? second : first);
          const suppressed = limit.admit(message);
          if (suppressed === undefined) return;
          const losses = {
            ...(suppressed > 0 && { suppressedLines: suppressed }),
            ...(writer.lost > 0 && { lostLines: writer.lost }),
          };
          method.apply(this, [{ ...(hasFields ? first : {}), ...losses }, message]);
        },
      },
    },
    {
      write: (line: string) =>
        writer.write(
          descriptor,
          `${isReadable ? readableLine(line) : escapeControls(line.trimEnd())}
`,
        ),
    },
  );
}
