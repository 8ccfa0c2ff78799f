/**
 * Classic capture files, field by field: what is read, what is refused, and what the operator is told.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCaptureFile, readCapture } from '../../src/capture/capture-file.ts';
import { frameOf } from '../../src/capture/frame-sink.ts';
import { linkTypeName } from '../../src/capture/link-type.ts';
import { concat, pcapHeader, pcapOf, pcapRecord } from '../helpers/capture-bytes.ts';
import { type Drained, drain } from '../helpers/drain.ts';

const FRAME = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);
const SMALL = 1;

function read(...chunks: Uint8Array[]): Drained {
  return drain(() => readCapture(concat(chunks), 'x.pcap', SMALL));
}

describe('classic files: what is read', () => {
  test.each([
    { name: 'microseconds', nanoseconds: false, fraction: 250_000 },
    { name: 'nanoseconds', nanoseconds: true, fraction: 250_000_000 },
  ])('time in $name, both byte orders', ({ nanoseconds, fraction }) => {
    for (const littleEndian of [true, false]) {
      const { frames } = read(
        pcapHeader({ littleEndian, nanoseconds }),
        pcapRecord([0xffff_ffff, fraction, 4, 60], FRAME, littleEndian),
      );
      expect(frames).toEqual([
        { bytes: 'deadbeef', originalLength: 60, timestamp: 4_294_967_295_250, linkType: 1 },
      ]);
    }
  });

  test.each([
    { name: 'plain', word: 113, linkType: 113 },
    { name: 'with an FCS of 4 bytes', word: 0x2400_0001, linkType: 1 },
    { name: 'the largest', word: 0xffff, linkType: 0xffff },
  ])('link type, $name', ({ word, linkType }) => {
    const { frames } = read(pcapHeader({ linkType: word }), pcapRecord([0, 0, 4, 4], FRAME));
    expect(frames.map((frame) => frame.linkType)).toEqual([linkType]);
  });

  test.each([
    { name: '2.4 has captured, then original', minor: 4, words: [4, 9] as const },
    { name: '2.3 as 2.4', minor: 3, words: [4, 9] as const },
    { name: '2.3 the other way round', minor: 3, words: [9, 4] as const },
    { name: '2.2 has original, then captured', minor: 2, words: [9, 4] as const },
  ])('version $name', ({ minor, words }) => {
    const { frames, error } = read(pcapHeader({ minor }), pcapRecord([0, 0, ...words], FRAME));
    expect(error).toBeUndefined();
    expect(frames).toMatchObject([{ bytes: 'deadbeef', originalLength: 9 }]);
  });

  test('a record longer than the snapshot length of the header is read whole', () => {
    const { frames } = read(pcapHeader({ snapLength: 2 }), pcapRecord([0, 0, 4, 4], FRAME));
    expect(frames[0]?.bytes).toBe('deadbeef');
  });

  test('the original length is never less than what was captured', () => {
    const { frames } = read(pcapHeader(), pcapRecord([0, 0, 4, 3], FRAME));
    expect(frames[0]?.originalLength).toBe(4);
  });
});

describe('classic files: what is refused', () => {
  const one = pcapRecord([0, 0, 4, 4], FRAME);

  test.each([
    { captured: 262_145, name: 'one byte over the limit' },
    { captured: 0x7fff_ffff, name: 'the largest int32' },
    { captured: 0xffff_ffff, name: 'the largest uint32' },
  ])('captured length $name: the frames before, then the error', ({ captured }) => {
    const { frames, error } = read(pcapHeader(), one, pcapRecord([0, 0, captured, 60], FRAME));
    expect(frames).toHaveLength(1);
    expect(error).toMatchObject({ code: 'length', file: 'x.pcap', offset: 24 + 20 });
    expect(error?.message).toBe(
      `x.pcap: at byte 44: record 2 claims ${captured} captured bytes, the limit is 262144`,
    );
  });

  test('a file cut in a frame', () => {
    const { frames, error } = read(pcapHeader(), one, one.subarray(0, 18));
    expect(frames).toHaveLength(1);
    expect(error?.message).toBe(
      'x.pcap: at byte 44: record 2 has 4 captured bytes, the file ends after 2',
    );
  });

  test('after an error the source is at its end', () => {
    const source = readCapture(concat([pcapHeader(), one.subarray(0, 18)]), 'x');
    expect(() => source.next()).toThrow('record 1');
    expect(source.next()).toBe(false);
  });

  test.each([
    { name: 'an empty file', bytes: new Uint8Array(0), code: 'truncated', says: 'is empty' },
    { name: 'three bytes', bytes: new Uint8Array(3), code: 'truncated', says: 'only 3 bytes' },
    {
      name: 'a header cut short',
      bytes: pcapHeader().subarray(0, 23),
      code: 'truncated',
      says: 'needs 24 bytes, the file ends after 23',
    },
    {
      name: 'version 1.4',
      bytes: pcapHeader({ major: 1 }),
      code: 'version',
      says: 'expected pcap version 2.0 to 2.4, found 1.4',
    },
    { name: 'version 2.5', bytes: pcapHeader({ minor: 5 }), code: 'version', says: 'found 2.5' },
    {
      name: 'reserved bits in the link type',
      bytes: pcapHeader({ linkType: 0x0030_0001 }),
      code: 'malformed',
      says: 'reserved bits of the link type are not zero (0x300001)',
    },
    { name: 'gzip', bytes: gzipSync(pcapHeader()), code: 'format', says: 'gzip: decompress' },
    {
      name: 'modified pcap, big-endian',
      bytes: Uint8Array.of(0xa1, 0xb2, 0xcd, 0x34, 0),
      code: 'format',
      says: 'modified pcap',
    },
    {
      name: 'modified pcap, little-endian',
      bytes: Uint8Array.of(0x34, 0xcd, 0xb2, 0xa1, 0),
      code: 'format',
      says: 'modified pcap',
    },
    { name: 'snoop', bytes: Buffer.from('snoop\0\0\0'), code: 'format', says: 'snoop' },
    { name: 'JSON', bytes: Buffer.from('{"a": 1}'), code: 'format', says: 'text ("{\\"a\\""...)' },
    {
      name: 'other bytes',
      bytes: Uint8Array.of(0, 1, 2, 0xff),
      code: 'format',
      says: 'expected pcap or pcapng, found the bytes 000102ff',
    },
  ])('$name', ({ bytes, code, says }) => {
    const { frames, error } = read(bytes);
    expect(frames).toEqual([]);
    expect(error).toMatchObject({ code, offset: 0 });
    expect(error?.message).toContain(says);
  });

  test('cut at every byte: the whole records before it, then the place of the broken one', () => {
    const frames = [60, 0, 3].map((length) => frameOf(new Uint8Array(length), 0));
    const bytes = pcapOf(frames);
    const starts = [24, 24 + 76, 24 + 76 + 16, bytes.length];
    for (let length = 0; length < bytes.length; length++) {
      const cut = read(bytes.subarray(0, length));
      const whole = starts.filter((start) => start <= length).length - 1;
      expect(cut.frames).toHaveLength(Math.max(whole, 0));
      if (starts.includes(length)) {
        expect(cut.error).toBeUndefined();
      } else {
        expect(cut.error).toMatchObject({ code: 'truncated', offset: starts[whole] ?? 0 });
      }
    }
  });
});

describe('openCaptureFile', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsgd-pcap-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a file that is not there', () => {
    const path = join(folder, 'missing.pcap');
    const { error } = drain(() => openCaptureFile(path));
    expect(error).toMatchObject({ code: 'open', file: path });
    expect(error?.message).toBe(`${path}: no such file or directory`);
  });

  test('a folder', () => {
    const { error } = drain(() => openCaptureFile(folder));
    expect(error?.code).toBe('read');
    expect(error?.message).toContain('illegal operation on a directory');
  });

  test('a file much larger than the window is read to its end, and a cut one up to the cut', () => {
    const path = join(folder, 'large.pcap');
    const frames = Array.from({ length: 3000 }, (_, index) =>
      frameOf(new Uint8Array(1000 + (index % 500)).fill(index), index),
    );
    const bytes = pcapOf(frames);
    writeFileSync(path, bytes);
    const whole = drain(() => openCaptureFile(path));
    expect(whole.error).toBeUndefined();
    expect(whole.frames.map((frame) => frame.bytes.length / 2)).toEqual(
      frames.map((frame) => frame.length),
    );
    writeFileSync(path, bytes.subarray(0, bytes.length - 1));
    const cut = drain(() => openCaptureFile(path));
    expect(cut.frames).toEqual(whole.frames.slice(0, -1));
    expect(cut.error?.code).toBe('truncated');
  });

  test('closes the file, also when the header is refused', () => {
    const sound = join(folder, 'sound.pcap');
    const broken = join(folder, 'broken.pcap');
    writeFileSync(sound, pcapOf([frameOf(FRAME, 0)]));
    writeFileSync(broken, 'no capture');
    // More than the usual limit of 1,024 open files.
    for (let round = 0; round < 1100; round++) {
      expect(drain(() => openCaptureFile(sound)).frames).toHaveLength(1);
      expect(drain(() => openCaptureFile(broken)).error?.code).toBe('format');
    }
  });
});

test.each([
  [1, 'link type 1, Ethernet'],
  [113, 'link type 113, Linux cooked capture (SLL)'],
  [65_000, 'link type 65000'],
])('linkTypeName(%i)', (linkType, name) => {
  expect(linkTypeName(linkType)).toBe(name);
});
