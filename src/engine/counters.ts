/**
 * Counters: everything the data plane counts, as Float64 slots in one segment.
 *
 * A slot is exact to 2^53, an increment allocates nothing, and a reader in another process needs no lock: an
 * aligned 64-bit store is not torn on the machines we run on. The data plane adds; the control process only reads.
 *
 *   interfaces  2 sides x INTERFACE_SLOTS        see InterfaceCounter
 *   batches     2 histograms                     see BatchHistogram
 *   opened      FLOW_PROTOCOLS                   flows that were made, by protocol
 *   reasons     2 directions x REASON_LIMIT x 2  frames, bytes
 *   nics        MAX_NICS x 2 directions x 4      allowed packets, bytes, denied packets, bytes
 *   rules       MAX_RULE_SLOTS x 3               see RuleCounter
 */
import { IpProtocol } from '../capture/packet.ts';
import { REASON_LIMIT } from './reason.ts';

/** Most NICs that one wire can have. */
export const MAX_NICS = 4096;
/** Rule slots of one wire; the last, 0xffff, is the flow record's "none". */
export const MAX_RULE_SLOTS = 0xffff;

/** Slots of one interface. `FramesOut` counts what was handed to the kernel without an error. */
export const InterfaceCounter = Object.freeze({
  FramesIn: 0,
  BytesIn: 1,
  FramesOut: 2,
  BytesOut: 3,
  /** Frames the kernel dropped before the data plane could read them (PACKET_STATISTICS tp_drops, XDP_STATISTICS). */
  KernelDrops: 4,
  /** Frames that were judged "forward" to this interface and that the kernel refused. */
  SendErrors: 5,
  /** Of the kernel's drops, those for which the receive ring had no room (XDP_STATISTICS rx_ring_full). */
  ReceiveRingFull: 6,
  /** Entries of ours in a ring that the kernel would not take (rx_invalid_descs, tx_invalid_descs): a fault of ours. */
  InvalidDescriptors: 7,
} as const);
const INTERFACE_SLOTS = 8;

/** Slots of one rule. */
export const RuleCounter = Object.freeze({
  /** Times the rule was the first match of its stage: packets without a flow. */
  Hits: 0,
  /** Packets and bytes it decided, those of the flows it admitted included. */
  Packets: 1,
  Bytes: 2,
} as const);
const RULE_SLOTS = 3;

/**
 * What is known of the batches that frames are read in (af-xdp), each as a histogram whose bucket n counts the values of
 * at most 2^n, and the last one all that are greater too; then the sum of all values.
 */
export const BatchHistogram = Object.freeze({
  /** Frames that waited in the receive ring when a batch was read from it. */
  Waiting: 0,
  /** Microseconds from reading a batch to having its frames sent. */
  Microseconds: 1,
} as const);
/** Values to 2^14 are told apart: 16,384 frames, 16 ms. */
export const HISTOGRAM_BUCKETS = 16;
const HISTOGRAM_SLOTS = HISTOGRAM_BUCKETS + 1;

/** Names of the protocols that new flows are counted by. */
export const flowProtocolNames: readonly string[] = ['tcp', 'udp', 'icmp', 'icmpv6', 'other'];
const OTHER_PROTOCOL = 4;
/** Slot by IP protocol number. */
const flowProtocolSlots = new Uint8Array(256).fill(OTHER_PROTOCOL);
flowProtocolSlots[IpProtocol.Tcp] = 0;
flowProtocolSlots[IpProtocol.Udp] = 1;
flowProtocolSlots[IpProtocol.Icmp] = 2;
flowProtocolSlots[IpProtocol.Icmpv6] = 3;

const BATCHES_AT = 2 * INTERFACE_SLOTS;
const OPENED_AT = BATCHES_AT + 2 * HISTOGRAM_SLOTS;
const REASONS_AT = OPENED_AT + flowProtocolNames.length;
const NICS_AT = REASONS_AT + 2 * REASON_LIMIT * 2;
const NIC_SLOTS = 8;
const RULES_AT = NICS_AT + MAX_NICS * NIC_SLOTS;
const SLOTS = RULES_AT + MAX_RULE_SLOTS * RULE_SLOTS;

