/**
 * Frames in memory: what the contract in sources.test.ts does not say.
 */
import { describe, expect, test } from 'vitest';
import { frameOf } from '../../src/capture/frame-sink.ts';
import { MemorySink, MemorySource } from '../../src/capture/memory.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import { drain } from '../helpers/drain.ts';

const BYTES = [Uint8Array.of(1, 2, 3), Uint8Array.of(4), Uint8Array.of(5, 6)];

describe('MemorySource', () => {
  test('of gives whole Ethernet frames at even times', () => {
    expect(drain(() => MemorySource.of(BYTES, 1000, 0.5)).frames).toEqual([
      { bytes: '010203', originalLength: 3, timestamp: 1000, linkType: 1 },
      { bytes: '04', originalLength: 1, timestamp: 1000.5, linkType: 1 },
      { bytes: '0506', originalLength: 2, timestamp: 1001, linkType: 1 },
    ]);
  });

  test('rewind plays the same frames again', () => {
    const source = MemorySource.of(BYTES);
    let total = 0;
    for (let round = 0; round < 3; round++) {
      while (source.next()) total += source.length;
      source.rewind();
    }
    expect(source.count).toBe(3);
    expect(total).toBe(3 * 6);
  });

  test('next allocates nothing', () => {
    const source = MemorySource.of(BYTES);
    const perCall = bytesPerCall(() => {
      if (!source.next()) source.rewind();
    });
    expect(perCall).toBeLessThan(0.5);
  });
});

describe('MemorySink', () => {
  test('copies: the giver may reuse its bytes', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const sink = new MemorySink();
    sink.write(frameOf(bytes, 0));
    bytes.fill(9);
    expect(drain(() => sink.source()).frames[0]?.bytes).toBe('010203');
  });

  test('a source keeps what it began with while the sink grows', () => {
    const sink = new MemorySink();
    sink.write(frameOf(Uint8Array.of(1), 0));
    const source = sink.source();
    for (let index = 0; index < 100; index++)
      sink.write(frameOf(new Uint8Array(500).fill(index), index));
    expect(drain(() => source).frames.map((frame) => frame.bytes)).toEqual(['01']);
    expect(drain(() => sink.source()).frames).toHaveLength(101);
  });

  test('refuses frames after close', () => {
    const sink = new MemorySink();
    sink.close();
    expect(() => sink.write(frameOf(new Uint8Array(1), 0))).toThrow('after close');
  });
});
