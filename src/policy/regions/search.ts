/**
 * Search: one packet that some rules match and others do not, or the proof that there is none. Levels are cut as in
 * difference.ts, but only inside the box of the rules that must match, and the first packet found ends the search.
 */
import type { PolicyRule } from '../../engine/policy.ts';
import { Access } from '../../engine/rule.ts';
import { ListNumbers } from './list-numbers.ts';
import { type Field, type Space, splitLevel } from './space.ts';

/** Rules by their number in the space. */
export interface Query {
  /** The packet is in all of these. */
  readonly match: readonly number[];
  /** And in none of these. */
  readonly avoid: readonly number[];
  /** And the first of each of these lists that it is in has this access. Lists that share no rule. */
  readonly firstOf?: readonly FirstOf[];
}

/** A list that ends in a rule for everything. */
export interface FirstOf {
  readonly list: readonly number[];
  readonly access: Access;
}

/** One packet of a space. Addresses are numbers in IPv4 and bigints in IPv6. */
export interface Found {
  readonly protocol: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly local: number | bigint;
  readonly remote: number | bigint;
}

/** What is taken of a class when it has one of them: values that a reader knows. Documentation addresses: RFC 5737, 3849. */
const PREFERRED: Readonly<Record<Field, readonly (number | bigint)[]>> = {
  protocol: [6, 17],
  localPort: [443, 50_000],
  remotePort: [50_000, 443],
  local: [],
  remote: [0xcb00_7101, (0x2001_0db8n << 96n) | 1n],
};

/** One of the values, preferably one that a reader knows. @throws RangeError when there is none */
export function pickValue(
  field: Field,
  ranges: readonly (readonly [low: number | bigint, high: number | bigint])[],
): number | bigint {
  const isIn = (value: number | bigint): boolean =>
    ranges.some(([low, high]) => typeof low === typeof value && low <= value && value <= high);
  const preferred = PREFERRED[field].find(isIn);
  const [first] = ranges;
  if (first === undefined) throw new RangeError('a class has a value');
  if (preferred !== undefined) return preferred;
  // A packet with port 0 never reaches the rules.
  return first[0] === 0 && first[1] > 0 ? 1 : first[0];
}

/** The relation of a rule to the box, over all levels. */
interface Relation {
  readonly isDisjoint: boolean;
  /** First level from which on the rule takes the whole box. */
  readonly coversFrom: number;
}

export class Search {
  readonly #space: Space;
  readonly #rules: readonly PolicyRule[];

  /** @param rules those of the space, in its order */
  constructor(space: Space, rules: readonly PolicyRule[]) {
    this.#space = space;
    this.#rules = rules;
  }

  /** A packet as the query wants it; undefined when there is none. */
  find(query: Query): Found | undefined {
    const box = this.#boxOf(query.match);
    return box && new Run(this.#space, this.#rules, query, box).find();
  }

  /** The rules of a list that come first for some packet that `match` matches, in the order of the list. */
  firstsOf(match: number, list: readonly number[]): number[] {
    const box = this.#boxOf([match]);
    if (box === undefined) return [];
    const query = { match: [match], avoid: [], firstOf: [{ list, access: Access.Allow }] };
    const firsts = new Run(this.#space, this.#rules, query, box).firsts();
    return list.filter((rule) => firsts.has(rule));
  }

  /** Classes of each level that all of the rules take; undefined when there are none. */
  #boxOf(match: readonly number[]): readonly Int32Array[] | undefined {
    const box = this.#space.levels.map((level) => {
      const [first, ...others] = match.map((rule) => level.setOf[rule] ?? -1);
      const classes =
        level.sets[first ?? -1] ?? Int32Array.from({ length: level.size }, (_, number) => number);
      if (others.length === 0) return classes;
      return classes.filter((number) => others.every((set) => level.members[set]?.[number] === 1));
    });
    return box.some((classes) => classes.length === 0) ? undefined : box;
  }
}

/** What is known of a list of `firstOf`, about the packets of a piece. */
interface ListState {
  readonly access: Access;
  /** The first rule takes every packet and has the access. */
  isDecided?: boolean;
  /** Some rule up to the first that takes every packet has the access. */
  hasWanted?: boolean;
  isClosed?: boolean;
}

/** One search. */
class Run {
  readonly #space: Space;
  readonly #rules: readonly PolicyRule[];
  readonly #box: readonly Int32Array[];
  readonly #firstOf: readonly FirstOf[];
  /** Per rule the number of its list in `firstOf`. */
  readonly #listOf = new Map<number, number>();
  readonly #avoided: ReadonlySet<number>;
  readonly #start: readonly number[];
  readonly #coversFrom = new Map<number, number>();
  /** Pieces that were looked at, by the level and the rules that are left, and hold nothing more. */
  #pieces: ListNumbers | undefined;
  /** Per level the class that was chosen. */
  readonly #chosen: number[] = [];

