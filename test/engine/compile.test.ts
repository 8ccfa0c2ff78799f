/**
 * The image of a rule list: where it may lie, how large it is, what breaks it, and cases that random lists meet too
 * seldom.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import {
  ANY_ADDRESS,
  NO_ADDRESS,
  type AddressSet,
  addressSet,
} from '../../src/engine/address-set.ts';
import { compileRules } from '../../src/engine/compile.ts';
import { matchRule } from '../../src/engine/match.ts';
import { BrokenImageError } from '../../src/engine/rule-set-check.ts';
import { HEADER_WORDS, Header } from '../../src/engine/rule-set-layout.ts';
import { RuleSet } from '../../src/engine/rule-set.ts';
import type { Steps } from '../../src/engine/steps.ts';
import { Access, ANY_PROTOCOL, type Rule } from '../../src/engine/rule.ts';
import { setOf } from '../../src/policy/address.ts';
import { linearMatch } from '../helpers/linear-match.ts';
import { Random } from '../helpers/random.ts';
import { sharedData } from '../helpers/shared-data.ts';

const ANY_RULE: Rule = {
  name: 'any',
  priority: 100,
  access: Access.Allow,
  protocol: { ipv4: ANY_PROTOCOL, ipv6: ANY_PROTOCOL },
  source: ANY_ADDRESS,
  sourcePorts: 'any',
  destination: ANY_ADDRESS,
  destinationPorts: 'any',
};

const ipv4Host = (address: number): AddressSet => addressSet([[address, address]], []);

interface PacketFields {
  readonly ipVersion?: number;
  readonly src3?: number;
  readonly dst3?: number;
  readonly protocol?: number;
  /** Undefined: a packet without ports. */
  readonly ports?: readonly [number, number];
}

function packetOf(fields: PacketFields): Packet {
  const packet = new Packet();
  packet.ipVersion = fields.ipVersion ?? 4;
  packet.src3 = fields.src3 ?? 0;
  packet.dst3 = fields.dst3 ?? 0;
  packet.protocol = fields.protocol ?? 6;
  packet.hasPorts = fields.ports !== undefined;
  packet.srcPort = fields.ports?.[0] ?? 0;
  packet.dstPort = fields.ports?.[1] ?? 0;
  return packet;
}

function match(rules: readonly Rule[], fields: PacketFields): number {
  return matchRule(RuleSet.attach(compileRules(rules), 0), packetOf(fields));
}

