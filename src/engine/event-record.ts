/**
 * The layout of flow events: what the data plane tells of flows that begin and end and of packets that it dropped, in a
 * ring of fixed records that one process writes and one reads.
 *
 * ```
 *   word  0 .. 9   key: addresses, ports, VLANs and protocol, as in a flow record (flowtable/record.ts)
 *        10        state word, as in a flow record; of a denied packet only the IPv6 bit and its direction as opener
 *        11        counter slots of the deciding rules, as in a flow record; of a denied packet the last one denied it
 *        12        generation of the policy that admitted the flow or denied the packet
 *        13        code 8 | ICMP type 8 | reason 8 | kind 8       (the kind makes a record one; see `EventKind`)
 *        14        frame length 16 | TCP flags 8 | flags 8        (of the packet that opened the flow or was denied)
 *        15        record of the flow in the flow table; -1 for a denied packet
 *        16 17     when, milliseconds of CLOCK_MONOTONIC, float64
 *        18 19     packets inbound, outbound                      (uint32, wraps; as in a flow record)
 *        20 21     bytes inbound, outbound, low 32 bits
 *        22        bytes inbound, high 16 | bytes outbound, high 16
 *        23        unused
 * ```
 *
 * The header has the two positions, each written by one side and in a cache line of its own, and what was counted.
 * Positions count records and wrap; a record is complete before the position that shows it is stored, so a writer that
 * is killed at any point leaves no half record to see, and the next one goes on where it ended.
 */
import { Word } from '../flowtable/record.ts';

export const EVENT_MAGIC = 0x4e534745;
/** Changes with every change of the header or of a record. */
export const EVENT_VERSION = 1;

/** Header offsets in words. */
export const EventHeader = Object.freeze({
  Magic: 0,
  Version: 1,
  /** Records written so far, modulo 2^32; by the data plane. */
  Written: 2,
  /** Records read so far, modulo 2^32; by the control process. */
  Read: 32,
} as const);
export const EVENT_HEADER_WORDS = 64;

/** Counts in the header, float64 by the data plane: those written, then those that were not; add the kind. */
export const EventCount = Object.freeze({ Written: 2, Lost: 6 } as const);

export const EVENT_WORDS = 24;
/**
 * Records of the ring, a power of two: 3 MiB, and a tenth of a second of reading delay at 300,000 events a second.
 */
export const EVENT_CAPACITY = 32_768;
export const EVENT_BYTES = (EVENT_HEADER_WORDS + EVENT_CAPACITY * EVENT_WORDS) * 4;

/** Words that a flow record and an event have in common: key, state, slots, generation. */
export const COMMON_WORDS = Word.Generation + 1;

/** Offsets in words of what only an event has. Where there are two, inbound comes first: add the direction. */
export const EventWord = Object.freeze({
  Kind: 13,
  Packet: 14,
  Flow: 15,
  /** Offset in float64. */
  TimeDouble: 8,
  Packets: 18,
  BytesLow: 20,
  BytesHigh: 22,
} as const);

/** Fields of words 13 and 14. */
export const EventField = Object.freeze({
  Byte: 0xff,
  ReasonShift: 8,
  IcmpTypeShift: 16,
  IcmpCodeShift: 24,
  /** Of word 14: set when the addresses and the protocol are those of a packet. */
  HasPacket: 1,
  /** Of word 14: set when the ports are. */
  HasPorts: 2,
  /** Of word 14: set on a later fragment, which has no header of its protocol. */
  IsLaterFragment: 4,
  TcpFlagsShift: 8,
  FrameLengthShift: 16,
} as const);

export const EventKind = Object.freeze({
  /** A flow was made. The reason is the `Reason` that admitted it. */
  Opened: 1,
  /** A flow left the table. The reason is a `RemoveReason`; the counters are final. */
  Ended: 2,
  /** A frame was dropped. The reason is a `Reason`. */
  Denied: 3,
} as const);

/** Names by kind. */
export const EVENT_KIND_NAMES: readonly string[] = Object.freeze(['', 'opened', 'ended', 'denied']);
