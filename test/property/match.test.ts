/**
 * The matcher equals the linear scan, for a million pairs of rule list and packet. Addresses, ports and protocols
 * come from small sets, so that rules overlap, and packets stand on the boundaries of rules and one beside them.
 */
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import {
  ANY_ADDRESS,
  IPV4_MAX,
  IPV6_MAX,
  NO_ADDRESS,
  type AddressSet,
  addressSet,
} from '../../src/engine/address-set.ts';
import { compileRules } from '../../src/engine/compile.ts';
import { matchRule } from '../../src/engine/match.ts';
import { RuleSet } from '../../src/engine/rule-set.ts';
import { Access, ANY_PROTOCOL, type PortMatch, type Rule } from '../../src/engine/rule.ts';
import { linearMatch } from '../helpers/linear-match.ts';
import { Random } from '../helpers/random.ts';

/** Blocks that nest, touch and stand alone, down to single addresses and up to both ends. */
const IPV4_BLOCKS: readonly (readonly [number, number])[] = [
  [0x0000_0000, 0x00ff_ffff],
  [0x0a00_0000, 0x0aff_ffff],
  [0x0a00_0000, 0x0a00_ffff],
  [0x0a00_0100, 0x0a00_01ff],
  [0x0a00_0104, 0x0a00_0104],
  [0x0a00_0105, 0x0a00_0105],
  [0x0a00_0180, 0x0a00_01bf],
  [0x0a01_0000, 0x0a01_ffff],
  [0x7fff_ffff, 0x8000_0000],
  [0xa83f_8110, 0xa83f_8110],
  [0xc0a8_0003, 0xc0a8_0111],
  [0xffff_ffff, 0xffff_ffff],
];

const ipv6 = (w0: number, w1: number, w2: number, w3: number): bigint =>
  [w0, w1, w2, w3].reduce((address, word) => (address << 32n) | BigInt(word), 0n);

const IPV6_BLOCKS: readonly (readonly [bigint, bigint])[] = [
  [0n, 0n],
  [ipv6(0x2000_0000, 0, 0, 0), ipv6(0x3fff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff)],
  [ipv6(0x2001_0db8, 0, 0, 0), ipv6(0x2001_0db8, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff)],
  [ipv6(0x2001_0db8, 0x0001_0000, 0, 0), ipv6(0x2001_0db8, 0x0001_0000, ~0 >>> 0, ~0 >>> 0)],
  [ipv6(0x2001_0db8, 0x0001_0000, 0, 1), ipv6(0x2001_0db8, 0x0001_0000, 0, 1)],
  [ipv6(0x2001_0db8, 0x0001_0000, 0, 2), ipv6(0x2001_0db8, 0x0001_0000, 0, 0xff)],
  [ipv6(0x2001_0db8, 0x0001_0000, 0x8000_0000, 0), ipv6(0x2001_0db8, 0x0001_0001, 0, 0)],
  [ipv6(0x2001_0db8, 0x0001_0000, 0xffff_ffff, 7), ipv6(0x2001_0db8, 0x0001_0002, 3, 9)],
  [ipv6(0xfd00_0db8, 0, 0, 0), ipv6(0xfd00_0db8, 0, 0xffff_ffff, 0xffff_ffff)],
  [ipv6(0xfe80_0000, 0, 0, 0), ipv6(0xfebf_ffff, ~0 >>> 0, ~0 >>> 0, ~0 >>> 0)],
  [IPV6_MAX, IPV6_MAX],
];

const PORT_RANGES = [
  [0, 0],
  [0, 1023],
  [22, 22],
  [80, 81],
  [80, 443],
  [443, 443],
  [444, 8080],
  [1024, 65_535],
  [32_768, 60_999],
  [65_535, 65_535],
  [0, 65_535],
] as const;

const PROTOCOLS = [0, 1, 6, 17, 50, 58, 255] as const;

/** Every bound, and its neighbours. */
function around<T extends number | bigint>(
  blocks: readonly (readonly [T, T])[],
  neighbours: (bound: T) => T[],
): T[] {
  return [...new Set(blocks.flat().flatMap((bound) => neighbours(bound)))];
}

const signedWords = (address: bigint): number[] =>
  [96n, 64n, 32n, 0n].map((shift) => Number((address >> shift) & 0xffff_ffffn) | 0);

const IPV4_PROBES = around(IPV4_BLOCKS, (bound) => [bound - 1, bound, bound + 1])
  .filter((address) => address >= 0 && address <= IPV4_MAX)
  .map((address) => [0, 0, 0, address | 0]);
const IPV6_PROBES = around(IPV6_BLOCKS, (bound) => [bound - 1n, bound, bound + 1n])
  .filter((address) => address >= 0n && address <= IPV6_MAX)
  .map(signedWords);
