/**
 * Flow tables in tests: small ones over plain memory, keys by number, packets from frames, and the check that every part
 * of a table agrees with every other.
 */
import { DecodeCode } from '../../src/capture/decode.ts';
import { IpProtocol, TcpFlag, type Packet } from '../../src/capture/packet.ts';
import {
  FLOW_LISTS,
  FlowList,
  type FlowTimeouts,
  LIST_OF_STATE,
} from '../../src/flowtable/expiry.ts';
import { FlowKey } from '../../src/flowtable/key.ts';
import {
  Field,
  type FlowIndex,
  FlowState,
  NO_FLOW,
  NO_SLOT,
  packSlots,
  RECORD_WORDS,
  Word,
} from '../../src/flowtable/record.ts';
import { Header } from '../../src/flowtable/segment.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { decodeFrame } from './decode-frame.ts';
import { buildFrame, type FrameSpec } from './frames.ts';

export const SEEDS: readonly [number, number] = [0x1234_5678, 0x0bad_cafe];
export const NO_SLOTS = packSlots(NO_SLOT, NO_SLOT);

/** Of the flows made by number: addresses and their first words. */
const LOCAL4 = 0x0a00_0104;
const REMOTE4 = 0xcb00_0000 | 0;
const LOCAL6 = 0xfd00_0000 | 0;
const REMOTE6 = 0x2001_0db8;
const LOCAL_PORT = 53;

/** The marks of the established flows, of tables from `newTable`. */
export const marksOf = new WeakMap<FlowTable, Int32Array>();

export interface NewTable {
  readonly maxFlows?: number;
  readonly seeds?: readonly [number, number];
  readonly timeouts?: FlowTimeouts;
}

/** An empty table over memory that held something else before. */
export function newTable(options: NewTable = {}): FlowTable {
  const { maxFlows = 16, seeds = SEEDS, timeouts } = options;
  const buffer = new ArrayBuffer(FlowTable.bytesFor(maxFlows));
  new Uint8Array(buffer).fill(0xa5);
  const table = FlowTable.create(buffer, 0, {
    maxFlows,
    seeds,
    ...(timeouts === undefined ? {} : { timeouts }),
  });
  // So many buckets that none overflows.
  const buckets = Math.max(2 ** 14, 16 * table.markBuckets);
  const marks = new Int32Array(buckets * table.bucketWords);
  table.useMarks(marks);
  marksOf.set(table, marks);
  return table;
}

/** The packet of a frame that carries sound IP. */
export function packetOf(frame: FrameSpec | Uint8Array): Packet {
  const { code, name, packet } = decodeFrame(
    frame instanceof Uint8Array ? frame : buildFrame(frame),
  );
  if (code !== DecodeCode.Ip) throw new Error(`the frame decodes to ${name}`);
  return packet;
}

/** The key of flow `number`: distinct for distinct numbers below 2^31. Odd numbers are IPv6. */
export function keyOf(
  number: number,
  key = new FlowKey(),
  protocol: number = IpProtocol.Udp,
): FlowKey {
  const { words } = key;
  const isIpv6 = (number & 1) === 1;
  words.fill(0);
  if (isIpv6) {
    words[Word.Local] = LOCAL6;
    words[Word.Remote] = REMOTE6;
    words[Word.Remote + 1] = number >>> 8;
  }
  words[Word.Local + 3] = LOCAL4;
  words[Word.Remote + 3] = REMOTE4 | (number >>> 12);
  words[Word.Ports] = (LOCAL_PORT << 16) | (number & 0xfff);
  words[Word.Tag] = protocol;
  words[Word.State] = isIpv6 ? Field.Ipv6 : 0;
  return key;
}

/**
 * A packet of flow `number`, without a frame: 40 bytes, TCP ACK or UDP. Its key is that of `keyOf`.
 * @param direction 0 inbound, 1 outbound
 */
export function fillPacket(
  packet: Packet,
  number: number,
  direction: number,
  protocol: number = IpProtocol.Udp,
): Packet {
  const isOutbound = direction === 1;
  const isIpv6 = (number & 1) === 1;
  const local0 = isIpv6 ? LOCAL6 : 0;
  const remote0 = isIpv6 ? REMOTE6 : 0;
  const remote1 = isIpv6 ? number >>> 8 : 0;
  const remote3 = REMOTE4 | (number >>> 12);
  packet.ipVersion = isIpv6 ? 6 : 4;
  packet.src0 = isOutbound ? local0 : remote0;
  packet.src1 = isOutbound ? 0 : remote1;
  packet.src3 = isOutbound ? LOCAL4 : remote3;
  packet.dst0 = isOutbound ? remote0 : local0;
  packet.dst1 = isOutbound ? remote1 : 0;
  packet.dst3 = isOutbound ? remote3 : LOCAL4;
  packet.protocol = protocol;
  packet.hasPorts = true;
  packet.srcPort = isOutbound ? LOCAL_PORT : number & 0xfff;
  packet.dstPort = isOutbound ? number & 0xfff : LOCAL_PORT;
  packet.tcpFlags = TcpFlag.Ack;
  packet.ipLength = 40;
  return packet;
}

