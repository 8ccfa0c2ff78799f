import { describe, expect, test, vi } from 'vitest';
import { IpProtocol, Packet, TcpFlag } from '../../src/capture/packet.ts';
import {
  DEFAULT_TIMEOUTS,
  FlowList,
  LIST_OF_STATE,
  MAX_TIMEOUT,
} from '../../src/flowtable/expiry.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import {
  Field,
  type FlowIndex,
  FlowState,
  NO_FLOW,
  RECORD_WORDS,
  RemoveReason,
  Word,
} from '../../src/flowtable/record.ts';
import {
  bytesFor,
  FlowStat,
  Header,
  partsOf,
  type SegmentParts,
} from '../../src/flowtable/segment.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { track } from '../../src/flowtable/track.ts';
import { FlowView } from '../../src/flowtable/view.ts';
import type { StoreLog } from '../helpers/flow-table-stores.ts';
import {
  addFlow,
  fillPacket,
  inconsistencies,
  keyIn,
  keyOf,
  keyText,
  newTable,
  NO_SLOTS,
} from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const recording = vi.hoisted((): { log: StoreLog | undefined } => ({ log: undefined }));
vi.mock('../../src/flowtable/segment.ts', async (importOriginal) => {
  const segment = await importOriginal<typeof import('../../src/flowtable/segment.ts')>();
  const { recordStores } = await import('../helpers/flow-table-stores.ts');
  return {
    ...segment,
    partsOf: (...at: Parameters<typeof segment.partsOf>): SegmentParts => {
      const parts = segment.partsOf(...at);
      return recording.log === undefined ? parts : recordStores(parts, recording.log);
    },
  };
});
const { StoreLog: Log } = await import('../helpers/flow-table-stores.ts');

/** Words of a record that say something of its flow; the rest are links. */
const FLOW_WORDS = Word.Previous;

interface Row {
  readonly words: readonly number[];
  readonly isAlive: boolean;
}

/** The live records of a segment by key, read without the table. */
function rowsOf(buffer: ArrayBuffer, maxFlows: number, now: number): Map<string, Row> {
  const { header, words } = partsOf(buffer, 0, maxFlows);
  const used = (header[Header.Fresh] ?? 0) * RECORD_WORDS;
  const rows = new Map<string, Row>();
  for (let base = 0; base < used; base += RECORD_WORDS) {
    const word = words[base + Word.State] ?? 0;
    const state = word & Field.State;
    if (state === FlowState.Free) continue;
    const timeout = Object.values(DEFAULT_TIMEOUTS)[LIST_OF_STATE[state] ?? 0] as number;
    const key = [...words.subarray(base, base + Word.State), word & Field.Ipv6].join(' ');
    rows.set(key, {
      words: [...words.subarray(base, base + FLOW_WORDS)],
      isAlive: now - (word >>> Field.LastSeenShift) <= timeout,
    });
  }
  return rows;
}

function attached(buffer: ArrayBuffer, now: number): FlowTable {
  const result = FlowTable.attach(buffer, 0, now);
  if (!result.ok) throw new Error(result.problem);
  expect(result.recovery.kept).toBe(result.table.size);
  return result.table;
}

function keysOf(table: FlowTable): Set<string> {
  const keys = new Set<string>();
  for (let record = 0; record < table.recordLimit; record++) {
    const flow = table.flowAt(record);
    if (flow !== NO_FLOW) keys.add(keyText(keyIn(table, flow)));
  }
  return keys;
}

const STATES = Object.values(FlowState).filter((state) => state !== FlowState.Free);
const TCP_FLAGS = [
  TcpFlag.Syn,
  TcpFlag.Syn | TcpFlag.Ack,
  TcpFlag.Ack,
  TcpFlag.Fin | TcpFlag.Ack,
  TcpFlag.Rst | TcpFlag.Ack,
];
const packet = new Packet();
const key = new FlowKey();

/** One random call of a table of few flows; each of the calls makes some stores. */
function randomCall(table: FlowTable, random: Random, now: number): void {
  const protocol = random.pick([IpProtocol.Tcp, IpProtocol.Udp]);
  const direction = random.below(2);
  flowKey(fillPacket(packet, random.below(12), direction, protocol), direction, key);
  packet.tcpFlags = random.pick(TCP_FLAGS);
  packet.tcpSequence = random.below(3);
  packet.tcpAcknowledgment = random.below(3);
  const flow = table.find(key, now);
  if (flow === NO_FLOW) {
    table.insert(key, direction, now, 7, NO_SLOTS);
    return;
  }
  const udpState = random.pick([FlowState.Unreplied, FlowState.Established]);
  const state = protocol === IpProtocol.Tcp ? random.pick(STATES) : udpState;
  const choice = random.below(10);
  if (choice < 4) track(table, flow, packet, direction, now);
  else if (choice < 6) table.touch(flow, direction, random.below(65_536), now, state);
  else if (choice < 8) table.remove(flow, RemoveReason.Flushed);
  else if (choice < 9) table.sweep(now, 2);
  else table.restamp(flow, random.uint32() | 0, random.uint32() | 0);
}

