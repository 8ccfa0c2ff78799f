/**
 * The chains of a policy with their interfaces: what a lint that looks at interfaces asks about. Interfaces with the same
 * groups are one chain, whatever their number.
 */
import { type AddressSet, hasIpv4, hasIpv6, union } from '../engine/address-set.ts';
import { type NicPolicy, type Policy, type PolicyRule, RuleKind } from '../engine/policy.ts';
import { Access } from '../engine/rule.ts';
import { localAddresses } from './policy-diff.ts';
import { Chains } from './regions/chains.ts';
import { type Found, Search } from './regions/search.ts';
import { type Family, Space } from './regions/space.ts';

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const STEPS = 3;

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

export class LintChain {
  readonly direction: 0 | 1;
  readonly local: AddressSet;
  /** Those of the chain, then the probes. */
  readonly rules: readonly PolicyRule[];
  readonly #chains: Chains;
  readonly #nics: readonly { readonly nic: NicPolicy; readonly local: AddressSet }[];
  readonly #probes: readonly PolicyRule[];
  #searches: readonly Search[] | undefined;

  /** @param probes rules of no list, to be asked about */
  constructor(
    policy: Policy,
    nics: readonly NicPolicy[],
    direction: 0 | 1,
    probes: readonly PolicyRule[],
  ) {
    this.direction = direction;
    this.#nics = nics.map((nic) => ({ nic, local: localAddresses(policy, nic, direction) }));
    this.local = union(this.#nics.map(({ local }) => local));
    this.#chains = new Chains();
    const [first] = nics;
    if (first !== undefined)
      this.#chains.add(policy, direction === 0 ? first.inbound : first.outbound);
    this.rules = [...this.#chains.rules, ...probes];
    this.#probes = probes;
  }

  /** Custom rules by number. */
  customRules(): number[] {
    const count = this.rules.length - this.#probes.length;
    return [...this.rules.keys()].filter(
      (number) => number < count && this.rules[number]?.kind === RuleKind.Security,
    );
  }

  /** Number of a probe. */
  probe(index: number): number {
    return this.rules.length - this.#probes.length + index;
  }

  /** True when both the interface and its subnet have a group. */
  get hasBothGroups(): boolean {
    return this.#chains.hasList[1] === true && this.#chains.hasList[2] === true;
  }

  /** The chain and list of a rule in this chain: 1 for the first stage, 2 for the second. */
  stepOf(number: number): number {
    return (this.#chains.slotOf[number] ?? 0) % STEPS;
  }

  /** What a packet needs of the other group to get to the group of a rule at all. */
  reaching(number: number): Pick<ChainQuery, 'other'> {
    return this.stepOf(number) === 2 ? { other: Access.Allow } : {};
  }

  /** A packet of one of the interfaces; undefined when there is none. */
  find({ match, isDecided, isBeyondDefaults = false, other }: ChainQuery): Example | undefined {
    const [rule = 0] = match;
    const step = this.stepOf(rule);
    const numbers = [...this.#chains.rules.keys()];
    const listOf = (wanted: number): number[] =>
      numbers.filter((number) => this.stepOf(number) === wanted);
    const isAvoided = (number: number): boolean => {
      if (isDecided && number < rule) return true;
      const { kind, access } = this.rules[number] ?? {};
      return isBeyondDefaults && kind === RuleKind.Default && access === Access.Allow;
    };
    const avoid = [...(isDecided ? listOf(0) : []), ...listOf(step).filter(isAvoided)];
    const otherStep = STEPS - step;
    const firstOf =
      other !== undefined && this.#chains.hasList[otherStep] === true
        ? { firstOf: { list: listOf(otherStep), access: other } }
        : {};
    this.#searches ??= FAMILIES.map((family) => {
      const space = new Space(this.rules, { direction: this.direction, family, local: this.local });
      return new Search(space, this.rules);
    });
    for (const search of this.#searches) {
      const packet = search.find({ match, avoid, ...firstOf });
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

/** Each chain of the policy once, with its interfaces. */
export function lintChains(policy: Policy, probes: readonly PolicyRule[]): LintChain[] {
  return ([0, 1] as const).flatMap((direction) => {
    const nicsByChain = new Map<string, NicPolicy[]>();
    for (const nic of policy.nics) {
      const key = JSON.stringify(direction === 0 ? nic.inbound : nic.outbound);
      nicsByChain.set(key, [...(nicsByChain.get(key) ?? []), nic]);
    }
    return [...nicsByChain.values()].map((nics) => new LintChain(policy, nics, direction, probes));
  });
}
