/**
 * Sets of addresses, ports or protocols as intervals: closed, sorted, disjoint and not adjacent. Numbers, or bigints for
 * IPv6, never both in one set. Cold path only.
 */

export type Bound = number | bigint;

/** Closed interval. */
export type Interval<T> = readonly [low: T, high: T];

/** The value behind a bound. */
export function after<T extends Bound>(bound: T): T;
export function after(bound: Bound): Bound {
  return typeof bound === 'bigint' ? bound + 1n : bound + 1;
}

/** The value before a bound. */
export function before<T extends Bound>(bound: T): T;
export function before(bound: Bound): Bound {
  return typeof bound === 'bigint' ? bound - 1n : bound - 1;
}

/** The set of what is in any of the intervals, which may come in any order, overlap and touch. */
export function mergeIntervals<T extends Bound>(intervals: readonly Interval<T>[]): [T, T][] {
  const sorted = isSorted(intervals)
    ? intervals
    : intervals.toSorted((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const merged: [T, T][] = [];
  let last: [T, T] | undefined;
  for (const [low, high] of sorted) {
    if (last !== undefined && low <= after(last[1])) {
      if (high > last[1]) last[1] = high;
    } else {
      last = [low, high];
      merged.push(last);
    }
  }
  return merged;
}

/** Published prefixes mostly are: finding that out costs a tenth of sorting them again. */
function isSorted<T extends Bound>(intervals: readonly Interval<T>[]): boolean {
  let previous: T | undefined;
  for (const [low] of intervals) {
    if (previous !== undefined && low < previous) return false;
    previous = low;
  }
  return true;
}

/** What is in both. One pass over each. */
export function intersectIntervals<T extends Bound>(
  a: readonly Interval<T>[],
  b: readonly Interval<T>[],
): readonly Interval<T>[] {
  if (a === b) return a;
  const common: [T, T][] = [];
  for (let left = 0, right = 0; ;) {
    const x = a[left];
    const y = b[right];
    if (x === undefined || y === undefined) return common;
    const low = x[0] > y[0] ? x[0] : y[0];
    const high = x[1] < y[1] ? x[1] : y[1];
    if (low <= high) common.push([low, high]);
    if (x[1] < y[1]) left++;
    else right++;
  }
}

/** What is in `from` and not in `removed`. One pass over each. */
export function subtractIntervals<T extends Bound>(
  from: readonly Interval<T>[],
  removed: readonly Interval<T>[],
): [T, T][] {
  const rest: [T, T][] = [];
  let at = 0;
  for (const [low, high] of from) {
    let start: T | undefined = low;
    let cut = removed[at];
    while (cut !== undefined && cut[1] < low) cut = removed[++at];
    for (let index = at; start !== undefined && cut !== undefined && cut[0] <= high;) {
      if (cut[0] > start) rest.push([start, before(cut[0])]);
      start = cut[1] < high ? after(cut[1]) : undefined;
      cut = removed[++index];
    }
    if (start !== undefined) rest.push([start, high]);
  }
  return rest;
}

/** True when all of `inner` is in `outer`. */
export function isWithin<T extends Bound>(
  inner: readonly Interval<T>[],
  outer: readonly Interval<T>[],
): boolean {
  return inner === outer || subtractIntervals(inner, outer).length === 0;
}

/** True when both have the same values. */
export function areIntervalsEqual<T extends Bound>(
  a: readonly Interval<T>[],
  b: readonly Interval<T>[],
): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every(([low, high], index) => low === b[index]?.[0] && high === b[index]?.[1]);
}
