/**
 * Random policies over few addresses, ports and protocols, so that rules overlap, and every packet that such rules can
 * tell apart: both ends of each block and what is beside it.
 */
import { Packet } from '../../src/capture/packet.ts';
import {
  type AddressSet,
  addressSet,
  ANY_ADDRESS,
  IPV6_MAX,
  ipv6Words,
  NO_ADDRESS,
} from '../../src/engine/address-set.ts';
import {
  type NicPolicy,
  NO_RULE_LIST,
  type Policy,
  type PolicyRule,
  RuleKind,
  type StageChain,
} from '../../src/engine/policy.ts';
import { Access, ANY_PROTOCOL, type PortMatch } from '../../src/engine/rule.ts';
import { deny, engineNic, enginePolicy, engineRule, ruleList } from './engine-policy.ts';
import { linearMatch } from './linear-match.ts';
import type { Random } from './random.ts';

const IPV4_BLOCKS: readonly (readonly [number, number])[] = [
  [0x0a00_0000, 0x0a00_00ff],
  [0x0a00_0004, 0x0a00_0004],
  [0x0a00_0005, 0x0a00_ffff],
  [0xcb00_7100, 0xcb00_71ff],
  [0xffff_ffff, 0xffff_ffff],
];
const IPV6_BLOCKS: readonly (readonly [bigint, bigint])[] = [
  [0xfd00n << 112n, (0xfd01n << 112n) - 1n],
  [(0xfd00n << 112n) + 4n, (0xfd00n << 112n) + 4n],
  [0x2001n << 112n, (0x2002n << 112n) - 1n],
  [IPV6_MAX, IPV6_MAX],
];
const PORT_BLOCKS = [
  [0, 22],
  [22, 22],
  [80, 443],
] as const;
const PROTOCOLS = [1, 6, 17, 50, 58] as const;

/** A packet without a flow, seen from the NIC. */
export interface Probe {
  readonly direction: 0 | 1;
  readonly protocol: number;
  readonly local: number | bigint;
  readonly localPort: number;
  readonly remote: number | bigint;
  readonly remotePort: number;
}

function bounds<T>(blocks: readonly (readonly [T, T])[], beside: readonly T[]): T[] {
  return [...new Set([...blocks.flat(), ...beside])];
}

export const IPV4_PROBES: readonly number[] = bounds(IPV4_BLOCKS, [0x0b00_0000]);
export const IPV6_PROBES: readonly bigint[] = bounds(IPV6_BLOCKS, [0n]);
export const PORT_PROBES: readonly number[] = bounds<number>(PORT_BLOCKS, [23, 65_535]);
export const PROTOCOL_PROBES: readonly number[] = [...PROTOCOLS, 47];

/** Every packet of one direction. */
export function* everyProbe(direction: 0 | 1): Generator<Probe> {
  for (const protocol of PROTOCOL_PROBES) {
    const ports = protocol === 6 || protocol === 17 ? PORT_PROBES : [0];
    for (const addresses of [IPV4_PROBES, IPV6_PROBES]) {
      for (const local of addresses) {
        for (const remote of addresses) {
          for (const localPort of ports) {
            for (const remotePort of ports) {
              yield { direction, protocol, local, localPort, remote, remotePort };
            }
          }
        }
      }
    }
  }
}

export function randomProbe(random: Random): Probe {
  const addresses: readonly (number | bigint)[] = random.below(2) === 0 ? IPV4_PROBES : IPV6_PROBES;
  const protocol = random.pick(PROTOCOL_PROBES);
  const hasPorts = protocol === 6 || protocol === 17;
  return {
    direction: random.below(2) === 0 ? 0 : 1,
    protocol,
    local: random.pick(addresses),
    localPort: hasPorts ? random.pick(PORT_PROBES) : 0,
    remote: random.pick(addresses),
    remotePort: hasPorts ? random.pick(PORT_PROBES) : 0,
  };
}

function randomAddresses(random: Random): AddressSet {
  const kind = random.below(8);
  if (kind === 0) return random.below(4) === 0 ? NO_ADDRESS : ANY_ADDRESS;
  if (kind <= 3) return ANY_ADDRESS;
  const some = <T>(items: readonly T[]): T[] =>
    Array.from({ length: 1 + random.below(2) }, () => random.pick(items));
  return addressSet(kind === 4 ? [] : some(IPV4_BLOCKS), kind === 5 ? [] : some(IPV6_BLOCKS));
}

function randomPorts(random: Random): PortMatch {
  if (random.below(2) === 0) return 'any';
  return Array.from({ length: random.below(8) === 0 ? 0 : 1 + random.below(2) }, () => {
    const [low, high] = random.pick(PORT_BLOCKS);
    return { low, high };
  });
}

