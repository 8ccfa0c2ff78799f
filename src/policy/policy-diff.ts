/**
 * Semantic diff: the traffic of a NIC about which two policies give different verdicts, and the rules that decide. What
 * only looks different (order, names, one rule for two) is no difference.
 *
 * The traffic is what reaches the rules: to and from the addresses of the NIC, and inbound to groups (multicast) where it
 * is alone on its wire. An address that the NIC has in one policy only is denied by the other.
 */
import {
  type AddressSet,
  ANY_ADDRESS,
  areEqual,
  isEmpty,
  subtract,
  union,
} from '../engine/address-set.ts';
import {
  type NicPolicy,
  type Policy,
  type PolicyRule,
  printedRuleName,
  RuleKind,
} from '../engine/policy.ts';
import { Access, ANY_PROTOCOL } from '../engine/rule.ts';
import { setOf } from './address.ts';
import { nameKey } from './names.ts';
import { Chains, type ChainRule } from './regions/chains.ts';
import { Difference } from './regions/difference.ts';
import { isIpv4, type Region, regionOf, serviceKey } from './regions/region.ts';
import { type Family, Space } from './regions/space.ts';

/** What one policy says about a region. */
export interface Decision {
  readonly access: 'Allow' | 'Deny';
  /** As Azure prints it, `securityRules/x`; undefined when no rule decides. */
  readonly ruleName: string | undefined;
  /** Group of the rule; `platform` for a platform rule. */
  readonly networkSecurityGroup: string | undefined;
  readonly priority: number | undefined;
  /** True when the NIC does not have the address. */
  readonly isAddressUnknown: boolean;
}

export interface Change extends Region {
  readonly direction: 0 | 1;
  readonly before: Decision;
  readonly after: Decision;
}

export interface NicDiff {
  readonly name: string;
  /** Of both policies, inbound and outbound: where a change is about all of them. */
  readonly addresses: readonly [AddressSet, AddressSet];
  /** Disjoint; newly allowed traffic first, then by direction and priority. */
  readonly changes: readonly Change[];
}

export interface PolicyDiff {
  /** NICs of only one policy; nothing else is said of them. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** NICs of both whose traffic changes. */
  readonly nics: readonly NicDiff[];
}

/** Multicast and the limited broadcast: what the only NIC of a wire takes besides its addresses. */
const GROUPS = setOf('224.0.0.0/4', '255.255.255.255', 'ff00::/8');
const DIRECTIONS = [0, 1] as const;
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** The local addresses of a NIC's traffic in one direction. */
export function localAddresses(policy: Policy, nic: NicPolicy, direction: 0 | 1): AddressSet {
  if (isEmpty(nic.addresses)) return ANY_ADDRESS;
  const isAlone =
    nic.wire !== undefined &&
    policy.nics.every((other) => other === nic || other.wire !== nic.wire);
  return direction === 0 && isAlone ? union([nic.addresses, GROUPS]) : nic.addresses;
}

const UNKNOWN_ADDRESS = 'UnknownAddress';

/** Stands before all other rules where a policy does not give the NIC all addresses of the other one. */
function unknownAddressRule(direction: 0 | 1, unknown: AddressSet): ChainRule[] {
  if (isEmpty(unknown)) return [];
  const rule: PolicyRule = {
    name: UNKNOWN_ADDRESS,
    priority: 0,
    kind: RuleKind.Platform,
    access: Access.Deny,
    protocol: { ipv4: ANY_PROTOCOL, ipv6: ANY_PROTOCOL },
    source: direction === 0 ? ANY_ADDRESS : unknown,
    sourcePorts: 'any',
    destination: direction === 0 ? unknown : ANY_ADDRESS,
    destinationPorts: 'any',
    isStateful: true,
  };
  return [{ owner: UNKNOWN_ADDRESS, rule }];
}

/** One NIC in both policies. */
interface NicPair {
  readonly old: NicPolicy;
  readonly new: NicPolicy;
  /** Per direction. */
  readonly oldLocal: readonly [AddressSet, AddressSet];
  readonly newLocal: readonly [AddressSet, AddressSet];
}

function pairsOf(old: Policy, current: Policy): NicPair[] {
  const newNics = new Map(current.nics.map((nic) => [nameKey(nic.name), nic]));
  return old.nics.flatMap((nic) => {
    const other = newNics.get(nameKey(nic.name));
    if (other === undefined) return [];
    return [
      {
        old: nic,
        new: other,
        oldLocal: [localAddresses(old, nic, 0), localAddresses(old, nic, 1)],
        newLocal: [localAddresses(current, other, 0), localAddresses(current, other, 1)],
      },
    ];
  });
}

