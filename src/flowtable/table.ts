/**
 * FlowTable: the memory of flows. From a key to a record, with least-recently-used lists, idle expiry and eviction.
 *
 * The goals, in order: a hit costs one index line and one record; nothing allocates; no sender can make it slow, grow or
 * forget live connections; another process can read it; a process killed at any point leaves something to go on with.
 *
 * - Records are rows in one Int32Array (record.ts); the index (hash-index.ts) finds them; nothing moves a record while
 *   its flow lives, so a `FlowIndex` is valid until the flow is removed.
 * - Each flow is in the list of its state (expiry.ts). A packet moves its flow to the head, but only when the second has
 *   changed since its last packet: within a second the order does not matter, and most hits write only the record.
 * - A new flow in a full table takes the place of the oldest closed, closing or unreplied flow. An established flow
 *   leaves only by its timeout; when nothing else is left, the new flow is refused and counted.
 *
 * Time is monotonic whole seconds, given by the caller; a record keeps it modulo 2^24.
 */
import { BUCKET_MARKS, bucketsFor, EstablishedMarks } from './established-marks.ts';
import { EVICTION_ORDER, EXPIRY_REASONS, FLOW_LISTS, FlowList, LIST_OF_STATE } from './expiry.ts';
import { DEFAULT_TIMEOUTS, ageSince } from './expiry.ts';
import type { FlowTimeouts } from './expiry.ts';
import { HashIndex } from './hash-index.ts';
import type { FlowKey } from './key.ts';
import { FlowLists } from './lists.ts';
import { Field, FlowState, NO_FLOW, RECORD_WORDS, RemoveReason, Word } from './record.ts';
import type { FlowIndex } from './record.ts';
import { FLOW_TABLE_MAGIC, FLOW_TABLE_VERSION, FlowStat, Header, MAX_FLOWS } from './segment.ts';
import {
  MIN_FLOWS,
  bytesFor,
  partsOf,
  segmentProblem,
  slotsFor,
  writeTimeouts,
} from './segment.ts';
import { recoverFlows } from './recover.ts';
import type { Recovery } from './recover.ts';
import type { SegmentParts } from './segment.ts';
import { FlowView } from './view.ts';

const STATE = Word.State;
const SLOTS = Word.Slots;
const GENERATION = Word.Generation;
const NEXT = Word.Next;
const PACKETS = Word.Packets;
const BYTES_LOW = Word.BytesLow;
const BYTES_HIGH = Word.BytesHigh;
const STATE_MASK = Field.State;
const KEPT = Field.Kept;
const OPENER_SHIFT = Field.OpenerShift;
const LAST_SEEN_SHIFT = Field.LastSeenShift;
const UNREPLIED = FlowState.Unreplied;
const FRESH = Header.Fresh;
const FREE_HEAD = Header.FreeHead;
const CLOCK = Header.Clock;
const TIMEOUTS = Header.Timeouts;
const ESTABLISHED = FlowList.Established;
const HITS = FlowStat.Hits;
const MISSES = FlowStat.Misses;
const INSERTS = FlowStat.Inserts;
const TABLE_FULL = FlowStat.TableFull;
const PROBE_LIMIT_STAT = FlowStat.ProbeLimit;
const LONGEST_PROBE = FlowStat.LongestProbe;
const REMOVED = FlowStat.Removed;

export interface FlowTableOptions {
  /** 1 to 16,777,216. A power of two wastes nothing. */
  readonly maxFlows: number;
  /** Two secret random 32-bit numbers: whoever knows them can choose colliding keys. */
  readonly seeds: readonly [number, number];
  readonly timeouts?: FlowTimeouts;
}

export type AttachResult =
  | { readonly ok: true; readonly table: FlowTable; readonly recovery: Recovery }
  | { readonly ok: false; readonly problem: string };

/**
 * Who is told of every flow that leaves, while its record still holds it; must not change the table. An object with a method,
 * not a function: V8 compiles a call of one closure for that closure alone, and compiles all anew when a second comes.
 */
export interface FlowListener {
  ended(flows: FlowView, flow: FlowIndex, reason: number): void;
}

const NOBODY: FlowListener = {
  ended() {
    // Nobody is listening.
  },
};

