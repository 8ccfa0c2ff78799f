/**
 * FlowEvents: the writing end of the ring of flow events (event-record.ts), in the data plane.
 *
 * Telling never waits: where the ring is full the event is left out and counted. Denied packets are what an attacker can
 * send without end, so they get a rate of their own and at most half of the ring, and cannot drown flows that open and
 * end. A packet of a live flow is no event and costs nothing here.
 */
import { Fragment, type Packet } from '../capture/packet.ts';
import { FlowKey, flowKey } from '../flowtable/key.ts';
import { Field, RECORD_WORDS, Word, type FlowIndex } from '../flowtable/record.ts';
import type { FlowView } from '../flowtable/view.ts';
import {
  COMMON_WORDS,
  EVENT_BYTES,
  EVENT_CAPACITY,
  EVENT_HEADER_WORDS,
  EVENT_MAGIC,
  EVENT_VERSION,
  EVENT_WORDS,
  EventCount,
  EventField,
  EventHeader,
  EventKind,
  EventWord,
} from './event-record.ts';
import { FIRST_MALFORMED, Reason } from './reason.ts';

const WRITTEN = EventHeader.Written;
const READ = EventHeader.Read;
const WRITTEN_COUNT = EventCount.Written;
const LOST_COUNT = EventCount.Lost;
const OPENED = EventKind.Opened;
const ENDED = EventKind.Ended;
const DENIED = EventKind.Denied;
const KIND = EventWord.Kind;
const PACKET = EventWord.Packet;
const FLOW = EventWord.Flow;
const PORTS = Word.Ports;
const STATE = Word.State;
const SLOTS = Word.Slots;
const GENERATION = Word.Generation;
const OVERSIZE = Reason.Oversize;
const LATER = Fragment.Later;
const HAS_PACKET = EventField.HasPacket;
const HAS_PORTS = EventField.HasPorts;
const IS_LATER = EventField.IsLaterFragment;

/** Counters of a flow: packets and bytes of both directions and the upper halves. */
const COUNTER_WORDS = 5;
/** Records that denied packets may take of the ring. */
const DENIED_CAPACITY = EVENT_CAPACITY / 2;
/** Denied packets told at once, and then per millisecond: some 4,000 a second. The others are counted. */
export const DENIED_BURST = 4096;
export const DENIED_PER_MILLISECOND = 4;

/** The memory is no ring of this version. */
export class FlowEventsError extends Error {
  readonly code = 'FLOW_EVENTS_UNFIT';
}

export class FlowEvents {
  /** Bytes a segment needs. */
  static readonly bytes = EVENT_BYTES;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #key = new FlowKey();
  /** Milliseconds now, and denied packets that may be told; in an array so that a change allocates nothing. */
  readonly #clock = new Float64Array(2);

