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
import { ClassSets } from './class-sets.ts';
import { LevelCuts } from './level-cuts.ts';
import { ListNumbers } from './list-numbers.ts';
import type { Level, Range, Space } from './space.ts';

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

/** What is kept and used again of one level. */
interface LevelWork {
  readonly level: Level;
  readonly sets: ClassSets;
  /** Number of the set of all classes. */
  readonly full: number;
  readonly cuts: LevelCuts;
  /** The pieces that were looked at, by what was left to decide about them. */
  readonly pieces: ListNumbers;
  readonly nodeOfPiece: number[];
  /** Rules of the piece that is looked at: those that hold for it, and of these those that can still decide. */
  readonly given: Int32Array;
  readonly settled: Int32Array;
  /** What each rule is from here on: equal numbers, equal rules. */
  readonly contents: Int32Array;
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
  readonly #levels: readonly LevelWork[];
  readonly #nodes: { readonly level: number; readonly edges: readonly Edge[] }[] = [];
  /** A node's number is one more than that of its list: 0 is EMPTY. */
  readonly #nodeLists = new ListNumbers();
  readonly #decisions: Decisions[] = [];
  readonly #decisionByKey = new Map<number, number>();
  readonly #suffixes: Suffix[] = [];
  readonly #suffixLists = new ListNumbers();
  readonly #suffixesOfNode = new Map<number, readonly number[]>();
  readonly #decider: Decider;
  /** Per decision, counted from `NO_MATCH`, 1 when it allows. */
  readonly #allows: Uint8Array;
  /** Decisions before and after, of each class of the last level; overwritten for every piece. */
  readonly #scratch: readonly [Int32Array, Int32Array];
  #pieceCount = 0;
  #root: number | undefined;

