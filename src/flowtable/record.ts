/**
 * The layout of one flow record: 22 signed int32 words, 88 bytes, the same for IPv4 and IPv6. With two index slots of
 * four bytes a flow costs 96 bytes, all included.
 *
 * ```
 *   word  0  1  2  3   local address, most significant word first; IPv4: 0 0 0 address, as in `Packet`
 *         4  5  6  7   remote address
 *         8            local port 16 | remote port 16             (ICMP echo: identifier 16 | type the local side sends 16)
 *         9            outer VLAN 12 | inner VLAN 12 | protocol 8
 *        10            last seen 24 | IPv6 1 | expected known 2 | opener 1 | state 4     <- the word that makes it live
 *        11            counter slots of the deciding rules: stage 0 16 | stage 1 16
 *        12            generation of the policy that admitted the flow
 *        13 14         next TCP sequence number expected inbound, outbound
 *        15 16         packets inbound, outbound                  (uint32, wraps)
 *        17 18         bytes inbound, outbound, low 32 bits
 *        19            bytes inbound, high 16 | bytes outbound, high 16
 *        20 21         previous (more recent), next (less recent) record in its list, or -1
 * ```
 *
 * The words every packet of a flow reads come first and together: 80 bytes, two cache lines. Only the links lie behind
 * them, and they are touched once a second.
 *
 * A record is live when the state in word 10 is not `Free`. Insertion writes that word last and removal clears it
 * first, so a process killed between any two stores leaves each record either whole or free. Everything else in the
 * segment (index, lists, free list, counts) can be made again from the records; `recover.ts` does it.
 */

/** A record number, 0 to maxFlows - 1. Born in `FlowTable.find`, `FlowTable.insert` and `FlowView.flowAt`. */
declare const flowIndex: unique symbol;
export type FlowIndex = number & { readonly [flowIndex]: 'FlowIndex' };

/** No flow. */
export const NO_FLOW = -1 as FlowIndex;

export const RECORD_WORDS = 22;

/** Offsets in words. Where there are two, inbound comes first: add the direction. */
export const Word = Object.freeze({
  Local: 0,
  Remote: 4,
  Ports: 8,
  Tag: 9,
  State: 10,
  Slots: 11,
  Generation: 12,
  Expected: 13,
  Packets: 15,
  BytesLow: 17,
  BytesHigh: 19,
  Previous: 20,
  Next: 21,
} as const);

/** Fields of word 10. Read the state as `word & Field.State`, last seen as `word >>> Field.LastSeenShift`. */
export const Field = Object.freeze({
  State: 0x0f,
  /** Set when the first packet went outbound: `(word >>> OpenerShift) & 1` is the opener's direction. */
  OpenerShift: 4,
  /** Set when `Expected + direction` holds a number: bit `ExpectedShift + direction`. */
  ExpectedShift: 5,
  Ipv6: 0x80,
  /** What a state change keeps: opener, expected known, IPv6. */
  Kept: 0xf0,
  LastSeenShift: 8,
} as const);

/** Seconds are kept modulo 2^24 (194 days); ages are differences modulo 2^24. */
export const SECONDS_MASK = 0xff_ffff;

/**
 * The state of a flow, named from the opener's side as RFC 9293 section 3.3.2 names it. UDP, ICMP echo and other
 * protocols use `Unreplied` and `Established` only.
 */
export const FlowState = Object.freeze({
  /** The record holds no flow. */
  Free: 0,
  /** Only the opener has spoken; also a TCP connection picked up in the middle. */
  Unreplied: 1,
  SynSent: 2,
  /** Both sides sent a SYN without ACK: simultaneous open. */
  SynSent2: 3,
  /** SYN+ACK seen, its acknowledgment not yet. */
  SynReceived: 4,
  Established: 5,
  /** The opener sent FIN. */
  FinWait: 6,
  /** The other side sent FIN. */
  CloseWait: 7,
  /** Both sent FIN, the opener first; its last ACK is missing. */
  Closing: 8,
  /** Both sent FIN, the opener last; it waits for the last ACK. */
  LastAck: 9,
  TimeWait: 10,
  /** Ended by RST. */
  Closed: 11,
} as const);

export const FLOW_STATE_NAMES: readonly string[] = Object.freeze([
  'FREE',
  'UNREPLIED',
  'SYN_SENT',
  'SYN_SENT2',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'CLOSING',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSED',
]);

/** Why a flow left the table. */
export const RemoveReason = Object.freeze({
  /** Idle for longer than its timeout. */
  Timeout: 0,
  /** Closed by FIN from both sides, and the wait after it is over. */
  Fin: 1,
  /** Closed by RST, and the wait after it is over. */
  Rst: 2,
  /** Pushed out by a new flow in a full table. */
  Evicted: 3,
  /** Removed by its owner: a policy change, a command. */
  Flushed: 4,
  /** A SYN after the end opened the same tuple again. */
  Reopened: 5,
} as const);

export const REMOVE_REASON_NAMES: readonly string[] = Object.freeze([
  'timeout',
  'fin',
  'rst',
  'evicted',
  'flushed',
  'reopened',
]);

/** In a counter slot: no rule decided at this stage. */
export const NO_SLOT = 0xffff;

/** The word of two counter slots, each 0 to 65534 or `NO_SLOT`. */
export function packSlots(stage0: number, stage1: number): number {
  return (stage0 << 16) | (stage1 & 0xffff);
}
