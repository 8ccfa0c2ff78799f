/**
 * What `verify` says is what the wire does: for random policies and tuples, the explanation and the live pipeline agree on
 * the verdict and on the rule. Cases that never reach the rules are left out: martians, port 0, addresses of no NIC.
 */
import { expect, test } from 'vitest';
import { IpProtocol } from '../../src/capture/packet.ts';
import { NO_FLOW, RemoveReason } from '../../src/flowtable/record.ts';
import { printedRuleName } from '../../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../../src/engine/reason.ts';
import { parseIpv4, parseIpv6 } from '../../src/policy/address.ts';
import { type Address, Explainer } from '../../src/policy/explain.ts';
import { buildFrame, type FrameSpec } from '../helpers/frames.ts';
import { loadGood } from '../helpers/load-text.ts';
import {
  configurationText,
  LOCAL,
  LOCAL6,
  PipelineRig,
  type RigPolicy,
} from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';

const POLICIES = 50;
const TUPLES = 200;

const HOSTS4 = [
  '203.0.113.1',
  '203.0.113.200',
  '10.0.1.5',
  '10.0.9.9',
  '168.63.129.16',
  '169.254.169.254',
  '192.168.1.1',
  '8.8.8.8',
  '224.0.0.251',
];
const HOSTS6 = [
  '2001:db8::1',
  '2001:db8:0:1::1',
  'fd00:db8:2::1',
  'fe80::1',
  '2600::1',
  'ff02::fb',
];
const PORTS = [1, 22, 25, 53, 67, 68, 80, 81, 443, 546, 547, 1024, 1688, 32_526, 65_535];
const PREFIXES = [
  '*',
  'Internet',
  'VirtualNetwork',
  'AzureLoadBalancer',
  '203.0.113.0/25',
  '10.0.0.0/16',
  '10.0.1.4',
  '2001:db8::/64',
  'fd00:db8::/32',
  '0.0.0.0/0',
  '::/0',
];
const TAGS = ['AzurePlatformDNS', 'AzurePlatformIMDS', 'AzurePlatformLKM'];
const RULE_PORTS = ['*', '80', '0-1023', '443-65535', '53', '25'];
const RULE_PROTOCOLS = ['*', 'Tcp', 'Udp', 'Icmp', 'Esp', 'Ah'];
const PROTOCOLS: readonly number[] = [
  IpProtocol.Tcp,
  IpProtocol.Udp,
  IpProtocol.Icmp,
  IpProtocol.Esp,
  IpProtocol.Ah,
  47,
  0,
  255,
];

function randomRules(random: Random): string[] {
  return Array.from({ length: random.below(8) }, (_, i) => {
    const protocol = random.pick(RULE_PROTOCOLS);
    const hasPorts = protocol === '*' || protocol === 'Tcp' || protocol === 'Udp';
    const isIpv6 = random.below(3) === 0;
    const own = PREFIXES.filter(
      (prefix) => /^[A-Z*]/.test(prefix) || prefix.includes(':') === isIpv6,
    );
    const isOutbound = random.below(2) === 0;
    const access = random.pick(['Allow', 'Deny']);
    const source = random.pick(own);
    const destination = isOutbound && random.below(6) === 0 ? random.pick(TAGS) : random.pick(own);
    const port = (): string => (hasPorts ? random.pick(RULE_PORTS) : '*');
    return `R${i} ${100 + i} ${isOutbound ? 'Outbound' : 'Inbound'} ${access} ${protocol} ${source} ${port()} ${destination} ${port()}`;
  });
}

function randomPolicy(random: Random): RigPolicy {
  const platform = { profile: random.pick(['azure', 'none']), defaultRoute: random.below(2) === 0 };
  const type = random.pick(['EnterpriseAgreement', 'FreeTrial', 'CSP']);
  return {
    ...(random.below(3) === 0 ? {} : { subnet: randomRules(random) }),
    ...(random.below(3) === 0 ? {} : { nic: randomRules(random) }),
    settings: { platform, ...(random.below(2) === 0 ? {} : { subscription: { type } }) },
  };
}

interface Tuple {
  readonly isInbound: boolean;
  readonly protocol: number;
  readonly local: string;
  readonly remote: string;
  readonly localPort: number;
  readonly remotePort: number;
}

