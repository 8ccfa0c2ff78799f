/**
 * Engine policies written directly, without a configuration: rules over small sets, NICs over lists.
 */
import { ANY_ADDRESS, type AddressSet, NO_ADDRESS } from '../../src/engine/address-set.ts';
import {
  type NicPolicy,
  NO_RULE_LIST,
  type Policy,
  type PolicyRule,
  RuleKind,
  type RuleList,
} from '../../src/engine/policy.ts';
import { Access, ANY_PROTOCOL } from '../../src/engine/rule.ts';

/** A rule that matches everything but for what `over` says. */
export function engineRule(
  name: string,
  access: Access,
  over: Partial<PolicyRule> = {},
): PolicyRule {
  return {
    name,
    priority: 100,
    access,
    protocol: { ipv4: ANY_PROTOCOL, ipv6: ANY_PROTOCOL },
    source: ANY_ADDRESS,
    sourcePorts: 'any',
    destination: ANY_ADDRESS,
    destinationPorts: 'any',
    kind: RuleKind.Security,
    isStateful: true,
    ...over,
  };
}

export function allow(name: string, over: Partial<PolicyRule> = {}): PolicyRule {
  return engineRule(name, Access.Allow, over);
}

export function deny(name: string, over: Partial<PolicyRule> = {}): PolicyRule {
  return engineRule(name, Access.Deny, over);
}

/** Both families of one protocol number. */
export function protocol(number: number): Pick<PolicyRule, 'protocol'> {
  return { protocol: { ipv4: number, ipv6: number } };
}

export function ruleList(owner: string, direction: 0 | 1, rules: readonly PolicyRule[]): RuleList {
  return { owner, direction, rules };
}

/** Single IPv4 addresses (unsigned) and IPv6 addresses. */
export function addresses(ipv4: readonly number[], ipv6: readonly bigint[] = []): AddressSet {
  return {
    ipv4: ipv4.toSorted((a, b) => a - b).map((address) => [address, address] as const),
    ipv6: ipv6.toSorted((a, b) => (a < b ? -1 : 1)).map((address) => [address, address] as const),
  };
}

export const NO_CHAIN: NicPolicy['inbound'] = {
  platform: NO_RULE_LIST,
  stages: [NO_RULE_LIST, NO_RULE_LIST],
};

/** A NIC without addresses and rules but for what `over` says. */
export function engineNic(name: string, over: Partial<NicPolicy> = {}): NicPolicy {
  return {
    name,
    wire: 'w0',
    addresses: NO_ADDRESS,
    inbound: NO_CHAIN,
    outbound: NO_CHAIN,
    isFlushing: false,
    ...over,
  };
}

export function enginePolicy(
  nics: readonly NicPolicy[],
  ruleLists: readonly RuleList[] = [],
): Policy {
  return {
    ruleLists,
    nics,
    link: { isUnknownEtherTypePassed: false, isLinkLocalForwarded: false, isTcpPickupLoose: false },
  };
}