/** Memory of a segment that held other flows before, in every record. */
function formerMemory(maxFlows: number): ArrayBuffer {
  const former = newTable({ maxFlows });
  for (let number = 0; number < maxFlows; number++) addFlow(former, 100 + number, 1000);
  return bufferOf(former);
}

describe('killed between any two stores', () => {
  test.each([1, 3, 6, 8])('a table of %i flows', (maxFlows) => {
    const random = new Random();
    const log = new Log();
    recording.log = log;
    const buffer = formerMemory(maxFlows);
    const table = FlowTable.create(buffer, 0, { maxFlows, seeds: [random.uint32(), 2] });
    recording.log = undefined;
    let now = 1000;
    for (let call = 0; call < 200; call++) {
      now += random.pick([0, 0, 0, 1, 5, 40]);
      const before = buffer.slice(0);
      log.clear();
      randomCall(table, random, now);
      const was = rowsOf(before, maxFlows, now);
      const is = rowsOf(buffer, maxFlows, now);
      for (let made = 0; made <= log.stores.length; made++) {
        const copy = before.slice(0);
        log.replay(partsOf(copy, 0, maxFlows), (place) => place < made);
        expectGoesOn(copy, was, is, `seed ${random.seed}, call ${call}, ${made} stores`, now);
        if (random.below(20) === 0) expectServes(copy, random, now);
      }
    }
  });

  /** Flows that the call had nothing to do with are as they were; the others are as before or as after it, or gone. */
  function expectGoesOn(
    copy: ArrayBuffer,
    was: Map<string, Row>,
    is: Map<string, Row>,
    name: string,
    now: number,
  ): void {
    const table = attached(copy, now);
    const problems = inconsistencies(table, now);
    const kept = rowsOf(copy, table.maxFlows, now);
    for (const [text, row] of was) {
      const after = is.get(text);
      if (after === undefined || !row.isAlive || !after.isAlive) continue;
      const recovered = kept.get(text);
      if (recovered === undefined) problems.push(`${text} is lost`);
      const isConcerned = row.words.join() !== after.words.join();
      if (!isConcerned && recovered?.words.join() !== row.words.join())
        problems.push(`${text} changed`);
    }
    for (const text of kept.keys()) {
      if (!was.has(text) && !is.has(text)) problems.push(`${text} is new`);
    }
    expect(problems, name).toEqual([]);
  }

  function expectServes(copy: ArrayBuffer, random: Random, now: number): void {
    const table = attached(copy, now);
    for (let call = 0; call < 60; call++) randomCall(table, random, now + call);
    expect(inconsistencies(table, now + 60), `seed ${random.seed}`).toEqual([]);
  }

  test('the order of the stores of a call does not matter to other flows', () => {
    const maxFlows = 6;
    const random = new Random();
    const log = new Log();
    recording.log = log;
    const buffer = formerMemory(maxFlows);
    const table = FlowTable.create(buffer, 0, { maxFlows, seeds: [random.uint32(), 2] });
    recording.log = undefined;
    for (let call = 0; call < 2000; call++) {
      const now = 1000 + call;
      const before = buffer.slice(0);
      log.clear();
      randomCall(table, random, now);
      const was = rowsOf(before, maxFlows, now);
      const is = rowsOf(buffer, maxFlows, now);
      const copy = before.slice(0);
      log.replay(partsOf(copy, 0, maxFlows), () => random.below(2) === 0);
      const name = `seed ${random.seed}, call ${call}`;
      const recovered = attached(copy, now);
      expect(inconsistencies(recovered, now), name).toEqual([]);
      const keys = keysOf(recovered);
      for (const [text, row] of was) {
        const isSame = is.get(text)?.words.join() === row.words.join();
        if (isSame && row.isAlive) expect(keys.has(text), name).toBe(true);
      }
    }
  });

  test('while it is created: no table yet', () => {
    const buffer = new ArrayBuffer(bytesFor(4));
    const log = new Log();
    recording.log = log;
    FlowTable.create(buffer, 0, { maxFlows: 4, seeds: [1, 2] });
    recording.log = undefined;
    for (let made = 0; made < log.stores.length; made++) {
      const copy = new ArrayBuffer(bytesFor(4));
      log.replay(partsOf(copy, 0, 4), (place) => place < made);
      expect(FlowTable.attach(copy, 0, 5).ok).toBe(false);
    }
  });
});

