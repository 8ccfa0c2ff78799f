/**
 * Which service tags an address is in. Tags are the sets that rules match, so prefixes that overlap or touch are one.
 */
import type { AddressSet } from '../engine/address-set.ts';
import { isEmpty, subtract } from '../engine/address-set.ts';
import { formatAddressSet, overlaps, parsePrefix, type Prefix, setOfPrefixes } from './address.ts';
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
