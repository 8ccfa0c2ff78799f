import { describe, expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS, LIST_OF_STATE } from '../../src/flowtable/expiry.ts';
import {
  FlowState,
  NO_FLOW,
  NO_SLOT,
  packSlots,
  SECONDS_MASK,
} from '../../src/flowtable/record.ts';
import { putRows, ROW_WORDS, takeRows } from '../../src/flowtable/saved-flows.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { addFlow, inconsistencies, keyIn, keyOf, keyText, newTable } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const STATES = [
  FlowState.Unreplied,
  FlowState.SynSent,
  FlowState.Established,
  FlowState.FinWait,
  FlowState.TimeWait,
  FlowState.Closed,
];
const TIMEOUTS = Object.values(DEFAULT_TIMEOUTS) as number[];

interface Row {
  readonly state: number;
  readonly idle: number;
  readonly packets: readonly [number, number];
  readonly bytes: readonly [number, number];
  readonly opener: number;
  readonly slots: readonly [number, number];
  readonly generation: number;
}

function rowsOf(table: FlowTable, now: number): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (let record = 0; record < table.recordLimit; record++) {
    const flow = table.flowAt(record);
    if (flow === NO_FLOW) continue;
    rows.set(keyText(keyIn(table, flow)), {
      state: table.state(flow),
      idle: table.idle(flow, now),
      packets: [table.packets(flow, 0), table.packets(flow, 1)],
      bytes: [table.bytes(flow, 0), table.bytes(flow, 1)],
      opener: table.opener(flow),
      slots: [table.slot0(flow), table.slot1(flow)],
      generation: table.generation(flow),
    });
  }
  return rows;
}

/** As the next data plane finds it. */
function attach(table: FlowTable, now: number): FlowTable {
  const result = FlowTable.attach(table.words.buffer, 0, now);
  if (!result.ok) throw new Error(result.problem);
  expect(inconsistencies(result.table, now)).toEqual([]);
  return result.table;
}

const sameSlot = (slot: number): number => slot;

describe('flows of one table put into another', () => {
  test('property: those still alive go on as they were, on the new clock, with the new slots', () => {
    const random = new Random();
    for (let round = 0; round < 40; round++) {
      const from = newTable({ maxFlows: 256, seeds: [random.uint32(), random.uint32()] });
      const savedAt = 1000 + random.below(2 ** 25);
      for (let number = 0; number < 200; number++) {
        const flow = addFlow(from, number, savedAt - random.below(300), random.pick(STATES));
        from.restamp(flow, 7, packSlots(random.below(4), random.pick([random.below(4), NO_SLOT])));
        if (random.below(4) === 0) from.remove(flow, 0);
      }
      const rows = takeRows(from);
      expect(rows.length).toBe(from.size * ROW_WORDS);
      const elapsed = random.below(120);
      const now = random.below(2 ** 26);
      const slotOf = (slot: number): number => (slot === 3 ? NO_SLOT : slot + 10);
      const to = newTable({ maxFlows: 512, seeds: [1, 2] });
      expect(putRows(to, rows, { savedAt, elapsed, now, slotOf })).toBe(from.size);
      const restored = rowsOf(attach(to, now), now);
      const expected = [...rowsOf(from, savedAt)].flatMap(([key, row]) => {
        const idle = row.idle + elapsed;
        if (idle > (TIMEOUTS[LIST_OF_STATE[row.state] ?? 0] ?? 0)) return [];
        const slots = row.slots.map((slot) => (slot === NO_SLOT ? slot : slotOf(slot)));
        return [[key, { ...row, idle, slots, generation: 0 }]] as const;
      });
      expect(restored, `seed ${random.seed}`).toEqual(new Map(expected));
    }
  });

  test('a smaller table takes the established first, then the most recent', () => {
    const from = newTable({ maxFlows: 64 });
    for (let number = 0; number < 40; number++) {
      const isEstablished = number % 4 === 0;
      addFlow(from, number, 100 + number, isEstablished ? FlowState.Established : 1);
    }
    const to = newTable({ maxFlows: 16 });
    const translation = { savedAt: 140, elapsed: 0, now: 140, slotOf: sameSlot };
    expect(putRows(to, takeRows(from), translation)).toBe(16);
    const kept = new Set(rowsOf(attach(to, 140), 140).keys());
    const expected = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 39, 38, 37, 35, 34, 33];
    expect(kept).toEqual(new Set(expected.map((number) => keyText(keyOf(number)))));
  });

  test('flows older than a clock can tell are left out, also when their age wraps', () => {
    const from = newTable();
    addFlow(from, 1, 50, FlowState.Established);
    const rows = takeRows(from);
    const to = newTable();
    const put = (elapsed: number): number =>
      putRows(to, rows, { savedAt: 50, elapsed, now: 60, slotOf: sameSlot });
    expect(put(SECONDS_MASK)).toBe(0);
    expect(put(2 ** 40)).toBe(0);
    expect(put(10)).toBe(1);
  });

  test('whatever the bytes, the table is sound afterwards', () => {
    const random = new Random();
    for (let round = 0; round < 200; round++) {
      const rows = new Int32Array(random.below(40 * ROW_WORDS)).map(() => random.uint32() | 0);
      const to = newTable({ maxFlows: 32 });
      putRows(to, rows, {
        savedAt: random.uint32(),
        elapsed: random.below(1000),
        now: random.uint32() >>> 4,
        slotOf: (slot) => (slot * 7) & 0xffff,
      });
      attach(to, random.uint32() >>> 4);
    }
  });

  test('no flows are no rows', () => {
    expect(takeRows(newTable())).toHaveLength(0);
    const to = newTable();
    const translation = { savedAt: 0, elapsed: 0, now: 0, slotOf: sameSlot };
    expect(putRows(to, new Int32Array(0), translation)).toBe(0);
    expect(attach(to, 0).size).toBe(0);
  });
});