/** NICs with the same chains are compared together, unless their own addresses change. */
function groupsOf(pairs: readonly NicPair[]): NicPair[][] {
  const groups = new Map<string, NicPair[]>();
  for (const pair of pairs) {
    const isSame = DIRECTIONS.every((direction) =>
      areEqual(pair.oldLocal[direction], pair.newLocal[direction]),
    );
    const chains = [pair.old, pair.new].map(({ inbound, outbound }) => [inbound, outbound]);
    const key = `${isSame ? '' : pair.old.name} ${JSON.stringify(chains)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pair]);
    else group.push(pair);
  }
  return [...groups.values()];
}

function decisionOf(chains: Chains, decision: number): Decision {
  const rule = chains.rules[decision];
  const access = chains.accessOf(decision) === Access.Allow ? 'Allow' : 'Deny';
  const owner = chains.owners[decision];
  if (rule === undefined || owner === UNKNOWN_ADDRESS) {
    return {
      access,
      ruleName: undefined,
      networkSecurityGroup: undefined,
      priority: undefined,
      isAddressUnknown: rule !== undefined,
    };
  }
  return {
    access,
    ruleName: printedRuleName(rule),
    networkSecurityGroup: owner,
    priority: rule.priority,
    isAddressUnknown: false,
  };
}

/** Regions of the two families that agree in everything but addresses, as one. */
function joinFamilies(changes: readonly Change[]): Change[] {
  const joined: Change[] = [];
  const waiting = new Map<string, number[]>();
  for (const change of changes) {
    const key = `${serviceKey(change)} ${JSON.stringify([change.before, change.after])}`;
    const partner = isIpv4(change) ? undefined : waiting.get(key)?.shift();
    const other = partner === undefined ? undefined : joined[partner];
    if (partner !== undefined && other !== undefined) {
      joined[partner] = {
        ...other,
        local: union([other.local, change.local]),
        remote: union([other.remote, change.remote]),
      };
      continue;
    }
    const index = joined.push(change) - 1;
    if (isIpv4(change)) waiting.set(key, [...(waiting.get(key) ?? []), index]);
  }
  return joined;
}

function changesOf(
  policies: readonly [Policy, Policy],
  group: readonly NicPair[],
  direction: 0 | 1,
): Change[][] {
  const [first] = group;
  if (first === undefined) return [];
  const locals = group.map((pair) => union([pair.oldLocal[direction], pair.newLocal[direction]]));
  const local = union(locals);
  const chains = new Chains();
  for (const [index, nic] of [first.old, first.new].entries()) {
    const own = group.map((pair) => (index === 0 ? pair.oldLocal : pair.newLocal)[direction]);
    const unknown = unknownAddressRule(direction, subtract(local, union(own)));
    const policy = index === 0 ? policies[0] : policies[1];
    chains.add(policy, direction === 0 ? nic.inbound : nic.outbound, unknown);
  }
  const byFamily = FAMILIES.map((family) => {
    const space = new Space(chains.rules, { direction, family, local });
    return { family, space, difference: new Difference(chains, space) };
  });
  return locals.map((own) =>
    joinFamilies(
      byFamily.flatMap(({ family, space, difference }) =>
        difference.boxes(own[family]).flatMap(({ classes, before, after }): Change[] => {
          const region = regionOf(space, classes, own);
          if (region === undefined) return [];
          return [
            {
              direction,
              ...region,
              before: decisionOf(chains, before),
              after: decisionOf(chains, after),
            },
          ];
        }),
      ),
    ),
  );
}

/** True when the change lets more through. */
export function isWidening(change: Change): boolean {
  return change.after.access === 'Allow';
}

function byImportance(a: Change, b: Change): number {
  return (
    Number(isWidening(b)) - Number(isWidening(a)) ||
    a.direction - b.direction ||
    (a.after.priority ?? 0) - (b.after.priority ?? 0) ||
    (a.before.priority ?? 0) - (b.before.priority ?? 0)
  );
}

/**
 * The difference of two policies.
 * @param isWanted which NICs, by name; else all
 * @throws TooComplexError
 */
export function diffPolicies(
  old: Policy,
  current: Policy,
  isWanted: (name: string) => boolean = () => true,
): PolicyDiff {
  const missingFrom = (policy: Policy, other: Policy): string[] => {
    const names = new Set(other.nics.map(({ name }) => nameKey(name)));
    return policy.nics
      .map(({ name }) => name)
      .filter((name) => isWanted(name) && !names.has(nameKey(name)));
  };
  const pairs = pairsOf(old, current).filter((pair) => isWanted(pair.new.name));
  const changes = new Map<NicPair, Change[]>();
  for (const group of groupsOf(pairs)) {
    for (const direction of DIRECTIONS) {
      for (const [index, found] of changesOf([old, current], group, direction).entries()) {
        const pair = group[index];
        if (pair !== undefined) changes.set(pair, [...(changes.get(pair) ?? []), ...found]);
      }
    }
  }
  return {
    added: missingFrom(current, old),
    removed: missingFrom(old, current),
    nics: pairs.flatMap((pair) => {
      const found = changes.get(pair) ?? [];
      if (found.length === 0) return [];
      const addresses = (direction: 0 | 1): AddressSet =>
        union([pair.oldLocal[direction], pair.newLocal[direction]]);
      return [
        {
          name: pair.new.name,
          addresses: [addresses(0), addresses(1)] as const,
          changes: found.toSorted(byImportance),
        },
      ];
    }),
  };
}
