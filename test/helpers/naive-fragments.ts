/**
 * The fragment table as anybody would write it first: an lru-cache (https://github.com/isaacs/node-lru-cache) of objects
 * under text keys. What src/flowtable/fragments.ts is compared with.
 */
import { LRUCache } from 'lru-cache';
import type { Packet } from '../../src/capture/packet.ts';
import { FragmentCode, MAX_DATAGRAMS, MAX_FRAGMENTS } from '../../src/flowtable/fragments.ts';

const { Allow, Deny, Unknown, Overlap, Full } = FragmentCode;
const LIFETIME_IPV4 = 30;
const LIFETIME_IPV6 = 60;

const UNKNOWN_LENGTH = -1;

class Datagram {
  readonly isAllowed: boolean;
  /** Monotonic second from which on it is unknown. */
  readonly deadline: number;
  /** Half-open ranges of bytes seen: start, end, start, end. */
  readonly ranges: number[] = [];
  /** Bytes seen, and bytes in all once the last fragment was seen. */
  seen = 0;
  length = UNKNOWN_LENGTH;
  isPoisoned = false;

  constructor(isAllowed: boolean, deadline: number) {
    this.isAllowed = isAllowed;
    this.deadline = deadline;
  }

  /** Whether every byte was seen once. Never for a poisoned one: it must stay known to be dropped. */
  get isComplete(): boolean {
    return !this.isPoisoned && this.seen === this.length;
  }

  /**
   * Takes in a fragment that overlaps nothing.
   * @returns the datagram's verdict, or why the fragment is refused
   */
  add(packet: Packet): FragmentCode {
    if (this.isPoisoned) return Overlap;
    const start = packet.fragmentOffset;
    const end = start + packet.fragmentLength;
    const { ranges } = this;
    for (let at = 0; at < ranges.length; at += 2) {
      const otherStart = ranges[at] ?? 0;
      const otherEnd = ranges[at + 1] ?? 0;
      if (start === otherStart && end === otherEnd) return Overlap;
      if (start < otherEnd && otherStart < end) return this.#poison(Overlap);
    }
    if (ranges.length === MAX_FRAGMENTS * 2) return this.#poison(Full);
    if (!this.#noteEnd(end, packet.hasMoreFragments)) return this.#poison(Overlap);
    ranges.push(start, end);
    this.seen += end - start;
    return this.isAllowed ? Allow : Deny;
  }

  /** The last fragment says how long the datagram is; nothing may reach past that. @returns false when it does */
  #noteEnd(end: number, hasMoreFragments: boolean): boolean {
    if (this.length !== UNKNOWN_LENGTH) return hasMoreFragments && end <= this.length;
    if (hasMoreFragments) return true;
    this.length = end;
    return this.ranges.every((bound) => bound <= end);
  }

  #poison(code: FragmentCode): FragmentCode {
    this.isPoisoned = true;
    return code;
  }
}

export class NaiveFragmentTable {
  readonly #datagrams = new LRUCache<string, Datagram>({ max: MAX_DATAGRAMS });

  /** Datagrams remembered, those past their time included. */
  get size(): number {
    return this.#datagrams.size;
  }

  /**
   * Whether a datagram's first fragment may be judged: false when it has one already. Then the datagram is poisoned,
   * because nobody can tell which of the two its receiver will believe (RFC 1858 section 4).
   * @param direction 0 inbound, 1 outbound
   * @param now monotonic seconds
   */
  isNew(packet: Packet, direction: number, now: number): boolean {
    const datagram = this.#find(keyOf(packet, direction), now);
    if (datagram === undefined) return true;
    datagram.isPoisoned = true;
    return false;
  }

  /**
   * Notes what became of a first fragment that `isNew`.
   * @param access 1 when it was allowed, 0 when it was denied
   */
  note(packet: Packet, direction: number, access: number, now: number): void {
    const lifetime = packet.ipVersion === 4 ? LIFETIME_IPV4 : LIFETIME_IPV6;
    const datagram = new Datagram(access === 1, now + lifetime);
    datagram.add(packet);
    this.#datagrams.set(keyOf(packet, direction), datagram);
  }

  /** The verdict on a later fragment. @param now monotonic seconds */
  later(packet: Packet, direction: number, now: number): FragmentCode {
    const key = keyOf(packet, direction);
    const datagram = this.#find(key, now);
    if (datagram === undefined) return Unknown;
    const code = datagram.add(packet);
    if (datagram.isComplete) this.#datagrams.delete(key);
    return code;
  }

  #find(key: string, now: number): Datagram | undefined {
    const datagram = this.#datagrams.get(key);
    if (datagram === undefined || now < datagram.deadline) return datagram;
    this.#datagrams.delete(key);
    return undefined;
  }
}

/**
 * Addresses, identification, VLANs and side; for IPv4 the protocol too (RFC 791). Not for IPv6: there the fragments of
 * one datagram may name different next headers, and only the first's counts (RFC 8200 section 4.5).
 */
function keyOf(packet: Packet, direction: number): string {
  const protocol = packet.ipVersion === 4 ? packet.protocol : -1;
  const tags = `${packet.vlanOuter},${packet.vlanInner},${direction},${protocol},${packet.fragmentId}`;
  const source = `${packet.src0},${packet.src1},${packet.src2},${packet.src3}`;
  return `${tags},${source},${packet.dst0},${packet.dst1},${packet.dst2},${packet.dst3}`;
}
