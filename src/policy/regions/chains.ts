/**
 * Chains: the rules that one or two policies ask about the packets of a NIC in one direction, as one numbered list. The
 * number of a rule grows in the order in which it is asked: platform rules, first stage, second stage, then the next
 * chain. What holds for some packets is the list of the numbers of the rules that match all of them.
 *
 * `settle` leaves out what can no longer decide; what remains of two chains that are alike is alike.
 */
import {
  NO_RULE_LIST,
  type Policy,
  type PolicyRule,
  type StageChain,
} from '../../engine/policy.ts';
import { Access } from '../../engine/rule.ts';
import type { Space } from './space.ts';

/** Platform rules and the two stages. */
export const STEPS = 3;

/** No security group applies: the packet is allowed. */
export const NO_GROUP = -1;
/** A group's list that no rule of matches: the packet is denied. Lists of Azure's groups end in a rule for everything. */
export const NO_MATCH = -2;

export class Chains {
  readonly rules: PolicyRule[] = [];
  /** Per rule the group it is in; `platform` for a platform rule. */
  readonly owners: string[] = [];
  /** Per rule: three times the chain, plus the step. */
  readonly slotOf: number[] = [];
  /** Per slot whether there is a list: a stage without one allows. */
  readonly hasList: boolean[] = [];

  /** Adds the chain of a NIC. */
  add(policy: Policy, chain: StageChain): void {
    for (const index of [chain.platform, ...chain.stages]) {
      const list = index === NO_RULE_LIST ? undefined : policy.ruleLists[index];
      const slot = this.hasList.push(list !== undefined) - 1;
      for (const rule of list?.rules ?? []) {
        this.rules.push(rule);
        this.owners.push(list?.owner ?? '');
        this.slotOf.push(slot);
      }
    }
  }

  /** Numbers of the rules that some packet of the space can match. */
  possibleIn(space: Space): number[] {
    return [...this.rules.keys()].filter((rule) => space.possible[rule] === 1);
  }

  /** Access of a rule, or what happens without one. */
  accessOf(decision: number): Access {
    if (decision === NO_GROUP) return Access.Allow;
    return this.rules[decision]?.access ?? Access.Deny;
  }
}

/** What can still come of a chain. */
export interface Outlook {
  canAllow: boolean;
  canDeny: boolean;
}

/** The rules of one list up to the first that takes everything; what else is known of it. */
interface ListState {
  readonly rules: readonly number[];
  readonly isClosed: boolean;
  readonly hasAllow: boolean;
  readonly hasDeny: boolean;
}

export class Settler {
  readonly #chains: Chains;
  readonly #space: Space;

  constructor(chains: Chains, space: Space) {
    this.#chains = chains;
    this.#space = space;
  }

  /**
   * Adds to `into` the rules of one chain that can still decide about packets that are undecided from `level` on.
   * @param rules ascending; of every chain
   */
  settle(chain: number, rules: readonly number[], level: number, into: number[]): Outlook {
    const slot = chain * STEPS;
    const { hasList } = this.#chains;
    const platform = this.#list(slot, rules, level, into);
    const outlook = { canAllow: platform.hasAllow, canDeny: platform.hasDeny };
    if (platform.isClosed) return outlook;
    let canAllStagesAllow = true;
    for (let step = 1; step < STEPS; step++) {
      if (hasList[slot + step] !== true) continue;
      const stage = this.#list(slot + step, rules, level, into);
      if (stage.hasDeny || !stage.isClosed) outlook.canDeny = true;
      if (!stage.hasAllow) canAllStagesAllow = false;
      // Everything that comes so far is denied by one rule: the next stage is not asked.
      if (stage.isClosed && stage.rules.length === 1 && stage.hasDeny) break;
    }
    if (canAllStagesAllow) outlook.canAllow = true;
    return outlook;
  }

  #list(slot: number, rules: readonly number[], level: number, into: number[]): ListState {
    const { slotOf, rules: all } = this.#chains;
    const { fullFrom } = this.#space;
    const from = into.length;
    let [isClosed, hasAllow, hasDeny] = [false, false, false];
    for (const rule of rules) {
      const at = slotOf[rule] ?? 0;
      if (at < slot) continue;
      if (at > slot) break;
      into.push(rule);
      if (all[rule]?.access === Access.Allow) hasAllow = true;
      else hasDeny = true;
      isClosed = (fullFrom[rule] ?? Number.MAX_SAFE_INTEGER) <= level;
      if (isClosed) break;
    }
    return { rules: into.slice(from), isClosed, hasAllow, hasDeny };
  }
}
