/**
 * Counters: everything the data plane counts, as Float64 slots in one segment.
 *
 * A slot is exact to 2^53, an increment allocates nothing, and a reader in another process needs no lock: an
 * aligned 64-bit store is not torn on the machines we run on. The data plane adds; the control process only reads.
 *
 *   interfaces  2 sides x INTERFACE_SLOTS        see InterfaceCounter
 *   reasons     2 directions x REASON_LIMIT x 2  frames, bytes
 *   nics        MAX_NICS x 2 directions x 4      allowed packets, bytes, denied packets, bytes
 *   rules       MAX_RULE_SLOTS x 3               see RuleCounter
 */
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

const REASONS_AT = 2 * INTERFACE_SLOTS;
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
