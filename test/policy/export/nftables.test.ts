import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decode, DecodeCode } from '../../../src/capture/decode.ts';
import { Packet } from '../../../src/capture/packet.ts';
import { type AddressSet, IPV4_MAX, IPV6_MAX, isEmpty } from '../../../src/engine/address-set.ts';
import { Evaluation, evaluate } from '../../../src/engine/evaluate.ts';
import { compileImage, PolicyRegistry } from '../../../src/engine/policy-image-compile.ts';
import { PolicyImage } from '../../../src/engine/policy-image.ts';
import type { NicPolicy } from '../../../src/engine/policy.ts';
import { FIRST_DROP } from '../../../src/engine/reason.ts';
import { formatIpv4, formatIpv6 } from '../../../src/policy/address.ts';
import { nftablesRuleset } from '../../../src/policy/export/nftables.ts';
import type { LoadedConfiguration } from '../../../src/policy/load.ts';
import { BridgeLab, nftablesObstacle } from '../../helpers/bridge-lab.ts';
import { buildFrame, viewOf } from '../../helpers/frames.ts';
import { liveObstacle } from '../../helpers/live.ts';
import { loadGood } from '../../helpers/load-text.ts';
import { Random } from '../../helpers/random.ts';
import { randomConfiguration } from '../../helpers/random-configuration.ts';

/** Pairs of a policy and a packet; `make oracle` asks for 100,000. */
const PAIRS = Number(process.env['NSGD_ORACLE_PAIRS'] ?? 6000);
const PACKETS_PER_POLICY = 250;

const obstacle = liveObstacle ?? nftablesObstacle();

const TCP = 6;
const UDP = 17;
/** Extension headers of IPv6 are no protocols of a packet, and have tests of their own. */
const PROTOCOLS = {
  4: [TCP, TCP, TCP, UDP, UDP, 1, 50, 51, 58, 47, 132, 0, 2, 255],
  6: [TCP, TCP, TCP, UDP, UDP, 58, 50, 51, 1, 47, 132, 89, 253],
} as const;
const PORTS = [0, 1, 21, 22, 23, 25, 53, 67, 68, 78, 79, 80, 81, 82, 443, 546, 547, 1023, 1024, 1688, 32526, 65534, 65535]; // prettier-ignore

interface Probe {
  readonly isInbound: boolean;
  readonly frame: Uint8Array;
  readonly text: string;
}

/** Addresses at the edges of everything that the rules name, where a mistake of one shows. */
function edgesOf(sets: readonly AddressSet[]): { 4: string[]; 6: string[] } {
  const ipv4 = new Set<number>([0, IPV4_MAX, 0x0a00_0001]);
  const ipv6 = new Set<bigint>([0n, IPV6_MAX, 1n]);
  for (const set of sets) {
    for (const [low, high] of set.ipv4)
      for (const edge of [low - 1, low, high, high + 1]) ipv4.add(edge);
    for (const [low, high] of set.ipv6)
      for (const edge of [low - 1n, low, high, high + 1n]) ipv6.add(edge);
  }
  return {
    4: [...ipv4].filter((edge) => edge >= 0 && edge <= IPV4_MAX).map(formatIpv4),
    6: [...ipv6].filter((edge) => edge >= 0n && edge <= IPV6_MAX).map(formatIpv6),
  };
}

/** Packets whose local address is the interface's own: all others are refused before any rule is asked. */
function randomProbes(random: Random, { policy }: LoadedConfiguration, nic: NicPolicy): Probe[] {
  const { inbound, outbound } = nic;
  const lists = [inbound.platform, ...inbound.stages, outbound.platform, ...outbound.stages].map(
    (index) => policy.ruleLists[index],
  );
  const rules = lists.flatMap((list) => list?.rules ?? []);
  const remotes = edgesOf(rules.flatMap(({ source, destination }) => [source, destination]));
  const own = isEmpty(nic.addresses) ? remotes : {
    4: nic.addresses.ipv4.flatMap(([low, high]) => [low, high]).map(formatIpv4),
    6: nic.addresses.ipv6.flatMap(([low, high]) => [low, high]).map(formatIpv6),
  }; // prettier-ignore
  return Array.from({ length: PACKETS_PER_POLICY }, (_, id) => {
    const wanted = random.pick([4, 4, 6] as const);
    const family = own[wanted].length > 0 ? wanted : wanted === 4 ? 6 : 4;
    const isInbound = random.below(2) === 0;
    const [local, remote] = [random.pick(own[family]), random.pick(remotes[family])];
    const [src, dst] = isInbound ? [remote, local] : [local, remote];
    const protocol = random.pick(PROTOCOLS[family]);
    const port = (): number => (random.below(3) === 0 ? random.below(65536) : random.pick(PORTS));
    const [srcPort, dstPort] = [port(), port()];
    const payload = new Uint8Array(new Uint32Array([0, 0, 0, 0]).buffer);
    new DataView(payload.buffer).setUint32(12, id);
    // Headers between, which both have to skip.
    const isPlain = random.below(4) > 0;
    const between =
      family === 4
        ? { options: [1, 1, 1, 0] }
        : { extensions: [{ type: 0 }, { type: 60, body: new Uint8Array(14) }] };
    const ip = { src, dst, protocol, ...(isPlain ? {} : between) };
    const frame = buildFrame({
      ip,
      ...(protocol === TCP
        ? { tcp: { srcPort, dstPort }, payload }
        : protocol === UDP
          ? { udp: { srcPort, dstPort }, payload }
          : protocol === (family === 4 ? 1 : 58)
            ? { icmp: { type: family === 4 ? 8 : 128, id: srcPort, sequence: dstPort }, payload }
            : { raw: payload }),
    });
    const direction = isInbound ? 'inbound' : 'outbound';
    return {
      isInbound,
      frame,
      text: `${direction} ${protocol} ${src} ${srcPort} ${dst} ${dstPort}`,
    };
  });
}

