/**
 * Writes the tries that take a field of a packet to its leaf (layout in rule-set-layout.ts). Cold path.
 *
 * Tables alone are fastest, but cost up to 2 KiB per host address. Where they would take too much, the last few
 * distinctions are made by comparing with keys instead: an eighth of the memory or less, some nanoseconds more.
 */
import type { ImageWriter } from './image-writer.ts';
import { Entry, MAX_SEARCH_KEYS } from './rule-set-layout.ts';

const WORD_END = 0x1_0000_0000;
const SIGN = 0x8000_0000;
/** Bits that a table takes, the first excepted. */
const STRIDE = 8;

/** A map over the 32-bit words: piece i starts at the unsigned `starts[i]` and leads to `entries[i]`. */
export interface WordMap {
  /** Ascending, the first 0. */
  readonly starts: readonly number[];
  readonly entries: readonly number[];
}

/** How to write a trie. */
export interface TrieOptions {
  readonly rootBits: number;
  /** Words that tables may take before keys are searched instead. */
  readonly tableBudget: number;
}

/** Part of a word map: the pieces `first` to `last`, within the aligned block of 2^bits words at `low`. */
interface Block {
  readonly low: number;
  readonly bits: number;
  readonly first: number;
  readonly last: number;
}

/** Writes the nodes of one word's map, children first. */
class WordTrie {
  /** True once the trie would pass its end: what has been written is then of no use. */
  isOverBudget = false;
  readonly #image: ImageWriter;
  readonly #map: WordMap;
  readonly #searchKeys: number;
  readonly #end: number;

  /** With search nodes of up to `searchKeys` keys, up to `end` words of the image. */
  constructor(image: ImageWriter, map: WordMap, searchKeys: number, end: number) {
    this.#image = image;
    this.#map = map;
    this.#searchKeys = searchKeys;
    this.#end = end;
  }

  /** Returns the entry that leads to the block. */
  write(block: Block, stride: number): number {
    const { first, last } = block;
    if (first === last) return this.#map.entries[first];
    if (last - first <= this.#searchKeys) return this.#writeSearch(first, last);
    return this.#writeTable(block, stride);
  }

  #writeSearch(first: number, last: number): number {
    const keys = this.#map.starts.slice(first + 1, last + 1).map((key) => key ^ SIGN);
    const entries = this.#map.entries.slice(first, last + 1);
    const node = this.#image.append([...keys, ...entries]);
    return Entry.Node | (keys.length << Entry.CountShift) | node;
  }

  #writeTable({ low, bits, first, last }: Block, stride: number): number {
    const { starts } = this.#map;
    const size = 2 ** (bits - stride);
    const entries = new Int32Array(2 ** stride);
    this.isOverBudget ||= this.#image.length + entries.length > this.#end;
    if (this.isOverBudget) return 0;
    let from = first;
    for (let child = 0; child < entries.length; child++) {
      const childLow = low + child * size;
      while (from < last && starts[from + 1] <= childLow) from++;
      let to = from;
      while (to < last && starts[to + 1] < childLow + size) to++;
      const block = { low: childLow, bits: bits - stride, first: from, last: to };
      entries[child] = this.write(block, STRIDE);
    }
    return Entry.Node | this.#image.append(entries);
  }
}

/** Writes a trie over one word and returns its root entry. */
export function writeTrie(image: ImageWriter, map: WordMap, options: TrieOptions): number {
  const start = image.length;
  const all = { low: 0, bits: 32, first: 0, last: map.starts.length - 1 };
  // A map that one search answers is not worth a table.
  if (map.starts.length > MAX_SEARCH_KEYS + 1) {
    const tables = new WordTrie(image, map, 0, start + options.tableBudget);
    const root = tables.write(all, options.rootBits);
    if (!tables.isOverBudget) return root;
    image.truncate(start);
  }
  const trie = new WordTrie(image, map, MAX_SEARCH_KEYS, Number.POSITIVE_INFINITY);
  return trie.write(all, options.rootBits);
}

/** A word map under construction: pieces are added in ascending order. */
class WordMapBuilder implements WordMap {
  readonly starts: number[] = [];
  readonly entries: number[] = [];

  add(start: number, entry: number): void {
    if (this.starts.at(-1) === start) {
      this.entries[this.entries.length - 1] = entry;
    } else if (start < WORD_END && this.entries.at(-1) !== entry) {
      this.starts.push(start);
      this.entries.push(entry);
    }
  }
}

/** Writes a trie over the four words of an IPv6 address. */
class WideTrie {
  readonly #image: ImageWriter;
  /** Unsigned words of each piece's start. */
  readonly #starts: readonly (readonly number[])[];
  readonly #leaves: readonly number[];
  readonly #rootBits: number;

  constructor(
    image: ImageWriter,
    starts: readonly (readonly number[])[],
    leaves: readonly number[],
    rootBits: number,
  ) {
    this.#image = image;
    this.#starts = starts;
    this.#leaves = leaves;
    this.#rootBits = rootBits;
  }

  /**
   * Entry for the pieces `first` to `last`, which agree in the words before `word`; `first` covers the start. A value
   * of the word in which pieces change leads to a trie over the next word.
   */
  write(word: number, first: number, last: number): number {
    const map = new WordMapBuilder();
    map.add(0, this.#leaves[first]);
    let piece = first + 1;
    while (piece <= last) {
      const value = this.#starts[piece][word];
      let end = piece;
      while (end < last && this.#starts[end + 1][word] === value) end++;
      const isAtValueStart = this.#starts[piece].every((rest, i) => i <= word || rest === 0);
      if (isAtValueStart && piece === end) {
        map.add(value, this.#leaves[piece]);
      } else {
        const inner = this.write(word + 1, isAtValueStart ? piece : piece - 1, end);
        map.add(value, inner < 0 ? inner | Entry.NextWordBit : inner);
        map.add(value + 1, this.#leaves[end]);
      }
      piece = end + 1;
    }
    // No budget for tables alone: at four words an address they would be many and nearly empty.
    return writeTrie(this.#image, map, {
      rootBits: word === 0 ? this.#rootBits : STRIDE,
      tableBudget: 0,
    });
  }
}

function unsignedWords(address: bigint): number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((address >> shift) & 0xffff_ffffn));
}

/** Writes a trie over IPv6 addresses; `starts[0]` is 0. Returns its root entry. */
export function writeIpv6Trie(
  image: ImageWriter,
  starts: readonly bigint[],
  leaves: readonly number[],
  rootBits: number,
): number {
  const wide = new WideTrie(image, starts.map(unsignedWords), leaves, rootBits);
  return wide.write(0, 0, starts.length - 1);
}
