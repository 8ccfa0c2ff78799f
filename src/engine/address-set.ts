/**
 * AddressSet: a set of IPv4 and IPv6 addresses as sorted, disjoint, non-adjacent closed intervals. Cold path only.
 *
 * The empty set is empty: it matches nothing. "Any" is the explicit `ANY_ADDRESS`.
 */

/** Closed interval of IPv4 addresses as unsigned 32-bit numbers in host order. */
export type Ipv4Interval = readonly [low: number, high: number];
/** Closed interval of IPv6 addresses as unsigned 128-bit integers. */
export type Ipv6Interval = readonly [low: bigint, high: bigint];

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

/** Sorts and merges overlapping and adjacent intervals; `successor` of a bound is the next address. */
function merge<T extends number | bigint>(
  intervals: readonly (readonly [T, T])[],
  successor: (bound: T) => T,
): [T, T][] {
  const sorted = isSorted(intervals)
    ? intervals
    : intervals.toSorted((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const merged: [T, T][] = [];
  let last: [T, T] | undefined;
  for (const [low, high] of sorted) {
    if (last !== undefined && low <= successor(last[1])) {
      if (high > last[1]) last[1] = high;
    } else {
      last = [low, high];
      merged.push(last);
    }
  }
  return merged;
}

/** Published prefixes mostly are: finding that out costs a tenth of sorting them again. */
function isSorted<T extends number | bigint>(intervals: readonly (readonly [T, T])[]): boolean {
  let previous: T | undefined;
  for (const [low] of intervals) {
    if (previous !== undefined && low < previous) return false;
    previous = low;
  }
  return true;
}

/** `from` minus `removed`; both sorted and disjoint. */
function subtractIntervals<T extends number | bigint>(
  from: readonly (readonly [T, T])[],
  removed: readonly (readonly [T, T])[],
  step: { readonly up: (bound: T) => T; readonly down: (bound: T) => T },
): [T, T][] {
  const result: [T, T][] = [];
  for (const [low, high] of from) {
    let start = low;
    let isCovered = false;
    for (const [cutLow, cutHigh] of removed) {
      if (cutHigh < start) continue;
      if (cutLow > high) break;
      if (cutLow > start) result.push([start, step.down(cutLow)]);
      if (cutHigh >= high) {
        isCovered = true;
        break;
      }
      start = step.up(cutHigh);
    }
    if (!isCovered) result.push([start, high]);
  }
  return result;
}

const up4 = (bound: number): number => bound + 1;
const down4 = (bound: number): number => bound - 1;
const up6 = (bound: bigint): bigint => bound + 1n;
const down6 = (bound: bigint): bigint => bound - 1n;

/** A canonical set from intervals in any order, overlapping or not. */
export function addressSet(
  ipv4: readonly Ipv4Interval[],
  ipv6: readonly Ipv6Interval[],
): AddressSet {
  return { ipv4: merge(ipv4, up4), ipv6: merge(ipv6, up6) };
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
    ipv4: subtractIntervals(from.ipv4, removed.ipv4, { up: up4, down: down4 }),
    ipv6: subtractIntervals(from.ipv6, removed.ipv6, { up: up6, down: down6 }),
  };
}

/** What two lists of sorted, disjoint intervals share. */
function intersectIntervals<T extends number | bigint>(
  a: readonly (readonly [T, T])[],
  b: readonly (readonly [T, T])[],
): [T, T][] {
  const shared: [T, T][] = [];
  let other = 0;
  for (const [low, high] of a) {
    for (let at = other; at < b.length; at++) {
      const [from, to] = b[at];
      if (to < low) {
        other = at + 1;
        continue;
      }
      if (from > high) break;
      shared.push([from > low ? from : low, to < high ? to : high]);
    }
  }
  return shared;
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

/** True when both sets hold the same addresses. Both are canonical: sorted, without neighbours that touch. */
export function areEqual(a: AddressSet, b: AddressSet): boolean {
  return areIntervalsEqual(a.ipv4, b.ipv4) && areIntervalsEqual(a.ipv6, b.ipv6);
}

function areIntervalsEqual<T>(
  a: readonly (readonly [T, T])[],
  b: readonly (readonly [T, T])[],
): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every(([low, high], index) => low === b[index]?.[0] && high === b[index]?.[1]);
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
