/**
 * Checks a rule image before anything is matched with it. The image comes from another process through shared memory;
 * after this check no word of it can lead the matcher outside the image or into an endless walk. In steps, because a
 * large image takes tens of milliseconds, and packets do not wait that long.
 */
import {
  Entry,
  HEADER_WORDS,
  Header,
  MAGIC,
  MAX_RULES,
  MAX_SEARCH_KEYS,
  SERVICE_ROOT_BITS,
  TRIE_COUNT,
  Trie,
  detailWordCount,
  summaryWordCount,
} from './rule-set-layout.ts';
import type { Steps } from './steps.ts';

/** Words of a trie or a table that a step looks at, and vectors. Before the code is compiled a word takes 200 ns. */
const WORDS_PER_STEP = 256;
const VECTORS_PER_STEP = 128;

/** Not an image that this version's compiler made. */
export class BrokenImageError extends Error {
  override readonly name = 'BrokenImageError';

  constructor(what: string) {
    super(`broken rule image: ${what}`);
  }
}

function check(isSound: boolean, what: string): void {
  if (!isSound) throw new BrokenImageError(what);
}

/** Where vectors may start. */
class VectorRange {
  readonly #end: number;
  readonly #stride: number;

  constructor(end: number, stride: number) {
    this.#end = end;
    this.#stride = stride;
  }

  has(offset: number): boolean {
    return (
      offset >= HEADER_WORDS && offset < this.#end && (offset - HEADER_WORDS) % this.#stride === 0
    );
  }
}

/** No bit may stand for a rule or a detail word that does not exist: it would become a rule index out of range. */
function* checkVectors(image: Int32Array, end: number): Steps<void> {
  const ruleCount = image[Header.RuleCount];
  const detailWords = detailWordCount(ruleCount);
  const summaryWords = summaryWordCount(ruleCount);
  const stride = summaryWords + detailWords;
  check((end - HEADER_WORDS) % stride === 0, 'size of the vectors');
  const unusedSummaryBits = detailWords & 31 ? -1 << (detailWords & 31) : 0;
  const unusedDetailBits = ruleCount === 0 ? -1 : ruleCount & 31 ? -1 << (ruleCount & 31) : 0;
  let left = VECTORS_PER_STEP;
  for (let vector = HEADER_WORDS; vector < end; vector += stride) {
    check((image[vector + summaryWords - 1] & unusedSummaryBits) === 0, 'summary of a vector');
    check((image[vector + stride - 1] & unusedDetailBits) === 0, 'rules of a vector');
    if (--left === 0) {
      left = VECTORS_PER_STEP;
      yield;
    }
  }
}

interface TrieSection {
  readonly root: number;
  readonly start: number;
  readonly end: number;
  readonly rootBits: number;
  /** Words of a key. */
  readonly wordCount: number;
  readonly isLeaf: (leaf: number) => boolean;
}

/** Visits every node of a trie once, from the root down. */
class TrieCheck {
  /** Largest leaf seen. */
  largest = 0;
  readonly #image: Int32Array;
  readonly #section: TrieSection;
  /** Per word of the section: the kind of the node that starts there, as far as seen; 0 for none. */
  readonly #kinds: Uint8Array;
  /**
   * Entries that are still to be looked at, of each node once. Five numbers each, where objects would have the garbage
   * collector stop the packets: the first entry, the end, the word of the key, bits of it that tables have taken, and 1
   * after a search, which the next word of the key follows.
   */
  readonly #pending: number[] = [];

  constructor(image: Int32Array, section: TrieSection) {
    this.#image = image;
    this.#section = section;
    this.#kinds = new Uint8Array(section.end - section.start);
  }

  *run(): Steps<void> {
    this.#checkEntry(this.#section.root, 0, 0);
    const pending = this.#pending;
    while (pending.length > 0) {
      let left = WORDS_PER_STEP;
      while (left > 0 && pending.length > 0) left -= this.#checkPending(left);
      yield;
    }
  }

