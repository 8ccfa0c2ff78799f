/**
 * ClassSets: sets of class numbers of one level, each kept once, so that equal sets have equal numbers.
 */
import { ListNumbers } from './list-numbers.ts';

export class ClassSets {
  readonly #sets: Int32Array[] = [];
  readonly #numbers = new ListNumbers();
  readonly #unionLists = new ListNumbers();
  /** Per list of `unionLists` the set that it gives. */
  readonly #unions: number[] = [];
  /** Per class, 1 while it is in the union that is being made. */
  readonly #marks: Uint8Array;

  /** @param size how many classes the level has */
  constructor(size: number) {
    this.#marks = new Uint8Array(size);
  }

  /** @param classes ascending */
  numberOf(classes: Int32Array): number {
    const number = this.#numbers.numberOf(classes);
    if (number === this.#sets.length) this.#sets.push(classes.slice());
    return number;
  }

  classesOf(set: number): Int32Array {
    const classes = this.#sets[set];
    if (classes === undefined) throw new RangeError(`there is no set ${set}`);
    return classes;
  }

  union(sets: readonly number[]): number {
    const [first] = sets;
    if (first !== undefined && sets.every((set) => set === first)) return first;
    const list = this.#unionLists.numberOf(Int32Array.from(sets).toSorted());
    const known = this.#unions[list];
    if (known !== undefined) return known;
    const marks = this.#marks;
    let count = 0;
    for (const set of sets) {
      for (const number of this.classesOf(set)) {
        if (marks[number] === 0) count++;
        marks[number] = 1;
      }
    }
    const classes = new Int32Array(count);
    for (let number = 0, at = 0; number < marks.length; number++) {
      if (marks[number] === 1) classes[at++] = number;
    }
    marks.fill(0);
    const number = this.numberOf(classes);
    this.#unions[list] = number;
    return number;
  }
}
