/**
 * Lint of service tags: which tags of the rules are not what they were in an earlier file of Microsoft's, and what that
 * changes. One finding for each tag, at the first rule that names it.
 *
 * A witness is a packet with another verdict than with the earlier file, because a rule that names the tag decides about it
 * in its group with one of the two files and does not even match it with the other. There is one for every packet whose
 * verdict changes: in the group that changes its mind some rule decides that did not match, or no longer matches.
 */
import {
  type AddressSet,
  intersect,
  isEmpty,
  NO_ADDRESS,
  subtract,
} from '../engine/address-set.ts';
import type { Policy, PolicyRule } from '../engine/policy.ts';
import { Access } from '../engine/rule.ts';
import { formatAddressSet } from './address.ts';
import { virtualNetworkAddresses } from './configuration.ts';
import { type Example, nicsByChain, SharedChain } from './lint-chains.ts';
import type { LoadedConfiguration } from './load.ts';
import { nameKey } from './names.ts';
import { type Position, type Problem, ProblemList, quote } from './problem.ts';
import { STEPS } from './regions/chains.ts';
import { orderedRules, resolvePolicy } from './resolve.ts';
import type { ServiceTagFile } from './service-tags-file.ts';
import { ServiceTags } from './service-tags.ts';
import { witnessOf } from './witness.ts';

/** More rules than this that name a tag are counted, not named. */
const NAMES_MAX = 5;

/** Numbers of the two policies in a `SharedChain`. */
const EARLIER = 0;
const NOW = 1;
type Which = typeof EARLIER | typeof NOW;

/** One side of a rule that names a published tag. */
interface Use {
  /** Its key. */
  readonly tag: string;
  readonly at: Position;
  /** `NSG/rule`, as it is printed. */
  readonly rule: string;
  readonly side: 'source' | 'destination';
  readonly direction: 0 | 1;
  /** Number of the rule list in the policy, and of the rule in the list: the same whatever the tags stand for. */
  readonly list: number;
  readonly index: number;
}

/** How a tag differs. */
interface TagChange {
  /** As the present file spells it. */
  readonly name: string;
  /** False where the earlier file has no such tag. */
  readonly wasKnown: boolean;
  readonly gained: AddressSet;
  readonly lost: AddressSet;
}

/** The traffic that a rule takes only with one of the files, because of one of its tags. */
interface Switched {
  readonly use: Use;
  readonly which: Which;
  /** The rule cut down to that traffic. */
  readonly probe: PolicyRule;
}

interface Shown {
  readonly direction: 0 | 1;
  readonly example: Example;
}

/** A packet for each way in which a verdict may change: what it is now. */
type Effect = Partial<Record<'allowed' | 'denied', Shown>>;

/** In the order of the groups and their rules. */
function usesOf({ configuration, policy, tags }: LoadedConfiguration): Use[] {
  const published = new Set(
    tags
      .entries()
      .filter(({ source }) => source === 'file')
      .map(({ name }) => nameKey(name)),
  );
  return configuration.networkSecurityGroups.flatMap((group) =>
    ([0, 1] as const).flatMap((direction) => {
      // Those of the platform, whose name a group may have, come after.
      const list = policy.ruleLists.findIndex(
        (other) => other.direction === direction && other.owner === group.name,
      );
      return orderedRules(group, direction).flatMap(({ rule }, index): Use[] =>
        (['source', 'destination'] as const).flatMap((side) => {
          const match = rule[side];
          if (match.kind !== 'tag' || !published.has(nameKey(match.tag))) return [];
          const [tag, at] = [nameKey(match.tag), rule.positions[side]];
          return [{ tag, at, rule: `${group.name}/${rule.name}`, side, direction, list, index }];
        }),
      );
    }),
  );
}

function countText(set: AddressSet): string {
  const { length } = formatAddressSet(set);
  return length === 1 ? '1 prefix' : `${length} prefixes`;
}

