/**
 * One contract, run over every finite frame source: what any consumer may rely on, whatever the frames come from.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCaptureFile, readCapture } from '../../src/capture/capture-file.ts';
import type { FrameSource } from '../../src/capture/frame.ts';
import { type Frame, frameOf } from '../../src/capture/frame-sink.ts';
import { MemorySink } from '../../src/capture/memory.ts';
import { encodeCapture } from '../../src/capture/pcap-writer.ts';
import { pcapOf, pcapngOf } from '../helpers/capture-bytes.ts';
import { drain, seen } from '../helpers/drain.ts';
import { FaultySource } from '../helpers/faulty-source.ts';
import { Random } from '../helpers/random.ts';

const SMALL_WINDOW = 1;
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nsgd-sources-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function memory(frames: readonly Frame[]): ReturnType<MemorySink['source']> {
  const sink = new MemorySink();
  for (const frame of frames) sink.write(frame);
  return sink.source();
}

function onDisk(bytes: Uint8Array): FrameSource {
  const path = join(folder, 'capture');
  writeFileSync(path, bytes);
  return openCaptureFile(path);
}

const SOURCES: readonly { name: string; open: (frames: readonly Frame[]) => FrameSource }[] = [
  { name: 'memory', open: memory },
  { name: 'pcap, little-endian', open: (frames) => readCapture(pcapOf(frames), 'x') },
  {
    name: 'pcap, big-endian',
    open: (frames) => readCapture(pcapOf(frames, { littleEndian: false }), 'x'),
  },
  {
    name: 'pcap, nanoseconds, little-endian',
    open: (frames) => readCapture(pcapOf(frames, { nanoseconds: true }), 'x'),
  },
  {
    name: 'pcap, nanoseconds, big-endian',
    open: (frames) => readCapture(pcapOf(frames, { nanoseconds: true, littleEndian: false }), 'x'),
  },
  { name: 'pcap, small window', open: (frames) => readCapture(pcapOf(frames), 'x', SMALL_WINDOW) },
  { name: 'pcap on disk', open: (frames) => onDisk(pcapOf(frames)) },
  { name: 'pcapng, little-endian', open: (frames) => readCapture(pcapngOf(frames), 'x') },
  { name: 'pcapng, big-endian', open: (frames) => readCapture(pcapngOf(frames, false), 'x') },
  {
    name: 'pcapng, small window',
    open: (frames) => readCapture(pcapngOf(frames), 'x', SMALL_WINDOW),
  },
  { name: 'pcapng on disk', open: (frames) => onDisk(pcapngOf(frames)) },
  {
    name: 'what PcapWriter wrote',
    open: (frames) => readCapture(encodeCapture(memory(frames)), 'x'),
  },
  {
    name: 'what PcapWriter wrote, nanoseconds',
    open: (frames) =>
      readCapture(encodeCapture(memory(frames), { resolution: 'nanoseconds' }), 'x'),
  },
  {
    name: 'FaultySource with no faults',
    open: (frames) => new FaultySource(memory(frames), new Random(1), {}),
  },
];

/** Deterministic bytes that differ from frame to frame. */
function filled(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + seed) & 255);
}

// Times that a double holds as exactly as the format does: quarters of a millisecond.
const START = 1_760_000_000_000;
const FRAMES: readonly Frame[] = [60, 0, 1514, 61, 65_549, 262_144, 1].map((length, index) => ({
  ...frameOf(filled(length, index), START + index * 250.25),
  originalLength: index === 3 ? 9000 : length,
}));

for (const { name, open } of SOURCES) {
  describe(`FrameSource: ${name}`, () => {
    test('delivers every frame once, in order, with its bytes, lengths, time and link type', () => {
      expect(drain(() => open(FRAMES))).toEqual({ frames: FRAMES.map(seen), error: undefined });
    });

    test('an empty one is at its end at once', () => {
      const source = open([]);
      expect(source.next()).toBe(false);
      expect(source.next()).toBe(false);
      source.close();
    });

    test('stays at its end', () => {
      const source = open(FRAMES.slice(0, 1));
      expect([source.next(), source.next(), source.next()]).toEqual([true, false, false]);
      source.close();
    });

    test('the frame lies inside the view', () => {
      const source = open(FRAMES);
      while (source.next()) {
        expect(source.offset).toBeGreaterThanOrEqual(0);
        expect(source.offset + source.length).toBeLessThanOrEqual(source.view.byteLength);
      }
      source.close();
    });

    test('delivers nothing after close, which may be repeated', () => {
      const source = open(FRAMES);
      expect(source.next()).toBe(true);
      source.close();
      source.close();
      expect(source.next()).toBe(false);
    });
  });
}
