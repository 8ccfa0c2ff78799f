/**
 * matchRule: the first rule of a compiled list that a packet matches. Hot path, run once per new flow and stage.
 *
 * Each field's trie gives the packet's class in that field, a class is a vector of rules, and the answer is the
 * lowest bit set in all vectors (rule-set-layout.ts). Summaries let whole groups of 32 rules be skipped.
 */
import type { Packet } from '../capture/packet.ts';
import {
  Entry,
  NO_PORT,
  PORT_SHIFT,
  PROTOCOL_IPV6,
  PROTOCOL_SHIFT,
  SERVICE_ROOT_BITS,
} from './rule-set-layout.ts';
import { ADDRESS_MEMO_ENTRY_WORDS, MEMO_ENTRY_WORDS, type RuleSet } from './rule-set.ts';

const NEXT_WORD = Entry.NextWord;
const NEXT_WORD_BIT = Entry.NextWordBit;
const COUNT_SHIFT = Entry.CountShift;
const COUNT_MASK = Entry.CountMask;
const OFFSET_MASK = Entry.OffsetMask;
/** Entries below this lead to a table for the same word, from here to `NEXT_WORD` to a search. */
const SEARCH = Entry.Node + (1 << Entry.CountShift);
/** Right shifts that leave the bits that a table takes. */
const TABLE_SHIFT = 24;
const SERVICE_SHIFT = 32 - SERVICE_ROOT_BITS;
const PORT_LEFT = PORT_SHIFT;
const PORTLESS = NO_PORT << PORT_SHIFT;
const PROTOCOL_LEFT = PROTOCOL_SHIFT;
const IPV6 = PROTOCOL_IPV6;
const MEMO_WORDS = MEMO_ENTRY_WORDS;
const ADDRESS_MEMO_WORDS = ADDRESS_MEMO_ENTRY_WORDS;
/** Odd multipliers of the two memos' hashes. */
const HASH_0 = 0x9e37_79b1;
const HASH_1 = 0x85eb_ca6b;
const HASH_2 = 0xc2b2_ae35;
const HASH_3 = 0x27d4_eb2f;
const SIGN = 0x8000_0000 | 0;

/** What `matchRule` returns when no rule matches. */
export const NO_RULE = -1;

/** The entry that a search node has for a word: a leaf, or a node for the next word. At most four keys. */
function search(words: Int32Array, entry: number, word: number): number {
  const count = (entry >>> COUNT_SHIFT) & COUNT_MASK;
  const key = word ^ SIGN;
  let at = entry & OFFSET_MASK;
  const end = at + count;
  while (at < end && words[at] <= key) at++;
  return words[at + count];
}

/**
 * Walks one word through its trie; the first table takes the top 32 - `rootShift` bits. Returns a leaf (>= 0), or the
 * entry of a node for the next word. At most four tables and one search.
 */
function walk(words: Int32Array, root: number, rootShift: number, word: number): number {
  let entry = root;
  if (entry < SEARCH) {
    entry = words[(entry & OFFSET_MASK) + (word >>> rootShift)];
    let rest = word << (32 - rootShift);
    while (entry < SEARCH) {
      entry = words[(entry & OFFSET_MASK) + (rest >>> TABLE_SHIFT)];
      rest <<= 32 - TABLE_SHIFT;
    }
  }
  return entry < NEXT_WORD ? search(words, entry, word) : entry;
}

/** Goes on with the next word of an IPv6 address, unless the entry is a leaf. */
function walkNext(words: Int32Array, entry: number, word: number): number {
  return entry >= 0 ? entry : walk(words, entry & ~NEXT_WORD_BIT, TABLE_SHIFT, word);
}

/** Leaf of the packet's IPv6 source or destination, through the address memo. At most four walks. */
function ipv6Leaf(ruleSet: RuleSet, root: number, packet: Packet, isSource: boolean): number {
  if (root >= 0) return root;
  const word0 = isSource ? packet.src0 : packet.dst0;
  const word1 = isSource ? packet.src1 : packet.dst1;
  const word2 = isSource ? packet.src2 : packet.dst2;
  const word3 = isSource ? packet.src3 : packet.dst3;
  const memo = ruleSet.addressMemo;
  const hash =
    Math.imul(word0, HASH_0) ^
    Math.imul(word1, HASH_1) ^
    Math.imul(word2, HASH_2) ^
    Math.imul(word3 ^ root, HASH_3);
  const slot = ((hash ^ (hash >>> 15)) & ruleSet.addressMemoMask) * ADDRESS_MEMO_WORDS;
  if (
    memo[slot] === word0 &&
    memo[slot + 1] === word1 &&
    memo[slot + 2] === word2 &&
    memo[slot + 3] === word3 &&
    memo[slot + 4] === root
  ) {
    return memo[slot + 5];
  }
  const words = ruleSet.words;
  let entry = walk(words, root, ruleSet.addressShift, word0);
  entry = walkNext(words, entry, word1);
  entry = walkNext(words, entry, word2);
  entry = walkNext(words, entry, word3);
  memo[slot] = word0;
  memo[slot + 1] = word1;
  memo[slot + 2] = word2;
  memo[slot + 3] = word3;
  memo[slot + 4] = root;
  memo[slot + 5] = entry;
  return entry;
}