/** What nsgd's own compiled image says of each frame. */
function verdicts(
  { policy }: LoadedConfiguration,
  nic: NicPolicy,
  probes: readonly Probe[],
): boolean[] {
  const image = PolicyImage.attach(compileImage(policy, [nic], 1, new PolicyRegistry()).buffer);
  const packet = new Packet();
  const evaluation = new Evaluation();
  return probes.map(({ isInbound, frame, text }) => {
    const code = decode(viewOf(frame), 0, frame.length, packet);
    if (code !== DecodeCode.Ip) throw new Error(`${text}: decoded as ${code}`);
    return evaluate(image, 0, isInbound ? 0 : 1, packet, evaluation) < FIRST_DROP;
  });
}

function kernelVerdicts(lab: BridgeLab, probes: readonly Probe[]): boolean[] {
  const passed = new Set<number>();
  for (const isInbound of [true, false]) {
    const frames = probes
      .filter((probe) => probe.isInbound === isInbound)
      .map(({ frame }) => frame);
    for (const id of lab.pass(frames, isInbound)) passed.add(id);
  }
  return probes.map((_, id) => passed.has(id));
}

describe.skipIf(obstacle !== undefined)(`the kernel as an oracle (${obstacle ?? 'nft'})`, () => {
  let lab: BridgeLab;
  beforeAll(() => {
    lab = new BridgeLab();
  });
  afterAll(() => lab.close());

  test(
    `nsgd and nftables agree on ${PAIRS} pairs of a policy and a packet`,
    { timeout: 900_000 },
    () => {
      const random = new Random();
      const disagreements: string[] = [];
      const counts = { pairs: 0, allowed: 0, policies: 0 };
      while (counts.pairs < PAIRS && disagreements.length < 10) {
        const text = JSON.stringify(randomConfiguration(random, { hasSettings: true }), null, 1);
        const loaded = loadGood(text);
        const nic = random.pick(loaded.policy.nics);
        const probes = randomProbes(random, loaded, nic);
        const [wire] = loaded.configuration.wires;
        lab.load(nftablesRuleset(loaded.policy, nic, wire));
        const [ours, theirs] = [verdicts(loaded, nic, probes), kernelVerdicts(lab, probes)];
        for (const [index, probe] of probes.entries()) {
          if (ours[index] === theirs[index]) continue;
          const answer =
            ours[index] === true ? 'nsgd allows, nft drops' : 'nsgd denies, nft accepts';
          disagreements.push(`seed ${random.seed}, ${nic.name}, ${probe.text}: ${answer}\n${text}`);
        }
        counts.pairs += probes.length;
        counts.policies++;
        counts.allowed += ours.filter(Boolean).length;
      }
      console.info(`seed ${random.seed}: ${JSON.stringify(counts)}`);
      expect(disagreements).toEqual([]);
      // Both verdicts are common, else agreement would say little.
      expect(counts.allowed / counts.pairs).toBeGreaterThan(0.15);
      expect(counts.allowed / counts.pairs).toBeLessThan(0.85);
    },
  );

  test('a wrong ruleset is noticed', () => {
    const loaded = loadGood(
      JSON.stringify(randomConfiguration(new Random(7), { hasSettings: true })),
    );
    const [nic] = loaded.policy.nics;
    const [wire] = loaded.configuration.wires;
    if (nic === undefined) throw new Error('no interface');
    const probes = randomProbes(new Random(7), loaded, nic);
    const ruleset = nftablesRuleset(loaded.policy, nic, wire);
    lab.load(ruleset.replaceAll(' drop', ' return'));
    expect(kernelVerdicts(lab, probes)).not.toEqual(verdicts(loaded, nic, probes));
    lab.load(ruleset);
    expect(kernelVerdicts(lab, probes)).toEqual(verdicts(loaded, nic, probes));
  });
});

test.skipIf(obstacle !== undefined)('nft takes no ruleset that it would not load', () => {
  // Names with every character that a resource name may have, and the longest.
  const name = `${'0aZ_.-'.repeat(13)}xx`;
  const { configuration, policy } = loadGood(
    JSON.stringify({
      networkSecurityGroups: [{ name, securityRules: [] }],
      networkInterfaces: [{ name: 'nic', networkSecurityGroup: name }],
    }),
  );
  const [nic] = policy.nics;
  if (nic === undefined) throw new Error('no interface');
  const ruleset = nftablesRuleset(policy, nic, configuration.wires[0]);
  const { status, stderr } = spawnSync('nft', ['--check', '-f', '-'], {
    input: ruleset,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
});
