/**
 * Policy images: what is compiled is what is found again, and a broken image is refused instead of believed.
 */
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import { ANY_ADDRESS } from '../../src/engine/address-set.ts';
import { MAX_NICS } from '../../src/engine/counters.ts';
import { Evaluation } from '../../src/engine/evaluate.ts';
import {
  type CompiledImage,
  compileImage,
  MAX_ADDRESSES,
  PolicyRegistry,
} from '../../src/engine/policy-image-compile.ts';
import { Header, HEADER_WORDS, List, Nic } from '../../src/engine/policy-image-layout.ts';
import { NO_NIC, PolicyImage, PolicyImageError } from '../../src/engine/policy-image.ts';
import type { NicPolicy, Policy } from '../../src/engine/policy.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import { addresses, allow, engineNic, enginePolicy, ruleList } from '../helpers/engine-policy.ts';
import { addressWords } from '../helpers/frames.ts';
import { askEverything, ImageGuard, vm1, vm2, wholePolicy } from '../helpers/guarded-image.ts';
import { Random } from '../helpers/random.ts';

function compile(policy: Policy, nics: readonly NicPolicy[] = policy.nics): CompiledImage {
  return compileImage(policy, nics, 7, new PolicyRegistry());
}

function packetBetween(src: string, dst: string): Packet {
  const packet = new Packet();
  packet.ipVersion = src.includes(':') ? 6 : 4;
  [packet.src0, packet.src1, packet.src2, packet.src3] = addressWords(src);
  [packet.dst0, packet.dst1, packet.dst2, packet.dst3] = addressWords(dst);
  return packet;
}

function imageOf(nics: readonly NicPolicy[]): PolicyImage {
  return PolicyImage.attach(compile(enginePolicy(nics)).buffer);
}

describe('nicOf', () => {
  const image = imageOf([vm1, vm2]);
  test.each<readonly [string, string, number, number]>([
    ['203.0.113.9', '10.0.1.4', 0, 0],
    ['203.0.113.9', '10.0.1.6', 0, 1],
    ['203.0.113.9', '10.0.1.7', 0, NO_NIC],
    ['10.0.1.5', '203.0.113.9', 1, 1],
    ['10.0.1.5', '10.0.1.4', 0, 0],
    ['10.0.1.5', '10.0.1.4', 1, 1],
    ['203.0.113.9', '10.0.1.4', 1, NO_NIC],
    ['2001:db8::9', 'fd00:db8:1::4', 0, 0],
    ['2001:db8::9', 'fd00:db8:1::5', 0, NO_NIC],
    ['2001:db8::9', '::a00:104', 0, NO_NIC],
    ['203.0.113.9', '224.0.0.1', 0, NO_NIC],
  ])('%s to %s, direction %i: NIC %i', (src, dst, direction, nic) => {
    expect(image.nicOf(packetBetween(src, dst), direction)).toBe(nic);
  });

  test('the only NIC of a wire takes what comes in for a group, and nothing else', () => {
    const alone = imageOf([vm1]);
    expect(alone.nicOf(packetBetween('203.0.113.9', '239.1.2.3'), 0)).toBe(0);
    expect(alone.nicOf(packetBetween('203.0.113.9', '255.255.255.255'), 0)).toBe(0);
    expect(alone.nicOf(packetBetween('fe80::1', 'ff02::1'), 0)).toBe(0);
    expect(alone.nicOf(packetBetween('203.0.113.9', '240.0.0.1'), 0)).toBe(NO_NIC);
    expect(alone.nicOf(packetBetween('203.0.113.9', '10.0.1.255'), 0)).toBe(NO_NIC);
    expect(alone.nicOf(packetBetween('239.1.2.3', '203.0.113.9'), 1)).toBe(NO_NIC);
    expect(alone.nicOf(packetBetween('203.0.113.9', '239.1.2.3'), 1)).toBe(NO_NIC);
  });

  test('every address of many is found, and no other: compared with a Map', () => {
    const random = new Random();
    const owners = new Map<number, number>();
    const nics = Array.from({ length: 40 }, (_, nic) => {
      const own = new Set<number>();
      for (let i = 0; i < random.below(60); i++) {
        const address = 0x0a000000 + random.below(4000);
        if (!owners.has(address)) own.add(address);
        if (!owners.has(address)) owners.set(address, nic);
      }
      own.add(0x0b000000 + nic);
      owners.set(0x0b000000 + nic, nic);
      return engineNic(`n${nic}`, { addresses: addresses([...own]) });
    });
    const image40 = imageOf(nics);
    const packet = packetBetween('203.0.113.9', '10.0.0.0');
    for (let address = 0x0a000000; address < 0x0a000000 + 4000; address++) {
      packet.dst3 = address | 0;
      expect(image40.nicOf(packet, 0), `seed ${random.seed}, ${address}`).toBe(
        owners.get(address) ?? NO_NIC,
      );
    }
  });

  test('a range of addresses is all of them', () => {
    const nic = engineNic('n', {
      addresses: { ipv4: [[0xfffffff0, 0xfffffff8]], ipv6: [[1n << 64n, (1n << 64n) + 5n]] },
    });
    const ranged = imageOf([nic, vm1]);
    const found = ['255.255.255.239', '255.255.255.240', '255.255.255.248', '255.255.255.249'].map(
      (dst) => ranged.nicOf(packetBetween('1.1.1.1', dst), 0),
    );
    expect(found).toEqual([NO_NIC, 0, 0, NO_NIC]);
    expect(ranged.nicOf(packetBetween('2001:db8::9', '0:0:0:1::5'), 0)).toBe(0);
    expect(ranged.nicOf(packetBetween('2001:db8::9', '0:0:0:1::6'), 0)).toBe(NO_NIC);
  });

  test('looking up allocates nothing', () => {
    const packet = packetBetween('203.0.113.9', '10.0.1.4');
    const bytes = bytesPerCall((i) => {
      packet.dst3 = (0x0a000104 + (i & 7)) | 0;
      image.nicOf(packet, 0);
    }, 100_000);
    expect(bytes).toBeLessThan(0.5);
  });
});

