/**
 * Writes the tries that take a field of a packet to its leaf: adaptive multi-bit tries over 32-bit words whose last
 * few distinctions are made by comparing, not by tables. A /32 thereby costs two keys and not two tables of 256, and
 * ten thousand prefixes fit the second-level cache. Cold path; the layout is in rule-set-layout.ts.
 */
import { ImageWriter } from './compile-image.ts';
import { Entry, MAX_SEARCH_KEYS } from './rule-set-layout.ts';

const WORD_END = 0x1_0000_0000;
const SIGN = 0x8000_0000;
/** Table entries granted per key below it: more is faster and larger. */
const ENTRIES_PER_KEY = 64;
const MAX_TABLE_BITS = 16;
/** When all keys share this many more leading bits, comparing with the two ends of their block saves a table. */
const NARROWING_BITS = 8;

/** A map over the 32-bit words: piece i starts at the unsigned `starts[i]` and leads to `entries[i]`. */
export interface WordMap {
  /** Ascending, the first 0. */
  readonly starts: readonly number[];
  readonly entries: readonly number[];
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
  readonly #image: ImageWriter;
  readonly #map: WordMap;
  readonly #word: number;

  constructor(image: ImageWriter, map: WordMap, word: number) {
    this.#image = image;
    this.#map = map;
    this.#word = word;
  }

  /** Returns the entry that leads to the block. */
  write(block: Block): number {
    const { first, last } = block;
    if (first === last) return this.#map.entries[first];
    if (last - first <= MAX_SEARCH_KEYS) {
      const keys = this.#map.starts.slice(first + 1, last + 1);
      return this.#search(keys, this.#map.entries.slice(first, last + 1));
    }
    return this.#narrow(block) ?? this.#table(block);
  }

  #search(keys: readonly number[], entries: readonly number[]): number {
    const node = this.#image.append([
      (keys.length << 16) | (this.#word << 12),
      ...keys.map((key) => key ^ SIGN),
      ...entries,
    ]);
    return Entry.Node | Entry.SearchBit | node;
  }

  /** When all keys lie close together: a search for their block, then the block. */
  #narrow({ low, bits, first, last }: Block): number | undefined {
    const { starts, entries } = this.#map;
    const firstKey = starts[first + 1];
    const innerBits = 32 - Math.clz32(firstKey ^ starts[last]);
    if (bits - innerBits < NARROWING_BITS) return undefined;
    const size = 2 ** innerBits;
    const innerLow = firstKey - (firstKey % size);
    const inner = this.write({
      low: innerLow,
      bits: innerBits,
      first: firstKey === innerLow ? first + 1 : first,
      last,
    });
    const keys: number[] = [];
    const results: number[] = [];
    if (innerLow > low) {
      keys.push(innerLow);
      results.push(entries[first]);
    }
    results.push(inner);
    if (innerLow + size < low + 2 ** bits) {
      keys.push(innerLow + size);
      results.push(entries[last]);
    }
    return this.#search(keys, results);
  }

  #table({ low, bits, first, last }: Block): number {
    const { starts } = this.#map;
    const wanted = Math.floor(Math.log2((last - first) * ENTRIES_PER_KEY));
    const tableBits = Math.min(bits, MAX_TABLE_BITS, wanted);
    const childBits = bits - tableBits;
    const size = 2 ** childBits;
    const entries = new Int32Array(1 + 2 ** tableBits);
    entries[0] = (this.#word << 12) | ((32 - bits) << 6) | (32 - tableBits);
    let from = first;
    for (let child = 0; child < 2 ** tableBits; child++) {
      const childLow = low + child * size;
      while (from < last && starts[from + 1] <= childLow) from++;
      let to = from;
      while (to < last && starts[to + 1] < childLow + size) to++;
      entries[1 + child] = this.write({ low: childLow, bits: childBits, first: from, last: to });
    }
    return Entry.Node | this.#image.append(entries);
  }
}

/** Writes a trie over one word; returns its root entry. `word` is the index of the word in its key. */
export function writeTrie(image: ImageWriter, map: WordMap, word = 0): number {
  const block = { low: 0, bits: 32, first: 0, last: map.starts.length - 1 };
  return new WordTrie(image, map, word).write(block);
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

  constructor(
    image: ImageWriter,
    starts: readonly (readonly number[])[],
    leaves: readonly number[],
  ) {
    this.#image = image;
    this.#starts = starts;
    this.#leaves = leaves;
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
    return writeTrie(this.#image, map, word);
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
): number {
  const wide = new WideTrie(image, starts.map(unsignedWords), leaves);
  return wide.write(0, 0, starts.length - 1);
}
