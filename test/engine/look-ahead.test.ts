import { describe, expect, test } from 'vitest';
import { FrameBatch } from '../../src/capture/frame.ts';
import { LookAhead } from '../../src/engine/look-ahead.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { decodeFrame } from '../helpers/decode-frame.ts';
import { buildFrame, type FrameSpec, viewOf } from '../helpers/frames.ts';
import { tcp, udp } from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';

/** More than are near anyway. */
const FLOWS = 40_000;

/** A table that notes what it was asked to read. */
function watchedTable(): { table: FlowTable; hashes: number[][] } {
  const bytes = FlowTable.bytesFor(FLOWS);
  const table = FlowTable.create(new ArrayBuffer(bytes), 0, { maxFlows: FLOWS, seeds: [1, 2] });
  const key = new FlowKey();
  for (let flow = 0; flow < FLOWS; flow++) {
    key.words[3] = flow;
    table.insert(key, 0, 1, 1, 0);
  }
  const hashes: number[][] = [];
  const preload = table.preload.bind(table);
  table.preload = (wanted, count) => {
    hashes.push([...wanted.subarray(0, count)]);
    return preload(wanted, count);
  };
  return { table, hashes };
}

function batchOf(frames: readonly Uint8Array[]): { view: DataView; batch: FrameBatch } {
  const stride = 2048;
  const bytes = new Uint8Array(frames.length * stride);
  const batch = new FrameBatch();
  for (const [index, frame] of frames.entries()) {
    bytes.set(frame, index * stride);
    batch.offsets[index] = index * stride;
    batch.lengths[index] = frame.length;
  }
  batch.count = frames.length;
  return { view: viewOf(bytes), batch };
}

const specs: readonly (readonly [string, FrameSpec])[] = [
  ['TCP over IPv4', tcp('203.0.113.9:4000', '10.0.1.4:80', 'A')],
  ['UDP over IPv4', udp('203.0.113.9:4000', '10.0.1.4:53')],
  ['TCP over IPv6', tcp('[2001:db8::9]:4000', '[fd00:db8:1::4]:80', 'A')],
  ['UDP over IPv6', udp('[2001:db8::9]:4000', '[fd00:db8:1::4]:53')],
];

describe('the hash that is looked for is the one of the flow', () => {
  const { table, hashes } = watchedTable();
  const lookAhead = new LookAhead(table);
  describe.each(specs)('%s', (_, spec) => {
    test.each([
      ['inbound', 0],
      ['outbound', 1],
    ])('%s', (_direction, direction) => {
      const frame = buildFrame({ ...spec, padTo: 60 });
      const { view, batch } = batchOf([frame]);
      hashes.length = 0;
      lookAhead.look(view, batch, direction);
      const key = new FlowKey();
      flowKey(decodeFrame(frame).packet, direction, key);
      expect(hashes).toEqual([[table.hashOf(key)]]);
    });
  });
});

test('frames that are not IP, or too short, are left out', () => {
  const { table, hashes } = watchedTable();
  const good = buildFrame({ ...udp('203.0.113.9:4000', '10.0.1.4:53'), padTo: 60 });
  const arp = buildFrame({ etherType: 0x0806, raw: new Uint8Array(50) });
  const { view, batch } = batchOf([arp, good.subarray(0, 57), good]);
  new LookAhead(table).look(view, batch, 0);
  expect(hashes.map((each) => each.length)).toEqual([1]);
});

test('a small table is not looked at', () => {
  const { table, hashes } = watchedTable();
  const frame = buildFrame({ ...udp('203.0.113.9:4000', '10.0.1.4:53'), padTo: 60 });
  const { view, batch } = batchOf([frame]);
  table.sweep(1000, FLOWS);
  expect(table.size).toBe(0);
  new LookAhead(table).look(view, batch, 0);
  expect(hashes).toEqual([]);
});

test('whatever the frames are, nothing outside them is read and the table stays as it is', () => {
  const { table } = watchedTable();
  const random = new Random(7);
  const before = table.stats.slice();
  for (let round = 0; round < 200; round++) {
    const frames = Array.from({ length: 32 }, () =>
      Uint8Array.from({ length: random.below(100) }, (_, at) =>
        at === 12 ? random.pick([8, 0x86]) : at === 13 ? random.pick([0, 0xdd]) : random.below(256),
      ),
    );
    const length = frames.reduce((sum, frame) => sum + frame.length, 0);
    const bytes = new Uint8Array(length);
    const batch = new FrameBatch();
    let at = 0;
    for (const [index, frame] of frames.entries()) {
      bytes.set(frame, at);
      batch.offsets[index] = at;
      batch.lengths[index] = frame.length;
      at += frame.length;
    }
    batch.count = frames.length;
    // A view of exactly the frames: reading behind the last one would throw.
    new LookAhead(table).look(viewOf(bytes), batch, round & 1);
  }
  expect(table.stats).toEqual(before);
  expect(table.size).toBe(FLOWS);
});
