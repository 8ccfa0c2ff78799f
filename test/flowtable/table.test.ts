import { describe, expect, test } from 'vitest';
import { IpProtocol } from '../../src/capture/packet.ts';
import { DEFAULT_TIMEOUTS, FlowList, MAX_TIMEOUT } from '../../src/flowtable/expiry.ts';
import { hashKeyFrom, hashWords } from '../../src/flowtable/hash.ts';
import { FlowKey } from '../../src/flowtable/key.ts';
import {
  type FlowIndex,
  FlowState,
  NO_FLOW,
  NO_SLOT,
  packSlots,
  RECORD_WORDS,
  RemoveReason,
  SECONDS_MASK,
  Word,
} from '../../src/flowtable/record.ts';
import { FlowStat, Header, MAX_FLOWS, slotsFor } from '../../src/flowtable/segment.ts';
import { FlowTable, type FlowTableOptions } from '../../src/flowtable/table.ts';
import { Random } from '../helpers/random.ts';
import {
  addFlow,
  inconsistencies,
  keyIn,
  keyOf,
  newTable,
  NO_SLOTS,
  SEEDS,
} from '../helpers/flows.ts';

const { Established, Unreplied, SynSent, TimeWait, Closed, FinWait, Closing } = FlowState;

/** Records every removal as `flow reason`. */
function removalsOf(table: FlowTable): string[] {
  const removals: string[] = [];
  table.listener = {
    ended(_, flow, reason) {
      const name = Object.keys(RemoveReason)[Object.values(RemoveReason).indexOf(reason as 0)];
      expect(table.flowAt(flow)).toBe(flow);
      removals.push(`${flow} ${name}`);
    },
  };
  return removals;
}

describe('create', () => {
  const bytes = FlowTable.bytesFor(16);
  const options: FlowTableOptions = { maxFlows: 16, seeds: SEEDS };
  const timeouts = DEFAULT_TIMEOUTS;
  test.each<readonly [string, number, number, FlowTableOptions]>([
    ['no flows', bytes, 0, { ...options, maxFlows: 0 }],
    ['half a flow', bytes, 0, { ...options, maxFlows: 1.5 }],
    ['too many flows', bytes, 0, { ...options, maxFlows: MAX_FLOWS + 1 }],
    ['flows that are no number', bytes, 0, { ...options, maxFlows: Number.NaN }],
    ['a buffer one byte short', bytes - 1, 0, options],
    ['an offset that leaves too little', bytes, 8, options],
    ['an offset that is not aligned', bytes + 8, 4, options],
    ['timeout 0', bytes, 0, { ...options, timeouts: { ...timeouts, closed: 0 } }],
    [
      'timeout too long',
      bytes,
      0,
      { ...options, timeouts: { ...timeouts, established: MAX_TIMEOUT + 1 } },
    ],
    [
      'timeout with a fraction',
      bytes,
      0,
      { ...options, timeouts: { ...timeouts, unreplied: 1.5 } },
    ],
  ])('refuses %s', (_name, byteLength, offset, wrong) => {
    const buffer = new ArrayBuffer(byteLength);
    expect(() => FlowTable.create(buffer, offset, wrong)).toThrow(RangeError);
    expect(FlowTable.attach(buffer, offset, 0).ok).toBe(false);
  });

  test('stays inside its bytes of a larger buffer', () => {
    const buffer = new SharedArrayBuffer(bytes + 32);
    const all = new Uint8Array(buffer).fill(0x5a);
    const table = FlowTable.create(buffer, 16, options);
    for (let number = 0; number < 40; number++) addFlow(table, number, 10, Established);
    expect(table.size).toBe(16);
    expect([...all.subarray(0, 16), ...all.subarray(16 + bytes)]).toEqual(
      Array.from({ length: 32 }, () => 0x5a),
    );
  });

  test('a flow costs at most 96 bytes, all included', () => {
    expect(FlowTable.bytesFor(2 ** 20) / 2 ** 20).toBeLessThanOrEqual(96 + 256 / 2 ** 20);
  });

  test('the index is never more than three quarters full', () => {
    for (let maxFlows = 1; maxFlows < 2000; maxFlows += 1 + (maxFlows >> 5)) {
      expect(maxFlows / slotsFor(maxFlows)).toBeLessThanOrEqual(0.75);
      expect(maxFlows / slotsFor(maxFlows)).toBeGreaterThan(0.374);
      expect(Math.log2(slotsFor(maxFlows)) % 1).toBe(0);
    }
    expect(slotsFor(MAX_FLOWS)).toBe(2 * MAX_FLOWS);
  });
});

