/**
 * What the sections of a configuration have in common: names that must be unique, references to other sections, and
 * prefixes.
 */
import type { Prefix } from './address.ts';
import { explainPrefixFault, parsePrefix } from './address.ts';
import type { ConfigurationReader, Item } from './configuration-reader.ts';
import type { DocumentPath } from './document.ts';
import { nameKey, nearestName, resourceNameOfId } from './names.ts';
import { quote } from './problem.ts';

/** Names that may be referred to. Undefined: not all are known, so none can be called unknown. */
export interface ReferableNames {
  readonly networkSecurityGroups: readonly string[] | undefined;
  readonly applicationSecurityGroups: readonly string[] | undefined;
}

/** As written: a name, or Azure's object with an id that ends in it. */
export type Reference = string | { readonly id: string };

export interface ReferenceTarget {
  /** Undefined: not all are known, so any name is taken as it is. */
  readonly names: readonly string[] | undefined;
  /** The kind of resource, for the message. */
  readonly what: string;
  /** Where the reference stands. */
  readonly path: DocumentPath;
}

/** Reports elements whose names differ at most in case. */
export function checkUniqueNames(
  reader: ConfigurationReader,
  items: readonly Item<{ readonly name: string }>[],
  what: string,
): void {
  const seen = new Map<string, string>();
  for (const { value, path } of items) {
    const first = seen.get(nameKey(value.name));
    if (first === undefined) {
      seen.set(nameKey(value.name), value.name);
      continue;
    }
    const message = `${what} ${quote(value.name)} exists already; names are compared without case`;
    // The names of some are keys: then there is no property with it.
    const { document } = reader;
    const at = document.nodeAt([...path, 'name'])?.at ?? document.keyPositionOf(path);
    reader.problems.error(at, 'DuplicateName', message);
  }
}

/** The prefixes that `texts`, the list at `path`, hold; those that are none are reported. */
export function parsePrefixes(
  reader: ConfigurationReader,
  texts: readonly string[],
  path: DocumentPath,
): Prefix[] {
  return texts.flatMap((text, index) => parsePrefixAt(reader, text, [...path, index]));
}

/** The prefix that stands at `path`; none, and reported, when it is no prefix. */
export function parsePrefixAt(
  reader: ConfigurationReader,
  text: string,
  path: DocumentPath,
): Prefix[] {
  const prefix = parsePrefix(text);
  if (typeof prefix !== 'string') return [prefix];
  const message = `${quote(text)} ${explainPrefixFault(text, prefix)}`;
  reader.error(path, 'InvalidCIDRNotation', message);
  return [];
}

/** The name a reference means, in the spelling of `names`; undefined, and reported, when there is none. */
export function resolveReference(
  reader: ConfigurationReader,
  reference: Reference | undefined,
  target: ReferenceTarget,
): string | undefined {
  const { names, what, path } = target;
  if (reference === undefined) return undefined;
  const name = typeof reference === 'string' ? reference : resourceNameOfId(reference.id);
  if (names === undefined) return name;
  const found = names.find((candidate) => nameKey(candidate) === nameKey(name));
  if (found !== undefined) return found;
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  reader.error(path, 'InvalidResourceReference', `there is no ${what} ${quote(name)}${hint}`);
  return undefined;
}

/** Names that stand in the list at `path`, also those of elements that are otherwise wrong. */
export function writtenNames(reader: ConfigurationReader, path: DocumentPath): string[] {
  const node = reader.document.nodeAt(path);
  if (node?.kind !== 'list') return [];
  return node.items.flatMap((_, index) => {
    const name = reader.document.nodeAt([...path, index, 'name']);
    return name?.kind === 'scalar' ? [name.text] : [];
  });
}
