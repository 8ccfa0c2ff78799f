/**
 * The compiled image of a rule list: int32 words that `compile.ts` writes and `match.ts` reads in place.
 *
 * Position-independent: every offset counts words from the image's own start. In this order:
 *
 *     header | vectors | service table | seven tries
 *
 * A vector has one bit per rule, in priority order, saying which rules a class of field values satisfies: first
 * `summaryWords` words whose bit g says that detail word g is not zero, then `detailWords` words of 32 rules each.
 * The first rule that matches a packet is the lowest bit set in all its vectors.
 *
 * A trie maps a 32-bit word (an IPv4 address, a port, one quarter of an IPv6 address) to a leaf, taking the word's
 * bits from the top: `rootBits` in its first table, 8 in every further one. What points into a trie is an entry, one
 * int32:
 *
 *     >= 0                    leaf: offset of a vector; for protocol and ports an addend of the service table's index
 *     10 | count | offset     node for the same word; 3 bits of count, 27 of offset
 *     11 | count | offset     node for the next word of an IPv6 address
 *
 *     table, count 0          one entry per value of the bits
 *     search, count 1 to 4    `count` keys ascending (words with the sign bit flipped), then count + 1 entries: the one
 *                             to take is at the number of keys that are <= the word
 *
 * The entries of a search are leaves or lead to the next word, so a walk takes at most four tables and one search
 * per word.
 *
 * Service: when the image has a service table, protocol, source port and destination port together select one
 * vector, at the sum of their three leaves. Where that table would be too large their leaves are vectors themselves.
 */

/** First word of an image: "nsg" and the version of this layout. */
export const MAGIC = 0x6e73_6701;

/** Word positions in the header. */
export const Header = Object.freeze({
  Magic: 0,
  /** Words of the whole image. */
  Length: 1,
  RuleCount: 2,
  /** First word after the vectors; the service table starts here. */
  VectorsEnd: 3,
  /** First word after the service table; equal to `VectorsEnd` when there is none. */
  ServiceEnd: 4,
  /** `rootBits` of the address tries: 8 or 16. */
  AddressRootBits: 5,
  /** Per trie, in the order of `Trie`: root entry, first word after the trie. */
  Tries: 6,
} as const);

/** The tries in the order in which they follow each other. */
export const Trie = Object.freeze({
  SourceIpv4: 0,
  DestinationIpv4: 1,
  SourceIpv6: 2,
  DestinationIpv6: 3,
  Protocol: 4,
  SourcePort: 5,
  DestinationPort: 6,
} as const);
export const TRIE_COUNT = 7;
export const HEADER_WORDS: number = Header.Tries + 2 * TRIE_COUNT;

/** Parts of an entry. */
export const Entry = Object.freeze({
  /** Set in every entry that leads to a node. */
  Node: -0x8000_0000,
  NextWordBit: 0x4000_0000,
  CountShift: 27,
  CountMask: 7,
  OffsetMask: 0x7ff_ffff,
  /** Entries below this lead to a node for the same word, from here to -1 to one for the next word. */
  NextWord: -0x4000_0000,
} as const);

/** Largest number of keys in a search node: more are found faster by a table. */
export const MAX_SEARCH_KEYS = 4;

/** `rootBits` of the tries of protocol and ports. */
export const SERVICE_ROOT_BITS = 9;
/** A port as a trie word: 17 bits at the top, because "no port" is a value of its own after the last port. */
export const NO_PORT = 0x1_0000;
export const PORT_SHIFT = 15;
/** A protocol as a trie word: 9 bits at the top, 256 added for IPv6, because a rule names it per family. */
export const PROTOCOL_IPV6 = 0x100;
export const PROTOCOL_SHIFT = 23;

/** Rules per image: more than any configuration has, and far fewer than would overflow an offset. */
export const MAX_RULES = 1 << 20;

/** Detail words of a vector; at least one, so that the empty list needs no case of its own. */
export function detailWordCount(ruleCount: number): number {
  return Math.max(1, (ruleCount + 31) >>> 5);
}

/** Summary words of a vector. */
export function summaryWordCount(ruleCount: number): number {
  return (detailWordCount(ruleCount) + 31) >>> 5;
}
