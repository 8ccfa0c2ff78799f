/**
 * Property: whatever is done to a capture file, reading it ends, delivers frames that lie in the file, claims no more memory than
 * one block may take, and throws nothing but `CaptureFileError`.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByteReader, ByteWindow } from '../../src/capture/byte-window.ts';
import { readCapture } from '../../src/capture/capture-file.ts';
import { frameOf } from '../../src/capture/frame-sink.ts';
import { PcapngBlocks, concat, pcapOf, pcapngOf } from '../helpers/capture-bytes.ts';
import { drain } from '../helpers/drain.ts';

const FRAMES = [60, 0, 7, 300].map((length) => frameOf(new Uint8Array(length).fill(length), 1000));
const blocks = new PcapngBlocks(false);
const MIXED = concat([
  pcapngOf(FRAMES),
  blocks.section(),
  blocks.interface(1, 64, blocks.timeResolution(9)),
  blocks.interface(113, 0, blocks.timeOffset(-5n)),
  blocks.packet(1, 7n, new Uint8Array(9)),
  blocks.block(0x0bad, new Uint8Array(50)),
  blocks.simple(64, new Uint8Array(64)),
]);
const SEEDS: readonly { name: string; bytes: Uint8Array }[] = [
  { name: 'pcap, little-endian', bytes: pcapOf(FRAMES) },
  { name: 'pcap, big-endian', bytes: pcapOf(FRAMES, { littleEndian: false }) },
  {
    name: 'pcap, nanoseconds, version 2.3',
    bytes: pcapOf(FRAMES, { nanoseconds: true, minor: 3 }),
  },
  { name: 'pcapng', bytes: MIXED },
];

/** Reads to the end, checking every frame on the way. */
function readAll(bytes: Uint8Array, windowBytes: number): void {
  let claimed = 0;
  const { frames, error } = drain(() => {
    const source = readCapture(bytes, 'x', windowBytes);
    claimed = Math.max(claimed, source.view.byteLength);
    return source;
  });
  for (const frame of frames) {
    expect(frame.bytes.length / 2).toBeLessThanOrEqual(bytes.length);
    expect(frame.originalLength).toBeGreaterThanOrEqual(frame.bytes.length / 2);
    expect(Number.isFinite(frame.timestamp)).toBe(true);
  }
  // The shortest frame of any format takes 16 bytes (a simple packet block, a record header).
  expect(frames.length).toBeLessThanOrEqual(bytes.length / 16);
  expect(claimed).toBeLessThanOrEqual(1 << 24);
  if (error !== undefined) {
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
    expect(error.message).toMatch(/^x: at byte \d+: /);
  }
}

/** What an overwriting of a few bytes may put there: random bytes, and words near the limits. */
const patch = fc.record({
  at: fc.nat(),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc
      .constantFrom(0, 1, 3, 4, 12, 16, 28, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 24, 262_145)
      .map((word) => new Uint8Array(Uint32Array.of(word).buffer)),
  ),
});

describe.each(SEEDS)('mutated: $name', ({ bytes }) => {
  test('bytes overwritten, the file cut, any window', () => {
    fc.assert(
      fc.property(
        fc.array(patch, { minLength: 1, maxLength: 4 }),
        fc.nat(bytes.length),
        fc.constantFrom(1, 40, 1 << 16),
        (patches, cut, windowBytes) => {
          const mutated = bytes.slice();
          for (const { at, bytes: over } of patches) {
            const start = at % mutated.length;
            mutated.set(over.subarray(0, mutated.length - start), start);
          }
          readAll(mutated, windowBytes);
          readAll(mutated.subarray(0, cut), windowBytes);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('the same frames with every window', () => {
    const expected = drain(() => readCapture(bytes, 'x'));
    for (const windowBytes of [1, 2, 3, 15, 16, 17, 64, 333, 1000]) {
      expect(drain(() => readCapture(bytes, 'x', windowBytes))).toEqual(expected);
    }
  });
});

test('random bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => readAll(bytes, 16)),
    { numRuns: 2000 },
  );
});

/** A file of `size` bytes, each its offset modulo 251, that delivers at most `most` bytes a read, as a pipe may. */
function pipe(size: number, most: number): ByteReader {
  let used = 0;
  return (target, start, length) => {
    const count = Math.min(length, most, size - used);
    for (let index = 0; index < count; index++) target[start + index] = (used + index) % 251;
    used += count;
    return count;
  };
}

describe('ByteWindow', () => {
  test('equals a plain array under random requests', () => {
    fc.assert(
      fc.property(
        fc.nat(3000),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.tuple(fc.boolean(), fc.nat(300)), { maxLength: 60 }),
        (size, most, capacity, steps) => {
          const window = new ByteWindow(pipe(size, most), capacity);
          let at = 0;
          for (const [isSkip, count] of steps) {
            const left = size - at;
            if (isSkip) {
              expect(window.skip(count)).toBe(Math.min(count, left));
              at += Math.min(count, left);
            } else {
              const available = window.require(count);
              expect(available).toBeGreaterThanOrEqual(Math.min(count, left));
              expect(available).toBeLessThanOrEqual(left);
              for (let index = 0; index < Math.min(count, available); index++) {
                expect(window.view.getUint8(window.position + index)).toBe((at + index) % 251);
              }
              const used = Math.min(count, available);
              window.advance(used);
              at += used;
            }
            expect(window.fileOffset).toBe(at);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('skips a large file in a small buffer', () => {
    const window = new ByteWindow(pipe(100_000_000, 1 << 16), 1 << 16);
    expect(window.skip(99_999_999)).toBe(99_999_999);
    expect(window.view.byteLength).toBe(1 << 16);
  });
});