describe('what a list matches', () => {
  const http: Rule = { ...ANY_RULE, destinationPorts: [{ low: 80, high: 80 }] };
  const rows: [name: string, rules: Rule[], fields: PacketFields, expected: number][] = [
    ['an empty list: nothing', [], { ports: [1, 80] }, -1],
    ['any rule: a packet with ports', [ANY_RULE], { ports: [1, 80] }, 0],
    ['any rule: a packet without ports', [ANY_RULE], {}, 0],
    ['any rule: IPv6', [ANY_RULE], { ipVersion: 6 }, 0],
    ['any rule: not a frame without an IP packet', [ANY_RULE], { ipVersion: 0 }, -1],
    ['the first of two', [http, ANY_RULE], { ports: [1, 80] }, 0],
    ['the second of two', [http, ANY_RULE], { ports: [1, 81] }, 1],
    ['a port: not a packet without ports', [http], {}, -1],
    ['all ports as a list: not without ports', [allPorts()], {}, -1],
    ['all ports as a list: port 0', [allPorts()], { ports: [0, 0] }, 0],
    ['all ports as a list: port 65535', [allPorts()], { ports: [65_535, 65_535] }, 0],
    ['no ports: nothing', [{ ...ANY_RULE, sourcePorts: [] }], { ports: [1, 1] }, -1],
    ['no ports: not even without', [{ ...ANY_RULE, sourcePorts: [] }], {}, -1],
    ['no address: nothing', [{ ...ANY_RULE, source: NO_ADDRESS }], { ports: [1, 1] }, -1],
    ['IPv4 only: IPv4', [ipv4Only()], { ipVersion: 4 }, 0],
    ['IPv4 only: not IPv6', [ipv4Only()], { ipVersion: 6 }, -1],
    ['protocol 0: 0', [protocol(0, 0)], { protocol: 0 }, 0],
    ['protocol 0: not 6', [protocol(0, 0)], { protocol: 6 }, -1],
    ['protocol per family: 1 on IPv4', [protocol(1, 58)], { protocol: 1 }, 0],
    ['protocol per family: not 58 on IPv4', [protocol(1, 58)], { protocol: 58 }, -1],
    ['protocol per family: 58 on IPv6', [protocol(1, 58)], { ipVersion: 6, protocol: 58 }, 0],
    ['protocol per family: not 1 on IPv6', [protocol(1, 58)], { ipVersion: 6, protocol: 1 }, -1],
    ['protocol 255', [protocol(255, 255)], { ipVersion: 6, protocol: 255 }, 0],
    ['an address with the sign bit', [host(0xc0a8_0001)], { src3: 0xc0a8_0001 | 0 }, 0],
    ['the address below it', [host(0xc0a8_0001)], { src3: 0xc0a8_0000 | 0 }, -1],
    ['the address above it', [host(0xc0a8_0001)], { src3: 0xc0a8_0002 | 0 }, -1],
    ['an IPv4 rule: not the same words on IPv6', [host(7)], { ipVersion: 6, src3: 7 }, -1],
    ['ranges that overlap', [overlappingPorts()], { ports: [150, 1] }, 0],
    ['a range that is upside down: nothing', [upsideDown()], { ports: [15, 1] }, -1],
  ];

  function allPorts(): Rule {
    return { ...ANY_RULE, destinationPorts: [{ low: 0, high: 65_535 }] };
  }
  function ipv4Only(): Rule {
    return { ...ANY_RULE, source: { ...ANY_ADDRESS, ipv6: [] } };
  }
  function protocol(ipv4: number, ipv6: number): Rule {
    return { ...ANY_RULE, protocol: { ipv4, ipv6 } };
  }
  function host(address: number): Rule {
    return { ...ANY_RULE, source: ipv4Host(address) };
  }
  function overlappingPorts(): Rule {
    const sourcePorts = [
      { low: 100, high: 200 },
      { low: 110, high: 120 },
    ];
    return { ...ANY_RULE, sourcePorts };
  }
  function upsideDown(): Rule {
    return { ...ANY_RULE, sourcePorts: [{ low: 20, high: 10 }] };
  }

  test.each(rows)('%s', (_, rules, fields, expected) => {
    expect(match(rules, fields)).toBe(expected);
    expect(linearMatch(rules, packetOf(fields))).toBe(expected);
  });
});

/** Rules with a source host and ports each, at the ends of all groups of 32. */
function hostRules(count: number): Rule[] {
  return Array.from({ length: count }, (_, index) => ({
    ...ANY_RULE,
    source: ipv4Host(0x0a00_0000 + index),
    sourcePorts: [{ low: index, high: index + 1 }],
    destinationPorts: [{ low: 2 * index, high: 2 * index }],
  }));
}

describe('every rule of a list can be the first match', () => {
  test.each([1, 31, 32, 33, 64, 255, 256, 1023, 1024, 1025, 3000])('%i rules', (count) => {
    const ruleSet = RuleSet.attach(compileRules(hostRules(count)), 0);
    const found = Array.from({ length: count }, (_, index) =>
      matchRule(ruleSet, packetOf({ src3: 0x0a00_0000 + index, ports: [index, 2 * index] })),
    );
    expect(found).toEqual(Array.from({ length: count }, (_, index) => index));
  });

  test('with and without a service table', () => {
    const tableWords = [33, 3000].map((count) => {
      const image = compileRules(hostRules(count));
      return (image[Header.ServiceEnd] ?? 0) - (image[Header.VectorsEnd] ?? 0);
    });
    expect(tableWords[0]).toBeGreaterThan(0);
    expect(tableWords[1]).toBe(0);
  });
});

