/**
 * Intervals of a set of small numbers.
 */
import type { Bound, Interval } from '../../src/engine/intervals.ts';

export function intervalsOf(values: ReadonlySet<number>): Interval<Bound>[] {
  const found: [number, number][] = [];
  for (const value of [...values].toSorted((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && value === last[1] + 1) last[1] = value;
    else found.push([value, value]);
  }
  return found;
}

/** The same as addresses of IPv6. */
export function bigIntervalsOf(values: ReadonlySet<number>): Interval<Bound>[] {
  return intervalsOf(values).map(([low, high]) => [BigInt(low), BigInt(high)]);
}
