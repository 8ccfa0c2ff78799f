/**
 * The chains of a policy with their interfaces: what a lint that looks at interfaces asks about. Interfaces with the same
 * groups are one chain, whatever their number.
 */
import { type AddressSet, hasIpv4, hasIpv6, NO_ADDRESS, union } from '../engine/address-set.ts';
import { type NicPolicy, type Policy, type PolicyRule, RuleKind } from '../engine/policy.ts';
import { Access } from '../engine/rule.ts';
import { localAddresses } from './policy-diff.ts';
import { Chains, STEPS } from './regions/chains.ts';
import { type Found, type Query, Search } from './regions/search.ts';
import { type Family, Space } from './regions/space.ts';

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** A packet and the interface that it is of. */
export interface Example {
  readonly nic: NicPolicy;
  readonly packet: Found;
}

export interface ChainQuery {
  /** Numbers in `rules`. */
  readonly match: readonly number[];
  /** The first rule of `match` also decides in its list, and no platform rule does before. */
  readonly isDecided: boolean;
  /** And no default rule of the list would allow the packet. */
  readonly isBeyondDefaults?: boolean;
  /** What the other group of the chain does, where it has one. */
  readonly other?: Access;
}

/** The chains of some interfaces that are alike, in one policy or in several that differ in what names stand for. */
export class SharedChain {
  readonly direction: 0 | 1;
  readonly local: AddressSet;
  /** Those of the chain in each policy, then the probes. */
  readonly rules: readonly PolicyRule[];
  readonly #chains: Chains;
  readonly #nics: readonly { readonly nic: NicPolicy; readonly local: AddressSet }[];
  readonly #probeCount: number;
  readonly #lists: readonly (readonly number[])[];
  #searches: readonly Search[] | undefined;

  /**
   * @param policies the same interfaces and rule lists in each
   * @param nics of the last policy
   * @param probes rules of no list, to be asked about
   */
  constructor(
    policies: readonly Policy[],
    nics: readonly NicPolicy[],
    direction: 0 | 1,
    probes: readonly PolicyRule[],
  ) {
    const [policy] = policies;
    this.direction = direction;
    this.#nics = nics.map((nic) => ({
      nic,
      local: policy === undefined ? NO_ADDRESS : localAddresses(policy, nic, direction),
    }));
    this.local = union(this.#nics.map(({ local }) => local));
    this.#chains = new Chains();
    const [first] = nics;
    const chain = direction === 0 ? first?.inbound : first?.outbound;
    if (chain !== undefined) for (const each of policies) this.#chains.add(each, chain);
    this.rules = [...this.#chains.rules, ...probes];
    this.#probeCount = probes.length;
    const lists = this.#chains.hasList.map((): number[] => []);
    for (const [number, slot] of this.#chains.slotOf.entries()) lists[slot]?.push(number);
    this.#lists = lists;
  }

  /** Number of a probe. */
  probe(index: number): number {
    return this.rules.length - this.#probeCount + index;
  }

  /** How many rules are not probes. */
  get ruleCount(): number {
    return this.rules.length - this.#probeCount;
  }

  hasList(policy: number, step: number): boolean {
    return this.#chains.hasList[policy * STEPS + step] === true;
  }

  /** Numbers of the rules of a list. @param step 0 for platform rules, 1 for the first stage, 2 for the second */
  listOf(policy: number, step: number): readonly number[] {
    return this.#lists[policy * STEPS + step] ?? [];
  }

  /** The list that a rule is in. */
  stepOf(number: number): number {
    return (this.#chains.slotOf[number] ?? 0) % STEPS;
  }

  /** A packet of one of the interfaces; undefined when there is none. */
  find(query: Query): Example | undefined {
    this.#searches ??= FAMILIES.map((family) => {
      const space = new Space(this.rules, { direction: this.direction, family, local: this.local });
      return new Search(space, this.rules);
    });
    for (const search of this.#searches) {
      const packet = search.find(query);
      const nic = packet && this.#nicOf(packet);
      if (packet !== undefined && nic !== undefined) return { nic, packet };
    }
    return undefined;
  }

  #nicOf({ local }: Found): NicPolicy | undefined {
    return this.#nics.find(({ local: own }) =>
      typeof local === 'number' ? hasIpv4(own, local) : hasIpv6(own, local),
    )?.nic;
  }
}

/** The chain of one policy. */
export class LintChain {
  readonly rules: readonly PolicyRule[];
  readonly #chain: SharedChain;

  constructor(chain: SharedChain) {
    this.#chain = chain;
    this.rules = chain.rules;
  }

  get direction(): 0 | 1 {
    return this.#chain.direction;
  }

  get local(): AddressSet {
    return this.#chain.local;
  }

  /** Custom rules by number. */
  customRules(): number[] {
    return [...this.rules.keys()].filter(
      (number) => number < this.#chain.ruleCount && this.rules[number]?.kind === RuleKind.Security,
    );
  }

  /** Number of a probe. */
  probe(index: number): number {
    return this.#chain.probe(index);
  }

  /** True when both the interface and its subnet have a group. */
  get hasBothGroups(): boolean {
    return this.#chain.hasList(0, 1) && this.#chain.hasList(0, 2);
  }

  /** What a packet needs of the other group to get to the group of a rule at all. */
  reaching(number: number): Pick<ChainQuery, 'other'> {
    return this.#chain.stepOf(number) === 2 ? { other: Access.Allow } : {};
  }

  /** A packet of one of the interfaces; undefined when there is none. */
  find({ match, isDecided, isBeyondDefaults = false, other }: ChainQuery): Example | undefined {
    const [rule = 0] = match;
    const step = this.#chain.stepOf(rule);
    const isAvoided = (number: number): boolean => {
      if (isDecided && number < rule) return true;
      const { kind, access } = this.rules[number] ?? {};
      return isBeyondDefaults && kind === RuleKind.Default && access === Access.Allow;
    };
    const avoid = [
      ...(isDecided ? this.#chain.listOf(0, 0) : []),
      ...this.#chain.listOf(0, step).filter(isAvoided),
    ];
    const otherStep = STEPS - step;
    const firstOf =
      other !== undefined && this.#chain.hasList(0, otherStep)
        ? [{ list: this.#chain.listOf(0, otherStep), access: other }]
        : [];
    return this.#chain.find({ match, avoid, firstOf });
  }
}

/** Interfaces of a policy by their chain in one direction. */
export function nicsByChain(policy: Policy, direction: 0 | 1): NicPolicy[][] {
  const nics = new Map<string, NicPolicy[]>();
  for (const nic of policy.nics) {
    const key = JSON.stringify(direction === 0 ? nic.inbound : nic.outbound);
    nics.set(key, [...(nics.get(key) ?? []), nic]);
  }
  return [...nics.values()];
}

/** Each chain of the policy once, with its interfaces. */
export function lintChains(policy: Policy, probes: readonly PolicyRule[]): LintChain[] {
  return ([0, 1] as const).flatMap((direction) =>
    nicsByChain(policy, direction).map(
      (nics) => new LintChain(new SharedChain([policy], nics, direction, probes)),
    ),
  );
}