describe('find, insert, remove', () => {
  test('a new flow is what it was given', () => {
    const table = newTable();
    const key = keyOf(1);
    expect(table.find(key, 100)).toBe(NO_FLOW);
    const flow = table.insert(key, 1, 100, 7, packSlots(3, 65_534));
    expect(table.find(key, 100)).toBe(flow);
    expect(keyIn(table, flow).words).toEqual(key.words);
    expect({
      version: table.ipVersion(flow),
      local: [0, 1, 2, 3].map((word) => table.local(flow, word)),
      remote: [0, 1, 2, 3].map((word) => table.remote(flow, word)),
      ports: [table.localPort(flow), table.remotePort(flow)],
      protocol: table.protocol(flow),
      vlans: [table.vlanOuter(flow), table.vlanInner(flow)],
      state: table.state(flow),
      opener: table.opener(flow),
      idle: table.idle(flow, 103),
      slots: [table.slot0(flow), table.slot1(flow)],
      generation: table.generation(flow),
      packets: [table.packets(flow, 0), table.packets(flow, 1)],
      bytes: [table.bytes(flow, 0), table.bytes(flow, 1)],
    }).toEqual({
      version: 6,
      local: [0xfd00_0000 | 0, 0, 0, 0x0a00_0104],
      remote: [0x2001_0db8, 0, 0, 0xcb00_0000 | 0],
      ports: [53, 1],
      protocol: IpProtocol.Udp,
      vlans: [0, 0],
      state: Unreplied,
      opener: 1,
      idle: 3,
      slots: [3, 65_534],
      generation: 7,
      packets: [0, 0],
      bytes: [0, 0],
    });
  });

  test('VLANs, protocol and ports at their limits', () => {
    const table = newTable();
    const key = new FlowKey();
    key.words[Word.Ports] = -1;
    key.words[Word.Tag] = (0xfff << 20) | (0xffe << 8) | 255;
    const flow = table.insert(key, 0, 0, -5, NO_SLOTS);
    expect(table.find(key, 0)).toBe(flow);
    expect([table.localPort(flow), table.remotePort(flow)]).toEqual([65_535, 65_535]);
    expect([table.vlanOuter(flow), table.vlanInner(flow)]).toEqual([0xfff, 0xffe]);
    expect([table.protocol(flow), table.generation(flow)]).toEqual([255, -5]);
    expect([table.slot0(flow), table.slot1(flow)]).toEqual([NO_SLOT, NO_SLOT]);
  });

  test('nothing of a former flow is left in its record', () => {
    const table = newTable({ maxFlows: 1 });
    const flow = addFlow(table, 1, 100, Established);
    table.restamp(flow, 9, packSlots(1, 2));
    table.remove(flow, RemoveReason.Flushed);
    table.words.fill(-1, Word.Slots);
    const next = table.insert(keyOf(2), 0, 200, 1, NO_SLOTS);
    expect(next).toBe(flow);
    expect(table.words.subarray(Word.Generation)).toEqual(
      Int32Array.of(1, 0, 0, 0, 0, 0, 0, 0, NO_FLOW, NO_FLOW),
    );
    expect([table.state(next), table.opener(next), table.ipVersion(next)]).toEqual([1, 0, 4]);
  });

  test('removed is not found, and others are', () => {
    const table = newTable({ maxFlows: 64 });
    const removals = removalsOf(table);
    const flows = Array.from({ length: 64 }, (_, number) => addFlow(table, number, 5));
    for (let number = 0; number < 64; number += 2) {
      table.remove(flows[number] as FlowIndex, RemoveReason.Flushed);
    }
    for (let number = 0; number < 64; number++) {
      expect(table.find(keyOf(number), 5)).toBe(number % 2 === 0 ? NO_FLOW : flows[number]);
    }
    expect(removals).toHaveLength(32);
    expect(table.stat(FlowStat.Removed + RemoveReason.Flushed)).toBe(32);
    expect(table.size).toBe(32);
    expect(inconsistencies(table, 5)).toEqual([]);
  });

  test('hits, misses, inserts, removals by reason', () => {
    const table = newTable();
    table.find(keyOf(1), 0);
    const flow = addFlow(table, 1, 0);
    table.find(keyOf(1), 0);
    table.find(keyOf(1), 30);
    table.find(keyOf(1), 31);
    addFlow(table, 1, 31);
    table.remove(flow, RemoveReason.Reopened);
    expect({
      hits: table.stat(FlowStat.Hits),
      misses: table.stat(FlowStat.Misses),
      lookups: table.lookups,
      inserts: table.stat(FlowStat.Inserts),
      removed: Object.values(RemoveReason).map((reason) => table.stat(FlowStat.Removed + reason)),
    }).toEqual({ hits: 2, misses: 2, lookups: 4, inserts: 2, removed: [1, 0, 0, 0, 0, 1] });
  });

  test.each([1, 2, 3, 5, 6, 7, 31, 33, 1000, 1023, 1025, 1536])(
    'all of %i records serve',
    (maxFlows) => {
      const table = newTable({ maxFlows });
      for (let round = 0; round < 3; round++) {
        for (let number = 0; number < maxFlows; number++) {
          expect(addFlow(table, number * 3 + round, 7, Established)).not.toBe(NO_FLOW);
        }
        expect(addFlow(table, 3_000_000, 7)).toBe(NO_FLOW);
        expect(table.size).toBe(maxFlows);
        expect(inconsistencies(table, 7)).toEqual([]);
        for (let number = 0; number < maxFlows; number++) {
          const flow = table.find(keyOf(number * 3 + round), 7);
          table.remove(flow, RemoveReason.Flushed);
        }
        expect(table.size).toBe(0);
        expect(table.index.every((slot) => slot === 0)).toBe(true);
      }
    },
  );

  test('restamp changes generation and slots, and nothing else', () => {
    const table = newTable();
    const flow = addFlow(table, 3, 50, Established);
    const before = table.words.slice();
    table.restamp(flow, -2, packSlots(0, 7));
    before[flow * RECORD_WORDS + Word.Generation] = -2;
    before[flow * RECORD_WORDS + Word.Slots] = 7;
    expect(table.words).toEqual(before);
    expect([table.slot0(flow), table.slot1(flow)]).toEqual([0, 7]);
  });
});

