/**
 * HashIndex: from a key to its record, by open addressing with linear probing.
 *
 * ```
 *   slot   tag | displacement 4 | record + 1          or 0 when empty; 7, 4 and 21 bits for 1,048,576 flows
 * ```
 *
 * The tag is as many upper bits of the hash as are left. The displacement is how many slots behind its home, the slot
 * that its hash names, the entry lies; 15 stands for 15 and more. Together they keep all but one probe in hundreds from
 * reading a record that is another flow's. The displacement also lets removal shift the entries behind the hole back
 * without reading their records, which in a large table are each a cache miss: there are no tombstones, and a lookup
 * never gets slower with age.
 *
 * A lookup and an insertion look at no more than `PROBE_LIMIT` slots. At load 0.5 a random table of a million has no run
 * near that long, and the seeded hash (hash.ts) leaves a sender no way to make one.
 */
import { hashKeyFrom, hashWords } from './hash.ts';
import type { FlowKey } from './key.ts';
import { Field, NO_FLOW, RECORD_WORDS, Word } from './record.ts';
import type { FlowIndex } from './record.ts';
import { Header } from './segment.ts';
import type { SegmentParts } from './segment.ts';

const PORTS = Word.Ports;
const TAG = Word.Tag;
const STATE = Word.State;
const IPV6 = Field.Ipv6;

/** The last word that every packet of a flow uses: on another cache line than the first. */
const LAST_HOT = Word.BytesLow + 1;

/** The most slots a lookup or an insertion looks at. */
export const PROBE_LIMIT = 1024;

const DISPLACEMENT_BITS = 4;
/** The displacement field of an entry that lies this far behind its home, or farther. */
const FAR = 2 ** DISPLACEMENT_BITS - 1;

export class HashIndex {
  readonly #index: Int32Array;
  readonly #words: Int32Array;
  /** From `hashKeyFrom`. */
  readonly hashKey: Int32Array;
  readonly #slotMask: number;
  readonly #recordMask: number;
  readonly #displacementShift: number;
  /** Displacement and tag: what an entry must have to be worth a look at its record. */
  readonly #matchMask: number;
  readonly #tagMask: number;

  constructor(parts: SegmentParts) {
    const maxFlows = parts.words.length / RECORD_WORDS;
    // Values 0 to maxFlows, so one bit more than maxFlows - 1 may need.
    const recordBits = 32 - Math.clz32(maxFlows);
    this.#index = parts.index;
    this.#words = parts.words;
    this.hashKey = hashKeyFrom(parts.header[Header.Seed0], parts.header[Header.Seed1]);
    this.#slotMask = parts.index.length - 1;
    this.#recordMask = 2 ** recordBits - 1;
    this.#displacementShift = recordBits;
    this.#matchMask = ~this.#recordMask;
    this.#tagMask = ~(2 ** (recordBits + DISPLACEMENT_BITS) - 1);
  }

  /** Empties the index. */
  clear(): void {
    this.#index.fill(0);
  }

  /** The hash of a key, whose place in the index it tells. */
  hashOf(key: FlowKey): number {
    return hashWords(this.hashKey, key.words, 0);
  }

