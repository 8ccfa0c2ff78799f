/**
 * Reads parts of a configuration document through their schemas, one part at a time: a mistake in one interface must
 * not hide the mistakes in the next.
 */
import { z } from 'zod';
import type { DocumentPath, TextDocument } from './document.ts';
import { plainValue } from './document.ts';
import { describeNode } from './document-node.ts';
import { nearestName } from './names.ts';
import { isProblemCode, type ProblemCode } from './problem-codes.ts';
import type { Position, ProblemList } from './problem.ts';
import { quote } from './problem.ts';

/** A part that fits its schema, and where it stands. */
export interface Item<T> {
  readonly value: T;
  readonly path: DocumentPath;
}

/** What a schema expects, in words. */
const EXPECTED_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

/** The keys that the map at `path` below `schema` may have; none when it may have any. */
function knownKeys(schema: z.ZodType, path: DocumentPath): string[] {
  let at = unwrap(schema);
  for (const part of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(part)]);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** `networkInterfaces[0].subnet`, for messages. */
function pathText(path: DocumentPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

export class ConfigurationReader {
  readonly document: TextDocument;
  readonly problems: ProblemList;

  constructor(document: TextDocument, problems: ProblemList) {
    this.document = document;
    this.problems = problems;
  }

  /** The part at `path`, or undefined when it is absent or wrong; what is wrong is added to the problems. */
  section<T>(schema: z.ZodType<T>, path: DocumentPath): T | undefined {
    const node = this.document.nodeAt(path);
    if (node === undefined) return undefined;
    const result = schema.safeParse(plainValue(node));
    if (result.success) return result.data;
    for (const issue of result.error.issues) this.#report(schema, path, issue);
    return undefined;
  }

  /** The elements of the list at `path` that fit `schema`. */
  items<T>(schema: z.ZodType<T>, path: DocumentPath): Item<T>[] {
    const node = this.document.nodeAt(path);
    if (node === undefined) return [];
    if (node.kind !== 'list') {
      const message = `${pathText(path)} must be a list, not ${describeNode(node)}`;
      this.error(path, 'InvalidValue', message);
      return [];
    }
    return node.items.flatMap((_, index) => {
      const itemPath = [...path, index];
      const value = this.section(schema, itemPath);
      return value === undefined ? [] : [{ value, path: itemPath }];
    });
  }

  /** Reports keys of the map at `path` that `schema` does not know. */
  checkKeys(schema: z.ZodObject, path: DocumentPath): void {
    const node = this.document.nodeAt(path);
    if (node?.kind !== 'map') return;
    const known = Object.keys(schema.shape);
    for (const { key } of node.entries) {
      if (!known.includes(key)) this.#reportUnknownKey(path, key, known);
    }
  }

  /** Reports unknown and missing keys of the root. */
  checkRoot(schema: z.ZodObject): void {
    const { root } = this.document;
    if (root.kind !== 'map') {
      this.error([], 'InvalidValue', `a configuration is a map, not ${describeNode(root)}`);
      return;
    }
    this.checkKeys(schema, []);
    for (const [key, value] of Object.entries(schema.shape)) {
      if (!(value instanceof z.ZodOptional) && this.document.nodeAt([key]) === undefined) {
        this.error([], 'MissingProperty', `${key} is required`);
      }
    }
  }

  at(path: DocumentPath): Position {
    return this.document.positionOf(path);
  }

  error(path: DocumentPath, code: ProblemCode, message: string): void {
    this.problems.error(this.at(path), code, message);
  }

  warning(path: DocumentPath, code: ProblemCode, message: string): void {
    this.problems.warning(this.at(path), code, message);
  }

  #report(schema: z.ZodType, base: DocumentPath, issue: z.core.$ZodIssue): void {
    const path = [...base, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema, issue.path);
      for (const key of issue.keys) this.#reportUnknownKey(path, key, known);
      return;
    }
    const node = this.document.nodeAt(path);
    if (node === undefined) {
      const name = pathText(path.slice(-1));
      this.error(path, 'MissingProperty', `${name} is required in ${pathText(path.slice(0, -1))}`);
      return;
    }
    if (issue.code === 'invalid_key') {
      const reason = issue.issues[0]?.message ?? issue.message;
      const message = `${quote(String(path.at(-1)))} is no valid name: ${reason}`;
      this.problems.error(this.document.keyPositionOf(path), 'InvalidValue', message);
      return;
    }
    const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined;
    if (typeof code === 'string' && isProblemCode(code)) {
      this.error(path, code, issue.message);
      return;
    }
    let reason = issue.message;
    if (issue.code === 'invalid_type' && reason.startsWith('Invalid input')) {
      const expected = EXPECTED_WORDS[issue.expected] ?? issue.expected;
      const isFraction = issue.expected === 'int' && node.kind === 'scalar';
      reason = `must be ${expected}, not ${isFraction ? quote(node.text) : describeNode(node)}`;
    }
    this.error(path, 'InvalidValue', `${pathText(path)} ${reason}`);
  }

  #reportUnknownKey(path: DocumentPath, key: string, known: readonly string[]): void {
    const nearest = nearestName(key, known);
    const where = path.length === 0 ? 'the configuration' : pathText(path);
    const hint =
      nearest === undefined ? `; it has ${known.join(', ')}` : `; did you mean ${nearest}?`;
    const at = this.document.keyPositionOf([...path, key]);
    this.problems.error(at, 'UnknownProperty', `${where} has no property ${quote(key)}${hint}`);
  }
}