/** A table of 64 records: flows in every state, some removed, some older than others. */
function usedTable(random: Random, now: number): FlowTable {
  const table = newTable({ maxFlows: 64 });
  for (let number = 0; number < 60; number++) {
    addFlow(table, number, now - random.below(9), random.pick(STATES));
  }
  for (let number = 0; number < 60; number += 7) {
    const flow = table.find(keyOf(number), now);
    if (flow !== NO_FLOW) table.remove(flow, RemoveReason.Flushed);
  }
  return table;
}

function bufferOf(table: FlowTable): ArrayBuffer {
  return table.words.buffer as ArrayBuffer;
}

describe('damaged memory', () => {
  test('index, lists, free list, counts and links: everything is made anew', () => {
    const random = new Random();
    for (let round = 0; round < 200; round++) {
      const table = usedTable(random, 1000);
      const buffer = bufferOf(table);
      const before = rowsOf(buffer, 64, 1000);
      for (let times = random.below(40); times >= 0; times--) {
        table.index[random.below(table.index.length)] = random.uint32() | 0;
        const at = random.pick([
          Header.FreeHead,
          Header.Clock,
          Header.Heads,
          Header.Tails,
          Header.Counts,
        ]);
        table.header[at + (at < Header.Heads ? 0 : random.below(4))] = random.uint32() | 0;
        const link = random.pick([Word.Previous, Word.Next]);
        table.words[random.below(64) * RECORD_WORDS + link] = random.pick([-1, 0, 5, 63, 64, 1e9]);
      }
      const recovered = attached(buffer, 1000);
      expect(inconsistencies(recovered, 1000), `seed ${random.seed}`).toEqual([]);
      expect(rowsOf(buffer, 64, 1000), `seed ${random.seed}`).toEqual(before);
    }
  });

  test('records: those that make no sense are freed, the others go on', () => {
    const random = new Random();
    for (let round = 0; round < 300; round++) {
      const table = usedTable(random, 1000);
      const buffer = bufferOf(table);
      const before = rowsOf(buffer, 64, 1000);
      for (let times = random.below(20); times >= 0; times--) {
        table.words[random.below(table.words.length)] = random.pick([random.uint32(), 0, -1, 255]);
      }
      const untouched = [...rowsOf(buffer, 64, 1000)].filter(([text, row]) => {
        return before.get(text)?.words.join() === row.words.join();
      });
      const recovered = attached(buffer, 1000);
      expect(inconsistencies(recovered, 1000), `seed ${random.seed}`).toEqual([]);
      const kept = rowsOf(buffer, 64, 1000);
      for (const [text, row] of untouched) {
        expect(kept.get(text)?.words, `seed ${random.seed}`).toEqual(row.words);
      }
    }
  });

  test('the whole header behind the identity', () => {
    const random = new Random();
    for (let round = 0; round < 300; round++) {
      const table = usedTable(random, 1000);
      for (let word = Header.Slots + 1; word < table.header.length; word++) {
        if (random.below(2) === 0) table.header[word] = random.pick([0, -1, 1, random.uint32()]);
      }
      const recovered = attached(bufferOf(table), 1000);
      expect(inconsistencies(recovered, 1000), `seed ${random.seed}`).toEqual([]);
      for (let list = 0; list < 4; list++) {
        expect(recovered.timeoutOf(list)).toBeGreaterThan(0);
        expect(recovered.timeoutOf(list)).toBeLessThanOrEqual(MAX_TIMEOUT);
      }
      for (let call = 0; call < 100; call++) randomCall(recovered, random, 1000 + call);
      expect(inconsistencies(recovered, 1100), `seed ${random.seed}`).toEqual([]);
    }
  });

  test('nothing but noise behind the identity', () => {
    const random = new Random();
    for (const maxFlows of [1, 2, 7, 64, 4096]) {
      for (let round = 0; round < 20; round++) {
        const table = newTable({ maxFlows });
        const noise = new Int32Array(bufferOf(table));
        const bits = random.pick([0xffff_ffff, 0xff, 3]);
        for (let at = Header.Slots + 1; at < noise.length; at++) noise[at] = random.uint32() & bits;
        const now = random.uint32();
        const recovered = attached(bufferOf(table), now);
        expect(inconsistencies(recovered, now), `seed ${random.seed}`).toEqual([]);
        for (let call = 0; call < 50; call++) randomCall(recovered, random, now + call);
        expect(inconsistencies(recovered, now + 50), `seed ${random.seed}`).toEqual([]);
      }
    }
  });

  test('every record says the same', () => {
    const table = newTable({ maxFlows: 4096 });
    table.words.fill(0);
    for (let record = 0; record < 4096; record++) {
      table.words[record * RECORD_WORDS + Word.State] = (1000 << 8) | FlowState.Unreplied;
    }
    table.header[Header.Fresh] = 4096;
    const result = FlowTable.attach(bufferOf(table), 0, 1000);
    expect(result.ok && result.recovery).toEqual({ kept: 1, dropped: 4095 });
  });
});