describe('eviction', () => {
  type Row = readonly [name: string, states: readonly number[], victim: number | undefined];
  // Each flow one second after the one before; the new flow comes two seconds after the last.
  const rows: readonly Row[] = [
    ['closed first', [Established, Unreplied, TimeWait, Closed], 3],
    ['then closing', [Established, Unreplied, SynSent, TimeWait], 3],
    ['then unreplied', [Established, FinWait, Unreplied, Established], 2],
    ['never established', [Established, FinWait, FlowState.CloseWait, Established], undefined],
    ['the oldest of its list', [Closed, Closed, Closed, Closed], 0],
    ['the oldest closing', [Established, TimeWait, Closing, FlowState.LastAck], 1],
    ['the oldest half-open', [Established, SynSent, Unreplied, FlowState.SynReceived], 1],
  ];
  test.each<Row>(rows)('%s', (_name, states, victim) => {
    const table = newTable({ maxFlows: 4 });
    const flows = states.map((state, number) => addFlow(table, number, 100 + number, state));
    const removals = removalsOf(table);
    const flow = addFlow(table, 99, 105);
    if (victim === undefined) {
      expect(flow).toBe(NO_FLOW);
      expect(removals).toEqual([]);
      expect(table.stat(FlowStat.TableFull)).toBe(1);
    } else {
      expect(flow).toBe(flows[victim]);
      expect(removals).toEqual([`${flow} Evicted`]);
      expect(table.stat(FlowStat.TableFull)).toBe(0);
    }
    expect(inconsistencies(table, 105)).toEqual([]);
  });

  test('what has expired is not evicted, but times out', () => {
    const table = newTable({ maxFlows: 2 });
    const removals = removalsOf(table);
    addFlow(table, 0, 100, Established);
    addFlow(table, 1, 100, Closed);
    addFlow(table, 2, 111, Established);
    addFlow(table, 3, 340, Unreplied);
    expect(removals).toEqual(['1 Rst']);
    addFlow(table, 3, 341, Unreplied);
    expect(removals).toEqual(['1 Rst', '0 Timeout']);
    expect(table.stat(FlowStat.Removed + RemoveReason.Evicted)).toBe(0);
  });

  test('least recently used: a packet saves a flow', () => {
    const table = newTable({ maxFlows: 3 });
    const flows = [0, 1, 2].map((number) => addFlow(table, number, 100));
    table.touch(flows[0] as FlowIndex, 1, 40, 101, Unreplied);
    const removals = removalsOf(table);
    addFlow(table, 10, 102);
    addFlow(table, 11, 102);
    addFlow(table, 12, 102);
    addFlow(table, 13, 102);
    expect(removals.map((text) => Number(text.split(' ')[0]))).toEqual([
      flows[1],
      flows[2],
      flows[0],
      flows[1],
    ]);
  });

  test('a flood of ten times as many new flows keeps every established one', () => {
    const maxFlows = 2048;
    const table = newTable({ maxFlows });
    const established = maxFlows - 16;
    for (let number = 0; number < established; number++) addFlow(table, number, 50, Established);
    for (let number = 0; number < 10 * maxFlows; number++) {
      const flow = addFlow(table, 1_000_000 + number, 50 + Math.floor(number / 200), SynSent);
      expect(flow).not.toBe(NO_FLOW);
    }
    for (let number = 0; number < established; number++) {
      expect(table.find(keyOf(number), 160)).not.toBe(NO_FLOW);
    }
    expect(table.sizeOf(FlowList.Established)).toBe(established);
    expect(table.size).toBe(maxFlows);
    expect(table.stat(FlowStat.Removed + RemoveReason.Evicted)).toBe(10 * maxFlows - 16);
    expect(inconsistencies(table, 160)).toEqual([]);
  });

  test('full of established flows: refused and counted until one ends', () => {
    const table = newTable({ maxFlows: 8 });
    const flows = Array.from({ length: 8 }, (_, n) => addFlow(table, n, 100, Established));
    for (let number = 0; number < 20; number++) {
      expect(addFlow(table, 50 + number, 340, SynSent)).toBe(NO_FLOW);
    }
    expect(table.stat(FlowStat.TableFull)).toBe(20);
    expect(table.stat(FlowStat.Inserts)).toBe(8);
    table.touch(flows[5] as FlowIndex, 0, 40, 340, Closed);
    expect(addFlow(table, 50, 340, SynSent)).toBe(flows[5]);
    expect(inconsistencies(table, 340)).toEqual([]);
  });
});

