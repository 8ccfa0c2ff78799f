/**
 * Layout of a policy image: one compiled policy of one wire as int32 words, position-independent, in a segment that
 * the control process writes and the data plane maps. Offsets are words from the start of the image.
 *
 *   header          HEADER_WORDS
 *   NIC records     NIC_WORDS each: see Nic
 *   address table   ADDRESS_WORDS per entry, open addressing, at most half full: address words 0-3, NIC index + 1
 *   rule lists      LIST_WORDS each: see List
 *   rule words      one per rule: see RULE_*
 *   rule sets       images of `compileRules`, one per list
 */

export const IMAGE_MAGIC = 0x4e534749; // "NSGI"
export const IMAGE_VERSION = 1;

export const Header = Object.freeze({
  Magic: 0,
  Version: 1,
  /** Words of the whole image. */
  Length: 2,
  Generation: 3,
  /** See LinkFlag. */
  LinkFlags: 4,
  NicCount: 5,
  NicsAt: 6,
  /** Entries of the address table: a power of two. */
  AddressEntries: 7,
  AddressesAt: 8,
  /** Longest probe of any address in the table, so a lookup is bounded by what the operator configured. */
  LongestProbe: 9,
  ListCount: 10,
  ListsAt: 11,
  /** NIC that takes every address, or -1. */
  AnyAddressNic: 12,
} as const);
export const HEADER_WORDS = 16;

export const LinkFlag = Object.freeze({
  UnknownEtherTypePassed: 1,
  LinkLocalForwarded: 2,
  TcpPickupLoose: 4,
} as const);

/** NIC record. Lists are indexes, or -1. The outbound three follow the inbound three. */
export const Nic = Object.freeze({
  /** Stable index for counters. */
  CounterIndex: 0,
  IsFlushing: 1,
  Platform: 2,
  Stage0: 3,
  Stage1: 4,
  OutboundShift: 3,
} as const);
export const NIC_WORDS = 8;

export const List = Object.freeze({ RuleSetAt: 0, RuleWordsAt: 1, RuleCount: 2 } as const);
export const LIST_WORDS = 4;

/** Rule word: counter slot in bits 0-15, then one bit each. */
export const RULE_SLOT_MASK = 0xffff;
export const RULE_ALLOW = 1 << 16;
export const RULE_STATEFUL = 1 << 17;

export const ADDRESS_WORDS = 5;

/**
 * Hash of an address for the address table. Unseeded: the table's content is the operator's, and `LongestProbe`
 * bounds what any packet can cost.
 */
export function addressHash(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w3 ^ Math.imul(w2, 0x85ebca6b), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ w1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 13) ^ w0, 0x27d4eb2f);
  return h ^ (h >>> 16);
}
