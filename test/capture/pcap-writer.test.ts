/**
 * The capture-file writer: exact bytes, times at their limits, and what it refuses.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCaptureFile, readCapture } from '../../src/capture/capture-file.ts';
import { frameOf } from '../../src/capture/frame-sink.ts';
import { MemorySource } from '../../src/capture/memory.ts';
import { PcapWriter, createCaptureFile, encodeCapture } from '../../src/capture/pcap-writer.ts';
import { drain } from '../helpers/drain.ts';
import { Random } from '../helpers/random.ts';

const FRAME = frameOf(Uint8Array.of(1, 2, 3, 4), 1_760_000_000_123.5);

/** One frame written, as hexadecimal. */
function written(
  frame: typeof FRAME,
  options: ConstructorParameters<typeof PcapWriter>[0],
): string {
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter(options, (bytes) => chunks.push(bytes.slice()));
  writer.write(frame);
  writer.close();
  return Buffer.concat(chunks).toString('hex');
}

function failingWrite(): never {
  throw new Error('disk full');
}

describe('PcapWriter', () => {
  test.each([
    {
      name: 'microseconds',
      options: {},
      header: 'd4c3b2a1 02000400 00000000 00000000 00000400 01000000',
      record: '0078e768 6ce20100 04000000 04000000 01020304',
    },
    {
      name: 'nanoseconds',
      options: { resolution: 'nanoseconds' },
      header: '4d3cb2a1 02000400 00000000 00000000 00000400 01000000',
      record: '0078e768 e0755c07 04000000 04000000 01020304',
    },
    {
      name: 'a snapshot length cuts the frame and keeps its original length',
      options: { snapLength: 2 },
      header: 'd4c3b2a1 02000400 00000000 00000000 02000000 01000000',
      record: '0078e768 6ce20100 02000000 04000000 0102',
    },
  ] as const)('bytes: $name', ({ options, header, record }) => {
    expect(written(FRAME, options)).toBe((header + record).replaceAll(' ', ''));
  });

  test('times at the edge of a second and of the format', () => {
    const times = [0, 0.001, 999.999, 999.9996, 1999.9999, 4_294_967_295_999];
    const expected = [0, 0.001, 999.999, 1000, 2000, 4_294_967_295_999];
    const source = MemorySource.of([]);
    expect(encodeCapture(source)).toHaveLength(24);
    const chunks: Uint8Array[] = [];
    const writer = new PcapWriter({}, (bytes) => chunks.push(bytes.slice()));
    for (const timestamp of times) writer.write({ ...FRAME, timestamp });
    writer.close();
    const { frames } = drain(() => readCapture(Buffer.concat(chunks), 'x'));
    expect(frames.map((frame) => frame.timestamp)).toEqual(expected);
  });

  test.each([-0.001, -1, 4_294_967_296_000, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses time %d',
    (timestamp) => {
      expect(() => written({ ...FRAME, timestamp }, {})).toThrow('outside 1970 to 2106');
    },
  );

  test('every microsecond survives writing and reading', () => {
    const random = new Random();
    for (let round = 0; round < 2000; round++) {
      const microseconds = random.below(2 ** 32) * 1e6 + random.below(1e6);
      const bytes = Buffer.from(written({ ...FRAME, timestamp: microseconds / 1000 }, {}), 'hex');
      const read = drain(() => readCapture(bytes, 'x')).frames[0]?.timestamp ?? -1;
      expect(Math.round(read * 1000), `seed ${random.seed}`).toBe(microseconds);
    }
  });

  test('refuses what the format cannot hold', () => {
    expect(() => written({ ...FRAME, linkType: 113 }, {})).toThrow(
      'frame of link type 113 in a file of link type 1',
    );
    expect(() => written(FRAME, { snapLength: 0 })).toThrow('snapLength 0');
    expect(() => written(FRAME, { snapLength: 262_145 })).toThrow('snapLength 262145');
    const writer = new PcapWriter({}, () => undefined);
    writer.close();
    writer.close();
    expect(() => writer.write(FRAME)).toThrow('after close');
  });

  test('another link type, when asked for', () => {
    const bytes = Buffer.from(written({ ...FRAME, linkType: 113 }, { linkType: 113 }), 'hex');
    expect(drain(() => readCapture(bytes, 'x')).frames[0]?.linkType).toBe(113);
  });

  test('closes its target once, also when the last write fails', () => {
    let closed = 0;
    const writer = new PcapWriter({}, failingWrite, () => closed++);
    expect(() => writer.close()).toThrow('disk full');
    writer.close();
    expect(closed).toBe(1);
  });
});

describe('createCaptureFile', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsgd-writer-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('writes the same bytes as encodeCapture, and openCaptureFile reads them', () => {
    const frames = Array.from({ length: 500 }, (_, index) => new Uint8Array(index * 3).fill(index));
    const path = join(folder, 'out.pcap');
    const sink = createCaptureFile(path);
    const source = MemorySource.of(frames);
    while (source.next()) sink.write(source);
    sink.close();
    source.rewind();
    expect(readFileSync(path).equals(encodeCapture(source))).toBe(true);
    expect(drain(() => openCaptureFile(path))).toEqual(drain(() => MemorySource.of(frames)));
  });
});
