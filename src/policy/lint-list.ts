/**
 * Lint of one rule list: rules that no packet reaches, whichever of the earlier rules take it, and rules that change no
 * verdict. Said of both address families and every packet, so it is true on every interface.
 */
import { ANY_ADDRESS, isEmpty } from '../engine/address-set.ts';
import { type PolicyRule, printedRuleName, RuleKind } from '../engine/policy.ts';
import { Access } from '../engine/rule.ts';
import type { ProblemCode } from './problem-codes.ts';
import { quote } from './problem.ts';
import { Search } from './regions/search.ts';
import { type Family, Space } from './regions/space.ts';

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
/** More rules than this together are counted, not named. */
const NAMES_MAX = 5;

export interface ListFinding {
  readonly rule: PolicyRule;
  readonly code: ProblemCode;
  readonly message: string;
  /** What a witness has to be: in the rule, or also decided by it; undefined where no packet is. */
  readonly witness: 'matched' | 'decided' | undefined;
}

function nameAndPriority(rule: PolicyRule): string {
  return `${printedRuleName(rule)} (${rule.priority})`;
}

/** `a, b and c`, or a few of them and how many more. */
function namesOf(rules: readonly PolicyRule[]): string {
  const names = rules.slice(0, NAMES_MAX).map(nameAndPriority);
  const more = rules.length - names.length;
  const all = more === 0 ? names : [...names, `${more} more`];
  const last = all.pop() ?? '';
  return all.length === 0 ? last : `${all.join(', ')} and ${last}`;
}

/** Why no packet can match the rule, or undefined. */
function reasonNeverMatches(rule: PolicyRule): string | undefined {
  if (isEmpty(rule.source)) return 'its source is no address';
  if (isEmpty(rule.destination)) return 'its destination is no address';
  if (rule.sourcePorts !== 'any' && rule.sourcePorts.length === 0) return 'it has no source port';
  if (rule.destinationPorts !== 'any' && rule.destinationPorts.length === 0) {
    return 'it has no destination port';
  }
  const hasFamily = FAMILIES.some(
    (family) => rule.source[family].length > 0 && rule.destination[family].length > 0,
  );
  return hasFamily
    ? undefined
    : 'its source is of one address family and its destination of the other';
}

function hiddenMessage(rule: PolicyRule, hiding: readonly PolicyRule[]): string {
  const [first] = hiding;
  const accesses = new Set(hiding.map(({ access }) => access));
  const verbs = accesses.has(Access.Allow) ? ['allows', 'allow'] : ['denies', 'deny'];
  const name = quote(rule.name);
  if (first !== undefined && hiding.length === 1) {
    return `${name} is never reached: ${nameAndPriority(first)} ${verbs[0]} everything it matches`;
  }
  const verb = accesses.size > 1 ? 'take' : verbs[1];
  return `${name} is never reached: ${namesOf(hiding)} together ${verb} everything it matches`;
}

class ListLinter {
  readonly #rules: readonly PolicyRule[];
  readonly #searches: readonly Search[];
  /**
   * Rules that can go: the others are judged as if they were gone, so that all of them can. Not those that are shadowed
   * by their opposite, which another rule's end would bring to life.
   */
  readonly #idle = new Set<number>();

  constructor(rules: readonly PolicyRule[], direction: 0 | 1) {
    this.#rules = rules;
    this.#searches = FAMILIES.map(
      (family) => new Search(new Space(rules, { direction, family, local: ANY_ADDRESS }), rules),
    );
  }

  findings(): ListFinding[] {
    const indexes = [...this.#rules.keys()];
    const custom = indexes.filter((index) => this.#rules[index]?.kind === RuleKind.Security);
    const hidden = custom.map((index) => this.#never(index) ?? this.#hidden(index));
    // Only now that every hidden rule is known.
    return custom.flatMap((index, at) => hidden[at] ?? this.#redundant(index) ?? []);
  }

  #others(from: number, to: number): number[] {
    const numbers = Array.from({ length: Math.max(0, to - from) }, (_, step) => from + step);
    return numbers.filter((index) => !this.#idle.has(index));
  }

  /** The rules that come first for some packet of a rule. */
  #firstsOf(index: number, list: readonly number[]): PolicyRule[] {
    const numbers = new Set(this.#searches.flatMap((search) => search.firstsOf(index, list)));
    return this.#rules.filter((_, number) => numbers.has(number));
  }

  #never(index: number): ListFinding | undefined {
    const rule = this.#rules[index];
    const reason = rule && reasonNeverMatches(rule);
    if (rule === undefined || reason === undefined) return undefined;
    this.#idle.add(index);
    const message = `${quote(rule.name)} matches nothing: ${reason}`;
    return { rule, code: 'RuleNeverMatches', message, witness: undefined };
  }

  #hidden(index: number): ListFinding | undefined {
    const rule = this.#rules[index];
    const avoid = this.#others(0, index);
    const isReached = this.#searches.some(
      (search) => search.find({ match: [index], avoid }) !== undefined,
    );
    if (rule === undefined || isReached) return undefined;
    const hiding = this.#firstsOf(index, avoid);
    const isSame = hiding.every(({ access }) => access === rule.access);
    if (isSame) this.#idle.add(index);
    return {
      rule,
      code: isSame ? 'RuleRedundant' : 'RuleShadowed',
      message: hiddenMessage(rule, hiding),
      witness: 'matched',
    };
  }

  #redundant(index: number): ListFinding | undefined {
    const rule = this.#rules[index];
    if (rule === undefined) return undefined;
    const avoid = this.#others(0, index);
    const list = this.#others(index + 1, this.#rules.length);
    const access = rule.access === Access.Allow ? Access.Deny : Access.Allow;
    const isNeeded = this.#searches.some(
      (search) => search.find({ match: [index], avoid, firstOf: [{ list, access }] }) !== undefined,
    );
    if (isNeeded) return undefined;
    this.#idle.add(index);
    const same = this.#firstsOf(index, list).filter((other) => other.access === rule.access);
    const verb = same.length > 1 ? 'do' : 'does';
    const message = `${quote(rule.name)} changes nothing: without it, ${namesOf(same)} ${verb} the same`;
    return { rule, code: 'RuleRedundant', message, witness: 'decided' };
  }
}

/**
 * What is to be said of the custom rules of a list, in their order. All rules that are called redundant can go, alone or
 * together, without a verdict changing.
 */
export function lintList(rules: readonly PolicyRule[], direction: 0 | 1): ListFinding[] {
  return new ListLinter(rules, direction).findings();
}