const PORT_PROBES = around<number>(PORT_RANGES, (bound) => [bound - 1, bound, bound + 1]).filter(
  (port) => port >= 0 && port <= 65_535,
);

/** One of few families of lists, each reaching another part of the matcher. */
interface ListShape {
  readonly name: string;
  readonly lists: number;
  readonly packets: number;
  readonly maxRules: number;
  /** One rule in so many has one exact source port and destination port of its own. */
  readonly exactPortsEvery: number;
}

const SHAPES: readonly ListShape[] = [
  { name: 'short', lists: 2_000, packets: 350, maxRules: 12, exactPortsEvery: 8 },
  { name: 'several detail words', lists: 300, packets: 500, maxRules: 150, exactPortsEvery: 3 },
  { name: 'remembered', lists: 12, packets: 10_000, maxRules: 600, exactPortsEvery: 1 },
  { name: 'several summary words', lists: 3, packets: 10_000, maxRules: 2_500, exactPortsEvery: 1 },
];

class Generator {
  readonly #random: Random;
  readonly #shape: ListShape;
  /** Ports that some rule names exactly. */
  #exactPorts: number[] = [];

  constructor(random: Random, shape: ListShape) {
    this.#random = random;
    this.#shape = shape;
  }

  #addresses(): AddressSet {
    const random = this.#random;
    const kind = random.below(10);
    if (kind === 0) return NO_ADDRESS;
    if (kind <= 2) return ANY_ADDRESS;
    const some = <T>(items: readonly T[]): T[] =>
      Array.from({ length: random.below(4) }, () => random.pick(items));
    return addressSet(kind === 3 ? [] : some(IPV4_BLOCKS), kind === 4 ? [] : some(IPV6_BLOCKS));
  }

  #ports(): PortMatch {
    const random = this.#random;
    if (random.below(2) === 0) return 'any';
    if (random.below(this.#shape.exactPortsEvery) === 0) {
      const port = random.below(65_536);
      this.#exactPorts.push(port);
      return [{ low: port, high: port }];
    }
    return Array.from({ length: random.below(4) }, () => {
      const [low, high] = random.pick(PORT_RANGES);
      return { low, high };
    });
  }

  #protocol(): number {
    return this.#random.below(3) === 0 ? ANY_PROTOCOL : this.#random.pick(PROTOCOLS);
  }

  list(): Rule[] {
    this.#exactPorts = [];
    const length = this.#random.below(this.#shape.maxRules + 1);
    return Array.from({ length }, (_, index) => ({
      name: `rule${index}`,
      priority: index,
      access: Access.Allow,
      protocol: { ipv4: this.#protocol(), ipv6: this.#protocol() },
      source: this.#addresses(),
      sourcePorts: this.#ports(),
      destination: this.#addresses(),
      destinationPorts: this.#ports(),
    }));
  }

  #port(): number {
    const isExact = this.#exactPorts.length > 0 && this.#random.below(2) === 0;
    return this.#random.pick(isExact ? this.#exactPorts : PORT_PROBES);
  }

  nextPacket(packet: Packet): void {
    const random = this.#random;
    packet.ipVersion = random.below(2) === 0 ? 4 : 6;
    const probes = packet.ipVersion === 4 ? IPV4_PROBES : IPV6_PROBES;
    [packet.src0 = 0, packet.src1 = 0, packet.src2 = 0, packet.src3 = 0] = random.pick(probes);
    [packet.dst0 = 0, packet.dst1 = 0, packet.dst2 = 0, packet.dst3 = 0] = random.pick(probes);
    packet.protocol = random.pick(PROTOCOLS);
    packet.hasPorts = random.below(4) !== 0;
    packet.srcPort = packet.hasPorts ? this.#port() : 0;
    packet.dstPort = packet.hasPorts ? this.#port() : 0;
  }
}

describe('matchRule equals the linear scan', () => {
  test.each(SHAPES)('$name lists', (shape) => {
    const random = new Random();
    const generator = new Generator(random, shape);
    const packet = new Packet();
    for (let list = 0; list < shape.lists; list++) {
      const rules = generator.list();
      const ruleSet = RuleSet.attach(compileRules(rules), 0);
      for (let i = 0; i < shape.packets; i++) {
        generator.nextPacket(packet);
        const expected = linearMatch(rules, packet);
        const found = matchRule(ruleSet, packet);
        if (found !== expected) {
          const where = `seed ${random.seed}, list ${list}, packet ${i}`;
          expect(found, `${where}: ${JSON.stringify(packet)}`).toBe(expected);
        }
      }
    }
  });
});
