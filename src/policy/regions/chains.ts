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

/** What is left of two chains. */
export interface Settled {
  /** How many rules are left: first those of the one chain, up to `middle`, then those of the other. */
  length: number;
  middle: number;
  /** True when a packet may be allowed by one and denied by the other. */
  canDiffer: boolean;
}

export class Settler {
  readonly #chains: Chains;
  readonly #space: Space;
  /** The arguments of the call, and how far it has come in each list. */
  #given: Int32Array = new Int32Array();
  #count = 0;
  #into: Int32Array = new Int32Array();
  #from = 0;
  #to = 0;
  /** Of the list that was looked at last, up to the first rule that takes everything. */
  #isClosed = false;
  #hasAllow = false;
  #hasDeny = false;
  /** Of the chain that was looked at last. */
  #canAllow = false;
  #canDeny = false;
  readonly #settled: Settled = { length: 0, middle: 0, canDiffer: false };

  constructor(chains: Chains, space: Space) {
    this.#chains = chains;
    this.#space = space;
  }

  /**
   * Writes to `into` the rules of both chains that can still decide about packets that are undecided from `level` on.
   * @param given numbers of rules, ascending; the first `count` of them
   * @returns overwritten by every call
   */
  settle(level: number, given: Int32Array, count: number, into: Int32Array): Settled {
    const settled = this.#settled;
    this.#given = given;
    this.#count = count;
    this.#into = into;
    this.#from = 0;
    this.#to = 0;
    this.#chain(0, level);
    const [canAllow, canDeny] = [this.#canAllow, this.#canDeny];
    settled.middle = this.#to;
    this.#chain(STEPS, level);
    settled.length = this.#to;
    settled.canDiffer = (canAllow && this.#canDeny) || (canDeny && this.#canAllow);
    return settled;
  }

  #chain(slot: number, level: number): void {
    const { hasList } = this.#chains;
    this.#list(slot, level);
    this.#canAllow = this.#hasAllow;
    this.#canDeny = this.#hasDeny;
    if (this.#isClosed) return;
    let canAllStagesAllow = true;
    for (let step = 1; step < STEPS; step++) {
      if (hasList[slot + step] !== true) continue;
      const start = this.#to;
      this.#list(slot + step, level);
      if (this.#hasDeny || !this.#isClosed) this.#canDeny = true;
      if (!this.#hasAllow) canAllStagesAllow = false;
      // Everything that comes so far is denied by one rule: the next stage is not asked.
      if (this.#isClosed && this.#to - start === 1 && this.#hasDeny) break;
    }
    if (canAllStagesAllow) this.#canAllow = true;
  }

  #list(slot: number, level: number): void {
    const { slotOf, rules: all } = this.#chains;
    const { fullFrom } = this.#space;
    const [given, count, into] = [this.#given, this.#count, this.#into];
    this.#isClosed = false;
    this.#hasAllow = false;
    this.#hasDeny = false;
    for (; this.#from < count; this.#from++) {
      const rule = given[this.#from] ?? 0;
      const at = slotOf[rule] ?? 0;
      if (at < slot) continue;
      if (at > slot) return;
      into[this.#to++] = rule;
      if (all[rule]?.access === Access.Allow) this.#hasAllow = true;
      else this.#hasDeny = true;
      if ((fullFrom[rule] ?? Number.MAX_SAFE_INTEGER) <= level) {
        this.#isClosed = true;
        return;
      }
    }
  }
}