export class Counters {
  /** Bytes a segment needs. */
  static readonly bytes = SLOTS * 8;
  readonly #values: Float64Array;

  /** @param buffer zeroed or of an earlier run, at least `Counters.bytes` long */
  constructor(buffer: ArrayBuffer) {
    this.#values = new Float64Array(buffer, 0, SLOTS);
  }

  addInterface(side: number, counter: number, amount: number): void {
    this.#values[side * INTERFACE_SLOTS + counter] += amount;
  }

  interface(side: number, counter: number): number {
    return this.#values[side * INTERFACE_SLOTS + counter];
  }

  /**
   * @param histogram one of `BatchHistogram`
   * @param value 0 to 2^31 - 1
   */
  addBatch(histogram: number, value: number): void {
    const at = BATCHES_AT + histogram * HISTOGRAM_SLOTS;
    // The number of the first power of two that is not less.
    const bucket = value <= 1 ? 0 : 32 - Math.clz32(Math.ceil(value) - 1);
    this.#values[at + Math.min(bucket, HISTOGRAM_BUCKETS - 1)] += 1;
    this.#values[at + HISTOGRAM_BUCKETS] += value;
  }

  /** @param bucket 0 to `HISTOGRAM_BUCKETS` - 1; values of that bucket alone */
  batchBucket(histogram: number, bucket: number): number {
    return this.#values[BATCHES_AT + histogram * HISTOGRAM_SLOTS + bucket];
  }

  batchSum(histogram: number): number {
    return this.batchBucket(histogram, HISTOGRAM_BUCKETS);
  }

  /** @param protocol IP protocol number of a new flow */
  addFlow(protocol: number): void {
    this.#values[OPENED_AT + flowProtocolSlots[protocol]] += 1;
  }

  /** @param slot index in `flowProtocolNames` */
  flowsOpened(slot: number): number {
    return this.#values[OPENED_AT + slot];
  }

  addReason(direction: number, reason: number, bytes: number): void {
    const at = REASONS_AT + (direction * REASON_LIMIT + reason) * 2;
    this.#values[at] += 1;
    this.#values[at + 1] += bytes;
  }

  reasonFrames(direction: number, reason: number): number {
    return this.#values[REASONS_AT + (direction * REASON_LIMIT + reason) * 2];
  }

  reasonBytes(direction: number, reason: number): number {
    return this.#values[REASONS_AT + (direction * REASON_LIMIT + reason) * 2 + 1];
  }

  /** @param access 1 allowed, 0 denied */
  addNic(nic: number, direction: number, access: number, bytes: number): void {
    const at = NICS_AT + nic * NIC_SLOTS + direction * 4 + (1 - access) * 2;
    this.#values[at] += 1;
    this.#values[at + 1] += bytes;
  }

  nicPackets(nic: number, direction: number, access: number): number {
    return this.#values[NICS_AT + nic * NIC_SLOTS + direction * 4 + (1 - access) * 2];
  }

  nicBytes(nic: number, direction: number, access: number): number {
    return this.#values[NICS_AT + nic * NIC_SLOTS + direction * 4 + (1 - access) * 2 + 1];
  }

  addRuleHit(slot: number): void {
    this.#values[RULES_AT + slot * RULE_SLOTS] += 1;
  }

  addRulePacket(slot: number, bytes: number): void {
    const at = RULES_AT + slot * RULE_SLOTS;
    this.#values[at + 1] += 1;
    this.#values[at + 2] += bytes;
  }

  /** @param counter one of `RuleCounter` */
  rule(slot: number, counter: number): number {
    return this.#values[RULES_AT + slot * RULE_SLOTS + counter];
  }

  /** For a slot that gets a new owner. Only while no data plane uses it. */
  clearRule(slot: number): void {
    const at = RULES_AT + slot * RULE_SLOTS;
    this.#values.fill(0, at, at + RULE_SLOTS);
  }
}
