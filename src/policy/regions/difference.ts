/**
 * Difference: the packets of a space about which two chains give different verdicts, as disjoint boxes, each with the
 * rule that decides before and the one that decides after.
 *
 * Level by level the classes are cut by the rules that still hold, and each piece goes on with its own rules. A piece
 * ends early when what is left of the two chains is alike or can give only one verdict, so the work follows what has
 * changed; pieces left with the same rules are looked at once. The result is a decision diagram whose nodes are kept
 * once each (Liu and Gouda, "Diverse firewall design", 2008, compare firewalls on such diagrams); boxes are read from it
 * from the last level to the first, joining on the way those that differ in one field.
 */
import { Access } from '../../engine/rule.ts';
import { type Chains, NO_GROUP, NO_MATCH, Settler, STEPS } from './chains.ts';
import { ClassSets, listKey } from './class-sets.ts';
import { type Level, type Range, type Space, splitLevel } from './space.ts';

/** Numbers of two rules of the chains, or `NO_GROUP` or `NO_MATCH`. */
export interface Decisions {
  readonly before: number;
  readonly after: number;
}

/** A product of class sets, one for each level of the space in its order. */
export interface ClassBox extends Decisions {
  readonly classes: readonly Int32Array[];
}

/** More pieces than this and the policies are too different to be compared in reasonable time and memory. */
const PIECES_MAX = 4_000_000;

export class TooComplexError extends Error {}

const EMPTY = 0;
const UNDECIDED = -3;

/** Of a node: set of classes, and what is below: a node (positive) or a pair of decisions (negative). */
interface Edge {
  readonly set: number;
  readonly below: number;
}

/** A box from some level on: its classes there and the box below; no rest below the last level that matters. */
interface Suffix {
  readonly level: number;
  readonly set: number;
  readonly below: number;
}

