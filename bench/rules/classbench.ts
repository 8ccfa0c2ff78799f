/**
 * Rule sets and traces in the form of ClassBench, generated: so that the matcher can be measured where the published
 * sets are not. Three kinds with the structure that makes those sets hard (research on their fields): `acl` names
 * destinations and services, `fw` has wildcards and port ranges, `ipc` pairs of networks with many port combinations.
 *
 * The text is what `dpdk-test-acl` reads too, so both matchers see the same bytes.
 */
import { Random } from '../../test/helpers/random.ts';

export type SetKind = 'acl' | 'fw' | 'ipc';

export interface GeneratedSet {
  /** Lines `@SRC/len DST/len spLow : spHigh dpLow : dpHigh proto/mask`. */
  readonly rules: string;
  /** Lines `src dst srcPort dstPort protocol 0 firstMatch`; the last is not filled in. */
  readonly trace: string;
}

interface Prefix {
  readonly address: number;
  readonly length: number;
}

interface GeneratedRule {
  readonly source: Prefix;
  readonly destination: Prefix;
  readonly sourcePorts: readonly [number, number];
  readonly destinationPorts: readonly [number, number];
  /** -1 is any. */
  readonly protocol: number;
}

const ANY_PORT: readonly [number, number] = [0, 65_535];
const HIGH_PORTS: readonly [number, number] = [1024, 65_535];
const ANYWHERE: Prefix = { address: 0, length: 0 };
const TCP = 6;
const UDP = 17;
const ICMP = 1;

/** Of ten: how often a side is a wildcard, and which port shapes a kind has. */
const SHAPES: Readonly<
  Record<
    SetKind,
    { anySource: number; anyDestination: number; ranges: number; sourcePorts: number }
  >
> = {
  acl: { anySource: 1, anyDestination: 0, ranges: 2, sourcePorts: 0 },
  fw: { anySource: 3, anyDestination: 2, ranges: 4, sourcePorts: 3 },
  ipc: { anySource: 1, anyDestination: 1, ranges: 3, sourcePorts: 4 },
};

/** @param count of rules; repeated rules are left out, so a few less @param packets of the trace */
export function generateSet(
  kind: SetKind,
  count: number,
  packets: number,
  seed: number,
): GeneratedSet {
  const random = new Random(seed);
  const pool = prefixPool(random, Math.max(32, count >> 1));
  const rules = new Map<string, GeneratedRule>();
  for (let index = 0; index < count; index++) {
    const rule = makeRule(random, kind, pool);
    rules.set(ruleLine(rule), rule);
  }
  const list = mostSpecificFirst(random, [...rules.values()]);
  const trace = Array.from({ length: packets }, () => packetLine(random, list));
  return { rules: `${list.map(ruleLine).join('\n')}\n`, trace: `${trace.join('\n')}\n` };
}

/** By and large: a wide rule before narrow ones would leave nothing to them. */
function mostSpecificFirst(random: Random, rules: readonly GeneratedRule[]): GeneratedRule[] {
  const width = ({ source, destination, destinationPorts }: GeneratedRule): number =>
    64 -
    source.length -
    destination.length +
    Math.log2(1 + destinationPorts[1] - destinationPorts[0]);
  return rules
    .map((rule) => ({ rule, place: width(rule) + random.below(16) }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ rule }) => rule);
}

/** Networks inside networks, as an address plan has them. */
function prefixPool(random: Random, size: number): Prefix[] {
  const pool: Prefix[] = [];
  for (let index = 0; index < 16; index++) pool.push(prefix(random.uint32(), 8 + random.below(9)));
  while (pool.length < size) {
    const parent = random.pick(pool);
    const length = Math.min(32, parent.length + 1 + random.below(12));
    pool.push(inside(random, parent, length));
  }
  return pool;
}

function makeRule(random: Random, kind: SetKind, pool: readonly Prefix[]): GeneratedRule {
  const shape = SHAPES[kind];
  const protocol = random.pick([TCP, TCP, TCP, TCP, UDP, UDP, ICMP, -1]);
  const hasPorts = protocol === TCP || protocol === UDP;
  const side = (any: number): Prefix => (random.below(10) < any ? ANYWHERE : skewed(random, pool));
  const isFromPort = hasPorts && random.below(10) < shape.sourcePorts;
  const source = side(shape.anySource);
  return {
    source,
    // Of both ends one is named, or the rule is for everything.
    destination: side(source === ANYWHERE ? 0 : shape.anyDestination),
    sourcePorts: isFromPort ? portRange(random, shape.ranges) : ANY_PORT,
    destinationPorts: hasPorts ? portRange(random, shape.ranges) : ANY_PORT,
    protocol,
  };
}

/** Few networks are named by many rules. */
function skewed(random: Random, pool: readonly Prefix[]): Prefix {
  const index = Math.floor(pool.length * (random.uint32() / 2 ** 32) ** 2);
  return pool[index] ?? ANYWHERE;
}

function portRange(random: Random, ranges: number): readonly [number, number] {
  const roll = random.below(10);
  if (roll >= ranges) {
    const port = random.pick([22, 25, 53, 80, 110, 123, 143, 443, 993, 1521, 3306, 5060, 8080]);
    return [port, port];
  }
  if (roll === 0) return ANY_PORT;
  if (roll === 1) return HIGH_PORTS;
  const low = random.below(60_000);
  return [low, low + 1 + random.below(5000)];
}

function prefix(address: number, length: number): Prefix {
  return { address: length === 0 ? 0 : address & (-1 << (32 - length)), length };
}

/** A network of that length somewhere in another. */
function inside(random: Random, parent: Prefix, length: number): Prefix {
  return prefix(pointIn(random, parent), length);
}

function pointIn(random: Random, { address, length }: Prefix): number {
  const hostMask = length === 0 ? -1 : ~(-1 << (32 - length));
  return address | (length === 32 ? 0 : random.uint32() & hostMask);
}

function portIn(random: Random, [low, high]: readonly [number, number]): number {
  return low + random.below(high - low + 1);
}

/** A packet inside a rule; which of them is skewed as traffic is. */
function packetLine(random: Random, rules: readonly GeneratedRule[]): string {
  const index = Math.floor(rules.length * (random.uint32() / 2 ** 32) ** 1.5);
  const rule = rules[index];
  if (rule === undefined) throw new RangeError('a set has rules');
  const protocol = rule.protocol < 0 ? random.pick([TCP, UDP, ICMP]) : rule.protocol;
  return [
    pointIn(random, rule.source) >>> 0,
    pointIn(random, rule.destination) >>> 0,
    portIn(random, rule.sourcePorts),
    portIn(random, rule.destinationPorts),
    protocol,
    0,
    0,
  ].join('\t');
}

function ruleLine(rule: GeneratedRule): string {
  const { source, destination, sourcePorts, destinationPorts, protocol } = rule;
  const service = protocol < 0 ? '0x00/0x00' : `0x${protocol.toString(16).padStart(2, '0')}/0xFF`;
  return [
    `@${prefixText(source)}`,
    prefixText(destination),
    sourcePorts.join(' : '),
    destinationPorts.join(' : '),
    service,
  ].join('\t');
}

function prefixText({ address, length }: Prefix): string {
  const bytes = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
  return `${bytes.join('.')}/${length}`;
}