  /** Looks at the last pending entries, no more than `most`. @returns how many */
  #checkPending(most: number): number {
    const pending = this.#pending;
    const isAfterSearch = pending.pop() === 1;
    const taken = pending.pop() ?? 0;
    const word = pending.pop() ?? 0;
    const end = pending.pop() ?? 0;
    const from = pending.pop() ?? 0;
    const to = Math.min(end, from + most);
    if (to < end) this.#add(to, end, word, taken, isAfterSearch);
    const image = this.#image;
    // Neighbours are mostly equal.
    let previous = Number.NaN;
    for (let at = from; at < to; at++) {
      const entry = image[at];
      if (entry === previous) continue;
      previous = entry;
      check(!isAfterSearch || entry >= Entry.NextWord, 'node after a search');
      this.#checkEntry(entry, word, taken);
    }
    return to - from;
  }

  #add(from: number, end: number, word: number, taken: number, isAfterSearch: boolean): void {
    this.#pending.push(from, end, word, taken, isAfterSearch ? 1 : 0);
  }

  /** An entry found where `taken` bits of the key's word `word` have been taken by tables. */
  #checkEntry(entry: number, word: number, taken: number): void {
    if (entry >= 0) {
      check(this.#section.isLeaf(entry), 'leaf');
      if (entry > this.largest) this.largest = entry;
      return;
    }
    const isNextWord = (entry & Entry.NextWordBit) !== 0;
    const ownWord = isNextWord ? word + 1 : word;
    check(ownWord < this.#section.wordCount, 'word of a node');
    const node = entry & Entry.OffsetMask;
    const count = (entry >>> Entry.CountShift) & Entry.CountMask;
    if (count === 0) this.#addTable(node, ownWord, isNextWord ? 0 : taken);
    else this.#addSearch(node, count, ownWord);
  }

  #addTable(node: number, word: number, taken: number): void {
    const bits = word === 0 && taken === 0 ? this.#section.rootBits : 8;
    check(taken + bits <= 32, 'depth of a table');
    const end = node + 2 ** bits;
    if (this.#isSeen(node, end, 1 + 32 * word + taken)) return;
    this.#add(node, end, word, taken + bits, false);
  }

  #addSearch(node: number, count: number, word: number): void {
    check(count <= MAX_SEARCH_KEYS, 'keys of a search');
    const end = node + 2 * count + 1;
    if (this.#isSeen(node, end, 129 + MAX_SEARCH_KEYS * word + count)) return;
    this.#add(node + count, end, word, 0, true);
  }

  /** Remembers the kind of a node; true when it was known. A node serves in one place of the key only. */
  #isSeen(node: number, end: number, kind: number): boolean {
    const { start } = this.#section;
    check(node >= start && end <= this.#section.end, 'bounds of a node');
    const known = this.#kinds[node - start];
    check(known === 0 || known === kind, 'kind of a node');
    this.#kinds[node - start] = kind;
    return known !== 0;
  }
}

/**
 * Checks the whole image: sections, trie nodes, service table, last word of each vector. Linear in its size.
 * @throws BrokenImageError
 */
export function* checkImage(image: Int32Array): Steps<void> {
  const ruleCount = image[Header.RuleCount];
  check(ruleCount >= 0 && ruleCount <= MAX_RULES, 'number of rules');
  const vectorsEnd = image[Header.VectorsEnd];
  const serviceEnd = image[Header.ServiceEnd];
  check(vectorsEnd >= HEADER_WORDS && vectorsEnd <= serviceEnd, 'end of the vectors');
  check(serviceEnd <= image.length, 'end of the service table');
  yield* checkVectors(image, vectorsEnd);
  const vectors = new VectorRange(
    vectorsEnd,
    detailWordCount(ruleCount) + summaryWordCount(ruleCount),
  );
  const addressRootBits = image[Header.AddressRootBits];
  check(addressRootBits === 8 || addressRootBits === 16, 'bits of the address roots');
  const isMerged = serviceEnd > vectorsEnd;
  let largestIndex = 0;
  let start = serviceEnd;
  for (let trie = 0; trie < TRIE_COUNT; trie++) {
    const root = image[Header.Tries + 2 * trie];
    const end = image[Header.Tries + 2 * trie + 1];
    check(end >= start && end <= image.length, 'end of a trie');
    const isAddend = isMerged && trie >= Trie.Protocol;
    const wordCount = trie === Trie.SourceIpv6 || trie === Trie.DestinationIpv6 ? 4 : 1;
    const rootBits = trie >= Trie.Protocol ? SERVICE_ROOT_BITS : addressRootBits;
    const isLeaf = isAddend ? () => true : (leaf: number) => vectors.has(leaf);
    const trieCheck = new TrieCheck(image, { root, start, end, rootBits, wordCount, isLeaf });
    yield* trieCheck.run();
    if (isAddend) largestIndex += trieCheck.largest;
    start = end;
  }
  check(start === image.length, 'end of the last trie');
  if (!isMerged) return;
  check(largestIndex < serviceEnd - vectorsEnd, 'index of the service table');
  for (let at = vectorsEnd; at < serviceEnd; at++) {
    check(vectors.has(image[at]), 'service table');
    if (at % WORDS_PER_STEP === 0) yield;
  }
}

/**
 * The image that starts `offset` words into a segment, as a view.
 * @throws BrokenImageError when there is none
 */
export function viewImage(segment: Int32Array, offset: number): Int32Array {
  check(
    Number.isInteger(offset) && offset >= 0 && offset + HEADER_WORDS <= segment.length,
    'offset outside the segment',
  );
  check(segment[offset + Header.Magic] === MAGIC, 'unknown format');
  const length = segment[offset + Header.Length];
  check(length >= HEADER_WORDS && offset + length <= segment.length, 'length');
  return segment.subarray(offset, offset + length);
}
