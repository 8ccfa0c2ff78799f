/**
 * Policy: what the engine enforces, with every name resolved. `src/policy` makes it from a configuration;
 * `policy-image-compile.ts` compiles it into the segment that the data plane reads.
 */
import type { AddressSet } from './address-set.ts';
import type { Rule } from './rule.ts';

/** Whose a rule is: the author's, one of Azure's default rules, or the platform's. */
export const RuleKind = Object.freeze({ Security: 0, Default: 1, Platform: 2 } as const);
export type RuleKind = (typeof RuleKind)[keyof typeof RuleKind];

/** What Azure calls the list that a rule of each kind stands in. */
const RULE_KIND_LISTS = ['securityRules', 'defaultSecurityRules', 'platformRules'] as const;

/** The name of a rule as Azure prints it, `securityRules/x`: unlike the bare name unique in its NSG and direction. */
export function printedRuleName({ kind, name }: Pick<PolicyRule, 'kind' | 'name'>): string {
  return `${RULE_KIND_LISTS[kind]}/${name}`;
}

export interface PolicyRule extends Rule {
  readonly kind: RuleKind;
  /**
   * False for traffic that leaves no flow record (DHCP: the answer to a broadcast comes from another tuple). Only
   * platform rules.
   */
  readonly isStateful: boolean;
}

/** One direction of one NSG, or a set of platform rules: custom rules, then default rules, in priority order. */
export interface RuleList {
  /** Name of the NSG; `platform` for platform rules. */
  readonly owner: string;
  readonly direction: 0 | 1;
  readonly rules: readonly PolicyRule[];
}

/** No NSG at this stage: the stage allows. */
export const NO_RULE_LIST = -1;

/** The chain of one direction of a NIC: indexes into `Policy.ruleLists`, or `NO_RULE_LIST`. */
export interface StageChain {
  /** Evaluated first; unlike the others, no match means go on. */
  readonly platform: number;
  /** Inbound: subnet NSG then NIC NSG. Outbound: NIC NSG then subnet NSG. All must allow. */
  readonly stages: readonly [number, number];
}

export interface NicPolicy {
  readonly name: string;
  /** Name of the wire it is on; undefined when it is only evaluated offline. */
  readonly wire: string | undefined;
  /** Single addresses. Empty: takes every address, allowed only for the only NIC of a wire. */
  readonly addresses: AddressSet;
  readonly inbound: StageChain;
  readonly outbound: StageChain;
  /** True when a stage's NSG has `flushConnection`: its flows are judged anew after every policy change. */
  readonly isFlushing: boolean;
}

export interface LinkPolicy {
  /** EtherTypes other than IPv4, IPv6 and ARP: pass or drop. */
  readonly isUnknownEtherTypePassed: boolean;
  /** Forward frames to 01:80:c2:00:00:0x (STP, LLDP, pause). */
  readonly isLinkLocalForwarded: boolean;
  /** Judge a TCP packet without a flow that is no SYN by the rules instead of dropping it. */
  readonly isTcpPickupLoose: boolean;
}

export interface Policy {
  readonly ruleLists: readonly RuleList[];
  readonly nics: readonly NicPolicy[];
  readonly link: LinkPolicy;
}
