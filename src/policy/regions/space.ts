/**
 * Space: the packets of one direction and family, seen from a NIC, cut into as few pieces as a set of rules can tell
 * apart. Each of the five fields is a level: its values fall into classes (../../engine/classes.ts), and two values of
 * one class are in the same rules. A region is then a product of class sets, one for each level, and whatever thousands
 * of prefixes a service tag has, only the number of classes counts.
 *
 * A rule that names ports matches no packet without ports, so it stands here as a rule for TCP and UDP alone, and a port
 * of another protocol makes no difference to any rule.
 */
import { type AddressSet, IPV4_MAX, IPV6_MAX } from '../../engine/address-set.ts';
import { classify, distinctLists, type Domain } from '../../engine/classes.ts';
import { after, before, type Bound, type Interval } from '../../engine/intervals.ts';
import {
  ANY_PROTOCOL,
  PORT_MAX,
  type PortMatch,
  PROTOCOL_MAX,
  type Rule,
} from '../../engine/rule.ts';

export const FIELDS = ['protocol', 'localPort', 'remotePort', 'local', 'remote'] as const;
export type Field = (typeof FIELDS)[number];

export type Family = 'ipv4' | 'ipv6';

export interface SpaceScope {
  readonly direction: 0 | 1;
  readonly family: Family;
  /** Only packets with these local addresses are in the space. */
  readonly local: AddressSet;
}

/** Closed interval of protocol numbers, ports or addresses. */
export type Range = Interval<number> | Interval<bigint>;

/** IP protocol numbers of the protocols with ports: TCP and UDP. */
const PROTOCOLS_WITH_PORTS: readonly Interval<number>[] = [
  [6, 6],
  [17, 17],
];
const EVERY_PORT: readonly Interval<number>[] = [[0, PORT_MAX]];
const EVERY_PROTOCOL: readonly Interval<number>[] = [[0, PROTOCOL_MAX]];

const PROTOCOL_DOMAIN: Domain<number> = { zero: 0, last: PROTOCOL_MAX };
const PORT_DOMAIN: Domain<number> = { zero: 0, last: PORT_MAX };
const IPV4_DOMAIN: Domain<number> = { zero: 0, last: IPV4_MAX };
const IPV6_DOMAIN: Domain<bigint> = { zero: 0n, last: IPV6_MAX };

/** One field of a space. Classes are numbered from 0 to `size` - 1; those outside the space are none of them. */
export interface Level {
  readonly field: Field;
  readonly size: number;
  /** Per rule, the number of its set of classes. */
  readonly setOf: Int32Array;
  /** Per set its classes, ascending. */
  readonly sets: readonly Int32Array[];
  /** Per set, a byte for each class: 1 when it is in the set. */
  readonly members: readonly Uint8Array[];
  /** The values of some classes as sorted intervals that do not touch; the same object for the same array. */
  readonly ranges: (classes: Int32Array) => readonly Range[];
  /** The classes that have a value in some sorted intervals. */
  readonly classesIn: (ranges: readonly Range[]) => Int32Array;
}

/** The numbers, other than -1, of the pieces that have a point in sorted intervals; ascending. */
function numbersIn<T extends Bound>(
  within: readonly Interval<T>[],
  starts: readonly T[],
  numberOf: (piece: number) => number,
): Int32Array {
  const found = new Set<number>();
  let at = 0;
  for (const [piece, start] of starts.entries()) {
    const next = starts[piece + 1];
    for (let range = within[at]; range !== undefined && range[1] < start; range = within[at]) at++;
    const low = within[at]?.[0];
    const isIn = low !== undefined && (next === undefined || low < next);
    if (isIn && numberOf(piece) >= 0) found.add(numberOf(piece));
  }
  return Int32Array.from(found).toSorted();
}

