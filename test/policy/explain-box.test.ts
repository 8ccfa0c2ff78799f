/**
 * Boxes against sets of single values.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWithin } from '../../src/engine/intervals.ts';
import {
  type Box,
  FIELDS,
  intersectBox,
  mergeBoxes,
  subtractBox,
} from '../../src/policy/explain-box.ts';
import { intervalsOf } from '../helpers/intervals.ts';

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