describe('compileImage', () => {
  test('says what it holds', () => {
    const policy = enginePolicy([vm1, vm2]);
    const compiled = compileImage(
      {
        ...policy,
        link: {
          isUnknownEtherTypePassed: true,
          isLinkLocalForwarded: false,
          isTcpPickupLoose: true,
        },
      },
      policy.nics,
      -5,
      new PolicyRegistry(),
    );
    const image = PolicyImage.attach(compiled.buffer);
    expect(image).toMatchObject({
      generation: -5,
      nicCount: 2,
      isUnknownEtherTypePassed: true,
      isLinkLocalForwarded: false,
      isTcpPickupLoose: true,
    });
    expect([image.isFlushing(0), image.counterIndex(1)]).toEqual([false, 1]);
  });

  test('a list that several NICs share is compiled once; one that none uses is left out', () => {
    const lists = [ruleList('unused', 0, [allow('x')]), ruleList('A', 0, [allow('a')])];
    const chainOf = (index: number) => ({ platform: -1, stages: [index, -1] as const });
    const policy = enginePolicy(
      [
        engineNic('n1', { addresses: addresses([1]), inbound: chainOf(1) }),
        engineNic('n2', { addresses: addresses([2]), inbound: chainOf(1) }),
      ],
      lists,
    );
    expect(compile(policy).lists.map((list) => list.owner)).toEqual(['A']);
  });

  test('an image may sit in a larger segment', () => {
    const { buffer } = compile(enginePolicy([vm1]));
    const segment = new Uint8Array(buffer.byteLength + 4099).fill(0xee);
    segment.set(new Uint8Array(buffer));
    expect(PolicyImage.attach(segment.buffer).nicCount).toBe(1);
  });

  test.each<readonly [string, () => unknown, RegExp]>([
    [
      'a NIC without addresses that shares its wire',
      () => compile(enginePolicy([engineNic('lost'), vm1])),
      /lost has no addresses and shares its wire/,
    ],
    [
      'a NIC with a /8',
      () =>
        compile(
          enginePolicy([
            engineNic('n', { addresses: { ipv4: [[0x0a000000, 0x0affffff]], ipv6: [] } }),
          ]),
        ),
      /n has more than 65536 addresses/,
    ],
    [
      'a NIC with every address',
      () => compile(enginePolicy([engineNic('n', { addresses: ANY_ADDRESS })])),
      /more than 65536 addresses/,
    ],
    [
      'too many addresses together',
      () =>
        compile(
          enginePolicy([
            engineNic('n', { addresses: { ipv4: [[0, MAX_ADDRESSES - 1]], ipv6: [] } }),
            vm1,
          ]),
        ),
      /more than 65536 addresses on one wire/,
    ],
    [
      'a rule list that is not there',
      () => compile(enginePolicy([engineNic('n', { inbound: { platform: 3, stages: [-1, -1] } })])),
      /n: there is no rule list 3/,
    ],
    [
      'too many NICs',
      () =>
        compile(
          enginePolicy(
            Array.from({ length: MAX_NICS + 1 }, (_, i) =>
              engineNic(`n${i}`, { addresses: addresses([i]) }),
            ),
          ),
        ),
      /4097 network interfaces on one wire; at most 4096/,
    ],
  ])('refuses %s', (_name, build, message) => {
    expect(build).toThrow(RangeError);
    expect(build).toThrow(message);
  });

  test('as many addresses as there may be', () => {
    const nic = engineNic('n', {
      addresses: { ipv4: [[0x0a000000, 0x0a000000 + MAX_ADDRESSES - 1]], ipv6: [] },
    });
    const image = imageOf([nic]);
    expect(image.nicOf(packetBetween('1.1.1.1', '10.0.255.255'), 0)).toBe(0);
    expect(image.nicOf(packetBetween('1.1.1.1', '10.1.0.0'), 0)).toBe(NO_NIC);
  });
});

