/**
 * Intervals and boxes against sets of single values.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Box,
  FIELDS,
  intersect,
  intersectBox,
  type Intervals,
  isWithin,
  mergeBoxes,
  subtract,
  subtractBox,
  union,
} from '../../src/policy/traffic-box.ts';

/** Canonical intervals of a set of small numbers, as numbers or as big ones. */
function intervalsOf(values: ReadonlySet<number>, isBig = false): Intervals {
  const sorted = [...values].toSorted((a, b) => a - b);
  const found: [number, number][] = [];
  for (const value of sorted) {
    const last = found.at(-1);
    if (last !== undefined && value === last[1] + 1) last[1] = value;
    else found.push([value, value]);
  }
  return isBig ? found.map(([low, high]) => [BigInt(low), BigInt(high)]) : found;
}

const values = fc.uniqueArray(fc.integer({ min: 0, max: 20 })).map((list) => new Set(list));

describe.each([
  ['IPv4 and ports', false],
  ['IPv6', true],
])('intervals of %s', (_, isBig) => {
  const of = (set: ReadonlySet<number>): Intervals => intervalsOf(set, isBig);

  test('are what the sets are', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const both = new Set([...a].filter((value) => b.has(value)));
        const onlyA = new Set([...a].filter((value) => !b.has(value)));
        expect(intersect(of(a), of(b))).toEqual(of(both));
        expect(subtract(of(a), of(b))).toEqual(of(onlyA));
        expect(union(of(a), of(b))).toEqual(of(new Set([...a, ...b])));
        expect(isWithin(of(a), of(b))).toBe(onlyA.size === 0);
      }),
    );
  });
});

/** Each field has values 0 to 2. */
const field = fc
  .uniqueArray(fc.integer({ min: 0, max: 2 }), { minLength: 1 })
  .map((list) => intervalsOf(new Set(list)));
const box: fc.Arbitrary<Box> = fc
  .record({ protocols: field, localPorts: field, remotePorts: field, local: field, remote: field })
  .map((fields) => ({ family: 4, ...fields }));

/** Every point of the universe that a box has, as text. */
function pointsOf(boxes: readonly Box[]): string[] {
  const points: string[] = [];
  for (const each of boxes) {
    let prefixes = [''];
    for (const name of FIELDS) {
      const inside = [0, 1, 2].filter((value) => isWithin([[value, value]], each[name]));
      prefixes = prefixes.flatMap((prefix) => inside.map((value) => prefix + String(value)));
    }
    points.push(...prefixes);
  }
  return points.toSorted();
}

describe('boxes', () => {
  test('what a rule takes and what it leaves are the box, and share nothing', () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        const common = intersectBox(a, b);
        const rest = subtractBox(a, b);
        expect(pointsOf([...rest, ...(common === undefined ? [] : [common])])).toEqual(
          pointsOf([a]),
        );
        const inB = new Set(pointsOf([b]));
        expect(pointsOf(rest).filter((point) => inB.has(point))).toEqual([]);
        expect(rest.length).toBeLessThanOrEqual(FIELDS.length);
      }),
      { numRuns: 300 },
    );
  });

  test('merged ones have the same points and are not more', () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        const cut = subtractBox(a, b);
        const merged = mergeBoxes(cut);
        expect(pointsOf(merged)).toEqual(pointsOf(cut));
        expect(merged.length).toBeLessThanOrEqual(cut.length);
      }),
      { numRuns: 300 },
    );
    const halves = subtractBox(
      { ...ONE, local: [[0, 2]] },
      { ...ONE, local: [[1, 1]], remote: [[9, 9]] },
    );
    expect(mergeBoxes(halves)).toHaveLength(1);
  });
});

const ONE: Box = {
  family: 4,
  protocols: [[0, 0]],
  localPorts: [[0, 0]],
  remotePorts: [[0, 0]],
  local: [[0, 0]],
  remote: [[0, 0]],
};