  /** @param chains two of them: before and after */
  constructor(chains: Chains, space: Space) {
    this.#chains = chains;
    this.#space = space;
    this.#settler = new Settler(chains, space);
    const contents = contentsByLevel(chains, space);
    this.#levels = space.levels.map((level, index): LevelWork => {
      const sets = new ClassSets(level.size);
      return {
        level,
        sets,
        full: sets.numberOf(Int32Array.from({ length: level.size }, (_, number) => number)),
        cuts: new LevelCuts(level, sets),
        pieces: new ListNumbers(),
        nodeOfPiece: [],
        given: new Int32Array(chains.rules.length),
        settled: new Int32Array(chains.rules.length),
        contents: contents[index] ?? new Int32Array(),
      };
    });
    const last = this.#levelAt(space.levels.length - 1).level;
    this.#decider = new Decider(chains, last);
    this.#allows = Uint8Array.from({ length: chains.rules.length - NO_MATCH }, (_, at) =>
      chains.accessOf(at + NO_MATCH),
    );
    this.#scratch = [new Int32Array(last.size), new Int32Array(last.size)];
  }

  /**
   * Every box, or what is in it of some local addresses. Classes that are only partly of these addresses are kept.
   * @throws TooComplexError
   */
  boxes(local?: readonly Range[]): ClassBox[] {
    if (this.#space.isEmpty) return [];
    this.#root ??= this.#start();
    const boxes = this.#suffixesOf(this.#root).map((suffix) => this.#boxOf(suffix));
    const kept = local === undefined ? boxes : this.#boxesAt(boxes, local);
    const classSets = this.#levels.map(({ sets }) => sets);
    return mergeBoxes(kept, classSets).map(({ sets, pair }) => ({
      classes: sets.map((set, level) => this.#levelAt(level).sets.classesOf(set)),
      ...this.#decisionsAt(pair),
    }));
  }

  #boxesAt(boxes: readonly SetBox[], local: readonly Range[]): SetBox[] {
    const at = this.#space.levels.findIndex(({ field }) => field === 'local');
    const { level, sets } = this.#levelAt(at);
    const wanted = new Set(level.classesIn(local));
    return boxes.flatMap((box) => {
      const classes = sets.classesOf(box.sets[at] ?? 0).filter((number) => wanted.has(number));
      return classes.length === 0
        ? []
        : [{ ...box, sets: box.sets.with(at, sets.numberOf(classes)) }];
    });
  }

  #start(): number {
    const possible = this.#chains.possibleIn(this.#space);
    this.#levelAt(0).given.set(possible);
    return this.#visit(0, possible.length);
  }

  /** The node of the piece whose rules are the first `count` that are given at that level. */
  #visit(level: number, count: number): number {
    const work = this.#levelAt(level);
    const { settled, pieces, nodeOfPiece } = work;
    const { length, middle, canDiffer } = this.#settler.settle(level, work.given, count, settled);
    if (!canDiffer || this.#isAlike(work, middle, length)) return EMPTY;
    const piece = pieces.numberOf(settled, length);
    const known = nodeOfPiece[piece];
    if (known !== undefined) return known;
    if (++this.#pieceCount > PIECES_MAX) {
      throw new TooComplexError(`more than ${PIECES_MAX} pieces`);
    }
    const isLast = level === this.#levels.length - 1;
    const edges = isLast ? this.#leafEdges(work, length) : this.#edges(level, length);
    const node = this.#node(level, edges);
    nodeOfPiece[piece] = node;
    return node;
  }

  #edges(level: number, length: number): Edge[] {
    const { level: field, settled, cuts } = this.#levelAt(level);
    const { given } = this.#levelAt(level + 1);
    const { members, setOf } = field;
    const { sets, classes } = cuts.cut(settled, length);
    const edges: Edge[] = [];
    for (let group = 0; group < sets.length; group++) {
      const member = classes[group] ?? 0;
      let count = 0;
      for (let i = 0; i < length; i++) {
        const rule = settled[i] ?? 0;
        if (members[setOf[rule] ?? 0]?.[member] === 1) given[count++] = rule;
      }
      const below = this.#visit(level + 1, count);
      if (below !== EMPTY) edges.push({ set: sets[group] ?? 0, below });
    }
    return edges;
  }

  /** True when what is left of both chains says the same about every packet. */
  #isAlike({ settled, contents }: LevelWork, middle: number, length: number): boolean {
    if (length !== middle * 2) return false;
    const { hasList, slotOf } = this.#chains;
    for (let step = 1; step < STEPS; step++) {
      if (hasList[step] !== hasList[STEPS + step]) return false;
    }
    for (let at = 0; at < middle; at++) {
      const [left, right] = [settled[at] ?? 0, settled[middle + at] ?? 0];
      if (contents[left] !== contents[right]) return false;
      if ((slotOf[left] ?? 0) + STEPS !== slotOf[right]) return false;
    }
    return true;
  }

  #leafEdges({ level, sets, settled }: LevelWork, length: number): Edge[] {
    const [before, after] = this.#scratch;
    const rules = settled.subarray(0, length);
    this.#decider.decide(0, rules, before);
    this.#decider.decide(1, rules, after);
    const allows = this.#allows;
    const classesOfPair = new Map<number, number[]>();
    let [lastLeft, lastRight] = [NO_MATCH, NO_MATCH];
    let last: number[] = [];
    for (let number = 0; number < level.size; number++) {
      const [left, right] = [before[number] ?? NO_MATCH, after[number] ?? NO_MATCH];
      if (allows[left - NO_MATCH] === allows[right - NO_MATCH]) continue;
      if (left !== lastLeft || right !== lastRight) {
        const pair = this.#pairOf(left, right);
        last = classesOfPair.get(pair) ?? [];
        if (last.length === 0) classesOfPair.set(pair, last);
        [lastLeft, lastRight] = [left, right];
      }
      last.push(number);
    }
    const edges: Edge[] = [];
    for (const [pair, classes] of classesOfPair) {
      edges.push({ set: sets.numberOf(Int32Array.from(classes)), below: -1 - pair });
    }
    return edges;
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
      const sets = setsBelow.get(below);
      if (sets === undefined) setsBelow.set(below, [set]);
      else sets.push(set);
    }
    const work = this.#levelAt(level);
    const joined = [...setsBelow]
      .map(([below, sets]) => ({ set: work.sets.union(sets), below }))
      .toSorted((a, b) => a.below - b.below);
    const [first] = joined;
    if (first === undefined) return EMPTY;
    if (first.set === work.full) return first.below;
    const list = [level];
    for (const { set, below } of joined) list.push(set, below);
    const number = this.#nodeLists.numberOf(list);
    if (number === this.#nodes.length) this.#nodes.push({ level, edges: joined });
    return number + 1;
  }

  /** The boxes below a node, each once: those that several edges lead to are joined. */
  #suffixesOf(node: number): readonly number[] {
    if (node === EMPTY) return [];
    if (node < 0) return [node];
    const known = this.#suffixesOfNode.get(node);
    if (known !== undefined) return known;
    const { level, edges } = this.#nodes[node - 1] ?? { level: 0, edges: [] };
    const setsBySuffix = new Map<number, number[]>();
    for (const { set, below } of edges) {
      for (const suffix of this.#suffixesOf(below)) {
        const sets = setsBySuffix.get(suffix);
        if (sets === undefined) setsBySuffix.set(suffix, [set]);
        else sets.push(set);
      }
    }
    const suffixes = [...setsBySuffix].map(([below, sets]) =>
      this.#suffix({ level, set: this.#levelAt(level).sets.union(sets), below }),
    );
    this.#suffixesOfNode.set(node, suffixes);
    return suffixes;
  }

  #suffix(suffix: Suffix): number {
    const { level, set, below } = suffix;
    if (set === this.#levelAt(level).full) return below;
    const number = this.#suffixLists.numberOf([level, set, below]);
    if (number === this.#suffixes.length) this.#suffixes.push(suffix);
    return number;
  }

  #boxOf(first: number): SetBox {
    const sets = this.#levels.map(({ full }) => full);
    let at = first;
    while (at >= 0) {
      const suffix = this.#suffixes[at];
      if (suffix === undefined) throw new RangeError(`there is no box ${at}`);
      sets[suffix.level] = suffix.set;
      at = suffix.below;
    }
    return { sets, pair: -1 - at };
  }

  #levelAt(level: number): LevelWork {
    const found = this.#levels[level];
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
      const numbers = new ListNumbers();
      const groups: SetBox[][] = [];
      for (const box of current) {
        const number = numbers.numberOf([box.pair, ...box.sets.with(level, 0)]);
        (groups[number] ??= []).push(box);
      }
      if (groups.length === current.length) continue;
      current = groups.map(([first, ...others]): SetBox => {
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
  decide(chain: number, rules: Int32Array, into: Int32Array): void {
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
  #match(slot: number, rules: Int32Array): void {
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