describe('expiry, to the second', () => {
  const rows = [
    ['unreplied', Unreplied, DEFAULT_TIMEOUTS.unreplied, RemoveReason.Timeout],
    ['SYN_SENT', SynSent, DEFAULT_TIMEOUTS.unreplied, RemoveReason.Timeout],
    ['SYN_RECV', FlowState.SynReceived, DEFAULT_TIMEOUTS.unreplied, RemoveReason.Timeout],
    ['established', Established, DEFAULT_TIMEOUTS.established, RemoveReason.Timeout],
    ['FIN_WAIT', FinWait, DEFAULT_TIMEOUTS.established, RemoveReason.Timeout],
    ['CLOSE_WAIT', FlowState.CloseWait, DEFAULT_TIMEOUTS.established, RemoveReason.Timeout],
    ['CLOSING', Closing, DEFAULT_TIMEOUTS.closing, RemoveReason.Fin],
    ['TIME_WAIT', TimeWait, DEFAULT_TIMEOUTS.closing, RemoveReason.Fin],
    ['CLOSED', Closed, DEFAULT_TIMEOUTS.closed, RemoveReason.Rst],
  ] as const;
  const starts = [
    ['at 0', 0],
    ['before the seconds of a record wrap', SECONDS_MASK - 5],
    ['as they wrap', SECONDS_MASK],
    ['after years', 2 ** 31 - 3],
    ['after centuries', 2 ** 33 + 12_345],
  ] as const;

  describe.each(starts)('%s', (_when, start) => {
    test.each(rows)('%s: found', (_name, state, timeout, reason) => {
      const table = newTable();
      const flow = addFlow(table, 8, start, state);
      const key = keyIn(table, flow);
      expect(table.idle(flow, start + timeout)).toBe(timeout);
      expect(table.find(key, start + timeout)).toBe(flow);
      expect(table.find(key, start + timeout + 1)).toBe(NO_FLOW);
      expect(table.stat(FlowStat.Removed + reason)).toBe(1);
      expect(table.size).toBe(0);
    });

    test.each(rows)('%s: swept', (_name, state, timeout, reason) => {
      const table = newTable();
      addFlow(table, 8, start, state);
      expect(table.sweep(start + timeout, 10)).toBe(0);
      expect(table.sweep(start + timeout + 1, 10)).toBe(1);
      expect(table.stat(FlowStat.Removed + reason)).toBe(1);
      expect(inconsistencies(table, start + timeout + 1)).toEqual([]);
    });
  });

  test('a packet starts the time again', () => {
    const table = newTable();
    const flow = addFlow(table, 8, 100);
    table.touch(flow, 1, 40, 130, Unreplied);
    expect(table.find(keyOf(8), 160)).toBe(flow);
    expect(table.find(keyOf(8), 161)).toBe(NO_FLOW);
  });

  test('a clock that goes back ages nothing', () => {
    const table = newTable();
    const flow = addFlow(table, 8, 1_000_000);
    expect(table.idle(flow, 999_000)).toBe(0);
    expect(table.find(keyOf(8), 999_000)).toBe(flow);
    expect(table.sweep(0, 10)).toBe(0);
  });

  test('sweep: oldest first, within its budget, then the rest', () => {
    const table = newTable({ maxFlows: 40 });
    for (let n = 0; n < 30; n++) addFlow(table, n, 100 + n, n % 3 === 0 ? Closed : Unreplied);
    const removals = removalsOf(table);
    expect(table.sweep(124, 4)).toBe(4);
    expect(removals.map((text) => text.split(' ')[0])).toEqual(['0', '3', '6', '9']);
    expect(table.sweep(124, 4)).toBe(1);
    expect(table.sweep(124, 4)).toBe(0);
    expect(table.sweep(500, 7)).toBe(7);
    expect(table.sweep(500, 1000)).toBe(18);
    expect(table.size).toBe(0);
    expect(table.sweep(500, 1000)).toBe(0);
    expect(table.header[Header.Clock]).toBe(500);
  });

  test('sweep leaves what is alive', () => {
    const table = newTable();
    addFlow(table, 1, 100, Established);
    addFlow(table, 2, 100, Closed);
    addFlow(table, 3, 320, Unreplied);
    expect(table.sweep(340, 100)).toBe(1);
    expect(table.sweep(341, 100)).toBe(1);
    expect(table.size).toBe(1);
  });

  test('timeouts can be set while flows live', () => {
    const table = newTable({ timeouts: { ...DEFAULT_TIMEOUTS, established: 1800 } });
    const flow = addFlow(table, 1, 100, Established);
    expect(table.timeoutOf(FlowList.Established)).toBe(1800);
    expect(table.find(keyOf(1), 1900)).toBe(flow);
    table.setTimeouts(DEFAULT_TIMEOUTS);
    expect(table.find(keyOf(1), 340)).toBe(flow);
    expect(table.sweep(341, 10)).toBe(1);
    const before = table.header.slice();
    expect(() => table.setTimeouts({ ...DEFAULT_TIMEOUTS, closing: -1 })).toThrow(RangeError);
    expect(table.header).toEqual(before);
  });
});

