/**
 * Values of template expressions: the nodes that functions make, and what functions ask of their arguments.
 *
 * A computed value stands at the place of the expression it comes from, so that problems are reported there.
 */
import { plainValue } from '../document.ts';
import type {
  DocumentNode,
  ListNode,
  MapEntry,
  MapNode,
  Scalar,
  ScalarNode,
} from '../document-node.ts';
import { nameKey } from '../names.ts';

/** Thrown while an expression is evaluated; the message says why its value cannot be known. */
export class Unknowable extends Error {}

/** Azure Resource Manager's limit for a text in a template, in characters. */
const TEXT_LENGTH_MAX = 131_072;
const LIST_LENGTH_MAX = 10_000;

/** Takes evaluated arguments; `origin` is the value in the file that the expression is. */
export type TemplateFunction = (
  args: readonly DocumentNode[],
  origin: DocumentNode,
) => DocumentNode;

export function scalarNode(value: Scalar, origin: DocumentNode): ScalarNode {
  return { kind: 'scalar', at: origin.at, path: origin.path, value, text: String(value) };
}

/** @throws Unknowable when it is too long */
export function textNode(text: string, origin: DocumentNode): ScalarNode {
  if (text.length > TEXT_LENGTH_MAX) throw new Unknowable('the text it makes is too long');
  return scalarNode(text, origin);
}

/** @throws Unknowable when it is too long */
export function listNode(items: readonly DocumentNode[], origin: DocumentNode): ListNode {
  if (items.length > LIST_LENGTH_MAX) throw new Unknowable('the list it makes is too long');
  return { kind: 'list', at: origin.at, path: origin.path, items };
}

export function mapNode(
  values: readonly (readonly [key: string, value: DocumentNode])[],
  origin: DocumentNode,
): MapNode {
  const entries = values.map(([key, value]) => ({ key, keyAt: value.at, value }));
  return { kind: 'map', at: origin.at, path: origin.path, entries };
}

/** The nodes of a plain value, all at the place of `origin`. */
export function nodeOf(value: unknown, origin: DocumentNode): DocumentNode {
  if (Array.isArray(value)) {
    return listNode(
      value.map((item) => nodeOf(item, origin)),
      origin,
    );
  }
  if (typeof value === 'object' && value !== null) {
    return mapNode(
      Object.entries(value).map(([key, item]) => [key, nodeOf(item, origin)] as const),
      origin,
    );
  }
  return scalarNode(value as Scalar, origin);
}

/** The truth of a condition; throws Unknowable for what is none. */
export function booleanOf(node: DocumentNode): boolean {
  if (node.kind === 'scalar') {
    if (typeof node.value === 'boolean') return node.value;
    if (/^(?:true|false)$/i.test(node.text)) return nameKey(node.text) === 'true';
  }
  throw new Unknowable('a condition in it is neither true nor false');
}

export function isNull(node: DocumentNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

export function areEqual(a: DocumentNode, b: DocumentNode): boolean {
  if (a.kind === 'scalar' && b.kind === 'scalar') return a.value === b.value;
  return JSON.stringify(plainValue(a)) === JSON.stringify(plainValue(b));
}

/** The entry of a map in any letter case; undefined too when `node` is no map. */
export function entryOfAnyCase(node: DocumentNode, key: string): MapEntry | undefined {
  if (node.kind !== 'map') return undefined;
  return node.entries.find((entry) => nameKey(entry.key) === nameKey(key));
}

/** The value of a key in any letter case; undefined too when `node` is no map. */
export function valueOf(node: DocumentNode | undefined, key: string): DocumentNode | undefined {
  return node && entryOfAnyCase(node, key)?.value;
}

/** The same when the value is text. */
export function textAt(node: DocumentNode | undefined, key: string): string | undefined {
  const value = valueOf(node, key);
  return value?.kind === 'scalar' && typeof value.value === 'string' ? value.value : undefined;
}

export function argument(args: readonly DocumentNode[], index: number): DocumentNode {
  const node = args[index];
  if (node === undefined) throw new Unknowable('a function in it has too few arguments');
  return node;
}

export function textArgument(args: readonly DocumentNode[], index: number): string {
  const node = argument(args, index);
  if (node.kind !== 'scalar' || node.value === null) {
    throw new Unknowable('a function in it has an argument that is no text');
  }
  return node.text;
}

export function numberArgument(args: readonly DocumentNode[], index: number): number {
  const text = textArgument(args, index);
  if (!/^-?\d{1,15}$/.test(text)) {
    throw new Unknowable('a function in it has an argument that is no whole number');
  }
  return Number(text);
}

/** A list argument; null counts as the empty one, as in Bicep's `...?`. */
export function listArgument(
  args: readonly DocumentNode[],
  index: number,
): readonly DocumentNode[] {
  const node = argument(args, index);
  if (node.kind === 'list') return node.items;
  throw new Unknowable('a function in it has an argument that is no list');
}

export function scalarOf(node: DocumentNode): ScalarNode {
  if (node.kind === 'scalar') return node;
  throw new Unknowable('a name in it is no text');
}

/** An item of a list by its index, or a member of a map in any letter case. */
export function memberOf(container: DocumentNode, key: string): DocumentNode | undefined {
  return container.kind === 'list' ? container.items[Number(key)] : valueOf(container, key);
}