describe('size of an image', () => {
  const tag = addressSet(
    Array.from({ length: 2000 }, (_, i) => [i * 0x1_0000, i * 0x1_0000 + (i % 7) * 256]),
    Array.from({ length: 1500 }, (_, i) => [BigInt(i) << 90n, (BigInt(i) << 90n) + 255n]),
  );
  const web: Rule = {
    ...ANY_RULE,
    protocol: { ipv4: 6, ipv6: 6 },
    destinationPorts: [
      { low: 80, high: 80 },
      { low: 443, high: 443 },
    ],
  };
  const small = [web, { ...web, source: ipv4Host(0x0a00_0104) }, ANY_RULE, ANY_RULE, ANY_RULE];

  test('a short list takes a few KiB', () => {
    expect(compileRules(small).byteLength).toBeLessThan(8 * 1024);
  });

  test('a tag costs its prefixes once, not per rule', () => {
    const often = compileRules(Array.from({ length: 500 }, () => ({ ...web, source: tag })));
    expect(often.byteLength / 500).toBeLessThan(1536);
  });

  test('equal sets count as one, whether or not they are the same object', () => {
    const same = compileRules([web, web].map((rule) => ({ ...rule, source: tag })));
    const equal = compileRules(
      [web, web].map((rule) => ({ ...rule, source: structuredClone(tag) })),
    );
    expect(equal).toEqual(same);
  });
});

describe('position', () => {
  test('an image works at any offset of a larger segment', () => {
    const rules = hostRules(300);
    const image = compileRules(rules);
    const other = compileRules([ANY_RULE]);
    const segment = new Int32Array(image.length + other.length + 100).fill(-1);
    segment.set(other, 17);
    segment.set(image, 17 + other.length + 3);
    const ruleSet = RuleSet.attach(segment, 17 + other.length + 3);
    const first = RuleSet.attach(segment, 17);
    const packet = packetOf({ src3: 0x0a00_0000 + 299, ports: [299, 598] });
    expect([matchRule(ruleSet, packet), matchRule(first, packet)]).toEqual([299, 0]);
  });
});

