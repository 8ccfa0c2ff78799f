/**
 * The flow table by itself: hit, miss, insertion, TCP state, expiry; and npm lru-cache in its place.
 */
import { LRUCache } from 'lru-cache';
import { Packet, TcpFlag } from '../../src/capture/packet.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import { NO_FLOW, packSlots } from '../../src/flowtable/record.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { track } from '../../src/flowtable/track.ts';
import { shuffled } from '../traffic/frame-pool.ts';
import { type BenchCase, expectThat, type Workload } from './case.ts';

const NOW = 1000;
const SLOTS = packSlots(0, 1);
const BYTES = 46;
const UDP = 17;
const TCP = 6;
const SWEEP_BUDGET = 64;
/** Idle longer than any timeout of the default ones. */
const LATER = NOW + 10_000;

function table(maxFlows: number): FlowTable {
  const bytes = FlowTable.bytesFor(maxFlows);
  return FlowTable.create(new ArrayBuffer(bytes), 0, { maxFlows, seeds: [17, 4711] });
}

function packetOf(protocol: number): Packet {
  const packet = new Packet();
  packet.ipVersion = 4;
  packet.dst3 = 0x0a00_0104;
  packet.dstPort = 5001;
  packet.hasPorts = true;
  packet.protocol = protocol;
  packet.ipLength = BYTES;
  return packet;
}

/** Makes `packet` one of that flow: the same mapping as in the frame pool. */
function become(packet: Packet, flow: number): void {
  packet.src3 = (0xcb00_0000 + (flow >>> 8)) | 0;
  packet.srcPort = 1024 + (flow & 255);
}

function filled(count: number, maxFlows: number, packet: Packet): FlowTable {
  const flows = table(maxFlows);
  const key = new FlowKey();
  for (let flow = 0; flow < count; flow++) {
    become(packet, flow);
    flowKey(packet, 0, key);
    const index = flows.insert(key, 0, NOW, 1, SLOTS);
    expectThat(index !== NO_FLOW, 'there is room for every flow');
    track(flows, index, packet, 0, NOW);
  }
  return flows;
}

/** Key, lookup and touch of a packet of a live flow. */
function hit(count: number): Workload {
  const packet = packetOf(UDP);
  const flows = filled(count, count, packet);
  const order = shuffled(count);
  const key = new FlowKey();
  return {
    facts: { flows: count, bytesPerFlow: FlowTable.bytesFor(count) / count },
    run(operations) {
      let place = 0;
      for (let index = 0; index < operations; index++) {
        become(packet, order[place] ?? 0);
        flowKey(packet, 0, key);
        track(flows, flows.find(key, NOW), packet, 0, NOW);
        if (++place === count) place = 0;
      }
      expectThat(flows.stats[1] === 0, 'every lookup is a hit');
    },
  };
}

/** A lookup that finds nothing, in a table that is full. */
function miss(count: number): Workload {
  const packet = packetOf(UDP);
  const flows = filled(count, count, packet);
  const key = new FlowKey();
  return {
    facts: { flows: count },
    run(operations) {
      for (let index = 0; index < operations; index++) {
        become(packet, count + (index & 0xf_ffff));
        flowKey(packet, 0, key);
        flows.find(key, NOW);
      }
    },
  };
}

/** Lookup, insertion and first packet, from an empty table to a full one. */
function insert(count: number): Workload {
  const packet = packetOf(UDP);
  const key = new FlowKey();
  const buffer = new ArrayBuffer(FlowTable.bytesFor(count));
  let flows = FlowTable.create(buffer, 0, { maxFlows: count, seeds: [17, 4711] });
  return {
    operations: count,
    facts: { flows: count },
    reset() {
      flows = FlowTable.create(buffer, 0, { maxFlows: count, seeds: [17, 4711] });
    },
    run(operations) {
      for (let index = 0; index < operations; index++) {
        become(packet, index);
        flowKey(packet, 0, key);
        flows.find(key, NOW);
        track(flows, flows.insert(key, 0, NOW, 1, SLOTS), packet, 0, NOW);
      }
    },
  };
}

/** Insertion into a full table: each takes the place of the oldest unreplied flow. */
function evict(count: number): Workload {
  const packet = packetOf(UDP);
  const flows = filled(count, count, packet);
  const key = new FlowKey();
  let next = count;
  return {
    facts: { flows: count },
    run(operations) {
      for (let index = 0; index < operations; index++) {
        become(packet, next++ & 0xff_ffff);
        flowKey(packet, 0, key);
        track(flows, flows.insert(key, 0, NOW, 1, SLOTS), packet, 0, NOW);
      }
    },
  };
}