  /** The hash of a record that holds a key, live or just freed. */
  hashOfRecord(record: number): number {
    return hashWords(this.hashKey, this.#words, record * RECORD_WORDS);
  }

  /**
   * Reads the places of some hashes in the index, then the records found there, which mostly are those of the keys. Two
   * short loops, because a processor waits for as many readings at once as fit its window.
   * @param hashes is overwritten
   * @returns a number without meaning; the caller keeps it, or the compiler leaves the reading out
   */
  preload(hashes: Int32Array, count: number): number {
    const index = this.#index;
    const slotMask = this.#slotMask;
    const recordMask = this.#recordMask;
    for (let n = 0; n < count; n++) hashes[n] = index[hashes[n] & slotMask] & recordMask;
    const words = this.#words;
    let read = 0;
    for (let n = 0; n < count; n++) {
      const record = hashes[n];
      if (record === 0) continue;
      const base = (record - 1) * RECORD_WORDS;
      read ^= words[base] ^ words[base + LAST_HOT];
    }
    return read;
  }

  /** The flow with this key, or `NO_FLOW`. */
  find(key: FlowKey): FlowIndex {
    const index = this.#index;
    const slotMask = this.#slotMask;
    const recordMask = this.#recordMask;
    const matchMask = this.#matchMask;
    const unit = recordMask + 1;
    const wanted = key.words;
    const hash = this.hashOf(key);
    let slot = hash & slotMask;
    let expected = hash & this.#tagMask;
    for (let probes = 0; probes < PROBE_LIMIT; probes++) {
      const entry = index[slot];
      if (entry === 0) return NO_FLOW;
      if (((entry ^ expected) & matchMask) === 0) {
        const record = (entry & recordMask) - 1;
        if (isSameKey(this.#words, record * RECORD_WORDS, wanted)) return record as FlowIndex;
      }
      slot = (slot + 1) & slotMask;
      if (probes < FAR) expected += unit;
    }
    return NO_FLOW;
  }

  /**
   * Enters a record whose words are filled and whose key is not in the index.
   * @returns the number of slots looked at; 0 when none was free within `PROBE_LIMIT`, and nothing is entered
   */
  add(flow: FlowIndex): number {
    const index = this.#index;
    const slotMask = this.#slotMask;
    const hash = this.hashOfRecord(flow);
    let slot = hash & slotMask;
    for (let displacement = 0; displacement < PROBE_LIMIT; displacement++) {
      if (index[slot] === 0) {
        index[slot] = (hash & this.#tagMask) | this.#displacementField(displacement) | (flow + 1);
        return displacement + 1;
      }
      slot = (slot + 1) & slotMask;
    }
    return 0;
  }

  /** Takes out a record that is in the index and whose key words are unchanged since `add`. */
  remove(flow: FlowIndex): void {
    const index = this.#index;
    const slotMask = this.#slotMask;
    let slot = this.#homeOf(flow);
    for (let probes = 0; (index[slot] & this.#recordMask) - 1 !== flow; probes++) {
      if (probes === PROBE_LIMIT) return;
      slot = (slot + 1) & slotMask;
    }
    let hole = slot;
    // Ends at the first empty slot: load is below 1, so there is one.
    for (slot = (hole + 1) & slotMask; index[slot] !== 0; slot = (slot + 1) & slotMask) {
      const entry = index[slot];
      const displacement = this.#displacementOf(entry, slot);
      const distance = (slot - hole) & slotMask;
      // Moves unless its home lies behind the hole.
      if (displacement >= distance) {
        const kept = entry & (this.#tagMask | this.#recordMask);
        index[hole] = kept | this.#displacementField(displacement - distance);
        hole = slot;
      }
    }
    index[hole] = 0;
  }

  /** How far an entry lies behind its home. */
  #displacementOf(entry: number, slot: number): number {
    const displacement = (entry >>> this.#displacementShift) & FAR;
    if (displacement !== FAR) return displacement;
    return (slot - this.#homeOf((entry & this.#recordMask) - 1)) & this.#slotMask;
  }

  #displacementField(displacement: number): number {
    return (displacement < FAR ? displacement : FAR) << this.#displacementShift;
  }

  #homeOf(record: number): number {
    return this.hashOfRecord(record) & this.#slotMask;
  }
}

/** Compares all ten key words and the family, without a branch for each. */
function isSameKey(words: Int32Array, base: number, wanted: Int32Array): boolean {
  const difference =
    (words[base + PORTS] ^ wanted[PORTS]) |
    (words[base + TAG] ^ wanted[TAG]) |
    ((words[base + STATE] ^ wanted[STATE]) & IPV6) |
    (words[base] ^ wanted[0]) |
    (words[base + 1] ^ wanted[1]) |
    (words[base + 2] ^ wanted[2]) |
    (words[base + 3] ^ wanted[3]) |
    (words[base + 4] ^ wanted[4]) |
    (words[base + 5] ^ wanted[5]) |
    (words[base + 6] ^ wanted[6]) |
    (words[base + 7] ^ wanted[7]);
  return difference === 0;
}
