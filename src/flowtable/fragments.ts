/**
 * FragmentTable: the verdict of a datagram's first fragment, for the fragments that carry no ports.
 *
 * Nothing is reassembled and nothing is held back: a later fragment passes when its datagram's first fragment passed
 * before it, and when it overlaps nothing that was seen (RFC 5722 for IPv6; IPv4 is held to the same, RFC 1858 and
 * RFC 3128 say why). A datagram with an overlap is poisoned: all that still comes of it is dropped until it times out.
 * One whose every byte was seen once is complete and forgotten, so its identification may be used again at once.
 *
 * Fragments are rare until somebody floods with them. So this is a table of fixed size that allocates nothing, since the
 * garbage of a flood would make every other packet wait for the collector: records in a list by last use, found through
 * chains of a hash whose seeds are secret (hash.ts). The fragments tracked per datagram and the time are bounded too.
 */
import type { Packet } from '../capture/packet.ts';
import { hashKeyFrom, hashWords } from './hash.ts';
import { Field, Word } from './record.ts';

export const FragmentCode = Object.freeze({
  /** The first fragment was allowed, and this one fits. */
  Allow: 0,
  /** The first fragment was denied. */
  Deny: 1,
  /** No first fragment is known. */
  Unknown: 2,
  /** It repeats or overlaps what was seen, or reaches past the datagram's end. */
  Overlap: 3,
  /** The datagram has more fragments than are tracked. */
  Full: 4,
} as const);
export type FragmentCode = (typeof FragmentCode)[keyof typeof FragmentCode];

const { Allow, Deny, Unknown, Overlap, Full } = FragmentCode;
const IPV6 = Field.Ipv6;
const FAMILY = Word.State;

/** Datagrams remembered; the least recently used goes first. */
export const MAX_DATAGRAMS = 4096;
/** Fragments tracked per datagram: 65,535 bytes in fragments of 512. */
export const MAX_FRAGMENTS = 128;
/** Seconds after its first fragment that a datagram is remembered (RFC 791 and Linux: 30 s; RFC 8200 section 4.5). */
const LIFETIME_IPV4 = 30;
const LIFETIME_IPV6 = 60;

const UNKNOWN_LENGTH = -1;
const NONE = -1;
/** Two for each record; a power of two. */
const CHAINS = MAX_DATAGRAMS * 2;
/** Words of a key, the family included: those that hash.ts hashes. */
const KEY_WORDS = FAMILY + 1;
/** Start and end of each fragment. */
const BOUNDS = MAX_FRAGMENTS * 2;
/** Of `#flags`. */
const ALLOWED = 1;
const POISONED = 2;

export class FragmentTable {
  readonly #hashKey: Int32Array;
  /** The key that is looked for; overwritten by every call. */
  readonly #wanted = new Int32Array(KEY_WORDS);
  /** The first record of each chain, and the next of each record; free records are a chain too. */
  readonly #chains = new Int32Array(CHAINS).fill(NONE);
  readonly #next = new Int32Array(MAX_DATAGRAMS);
  /** By last use. */
  readonly #newer = new Int32Array(MAX_DATAGRAMS);
  readonly #older = new Int32Array(MAX_DATAGRAMS);
  #newest = NONE;
  #oldest = NONE;
  #free = 0;
  #size = 0;

  // Columns, one row for each datagram.
  readonly #keys = new Int32Array(MAX_DATAGRAMS * KEY_WORDS);
  readonly #flags = new Uint8Array(MAX_DATAGRAMS);
  /** Monotonic second from which on it is unknown. */
  readonly #deadlines = new Int32Array(MAX_DATAGRAMS);
  /** Bytes seen, and bytes in all once the last fragment was seen. */
  readonly #seen = new Int32Array(MAX_DATAGRAMS);
  readonly #lengths = new Int32Array(MAX_DATAGRAMS);
  /** Numbers in `#bounds`: half-open ranges of bytes seen, start, end, start, end. */
  readonly #boundCounts = new Int32Array(MAX_DATAGRAMS);
  readonly #bounds = new Int32Array(MAX_DATAGRAMS * BOUNDS);