  constructor(
    space: Space,
    rules: readonly PolicyRule[],
    query: Query,
    box: readonly Int32Array[],
  ) {
    this.#space = space;
    this.#rules = rules;
    this.#box = box;
    this.#firstOf = query.firstOf ?? [];
    this.#avoided = new Set(query.avoid);
    for (const [number, { list }] of this.#firstOf.entries()) {
      for (const rule of list) this.#listOf.set(rule, number);
    }
    const start: number[] = [];
    for (const rule of new Set([...query.avoid, ...this.#listOf.keys()])) {
      const { isDisjoint, coversFrom } = this.#relationOf(rule);
      if (isDisjoint) continue;
      this.#coversFrom.set(rule, coversFrom);
      start.push(rule);
    }
    this.#start = start;
  }

  find(): Found | undefined {
    return this.#visit(0, this.#start) ? this.#packet() : undefined;
  }

  firsts(): ReadonlySet<number> {
    const firsts = new Set<number>();
    this.#collect(0, this.#start, firsts);
    return firsts;
  }

  #collect(level: number, rules: readonly number[], into: Set<number>): void {
    const closing = rules.findIndex((rule) => (this.#coversFrom.get(rule) ?? 0) <= level);
    const open = closing === -1 ? rules : rules.slice(0, closing + 1);
    if (open.every((rule) => into.has(rule))) return;
    const [first] = open;
    if (closing === 0 && first !== undefined) into.add(first);
    const field = this.#space.levels[level];
    if (closing === 0 || field === undefined || this.#isKnown(level, open)) return;
    for (const group of splitLevel(field, open, this.#box[level])) {
      this.#collect(level + 1, group.rules, into);
    }
  }

  #relationOf(rule: number): Relation {
    let coversFrom = 0;
    for (const [index, level] of this.#space.levels.entries()) {
      const members = level.members[level.setOf[rule] ?? -1];
      const box = this.#box[index] ?? new Int32Array();
      let [hasIn, hasOut] = [false, false];
      for (const number of box) {
        if (members?.[number] === 1) hasIn = true;
        else hasOut = true;
        if (hasIn && hasOut) break;
      }
      if (!hasIn) return { isDisjoint: true, coversFrom };
      if (hasOut) coversFrom = index + 1;
    }
    return { isDisjoint: false, coversFrom };
  }

  /** True when there is a packet; then `chosen` says where. */
  #visit(level: number, rules: readonly number[]): boolean {
    const open: number[] = [];
    let hasAvoided = false;
    const states = this.#firstOf.map(({ access }): ListState => ({ access }));
    for (const rule of rules) {
      const covers = (this.#coversFrom.get(rule) ?? 0) <= level;
      const state = states[this.#listOf.get(rule) ?? -1];
      if (this.#avoided.has(rule)) {
        if (covers) return false;
        hasAvoided = true;
        open.push(rule);
      } else if (state !== undefined && state.isClosed !== true) {
        open.push(rule);
        const isWanted = this.#rules[rule]?.access === state.access;
        state.isDecided ??= covers && isWanted;
        if (isWanted) state.hasWanted = true;
        state.isClosed = covers;
      }
    }
    if (states.some(({ hasWanted }) => hasWanted !== true)) return false;
    if (!hasAvoided && states.every(({ isDecided }) => isDecided === true)) return true;
    const field = this.#space.levels[level];
    if (field === undefined) return false;
    // One that is being looked at does not come again: what is left goes on to the next level.
    if (this.#isKnown(level, open)) return false;
    for (const group of splitLevel(field, open, this.#box[level])) {
      this.#chosen[level] = group.classes[0] ?? 0;
      if (this.#visit(level + 1, group.rules)) return true;
      this.#chosen.length = level;
    }
    return false;
  }

  #isKnown(level: number, rules: readonly number[]): boolean {
    // Most searches end before they need it.
    const pieces = (this.#pieces ??= new ListNumbers());
    const { size } = pieces;
    return pieces.numberOf([level, ...rules]) < size;
  }

  #packet(): Found {
    const values = new Map(
      this.#space.levels.map(({ field, ranges }, level) => {
        const chosen = this.#chosen[level];
        const classes = chosen === undefined ? this.#box[level] : Int32Array.of(chosen);
        return [field, pickValue(field, ranges(classes ?? new Int32Array()))] as const;
      }),
    );
    const get = (field: Field): number | bigint => values.get(field) ?? 0;
    return {
      protocol: Number(get('protocol')),
      localPort: Number(get('localPort')),
      remotePort: Number(get('remotePort')),
      local: get('local'),
      remote: get('remote'),
    };
  }
}