describe('lists', () => {
  test('a flow is in the list of its state', () => {
    const table = newTable();
    const flow = addFlow(table, 8, 100, SynSent);
    const seen = [SynSent, Established, FinWait, Closing, TimeWait, Closed].map((state) => {
      table.touch(flow, 0, 0, 100, state);
      const sizes = [0, 1, 2, 3].map((list) => table.sizeOf(list));
      expect(sizes[table.list(flow)]).toBe(1);
      expect(table.size).toBe(1);
      expect(inconsistencies(table, 100)).toEqual([]);
      return table.list(flow);
    });
    expect(seen).toEqual([0, 1, 1, 2, 2, 3]);
  });

  test('within a second a hit writes the record only, and not its place', () => {
    const table = newTable();
    const flow = addFlow(table, 1, 100, Established);
    addFlow(table, 2, 100, Established);
    const header = table.header.slice();
    const links = [...table.words.subarray(Word.Previous, RECORD_WORDS)];
    table.touch(flow, 0, 1500, 100, Established);
    expect(table.header).toEqual(header);
    expect([...table.words.subarray(Word.Previous, RECORD_WORDS)]).toEqual(links);
    expect(table.packets(flow, 0)).toBe(1);
    table.touch(flow, 0, 1500, 101, Established);
    expect(table.header[Header.Heads + FlowList.Established]).toBe(flow);
  });
});

