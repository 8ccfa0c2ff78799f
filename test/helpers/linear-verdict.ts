/**
 * The verdict of a policy on the first packet of a flow, by asking every rule in order: what a reader of Azure's page
 * would do by hand.
 */
import { hasIpv4, hasIpv6, type AddressSet } from '../../src/engine/address-set.ts';
import { NO_RULE_LIST, RuleKind, type Policy, type PolicyRule } from '../../src/engine/policy.ts';
import { Access, ANY_PROTOCOL, type PortMatch } from '../../src/engine/rule.ts';
import { parseIpv4, parseIpv6 } from '../../src/policy/address.ts';

const PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  icmp: 1,
  icmpv6: 58,
  esp: 50,
  ah: 51,
  gre: 47,
};
const PREFIXES = {
  [RuleKind.Security]: 'securityRules',
  [RuleKind.Default]: 'defaultSecurityRules',
  [RuleKind.Platform]: 'platformRules',
} as const;

interface End {
  readonly address: string;
  /** Undefined for protocols without ports. */
  readonly port: number | undefined;
}

/** `10.0.0.4:80`, `[fd00::4]:80`, `10.0.0.4` or `fd00::4`. */
function parseEnd(text: string): End {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  return {
    address: bracketed ?? plain ?? text,
    port: port === undefined ? undefined : Number(port),
  };
}

function hasAddress(set: AddressSet, address: string): boolean {
  const ipv4 = parseIpv4(address);
  if (ipv4 !== undefined) return hasIpv4(set, ipv4);
  const ipv6 = parseIpv6(address);
  if (ipv6 === undefined) throw new Error(`${address} is no address`);
  return hasIpv6(set, ipv6);
}

function hasPort(ports: PortMatch, port: number | undefined): boolean {
  if (ports === 'any') return true;
  return port !== undefined && ports.some(({ low, high }) => low <= port && port <= high);
}

/** True when the rule matches a packet `protocol` from `source` to `destination`. */
export function matches(
  rule: PolicyRule,
  protocol: string,
  source: End,
  destination: End,
): boolean {
  const number = PROTOCOLS[protocol] ?? Number(protocol);
  const wanted = source.address.includes(':') ? rule.protocol.ipv6 : rule.protocol.ipv4;
  return (
    (wanted === ANY_PROTOCOL || wanted === number) &&
    hasAddress(rule.source, source.address) &&
    hasPort(rule.sourcePorts, source.port) &&
    hasAddress(rule.destination, destination.address) &&
    hasPort(rule.destinationPorts, destination.port)
  );
}

function print(rule: PolicyRule): string {
  return `${rule.access === Access.Allow ? 'Allow' : 'Deny'} ${PREFIXES[rule.kind]}/${rule.name}`;
}

/**
 * `Allow securityRules/x`, `Deny defaultSecurityRules/y` or `Allow -` when no group applies. `packet` is protocol,
 * source and destination, as in `tcp 203.0.113.9:50000 10.0.1.4:80`.
 */
export function linearVerdict(
  policy: Policy,
  nicName: string,
  direction: 'Inbound' | 'Outbound',
  packet: string,
): string {
  const nic = policy.nics.find((candidate) => candidate.name === nicName);
  if (nic === undefined) throw new Error(`there is no NIC ${nicName}`);
  const [protocol = '', from = '', to = ''] = packet.split(' ');
  const chain = direction === 'Inbound' ? nic.inbound : nic.outbound;
  const ask = (index: number): PolicyRule | undefined =>
    policy.ruleLists[index]?.rules.find((rule) =>
      matches(rule, protocol, parseEnd(from), parseEnd(to)),
    );
  const platform = ask(chain.platform);
  if (platform !== undefined) return print(platform);
  let last = 'Allow -';
  for (const stage of chain.stages) {
    if (stage === NO_RULE_LIST) continue;
    const rule = ask(stage);
    if (rule === undefined) throw new Error('a group always has a rule that matches');
    last = print(rule);
    if (rule.access === Access.Deny) return last;
  }
  return last;
}
