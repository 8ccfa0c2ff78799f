/**
 * pcapng files, block by block: what is read, what is refused, and what the operator is told.
 */
import { describe, expect, test } from 'vitest';
import { readCapture } from '../../src/capture/capture-file.ts';
import { PcapngBlocks, concat } from '../helpers/capture-bytes.ts';
import { type Drained, drain } from '../helpers/drain.ts';

const FRAME = Uint8Array.of(0xde, 0xad, 0xbe, 0xef, 0x01);
const LENGTHS = [5, 5] as const;
const blocks = new PcapngBlocks(true);
const swapped = new PcapngBlocks(false);
/** From the epoch to some day in 2025, in seconds. */
const DAY = 1_760_000_000n;
const SMALL = 1;

function read(...chunks: Uint8Array[]): Drained {
  return drain(() => readCapture(concat(chunks), 'x.pcapng', SMALL));
}

describe('pcapng: what is read', () => {
  const at = (ticks: bigint, ...options: Uint8Array[]): number | undefined =>
    read(
      blocks.section(),
      blocks.interface(1, 0, concat(options)),
      blocks.enhanced(0, ticks, LENGTHS, FRAME),
    ).frames[0]?.timestamp;
  const resolution = (exponent: number): Uint8Array => blocks.timeResolution(exponent);

  test.each([
    { name: 'microseconds by default', ticks: DAY * 1_000_000n + 250_000n, options: [] },
    { name: '10^-6', ticks: DAY * 1_000_000n + 250_000n, options: [resolution(6)] },
    { name: '10^-9', ticks: DAY * 1_000_000_000n + 250_000_000n, options: [resolution(9)] },
    { name: '10^-3', ticks: DAY * 1000n + 250n, options: [resolution(3)] },
    { name: '10^-2', ticks: DAY * 100n + 25n, options: [resolution(2)] },
    { name: '2^-10', ticks: (DAY << 10n) + 256n, options: [resolution(0x80 | 10)] },
    { name: '2^-32', ticks: (DAY << 32n) + (1n << 30n), options: [resolution(0x80 | 32)] },
    {
      name: 'an offset forward',
      ticks: 1_250_000n,
      options: [blocks.timeOffset(DAY - 1n), resolution(6)],
    },
    {
      name: 'an offset back',
      ticks: (DAY + 5n) * 1_000_000n + 250_000n,
      options: [blocks.timeOffset(-5n)],
    },
    {
      name: 'options after the end option are not read',
      ticks: DAY * 1_000_000n + 250_000n,
      options: [blocks.option(0, new Uint8Array(0)), resolution(9)],
    },
    {
      name: 'unknown options are passed over',
      ticks: DAY * 1000n + 250n,
      options: [blocks.option(2, Buffer.from('eth0!')), resolution(3)],
    },
  ])('time: $name', ({ ticks, options }) => {
    expect(at(ticks, ...options)).toBe(Number(DAY) * 1000 + 250);
  });

  test('whole seconds, and nanoseconds as far as a double holds them', () => {
    expect(at(DAY, resolution(0))).toBe(Number(DAY) * 1000);
    const nanoseconds = at(DAY * 1_000_000_000n + 123_456_789n, resolution(9)) ?? 0;
    expect(Math.abs(nanoseconds - (Number(DAY) * 1000 + 123.456_789))).toBeLessThan(0.0005);
  });

  test('absurd resolutions give a time, not an error', () => {
    for (const exponent of [127, 0x80 | 127]) {
      expect(at(DAY, resolution(exponent))).toBeGreaterThanOrEqual(0);
    }
  });

  test('interfaces: each has its own link type and clock, and a section begins them anew', () => {
    const { frames, error } = read(
      blocks.section(),
      blocks.interface(1),
      blocks.interface(113, 0, blocks.timeResolution(9)),
      blocks.enhanced(1, 2_000_000_000n, LENGTHS, FRAME),
      blocks.enhanced(0, 2_000_000n, LENGTHS, FRAME),
      swapped.section(),
      swapped.interface(101, 0, swapped.timeResolution(3)),
      swapped.enhanced(0, 2000n, LENGTHS, FRAME),
      blocks.section(),
    );
    expect(error).toBeUndefined();
    expect(frames.map(({ linkType, timestamp }) => [linkType, timestamp])).toEqual([
      [113, 2000],
      [1, 2000],
      [101, 2000],
    ]);
    expect(new Set(frames.map((frame) => frame.bytes))).toEqual(new Set(['deadbeef01']));
  });

  test.each([
    { name: 'captured whole', snapLength: 0, original: 5, bytes: 'deadbeef01' },
    { name: 'cut to the snapshot length', snapLength: 3, original: 1500, bytes: 'deadbe' },
    { name: 'below the snapshot length', snapLength: 100, original: 5, bytes: 'deadbeef01' },
  ])('simple packet block: $name', ({ snapLength, original, bytes }) => {
    const { frames } = read(
      blocks.section(),
      blocks.interface(1, snapLength),
      blocks.simple(original, FRAME.subarray(0, bytes.length / 2)),
    );
    expect(frames).toEqual([{ bytes, originalLength: original, timestamp: 0, linkType: 1 }]);
  });

  test('a simple packet has the time of the frame before it', () => {
    const { frames } = read(
      blocks.section(),
      blocks.interface(),
      blocks.enhanced(0, 7000n, LENGTHS, FRAME),
      blocks.simple(5, FRAME),
    );
    expect(frames.map((frame) => frame.timestamp)).toEqual([7, 7]);
  });

  test('the obsolete packet block: 16 bits of interface, then drops', () => {
    for (const order of [blocks, swapped]) {
      const { frames } = read(
        order.section(),
        order.interface(),
        order.interface(113),
        order.packet(1, 7000n, FRAME),
      );
      expect(frames).toEqual([
        { bytes: 'deadbeef01', originalLength: 5, timestamp: 7, linkType: 113 },
      ]);
    }
  });

  test('other blocks are passed over, even ones larger than the window, and so are options', () => {
    const { frames, error } = read(
      blocks.section(1, 2, blocks.option(4, Buffer.from('hand made'))),
      blocks.block(0x0bad, new Uint8Array(100_000)),
      blocks.block(4, new Uint8Array(0)),
      blocks.interface(),
      blocks.enhanced(0, 0n, LENGTHS, FRAME, blocks.option(1, Buffer.from('a comment'))),
      blocks.block(5, new Uint8Array(40)),
    );
    expect(error).toBeUndefined();
    expect(frames).toHaveLength(1);
  });
});

