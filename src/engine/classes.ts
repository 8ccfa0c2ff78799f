/**
 * Equivalence classes: points of a one-dimensional domain (addresses, ports, protocols) that lie in exactly the same
 * sets. The matcher turns each field of a packet into its class, so the number of classes, not of prefixes, is what
 * costs memory: a service tag of thousands of prefixes adds one set and usually one class. Cold path only.
 */
import { after, areIntervalsEqual, type Bound, type Interval } from './intervals.ts';

/** A field's possible values, 0 to `last`. */
export interface Domain<T> {
  readonly zero: T;
  readonly last: T;
}

/** The domain cut into pieces so that neighbours belong to different classes. */
export interface Classes<T> {
  /** First point of each piece, ascending; `starts[0]` is the domain's zero. */
  readonly starts: readonly T[];
  /** Class of each piece. */
  readonly classOf: readonly number[];
  /** Per class, the indexes of the sets that its points are in, in no particular order. */
  readonly members: readonly (readonly number[])[];
}

/** Interval lists without repetition, and for each input the index of its list. */
export interface DistinctLists<T> {
  readonly lists: readonly (readonly Interval<T>[])[];
  readonly indexOf: readonly number[];
}

/**
 * Finds equal lists, so that a tag that hundreds of rules name is swept once. Comparison is by content, helped by
 * identity: resolved tags are usually the same object.
 */
export function distinctLists<T extends Bound>(
  inputs: readonly (readonly Interval<T>[])[],
): DistinctLists<T> {
  const lists: (readonly Interval<T>[])[] = [];
  const byIdentity = new Map<readonly Interval<T>[], number>();
  const byOutline = new Map<string, number[]>();
  const indexOf = inputs.map((list) => {
    const known = byIdentity.get(list);
    if (known !== undefined) return known;
    const outline = `${list.length} ${list.at(0)?.[0]} ${list.at(-1)?.[1]}`;
    const candidates = byOutline.get(outline) ?? [];
    let index = candidates.find((candidate) => areIntervalsEqual(lists[candidate], list));
    if (index === undefined) {
      index = lists.push(list) - 1;
      byOutline.set(outline, [...candidates, index]);
    }
    byIdentity.set(list, index);
    return index;
  });
  return { lists, indexOf };
}

interface Event<T> {
  readonly point: T;
  readonly set: number;
  /** +1: an interval of the set starts at the point; -1: one ended just before it. */
  readonly step: 1 | -1;
}

function sortedEvents<T extends Bound>(
  sets: readonly (readonly Interval<T>[])[],
  domain: Domain<T>,
): Event<T>[] {
  const events: Event<T>[] = [];
  for (const [set, intervals] of sets.entries()) {
    for (const [low, high] of intervals) {
      if (low > high) continue;
      events.push({ point: low, set, step: 1 });
      if (high < domain.last) events.push({ point: after(high), set, step: -1 });
    }
  }
  return events.toSorted((a, b) => (a.point < b.point ? -1 : a.point > b.point ? 1 : 0));
}

/** Two independent 26-bit hashes of a set's index, added up over the members: the same members, the same sum. */
function memberHash(set: number): number {
  const high = Math.imul(set + 1, 0x9e37_79b1) >>> 6;
  const low = Math.imul((set + 1) ^ 0x5bd1_e995, 0x85eb_ca6b) >>> 6;
  return high * 0x400_0000 + low;
}

/**
 * The sets that contain the sweep's current point, and the classes seen so far. Finding the class of the current
 * members costs one hash lookup and one comparison, not a walk over all classes.
 */
class Membership {
  readonly classes: (readonly number[])[] = [];
  readonly #depth: Int32Array;
  readonly #members = new Set<number>();
  readonly #classByHash = new Map<number, number>();
  #hash = 0;

  constructor(setCount: number) {
    this.#depth = new Int32Array(setCount);
  }

  /** Intervals of one set may overlap, so depth counts them. */
  apply(set: number, step: 1 | -1): void {
    const depth = this.#depth[set] + step;
    this.#depth[set] = depth;
    if (depth > 0 === this.#members.has(set)) return;
    if (depth > 0) this.#members.add(set);
    else this.#members.delete(set);
    // Kept below 2^52, so that additions and subtractions stay exact.
    const hash = this.#hash + (depth > 0 ? memberHash(set) : -memberHash(set));
    this.#hash = hash < 0 ? hash + 2 ** 52 : hash % 2 ** 52;
  }

  /** Class of the current members. */
  currentClass(): number {
    // A different class under the same hash moves on to the next free number.
    for (let key = this.#hash; ; key++) {
      const known = this.#classByHash.get(key);
      if (known === undefined) {
        const created = this.classes.push([...this.#members]) - 1;
        this.#classByHash.set(key, created);
        return created;
      }
      const members = this.classes[known];
      const isSame =
        members.length === this.#members.size && members.every((set) => this.#members.has(set));
      if (isSame) return known;
    }
  }
}

/** Cuts the domain into classes: one sweep over the sorted ends of all intervals. */
export function classify<T extends Bound>(
  sets: readonly (readonly Interval<T>[])[],
  domain: Domain<T>,
): Classes<T> {
  const events = sortedEvents(sets, domain);
  const membership = new Membership(sets.length);
  const starts: T[] = [];
  const classOf: number[] = [];
  let point = domain.zero;
  let next = 0;
  while (true) {
    for (; next < events.length && events[next].point === point; next++) {
      membership.apply(events[next].set, events[next].step);
    }
    const current = membership.currentClass();
    if (classOf.at(-1) !== current) {
      starts.push(point);
      classOf.push(current);
    }
    if (next === events.length) return { starts, classOf, members: membership.classes };
    point = events[next].point;
  }
}
