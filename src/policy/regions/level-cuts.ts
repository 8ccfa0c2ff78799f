/**
 * LevelCuts: how some rules cut the classes of one level. Only the sets of classes that the rules take count, and pieces with
 * other rules often have the same of those, so each cut is made once.
 */
import type { ClassSets } from './class-sets.ts';
import { ListNumbers } from './list-numbers.ts';
import type { Level } from './space.ts';

/** Groups of classes that the rules treat alike. Together they are all classes. */
export interface Cut {
  /** Per group the number of the set of its classes. */
  readonly sets: Int32Array;
  /** Per group one of its classes. */
  readonly classes: Int32Array;
}

export class LevelCuts {
  readonly #level: Level;
  readonly #sets: ClassSets;
  readonly #lists = new ListNumbers();
  /** Per list the cut by its sets. */
  readonly #cuts: Cut[] = [];
  /** Sets of the rules that are asked about, and per set 1 while it is among them. */
  readonly #asked: Int32Array;
  readonly #isAsked: Uint8Array;
  /** Per class the number of its group. */
  readonly #groupOf: Int32Array;
  /** The classes, those of one group together. */
  readonly #sorted: Int32Array;

  /** @param sets those of the level */
  constructor(level: Level, sets: ClassSets) {
    this.#level = level;
    this.#sets = sets;
    this.#asked = new Int32Array(level.sets.length);
    this.#isAsked = new Uint8Array(level.sets.length);
    this.#groupOf = new Int32Array(level.size);
    this.#sorted = new Int32Array(level.size);
  }

  /** The cut by the first `count` rules. */
  cut(rules: Int32Array, count: number): Cut {
    const { setOf, sets, size } = this.#level;
    const [asked, isAsked] = [this.#asked, this.#isAsked];
    let length = 0;
    for (let i = 0; i < count; i++) {
      const set = setOf[rules[i] ?? 0] ?? 0;
      if (isAsked[set] === 1 || sets[set]?.length === size) continue;
      isAsked[set] = 1;
      asked[length++] = set;
    }
    const distinct = asked.subarray(0, length).toSorted();
    for (let i = 0; i < length; i++) isAsked[distinct[i] ?? 0] = 0;
    const list = this.#lists.numberOf(distinct);
    return (this.#cuts[list] ??= this.#make(distinct));
  }

  /** Partition refinement, in time proportional to the sets' sizes and the number of classes. */
  #make(sets: Int32Array): Cut {
    const groupOf = this.#groupOf.fill(0);
    const sizes = [groupOf.length];
    const splitBy = [-1];
    const splitTo = [0];
    for (const set of sets) {
      for (const number of this.#level.sets[set] ?? []) {
        const group = groupOf[number] ?? 0;
        if (splitBy[group] !== set) {
          splitBy[group] = set;
          splitTo[group] = sizes.push(0) - 1;
          splitBy.push(-1);
          splitTo.push(0);
        }
        const to = splitTo[group] ?? 0;
        groupOf[number] = to;
        sizes[group] = (sizes[group] ?? 0) - 1;
        sizes[to] = (sizes[to] ?? 0) + 1;
      }
    }
    const filled = new Int32Array(sizes.length);
    for (let group = 1; group < sizes.length; group++) {
      filled[group] = (filled[group - 1] ?? 0) + (sizes[group - 1] ?? 0);
    }
    const sorted = this.#sorted;
    for (let number = 0; number < groupOf.length; number++) {
      const group = groupOf[number] ?? 0;
      const at = filled[group] ?? 0;
      sorted[at] = number;
      filled[group] = at + 1;
    }
    const count = sizes.filter((size) => size > 0).length;
    const cut = { sets: new Int32Array(count), classes: new Int32Array(count) };
    let [group, start] = [0, 0];
    for (const size of sizes) {
      if (size === 0) continue;
      cut.sets[group] = this.#sets.numberOf(sorted.subarray(start, start + size));
      cut.classes[group++] = sorted[start] ?? 0;
      start += size;
    }
    return cut;
  }
}
