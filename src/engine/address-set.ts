/**
 * AddressSet: a set of IPv4 and IPv6 addresses as intervals (intervals.ts). Cold path only.
 *
 * The empty set is empty: it matches nothing. "Any" is the explicit `ANY_ADDRESS`.
 */
import {
  areIntervalsEqual,
  type Interval,
  intersectIntervals,
  mergeIntervals,
  subtractIntervals,
} from './intervals.ts';

/** IPv4 addresses as unsigned 32-bit numbers in host order. */
export type Ipv4Interval = Interval<number>;
/** IPv6 addresses as unsigned 128-bit integers. */
export type Ipv6Interval = Interval<bigint>;

export interface AddressSet {
  readonly ipv4: readonly Ipv4Interval[];
  readonly ipv6: readonly Ipv6Interval[];
}

export const IPV4_MAX = 0xffff_ffff;
export const IPV6_MAX = (1n << 128n) - 1n;

/** Every address of both families. */
export const ANY_ADDRESS: AddressSet = { ipv4: [[0, IPV4_MAX]], ipv6: [[0n, IPV6_MAX]] };
/** No address at all. */
export const NO_ADDRESS: AddressSet = { ipv4: [], ipv6: [] };

/** A canonical set from intervals in any order, overlapping or not. */
export function addressSet(
  ipv4: readonly Ipv4Interval[],
  ipv6: readonly Ipv6Interval[],
): AddressSet {
  return { ipv4: mergeIntervals(ipv4), ipv6: mergeIntervals(ipv6) };
}

/** The union of sets; of none, the empty set. */
export function union(sets: readonly AddressSet[]): AddressSet {
  return addressSet(
    sets.flatMap((set) => set.ipv4),
    sets.flatMap((set) => set.ipv6),
  );
}

/** The addresses of `from` that are not in `removed`. */
export function subtract(from: AddressSet, removed: AddressSet): AddressSet {
  return {
    ipv4: subtractIntervals(from.ipv4, removed.ipv4),
    ipv6: subtractIntervals(from.ipv6, removed.ipv6),
  };
}

/** The addresses that are in both sets. */
export function intersect(a: AddressSet, b: AddressSet): AddressSet {
  return {
    ipv4: intersectIntervals(a.ipv4, b.ipv4),
    ipv6: intersectIntervals(a.ipv6, b.ipv6),
  };
}

/** True when the set has no address of either family. */
export function isEmpty(set: AddressSet): boolean {
  return set.ipv4.length === 0 && set.ipv6.length === 0;
}

/** True when both sets hold the same addresses. */
export function areEqual(a: AddressSet, b: AddressSet): boolean {
  return areIntervalsEqual(a.ipv4, b.ipv4) && areIntervalsEqual(a.ipv6, b.ipv6);
}

/** True when the IPv4 address (unsigned) is in the set. */
export function hasIpv4(set: AddressSet, address: number): boolean {
  return set.ipv4.some(([low, high]) => low <= address && address <= high);
}

/** True when the IPv6 address is in the set. */
export function hasIpv6(set: AddressSet, address: bigint): boolean {
  return set.ipv6.some(([low, high]) => low <= address && address <= high);
}

/** Four signed 32-bit words, most significant first, as packets and tables hold addresses. */
export type AddressWords = [number, number, number, number];

export function ipv6Words(address: bigint): AddressWords {
  const word = (shift: bigint): number => Number((address >> shift) & 0xffff_ffffn) | 0;
  return [word(96n), word(64n), word(32n), word(0n)];
}

export function ipv6OfWords(words: Readonly<AddressWords>): bigint {
  return words.reduce((address, word) => (address << 32n) | BigInt(word >>> 0), 0n);
}
