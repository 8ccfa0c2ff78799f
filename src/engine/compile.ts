/**
 * compileRules: a rule list as the image that `RuleSet` reads (rule-set-layout.ts). Cold path: may take milliseconds
 * and allocate.
 *
 * Per field, the distinct sets of all rules cut the field's values into classes (classes.ts); per class there is a
 * vector of the rules that accept it; a trie takes a value to its vector. Protocol and ports are combined further into
 * one service class, because real lists have few combinations: one vector less to intersect per packet than fields.
 */
import type { Ipv4Interval, Ipv6Interval } from './address-set.ts';
import { IPV4_MAX, IPV6_MAX } from './address-set.ts';
import { type Classes, type Domain, classify, distinctLists } from './classes.ts';
import { ImageWriter } from './image-writer.ts';
import { writeIpv6Trie, writeTrie } from './compile-trie.ts';
import { VectorShape, VectorWriter } from './compile-vectors.ts';
import type { Bound, Interval } from './intervals.ts';
import {
  HEADER_WORDS,
  Header,
  MAGIC,
  MAX_RULES,
  NO_PORT,
  PORT_SHIFT,
  PROTOCOL_IPV6,
  PROTOCOL_SHIFT,
  SERVICE_ROOT_BITS,
} from './rule-set-layout.ts';
import { ANY_PROTOCOL, type PortMatch, type Rule } from './rule.ts';

/** A service table has at most this many entries; a list with more combinations keeps its fields apart. */
const MAX_SERVICE_ENTRIES = 1 << 16;
/** And its vectors, all different in the worst case, take at most this many words. */
const MAX_SERVICE_WORDS = 1 << 24;

/** Lists from this size on start their address tries with a table of 2^16 entries, shorter ones with 2^8. */
const LARGE_LIST_RULES = 256;
/** Words that the tables of an IPv4 trie may take per rule (1 KiB), and at least. */
const TABLE_WORDS_PER_RULE = 256;
const MIN_TABLE_WORDS = 2048;

const IPV4_DOMAIN: Domain<number> = { zero: 0, last: IPV4_MAX };
const IPV6_DOMAIN: Domain<bigint> = { zero: 0n, last: IPV6_MAX };
/** Ports, then "no port". */
const PORT_DOMAIN: Domain<number> = { zero: 0, last: NO_PORT };
/** IPv4 protocols, then IPv6 protocols. */
const PROTOCOL_DOMAIN: Domain<number> = { zero: 0, last: 2 * PROTOCOL_IPV6 - 1 };

/** One field of the list: its values cut into classes, and the vector of each class. */
interface Field<T> {
  readonly classes: Classes<T>;
  readonly vectors: readonly Int32Array[];
}

function field<T extends Bound>(
  lists: readonly (readonly Interval<T>[])[],
  domain: Domain<T>,
  shape: VectorShape,
): Field<T> {
  const distinct = distinctLists(lists);
  const classes = classify(distinct.lists, domain);
  const vectors = shape.classVectors(classes.members, distinct.indexOf, distinct.lists.length);
  return { classes, vectors };
}

function portIntervals(ports: PortMatch): Interval<number>[] {
  return ports === 'any' ? [[0, NO_PORT]] : ports.map(({ low, high }) => [low, high]);
}

function protocolIntervals(protocol: Rule['protocol']): Interval<number>[] {
  const { ipv4, ipv6 } = protocol;
  return [
    ipv4 === ANY_PROTOCOL ? [0, PROTOCOL_IPV6 - 1] : [ipv4, ipv4],
    ipv6 === ANY_PROTOCOL
      ? [PROTOCOL_IPV6, 2 * PROTOCOL_IPV6 - 1]
      : [PROTOCOL_IPV6 + ipv6, PROTOCOL_IPV6 + ipv6],
  ];
}

/** Every field of a list. */
interface Fields {
  readonly ipv4: readonly Field<number>[];
  readonly ipv6: readonly Field<bigint>[];
  /** Protocol, source port, destination port. */
  readonly service: readonly [Field<number>, Field<number>, Field<number>];
}

function fieldsOf(rules: readonly Rule[], shape: VectorShape): Fields {
  const ipv4 = (lists: readonly (readonly Ipv4Interval[])[]): Field<number> =>
    field(lists, IPV4_DOMAIN, shape);
  const ipv6 = (lists: readonly (readonly Ipv6Interval[])[]): Field<bigint> =>
    field(lists, IPV6_DOMAIN, shape);
  const ports = (matches: readonly PortMatch[]): Field<number> =>
    field(matches.map(portIntervals), PORT_DOMAIN, shape);
  const sources = rules.map((rule) => rule.source);
  const destinations = rules.map((rule) => rule.destination);
  const protocols = rules.map((rule) => protocolIntervals(rule.protocol));
  return {
    ipv4: [sources, destinations].map((sets) => ipv4(sets.map((set) => set.ipv4))),
    ipv6: [sources, destinations].map((sets) => ipv6(sets.map((set) => set.ipv6))),
    service: [
      field(protocols, PROTOCOL_DOMAIN, shape),
      ports(rules.map((rule) => rule.sourcePorts)),
      ports(rules.map((rule) => rule.destinationPorts)),
    ],
  };
}

