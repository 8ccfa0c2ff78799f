import { beforeEach, describe, expect, test } from 'vitest';

import { Admission, Queue, QUEUE_WORDS } from '../../../../src/capture/live/af-xdp/admission.ts';

const PLACES = 8192;
/** Seven eighths. */
const OPEN = 7168;
const BATCH = 64;

let words: Int32Array;
let admission: Admission;

/** Frames of anybody that the program would let in now. */
function room(queue = 0): number {
  const first = queue * QUEUE_WORDS;
  return ((words[first + Queue.Limit] ?? 0) - (words[first + Queue.Admitted] ?? 0)) | 0;
}

/** Batches one after another from a queue that never empties. @returns the time at the end */
function busy(count: number, millisecondsPerFrame: number, start = 0, waiting = 1000): number {
  let now = start;
  for (let n = 0; n < count; n++) {
    admission.grant(waiting, BATCH, now);
    now += BATCH * millisecondsPerFrame;
  }
  admission.grant(waiting, BATCH, now);
  return now;
}

beforeEach(() => {
  words = new Int32Array(2 * QUEUE_WORDS);
  admission = new Admission(words, 0, PLACES);
});

describe('places that are open to everybody', () => {
  test('are seven eighths of an empty queue, from the start', () => {
    expect(room()).toBe(OPEN);
  });

  test('are those that no frame waits in', () => {
    admission.grant(100, BATCH, 1);
    expect(room()).toBe(OPEN - 100);
    admission.grant(OPEN + 30, BATCH, 1.1);
    expect(room()).toBe(-30);
  });

  test('count on from what was let in, beyond the end of the numbers', () => {
    words[Queue.Admitted] = 0x7fff_fff0;
    admission.grant(0, 0, 1);
    expect(words[Queue.Limit]).toBe((0x7fff_fff0 + OPEN) | 0);
    expect(room()).toBe(OPEN);
  });

  test.each([
    [0.001, OPEN],
    [0.0012, OPEN],
    [0.005, 2000],
    [0.01, 1000],
    [0.5, 256],
  ])('are those that are read in 10 ms when a frame takes %f ms', (perFrame, expected) => {
    busy(Math.ceil(2000 / BATCH / perFrame), perFrame);
    expect(room() + 1000).toBeGreaterThanOrEqual(expected * 0.99);
    expect(room() + 1000).toBeLessThanOrEqual(expected * 1.06);
  });

  test('stay when a quick queue stops for 8 ms', () => {
    const now = busy(2000, 0.0011);
    admission.grant(6400, BATCH, now + 8);
    expect(room()).toBe(OPEN - 6400);
  });

  test('stay when a slow queue stops for 90 ms, and are fewer when it has not been empty for 100', () => {
    const now = busy(15, 0.09);
    admission.grant(6400, BATCH, now + 3);
    expect(room()).toBe(OPEN - 6400);
    admission.grant(6400, BATCH, now + 20);
    expect(room()).toBeLessThan(0);
  });

  test('come back when the queue is emptied', () => {
    const now = busy(200, 0.1);
    expect(room()).toBeLessThan(0);
    admission.grant(10, 10, now + 1);
    expect(room()).toBe(OPEN - 10);
  });
});

describe('frames that were kept out', () => {
  test('are told once, and beyond 32 bits', () => {
    words[Queue.Refused] = 7;
    expect(admission.takeRefused()).toBe(7);
    expect(admission.takeRefused()).toBe(0);
    words[Queue.Refused] = -1;
    expect(admission.takeRefused()).toBe(2 ** 32 - 1 - 7);
    words[Queue.Refused] = 0;
    words[Queue.Refused + 1] = 1;
    expect(admission.takeRefused()).toBe(1);
  });

  test('are counted for each queue', () => {
    const second = new Admission(words, 1, 512);
    words[QUEUE_WORDS + Queue.Refused] = 3;
    expect(admission.takeRefused()).toBe(0);
    expect(second.takeRefused()).toBe(3);
    expect(room(1)).toBe(448);
  });
});
