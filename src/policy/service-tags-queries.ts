/**
 * Questions about service tags: which tags an address is in, and what changed between two files. The sets compared are those
 * that rules match, so prefixes that overlap or touch are one.
 */
import type { AddressSet } from '../engine/address-set.ts';
import { areEqual, isEmpty, NO_ADDRESS, subtract } from '../engine/address-set.ts';
import { formatAddressSet, overlaps, parsePrefix, type Prefix, setOfPrefixes } from './address.ts';
import { nameKey } from './names.ts';
import type { Problem } from './problem.ts';
import type { ServiceTagFile } from './service-tags-file.ts';
import type { ServiceTags, TagEntry } from './service-tags.ts';

/** A tag that has an address, or addresses of a prefix. */
export interface TagMatch {
  readonly tag: TagEntry;
  /** Whether all of what was asked for is in the tag, or some of it. */
  readonly extent: 'all' | 'part';
  /** The tag's own prefixes, merged, that have an address of what was asked for. */
  readonly prefixes: readonly string[];
  /** How many addresses the tag has, both families together: the more exact a tag, the fewer. */
  readonly size: bigint;
}

export interface TagChange {
  readonly name: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Addresses that only the newer file has for the tag, as prefixes. */
  readonly addedPrefixes: readonly string[];
  readonly removedPrefixes: readonly string[];
}

export type TagDiff =
  | { readonly ok: true; readonly changes: readonly TagChange[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

function sizeOf({ ipv4, ipv6 }: AddressSet): bigint {
  let size = 0n;
  for (const [low, high] of ipv4) size += BigInt(high - low + 1);
  for (const [low, high] of ipv6) size += high - low + 1n;
  return size;
}

/** The intervals of a set that share an address with `prefix`. */
function touching({ ipv4, ipv6 }: AddressSet, prefix: Prefix): AddressSet {
  if (prefix.family === 4) {
    return {
      ipv4: ipv4.filter(([low, high]) => low <= prefix.high && prefix.low <= high),
      ipv6: [],
    };
  }
  return { ipv4: [], ipv6: ipv6.filter(([low, high]) => low <= prefix.high && prefix.low <= high) };
}

/** The prefixes that `intervals` are cut into, those of them that share an address with `prefix`. */
function prefixesTouching(intervals: AddressSet, prefix: Prefix): string[] {
  return formatAddressSet(intervals).filter((text) => {
    const own = parsePrefix(text);
    return typeof own !== 'string' && overlaps(own, prefix);
  });
}

/**
 * The tags that have an address of `prefix`, those with the fewest addresses first. A tag whose own prefixes are wrong, and
 * AzurePlatformLKM, which stands for a port at any address, are not among them.
 */
export function findTags(tags: ServiceTags, prefix: Prefix): TagMatch[] {
  const asked = setOfPrefixes([prefix]);
  const matches = tags.entries().flatMap((tag): TagMatch[] => {
    const found = tags.find(tag.name);
    if (found.kind !== 'addresses') return [];
    const near = touching(found.addresses, prefix);
    if (isEmpty(near)) return [];
    return [
      {
        tag,
        extent: isEmpty(subtract(asked, near)) ? 'all' : 'part',
        prefixes: prefixesTouching(near, prefix),
        size: sizeOf(found.addresses),
      },
    ];
  });
  return matches.toSorted((a, b) => {
    if (a.size !== b.size) return a.size < b.size ? -1 : 1;
    return a.tag.name < b.tag.name ? -1 : 1;
  });
}

/** The addresses of a tag, or `problems` with what is wrong with it. */
function addressesOf(file: ServiceTagFile, name: string, problems: Problem[]): AddressSet {
  const found = file.find(name);
  if (found?.ok === true) return found.addresses;
  problems.push(...(found?.problems ?? []));
  return NO_ADDRESS;
}

/**
 * Tags whose addresses differ, in the order of names. A tag that only changed its number or how its prefixes are cut is
 * not among them: no rule can tell.
 */
export function diffTagFiles(older: ServiceTagFile, newer: ServiceTagFile): TagDiff {
  const problems: Problem[] = [];
  const names = new Map([...older.names, ...newer.names].map((name) => [nameKey(name), name]));
  const changes = [...names.values()].flatMap((name): TagChange[] => {
    const before = addressesOf(older, name, problems);
    const after = addressesOf(newer, name, problems);
    const isNew = !older.has(name);
    const isGone = !newer.has(name);
    if (!isNew && !isGone && areEqual(before, after)) return [];
    return [
      {
        name,
        change: isNew ? 'added' : isGone ? 'removed' : 'changed',
        addedPrefixes: formatAddressSet(subtract(after, before)),
        removedPrefixes: formatAddressSet(subtract(before, after)),
      },
    ];
  });
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, changes: changes.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}