function randomTuple(random: Random): Tuple {
  const isIpv6 = random.below(3) === 0;
  const isInbound = random.below(2) === 0;
  const protocol = random.pick(PROTOCOLS);
  const hosts = (isIpv6 ? HOSTS6 : HOSTS4).filter(
    (host) => !isInbound || !/^(?:224|ff)/.test(host),
  );
  return {
    isInbound,
    // IPv6 has ICMPv6 in place of ICMP, and 0 there is the hop-by-hop header.
    protocol: isIpv6 && protocol <= 1 ? IpProtocol.Icmpv6 : protocol,
    local: isIpv6 ? LOCAL6 : LOCAL,
    remote: random.pick(hosts),
    localPort: random.pick(PORTS),
    remotePort: random.pick(PORTS),
  };
}

/** The first packet of the flow. */
function firstPacket(tuple: Tuple): FrameSpec {
  const { isInbound, protocol, local, remote } = tuple;
  const ip = isInbound ? { src: remote, dst: local } : { src: local, dst: remote };
  const ports = isInbound
    ? { srcPort: tuple.remotePort, dstPort: tuple.localPort }
    : { srcPort: tuple.localPort, dstPort: tuple.remotePort };
  switch (protocol) {
    case IpProtocol.Tcp:
      return { ip, tcp: ports };
    case IpProtocol.Udp:
      return { ip, udp: ports };
    case IpProtocol.Icmp:
      return { ip, icmp: { type: 8, id: 1 } };
    case IpProtocol.Icmpv6:
      return { ip, icmp: { type: 128, id: 1 } };
    default:
      return { ip: { ...ip, protocol }, raw: new Uint8Array(16) };
  }
}

function address(text: string): Address {
  const found = parseIpv4(text) ?? parseIpv6(text);
  if (found === undefined) throw new Error(`${text} is no address`);
  return found;
}

/** Verdict and rule as the pipeline has them; the flow it made is removed. */
function live(
  rig: PipelineRig,
  tuple: Tuple,
): { reason: string | undefined; access: string; ruleName: string | undefined } {
  const frame = buildFrame(firstPacket(tuple));
  const { pipeline, compiled } = rig;
  if (tuple.isInbound) rig.inbound(frame);
  else rig.outbound(frame);
  const { evaluation, flow, reason } = pipeline;
  if (flow !== NO_FLOW) rig.flows.remove(flow, RemoveReason.Flushed);
  const step = evaluation.decidingStep;
  const list =
    step < 0 || !pipeline.isEvaluated ? undefined : compiled.lists[evaluation.lists[step] ?? -1];
  const rule = list?.rules[evaluation.rules[step] ?? -1];
  return {
    reason: reasonNames[reason],
    access: reason < FIRST_DROP ? 'Allow' : 'Deny',
    ruleName: rule === undefined ? undefined : printedRuleName(rule),
  };
}

test(`${POLICIES * TUPLES} random tuples: verify answers what the pipeline does`, () => {
  const random = new Random();
  const reasons = new Map<string | undefined, number>();
  for (let round = 0; round < POLICIES; round++) {
    const policy = randomPolicy(random);
    const loaded = loadGood(configurationText(policy));
    const [nic] = loaded.policy.nics;
    if (nic === undefined) throw new Error('no NIC');
    const explainer = new Explainer(loaded.policy, nic);
    const rig = new PipelineRig(policy);
    for (let i = 0; i < TUPLES; i++) {
      const tuple = randomTuple(random);
      const { reason, ...wire } = live(rig, tuple);
      const said = explainer.explain({
        ...tuple,
        direction: tuple.isInbound ? 0 : 1,
        local: address(tuple.local),
        remote: address(tuple.remote),
      });
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      const message = `seed ${random.seed}: ${JSON.stringify({ policy, tuple })}`;
      // Broadcast DHCP passes before the rules; verify names the platform rule that says the same.
      const ruleName = reason === 'link' ? wire.ruleName : said.ruleName;
      expect({ access: wire.access, ruleName: wire.ruleName }, message).toEqual({
        access: said.access,
        ruleName,
      });
    }
  }
  expect([...reasons.keys()], `seed ${random.seed}`).toEqual(
    expect.arrayContaining(['platform', 'rule', 'rule_deny']),
  );
});