/** The pieces of some classes, joined where they touch. */
function joinedRanges<T extends Bound>(
  wanted: Int32Array,
  starts: readonly T[],
  piecesOf: readonly Int32Array[],
  domain: Domain<T>,
): readonly Interval<T>[] {
  const parts: Int32Array[] = [];
  let count = 0;
  for (const number of wanted) {
    const part = piecesOf[number] ?? new Int32Array();
    parts.push(part);
    count += part.length;
  }
  const pieces = new Int32Array(count);
  let filled = 0;
  for (const part of parts) {
    pieces.set(part, filled);
    filled += part.length;
  }
  const found: [T, T][] = [];
  for (const piece of pieces.toSorted()) {
    const start = starts[piece] ?? domain.zero;
    const next = starts[piece + 1];
    const end = next === undefined ? domain.last : before(next);
    const last = found.at(-1);
    if (last !== undefined && after(last[1]) === start) last[1] = end;
    else found.push([start, end]);
  }
  return found;
}

/** Remembers what it said of an array: thousands of regions share a few hundred sets. */
function rangesReader<T extends Bound>(
  starts: readonly T[],
  piecesOf: readonly Int32Array[],
  domain: Domain<T>,
): (classes: Int32Array) => readonly Interval<T>[] {
  const known = new WeakMap<Int32Array, readonly Interval<T>[]>();
  return (classes) => {
    const ranges = known.get(classes) ?? joinedRanges(classes, starts, piecesOf, domain);
    known.set(classes, ranges);
    return ranges;
  };
}

function makeLevel<T extends Bound>(
  field: Field,
  lists: readonly (readonly Interval<T>[])[],
  domain: Domain<T>,
  whole: readonly Interval<T>[],
): Level {
  const distinct = distinctLists(lists);
  const inSpace = distinct.lists.length;
  const { starts, classOf, members } = classify([...distinct.lists, whole], domain);
  let size = 0;
  const numberOf = members.map((sets) => (sets.includes(inSpace) ? size++ : -1));
  const sets = distinct.lists.map((): number[] => []);
  for (const [index, containing] of members.entries()) {
    const number = numberOf[index] ?? -1;
    if (number >= 0) for (const set of containing) sets[set]?.push(number);
  }
  const piecesByClass = Array.from({ length: size }, (): number[] => []);
  for (const [piece, index] of classOf.entries()) piecesByClass[numberOf[index] ?? -1]?.push(piece);
  const piecesOf = piecesByClass.map((pieces) => Int32Array.from(pieces));
  const classes = sets.map((set) => Int32Array.from(set));
  return {
    field,
    size,
    setOf: Int32Array.from(distinct.indexOf),
    sets: classes,
    members: classes.map((set) => {
      const bytes = new Uint8Array(size);
      for (const number of set) bytes[number] = 1;
      return bytes;
    }),
    ranges: rangesReader(starts, piecesOf, domain) as Level['ranges'],
    classesIn: ((within: readonly Interval<T>[]) =>
      numbersIn(
        within,
        starts,
        (piece) => numberOf[classOf[piece] ?? -1] ?? -1,
      )) as Level['classesIn'],
  };
}

function portIntervals(ports: PortMatch): readonly Interval<number>[] {
  return ports === 'any' ? EVERY_PORT : ports.map(({ low, high }) => [low, high]);
}

/** The protocols of packets that the rule can match: one that names ports matches only protocols that have them. */
function protocolIntervals(rule: Rule, family: Family): readonly Interval<number>[] {
  const number = rule.protocol[family];
  const hasPorts = rule.sourcePorts !== 'any' || rule.destinationPorts !== 'any';
  if (number === ANY_PROTOCOL) return hasPorts ? PROTOCOLS_WITH_PORTS : EVERY_PROTOCOL;
  const isPossible = !hasPorts || PROTOCOLS_WITH_PORTS.some(([low]) => low === number);
  return isPossible ? [[number, number]] : [];
}

function addressLevel(
  field: 'local' | 'remote',
  sets: readonly AddressSet[],
  family: Family,
  whole: AddressSet,
): Level {
  return family === 'ipv4'
    ? makeLevel(
        field,
        sets.map((set) => set.ipv4),
        IPV4_DOMAIN,
        whole.ipv4,
      )
    : makeLevel(
        field,
        sets.map((set) => set.ipv6),
        IPV6_DOMAIN,
        whole.ipv6,
      );
}

/** The part of the classes that a rule takes, added up over the rules. */
function acceptedShare(level: Level): number {
  const shares = level.sets.map((set) => set.length / Math.max(1, level.size));
  return level.setOf.reduce((sum, set) => sum + (shares[set] ?? 0), 0);
}