function changeText({ wasKnown, gained, lost }: TagChange, file: string): string {
  if (!wasKnown) return `is not in ${quote(file)} and has ${countText(gained)} now`;
  const parts = [
    ...(isEmpty(gained) ? [] : [`gained ${countText(gained)}`]),
    ...(isEmpty(lost) ? [] : [`lost ${countText(lost)}`]),
  ];
  return `${parts.join(' and ')} since ${quote(file)}`;
}

function rulesText(uses: readonly Use[]): string {
  const rules = [...new Set(uses.map(({ rule }) => rule))];
  const more = rules.length - NAMES_MAX;
  const names = rules.slice(0, NAMES_MAX).map(quote).join(', ');
  return `used by ${names}${more > 0 ? ` and ${more} more` : ''}`;
}

function effectText({ allowed, denied }: Effect): string {
  const parts = [
    ...(allowed === undefined ? [] : ['some traffic that was denied is allowed']),
    ...(denied === undefined ? [] : ['some traffic that was allowed is denied']),
  ];
  return parts.length === 0 ? 'no verdict changes' : parts.join(', ');
}

/** A switch in one stage of a chain; the probe by its number. */
interface StageSwitch {
  readonly use: Use;
  readonly which: Which;
  /** 1 or 2. */
  readonly step: number;
  readonly probe: number;
}

/** Adds a packet whose verdict is another because the rule decides about it in that stage, unless there is one already. */
function lookAt(
  chain: SharedChain,
  { use, which, step, probe }: StageSwitch,
  effect: Effect,
): void {
  const other: Which = which === NOW ? EARLIER : NOW;
  const list = chain.listOf(which, step);
  const isAllowing = chain.rules[probe]?.access === Access.Allow;
  const verdict = isAllowing === (which === NOW) ? 'allowed' : 'denied';
  if (effect[verdict] !== undefined) return;
  // The policy that allows the packet, in which the other stage has to allow it too.
  const allowing = isAllowing ? which : other;
  const example = chain.find({
    match: [probe],
    avoid: [...list.slice(0, use.index), ...chain.listOf(which, 0), ...chain.listOf(other, 0)],
    firstOf: [
      { list: chain.listOf(other, step), access: isAllowing ? Access.Deny : Access.Allow },
      ...(chain.hasList(allowing, STEPS - step)
        ? [{ list: chain.listOf(allowing, STEPS - step), access: Access.Allow }]
        : []),
    ],
  });
  if (example !== undefined) effect[verdict] = { direction: use.direction, example };
}

class TagLinter {
  readonly #loaded: LoadedConfiguration;
  readonly #earlier: ServiceTagFile;
  readonly #problems = new ProblemList();

  constructor(loaded: LoadedConfiguration, earlier: ServiceTagFile) {
    this.#loaded = loaded;
    this.#earlier = earlier;
  }

  problems(): Problem[] {
    const usesByTag = new Map<string, Use[]>();
    for (const use of usesOf(this.#loaded)) {
      usesByTag.set(use.tag, [...(usesByTag.get(use.tag) ?? []), use]);
    }
    const changes = new Map<string, TagChange>();
    for (const tag of usesByTag.keys()) {
      const change = this.#changeOf(tag);
      if (change !== undefined) changes.set(tag, change);
    }
    const changed = [...usesByTag].filter(([tag]) => changes.has(tag));
    const effects = this.#effects(
      changed.flatMap(([, uses]) => uses),
      changes,
    );
    for (const [tag, uses] of changed) {
      this.#report(uses, changes.get(tag), effects.get(tag));
    }
    return this.#problems.sorted();
  }