  private constructor(buffer: ArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, EVENT_BYTES >> 2);
    this.#doubles = new Float64Array(buffer, 0, EVENT_BYTES >> 3);
    this.#clock[1] = DENIED_BURST;
  }

  /** Makes an empty ring in zeroed memory of `FlowEvents.bytes`. */
  static create(buffer: ArrayBuffer): FlowEvents {
    const events = new FlowEvents(buffer);
    events.#words[EventHeader.Version] = EVENT_VERSION;
    events.#words[EventHeader.Magic] = EVENT_MAGIC;
    return events;
  }

  /** Goes on with a ring, also after another writer was killed. @throws FlowEventsError where there is none */
  static attach(buffer: ArrayBuffer): FlowEvents {
    if (!isEventRing(buffer))
      throw new FlowEventsError('not a ring of flow events of this version');
    return new FlowEvents(buffer);
  }

  /** @param milliseconds of a monotonic clock; once per batch */
  setTime(milliseconds: number): void {
    const clock = this.#clock;
    const elapsed = milliseconds - clock[0];
    if (elapsed > 0) {
      clock[1] = Math.min(DENIED_BURST, clock[1] + elapsed * DENIED_PER_MILLISECOND);
    }
    clock[0] = milliseconds;
  }

  /** A flow was made. @param packet its first @param reason one of `Reason` */
  opened(flows: FlowView, flow: FlowIndex, packet: Packet, reason: number): void {
    const at = this.#claim(OPENED, EVENT_CAPACITY);
    if (at === 0) return;
    this.#copyFlow(at, flows.words, flow);
    this.#fill(at, OPENED, reason, packet);
    this.#publish(at, OPENED);
  }

  /** A flow is about to leave the table. @param reason one of `RemoveReason` */
  ended(flows: FlowView, flow: FlowIndex, reason: number): void {
    const at = this.#claim(ENDED, EVENT_CAPACITY);
    if (at === 0) return;
    const words = this.#words;
    this.#copyFlow(at, flows.words, flow);
    words[at + KIND] = ENDED | (reason << EventField.ReasonShift);
    // Whether a flow has ports is seen by its protocol.
    words[at + PACKET] = HAS_PACKET | HAS_PORTS;
    this.#publish(at, ENDED);
  }

  /**
   * A frame was dropped.
   * @param direction of the packet, 0 inbound, 1 outbound
   * @param reason one of `Reason`
   * @param slots as `packSlots` makes them, of the rules that were asked
   * @param generation of the policy in force
   */
  denied(
    packet: Packet,
    direction: number,
    reason: number,
    slots: number,
    generation: number,
  ): void {
    const clock = this.#clock;
    if (clock[1] < 1) {
      this.#doubles[LOST_COUNT + DENIED]++;
      return;
    }
    const at = this.#claim(DENIED, DENIED_CAPACITY);
    if (at === 0) return;
    clock[1] -= 1;
    const words = this.#words;
    this.#fill(at, DENIED, reason, packet);
    if (isDecoded(packet, reason)) this.#fillKey(at, packet, direction);
    else this.#clearPacket(at, reason === OVERSIZE ? 0 : packet.frameLength);
    words[at + STATE] |= direction << Field.OpenerShift;
    words[at + SLOTS] = slots;
    words[at + GENERATION] = generation;
    words[at + FLOW] = -1;
    words.fill(0, at + EventWord.Packets, at + EventWord.Packets + COUNTER_WORDS);
    this.#publish(at, DENIED);
  }

  /** @returns where the next record goes, in words; 0 when `limit` records or more wait to be read */
  #claim(kind: number, limit: number): number {
    const words = this.#words;
    const written = words[WRITTEN];
    const waiting = (written - Atomics.load(words, READ)) | 0;
    // Negative: the reader's position is damaged. It mends that when it sees it; until then nothing is told.
    if (waiting < 0 || waiting >= limit) {
      this.#doubles[LOST_COUNT + kind]++;
      return 0;
    }
    return EVENT_HEADER_WORDS + (written & (EVENT_CAPACITY - 1)) * EVENT_WORDS;
  }

  /** Shows the record to the reader: only now, when it is whole. */
  #publish(at: number, kind: number): void {
    this.#doubles[(at >> 1) + EventWord.TimeDouble] = this.#clock[0];
    this.#doubles[WRITTEN_COUNT + kind]++;
    Atomics.add(this.#words, WRITTEN, 1);
  }

  #copyFlow(at: number, records: Int32Array, flow: FlowIndex): void {
    const words = this.#words;
    const base = flow * RECORD_WORDS;
    for (let word = 0; word < COMMON_WORDS; word++) words[at + word] = records[base + word];
    for (let word = 0; word < COUNTER_WORDS; word++) {
      words[at + EventWord.Packets + word] = records[base + Word.Packets + word];
    }
    words[at + FLOW] = flow;
  }

  #fill(at: number, kind: number, reason: number, packet: Packet): void {
    const words = this.#words;
    words[at + KIND] =
      kind |
      (reason << EventField.ReasonShift) |
      (packet.icmpType << EventField.IcmpTypeShift) |
      (packet.icmpCode << EventField.IcmpCodeShift);
    words[at + PACKET] =
      HAS_PACKET |
      (packet.hasPorts ? HAS_PORTS : 0) |
      (packet.fragment === LATER ? IS_LATER : 0) |
      (packet.tcpFlags << EventField.TcpFlagsShift) |
      (packet.frameLength << EventField.FrameLengthShift);
  }

  #fillKey(at: number, packet: Packet, direction: number): void {
    const words = this.#words;
    const key = this.#key.words;
    flowKey(packet, direction, this.#key);
    for (let word = 0; word <= STATE; word++) words[at + word] = key[word];
    if (packet.fragment === LATER) words[at + PORTS] = 0;
  }

  /** Nothing but kind, reason and length is known. */
  #clearPacket(at: number, frameLength: number): void {
    const words = this.#words;
    words.fill(0, at, at + STATE + 1);
    words[at + KIND] &= 0xffff;
    words[at + PACKET] = frameLength << EventField.FrameLengthShift;
  }
}

/** Whether `packet` holds the packet that was dropped: an unfit frame has none, and an oversize one is not decoded. */
function isDecoded(packet: Packet, reason: number): boolean {
  return reason < FIRST_MALFORMED && reason !== OVERSIZE && packet.ipVersion !== 0;
}

/** Whether a ring of this version is there. */
export function isEventRing(buffer: ArrayBuffer): boolean {
  if (buffer.byteLength < EVENT_BYTES) return false;
  const header = new Int32Array(buffer, 0, EVENT_HEADER_WORDS);
  return header[EventHeader.Magic] === EVENT_MAGIC && header[EventHeader.Version] === EVENT_VERSION;
}
