import { describe, expect, test } from 'vitest';
import {
  FLOW_STATE_NAMES,
  type FlowIndex,
  FlowState,
  NO_FLOW,
  packSlots,
  RECORD_WORDS,
  RemoveReason,
  Word,
} from '../../src/flowtable/record.ts';
import { FlowStat, Header } from '../../src/flowtable/segment.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { FlowView } from '../../src/flowtable/view.ts';
import { addFlow, newTable, SEEDS } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

function open(table: FlowTable): FlowView {
  const result = FlowView.open(table.words.buffer, table.header.byteOffset);
  if (!result.ok) throw new Error(result.problem);
  return result.view;
}

/** Every field of a row. */
function row(view: FlowView, flow: FlowIndex, now: number): Record<string, number> {
  return {
    version: view.ipVersion(flow),
    ...Object.fromEntries([0, 1, 2, 3].map((word) => [`local${word}`, view.local(flow, word)])),
    ...Object.fromEntries([0, 1, 2, 3].map((word) => [`remote${word}`, view.remote(flow, word)])),
    localPort: view.localPort(flow),
    remotePort: view.remotePort(flow),
    protocol: view.protocol(flow),
    vlanOuter: view.vlanOuter(flow),
    vlanInner: view.vlanInner(flow),
    state: view.state(flow),
    list: view.list(flow),
    opener: view.opener(flow),
    idle: view.idle(flow, now),
    slot0: view.slot0(flow),
    slot1: view.slot1(flow),
    generation: view.generation(flow),
    packetsIn: view.packets(flow, 0),
    packetsOut: view.packets(flow, 1),
    bytesIn: view.bytes(flow, 0),
    bytesOut: view.bytes(flow, 1),
  };
}

/** Goes through the records as a reader does. @returns the number of live rows */
function readAll(view: FlowView, visit: (fields: Record<string, number>) => void): number {
  let rows = 0;
  for (let record = 0; record < view.recordLimit; record++) {
    const flow = view.flowAt(record);
    if (flow === NO_FLOW) continue;
    rows++;
    visit(row(view, flow, 1000));
  }
  return rows;
}

/** Inclusive bounds of each field, whatever the memory holds. */
const BOUNDS: Readonly<Record<string, readonly [number, number]>> = {
  version: [4, 6],
  localPort: [0, 65_535],
  remotePort: [0, 65_535],
  protocol: [0, 255],
  vlanOuter: [0, 4095],
  vlanInner: [0, 4095],
  state: [1, 15],
  list: [0, 3],
  opener: [0, 1],
  idle: [0, 2 ** 23],
  slot0: [0, 65_535],
  slot1: [0, 65_535],
  packetsIn: [0, 2 ** 32 - 1],
  packetsOut: [0, 2 ** 32 - 1],
  bytesIn: [0, 2 ** 48 - 1],
  bytesOut: [0, 2 ** 48 - 1],
};

describe('a reader of a sound table', () => {
  test('sees what its owner sees, as it changes', () => {
    const buffer = new SharedArrayBuffer(FlowTable.bytesFor(8) + 64);
    const table = FlowTable.create(buffer, 64, { maxFlows: 8, seeds: SEEDS });
    const view = open(table);
    expect([view.size, view.recordLimit, view.maxFlows]).toEqual([0, 0, 8]);
    const flow = addFlow(table, 1, 990);
    table.restamp(flow, 5, packSlots(1, 2));
    table.touch(flow, 0, 1500, 995, FlowState.Established);
    expect(readAll(view, (fields) => expect(fields).toEqual(row(table, flow, 1000)))).toBe(1);
    expect(row(view, flow, 1000)).toMatchObject({
      version: 6,
      state: FlowState.Established,
      idle: 5,
      slot0: 1,
      slot1: 2,
      generation: 5,
      packetsIn: 1,
      packetsOut: 1,
      bytesIn: 1500,
      bytesOut: 100,
    });
    expect([view.size, view.sizeOf(1), view.recordLimit, view.timeoutOf(1)]).toEqual([
      1, 1, 1, 240,
    ]);
    table.remove(flow, RemoveReason.Flushed);
    expect([view.size, view.recordLimit, view.flowAt(0)]).toEqual([0, 1, NO_FLOW]);
    expect(view.stat(FlowStat.Removed + RemoveReason.Flushed)).toBe(1);
  });

  test('writes nothing', () => {
    const table = newTable({ maxFlows: 64 });
    for (let number = 0; number < 50; number++) addFlow(table, number, 990, (number % 11) + 1);
    const before = new Uint8Array(table.words.buffer.slice(0));
    const view = open(table);
    expect(readAll(view, () => undefined)).toBe(50);
    expect(view.lookups).toBe(0);
    expect(new Uint8Array(table.words.buffer)).toEqual(before);
  });

  test('each state has a name', () => {
    for (const [name, state] of Object.entries(FlowState)) {
      expect(FLOW_STATE_NAMES[state]?.replaceAll('_', '').toLowerCase()).toBe(
        name.replace('SynReceived', 'SynRecv').toLowerCase(),
      );
    }
  });
});

describe('a reader of anything else stays in bounds', () => {
  test('noise in every word but the identity', () => {
    const random = new Random();
    for (let round = 0; round < 100; round++) {
      const maxFlows = 1 + random.below(100);
      const table = newTable({ maxFlows });
      const noise = new Int32Array(table.words.buffer);
      for (let at = Header.Slots + 1; at < noise.length; at++) noise[at] = random.uint32();
      const view = open(table);
      expect(view.recordLimit).toBeLessThanOrEqual(maxFlows);
      const outside: string[] = [];
      const rows = readAll(view, (fields) => {
        for (const [name, [low, high]] of Object.entries(BOUNDS)) {
          const value = fields[name] ?? Number.NaN;
          const isInside = Number.isInteger(value) && value >= low && value <= high;
          if (!isInside) outside.push(`${name} ${value}`);
        }
      });
      expect(outside, `seed ${random.seed}`).toEqual([]);
      expect(rows).toBeLessThanOrEqual(maxFlows);
      expect(Number.isSafeInteger(view.size)).toBe(true);
    }
  });

  test.each([-1, 17, 2 ** 31 - 1, -(2 ** 31)])(
    'a count of used records that cannot be: %i',
    (fresh) => {
      const table = newTable();
      addFlow(table, 0, 990);
      table.header[Header.Fresh] = fresh;
      expect(open(table).recordLimit).toBe(16);
    },
  );

  test('links that lead in circles or out of the segment are not followed', () => {
    const table = newTable();
    for (let number = 0; number < 10; number++) addFlow(table, number, 990);
    for (let record = 0; record < 16; record++) {
      table.words[record * RECORD_WORDS + Word.Next] = record % 2 === 0 ? record : 1e9;
      table.words[record * RECORD_WORDS + Word.Previous] = -77;
    }
    table.index.fill(-1);
    table.header.fill(3, Header.Heads, Header.Counts);
    expect(readAll(open(table), () => undefined)).toBe(10);
  });

  test('a record number outside the table is no flow', () => {
    const view = open(newTable());
    for (const record of [-1, 16, 1e9]) expect(view.flowAt(record)).toBe(NO_FLOW);
  });
});