  /** @param seeds secret, of this process */
  constructor([seed0, seed1]: readonly [number, number]) {
    this.#hashKey = hashKeyFrom(seed0, seed1);
    for (let at = 0; at < MAX_DATAGRAMS; at++) this.#next[at] = at + 1;
    this.#next[MAX_DATAGRAMS - 1] = NONE;
  }

  /** Datagrams remembered, those past their time included. */
  get size(): number {
    return this.#size;
  }

  /**
   * Whether a datagram's first fragment may be judged: false when it has one already. Then the datagram is poisoned,
   * because nobody can tell which of the two its receiver will believe (RFC 1858 section 4).
   * @param direction 0 inbound, 1 outbound
   * @param now monotonic seconds
   */
  isNew(packet: Packet, direction: number, now: number): boolean {
    const at = this.#find(packet, direction, now);
    if (at === NONE) return true;
    this.#flags[at] |= POISONED;
    return false;
  }

  /**
   * Notes what became of a first fragment that `isNew`.
   * @param access 1 when it was allowed, 0 when it was denied
   */
  note(packet: Packet, direction: number, access: number, now: number): void {
    const known = this.#find(packet, direction, now);
    if (known !== NONE) this.#remove(known);
    else if (this.#free === NONE) this.#remove(this.#oldest);
    const at = this.#insert();
    this.#flags[at] = access === 1 ? ALLOWED : 0;
    this.#deadlines[at] = now + (packet.ipVersion === 4 ? LIFETIME_IPV4 : LIFETIME_IPV6);
    this.#seen[at] = 0;
    this.#lengths[at] = UNKNOWN_LENGTH;
    this.#boundCounts[at] = 0;
    this.#add(at, packet);
  }

  /** The verdict on a later fragment. @param now monotonic seconds */
  later(packet: Packet, direction: number, now: number): FragmentCode {
    const at = this.#find(packet, direction, now);
    if (at === NONE) return Unknown;
    const code = this.#add(at, packet);
    // A poisoned one must stay known to be dropped.
    const isWhole = (this.#flags[at] & POISONED) === 0 && this.#seen[at] === this.#lengths[at];
    if (isWhole) this.#remove(at);
    return code;
  }

  /**
   * Takes in a fragment that overlaps nothing. At most MAX_FRAGMENTS comparisons.
   * @returns the datagram's verdict, or why the fragment is refused
   */
  #add(at: number, packet: Packet): FragmentCode {
    if ((this.#flags[at] & POISONED) !== 0) return Overlap;
    const start = packet.fragmentOffset;
    const end = start + packet.fragmentLength;
    const bounds = this.#bounds;
    const first = at * BOUNDS;
    const limit = first + this.#boundCounts[at];
    for (let bound = first; bound < limit; bound += 2) {
      const otherStart = bounds[bound];
      const otherEnd = bounds[bound + 1];
      if (start === otherStart && end === otherEnd) return Overlap;
      if (start < otherEnd && otherStart < end) return this.#poison(at, Overlap);
    }
    if (limit === first + BOUNDS) return this.#poison(at, Full);
    if (!this.#noteEnd(at, end, packet.hasMoreFragments)) return this.#poison(at, Overlap);
    bounds[limit] = start;
    bounds[limit + 1] = end;
    this.#boundCounts[at] += 2;
    this.#seen[at] += end - start;
    return (this.#flags[at] & ALLOWED) === 0 ? Deny : Allow;
  }

  /** The last fragment says how long the datagram is; nothing may reach past that. @returns false when it does */
  #noteEnd(at: number, end: number, hasMoreFragments: boolean): boolean {
    if (this.#lengths[at] !== UNKNOWN_LENGTH) return hasMoreFragments && end <= this.#lengths[at];
    if (hasMoreFragments) return true;
    this.#lengths[at] = end;
    const limit = at * BOUNDS + this.#boundCounts[at];
    for (let bound = at * BOUNDS; bound < limit; bound++) {
      if (this.#bounds[bound] > end) return false;
    }
    return true;
  }

  #poison(at: number, code: FragmentCode): FragmentCode {
    this.#flags[at] |= POISONED;
    return code;
  }

  /** The datagram of a fragment, which becomes the newest; NONE when there is none, or its time is over. */
  #find(packet: Packet, direction: number, now: number): number {
    const wanted = this.#wanted;
    writeKey(packet, direction, wanted);
    for (let at = this.#chains[this.#chainOf(wanted, 0)]; at !== NONE; at = this.#next[at]) {
      if (!this.#isWanted(at)) continue;
      if (now >= this.#deadlines[at]) {
        this.#remove(at);
        return NONE;
      }
      this.#unlink(at);
      this.#linkNewest(at);
      return at;
    }
    return NONE;
  }

  #isWanted(at: number): boolean {
    const keys = this.#keys;
    const wanted = this.#wanted;
    const first = at * KEY_WORDS;
    for (let word = 0; word < KEY_WORDS; word++) {
      if (keys[first + word] !== wanted[word]) return false;
    }
    return true;
  }

  #chainOf(words: Int32Array, base: number): number {
    return hashWords(this.#hashKey, words, base) & (CHAINS - 1);
  }

  /** A record for the wanted key, the newest; there has to be a free one. */
  #insert(): number {
    const at = this.#free;
    this.#free = this.#next[at];
    this.#keys.set(this.#wanted, at * KEY_WORDS);
    const chain = this.#chainOf(this.#wanted, 0);
    this.#next[at] = this.#chains[chain];
    this.#chains[chain] = at;
    this.#linkNewest(at);
    this.#size++;
    return at;
  }

  #remove(at: number): void {
    const chain = this.#chainOf(this.#keys, at * KEY_WORDS);
    const next = this.#next;
    if (this.#chains[chain] === at) {
      this.#chains[chain] = next[at];
    } else {
      let before = this.#chains[chain];
      while (next[before] !== at) before = next[before];
      next[before] = next[at];
    }
    this.#unlink(at);
    next[at] = this.#free;
    this.#free = at;
    this.#size--;
  }

  #linkNewest(at: number): void {
    this.#newer[at] = NONE;
    this.#older[at] = this.#newest;
    if (this.#newest === NONE) this.#oldest = at;
    else this.#newer[this.#newest] = at;
    this.#newest = at;
  }

  #unlink(at: number): void {
    const newer = this.#newer[at];
    const older = this.#older[at];
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }
}

/**
 * Addresses, identification, VLANs and side; for IPv4 the protocol too (RFC 791). Not for IPv6: there the fragments of
 * one datagram may name different next headers, and only the first's counts (RFC 8200 section 4.5).
 *
 *     word 0-3  source     word 4-7  destination     word 10  family
 *     word 8    identification: 16 bits on IPv4, with the direction above them; 32 bits on IPv6
 *     word 9    outer VLAN (12)  inner VLAN (12)  protocol on IPv4, direction on IPv6 (8)
 */
function writeKey(packet: Packet, direction: number, key: Int32Array): void {
  const isIpv4 = packet.ipVersion === 4;
  key[0] = packet.src0;
  key[1] = packet.src1;
  key[2] = packet.src2;
  key[3] = packet.src3;
  key[4] = packet.dst0;
  key[5] = packet.dst1;
  key[6] = packet.dst2;
  key[7] = packet.dst3;
  key[8] = isIpv4 ? packet.fragmentId | (direction << 16) : packet.fragmentId;
  key[9] =
    (packet.vlanOuter << 20) | (packet.vlanInner << 8) | (isIpv4 ? packet.protocol : direction);
  key[FAMILY] = isIpv4 ? 0 : IPV6;
}