export function randomRule(random: Random, name: string): PolicyRule {
  const protocol = random.below(2) === 0 ? ANY_PROTOCOL : random.pick(PROTOCOLS);
  return engineRule(name, random.below(2) === 0 ? Access.Allow : Access.Deny, {
    protocol: { ipv4: protocol, ipv6: protocol === 1 ? 58 : protocol },
    source: randomAddresses(random),
    sourcePorts: random.below(3) === 0 ? randomPorts(random) : 'any',
    destination: randomAddresses(random),
    destinationPorts: randomPorts(random),
  });
}

const END = deny('End', { priority: 65_500, kind: RuleKind.Default });

function randomChain(
  random: Random,
  policy: Policy,
  direction: 0 | 1,
  maxRules: number,
): StageChain {
  const lists = policy.ruleLists as RuleListsBeingBuilt;
  const add = (owner: string, rules: readonly PolicyRule[]): number =>
    lists.push(ruleList(owner, direction, rules)) - 1;
  const rules = (name: string, count: number): PolicyRule[] =>
    Array.from({ length: count }, (_, index) => ({
      ...randomRule(random, `${name}${index}`),
      priority: 100 + index,
    }));
  const stage = (owner: string): number => {
    if (random.below(4) === 0) return NO_RULE_LIST;
    return add(owner, [...rules(`${owner}-${direction}-`, random.below(maxRules + 1)), END]);
  };
  const platform =
    random.below(2) === 0
      ? NO_RULE_LIST
      : add('platform', rules(`p-${direction}-`, random.below(2)));
  return { platform, stages: [stage('subnet'), stage('nic')] };
}

type RuleListsBeingBuilt = ReturnType<typeof ruleList>[];

/** A policy with one NIC that takes every address. */
export function randomPolicy(random: Random, maxRules: number): Policy {
  const policy = enginePolicy([engineNic('nic')], []);
  const inbound = randomChain(random, policy, 0, maxRules);
  const outbound = randomChain(random, policy, 1, maxRules);
  return { ...policy, nics: [engineNic('nic', { inbound, outbound })] };
}

/** The same policy with one rule more, less, moved or turned round in one of its lists. */
export function changedPolicy(random: Random, policy: Policy): Policy {
  if (policy.ruleLists.length === 0) return policy;
  const at = random.below(policy.ruleLists.length);
  return {
    ...policy,
    ruleLists: policy.ruleLists.map((list, index) => {
      if (index !== at) return list;
      const rules = [...list.rules];
      const place = random.below(Math.max(1, rules.length - 1));
      const kind = random.below(3);
      const old = rules[place];
      if (kind === 0 || old === undefined || old === END) {
        rules.splice(place, 0, randomRule(random, 'new'));
      } else if (kind === 1) {
        rules.splice(place, 1);
      } else {
        rules[place] = { ...old, access: old.access === Access.Allow ? Access.Deny : Access.Allow };
      }
      return { ...list, rules };
    }),
  };
}

const packet = new Packet();

/** Fills a packet as the decoder would. Overwritten by every call. */
export function packetOf(probe: Probe): Packet {
  const words = (address: number | bigint): [number, number, number, number] =>
    typeof address === 'bigint' ? ipv6Words(address) : [0, 0, 0, address | 0];
  const isInbound = probe.direction === 0;
  packet.ipVersion = typeof probe.local === 'bigint' ? 6 : 4;
  [packet.src0, packet.src1, packet.src2, packet.src3] = words(
    isInbound ? probe.remote : probe.local,
  );
  [packet.dst0, packet.dst1, packet.dst2, packet.dst3] = words(
    isInbound ? probe.local : probe.remote,
  );
  packet.protocol = probe.protocol;
  packet.hasPorts = probe.protocol === 6 || probe.protocol === 17;
  packet.srcPort = isInbound ? probe.remotePort : probe.localPort;
  packet.dstPort = isInbound ? probe.localPort : probe.remotePort;
  return packet;
}

/** Access and deciding rule, by asking every rule in order. */
export function linearDecision(
  policy: Policy,
  nic: NicPolicy,
  probe: Probe,
): { readonly access: Access; readonly rule: PolicyRule | undefined } {
  const chain = probe.direction === 0 ? nic.inbound : nic.outbound;
  const ask = (list: number): PolicyRule | undefined => {
    const rules = policy.ruleLists[list]?.rules ?? [];
    return rules[linearMatch(rules, packetOf(probe))];
  };
  const platform = ask(chain.platform);
  if (platform !== undefined) return { access: platform.access, rule: platform };
  let last: PolicyRule | undefined;
  for (const stage of chain.stages) {
    if (stage === NO_RULE_LIST) continue;
    const rule = ask(stage);
    if (rule === undefined) return { access: Access.Deny, rule: undefined };
    if (rule.access === Access.Deny) return { access: Access.Deny, rule };
    last = rule;
  }
  return { access: Access.Allow, rule: last };
}
