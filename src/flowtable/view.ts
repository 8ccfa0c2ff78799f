/**
 * FlowView: reads a flow table, also one that another process is changing.
 *
 * Every read is bounded and depends on nothing but sizes checked at `open`, so a reader cannot be led out of the segment
 * or into a loop: it goes through records by number, never along links or the index. What it may see is a torn row, of
 * which some fields are of before a change and some of after it, and, when a record was reused in between, of two flows.
 * A reader that must not show such a row compares `lastSeen`, `packets` and the key before and after.
 */
import { FLOW_LISTS, LIST_OF_STATE, ageSince } from './expiry.ts';
import { Field, NO_FLOW, RECORD_WORDS, Word } from './record.ts';
import type { FlowIndex } from './record.ts';
import { FlowStat, Header, partsOf, segmentProblem } from './segment.ts';
import type { SegmentParts } from './segment.ts';

const LOCAL = Word.Local;
const REMOTE = Word.Remote;
const PORTS = Word.Ports;
const TAG = Word.Tag;
const STATE = Word.State;
const SLOTS = Word.Slots;
const GENERATION = Word.Generation;
const PACKETS = Word.Packets;
const BYTES_LOW = Word.BytesLow;
const BYTES_HIGH = Word.BytesHigh;
const STATE_MASK = Field.State;
const TWO_TO_32 = 2 ** 32;

export type FlowViewResult =
  { readonly ok: true; readonly view: FlowView } | { readonly ok: false; readonly problem: string };

export class FlowView {
  readonly maxFlows: number;
  /** The segment's parts (segment.ts), for this folder. */
  readonly header: Int32Array;
  readonly stats: Float64Array;
  readonly index: Int32Array;
  readonly words: Int32Array;

  protected constructor(parts: SegmentParts) {
    this.header = parts.header;
    this.stats = parts.stats;
    this.index = parts.index;
    this.words = parts.words;
    this.maxFlows = parts.words.length / RECORD_WORDS;
  }

  /** A reader of the table at `byteOffset`, or what is wrong with it. Writes nothing. */
  static open(buffer: ArrayBufferLike, byteOffset: number): FlowViewResult {
    const problem = segmentProblem(buffer, byteOffset);
    if (problem !== undefined) return { ok: false, problem };
    const maxFlows = new Int32Array(buffer, byteOffset, Header.MaxFlows + 1)[Header.MaxFlows];
    return { ok: true, view: new FlowView(partsOf(buffer, byteOffset, maxFlows)) };
  }

  /** Records 0 to this - 1 have been used; go through them with `flowAt`. At most `maxFlows`. */
  get recordLimit(): number {
    const fresh = this.header[Header.Fresh];
    return fresh >= 0 && fresh <= this.maxFlows ? fresh : this.maxFlows;
  }

  /** The flow in a record, or `NO_FLOW` when the record is free. @param record 0 to `maxFlows` - 1 */
  flowAt(record: number): FlowIndex {
    const isLive = (this.words[record * RECORD_WORDS + STATE] & STATE_MASK) !== 0;
    return isLive ? (record as FlowIndex) : NO_FLOW;
  }

  /** Number of live flows. */
  get size(): number {
    let size = 0;
    for (let list = 0; list < FLOW_LISTS; list++) size += this.sizeOf(list);
    return size;
  }

  /** Number of flows in a list. @param list one of `FlowList` */
  sizeOf(list: number): number {
    return this.header[Header.Counts + list];
  }

  /** A statistic. @param stat one of `FlowStat`; for removals `FlowStat.Removed` + a `RemoveReason` */
  stat(stat: number): number {
    return this.stats[stat];
  }

  /** Lookups made. */
  get lookups(): number {
    return this.stats[FlowStat.Hits] + this.stats[FlowStat.Misses];
  }

  /** The timeout of a list in seconds. @param list one of `FlowList` */
  timeoutOf(list: number): number {
    return this.header[Header.Timeouts + list];
  }

  /** 4 or 6. */
  ipVersion(flow: FlowIndex): number {
    return (this.words[flow * RECORD_WORDS + STATE] & Field.Ipv6) === 0 ? 4 : 6;
  }

  /** One int32 word of the local address, most significant first; IPv4 is in word 3. @param word 0 to 3 */
  local(flow: FlowIndex, word: number): number {
    return this.words[flow * RECORD_WORDS + LOCAL + word];
  }

  /** One int32 word of the remote address, as `local`. */
  remote(flow: FlowIndex, word: number): number {
    return this.words[flow * RECORD_WORDS + REMOTE + word];
  }

  /** Local port; the echo identifier for ICMP and ICMPv6; else 0. */
  localPort(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + PORTS] >>> 16;
  }

  /** Remote port; for ICMP and ICMPv6 8 when the local side sends the requests, 0 when it answers them; else 0. */
  remotePort(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + PORTS] & 0xffff;
  }

  /** IP protocol number. */
  protocol(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + TAG] & 0xff;
  }

  /** VLAN identifier of the outer tag; 0 when absent. */
  vlanOuter(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + TAG] >>> 20;
  }

  /** VLAN identifier of the inner tag; 0 when absent. */
  vlanInner(flow: FlowIndex): number {
    return (this.words[flow * RECORD_WORDS + TAG] >>> 8) & 0xfff;
  }

  /** One of `FlowState`. */
  state(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + STATE] & STATE_MASK;
  }

  /** One of `FlowList`. */
  list(flow: FlowIndex): number {
    return LIST_OF_STATE[this.state(flow)];
  }

  /** Direction of the packet that opened the flow: 0 inbound, 1 outbound. */
  opener(flow: FlowIndex): number {
    return (this.words[flow * RECORD_WORDS + STATE] >>> Field.OpenerShift) & 1;
  }

  /** Seconds since its last packet. @param now monotonic seconds, the clock of the table's owner */
  idle(flow: FlowIndex, now: number): number {
    return ageSince(this.words[flow * RECORD_WORDS + STATE] >>> Field.LastSeenShift, now);
  }

  /** Counter slot of the rule that decided at stage 0, or `NO_SLOT`. */
  slot0(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + SLOTS] >>> 16;
  }

  /** Counter slot of the rule that decided at stage 1, or `NO_SLOT`. */
  slot1(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + SLOTS] & 0xffff;
  }

  /** Generation of the policy that admitted the flow, int32. */
  generation(flow: FlowIndex): number {
    return this.words[flow * RECORD_WORDS + GENERATION];
  }

  /** Packets in one direction, modulo 2^32: for totals of longer flows add up differences modulo 2^32. */
  packets(flow: FlowIndex, direction: number): number {
    return this.words[flow * RECORD_WORDS + PACKETS + direction] >>> 0;
  }

  /** Bytes in one direction, modulo 2^48: as counted by `touch`, IP header included, link header not. */
  bytes(flow: FlowIndex, direction: number): number {
    const base = flow * RECORD_WORDS;
    const high = (this.words[base + BYTES_HIGH] >>> (direction * 16)) & 0xffff;
    return high * TWO_TO_32 + (this.words[base + BYTES_LOW + direction] >>> 0);
  }
}
