/**
 * FlowLedger: what a flow log has told of each flow of a wire, so that each packet is told once: every record has the
 * packets and bytes since the one before. Flows that live long are found in the flow table itself, a slice at a time.
 */
import { EventKind } from '../../src/engine/event-record.ts';
import { type FlowIndex, NO_FLOW } from '../../src/flowtable/record.ts';
import type { FlowView } from '../../src/flowtable/view.ts';
import { flowMark } from '../events/flow-starts.ts';
import type { ToldEvent } from '../events/hub.ts';
import type { WireView } from '../wire-view.ts';
import {
  type FlowCounts,
  type FlowFields,
  type FlowRecord,
  fieldsOfEvent,
  identityOf,
  NO_COUNTS,
} from './record.ts';

/** Azure tells of a flow that goes on every five minutes. */
const CONTINUE_MILLISECONDS = 300_000;
const BYTES_RANGE = 2 ** 48;
/** A difference beyond this is of counters that went back: the record holds another flow by now. */
const LARGEST_STEP = 2 ** 31;

/** Counters of a flow at one moment; modulo 2^32 and 2^48. */
interface Counters {
  packets(direction: number): number;
  bytes(direction: number): number;
}

export class FlowLedger {
  readonly #wire: WireView;
  readonly #sink: (record: FlowRecord) => void;
  /** By record of the flow table; what was never used takes no memory. */
  readonly #marks: Int32Array;
  /** Monotonic milliseconds of the last record about the flow; 0 for none. */
  readonly #toldAt: Float64Array;
  /** Counters that were told: inbound, outbound. */
  readonly #packets: Float64Array;
  readonly #bytes: Float64Array;
  #next = 0;

  constructor(wire: WireView, sink: (record: FlowRecord) => void) {
    const { maxFlows } = wire.flows;
    this.#wire = wire;
    this.#sink = sink;
    this.#marks = new Int32Array(maxFlows);
    this.#toldAt = new Float64Array(maxFlows);
    this.#packets = new Float64Array(maxFlows * 2);
    this.#bytes = new Float64Array(maxFlows * 2);
  }

  /** Takes the flows of the table as told of: those that an earlier run has left. */
  adopt(now: number): void {
    const { flows } = this.#wire;
    for (let record = 0; record < flows.recordLimit; record++) {
      const flow = flows.flowAt(record);
      if (flow === NO_FLOW) continue;
      this.#marks[flow] = markOf(flows, flow);
      this.#note(flow, countersOf(flows, flow), now);
    }
  }