/** One segment of an established connection: sequence numbers, state, counters. The flow is known. */
function tcpState(count: number): Workload {
  const packet = packetOf(TCP);
  packet.tcpFlags = TcpFlag.Ack;
  const flows = filled(count, count, packet);
  packet.tcpFlags = TcpFlag.Ack;
  packet.tcpPayloadLength = 0;
  return {
    facts: { flows: count },
    run(operations) {
      let flow = 0;
      for (let index = 0; index < operations; index++) {
        packet.tcpSequence = index & 0xff;
        track(flows, flow as never, packet, index & 1, NOW);
        if (++flow === count) flow = 0;
      }
    },
  };
}

/** Removing idle flows, in the portions of the pipeline's housekeeping. */
function expire(count: number): Workload {
  const packet = packetOf(UDP);
  let flows = filled(count, count, packet);
  return {
    operations: count,
    facts: { flows: count, budget: SWEEP_BUDGET },
    reset() {
      flows = filled(count, count, packet);
    },
    run(operations) {
      let removed = 0;
      while (removed < operations) {
        const some = flows.sweep(LATER, SWEEP_BUDGET);
        if (some === 0) break;
        removed += some;
      }
      expectThat(removed >= operations, 'every flow has expired');
    },
  };
}

interface CachedFlow {
  packets: number;
  bytes: number;
  lastSeen: number;
}

/** The key a packet has in a Map: text, because two numbers do not hold a 5-tuple. */
function textKey(packet: Packet): string {
  return `${packet.src3}:${packet.srcPort}>${packet.dst3}:${packet.dstPort}/${packet.protocol}`;
}

function lruHit(count: number): Workload {
  const packet = packetOf(UDP);
  const before = process.memoryUsage();
  const flows = new LRUCache<string, CachedFlow>({ max: count });
  for (let flow = 0; flow < count; flow++) {
    become(packet, flow);
    flows.set(textKey(packet), { packets: 0, bytes: 0, lastSeen: NOW });
  }
  globalThis.gc?.();
  const after = process.memoryUsage();
  const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  const order = shuffled(count);
  return {
    facts: { flows: count, bytesPerFlow: Math.round(bytes / count) },
    run(operations) {
      let place = 0;
      for (let index = 0; index < operations; index++) {
        become(packet, order[place] ?? 0);
        const flow = flows.get(textKey(packet));
        if (flow !== undefined) {
          flow.packets++;
          flow.bytes += BYTES;
          flow.lastSeen = NOW;
        }
        if (++place === count) place = 0;
      }
    },
  };
}

function lruEvict(count: number): Workload {
  const packet = packetOf(UDP);
  const flows = new LRUCache<string, CachedFlow>({ max: count });
  let next = 0;
  for (; next < count; next++) {
    become(packet, next);
    flows.set(textKey(packet), { packets: 0, bytes: 0, lastSeen: NOW });
  }
  return {
    facts: { flows: count },
    run(operations) {
      for (let index = 0; index < operations; index++) {
        become(packet, next++ & 0xff_ffff);
        flows.set(textKey(packet), { packets: 1, bytes: BYTES, lastSeen: NOW });
      }
    },
  };
}

const FEW = 10_000;
const MANY = 1_000_000;

function cases(
  group: string,
  unit: string,
  makers: Readonly<Record<string, () => Workload>>,
): BenchCase[] {
  return Object.entries(makers).map(([name, prepare]) => ({
    name: `${group}/${name}`,
    unit,
    prepare,
  }));
}

export const flowTableCases: readonly BenchCase[] = cases('flow-table', 'packets', {
  'hit-10k': () => hit(FEW),
  'hit-1M-random': () => hit(MANY),
  'miss-10k': () => miss(FEW),
  'miss-1M': () => miss(MANY),
  'insert-10k': () => insert(FEW),
  'insert-1M': () => insert(MANY),
  'evict-1M': () => evict(MANY),
  'tcp-state-10k': () => tcpState(FEW),
  'expire-1M': () => expire(MANY),
});

/** npm lru-cache as the flow table: key built for each packet, as it would have to be. */
export const lruCacheCases: readonly BenchCase[] = cases('lru-cache', 'packets', {
  'hit-10k': () => lruHit(FEW),
  'hit-1M-random': () => lruHit(MANY),
  'evict-1M': () => lruEvict(MANY),
});
