/**
 * Semantic diff: the traffic of a NIC about which two policies give different verdicts, and the rules that decide. What
 * only looks different (order, names, one rule for two) is no difference.
 *
 * The traffic is what reaches the rules: to and from the addresses that the NIC has in both policies, and inbound to
 * groups (multicast) where it is alone on its wire.
 */
import {
  type AddressSet,
  ANY_ADDRESS,
  intersect,
  isEmpty,
  subtract,
  union,
} from '../engine/address-set.ts';
import { type NicPolicy, type Policy, printedRuleName } from '../engine/policy.ts';
import { Access } from '../engine/rule.ts';
import { setOf } from './address.ts';
import { nameKey } from './names.ts';
import { Chains } from './regions/chains.ts';
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
}

export interface Change extends Region {
  readonly direction: 0 | 1;
  readonly before: Decision;
  readonly after: Decision;
}

export interface NicDiff {
  readonly name: string;
  /** What the changes are about: the addresses of both policies, inbound and outbound. */
  readonly addresses: readonly [AddressSet, AddressSet];
  /** Addresses of only one policy; nothing else is said of them. */
  readonly addedAddresses: AddressSet;
  readonly removedAddresses: AddressSet;
  /** Disjoint; newly allowed traffic first, then by direction and priority. */
  readonly changes: readonly Change[];
}

export interface PolicyDiff {
  /** NICs of only one policy; nothing else is said of them. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** NICs of both whose traffic or addresses change. */
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

/** One NIC in both policies. */
interface NicPair {
  readonly old: NicPolicy;
  readonly new: NicPolicy;
  /** The addresses of both, inbound and outbound. */
  readonly local: readonly [AddressSet, AddressSet];
}

function pairsOf(old: Policy, current: Policy): NicPair[] {
  const newNics = new Map(current.nics.map((nic) => [nameKey(nic.name), nic]));
  return old.nics.flatMap((nic) => {
    const other = newNics.get(nameKey(nic.name));
    if (other === undefined) return [];
    const local = (direction: 0 | 1): AddressSet =>
      intersect(localAddresses(old, nic, direction), localAddresses(current, other, direction));
    return [{ old: nic, new: other, local: [local(0), local(1)] as const }];
  });
}

/** NICs with the same chains are compared together. */
function groupsOf(pairs: readonly NicPair[]): NicPair[][] {
  const groups = new Map<string, NicPair[]>();
  for (const pair of pairs) {
    const chains = [pair.old, pair.new].map(({ inbound, outbound }) => [inbound, outbound]);
    const key = JSON.stringify(chains);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pair]);
    else group.push(pair);
  }
  return [...groups.values()];
}

function decisionOf(chains: Chains, decision: number): Decision {
  const rule = chains.rules[decision];
  return {
    access: chains.accessOf(decision) === Access.Allow ? 'Allow' : 'Deny',
    ruleName: rule === undefined ? undefined : printedRuleName(rule),
    networkSecurityGroup: chains.owners[decision],
    priority: rule?.priority,
  };
}

/** Regions of the two families that agree in everything but addresses, as one. */
function joinFamilies(changes: readonly Change[]): readonly Change[] {
  if (changes.every(isIpv4) || !changes.some(isIpv4)) return changes;
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
): (readonly Change[])[] {
  const [first] = group;
  if (first === undefined) return [];
  const locals = group.map((pair) => pair.local[direction]);
  const local = union(locals);
  const chains = new Chains();
  chains.add(policies[0], direction === 0 ? first.old.inbound : first.old.outbound);
  chains.add(policies[1], direction === 0 ? first.new.inbound : first.new.outbound);
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

function isAllowing(change: Change): boolean {
  return change.after.access === 'Allow';
}

/**
 * True when the diff lets more through. A NIC or an address that is new does: its traffic was nobody's before, and
 * dropped.
 */
export function isWidening({ added, nics }: PolicyDiff): boolean {
  if (added.length > 0) return true;
  return nics.some((nic) => !isEmpty(nic.addedAddresses) || nic.changes.some(isAllowing));
}

function byImportance(a: Change, b: Change): number {
  return (
    Number(isAllowing(b)) - Number(isAllowing(a)) ||
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
    nics: pairs
      .map((pair): NicDiff => {
        const [before, after] = [
          localAddresses(old, pair.old, 1),
          localAddresses(current, pair.new, 1),
        ];
        return {
          name: pair.new.name,
          addresses: pair.local,
          addedAddresses: subtract(after, before),
          removedAddresses: subtract(before, after),
          changes: (changes.get(pair) ?? []).toSorted(byImportance),
        };
      })
      .filter(
        ({ addedAddresses, removedAddresses, changes: found }) =>
          found.length > 0 || !isEmpty(addedAddresses) || !isEmpty(removedAddresses),
      ),
  };
}