function intersect(a: Int32Array, b: Int32Array, into: Int32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = a[i] & b[i];
}

/**
 * Vectors of all combinations of protocol, source port and destination port class; the destination port class is
 * the fastest to change. Undefined when there are too many.
 */
function serviceTable(
  [protocols, sourcePorts, destinationPorts]: Fields['service'],
  shape: VectorShape,
  vectors: VectorWriter,
): number[] | undefined {
  const count =
    protocols.vectors.length * sourcePorts.vectors.length * destinationPorts.vectors.length;
  if (count > MAX_SERVICE_ENTRIES || count * shape.length > MAX_SERVICE_WORDS) return undefined;
  const table: number[] = [];
  const partial = new Int32Array(shape.length);
  const vector = new Int32Array(shape.length);
  for (const byProtocol of protocols.vectors) {
    for (const bySourcePort of sourcePorts.vectors) {
      intersect(byProtocol, bySourcePort, partial);
      for (const byDestinationPort of destinationPorts.vectors) {
        intersect(partial, byDestinationPort, vector);
        shape.summarize(vector);
        table.push(vectors.write(vector));
      }
    }
  }
  return table;
}

/** Leaf per class of protocol, source port and destination port: addends of an index of the service table. */
function serviceAddends([protocols, sourcePorts, destinationPorts]: Fields['service']): number[][] {
  const destinationPortCount = destinationPorts.vectors.length;
  const portCount = sourcePorts.vectors.length * destinationPortCount;
  return [
    protocols.vectors.map((_, index) => index * portCount),
    sourcePorts.vectors.map((_, index) => index * destinationPortCount),
    destinationPorts.vectors.map((_, index) => index),
  ];
}

/** Leaf of each piece, from the leaf of each class. */
function pieceLeaves({ classes }: Field<unknown>, leaves: readonly number[]): number[] {
  return classes.classOf.map((index) => leaves[index]);
}

/** Leaf per class of each field. */
interface Leaves {
  readonly ipv4: readonly number[][];
  readonly ipv6: readonly number[][];
  readonly service: readonly number[][];
}

/** Writes the seven tries and their places in the header. */
function writeTries(image: ImageWriter, fields: Fields, leaves: Leaves, ruleCount: number): void {
  const rootBits = ruleCount < LARGE_LIST_RULES ? 8 : 16;
  const tableBudget = Math.max(MIN_TABLE_WORDS, ruleCount * TABLE_WORDS_PER_RULE);
  image.set(Header.AddressRootBits, rootBits);
  let trie: number = Header.Tries;
  const add = (root: number): void => {
    image.set(trie++, root);
    image.set(trie++, image.length);
  };
  for (const [i, from] of fields.ipv4.entries()) {
    const map = { starts: from.classes.starts, entries: pieceLeaves(from, leaves.ipv4[i]) };
    add(writeTrie(image, map, { rootBits, tableBudget }));
  }
  for (const [i, from] of fields.ipv6.entries()) {
    const entries = pieceLeaves(from, leaves.ipv6[i]);
    add(writeIpv6Trie(image, from.classes.starts, entries, rootBits));
  }
  for (const [i, from] of fields.service.entries()) {
    const scale = 2 ** (i === 0 ? PROTOCOL_SHIFT : PORT_SHIFT);
    const starts = from.classes.starts.map((start) => start * scale);
    const map = { starts, entries: pieceLeaves(from, leaves.service[i]) };
    add(writeTrie(image, map, { rootBits: SERVICE_ROOT_BITS, tableBudget }));
  }
}

/**
 * The image of a rule list, in memory of its own and fit to be copied to any offset of a larger segment. The order of
 * the rules is their priority. A rule whose address set is empty in a family never matches in it.
 * @throws RangeError when the list or its image is too large
 */
export function compileRules(rules: readonly Rule[]): Int32Array {
  if (rules.length > MAX_RULES) throw new RangeError(`more than ${MAX_RULES} rules in a list`);
  const shape = new VectorShape(rules.length);
  const image = new ImageWriter();
  image.reserve(HEADER_WORDS);
  image.set(Header.Magic, MAGIC);
  image.set(Header.RuleCount, rules.length);
  const vectors = new VectorWriter(image);
  const fields = fieldsOf(rules, shape);
  const vectorLeaves = (from: Field<unknown>): number[] =>
    from.vectors.map((vector) => vectors.write(vector));
  const ipv4 = fields.ipv4.map(vectorLeaves);
  const ipv6 = fields.ipv6.map(vectorLeaves);
  const table = serviceTable(fields.service, shape, vectors);
  const service = table ? serviceAddends(fields.service) : fields.service.map(vectorLeaves);
  image.set(Header.VectorsEnd, image.length);
  image.append(table ?? []);
  image.set(Header.ServiceEnd, image.length);
  writeTries(image, fields, { ipv4, ipv6, service }, rules.length);
  image.set(Header.Length, image.length);
  return image.finish();
}