const EVERYWHERE: AddressSet = { ipv4: [[0, IPV4_MAX]], ipv6: [[0n, IPV6_MAX]] };

export class Space {
  readonly scope: SpaceScope;
  /**
   * The protocol, which has few classes, then the fields that tell the rules apart best: what is left to the last levels
   * are the fields that most rules do not look at, so that few different lists of rules reach them. Of the orders that
   * were tried this one has the fewest pieces, by up to a factor of sixty, and gives the fewest boxes.
   */
  readonly levels: readonly Level[];
  /** Per rule the first level from which on it takes every packet; the number of levels when the last tells it apart. */
  readonly fullFrom: Int32Array;
  /** Per rule, 1 when some packet of the space is in it. */
  readonly possible: Uint8Array;

  constructor(rules: readonly Rule[], scope: SpaceScope) {
    const { direction, family } = scope;
    const isInbound = direction === 0;
    this.scope = scope;
    const ports = (isSource: boolean): (readonly Interval<number>[])[] =>
      rules.map((rule) => portIntervals(isSource ? rule.sourcePorts : rule.destinationPorts));
    const addresses = (isSource: boolean): AddressSet[] =>
      rules.map((rule) => (isSource ? rule.source : rule.destination));
    const protocols = rules.map((rule) => protocolIntervals(rule, family));
    const protocol = makeLevel('protocol', protocols, PROTOCOL_DOMAIN, EVERY_PROTOCOL);
    const levels = [
      makeLevel('localPort', ports(!isInbound), PORT_DOMAIN, EVERY_PORT),
      makeLevel('remotePort', ports(isInbound), PORT_DOMAIN, EVERY_PORT),
      addressLevel('local', addresses(!isInbound), family, scope.local),
      addressLevel('remote', addresses(isInbound), family, EVERYWHERE),
    ];
    this.levels = [protocol, ...levels.toSorted((a, b) => acceptedShare(a) - acceptedShare(b))];
    this.fullFrom = new Int32Array(rules.length);
    this.possible = new Uint8Array(rules.length).fill(1);
    for (const [index, level] of this.levels.entries()) {
      for (let rule = 0; rule < rules.length; rule++) {
        const { length } = level.sets[level.setOf[rule] ?? -1] ?? [];
        if (length < level.size) this.fullFrom[rule] = index + 1;
        if (length === 0) this.possible[rule] = 0;
      }
    }
  }

  /** False when no packet is in the space: a NIC without an address of the family. */
  get isEmpty(): boolean {
    return this.levels.some((level) => level.size === 0);
  }
}

/** Classes of one level that the rules treat alike, and those of the rules that hold there. */
export interface Group {
  readonly classes: Int32Array;
  readonly rules: readonly number[];
}

/** Cuts the classes of a level by the rules: partition refinement, in time proportional to the sets' sizes. */
export function splitLevel(
  level: Level,
  rules: readonly number[],
  within: Int32Array | undefined,
): readonly Group[] {
  const groupOf = new Int32Array(level.size).fill(-1);
  if (within === undefined) groupOf.fill(0);
  else for (const number of within) groupOf[number] = 0;
  let count = 1;
  const splitBy: number[] = [-1];
  const splitTo: number[] = [0];
  const seen = new Set<number>();
  for (const rule of rules) {
    const set = level.setOf[rule] ?? -1;
    const classes = level.sets[set];
    if (classes === undefined || classes.length === level.size || seen.has(set)) continue;
    seen.add(set);
    for (const number of classes) {
      const group = groupOf[number] ?? -1;
      if (group < 0) continue;
      if (splitBy[group] !== set) {
        splitBy[group] = set;
        splitTo[group] = count;
        splitBy[count] = -1;
        count++;
      }
      groupOf[number] = splitTo[group] ?? 0;
    }
  }
  const groups: number[][] = Array.from({ length: count }, () => []);
  for (let number = 0; number < level.size; number++) groups[groupOf[number] ?? -1]?.push(number);
  return groups
    .filter((classes) => classes.length > 0)
    .map((classes) => {
      const first = classes[0] ?? 0;
      return {
        classes: Int32Array.from(classes),
        rules: rules.filter((rule) => level.members[level.setOf[rule] ?? -1]?.[first] === 1),
      };
    });
}
