/**
 * Bit vectors over the rules of a list, one per class (layout in rule-set-layout.ts). Cold path.
 */
import type { ImageWriter } from './image-writer.ts';
import { detailWordCount, summaryWordCount } from './rule-set-layout.ts';

/** Size of the vectors of one list, and how to make them. */
export class VectorShape {
  readonly summaryWords: number;
  readonly detailWords: number;
  readonly length: number;

  constructor(ruleCount: number) {
    this.summaryWords = summaryWordCount(ruleCount);
    this.detailWords = detailWordCount(ruleCount);
    this.length = this.summaryWords + this.detailWords;
  }

  /** Per class, the rules whose set is among the class's members; `setOf` is the set of each rule. */
  classVectors(
    members: readonly (readonly number[])[],
    setOf: readonly number[],
    setCount: number,
  ): Int32Array[] {
    const rulesOf = Array.from({ length: setCount }, (): number[] => []);
    for (const [rule, set] of setOf.entries()) rulesOf[set].push(rule);
    // Sets of many rules, "any" above all, are in many classes: their bits are gathered once.
    const gathered = rulesOf.map((rules) =>
      rules.length > this.detailWords ? this.#add(rules, new Int32Array(this.length)) : undefined,
    );
    return members.map((sets) => {
      const vector = new Int32Array(this.length);
      for (const set of sets) {
        const bits = gathered[set];
        if (bits === undefined) this.#add(rulesOf[set], vector);
        else for (let i = 0; i < this.length; i++) vector[i] |= bits[i];
      }
      this.summarize(vector);
      return vector;
    });
  }

  #add(rules: readonly number[], vector: Int32Array): Int32Array {
    for (const rule of rules) vector[this.summaryWords + (rule >>> 5)] |= 1 << (rule & 31);
    return vector;
  }

  /** Sets the summary of a vector from its detail words. */
  summarize(vector: Int32Array): void {
    const { summaryWords, detailWords } = this;
    vector.fill(0, 0, summaryWords);
    for (let detail = 0; detail < detailWords; detail++) {
      if (vector[summaryWords + detail] !== 0) vector[detail >>> 5] |= 1 << (detail & 31);
    }
  }
}

function hashOf(vector: Int32Array): number {
  let hash = 0;
  for (let i = 0; i < vector.length; i++) {
    hash = Math.imul(hash ^ vector[i], 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

/** Writes vectors, equal ones once. */
export class VectorWriter {
  readonly #image: ImageWriter;
  readonly #offsetsByHash = new Map<number, number[]>();

  constructor(image: ImageWriter) {
    this.#image = image;
  }

  /** Offset of the vector in the image. */
  write(vector: Int32Array): number {
    const hash = hashOf(vector);
    const candidates = this.#offsetsByHash.get(hash) ?? [];
    const known = candidates.find((offset) => this.#image.hasAt(offset, vector));
    if (known !== undefined) return known;
    const offset = this.#image.append(vector);
    this.#offsetsByHash.set(hash, [...candidates, offset]);
    return offset;
  }
}