describe('a broken image', () => {
  const whole = compile(wholePolicy());
  const words = new Int32Array(whole.buffer);

  test('the whole one is sound', () => {
    const guard = new ImageGuard();
    askEverything(guard.watch(PolicyImage.attach(whole.buffer)), guard, new Evaluation());
  });

  const nicAt = words[Header.NicsAt] ?? 0;
  const addressAt = words[Header.AddressesAt] ?? 0;
  const listAt = words[Header.ListsAt] ?? 0;
  const ruleAt = words[listAt + List.RuleWordsAt] ?? 0;
  test.each<readonly [string, number, number]>([
    ['magic', Header.Magic, 0],
    ['version', Header.Version, 99],
    ['length beyond the buffer', Header.Length, words.length + 1],
    ['length below the header', Header.Length, HEADER_WORDS - 1],
    ['negative length', Header.Length, -1],
    ['negative NIC count', Header.NicCount, -1],
    ['too many NICs', Header.NicCount, MAX_NICS + 1],
    ['NIC records in the header', Header.NicsAt, 0],
    ['NIC records outside', Header.NicsAt, words.length - 1],
    ['address entries not a power of two', Header.AddressEntries, 6],
    ['no address entries', Header.AddressEntries, 0],
    ['address entries below zero', Header.AddressEntries, -8],
    ['address entries outside', Header.AddressEntries, 1 << 30],
    ['address table outside', Header.AddressesAt, words.length - 4],
    ['negative list count', Header.ListCount, -1],
    ['huge list count', Header.ListCount, 0x7fff_ffff],
    ['lists outside', Header.ListsAt, words.length],
    ['NIC of every address outside', Header.AnyAddressNic, 2],
    ['NIC of every address below none', Header.AnyAddressNic, -2],
    ['negative counter index', nicAt + Nic.CounterIndex, -1],
    ['counter index outside', nicAt + Nic.CounterIndex, MAX_NICS],
    ['platform list outside', nicAt + Nic.Platform, 99],
    ['stage list outside', nicAt + Nic.Stage1, 4],
    ['list below none', nicAt + Nic.OutboundShift + Nic.Stage0, -2],
    ['NIC of an address outside', addressAt + 4, 99],
    ['negative NIC of an address', addressAt + 4, -1],
    ['rule set outside', listAt + List.RuleSetAt, words.length - 1],
    ['negative rule set', listAt + List.RuleSetAt, -1],
    ['rule words outside', listAt + List.RuleWordsAt, words.length],
    ['more rule words than rules', listAt + List.RuleCount, 2],
    ['fewer rule words than rules', listAt + List.RuleCount, 0],
    ['negative rule count', listAt + List.RuleCount, -1],
    ['rule slot that is "none"', ruleAt, -1],
  ])('%s', (_name, at, value) => {
    const broken = words.slice();
    broken[at] = value;
    expect(() => PolicyImage.attach(broken.buffer)).toThrow(PolicyImageError);
  });

  test('cut short anywhere', () => {
    for (let length = 0; length < whole.buffer.byteLength; length += length < 512 ? 1 : 37) {
      expect(() => PolicyImage.attach(whole.buffer.slice(0, length)), `${length} bytes`).toThrow(
        PolicyImageError,
      );
    }
  });

  test('random bytes', () => {
    const random = new Random();
    for (let round = 0; round < 500; round++) {
      const noise = Int32Array.from(
        { length: HEADER_WORDS + random.below(200) },
        () => random.uint32() | 0,
      );
      if (random.below(2) === 0) noise.set(words.subarray(0, 2));
      expect(() => PolicyImage.attach(noise.buffer), `seed ${random.seed}`).toThrow(
        PolicyImageError,
      );
    }
  });

  test('any words changed: refused, or harmless', () => {
    const random = new Random();
    const evaluation = new Evaluation();
    let refused = 0;
    const rounds = 3000;
    for (let round = 0; round < rounds; round++) {
      const broken = words.slice();
      for (let change = 0; change <= random.below(3); change++) {
        const isHead = random.below(3) === 0;
        const at = random.below(isHead ? ruleAt : broken.length);
        broken[at] = random.pick([
          0,
          -1,
          1,
          random.below(64),
          random.uint32() | 0,
          (broken[at] ?? 0) ^ (1 << random.below(32)),
          random.below(broken.length),
        ]);
      }
      const guard = new ImageGuard();
      try {
        askEverything(guard.watch(PolicyImage.attach(broken.buffer)), guard, evaluation);
      } catch (error) {
        if (!(error instanceof PolicyImageError))
          throw new Error(`seed ${random.seed}, round ${round}`, { cause: error });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(rounds / 10);
    expect(refused).toBeLessThan(rounds);
  });
});