export class Difference {
  readonly #chains: Chains;
  readonly #space: Space;
  readonly #settler: Settler;
  readonly #sets: readonly ClassSets[];
  readonly #fullSets: readonly number[];
  /** Per level, what each rule is from there on: equal numbers, equal rules. */
  readonly #contents: readonly Int32Array[];
  readonly #nodes: { readonly level: number; readonly edges: readonly Edge[] }[] = [
    { level: 0, edges: [] },
  ];
  readonly #nodeByKey = new Map<string, number>();
  readonly #pieces: readonly Map<string, number>[];
  readonly #decisions: Decisions[] = [];
  readonly #decisionByKey = new Map<number, number>();
  readonly #suffixes: Suffix[] = [];
  readonly #suffixByKey = new Map<string, number>();
  readonly #suffixesOfNode = new Map<number, readonly number[]>();
  readonly #decider: Decider;
  /** Decisions before and after, of each class of the last level; overwritten for every piece. */
  readonly #scratch: readonly [Int32Array, Int32Array];
  #pieceCount = 0;
  #root: number | undefined;

  /** @param chains two of them: before and after */
  constructor(chains: Chains, space: Space) {
    this.#chains = chains;
    this.#space = space;
    this.#settler = new Settler(chains, space);
    this.#sets = space.levels.map(() => new ClassSets());
    this.#fullSets = space.levels.map((level, index) =>
      this.#setsAt(index).numberOf(Int32Array.from({ length: level.size }, (_, number) => number)),
    );
    this.#contents = contentsByLevel(chains, space);
    this.#pieces = space.levels.map(() => new Map<string, number>());
    const last = this.#levelAt(space.levels.length - 1);
    this.#decider = new Decider(chains, last);
    this.#scratch = [new Int32Array(last.size), new Int32Array(last.size)];
  }

  /**
   * Every box, or what is in it of some local addresses. Classes that are only partly of these addresses are kept.
   * @throws TooComplexError
   */
  boxes(local?: readonly Range[]): ClassBox[] {
    if (this.#space.isEmpty) return [];
    this.#root ??= this.#visit(0, this.#chains.possibleIn(this.#space));
    const boxes = this.#suffixesOf(this.#root).map((suffix) => this.#boxOf(suffix));
    const kept = local === undefined ? boxes : this.#boxesAt(boxes, local);
    return mergeBoxes(kept, this.#sets).map(({ sets, pair }) => ({
      classes: sets.map((set, level) => this.#setsAt(level).classesOf(set)),
      ...this.#decisionsAt(pair),
    }));
  }

  #boxesAt(boxes: readonly SetBox[], local: readonly Range[]): SetBox[] {
    const at = this.#space.levels.findIndex(({ field }) => field === 'local');
    const wanted = new Set(this.#levelAt(at).classesIn(local));
    const sets = this.#setsAt(at);
    return boxes.flatMap((box) => {
      const classes = sets.classesOf(box.sets[at] ?? 0).filter((number) => wanted.has(number));
      return classes.length === 0
        ? []
        : [{ ...box, sets: box.sets.with(at, sets.numberOf(classes)) }];
    });
  }

  #visit(level: number, rules: readonly number[]): number {
    const settled: number[] = [];
    const before = this.#settler.settle(0, rules, level, settled);
    const middle = settled.length;
    const after = this.#settler.settle(1, rules, level, settled);
    const isPossible = (before.canAllow && after.canDeny) || (before.canDeny && after.canAllow);
    if (!isPossible || this.#isAlike(settled, middle, level)) return EMPTY;
    const key = listKey(settled);
    const known = this.#pieces[level]?.get(key);
    if (known !== undefined) return known;
    if (++this.#pieceCount > PIECES_MAX) {
      throw new TooComplexError(`more than ${PIECES_MAX} pieces`);
    }
    const field = this.#levelAt(level);
    const edges =
      level === this.#space.levels.length - 1
        ? this.#leafEdges(field, settled)
        : splitLevel(field, settled, undefined).map((group) => ({
            set: this.#setsAt(level).numberOf(group.classes),
            below: this.#visit(level + 1, group.rules),
          }));
    const node = this.#node(level, edges);
    this.#pieces[level]?.set(key, node);
    return node;
  }

  /** True when what is left of both chains says the same about every packet. */
  #isAlike(settled: readonly number[], middle: number, level: number): boolean {
    if (settled.length !== middle * 2) return false;
    const { hasList, slotOf } = this.#chains;
    for (let step = 1; step < STEPS; step++) {
      if (hasList[step] !== hasList[STEPS + step]) return false;
    }
    const contents = this.#contents[level];
    for (let at = 0; at < middle; at++) {
      const [left, right] = [settled[at] ?? 0, settled[middle + at] ?? 0];
      if (contents?.[left] !== contents?.[right]) return false;
      if ((slotOf[left] ?? 0) + STEPS !== slotOf[right]) return false;
    }
    return true;
  }

  #leafEdges(level: Level, rules: readonly number[]): Edge[] {
    const [before, after] = this.#scratch;
    this.#decider.decide(0, rules, before);
    this.#decider.decide(1, rules, after);
    const classesOfPair = new Map<number, number[]>();
    for (let number = 0; number < level.size; number++) {
      const [left, right] = [before[number] ?? NO_MATCH, after[number] ?? NO_MATCH];
      if (this.#chains.accessOf(left) === this.#chains.accessOf(right)) continue;
      const pair = this.#pairOf(left, right);
      const classes = classesOfPair.get(pair);
      if (classes === undefined) classesOfPair.set(pair, [number]);
      else classes.push(number);
    }
    const sets = this.#setsAt(this.#space.levels.length - 1);
    return [...classesOfPair].map(([pair, classes]) => ({
      set: sets.numberOf(Int32Array.from(classes)),
      below: -1 - pair,
    }));
  }

  #pairOf(before: number, after: number): number {
    const key = (before - NO_MATCH) * 0x10_0000 + (after - NO_MATCH);
    const known = this.#decisionByKey.get(key);
    if (known !== undefined) return known;
    const pair = this.#decisions.push({ before, after }) - 1;
    this.#decisionByKey.set(key, pair);
    return pair;
  }

  #node(level: number, edges: readonly Edge[]): number {
    const setsBelow = new Map<number, number[]>();
    for (const { set, below } of edges) {
      if (below === EMPTY) continue;
      const sets = setsBelow.get(below);
      if (sets === undefined) setsBelow.set(below, [set]);
      else sets.push(set);
    }
    const joined = [...setsBelow]
      .map(([below, sets]) => ({ set: this.#setsAt(level).union(sets), below }))
      .toSorted((a, b) => a.below - b.below);
    const [first] = joined;
    if (first === undefined) return EMPTY;
    if (first.set === this.#fullSets[level]) return first.below;
    const key = `${level} ${joined.map(({ set, below }) => `${set}:${below}`).join(' ')}`;
    const known = this.#nodeByKey.get(key);
    if (known !== undefined) return known;
    const node = this.#nodes.push({ level, edges: joined }) - 1;
    this.#nodeByKey.set(key, node);
    return node;
  }

  /** The boxes below a node, each once: those that several edges lead to are joined. */
  #suffixesOf(node: number): readonly number[] {
    if (node === EMPTY) return [];
    if (node < 0) return [node];
    const known = this.#suffixesOfNode.get(node);
    if (known !== undefined) return known;
    const { level, edges } = this.#nodes[node] ?? { level: 0, edges: [] };
    const setsBySuffix = new Map<number, number[]>();
    for (const { set, below } of edges) {
      for (const suffix of this.#suffixesOf(below)) {
        const sets = setsBySuffix.get(suffix);
        if (sets === undefined) setsBySuffix.set(suffix, [set]);
        else sets.push(set);
      }
    }
    const suffixes = [...setsBySuffix].map(([below, sets]) =>
      this.#suffix({ level, set: this.#setsAt(level).union(sets), below }),
    );
    this.#suffixesOfNode.set(node, suffixes);
    return suffixes;
  }

  #suffix(suffix: Suffix): number {
    if (suffix.set === this.#fullSets[suffix.level]) return suffix.below;
    const key = `${suffix.level} ${suffix.set} ${suffix.below}`;
    const known = this.#suffixByKey.get(key);
    if (known !== undefined) return known;
    const number = this.#suffixes.push(suffix) - 1;
    this.#suffixByKey.set(key, number);
    return number;
  }

  #boxOf(first: number): SetBox {
    const sets = [...this.#fullSets];
    let at = first;
    while (at >= 0) {
      const suffix = this.#suffixes[at];
      if (suffix === undefined) throw new RangeError(`there is no box ${at}`);
      sets[suffix.level] = suffix.set;
      at = suffix.below;
    }
    return { sets, pair: -1 - at };
  }

  #levelAt(level: number): Level {
    const found = this.#space.levels[level];
    if (found === undefined) throw new RangeError(`there is no level ${level}`);
    return found;
  }

  #setsAt(level: number): ClassSets {
    const found = this.#sets[level];
    if (found === undefined) throw new RangeError(`there is no level ${level}`);
    return found;
  }

  #decisionsAt(pair: number): Decisions {
    const found = this.#decisions[pair];
    if (found === undefined) throw new RangeError(`there is no pair ${pair}`);
    return found;
  }
}