  /** A flow that was opened or ended. */
  tell({ event, offset }: ToldEvent): void {
    const { flow, time } = event;
    if (flow < 0 || flow >= this.#toldAt.length) return;
    const fields = fieldsOfEvent(event);
    const mark = flowMark(event.localPort, event.remotePort, event.remote(1), event.remote(3));
    const isKnown = this.#toldAt[flow] !== 0 && this.#marks[flow] === mark;
    if (event.kind === EventKind.Opened || !isKnown) {
      this.#record('B', time + offset, fields, NO_COUNTS);
      this.#marks[flow] = mark;
      this.#forget(flow);
      this.#toldAt[flow] = time;
    }
    if (event.kind !== EventKind.Ended) return;
    this.#record('E', time + offset, fields, this.#since(flow, event, fields.direction));
    this.#forget(flow);
  }

  /**
   * Looks at the next records of the table for flows that go on; those about which something was told within five minutes
   * are left alone.
   * @param offset milliseconds from the monotonic to the wall clock
   */
  scan(now: number, offset: number, records: number): void {
    const limit = this.#wire.flows.recordLimit;
    for (let count = Math.min(records, limit); count > 0; count--) {
      if (this.#next >= limit) this.#next = 0;
      this.#continue(this.#next++, now, offset, CONTINUE_MILLISECONDS);
    }
  }

  /** Tells of every flow what was not told yet. */
  finish(now: number, offset: number): void {
    const limit = this.#wire.flows.recordLimit;
    for (let record = 0; record < limit; record++) this.#continue(record, now, offset, 0);
  }

  #continue(record: number, now: number, offset: number, age: number): void {
    const { flows } = this.#wire;
    const toldAt = this.#toldAt[record] ?? 0;
    if (toldAt === 0 || now - toldAt < age) return;
    const flow = flows.flowAt(record);
    // Another flow's record by now: the events that say so are on their way.
    if (flow === NO_FLOW || this.#marks[flow] !== markOf(flows, flow)) return;
    const fields = fieldsOfFlow(flows, flow);
    const counters = countersOf(flows, flow);
    const counts = this.#since(flow, counters, fields.direction);
    const { packetsToDestination, packetsToSource } = counts;
    if (packetsToDestination > LARGEST_STEP || packetsToSource > LARGEST_STEP) return;
    this.#note(flow, counters, now);
    if (packetsToDestination + packetsToSource === 0) return;
    this.#record('C', now + offset, fields, counts);
  }

  /** What was counted since the last record. */
  #since(flow: number, counters: Counters, direction: 0 | 1): FlowCounts {
    const packets = (way: number): number =>
      (counters.packets(way) - (this.#packets[flow * 2 + way] ?? 0)) >>> 0;
    const bytes = (way: number): number => {
      const difference = counters.bytes(way) - (this.#bytes[flow * 2 + way] ?? 0);
      return difference < 0 ? difference + BYTES_RANGE : difference;
    };
    const back = 1 - direction;
    return {
      packetsToDestination: packets(direction),
      bytesToDestination: bytes(direction),
      packetsToSource: packets(back),
      bytesToSource: bytes(back),
    };
  }

  #note(flow: number, counters: Counters, now: number): void {
    this.#toldAt[flow] = now;
    for (const way of [0, 1]) {
      this.#packets[flow * 2 + way] = counters.packets(way);
      this.#bytes[flow * 2 + way] = counters.bytes(way);
    }
  }

  #forget(flow: number): void {
    this.#toldAt[flow] = 0;
    this.#packets.fill(0, flow * 2, flow * 2 + 2);
    this.#bytes.fill(0, flow * 2, flow * 2 + 2);
  }

  #record(state: 'B' | 'C' | 'E', time: number, fields: FlowFields, counts: FlowCounts): void {
    this.#sink({ state, time, counts, ...identityOf(this.#wire, fields) });
  }
}

function markOf(flows: FlowView, flow: FlowIndex): number {
  return flowMark(
    flows.localPort(flow),
    flows.remotePort(flow),
    flows.remote(flow, 1),
    flows.remote(flow, 3),
  );
}

function countersOf(flows: FlowView, flow: FlowIndex): Counters {
  const packets = [flows.packets(flow, 0), flows.packets(flow, 1)];
  const bytes = [flows.bytes(flow, 0), flows.bytes(flow, 1)];
  return { packets: (way) => packets[way] ?? 0, bytes: (way) => bytes[way] ?? 0 };
}

function fieldsOfFlow(flows: FlowView, flow: FlowIndex): FlowFields {
  const protocol = flows.protocol(flow);
  const word = (read: (flow: FlowIndex, word: number) => number) =>
    [read(flow, 0), read(flow, 1), read(flow, 2), read(flow, 3)] as FlowFields['local'];
  return {
    ipVersion: flows.ipVersion(flow),
    protocol,
    direction: flows.opener(flow) === 0 ? 0 : 1,
    local: word((index, at) => flows.local(index, at)),
    remote: word((index, at) => flows.remote(index, at)),
    localPort: flows.localPort(flow),
    remotePort: flows.remotePort(flow),
    hasPorts: protocol === 6 || protocol === 17,
    slot0: flows.slot0(flow),
    slot1: flows.slot1(flow),
  };
}
