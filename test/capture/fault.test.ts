/**
 * The fault injector itself: each fault does what it says, and the decoder survives all of them.
 */
import { describe, expect, test } from 'vitest';
import { decode, decodeCodeNames } from '../../src/capture/decode.ts';
import { MemorySource } from '../../src/capture/memory.ts';
import { Packet } from '../../src/capture/packet.ts';
import { webServerTraffic } from '../helpers/captures.ts';
import { type Seen, drain } from '../helpers/drain.ts';
import { type Faults, FaultySource } from '../helpers/faulty-source.ts';
import { Random } from '../helpers/random.ts';

const COUNT = 400;
const FRAMES = Array.from({ length: COUNT }, (_, index) =>
  Uint8Array.from({ length: 60 }, (_byte, at) => (at === 0 ? index & 255 : at)),
);
const SOUND = drain(() => MemorySource.of(FRAMES)).frames;

function spoiled(faults: Faults, seed = 7): readonly Seen[] {
  return drain(() => new FaultySource(MemorySource.of(FRAMES), new Random(seed), faults)).frames;
}

function differingBits(a: string, b: string): number {
  const left = Buffer.from(a, 'hex');
  const right = Buffer.from(b, 'hex');
  let bits = 0;
  for (const [index, byte] of left.entries()) {
    for (let rest = byte ^ (right[index] ?? 0); rest !== 0; rest &= rest - 1) bits++;
  }
  return bits;
}

describe('FaultySource', () => {
  test('the same seed spoils the same frames, another seed others', () => {
    const faults = { truncate: 0.2, corrupt: 0.2, reorder: 0.2, duplicate: 0.2 };
    expect(spoiled(faults)).toEqual(spoiled(faults));
    expect(spoiled(faults)).not.toEqual(spoiled(faults, 8));
  });

  test('truncate leaves a prefix and the original length', () => {
    const frames = spoiled({ truncate: 0.5 });
    expect(frames).toHaveLength(COUNT);
    for (const [index, frame] of frames.entries()) {
      expect(SOUND[index]?.bytes.startsWith(frame.bytes)).toBe(true);
      expect(frame.originalLength).toBe(60);
    }
    const cut = frames.filter((frame) => frame.bytes.length < 120).length;
    expect(cut).toBeGreaterThan(COUNT / 4);
  });

  test('corrupt flips one bit', () => {
    const frames = spoiled({ corrupt: 1 });
    for (const [index, frame] of frames.entries()) {
      expect(differingBits(frame.bytes, SOUND[index]?.bytes ?? '')).toBe(1);
    }
  });

  test('reorder swaps neighbours and loses none', () => {
    const frames = spoiled({ reorder: 1 });
    const expected = SOUND.map((_, index) => SOUND[index ^ 1]);
    expect(frames).toEqual(expected);
  });

  test('duplicate delivers twice', () => {
    expect(spoiled({ duplicate: 1 })).toEqual(SOUND.flatMap((frame) => [frame, frame]));
  });

  test('the decoder has a code for every spoiled frame', () => {
    const random = new Random();
    const packet = new Packet();
    const traffic = webServerTraffic().source();
    for (let round = 0; round < 200; round++) {
      traffic.rewind();
      const faults = { truncate: 0.3, corrupt: 0.5, reorder: 0.2, duplicate: 0.2 };
      const source = new FaultySource(traffic, random, faults);
      while (source.next()) {
        const code = decode(source.view, source.offset, source.length, packet);
        expect(decodeCodeNames[code], `seed ${random.seed}`).toBeTypeOf('string');
        expect(packet.l4Offset + packet.l4Length).toBeLessThanOrEqual(source.length);
      }
    }
  });
});