describe('what is dropped', () => {
  type Damage = readonly [
    name: string,
    kept: number,
    damage: (table: FlowTable, base: number) => void,
  ];
  const setState = (table: FlowTable, base: number, state: number): void => {
    table.words[base + Word.State] = ((table.words[base + Word.State] ?? 0) & ~Field.State) | state;
  };
  const rows: readonly Damage[] = [
    ['nothing', 3, () => undefined],
    ['a state there is none of', 2, (table, base) => setState(table, base, 12)],
    ['the state "reopen"', 2, (table, base) => setState(table, base, 15)],
    ['UDP in a TCP state', 2, (table, base) => setState(table, base, FlowState.TimeWait)],
    [
      'IPv4 with the words of an IPv6 address',
      2,
      (table, base) => {
        table.words[base + Word.Remote + 1] = 1;
      },
    ],
    [
      'a flow whose process was killed before it was whole',
      2,
      (table, base) => setState(table, base, 0),
    ],
    [
      'a key that a younger flow has',
      2,
      (table, base) => {
        table.words.copyWithin(base, base + RECORD_WORDS, base + RECORD_WORDS + Word.State);
      },
    ],
  ];
  test.each(rows)('%s', (_name, kept, damage) => {
    const table = newTable();
    const first = addFlow(table, 0, 100);
    addFlow(table, 2, 105);
    addFlow(table, 4, 105);
    damage(table, first * RECORD_WORDS);
    const recovered = attached(bufferOf(table), 110);
    expect(recovered.size).toBe(kept);
    expect(recovered.find(keyOf(2), 110)).toBe(1);
    expect(recovered.find(keyOf(4), 110)).toBe(2);
    expect(recovered.find(keyOf(0), 110)).toBe(kept === 3 ? 0 : NO_FLOW);
    expect(inconsistencies(recovered, 110)).toEqual([]);
  });

  test.each([
    [Object.values(FlowState)[1] as number, DEFAULT_TIMEOUTS.unreplied],
    [FlowState.Established, DEFAULT_TIMEOUTS.established],
    [FlowState.TimeWait, DEFAULT_TIMEOUTS.closing],
    [FlowState.Closed, DEFAULT_TIMEOUTS.closed],
  ])('state %i: what has expired, to the second (%i)', (state, timeout) => {
    for (const [age, kept] of [
      [timeout, 1],
      [timeout + 1, 0],
    ] as const) {
      const table = newTable();
      addFlow(table, 0, 100, state);
      const result = FlowTable.attach(bufferOf(table), 0, 100 + age);
      expect(result.ok && result.recovery).toEqual({ kept, dropped: 1 - kept });
    }
  });
});

