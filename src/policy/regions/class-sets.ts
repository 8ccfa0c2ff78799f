/**
 * ClassSets: sets of class numbers of one level, each kept once, so that equal sets have equal numbers.
 */

const CHUNK = 4096;

/** A string that only equal lists share. Numbers from 0 to 2^32 - 1. */
export function listKey(numbers: ArrayLike<number>): string {
  let key = '';
  for (let at = 0; at < numbers.length; at += CHUNK) {
    const halves: number[] = [];
    for (let i = at; i < Math.min(numbers.length, at + CHUNK); i++) {
      const number = numbers[i] ?? 0;
      halves.push(number & 0xffff, number >>> 16);
    }
    key += String.fromCharCode(...halves);
  }
  return key;
}

export class ClassSets {
  readonly #sets: Int32Array[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #unions = new Map<string, number>();

  /** @param classes ascending */
  numberOf(classes: Int32Array): number {
    const key = listKey(classes);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const number = this.#sets.push(classes) - 1;
    this.#byKey.set(key, number);
    return number;
  }

  classesOf(set: number): Int32Array {
    const classes = this.#sets[set];
    if (classes === undefined) throw new RangeError(`there is no set ${set}`);
    return classes;
  }

  union(sets: Iterable<number>): number {
    const distinct = [...new Set(sets)].toSorted((a, b) => a - b);
    const [only] = distinct;
    if (only !== undefined && distinct.length === 1) return only;
    const key = listKey(distinct);
    const known = this.#unions.get(key);
    if (known !== undefined) return known;
    const classes = new Set<number>();
    for (const set of distinct) for (const number of this.classesOf(set)) classes.add(number);
    const number = this.numberOf(Int32Array.from(classes).toSorted());
    this.#unions.set(key, number);
    return number;
  }
}
