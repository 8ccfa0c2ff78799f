import { describe, expect, test } from 'vitest';

import {
  BUCKET_MARKS,
  bucketsFor,
  EstablishedMarks,
} from '../../src/flowtable/established-marks.ts';
import { FlowState, RemoveReason } from '../../src/flowtable/record.ts';
import { addFlow, keyOf, newTable } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const BUCKETS = 256;

/** Hashes that share a bucket: they differ in their lower bits. */
const hashIn = (bucket: number, n: number): number => (bucket << 24) | (n << 4);

function emptyMarks(): { readonly words: Int32Array; readonly marks: EstablishedMarks } {
  const words = new Int32Array(BUCKETS * BUCKET_MARKS);
  return { words, marks: new EstablishedMarks(words) };
}

describe('marks', () => {
  test('are set and taken away', () => {
    const { words, marks } = emptyMarks();
    const random = new Random(7);
    const hashes = Array.from({ length: 100 }, () => random.uint32() | 0);
    for (const hash of hashes) marks.mark(hash);
    expect(hashes.every((hash) => marks.isMarked(hash))).toBe(true);
    expect(hashes.some((hash) => marks.isMarked(hash ^ 2))).toBe(false);
    for (const hash of hashes) marks.unmark(hash);
    expect(words.every((word) => word === 0)).toBe(true);
  });

  test('of hash 0 is a mark, and no mark is none', () => {
    const { marks } = emptyMarks();
    expect(marks.isMarked(0)).toBe(false);
    marks.mark(0);
    expect(marks.isMarked(0)).toBe(true);
  });

  test('of two flows with one hash are two', () => {
    const { marks } = emptyMarks();
    marks.mark(44);
    marks.mark(44);
    marks.unmark(44);
    expect(marks.isMarked(44)).toBe(true);
    marks.unmark(44);
    expect(marks.isMarked(44)).toBe(false);
  });

  test.each([0, 128, 255])('more than fit bucket %i push others out, there alone', (bucket) => {
    const { words, marks } = emptyMarks();
    const hashes = Array.from({ length: 9 }, (_, n) => hashIn(bucket, n));
    for (const hash of hashes) marks.mark(hash);
    expect(marks.isMarked(hashes.at(-1) ?? 0)).toBe(true);
    const place = bucket * BUCKET_MARKS;
    expect(words.findIndex((word) => word !== 0)).toBe(place);
    expect(words.filter((word) => word !== 0).length).toBe(BUCKET_MARKS);
    // Those that were pushed out are not there to be taken away.
    for (const hash of hashes) marks.unmark(hash);
    expect(words.every((word) => word === 0)).toBe(true);
  });

  test.each([0, 4, 12, 1000])('want a power of two of buckets, not %i words', (length) => {
    expect(() => new EstablishedMarks(new Int32Array(length))).toThrow(RangeError);
  });

  test.each([
    [1, 256],
    [1024, 256],
    [1025, 512],
    [1_048_576, 262_144],
    [16_777_216, 1_048_576],
  ])('for %i flows have %i buckets', (flows, buckets) => {
    expect(bucketsFor(flows)).toBe(buckets);
  });
});

describe('a flow table', () => {
  test('marks the flows it has when it is given the memory', () => {
    const table = newTable({ maxFlows: 64 });
    addFlow(table, 2, 5, FlowState.Established);
    addFlow(table, 3, 5, FlowState.FinWait);
    addFlow(table, 4, 5, FlowState.Unreplied);
    addFlow(table, 5, 5, FlowState.TimeWait);
    table.remove(addFlow(table, 6, 5, FlowState.Established), RemoveReason.Flushed);
    const words = new Int32Array(table.markBuckets * table.bucketWords);
    table.useMarks(words);
    const marks = new EstablishedMarks(words);
    expect(words.filter((word) => word !== 0).length).toBe(2);
    expect(marks.isMarked(table.hashOf(keyOf(2)))).toBe(true);
    expect(marks.isMarked(table.hashOf(keyOf(4)))).toBe(false);
  });
});
