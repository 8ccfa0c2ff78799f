/**
 * Reads JSON (RFC 8259) into a document tree and goes on after a mistake, so that one reading names all of them.
 *
 * Comments in the manner of `//` and slash-star are skipped: Azure Resource Manager allows them in templates.
 */
import type { DocumentNode, MapEntry, PathLink, Scalar } from './document-node.ts';
import { formatPosition, type Position, type ProblemList, quote } from './problem.ts';

/** Deeper nesting than any template has; guards the stack. */
export const NESTING_MAX = 100;
/** After so many mistakes the text is not JSON, and more complaints help nobody. */
export const SYNTAX_ERRORS_MAX = 50;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
/** What stands where a value should be, up to the next delimiter. */
const WORD = /[^\s,:[\]{}"]+/y;
/** The part of a string without escapes, quotes and control characters. */
// oxlint-disable-next-line no-control-regex -- RFC 8259 section 7: these must be escaped
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

const LITERALS: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** Ends a reading that cannot go on; the problem is already reported. */
class Unreadable extends Error {}

/** The tree, or undefined when `problems` got a syntax error. Repeated keys are reported and do not prevent a tree. */
export function readJsonTree(
  text: string,
  file: string,
  problems: ProblemList,
): DocumentNode | undefined {
  const reader = new JsonReader(text, file, problems);
  try {
    return reader.readAll();
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

class JsonReader {
  readonly #text: string;
  readonly #file: string;
  readonly #problems: ProblemList;
  #at = 0;
  #line = 1;
  #lineStart = 0;
  /** Where the line ends that is counted in `#line`; looked up once, as a file may be one line of many megabytes. */
  #lineEnd = 0;
  #syntaxErrors = 0;
  #failedAt = -1;

  constructor(text: string, file: string, problems: ProblemList) {
    this.#text = text;
    this.#file = file;
    this.#problems = problems;
    this.#lineEnd = this.#endOfLine(0);
  }

  readAll(): DocumentNode | undefined {
    this.#skipSpace();
    if (this.#isAtEnd()) {
      this.#problems.error(this.#position(), 'EmptyDocument', 'the file is empty');
      return undefined;
    }
    const root = this.#value(undefined, 0);
    this.#skipSpace();
    if (!this.#isAtEnd()) this.#fail(`nothing may follow the value, found ${this.#found()}`);
    return this.#syntaxErrors === 0 ? root : undefined;
  }

  #value(path: PathLink | undefined, depth: number): DocumentNode {
    const at = this.#position();
    const character = this.#text[this.#at];
    if (character === '{') return this.#map(at, path, depth);
    if (character === '[') return this.#list(at, path, depth);
    if (character === '"') {
      const value = this.#string();
      return { kind: 'scalar', at, path, value, text: value };
    }
    return this.#literal(at, path);
  }

  #map(at: Position, path: PathLink | undefined, depth: number): DocumentNode {
    const entries = new Map<string, MapEntry>();
    this.#items('}', at, depth, () => {
      const keyAt = this.#position();
      const key = this.#key();
      this.#skipSpace();
      if (!this.#take(':'))
        this.#fail(`expected ":" after the key ${quote(key)}, ${this.#context()}`);
      this.#skipSpace();
      const value = this.#value({ parent: path, key }, depth + 1);
      const first = entries.get(key);
      if (first === undefined) entries.set(key, { key, keyAt, value });
      else {
        const message = `the key ${quote(key)} is already at ${formatPosition(first.keyAt)}`;
        this.#problems.error(keyAt, 'DuplicateKey', message);
      }
    });
    return { kind: 'map', at, path, entries: [...entries.values()] };
  }

  #list(at: Position, path: PathLink | undefined, depth: number): DocumentNode {
    const items: DocumentNode[] = [];
    this.#items(']', at, depth, () => {
      items.push(this.#value({ parent: path, key: items.length }, depth + 1));
    });
    return { kind: 'list', at, path, items };
  }

  /** The comma-separated part between an opening bracket, where the reader stands, and `close`. */
  #items(close: '}' | ']', at: Position, depth: number, readItem: () => void): void {
    if (depth >= NESTING_MAX) this.#stop(`more than ${NESTING_MAX} levels of nesting`);
    this.#at++;
    this.#skipSpace();
    if (this.#take(close)) return;
    for (;;) {
      this.#checkNotClosed(close, at);
      const start = this.#at;
      readItem();
      this.#skipSpace();
      if (this.#take(close)) return;
      if (this.#take(',')) {
        const comma = this.#at - 1;
        this.#skipSpace();
        if (!this.#take(close)) continue;
        this.#failAt(comma, `no comma may stand before "${close}"`);
        return;
      }
      this.#checkNotClosed(close, at);
      this.#fail(`expected "," or "${close}", ${this.#context()}`);
      if (this.#at === start) this.#at++;
      this.#skipSpace();
    }
  }

  /** Stops at the end of the text and at the wrong closing bracket: what follows could only be misread. */
  #checkNotClosed(close: string, at: Position): void {
    const opened = `"${close === '}' ? '{' : '['}" of ${formatPosition(at)}`;
    if (this.#isAtEnd()) this.#stop(`the file ends before the ${opened} is closed`);
    const character = this.#text[this.#at] ?? '';
    if (character !== close && '}]'.includes(character)) {
      this.#stop(`"${character}" cannot close the ${opened}`);
    }
  }

  #key(): string {
    if (this.#text[this.#at] === '"') return this.#string();
    const word = this.#match(WORD);
    const key = word.replace(/^'(.*)'$/, '$1');
    this.#failAt(
      this.#at - word.length,
      word === ''
        ? `expected a key in double quotes, ${this.#context()}`
        : `the key ${quote(key)} must be in double quotes`,
    );
    return key;
  }

  #literal(at: Position, path: PathLink | undefined): DocumentNode {
    const start = this.#at;
    const word = this.#match(WORD);
    const literal = LITERALS.get(word);
    if (literal !== undefined) {
      return { kind: 'scalar', at, path, value: literal, text: word };
    }
    NUMBER.lastIndex = 0;
    if (word !== '' && NUMBER.exec(word)?.[0].length === word.length) {
      return { kind: 'scalar', at, path, value: Number(word), text: word };
    }
    this.#failAt(
      start,
      word === ''
        ? `expected a value, ${this.#context()}`
        : `${quote(word)} is no JSON value; text must be in double quotes`,
    );
    return { kind: 'scalar', at, path, value: null, text: 'null' };
  }

  /** A string in double quotes. One that is not closed ends with its line. */
  #string(): string {
    const start = this.#at;
    this.#at++;
    let value = '';
    for (;;) {
      value += this.#match(PLAIN_CHARACTERS);
      const character = this.#text[this.#at];
      if (this.#take('"')) return value;
      if (character === undefined || character === '\n' || character === '\r') {
        this.#failAt(start, 'the text that starts here is not closed on its line');
        return value;
      }
      if (character === '\\') {
        value += this.#escape();
      } else {
        this.#fail(`a control character in a text must be written as an escape`);
        this.#at++;
      }
    }
  }

  #escape(): string {
    const escape = this.#match(ESCAPE);
    if (escape !== '') return JSON.parse(`"${escape}"`) as string;
    const wrong = this.#text.slice(this.#at, this.#at + 2);
    this.#fail(`${quote(wrong)} is no escape; a backslash in a text is written twice`);
    this.#at++;
    return '\\';
  }

  #skipSpace(): void {
    do {
      this.#match(SPACE);
    } while (this.#text[this.#at] === '/' && this.#match(COMMENT) !== '');
    if (this.#text.startsWith('/*', this.#at))
      this.#stop('the comment that starts here is not closed');
  }

  /** What `pattern` (sticky) matches here; the reader moves behind it. */
  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const matched = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += matched.length;
    return matched;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  #found(): string {
    return this.#isAtEnd()
      ? 'the end of the file'
      : quote(this.#text.slice(this.#at, this.#at + 1));
  }

  #context(): string {
    return `found ${this.#found()}`;
  }

  #endOfLine(start: number): number {
    const newline = this.#text.indexOf('\n', start);
    return newline === -1 ? this.#text.length : newline;
  }

  /** Positions are asked for in rising order, but for the few of mistakes. */
  #position(offset: number = this.#at): Position {
    if (offset < this.#lineStart) {
      this.#line = 1;
      this.#lineStart = 0;
      this.#lineEnd = this.#endOfLine(0);
    }
    while (offset > this.#lineEnd) {
      this.#line++;
      this.#lineStart = this.#lineEnd + 1;
      this.#lineEnd = this.#endOfLine(this.#lineStart);
    }
    return { file: this.#file, line: this.#line, column: offset - this.#lineStart + 1 };
  }

  #fail(message: string): void {
    this.#failAt(this.#at, message);
  }

  /** Of several complaints about one place only the first is told: the others follow from it. */
  #failAt(offset: number, message: string): void {
    if (offset === this.#failedAt) return;
    this.#failedAt = offset;
    this.#problems.error(this.#position(offset), 'InvalidJson', message);
    this.#syntaxErrors++;
    if (this.#syntaxErrors >= SYNTAX_ERRORS_MAX) throw new Unreadable();
  }

  #stop(message: string): never {
    this.#fail(message);
    throw new Unreadable();
  }
}