describe('what stays', () => {
  test('flows with their counters, states and numbers; statistics; timeouts; the order of each list', () => {
    const table = newTable({ timeouts: { ...DEFAULT_TIMEOUTS, established: 1800 } });
    const flows = Array.from({ length: 15 }, (_, number) => addFlow(table, number, 100));
    // In another order than that of the records.
    flows.forEach((_, place) => {
      const flow = flows[(place * 7) % 15] as FlowIndex;
      const state = place % 3 === 0 ? FlowState.Unreplied : FlowState.Established;
      table.touch(flow, 0, 1000 + place, 100 + place, state);
    });
    table.find(keyOf(3), 120);
    const buffer = bufferOf(table);
    const rows = rowsOf(buffer, 16, 120);
    const stats = table.stats.slice();
    const recovered = attached(buffer.slice(0), 120);
    expect(rowsOf(bufferOf(recovered), 16, 120)).toEqual(rows);
    expect(recovered.stats).toEqual(stats);
    expect(recovered.timeoutOf(FlowList.Established)).toBe(1800);
    const orders = [table, recovered].map((owner) => {
      const order: string[] = [];
      owner.listener = { ended: (_, flow) => order.push(keyText(keyIn(owner, flow))) };
      owner.sweep(5000, 100);
      return order;
    });
    expect(orders[0]).toHaveLength(15);
    expect(orders[1]).toEqual(orders[0]);
    expect(recovered.stat(FlowStat.Removed + RemoveReason.Timeout)).toBe(15);
  });

  test('attaching again changes nothing', () => {
    const random = new Random();
    const buffer = bufferOf(usedTable(random, 1000));
    attached(buffer, 1000);
    const once = new Uint8Array(buffer.slice(0));
    const result = FlowTable.attach(buffer, 0, 1000);
    expect(result.ok && result.recovery.dropped).toBe(0);
    expect(new Uint8Array(buffer)).toEqual(once);
  });

  test('a last-seen time that is still to come counts as now', () => {
    const table = newTable();
    addFlow(table, 0, 5000);
    const recovered = attached(bufferOf(table), 100);
    expect(recovered.find(keyOf(0), 130)).toBe(0);
    expect(recovered.find(keyOf(0), 131)).toBe(NO_FLOW);
  });

  test('records that were never used are not read: their memory stays untouched', () => {
    const table = newTable({ maxFlows: 64 });
    for (let number = 0; number < 5; number++) addFlow(table, number, 100);
    const recovered = attached(bufferOf(table), 100);
    expect(recovered.recordLimit).toBe(5);
    expect(
      recovered.words.subarray(5 * RECORD_WORDS).every((word) => word === (0xa5a5_a5a5 | 0)),
    ).toBe(true);
    expect(addFlow(recovered, 10, 100)).toBe(5 as FlowIndex);
  });
});

describe('what is no flow table', () => {
  const rows: readonly (readonly [string, (header: Int32Array) => void, RegExp])[] = [
    ['zeros', (header) => header.fill(0), /not a flow table/],
    ['another magic', (header) => (header[Header.Magic] = 1), /not a flow table/],
    ['another version', (header) => (header[Header.Version] = 99), /layout version 99/],
    ['no flows', (header) => (header[Header.MaxFlows] = 0), /0 flows is out of range/],
    ['negative', (header) => (header[Header.MaxFlows] = -16), /-16 flows/],
    ['too many', (header) => (header[Header.MaxFlows] = 2 ** 24 + 1), /out of range/],
    ['fewer flows than slots', (header) => (header[Header.MaxFlows] = 5), /32 index slots for 5/],
    [
      'more flows than bytes',
      (header) => header.set([17, 32], Header.MaxFlows),
      /too short for 17/,
    ],
    ['other slots', (header) => (header[Header.Slots] = 64), /64 index slots/],
  ];
  test.each(rows)('%s', (_name, spoil, problem) => {
    const table = newTable();
    spoil(table.header);
    const before = new Uint8Array(bufferOf(table)).slice();
    for (const result of [
      FlowTable.attach(bufferOf(table), 0, 5),
      FlowView.open(bufferOf(table), 0),
    ]) {
      expect(result.ok).toBe(false);
      expect(!result.ok && result.problem).toMatch(problem);
    }
    expect(new Uint8Array(bufferOf(table))).toEqual(before);
  });

  test.each([
    ['empty', 0, 0],
    ['a byte short of a header', 255, 0],
    ['offset at the end', 4096, 4096],
    ['offset behind the end', 4096, 8192],
    ['offset not aligned', 4096, 4],
    ['negative offset', 4096, -8],
    ['offset that is no number', 4096, Number.NaN],
  ])('%s', (_name, byteLength, offset) => {
    const buffer = new ArrayBuffer(byteLength);
    expect(FlowTable.attach(buffer, offset, 5).ok).toBe(false);
    expect(FlowView.open(buffer, offset).ok).toBe(false);
  });

  test('a table that was moved to an offset that is not aligned', () => {
    const bytes = new Uint8Array(bufferOf(newTable()));
    const buffer = new ArrayBuffer(bytes.length + 8);
    new Uint8Array(buffer).set(bytes, 4);
    expect(FlowTable.attach(buffer, 4, 5).ok).toBe(false);
    expect(FlowView.open(buffer, 4).ok).toBe(false);
    new Uint8Array(buffer).set(bytes, 8);
    expect(FlowTable.attach(buffer, 8, 5).ok).toBe(true);
  });
});