describe('counters', () => {
  const GIB = 2 ** 30;
  test.each([0, 1])('bytes carry into 48 bits and wrap there, direction %i', (direction) => {
    const table = newTable();
    const flow = addFlow(table, 1, 100);
    const other = 1 - direction;
    table.touch(flow, other, 7, 100, Established);
    const [before, otherBefore] = [table.bytes(flow, direction), table.bytes(flow, other)];
    // As if the packets had been counted, up to 65,575 below each border.
    const low = flow * RECORD_WORDS + Word.BytesLow + direction;
    let expected = before;
    for (const border of [
      2 ** 31,
      2 ** 32,
      2 ** 33,
      2 ** 40,
      2 ** 47,
      2 ** 48 - 2 ** 32,
      2 ** 48,
    ]) {
      const target = border - 65_575;
      const high = Math.floor(target / 2 ** 32);
      table.words[low] = target % 2 ** 32;
      const word = table.words[flow * RECORD_WORDS + Word.BytesHigh] ?? 0;
      table.words[flow * RECORD_WORDS + Word.BytesHigh] =
        direction === 0 ? (word & ~0xffff) | high : (word & 0xffff) | (high << 16);
      expected = target;
      for (const bytes of [65_574, 1, 0, 1, 65_575]) {
        table.touch(flow, direction, bytes, 100, Established);
        expected = (expected + bytes) % 2 ** 48;
        expect(table.bytes(flow, direction)).toBe(expected);
        expect(table.bytes(flow, other)).toBe(otherBefore);
      }
    }
  });

  test('16 GiB, packet by packet', () => {
    const table = newTable();
    const flow = addFlow(table, 1, 100);
    const before = table.bytes(flow, 0);
    const packets = Math.floor((16 * GIB) / 65_535);
    for (let index = 0; index < packets; index++) table.touch(flow, 0, 65_535, 100, Established);
    expect(table.bytes(flow, 0)).toBe(before + packets * 65_535);
    expect(table.packets(flow, 0)).toBe(packets);
  });

  test('packets wrap at 32 bits', () => {
    const table = newTable();
    const flow = addFlow(table, 1, 100);
    const at = flow * RECORD_WORDS + Word.Packets;
    const seen = [0x7fff_ffff, -1].map((count) => {
      table.words[at] = count;
      table.touch(flow, 0, 0, 100, Established);
      return table.packets(flow, 0);
    });
    expect(seen).toEqual([0x8000_0000, 0]);
  });
});