describe('a broken image', () => {
  const rules = [...hostRules(70), { ...ANY_RULE, source: addressSet([], [[5n, 1n << 90n]]) }];
  const image = compileRules(rules);

  function tampered(...changes: [at: number, word: number][]): Int32Array {
    const copy = image.slice();
    for (const [at, word] of changes) copy[at] = word;
    return copy;
  }

  const rows: [name: string, words: Int32Array, offset: number][] = [
    ['nothing', new Int32Array(0), 0],
    ['zeros', new Int32Array(1000), 0],
    ['an offset before the segment', image, -1],
    ['an offset between words', image, 0.5],
    ['an offset past the segment', image, image.length],
    ['the wrong offset', image, 1],
    ['cut off', image.slice(0, -1), 0],
    ['another version', tampered([Header.Magic, 0]), 0],
    ['a length past the segment', tampered([Header.Length, image.length + 1]), 0],
    ['a shorter length', tampered([Header.Length, image.length - 1]), 0],
    ['a negative length', tampered([Header.Length, -1]), 0],
    ['more rules', tampered([Header.RuleCount, 1000]), 0],
    ['fewer rules', tampered([Header.RuleCount, 1]), 0],
    ['a negative number of rules', tampered([Header.RuleCount, -1]), 0],
    ['vectors that end early', tampered([Header.VectorsEnd, HEADER_WORDS - 1]), 0],
    ['vectors that end in a vector', tampered([Header.VectorsEnd, HEADER_WORDS + 1]), 0],
    ['a service table past the end', tampered([Header.ServiceEnd, image.length + 1]), 0],
    ['strange root bits', tampered([Header.AddressRootBits, 31]), 0],
    ['a root outside its trie', tampered([Header.Tries, -0x8000_0000]), 0],
    ['a root that is no vector', tampered([Header.Tries, HEADER_WORDS + 1]), 0],
    ['a root that is the header', tampered([Header.Tries, 0]), 0],
    ['a trie that ends before it starts', tampered([Header.Tries + 1, 0]), 0],
    ['a rule that does not exist', tampered([HEADER_WORDS + 3, -1]), 0],
    ['a group that does not exist', tampered([HEADER_WORDS, -1]), 0],
  ];

  test.each(rows)('%s', (_, words, offset) => {
    expect(() => RuleSet.attach(words, offset)).toThrow(BrokenImageError);
  });

  test('a large image is checked in many steps, and what is wrong at its end is found', () => {
    const large = compileRules(hostRules(1000));
    expect(stepsOf(RuleSet.attachInSteps(large, 0)).steps).toBeGreaterThan(20);
    const damaged = Int32Array.from(large);
    damaged[large.length - 1] = HEADER_WORDS + 1;
    const { steps, error } = stepsOf(RuleSet.attachInSteps(damaged, 0));
    expect(error).toBeInstanceOf(BrokenImageError);
    expect(steps).toBeGreaterThan(10);
  });

  test('one wrong word anywhere is refused or does no harm', () => {
    const random = new Random();
    const packets = Array.from({ length: 20 }, () =>
      packetOf({
        ipVersion: random.below(2) === 0 ? 4 : 6,
        src3: 0x0a00_0000 + random.below(80),
        dst3: random.uint32() | 0,
        ports: [random.below(80), random.below(160)],
      }),
    );
    const words = [0, -1, -0x8000_0000, -0x4000_0000, 0x7fff_ffff, image.length, 1, 77];
    let refused = 0;
    for (let at = 0; at < image.length; at++) {
      const word = random.below(2) === 0 ? random.pick(words) : random.uint32() | 0;
      const offset = random.below(image.length);
      const damaged = tampered([at, word], [offset, (image[at] ?? 0) ^ (1 << random.below(32))]);
      let ruleSet: RuleSet;
      try {
        ruleSet = RuleSet.attach(damaged, 0);
      } catch (error) {
        expect(error, `seed ${random.seed}`).toBeInstanceOf(BrokenImageError);
        refused++;
        continue;
      }
      for (const packet of packets) {
        const found = matchRule(ruleSet, packet);
        const isRule = Number.isInteger(found) && found >= -1 && found < rules.length;
        if (!isRule) expect.fail(`seed ${random.seed}, word ${at}: ${found}`);
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});

/** Address sets of all published service tags. */
function readServiceTags(path: string): AddressSet[] {
  const { values } = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly values: readonly { readonly properties: { readonly addressPrefixes: string[] } }[];
  };
  return values.map(({ properties }) => setOf(...properties.addressPrefixes));
}

const tags = sharedData('servicetags/ServiceTags_Public_20251117.json');

describe.skipIf(tags === undefined)('service tags (needs ../shared/data)', () => {
  test('a thousand rules with real tags compile in time and match like the scan', () => {
    const sets = readServiceTags(tags ?? '');
    const random = new Random();
    const rules = Array.from({ length: 1000 }, (_, index): Rule => {
      const set = random.pick(sets);
      const port = random.below(500);
      return {
        ...ANY_RULE,
        source: index % 2 === 0 ? set : ipv4Host(random.uint32()),
        destination: index % 2 === 1 ? set : ANY_ADDRESS,
        destinationPorts: [{ low: port, high: port + random.below(20) }],
      };
    });
    const start = performance.now();
    const image = compileRules(rules);
    const elapsed = performance.now() - start;
    // The budget is 200 ms on a free core; this only catches a change of order.
    expect(elapsed).toBeLessThan(2000);
    const ruleSet = RuleSet.attach(image, 0);
    for (let i = 0; i < 2000; i++) {
      const [low, high] = random.pick(random.pick(sets.filter((set) => set.ipv4.length > 0)).ipv4);
      const packet = packetOf({
        src3: random.pick([low - 1, low, high, high + 1]) | 0,
        ports: [1, random.below(520)],
      });
      expect(matchRule(ruleSet, packet), `seed ${random.seed}`).toBe(linearMatch(rules, packet));
    }
  });
});

function stepsOf(work: Steps<unknown>): { steps: number; error?: unknown } {
  let steps = 0;
  try {
    while (work.next().done !== true) steps++;
  } catch (error) {
    return { steps, error };
  }
  return { steps };
}
