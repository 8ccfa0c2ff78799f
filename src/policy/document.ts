/**
 * A YAML or JSON file as a tree in which every value knows where it stands, so that whoever finds a value wrong can
 * name its line and column.
 *
 * JSON has its own reader (document-json.ts) although YAML is nearly a superset: its errors should speak of JSON, tabs
 * may indent it, and Azure's templates carry comments.
 */
import { readJsonTree } from './document-json.ts';
import { readYamlTree } from './document-yaml.ts';
import type { DocumentNode, MapEntry, MapNode } from './document-node.ts';
import { type Position, type Problem, ProblemList } from './problem.ts';

/** Largest text that is read, in UTF-16 units. A configuration near it is a mistake or an attack. */
export const DOCUMENT_LENGTH_MAX = 4 * 1024 * 1024;

/** Keys and indexes from the root to a value, as zod's issues give them. */
export type DocumentPath = readonly PropertyKey[];

export interface TextDocument {
  readonly file: string;
  readonly root: DocumentNode;
  /** The same as plain objects, arrays and scalars. */
  readonly value: unknown;
  /** Where the value at `path` stands. Of a path that leads nowhere: its deepest part that exists. */
  positionOf(path: DocumentPath): Position;
  /** Where the key of the value at `path` stands (complaints about unknown keys); of list items, the item. */
  keyPositionOf(path: DocumentPath): Position;
  /** The node at `path`, or undefined. */
  nodeAt(path: DocumentPath): DocumentNode | undefined;
}

export interface DocumentReading {
  /** Undefined when the text cannot be understood; a repeated key alone does not prevent it. */
  readonly document: TextDocument | undefined;
  /** Every syntax error, in order of position. */
  readonly problems: Problem[];
}

/**
 * Reads YAML 1.2 (core schema) or JSON. JSON when the file name ends in `.json` or the text starts with `{` or `[`
 * and the name does not end in `.yaml` or `.yml`. Never throws.
 *
 * Codes: FileTooLarge, InvalidJson, InvalidYaml, DuplicateKey, ExcessiveAliases, EmptyDocument.
 */
export function readDocument(source: string, file: string): DocumentReading {
  const problems = new ProblemList();
  if (source.length > DOCUMENT_LENGTH_MAX) {
    const message = `the file has ${source.length} characters; at most ${DOCUMENT_LENGTH_MAX} are read`;
    problems.error({ file, line: 1, column: 1 }, 'FileTooLarge', message);
    return { document: undefined, problems: problems.sorted() };
  }
  const text = withoutByteOrderMark(source);
  const read = isJson(text, file) ? readJsonTree : readYamlTree;
  const root = read(text, file, problems);
  const document = root === undefined ? undefined : documentOf(root, file);
  return { document, problems: problems.sorted() };
}

/** The value of a node without positions. Own properties only, so a key `__proto__` is a key like any other. */
export function plainValue(node: DocumentNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(plainValue);
  return Object.fromEntries(node.entries.map((entry) => [entry.key, plainValue(entry.value)]));
}

/** The entry with exactly this key. */
export function entryOf(map: MapNode, key: string): MapEntry | undefined {
  return map.entries.find((entry) => entry.key === key);
}

function withoutByteOrderMark(text: string): string {
  return text.codePointAt(0) === 0xfeff ? text.slice(1) : text;
}

function isJson(text: string, file: string): boolean {
  if (/\.json$/i.test(file)) return true;
  return /^\s*[{[]/.test(text) && !/\.ya?ml$/i.test(file);
}

function documentOf(root: DocumentNode, file: string): TextDocument {
  return {
    file,
    root,
    value: plainValue(root),
    positionOf: (path) => follow(root, path).node.at,
    keyPositionOf: (path) => follow(root, path).keyAt,
    nodeAt: (path) => {
      const { node, depth } = follow(root, path);
      return depth === path.length ? node : undefined;
    },
  };
}

/** As far down `path` as the tree goes. `depth` is how many of its parts were found. */
function follow(
  root: DocumentNode,
  path: DocumentPath,
): { node: DocumentNode; keyAt: Position; depth: number } {
  let node = root;
  let keyAt = root.at;
  let depth = 0;
  for (const part of path) {
    if (node.kind === 'map') {
      const entry = entryOf(node, String(part));
      if (entry === undefined) break;
      node = entry.value;
      keyAt = entry.keyAt;
    } else {
      const item = node.kind === 'list' ? node.items[Number(part)] : undefined;
      if (item === undefined) break;
      node = item;
      keyAt = item.at;
    }
    depth++;
  }
  return { node, keyAt, depth };
}