describe('the index against chosen keys', () => {
  const COUNT = 2 ** 15;
  const fillings: Readonly<Record<string, (words: Int32Array, n: number) => void>> = {
    'ports in sequence': (words, n) => {
      words[Word.Ports] = (80 << 16) | n;
    },
    'both ports': (words, n) => {
      words[Word.Ports] = ((n & 0xff) << 16) | (n >>> 8);
    },
    'addresses in sequence': (words, n) => {
      words[Word.Remote + 3] = n;
    },
    'addresses that differ in their upper half': (words, n) => {
      words[Word.Remote + 3] = n << 16;
    },
    'top bits of both addresses': (words, n) => {
      words[Word.Remote + 3] = (n << 31) | (n >>> 1);
      words[Word.Local + 3] = n << 31;
    },
    'IPv6 interface identifiers': (words, n) => {
      words[Word.State] = 0x80;
      words[Word.Remote + 2] = n;
    },
    'IPv6 prefixes': (words, n) => {
      words[Word.State] = 0x80;
      words[Word.Remote] = n << 12;
      words[Word.Local + 1] = n;
    },
    VLANs: (words, n) => {
      words[Word.Tag] = (n & 0xfff) << 20;
      words[Word.Ports] = n >>> 12;
    },
    'local and remote swapped': (words, n) => {
      words[Word.Remote + 3] = (n & 1) === 0 ? n >>> 1 : 0x0a00_0001;
      words[Word.Local + 3] = (n & 1) === 0 ? 0x0a00_0001 : n >>> 1;
    },
    random: (words, n) => {
      const random = new Random(n);
      for (let word = 0; word < Word.State; word++) words[word] = random.uint32();
      words[Word.State] = 0x80;
    },
  };
  test.each(Object.entries(fillings))('%s: no long probe', (_name, fill) => {
    for (const seeds of [SEEDS, [0, 0], [1, 2], [-1, -1]] as const) {
      const table = newTable({ maxFlows: COUNT, seeds });
      const key = new FlowKey();
      for (let n = 0; n < COUNT; n++) {
        key.words.fill(0);
        key.words[Word.Tag] = 17;
        fill(key.words, n);
        table.insert(key, 0, 1, 1, 0);
      }
      expect(table.stat(FlowStat.Inserts)).toBe(COUNT);
      // Random keys at load 0.5: 30 to 70, over many seeds.
      expect(table.stat(FlowStat.LongestProbe)).toBeLessThan(128);
    }
  });

  test('another seed is another layout, with the same flows', () => {
    const tables = [SEEDS, [SEEDS[0], SEEDS[1] + 1], [SEEDS[0] + 1, SEEDS[1]], [5, 6]].map(
      (seeds) => {
        const table = newTable({ maxFlows: 256, seeds: seeds as [number, number] });
        for (let number = 0; number < 256; number++) addFlow(table, number, 1);
        for (let number = 0; number < 256; number++) {
          expect(table.find(keyOf(number), 1)).not.toBe(NO_FLOW);
        }
        return table.index.join();
      },
    );
    expect(new Set(tables).size).toBe(4);
  });

  test('keys chosen with the seed fill one run: refused at the limit, counted, and all else goes on', () => {
    const maxFlows = 2048;
    const slotMask = slotsFor(maxFlows) - 1;
    const hashKey = hashKeyFrom(SEEDS[0], SEEDS[1]);
    const key = new FlowKey();
    const numbers: number[] = [];
    for (let number = 0; numbers.length < 1100; number++) {
      const hash = hashWords(hashKey, keyOf(number, key).words, 0);
      if ((hash & slotMask) === 0) numbers.push(number);
    }
    const table = newTable({ maxFlows });
    let refused = 0;
    for (const number of numbers) {
      if (table.insert(keyOf(number, key), 0, 1, 1, 0) === NO_FLOW) refused++;
    }
    expect(table.stat(FlowStat.LongestProbe)).toBe(1024);
    expect(table.stat(FlowStat.ProbeLimit)).toBe(refused);
    expect(refused).toBe(numbers.length - 1024);
    expect(table.stat(FlowStat.TableFull)).toBe(0);
    expect(inconsistencies(table, 1)).toEqual([]);
    for (const number of numbers.slice(0, 1024)) {
      const flow = table.find(keyOf(number, key), 1);
      expect(flow).not.toBe(NO_FLOW);
      table.remove(flow, RemoveReason.Flushed);
    }
    expect(table.index.every((slot) => slot === 0)).toBe(true);
    expect(inconsistencies(table, 1)).toEqual([]);
    const other = newTable({ maxFlows, seeds: [99, 98] });
    for (const number of numbers) other.insert(keyOf(number, key), 0, 1, 1, 0);
    expect(other.stat(FlowStat.LongestProbe)).toBeLessThan(64);
  });
});
