/**
 * ImageWriter: the growing words of a rule image. Cold path.
 */
import { Entry } from './rule-set-layout.ts';

const FIRST_CAPACITY = 4096;

export class ImageWriter {
  /** Words written so far. */
  length = 0;
  #words = new Int32Array(FIRST_CAPACITY);

  /**
   * Adds `count` zero words and returns the offset of the first.
   * @throws RangeError when the image grows past what an entry can address (512 MiB)
   */
  reserve(count: number): number {
    const offset = this.length;
    this.length += count;
    if (this.length > Entry.OffsetMask) throw new RangeError('rule image too large');
    if (this.length > this.#words.length) {
      const larger = new Int32Array(Math.max(2 * this.#words.length, this.length));
      larger.set(this.#words);
      this.#words = larger;
    }
    return offset;
  }

  /** Adds words and returns the offset of the first. */
  append(words: ArrayLike<number>): number {
    const offset = this.reserve(words.length);
    this.#words.set(words, offset);
    return offset;
  }

  /** True when the image has these words at the offset. */
  hasAt(offset: number, words: Int32Array): boolean {
    for (let i = 0; i < words.length; i++) if (this.#words[offset + i] !== words[i]) return false;
    return true;
  }

  set(offset: number, word: number): void {
    this.#words[offset] = word;
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.#words.fill(0, length, this.length);
    this.length = length;
  }

  /** The words so far, in memory of their own. */
  finish(): Int32Array {
    return this.#words.slice(0, this.length);
  }
}