/** Inserts flow `number` and puts it in a state with its first packet, 100 bytes outbound. */
export function addFlow(
  table: FlowTable,
  number: number,
  now: number,
  state: number = FlowState.Unreplied,
): FlowIndex {
  const isUdp = state <= FlowState.Unreplied || state === FlowState.Established;
  const key = keyOf(number, new FlowKey(), isUdp ? IpProtocol.Udp : IpProtocol.Tcp);
  const flow = table.insert(key, 1, now, 1, NO_SLOTS);
  if (flow !== NO_FLOW) table.touch(flow, 1, 100, now, state);
  return flow;
}

/** The key that a record holds. */
export function keyIn(table: FlowTable, flow: FlowIndex): FlowKey {
  const key = new FlowKey();
  const base = flow * RECORD_WORDS;
  key.words.set(table.words.subarray(base, base + key.words.length));
  key.words[Word.State] = (key.words[Word.State] ?? 0) & Field.Ipv6;
  return key;
}

/** A key as text, equal for equal keys. */
export function keyText(key: FlowKey): string {
  return key.words.join(' ');
}

/**
 * What does not agree in a table, in words; empty when all is well. The index leads to every live record and to nothing
 * else, each list holds the flows of its states from most to least recent, counts are right, and every record that was
 * ever used and is free is in the free list, once.
 */
export function inconsistencies(table: FlowTable, now: number): string[] {
  const live: FlowIndex[] = [];
  for (let record = 0; record < table.recordLimit; record++) {
    const flow = table.flowAt(record);
    if (flow !== NO_FLOW) live.push(flow);
  }
  return [
    ...indexProblems(table, live),
    ...listProblems(table, live, now),
    ...freeListProblems(table, live),
    ...markProblems(table, live),
  ];
}

function indexProblems(table: FlowTable, live: readonly FlowIndex[]): string[] {
  const problems: string[] = [];
  const entries = table.index.reduce((count, slot) => count + (slot === 0 ? 0 : 1), 0);
  if (entries !== live.length) problems.push(`${entries} index entries, ${live.length} live flows`);
  const keys = new Set(live.map((flow) => keyText(keyIn(table, flow))));
  if (keys.size !== live.length) problems.push(`${live.length} flows, ${keys.size} keys`);
  const stats = table.stats.slice();
  for (const flow of live) {
    // At the flow's own time, so that nothing expires.
    const lastSeen = (table.words[flow * RECORD_WORDS + Word.State] ?? 0) >>> Field.LastSeenShift;
    const found = table.find(keyIn(table, flow), lastSeen);
    if (found !== flow) problems.push(`flow ${flow} is found as ${found}`);
  }
  table.stats.set(stats);
  return problems;
}

function listProblems(table: FlowTable, live: readonly FlowIndex[], now: number): string[] {
  const problems: string[] = [];
  const { header, words } = table;
  for (let list = 0; list < FLOW_LISTS; list++) {
    const expected = live.filter((flow) => LIST_OF_STATE[table.state(flow)] === list);
    const seen = new Set<number>();
    let previous: number = NO_FLOW;
    let age = 0;
    let at = header[Header.Heads + list] ?? NO_FLOW;
    while (at !== NO_FLOW && !seen.has(at) && seen.size <= live.length) {
      seen.add(at);
      const flow = at as FlowIndex;
      if (words[at * RECORD_WORDS + Word.Previous] !== previous) {
        problems.push(`list ${list}: ${at} does not point back to ${previous}`);
      }
      if (table.idle(flow, now) < age) problems.push(`list ${list}: ${at} is out of order`);
      age = table.idle(flow, now);
      previous = at;
      at = words[at * RECORD_WORDS + Word.Next] ?? NO_FLOW;
    }
    if (at !== NO_FLOW) problems.push(`list ${list} does not end`);
    if (header[Header.Tails + list] !== previous) problems.push(`list ${list}: wrong tail`);
    if (expected.some((flow) => !seen.has(flow)) || seen.size !== expected.length) {
      problems.push(`list ${list} holds ${[...seen].join()}, not ${expected.join()}`);
    }
    if (table.sizeOf(list) !== expected.length) problems.push(`list ${list}: wrong count`);
  }
  return problems;
}

/** No bucket overflows here, so there is a mark for each established flow, and no other. */
function markProblems(table: FlowTable, live: readonly FlowIndex[]): string[] {
  const marks = marksOf.get(table);
  if (marks === undefined) return [];
  const expected = live
    .filter((flow) => LIST_OF_STATE[table.state(flow)] === FlowList.Established)
    .map((flow) => table.hashOf(keyIn(table, flow)) | 1);
  const seen = marks.filter((mark) => mark !== 0);
  const sorted = (values: Iterable<number>): string => [...values].toSorted((a, b) => a - b).join();
  return sorted(seen) === sorted(expected) ? [] : ['the marks are not those of the flows'];
}

function freeListProblems(table: FlowTable, live: readonly FlowIndex[]): string[] {
  const free = new Set<number>();
  let at = table.header[Header.FreeHead] ?? NO_FLOW;
  while (at !== NO_FLOW && !free.has(at) && free.size <= table.maxFlows) {
    free.add(at);
    at = table.words[at * RECORD_WORDS + Word.Next] ?? NO_FLOW;
  }
  const problems: string[] = [];
  if (at !== NO_FLOW) problems.push('the free list does not end');
  if (live.some((flow) => free.has(flow))) problems.push('a live flow is in the free list');
  if (free.size + live.length !== table.recordLimit) {
    problems.push(
      `${free.size} free and ${live.length} live of ${table.recordLimit} records ever used`,
    );
  }
  return problems;
}
