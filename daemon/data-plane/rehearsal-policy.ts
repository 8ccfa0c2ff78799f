/**
 * The policies of a rehearsal (rehearsal.ts).
 */
import { IpProtocol } from '../../src/capture/packet.ts';
import { ANY_ADDRESS, addressSet, NO_ADDRESS } from '../../src/engine/address-set.ts';
import {
  type NicPolicy,
  NO_RULE_LIST,
  type PolicyRule,
  RuleKind,
  type RuleList,
} from '../../src/engine/policy.ts';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import { Access, ANY_PROTOCOL } from '../../src/engine/rule.ts';
import { NIC_IPV4, NIC_IPV6, PLATFORM_IPV4, SHUT_PORT, TURNING_PORT } from './rehearsal-frames.ts';

const { Tcp, Udp, Icmp, Icmpv6 } = IpProtocol;

/** As many as make a list have a memo (src/engine/rule-set.ts). */
const MANY_RULES = 256;
const OTHER_PORTS = 10_000;

const RULE: PolicyRule = {
  name: 'allow',
  priority: 4096,
  access: Access.Allow,
  protocol: { ipv4: ANY_PROTOCOL, ipv6: ANY_PROTOCOL },
  source: ANY_ADDRESS,
  sourcePorts: 'any',
  destination: ANY_ADDRESS,
  destinationPorts: 'any',
  kind: RuleKind.Security,
  isStateful: true,
};

function denyPort(port: number): PolicyRule {
  const destinationPorts = [{ low: port, high: port }];
  return { ...RULE, name: `deny${port}`, priority: 100, access: Access.Deny, destinationPorts };
}

/**
 * A rule of each protocol, for addresses that differ from those of the frames in one word or another and in one or another byte of
 * it: the tries that they are looked up in are as deep as those of a real policy.
 */
function deepRules(): PolicyRule[] {
  const near4 = [8, 16, 24, 32].map((bits): readonly [number, number] => {
    const first = (NIC_IPV4 ^ (2 ** (32 - bits))) >>> 0;
    return [first, first];
  });
  const near6 = [16, 48, 64, 80, 96, 128].map((bits): readonly [bigint, bigint] => {
    const first = NIC_IPV6 ^ (1n << BigInt(128 - bits));
    return [first, first];
  });
  const near = addressSet(near4, near6);
  return [Tcp, Udp, Icmp].map((number, n) => ({
    ...denyPort(SHUT_PORT + 1 + n),
    protocol: { ipv4: number, ipv6: number === Icmp ? Icmpv6 : number },
    source: near,
    destination: near,
    sourcePorts: number === Icmp ? 'any' : [{ low: 1, high: 1 }],
  }));
}

/**
 * The two policies that take turns: what one lets pass the other does not, and flows are judged anew under the strict one, which
 * ends some of them.
 */
export function rehearsalPolicy(isStrict: boolean): PolicyImage {
  const platform: PolicyRule = {
    ...RULE,
    name: 'platform',
    access: isStrict ? Access.Deny : Access.Allow,
    kind: RuleKind.Platform,
    source: { ipv4: [[PLATFORM_IPV4, PLATFORM_IPV4]], ipv6: [] },
  };
  const others = Array.from({ length: MANY_RULES }, (_, n) => denyPort(OTHER_PORTS + n));
  const strict = isStrict ? [denyPort(TURNING_PORT), ...others] : [];
  const ruleLists: RuleList[] = [
    { owner: 'platform', direction: 0, rules: [platform] },
    { owner: 'subnet', direction: 0, rules: [...deepRules(), ...strict, RULE] },
    { owner: 'nic', direction: 0, rules: [denyPort(SHUT_PORT), RULE] },
    { owner: 'nic', direction: 1, rules: [RULE] },
  ];
  const nic: NicPolicy = {
    name: 'nic',
    wire: 'wire',
    // None: it takes every address.
    addresses: isStrict ? addressSet([[NIC_IPV4, NIC_IPV4]], [[NIC_IPV6, NIC_IPV6]]) : NO_ADDRESS,
    inbound: { platform: 0, stages: [1, 2] },
    outbound: { platform: NO_RULE_LIST, stages: [3, NO_RULE_LIST] },
    isFlushing: isStrict,
  };
  const link = {
    isUnknownEtherTypePassed: !isStrict,
    isLinkLocalForwarded: !isStrict,
    isTcpPickupLoose: !isStrict,
  };
  const policy = { ruleLists, nics: [nic], link };
  const generation = isStrict ? 2 : 1;
  return PolicyImage.attach(compileImage(policy, [nic], generation, new PolicyRegistry()).buffer);
}
