/**
 * The flow table's segment: one stretch of an ArrayBuffer, which may be memory shared with another process.
 *
 * ```
 *   byte 0     header, int32 words: identity, sizes, seeds, free records, lists, timeouts   (`Header`)
 *        128   statistics, 16 float64                                                       (`FlowStat`)
 *        256   index: `slots` int32                                             (hash-index.ts)
 *        ...   records: maxFlows of 22 int32                                                (record.ts)
 * ```
 *
 * `slots` is the smallest power of two that is at least 4/3 of maxFlows. For a maxFlows that is itself a power of two
 * that is two slots per flow: load at most 0.5, and 96 bytes per flow, header aside.
 */
import { DEFAULT_TIMEOUTS, FLOW_LISTS, MAX_TIMEOUT } from './expiry.ts';
import type { FlowTimeouts } from './expiry.ts';
import { RECORD_WORDS } from './record.ts';

export const FLOW_TABLE_MAGIC = 0x4e53_4746;
/** Changes with every change of the header or of a record. */
export const FLOW_TABLE_VERSION = 1;

export const MIN_FLOWS = 1;
/** 16,777,216: leaves at least 3 bits of each index slot for the hash tag (hash-index.ts). */
export const MAX_FLOWS = 2 ** 24;

/** Header offsets in words. */
export const Header = Object.freeze({
  Magic: 0,
  Version: 1,
  MaxFlows: 2,
  Slots: 3,
  Seed0: 4,
  Seed1: 5,
  /** Records from here on have never been used, so their memory has never been touched. */
  Fresh: 6,
  /** First record of the free list, linked through `Word.Next`; -1 when empty. */
  FreeHead: 7,
  /** Seconds of the last sweep. */
  Clock: 8,
  /** Per list: most recent record, least recent record (-1 when empty), number of records, timeout in seconds. */
  Heads: 10,
  Tails: 14,
  Counts: 18,
  Timeouts: 22,
} as const);

export const HEADER_WORDS = 32;
const STATS_OFFSET = HEADER_WORDS * 4;
const HEADER_BYTES = 256;

/** Statistics, each a float64 that only grows (`LongestProbe`: a maximum). */
export const FlowStat = Object.freeze({
  /** Lookups that found a live flow, and lookups that did not. */
  Hits: 0,
  Misses: 1,
  Inserts: 2,
  /** Insertions refused because every record holds an established flow. */
  TableFull: 3,
  /** Insertions refused because no index slot was free within the probe limit. */
  ProbeLimit: 4,
  /** The most index slots that one insertion looked at. */
  LongestProbe: 5,
  /** Flows removed, by `RemoveReason`: add the reason. */
  Removed: 6,
} as const);
export const FLOW_STATS = 16;

export interface SegmentParts {
  readonly header: Int32Array;
  readonly stats: Float64Array;
  readonly index: Int32Array;
  readonly words: Int32Array;
}

/** Bytes of a segment for `maxFlows` flows, 1 to 16,777,216. */
export function bytesFor(maxFlows: number): number {
  return HEADER_BYTES + slotsFor(maxFlows) * 4 + maxFlows * RECORD_WORDS * 4;
}

/** Index slots for `maxFlows` flows. */
export function slotsFor(maxFlows: number): number {
  let slots = 2;
  while (slots * 3 < maxFlows * 4) slots *= 2;
  return slots;
}

/** The views of a segment whose size is known to fit. */
export function partsOf(
  buffer: ArrayBufferLike,
  byteOffset: number,
  maxFlows: number,
): SegmentParts {
  const slots = slotsFor(maxFlows);
  const indexOffset = byteOffset + HEADER_BYTES;
  return {
    header: new Int32Array(buffer, byteOffset, HEADER_WORDS),
    stats: new Float64Array(buffer, byteOffset + STATS_OFFSET, FLOW_STATS),
    index: new Int32Array(buffer, indexOffset, slots),
    words: new Int32Array(buffer, indexOffset + slots * 4, maxFlows * RECORD_WORDS),
  };
}

/**
 * What keeps the bytes at `byteOffset` from being a flow table of this version, in words for a log; undefined when
 * nothing does. Looks at identity and sizes only.
 */
export function segmentProblem(buffer: ArrayBufferLike, byteOffset: number): string | undefined {
  if (!Number.isInteger(byteOffset) || byteOffset < 0 || byteOffset % 8 !== 0) {
    return `byte offset ${byteOffset} is not a multiple of 8`;
  }
  if (byteOffset + HEADER_BYTES > buffer.byteLength) return 'too short for a header';
  const header = new Int32Array(buffer, byteOffset, HEADER_WORDS);
  if (header[Header.Magic] !== FLOW_TABLE_MAGIC) return 'not a flow table';
  if (header[Header.Version] !== FLOW_TABLE_VERSION) {
    return `layout version ${header[Header.Version]}, expected ${FLOW_TABLE_VERSION}`;
  }
  const maxFlows = header[Header.MaxFlows];
  if (maxFlows < MIN_FLOWS || maxFlows > MAX_FLOWS) return `${maxFlows} flows is out of range`;
  if (header[Header.Slots] !== slotsFor(maxFlows)) {
    return `${header[Header.Slots]} index slots for ${maxFlows} flows`;
  }
  if (byteOffset + bytesFor(maxFlows) > buffer.byteLength) {
    return `too short for ${maxFlows} flows`;
  }
  return undefined;
}

/** Writes the timeouts into the header. @throws RangeError for one that is no whole number from 1 to `MAX_TIMEOUT` */
export function writeTimeouts(header: Int32Array, timeouts: FlowTimeouts): void {
  const values = listedTimeouts(timeouts);
  for (const value of values) {
    if (!Number.isInteger(value) || value < 1 || value > MAX_TIMEOUT) {
      throw new RangeError(`flow timeout ${value} is not 1 to ${MAX_TIMEOUT} seconds`);
    }
  }
  header.set(values, Header.Timeouts);
}

/** Puts the default where the header holds an impossible timeout. */
export function repairTimeouts(header: Int32Array): void {
  const defaults = listedTimeouts(DEFAULT_TIMEOUTS);
  for (let list = 0; list < FLOW_LISTS; list++) {
    const value = header[Header.Timeouts + list];
    if (value < 1 || value > MAX_TIMEOUT) header[Header.Timeouts + list] = defaults[list];
  }
}

/** In the order of `FlowList`. */
function listedTimeouts(timeouts: FlowTimeouts): number[] {
  return [timeouts.unreplied, timeouts.established, timeouts.closing, timeouts.closed];
}