/** Lowest bit set in three vectors, or -1. At most all their words, typically a few. */
function firstCommonRule(ruleSet: RuleSet, a: number, b: number, c: number): number {
  const words = ruleSet.words;
  const summaryWords = ruleSet.summaryWords;
  for (let group = 0; group < summaryWords; group++) {
    let summary = words[a + group] & words[b + group] & words[c + group];
    while (summary !== 0) {
      const detail = (group << 5) + 31 - Math.clz32(summary & -summary);
      const at = summaryWords + detail;
      const rules = words[a + at] & words[b + at] & words[c + at];
      if (rules !== 0) return (detail << 5) + 31 - Math.clz32(rules & -rules);
      summary &= summary - 1;
    }
  }
  return NO_RULE;
}

/** The same through the memo of the list. */
function rememberedRule(ruleSet: RuleSet, a: number, b: number, c: number): number {
  const memo = ruleSet.memo;
  const hash = Math.imul(a, HASH_0) ^ Math.imul(b, HASH_1) ^ Math.imul(c, HASH_2);
  const slot = ((hash ^ (hash >>> 15)) & ruleSet.memoMask) * MEMO_WORDS;
  if (memo[slot] === a && memo[slot + 1] === b && memo[slot + 2] === c) return memo[slot + 3];
  const rule = firstCommonRule(ruleSet, a, b, c);
  memo[slot] = a;
  memo[slot + 1] = b;
  memo[slot + 2] = c;
  memo[slot + 3] = rule;
  return rule;
}

/** Vectors of the source, the destination, the protocol and both ports; overwritten by every call. */
const scratchVectors = new Int32Array(5);

/** Lowest bit set in the five scratch vectors, or -1: for lists too large for a service table. */
function firstScratchRule(ruleSet: RuleSet): number {
  const words = ruleSet.words;
  const detailStart = ruleSet.summaryWords;
  for (let group = 0; group < detailStart; group++) {
    let summary = commonWord(words, group);
    while (summary !== 0) {
      const detail = (group << 5) + 31 - Math.clz32(summary & -summary);
      const rules = commonWord(words, detailStart + detail);
      if (rules !== 0) return (detail << 5) + 31 - Math.clz32(rules & -rules);
      summary &= summary - 1;
    }
  }
  return NO_RULE;
}

function commonWord(words: Int32Array, at: number): number {
  let common = -1;
  for (let i = 0; i < 5; i++) common &= words[scratchVectors[i] + at];
  return common;
}

/**
 * Index of the first rule in the list that the packet matches, or `NO_RULE` (-1). The packet must be decoded; of a
 * frame that carries no IP packet no rule matches. Allocates nothing; bounded by the walks and by one pass over the
 * vectors (at most 3 x 1.03 x rules / 32 words).
 */
export function matchRule(ruleSet: RuleSet, packet: Packet): number {
  const words = ruleSet.words;
  let source: number;
  let destination: number;
  let protocol = packet.protocol;
  const shift = ruleSet.addressShift;
  if (packet.ipVersion === 4) {
    source = walk(words, ruleSet.sourceIpv4, shift, packet.src3);
    destination = walk(words, ruleSet.destinationIpv4, shift, packet.dst3);
  } else if (packet.ipVersion === 6) {
    source = ipv6Leaf(ruleSet, ruleSet.sourceIpv6, packet, true);
    destination = ipv6Leaf(ruleSet, ruleSet.destinationIpv6, packet, false);
    protocol |= IPV6;
  } else {
    return NO_RULE;
  }
  const hasPorts = packet.hasPorts;
  const srcPort = hasPorts ? packet.srcPort << PORT_LEFT : PORTLESS;
  const dstPort = hasPorts ? packet.dstPort << PORT_LEFT : PORTLESS;
  const byProtocol = walk(words, ruleSet.protocol, SERVICE_SHIFT, protocol << PROTOCOL_LEFT);
  const bySrcPort = walk(words, ruleSet.sourcePort, SERVICE_SHIFT, srcPort);
  const byDstPort = walk(words, ruleSet.destinationPort, SERVICE_SHIFT, dstPort);
  if (ruleSet.service !== 0) {
    const service = words[ruleSet.service + byProtocol + bySrcPort + byDstPort];
    if (ruleSet.memoMask < 0) return firstCommonRule(ruleSet, source, destination, service);
    return rememberedRule(ruleSet, source, destination, service);
  }
  scratchVectors[0] = source;
  scratchVectors[1] = destination;
  scratchVectors[2] = byProtocol;
  scratchVectors[3] = bySrcPort;
  scratchVectors[4] = byDstPort;
  return firstScratchRule(ruleSet);
}
