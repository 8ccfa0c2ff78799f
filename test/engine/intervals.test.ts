/**
 * Intervals against sets of single values.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  areIntervalsEqual,
  intersectIntervals,
  isWithin,
  mergeIntervals,
  subtractIntervals,
} from '../../src/engine/intervals.ts';
import { bigIntervalsOf, intervalsOf } from '../helpers/intervals.ts';

const values = fc.uniqueArray(fc.integer({ min: 0, max: 20 })).map((list) => new Set(list));

describe.each([
  ['IPv4 and ports', intervalsOf],
  ['IPv6', bigIntervalsOf],
])('intervals of %s', (_, of) => {
  test('are what the sets are', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const both = new Set([...a].filter((value) => b.has(value)));
        const onlyA = new Set([...a].filter((value) => !b.has(value)));
        expect(intersectIntervals(of(a), of(b))).toEqual(of(both));
        expect(subtractIntervals(of(a), of(b))).toEqual(of(onlyA));
        expect(mergeIntervals([...of(a), ...of(b)])).toEqual(of(new Set([...a, ...b])));
        expect(isWithin(of(a), of(b))).toBe(onlyA.size === 0);
        expect(areIntervalsEqual(of(a), of(b))).toBe(onlyA.size === 0 && a.size === b.size);
      }),
    );
  });
});
