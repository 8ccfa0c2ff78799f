/**
 * Template functions on lists and maps, and those that take a text as well as a list.
 */
import { plainValue } from '../document.ts';
import type { DocumentNode, MapNode } from '../document-node.ts';
import { nameKey } from '../names.ts';
import {
  areEqual,
  argument,
  isNull,
  listArgument,
  listNode,
  mapNode,
  numberArgument,
  scalarNode,
  type TemplateFunction,
  textArgument,
  textNode,
  Unknowable,
} from './template-values.ts';

/** By name in lower case. */
export const LIST_FUNCTIONS: readonly (readonly [string, TemplateFunction])[] = [
  ['concat', concat],
  ['createarray', listNode],
  ['createobject', createObject],
  ['array', (args, origin) => (args[0]?.kind === 'list' ? args[0] : listNode(args, origin))],
  ['length', (args, origin) => scalarNode(lengthOf(argument(args, 0)), origin)],
  ['empty', (args, origin) => scalarNode(isEmpty(argument(args, 0)), origin)],
  ['contains', (args, origin) => scalarNode(contains(args), origin)],
  ['first', (args, origin) => itemAt(argument(args, 0), 0, origin)],
  ['last', (args, origin) => itemAt(argument(args, 0), -1, origin)],
  ['skip', slice((count) => [count])],
  ['take', slice((count) => [0, count])],
  ['range', range],
  ['join', join],
  ['flatten', flatten],
  ['union', union],
  ['intersection', intersection],
  ['shallowmerge', (args, origin) => mergeMaps(listArgument(args, 0), origin)],
  ['items', items],
  ['objectkeys', objectKeys],
  ['min', extreme((a, b) => Math.min(a, b))],
  ['max', extreme((a, b) => Math.max(a, b))],
];

/** Texts joined, or lists. */
function concat(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  if (args.some((node) => node.kind === 'list')) {
    const all = args.flatMap((node) => (node.kind === 'list' ? node.items : [node]));
    return listNode(all, origin);
  }
  return textNode(args.map((_, index) => textArgument(args, index)).join(''), origin);
}

function createObject(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const entries: [string, DocumentNode][] = [];
  for (let index = 0; index < args.length; index += 2) {
    entries.push([textArgument(args, index), argument(args, index + 1)]);
  }
  return mapNode(entries, origin);
}

function lengthOf(node: DocumentNode): number {
  if (node.kind === 'list') return node.items.length;
  return node.kind === 'map' ? node.entries.length : node.text.length;
}

function isEmpty(node: DocumentNode): boolean {
  return isNull(node) || lengthOf(node) === 0;
}

function contains(args: readonly DocumentNode[]): boolean {
  const container = argument(args, 0);
  const item = argument(args, 1);
  if (container.kind === 'list') return container.items.some((member) => areEqual(member, item));
  const text = textArgument(args, 1);
  if (container.kind === 'scalar') return container.text.includes(text);
  return container.entries.some((entry) => nameKey(entry.key) === nameKey(text));
}

/** Of an empty list or text there is none: null, and the empty text. */
function itemAt(node: DocumentNode, index: number, origin: DocumentNode): DocumentNode {
  if (node.kind === 'list') return node.items.at(index) ?? scalarNode(null, origin);
  if (node.kind === 'scalar' && !isNull(node)) {
    return scalarNode(node.text.at(index) ?? '', origin);
  }
  throw new Unknowable('a function in it has an argument that is no list');
}

function slice(bounds: (count: number) => [number, number?]): TemplateFunction {
  return (args, origin) => {
    const node = argument(args, 0);
    const [start, end] = bounds(Math.max(0, numberArgument(args, 1)));
    return node.kind === 'list'
      ? listNode(node.items.slice(start, end), origin)
      : scalarNode(textArgument(args, 0).slice(start, end), origin);
  };
}

function range(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const [start, count] = [numberArgument(args, 0), numberArgument(args, 1)];
  if (count < 0 || count > 10_000) throw new Unknowable('the list it makes is too long');
  const numbers = Array.from({ length: count }, (_, index) => scalarNode(start + index, origin));
  return listNode(numbers, origin);
}

function join(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const parts = listArgument(args, 0);
  const texts = parts.map((_, index) => textArgument(parts, index));
  return textNode(texts.join(textArgument(args, 1)), origin);
}

function flatten(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const lists = listArgument(args, 0);
  return listNode(
    lists.flatMap((node) => (node.kind === 'list' ? node.items : [node])),
    origin,
  );
}

/** Lists without repeated items, or maps of which the last wins, maps within them merged too. */
function union(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  if (argument(args, 0).kind !== 'list') return mergeMaps(args, origin, true);
  const all = args.flatMap((_, index) => listArgument(args, index));
  return listNode([...new Map(all.map((item) => [keyOf(item), item])).values()], origin);
}

function intersection(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const lists = args.map((_, index) => listArgument(args, index));
  const [first = [], ...others] = lists;
  const keys = others.map((list) => new Set(list.map(keyOf)));
  return listNode(
    first.filter((item) => keys.every((set) => set.has(keyOf(item)))),
    origin,
  );
}

/** The same for equal values. */
function keyOf(node: DocumentNode): string {
  return JSON.stringify(plainValue(node));
}

function mergeMaps(
  nodes: readonly DocumentNode[],
  origin: DocumentNode,
  isDeep = false,
): DocumentNode {
  const merged = new Map<string, readonly [string, DocumentNode]>();
  for (const node of nodes) {
    for (const { key, value } of mapOf(node).entries) {
      const [, before] = merged.get(nameKey(key)) ?? [];
      const areMaps = isDeep && before?.kind === 'map' && value.kind === 'map';
      const fresh = areMaps ? mergeMaps([before, value], origin, true) : value;
      merged.set(nameKey(key), [key, fresh]);
    }
  }
  return mapNode([...merged.values()], origin);
}

function mapOf(node: DocumentNode): MapNode {
  if (node.kind === 'map') return node;
  throw new Unknowable('a function in it has an argument that is no object');
}

/** `{ key, value }` of each, by key. */
function items(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const entries = mapOf(argument(args, 0)).entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const pairs = entries.map(({ key, value }) =>
    mapNode(
      [
        ['key', scalarNode(key, origin)],
        ['value', value],
      ],
      origin,
    ),
  );
  return listNode(pairs, origin);
}

function objectKeys(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const keys = mapOf(argument(args, 0)).entries.map(({ key }) => scalarNode(key, origin));
  return listNode(keys, origin);
}

function extreme(choose: (a: number, b: number) => number): TemplateFunction {
  return (args, origin) => {
    const numbers = args[0]?.kind === 'list' ? args[0].items : args;
    if (numbers.length === 0) throw new Unknowable('a function in it has too few arguments');
    const values = numbers.map((_, index) => numberArgument(numbers, index));
    return scalarNode(values.reduce(choose), origin);
  };
}