export class FlowTable extends FlowView {
  /** For flow logs. */
  listener: FlowListener = NOBODY;
  /** Words of each of the buckets that `useMarks` wants. */
  readonly bucketWords = BUCKET_MARKS;
  readonly #lookup: HashIndex;
  readonly #lists: FlowLists;
  #marks: EstablishedMarks | undefined;

  private constructor(parts: SegmentParts) {
    super(parts);
    this.#lookup = new HashIndex(parts);
    this.#lists = new FlowLists(parts.header, parts.words);
  }

  /** Bytes that a table of `maxFlows` flows takes. */
  static bytesFor(maxFlows: number): number {
    return bytesFor(maxFlows);
  }

  /**
   * An empty table over `FlowTable.bytesFor(maxFlows)` bytes of `buffer`, whatever they held.
   * @param byteOffset a multiple of 8
   * @throws RangeError when the sizes do not fit or a timeout is out of range
   */
  static create(buffer: ArrayBufferLike, byteOffset: number, options: FlowTableOptions): FlowTable {
    const { maxFlows, seeds, timeouts = DEFAULT_TIMEOUTS } = options;
    if (!Number.isInteger(maxFlows) || maxFlows < MIN_FLOWS || maxFlows > MAX_FLOWS) {
      throw new RangeError(`maxFlows ${maxFlows} is not ${MIN_FLOWS} to ${MAX_FLOWS}`);
    }
    const parts = partsOf(buffer, byteOffset, maxFlows);
    const header = parts.header;
    // Identity last: a table cut short here is not mistaken for one.
    header.fill(0);
    header[Header.MaxFlows] = maxFlows;
    header[Header.Slots] = slotsFor(maxFlows);
    header[Header.Seed0] = seeds[0] | 0;
    header[Header.Seed1] = seeds[1] | 0;
    header[FREE_HEAD] = NO_FLOW;
    writeTimeouts(header, timeouts);
    parts.stats.fill(0);
    const table = new FlowTable(parts);
    table.#lookup.clear();
    table.#lists.clear();
    header[Header.Version] = FLOW_TABLE_VERSION;
    header[Header.Magic] = FLOW_TABLE_MAGIC;
    return table;
  }