  /** Undefined where nothing changed, or the earlier file is wrong there, which is reported. */
  #changeOf(tag: string): TagChange | undefined {
    const now = this.#loaded.tags.find(tag);
    if (now.kind !== 'addresses') return undefined;
    const before = this.#earlier.find(tag);
    if (before?.ok === false) {
      this.#problems.addAll(before.problems);
      return undefined;
    }
    const old = before?.addresses ?? NO_ADDRESS;
    const gained = subtract(now.addresses, old);
    const lost = subtract(old, now.addresses);
    const wasKnown = before !== undefined;
    if (wasKnown && isEmpty(gained) && isEmpty(lost)) return undefined;
    return { name: now.name, wasKnown, gained, lost };
  }

  #report(
    uses: readonly Use[],
    change: TagChange | undefined,
    effect: Effect | undefined = {},
  ): void {
    const [first] = uses;
    if (first === undefined || change === undefined) return;
    const shown = effect.allowed ?? effect.denied;
    const witness =
      shown && witnessOf(shown.example.packet, shown.direction, shown.example.nic.name);
    const message =
      `service tag ${quote(change.name)} ${changeText(change, this.#earlier.file)}; ` +
      `${rulesText(uses)}; ${effectText(effect)}`;
    const code = change.wasKnown ? 'ServiceTagChanged' : 'ServiceTagAdded';
    this.#problems.finding(first.at, code, message, witness);
  }

  /** What the changes of tags do, by tag; nothing of tags that do nothing. */
  #effects(
    uses: readonly Use[],
    changes: ReadonlyMap<string, TagChange>,
  ): ReadonlyMap<string, Effect> {
    const effects = new Map<string, Effect>();
    if (uses.length === 0) return effects;
    const policies = [this.#earlierPolicy(), this.#loaded.policy] as const;
    const switched = uses.flatMap((use) => switchedBy(use, changes.get(use.tag), policies));
    for (const direction of [0, 1] as const) {
      for (const nics of nicsByChain(this.#loaded.policy, direction)) {
        const [first] = nics;
        const chainOf = direction === 0 ? first?.inbound : first?.outbound;
        const stages: readonly number[] = chainOf?.stages ?? [];
        const asked = switched.filter(
          ({ use }) => use.direction === direction && stages.includes(use.list),
        );
        if (asked.length === 0) continue;
        const probes = asked.map(({ probe }) => probe);
        const chain = new SharedChain(policies, nics, direction, probes);
        for (const [number, one] of asked.entries()) {
          for (const [stage, list] of stages.entries()) {
            if (list !== one.use.list) continue;
            const effect = effects.get(one.use.tag) ?? {};
            effects.set(one.use.tag, effect);
            lookAt(chain, { ...one, step: stage + 1, probe: chain.probe(number) }, effect);
          }
        }
      }
    }
    return effects;
  }

  #earlierPolicy(): Policy {
    const { configuration } = this.#loaded;
    const tags = new ServiceTags({
      virtualNetwork: virtualNetworkAddresses(configuration.virtualNetwork),
      custom: configuration.serviceTags.custom,
      file: this.#earlier,
    });
    // A tag that the earlier file has not matches nothing: that it is new is a finding already.
    return resolvePolicy(configuration, tags, new ProblemList());
  }
}

function switchedBy(
  use: Use,
  change: TagChange | undefined,
  policies: readonly [Policy, Policy],
): Switched[] {
  const { list, index, side } = use;
  return ([EARLIER, NOW] as const).flatMap((which): Switched[] => {
    const rule = policies[which].ruleLists[list]?.rules[index];
    if (rule === undefined || change === undefined) return [];
    const addresses = intersect(rule[side], which === NOW ? change.gained : change.lost);
    return isEmpty(addresses) ? [] : [{ use, which, probe: { ...rule, [side]: addresses } }];
  });
}

/**
 * A warning for each published tag that rules name and that the earlier file has otherwise or not at all, and the errors of
 * the earlier file about such tags. A tag that is gone is an error of the configuration already (service-tags.ts).
 */
export function lintTags(loaded: LoadedConfiguration, earlier: ServiceTagFile): Problem[] {
  return new TagLinter(loaded, earlier).problems();
}
