/**
 * FlowEventReader: the reading end of the ring of flow events (event-record.ts), in the control process.
 *
 * The writer may be killed, replaced or, at worst, taken over through a packet, so nothing that stands in the ring leads
 * out of it or into a loop: positions that cannot be are mended, records of no known kind are skipped, and both are
 * counted. Fields of the current event may be read until `next` is called again; only then is its place given back.
 */
import { Field, Word } from '../flowtable/record.ts';
import {
  EVENT_BYTES,
  EVENT_CAPACITY,
  EVENT_HEADER_WORDS,
  EVENT_WORDS,
  EventCount,
  EventField,
  EventHeader,
  EventKind,
  EventWord,
} from './event-record.ts';
import { FlowEventsError, isEventRing } from './flow-events.ts';

const TWO_TO_32 = 2 ** 32;

export class FlowEventReader {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  /** Of the current event, in words. */
  #at = EVENT_HEADER_WORDS;
  #isCurrent = false;
  /** Records that could not be events, and times that the positions made no sense. */
  damaged = 0;

  /** @throws FlowEventsError where there is no ring of this version */
  constructor(buffer: ArrayBuffer) {
    if (!isEventRing(buffer))
      throw new FlowEventsError('not a ring of flow events of this version');
    this.#words = new Int32Array(buffer, 0, EVENT_BYTES >> 2);
    this.#doubles = new Float64Array(buffer, 0, EVENT_BYTES >> 3);
  }

  /** Gives back the current event and goes to the next. @returns false when there is none */
  next(): boolean {
    const words = this.#words;
    if (this.#isCurrent) {
      this.#isCurrent = false;
      Atomics.add(words, EventHeader.Read, 1);
    }
    for (;;) {
      const read = words[EventHeader.Read];
      const written = Atomics.load(words, EventHeader.Written);
      const waiting = (written - read) | 0;
      if (waiting === 0) return false;
      if (waiting < 0 || waiting > EVENT_CAPACITY) {
        this.damaged++;
        Atomics.store(words, EventHeader.Read, written);
        return false;
      }
      this.#at = EVENT_HEADER_WORDS + (read & (EVENT_CAPACITY - 1)) * EVENT_WORDS;
      const { kind } = this;
      if (kind >= EventKind.Opened && kind <= EventKind.Denied) {
        this.#isCurrent = true;
        return true;
      }
      this.damaged++;
      Atomics.add(words, EventHeader.Read, 1);
    }
  }

  /** Events of a kind that were put into the ring since the segment was made. @param kind one of `EventKind` */
  written(kind: number): number {
    return this.#doubles[EventCount.Written + kind];
  }

  /** Events of a kind that were left out: the ring was full, or more packets were denied than are told. */
  lost(kind: number): number {
    return this.#doubles[EventCount.Lost + kind];
  }

  /** One of `EventKind`. */
  get kind(): number {
    return this.#word(EventWord.Kind) & EventField.Byte;
  }

  /** A `RemoveReason` of an ended flow, else a `Reason`; 0 to 255. */
  get reason(): number {
    return (this.#word(EventWord.Kind) >>> EventField.ReasonShift) & EventField.Byte;
  }

  /** Milliseconds of CLOCK_MONOTONIC; the time of the batch. */
  get time(): number {
    return this.#doubles[(this.#at >> 1) + EventWord.TimeDouble];
  }

  /** False for a frame that carries no packet, or none that is fit: then only direction, reason and length are valid. */
  get hasPacket(): boolean {
    return this.ipVersion !== 0;
  }

  /** 4 or 6; 0 without a packet. */
  get ipVersion(): number {
    if ((this.#word(EventWord.Packet) & EventField.HasPacket) === 0) return 0;
    return (this.#word(Word.State) & Field.Ipv6) === 0 ? 4 : 6;
  }

  /** Of the packet that opened the flow or was denied: 0 inbound, 1 outbound. */
  get direction(): 0 | 1 {
    return ((this.#word(Word.State) >>> Field.OpenerShift) & 1) as 0 | 1;
  }

  /** One int32 word of the local address, most significant first; IPv4 is in word 3. @param word 0 to 3 */
  local(word: number): number {
    return this.#word(Word.Local + word);
  }

  /** One int32 word of the remote address, as `local`. */
  remote(word: number): number {
    return this.#word(Word.Remote + word);
  }

  /** As `FlowView.localPort`; 0 where the packet has no ports. */
  get localPort(): number {
    return this.#word(Word.Ports) >>> 16;
  }

  /** As `FlowView.remotePort`. */
  get remotePort(): number {
    return this.#word(Word.Ports) & 0xffff;
  }

  /** False for a later fragment, and for protocols without ports. */
  get hasPorts(): boolean {
    const { protocol } = this;
    const isWithPorts = protocol === 6 || protocol === 17;
    return isWithPorts && (this.#word(EventWord.Packet) & EventField.HasPorts) !== 0;
  }

  /** True for a fragment that is not the first: it has no header of its protocol. */
  get isLaterFragment(): boolean {
    return (this.#word(EventWord.Packet) & EventField.IsLaterFragment) !== 0;
  }

  /** IP protocol number. */
  get protocol(): number {
    return this.#word(Word.Tag) & 0xff;
  }

  /** VLAN identifiers; 0 when absent. */
  get vlanOuter(): number {
    return this.#word(Word.Tag) >>> 20;
  }

  get vlanInner(): number {
    return (this.#word(Word.Tag) >>> 8) & 0xfff;
  }

  /** Of the packet that opened the flow or was denied; 0 for an ended flow and for other protocols. */
  get icmpType(): number {
    return (this.#word(EventWord.Kind) >>> EventField.IcmpTypeShift) & EventField.Byte;
  }

  get icmpCode(): number {
    return this.#word(EventWord.Kind) >>> EventField.IcmpCodeShift;
  }

  /** `TcpFlag` bits of that packet. */
  get tcpFlags(): number {
    return (this.#word(EventWord.Packet) >>> EventField.TcpFlagsShift) & EventField.Byte;
  }

  /** Bytes of that packet's frame, modulo 65536; 0 for an ended flow. */
  get frameLength(): number {
    return this.#word(EventWord.Packet) >>> EventField.FrameLengthShift;
  }

  /** Counter slots of the deciding rules, or `NO_SLOT`; of a denied packet the last that is one denied it. */
  get slot0(): number {
    return this.#word(Word.Slots) >>> 16;
  }

  get slot1(): number {
    return this.#word(Word.Slots) & 0xffff;
  }

  get generation(): number {
    return this.#word(Word.Generation);
  }

  /** Record of the flow in the flow table, which may hold another by now; -1 for a denied packet. */
  get flow(): number {
    return this.#word(EventWord.Flow);
  }

  /** Of the flow, modulo 2^32. @param direction 0 inbound, 1 outbound */
  packets(direction: number): number {
    return this.#word(EventWord.Packets + direction) >>> 0;
  }

  /** Of the flow, modulo 2^48, as `FlowView.bytes`. */
  bytes(direction: number): number {
    const high = (this.#word(EventWord.BytesHigh) >>> (direction * 16)) & 0xffff;
    return high * TWO_TO_32 + (this.#word(EventWord.BytesLow + direction) >>> 0);
  }

  #word(word: number): number {
    return this.#words[this.#at + word];
  }
}