  /**
   * The table that a former process left in `buffer`, whichever store it was killed at. Only the records are trusted,
   * and each only when it makes sense; everything else is made anew from them in one pass (about 0.5 s for a million
   * flows). Statistics and timeouts stay. Never hangs or throws, whatever the bytes.
   * @param now on the former process's clock
   */
  static attach(buffer: ArrayBufferLike, byteOffset: number, now: number): AttachResult {
    const problem = segmentProblem(buffer, byteOffset);
    if (problem !== undefined) return { ok: false, problem };
    const maxFlows = new Int32Array(buffer, byteOffset, Header.MaxFlows + 1)[Header.MaxFlows];
    const parts = partsOf(buffer, byteOffset, maxFlows);
    const table = new FlowTable(parts);
    const recovery = recoverFlows(parts, table.#lookup, table.#lists, now);
    return { ok: true, table, recovery };
  }

  /** Changes the timeouts; flows already older than the new ones expire by and by. @throws RangeError */
  setTimeouts(timeouts: FlowTimeouts): void {
    writeTimeouts(this.header, timeouts);
  }

  /**
   * The live flow with this key, or `NO_FLOW`. One that has expired is removed on the way. Counts a hit or a miss.
   * @param now monotonic seconds
   */
  find(key: FlowKey, now: number): FlowIndex {
    const flow = this.#lookup.find(key);
    if (flow !== NO_FLOW) {
      if (!this.#isExpired(flow, now)) {
        this.stats[HITS]++;
        return flow;
      }
      this.remove(flow, EXPIRY_REASONS[this.list(flow)]);
    }
    this.stats[MISSES]++;
    return NO_FLOW;
  }

  /** Secret multipliers of the flow hash (hash.ts). */
  get hashKey(): Int32Array {
    return this.#lookup.hashKey;
  }

  /** How many buckets `useMarks` wants. */
  get markBuckets(): number {
    return bucketsFor(this.maxFlows);
  }

  /**
   * Keeps the marks of the established flows in these words from now on, and puts those of the flows there are in: one
   * pass over the records.
   * @param words zero, `bucketWords` for each of `markBuckets`
   */
  useMarks(words: Int32Array): void {
    const marks = new EstablishedMarks(words);
    this.#marks = marks;
    const end = this.header[FRESH] * RECORD_WORDS;
    for (let base = 0; base < end; base += RECORD_WORDS) {
      const state = this.words[base + STATE] & STATE_MASK;
      if (state === 0 || LIST_OF_STATE[state] !== ESTABLISHED) continue;
      marks.mark(this.#lookup.hashOfRecord(base / RECORD_WORDS));
    }
  }

  /** The hash of a key, for `preload`. */
  hashOf(key: FlowKey): number {
    return this.#lookup.hashOf(key);
  }

  /**
   * Reads what `find` will read of the keys with these hashes, all at once, so that it is near then. Changes nothing.
   * @param hashes is overwritten
   * @returns a number without meaning; the caller keeps it, or the compiler leaves the reading out
   */
  preload(hashes: Int32Array, count: number): number {
    return this.#lookup.preload(hashes, count);
  }

  /**
   * A new flow, in state `Unreplied` and with no packet counted: call `track` or `touch` with its first packet next.
   * @param key not in the table: `find` has just said so
   * @param direction of its first packet, 0 inbound, 1 outbound
   * @param generation of the policy that admits it, int32
   * @param slots from `packSlots`
   * @returns `NO_FLOW` when refused: every record holds an established flow (counted in `FlowStat.TableFull`)
   */
  insert(
    key: FlowKey,
    direction: number,
    now: number,
    generation: number,
    slots: number,
  ): FlowIndex {
    const flow = this.#takeRecord(now);
    if (flow === NO_FLOW) {
      this.stats[TABLE_FULL]++;
      return NO_FLOW;
    }
    const words = this.words;
    const base = flow * RECORD_WORDS;
    for (let word = 0; word < STATE; word++) words[base + word] = key.words[word];
    for (let word = STATE; word < RECORD_WORDS; word++) words[base + word] = 0;
    words[base + SLOTS] = slots;
    words[base + GENERATION] = generation;
    const state =
      key.words[STATE] | (direction << OPENER_SHIFT) | UNREPLIED | (now << LAST_SEEN_SHIFT);
    return this.#enter(flow, state);
  }

  /**
   * Counts a packet of a flow and makes the flow the most recent of its list.
   * @param bytes of the packet, 0 to 65575
   * @param state the flow's state from now on, one of `FlowState` but `Free`
   */
  touch(flow: FlowIndex, direction: number, bytes: number, now: number, state: number): void {
    const words = this.words;
    const base = flow * RECORD_WORDS;
    const before = words[base + STATE];
    const after = (before & KEPT) | state | (now << LAST_SEEN_SHIFT);
    if (after !== before) {
      words[base + STATE] = after;
      const from = LIST_OF_STATE[before & STATE_MASK];
      const to = LIST_OF_STATE[state];
      this.#lists.moveFirst(flow, from, to);
      if (from !== to) this.#noteMove(flow, from, to);
    }
    words[base + PACKETS + direction]++;
    const low = words[base + BYTES_LOW + direction];
    const sum = (low + bytes) | 0;
    words[base + BYTES_LOW + direction] = sum;
    if (sum >>> 0 < low >>> 0) this.#carryBytes(base, direction);
  }

  /** Records that the policy of `generation` admits the flow too, by the rules of `slots`. */
  restamp(flow: FlowIndex, generation: number, slots: number): void {
    this.words[flow * RECORD_WORDS + GENERATION] = generation;
    this.words[flow * RECORD_WORDS + SLOTS] = slots;
  }

  /** Removes a live flow. @param reason one of `RemoveReason` */
  remove(flow: FlowIndex, reason: number): void {
    this.listener.ended(this, flow, reason);
    const words = this.words;
    const base = flow * RECORD_WORDS;
    const list = LIST_OF_STATE[words[base + STATE] & STATE_MASK];
    // The key and the IPv6 bit stay readable for the index; clearing the state alone makes the record free.
    words[base + STATE] &= ~STATE_MASK;
    this.#lists.remove(flow, list);
    if (list === ESTABLISHED) this.#marks?.unmark(this.#lookup.hashOfRecord(flow));
    this.#lookup.remove(flow);
    words[base + NEXT] = this.header[FREE_HEAD];
    this.header[FREE_HEAD] = flow;
    this.stats[REMOVED + reason]++;
  }

  /**
   * Removes expired flows, at most `budget` of them, oldest first in each list. Call once per batch of packets.
   * @returns how many were removed; `budget` means there may be more
   */
  sweep(now: number, budget: number): number {
    this.header[CLOCK] = now;
    let removed = 0;
    for (let list = 0; list < FLOW_LISTS; list++) {
      while (removed < budget) {
        const flow = this.#lists.oldest(list);
        if (flow === NO_FLOW || !this.#isExpired(flow, now)) break;
        this.remove(flow, EXPIRY_REASONS[list]);
        removed++;
      }
    }
    return removed;
  }

  #isExpired(flow: FlowIndex, now: number): boolean {
    const word = this.words[flow * RECORD_WORDS + STATE];
    const lastSeen = word >>> LAST_SEEN_SHIFT;
    // Most flows of a burst were seen this very second; saves reading the timeout, a tenth of a lookup.
    if (lastSeen === now) return false;
    const age = ageSince(lastSeen, now);
    return age > this.header[TIMEOUTS + LIST_OF_STATE[word & STATE_MASK]];
  }

  /** A free record: from the free list, never used, or given up by another flow. */
  #takeRecord(now: number): FlowIndex {
    const header = this.header;
    if (header[FREE_HEAD] === NO_FLOW) {
      const fresh = header[FRESH];
      if (fresh < this.maxFlows) {
        // Whatever the memory held before the table was made must not look live.
        this.words[fresh * RECORD_WORDS + STATE] = 0;
        header[FRESH] = fresh + 1;
        return fresh as FlowIndex;
      }
      if (!this.#makeRoom(now)) return NO_FLOW;
    }
    const flow = header[FREE_HEAD] as FlowIndex;
    header[FREE_HEAD] = this.words[flow * RECORD_WORDS + NEXT];
    return flow;
  }

  /** Gives up one flow of a full table. @returns false when only live established flows are left */
  #makeRoom(now: number): boolean {
    for (let place = 0; place < EVICTION_ORDER.length; place++) {
      const list = EVICTION_ORDER[place];
      const flow = this.#lists.oldest(list);
      if (flow === NO_FLOW) continue;
      const isOver = this.#isExpired(flow, now);
      this.remove(flow, isOver ? EXPIRY_REASONS[list] : RemoveReason.Evicted);
      return true;
    }
    const flow = this.#lists.oldest(FlowList.Established);
    if (flow === NO_FLOW || !this.#isExpired(flow, now)) return false;
    this.remove(flow, RemoveReason.Timeout);
    return true;
  }

  /** Indexes, links and, last, makes live a record whose other words are filled. */
  #enter(flow: FlowIndex, state: number): FlowIndex {
    const words = this.words;
    const base = flow * RECORD_WORDS;
    words[base + STATE] = state & ~STATE_MASK;
    const probes = this.#lookup.add(flow);
    if (probes === 0) {
      words[base + NEXT] = this.header[FREE_HEAD];
      this.header[FREE_HEAD] = flow;
      this.stats[PROBE_LIMIT_STAT]++;
      return NO_FLOW;
    }
    if (probes > this.stats[LONGEST_PROBE]) this.stats[LONGEST_PROBE] = probes;
    this.#lists.pushFirst(flow, LIST_OF_STATE[state & STATE_MASK]);
    words[base + STATE] = state;
    this.stats[INSERTS]++;
    return flow;
  }

  /** Some times in the life of a flow. */
  #noteMove(flow: FlowIndex, from: number, to: number): void {
    const marks = this.#marks;
    if (marks === undefined) return;
    if (to === ESTABLISHED) marks.mark(this.#lookup.hashOfRecord(flow));
    else if (from === ESTABLISHED) marks.unmark(this.#lookup.hashOfRecord(flow));
  }

  #carryBytes(base: number, direction: number): void {
    const high = this.words[base + BYTES_HIGH];
    this.words[base + BYTES_HIGH] =
      direction === 0 ? (high & 0xffff_0000) | ((high + 1) & 0xffff) : (high + 0x1_0000) | 0;
  }
}