/** A box as numbers of sets, and the number of its pair of decisions. */
interface SetBox {
  readonly sets: readonly number[];
  readonly pair: number;
}

/** Joins boxes that differ in one field until none do. Disjoint boxes stay disjoint. */
function mergeBoxes(boxes: readonly SetBox[], sets: readonly ClassSets[]): readonly SetBox[] {
  let current = boxes;
  for (;;) {
    const { length } = current;
    for (const [level, classSets] of sets.entries()) {
      const groups = new Map<string, SetBox[]>();
      for (const box of current) {
        const key = `${box.pair} ${box.sets.with(level, 0).join(' ')}`;
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [box]);
        else group.push(box);
      }
      if (groups.size === current.length) continue;
      current = [...groups.values()].map(([first, ...others]): SetBox => {
        if (first === undefined) throw new RangeError('a group has a box');
        if (others.length === 0) return first;
        const union = classSets.union([first, ...others].map((box) => box.sets[level] ?? 0));
        return { sets: first.sets.with(level, union), pair: first.pair };
      });
    }
    if (current.length === length) return current;
  }
}

/** Decides about the classes of the last level. */
class Decider {
  readonly #chains: Chains;
  readonly #level: Level;
  /** Per class the first rule of the list that is looked at. */
  readonly #first: Int32Array;

  constructor(chains: Chains, level: Level) {
    this.#chains = chains;
    this.#level = level;
    this.#first = new Int32Array(level.size);
  }

  /**
   * The decision of one chain for each class: the number of the rule that denied, or of the last stage that has a
   * group.
   * @param rules ascending
   */
  decide(chain: number, rules: readonly number[], into: Int32Array): void {
    const { hasList } = this.#chains;
    // What the stages have allowed so far stands as such, negative, until the last of them has spoken.
    into.fill(UNDECIDED);
    for (let step = 0; step < STEPS; step++) {
      const slot = chain * STEPS + step;
      if (step > 0 && hasList[slot] !== true) continue;
      this.#match(slot, rules);
      this.#apply(step, into);
    }
    for (let number = 0; number < into.length; number++) {
      const decision = into[number] ?? UNDECIDED;
      if (decision <= UNDECIDED)
        into[number] = decision === UNDECIDED ? NO_GROUP : UNDECIDED - 1 - decision;
    }
  }

  /** Fills `first` with the rules of one list. */
  #match(slot: number, rules: readonly number[]): void {
    const first = this.#first;
    const { sets, setOf } = this.#level;
    const { slotOf } = this.#chains;
    let open = first.length;
    first.fill(UNDECIDED);
    for (const rule of rules) {
      const at = slotOf[rule] ?? 0;
      if (at < slot) continue;
      if (at > slot || open === 0) return;
      const classes = sets[setOf[rule] ?? -1];
      if (classes === undefined) continue;
      for (let i = 0; i < classes.length; i++) {
        const number = classes[i] ?? 0;
        if (first[number] !== UNDECIDED) continue;
        first[number] = rule;
        open--;
      }
    }
  }

  #apply(step: number, into: Int32Array): void {
    const first = this.#first;
    for (let number = 0; number < into.length; number++) {
      if ((into[number] ?? 0) > UNDECIDED) continue;
      const rule = first[number] ?? UNDECIDED;
      if (step === 0) into[number] = rule;
      else if (rule === UNDECIDED) into[number] = NO_MATCH;
      else if (this.#chains.accessOf(rule) === Access.Deny) into[number] = rule;
      else into[number] = UNDECIDED - 1 - rule;
    }
  }
}

function contentsByLevel(chains: Chains, space: Space): Int32Array[] {
  const known = new Map<string, number>();
  const numberOf = (key: string): number => {
    const number = known.get(key) ?? known.size;
    known.set(key, number);
    return number;
  };
  const contents: Int32Array[] = [];
  let below = Int32Array.from(chains.rules, (rule) => numberOf(`access ${rule.access}`));
  for (const [index, level] of [...space.levels.entries()].toReversed()) {
    below = below.map((content, rule) =>
      numberOf(`${index} ${level.setOf[rule] ?? -1} ${content}`),
    );
    contents[index] = below;
  }
  return contents;
}