describe('pcapng: what is refused, after the frames before it', () => {
  const start = concat([
    blocks.section(),
    blocks.interface(),
    blocks.enhanced(0, 0n, LENGTHS, FRAME),
  ]);
  const sound = blocks.enhanced(0, 0n, LENGTHS, FRAME);

  /** A sound frame block with one 32-bit word replaced. */
  function patched(offset: number, word: number): Uint8Array {
    const copy = sound.slice();
    new DataView(copy.buffer).setUint32(offset, word, true);
    return copy;
  }

  test.each([
    { name: 'block length 0', chunk: patched(4, 0), code: 'length', says: 'block length 0 is not' },
    { name: 'block length 8', chunk: patched(4, 8), code: 'length', says: 'block length 8' },
    {
      name: 'block length not a multiple of 4',
      chunk: patched(4, sound.length - 1),
      code: 'length',
      says: 'multiple of 4',
    },
    {
      name: 'block length over the limit',
      chunk: patched(4, (1 << 24) + 4),
      code: 'length',
      says: '16777220 is not a multiple of 4 from 12 to 16777216',
    },
    {
      name: 'block length at the limit, in a short file',
      chunk: patched(4, 1 << 24),
      code: 'truncated',
      says: 'block of 16777216 bytes, the file ends after 40',
    },
    {
      name: 'an unknown block at the limit, in a short file',
      chunk: concat([Uint8Array.of(9, 9, 0, 0, 0, 0, 0, 1), new Uint8Array(8)]),
      code: 'truncated',
      says: 'block of 16777216 bytes, the file ends after 16',
    },
    {
      name: 'lengths that differ',
      chunk: patched(sound.length - 4, 44),
      code: 'malformed',
      says: 'block length 40 at its start, 44 at its end',
    },
    {
      name: 'lengths that differ in an unknown block',
      chunk: patched(0, 0x0bad).with(sound.length - 4, 44),
      code: 'malformed',
      says: 'block length 40 at its start, 44 at its end',
    },
    {
      name: 'an interface not described',
      chunk: patched(8, 1),
      code: 'malformed',
      says: 'frame of interface 1, the section has described 1',
    },
    {
      name: 'an interface number near 2^32',
      chunk: patched(8, 0xffff_ffff),
      code: 'malformed',
      says: 'frame of interface 4294967295',
    },
    {
      name: 'more captured than the block holds',
      chunk: patched(20, 9),
      code: 'length',
      says: '9 captured bytes in a block with room for 8',
    },
    {
      name: 'more captured than the limit',
      chunk: patched(20, 0xffff_ffff),
      code: 'length',
      says: '4294967295 captured bytes, the limit is 262144',
    },
    {
      name: 'a frame block too short for its header',
      chunk: blocks.block(6, new Uint8Array(16)),
      code: 'length',
      says: 'packet block of 28 bytes, expected at least 32',
    },
    {
      name: 'a simple packet block too short for its header',
      chunk: blocks.block(3, new Uint8Array(0)),
      code: 'length',
      says: 'simple packet block of 12 bytes, expected at least 16',
    },
    {
      name: 'a simple packet longer than its block',
      chunk: blocks.simple(9, FRAME),
      code: 'length',
      says: '9 captured bytes in a block with room for 8',
    },
    {
      name: 'a frame before any interface of its section',
      chunk: concat([blocks.section(), sound]),
      code: 'malformed',
      says: 'the section has described 0',
      at: 28,
    },
    {
      name: 'an interface block too short for its header',
      chunk: blocks.block(1, new Uint8Array(4)),
      code: 'length',
      says: 'interface block of 16 bytes, expected at least 20',
    },
    {
      name: 'an option longer than its block',
      chunk: blocks.interface(1, 0, Uint8Array.of(2, 0, 5, 0)),
      code: 'length',
      says: 'interface option 2 of 5 bytes, the block has 0 left',
    },
    {
      name: 'if_tsresol of two bytes',
      chunk: blocks.interface(1, 0, blocks.option(9, Uint8Array.of(6, 6))),
      code: 'length',
      says: 'option if_tsresol of 2 bytes, expected 1',
    },
    {
      name: 'if_tsoffset of four bytes',
      chunk: blocks.interface(1, 0, blocks.option(14, new Uint8Array(4))),
      code: 'length',
      says: 'option if_tsoffset of 4 bytes, expected 8',
    },
    {
      name: 'a section of version 2.0',
      chunk: blocks.section(2),
      code: 'version',
      says: 'expected pcapng version 1.0, found 2.0',
    },
    { name: 'a section of version 1.1', chunk: blocks.section(1, 1), code: 'version', says: '1.1' },
    {
      name: 'a section header too short',
      chunk: blocks.block(0x0a0d0d0a, Uint8Array.of(0x4d, 0x3c, 0x2b, 0x1a)),
      code: 'length',
      says: 'section header block of 16 bytes, expected at least 28',
    },
    {
      name: 'a section without byte order',
      chunk: blocks.block(0x0a0d0d0a, new Uint8Array(16)),
      code: 'malformed',
      says: 'byte-order magic 0x00000000',
    },
    {
      name: 'zeros to the end of the file',
      chunk: new Uint8Array(100),
      code: 'length',
      says: 'block length 0',
    },
  ])('$name', ({ chunk, code, says, at = 0 }) => {
    const { frames, error } = read(start, chunk, sound);
    const cut = code === 'truncated' ? read(start, chunk) : { frames, error };
    expect(cut.frames).toHaveLength(1);
    expect(cut.error).toMatchObject({ code, file: 'x.pcapng', offset: start.length + at });
    expect(cut.error?.message).toContain(says);
  });

  test('more interfaces than any capture has', () => {
    const many = blocks.interface();
    const chunks = [blocks.section(), ...Array.from({ length: 65_536 }, () => many)];
    expect(drain(() => readCapture(concat(chunks), 'x')).error).toBeUndefined();
    const { error } = drain(() => readCapture(concat([...chunks, many]), 'x'));
    expect(error?.message).toContain('more than 65536 interfaces');
  });

  test('cut at every byte: the whole blocks before it, then the place of the broken one', () => {
    const chunks = [
      blocks.section(),
      blocks.interface(1, 0, blocks.timeResolution(9)),
      sound,
      blocks.block(0x0bad, new Uint8Array(20)),
      blocks.simple(5, FRAME),
      blocks.packet(0, 0n, FRAME),
    ];
    const starts = [0];
    for (const chunk of chunks) starts.push((starts.at(-1) ?? 0) + chunk.length);
    const bytes = concat(chunks);
    const framesBefore = [0, 0, 0, 1, 1, 2, 3];
    for (let length = 0; length < bytes.length; length++) {
      const cut = read(bytes.subarray(0, length));
      const whole = starts.filter((at) => at <= length).length - 1;
      expect(cut.frames).toHaveLength(framesBefore[whole] ?? -1);
      if (length > 0 && starts.includes(length)) {
        expect(cut.error).toBeUndefined();
      } else {
        expect(cut.error).toMatchObject({ code: 'truncated', offset: starts[whole] });
      }
    }
  });
});
