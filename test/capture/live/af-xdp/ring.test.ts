import { describe, expect, test } from 'vitest';

import { FramePool } from '../../../../src/capture/live/af-xdp/frame-pool.ts';
import {
  ADDRESS_WORDS,
  ConsumerRing,
  DESCRIPTOR_WORDS,
  ProducerRing,
  type RingMemory,
} from '../../../../src/capture/live/af-xdp/ring.ts';
import { Random } from '../../../helpers/random.ts';

const ENTRIES = 8;

function ringMemory(start: number, entryWords: number): RingMemory {
  const words = new Int32Array(16 + ENTRIES * entryWords);
  words[0] = start;
  words[1] = start;
  return { words, producer: 0, consumer: 1, flags: 2, entriesAt: 16, entries: ENTRIES, entryWords };
}

/** Both sides of one ring against a plain queue; `start` is where the indexes begin. */
describe.each([
  ['from zero', 0],
  ['over 2^31', 0x7fff_fff0],
  ['over 2^32', -16],
])('a ring whose indexes run %s', (_, start) => {
  test.each([
    ['descriptors', DESCRIPTOR_WORDS],
    ['addresses', ADDRESS_WORDS],
  ])('of %s hands over what was put in, in order', (_name, entryWords) => {
    const random = new Random();
    const memory = ringMemory(start, entryWords);
    const producer = new ProducerRing(memory);
    const consumer = new ConsumerRing(memory);
    const queue: number[] = [];
    let value = 0;
    for (let round = 0; round < 2000; round++) {
      const seed = `seed ${random.seed} round ${round}`;
      producer.acknowledge(producer.consumed());
      expect(producer.room(), seed).toBe(ENTRIES - queue.length);
      for (let n = random.below(producer.room() + 1); n > 0; n--) {
        memory.words[producer.push()] = value;
        queue.push(value++);
      }
      expect(producer.outstanding(), seed).toBe(queue.length);
      // Nothing is seen before it is published.
      const before = consumer.ready();
      producer.publish();
      expect(before, seed).toBeLessThanOrEqual(queue.length);
      expect(consumer.ready(), seed).toBe(queue.length);
      const count = random.below(queue.length + 1);
      for (let n = 0; n < count; n++) {
        expect(memory.words[consumer.at(n)], seed).toBe(queue.shift());
      }
      consumer.release(count);
      expect(producer.consumed(), seed).toBe(count);
    }
  });

  test('an entry can be read until its consumption is acknowledged', () => {
    const memory = ringMemory(start, DESCRIPTOR_WORDS);
    const producer = new ProducerRing(memory);
    const consumer = new ConsumerRing(memory);
    for (let n = 0; n < ENTRIES; n++) memory.words[producer.push()] = 100 + n;
    expect([producer.room(), producer.hasUnpublished()]).toEqual([0, true]);
    producer.publish();
    consumer.release(3);
    expect([producer.consumed(), producer.room(), producer.hasUnpublished()]).toEqual([
      3,
      0,
      false,
    ]);
    expect([0, 1, 2].map((n) => memory.words[producer.at(n)])).toEqual([100, 101, 102]);
    producer.acknowledge(3);
    expect([producer.consumed(), producer.room(), producer.outstanding()]).toEqual([0, 3, 5]);
  });
});

test('a ring wants to be woken when its flag says so', () => {
  const memory = ringMemory(0, DESCRIPTOR_WORDS);
  const producer = new ProducerRing(memory);
  expect(producer.needsWakeup()).toBe(false);
  memory.words[2] = 1;
  expect(producer.needsWakeup()).toBe(true);
});

test('the pool gives the frame used last, and takes one back by any address in it', () => {
  const pool = new FramePool(4, 2048);
  expect(pool.count).toBe(4);
  expect([pool.take(), pool.take()]).toEqual([0, 2048]);
  pool.give(2048 + 256);
  expect([pool.count, pool.take(), pool.take(), pool.take(), pool.count]).toEqual([
    3, 2048, 4096, 6144, 0,
  ]);
  pool.give(6144 + 2047);
  expect(pool.take()).toBe(6144);
});
