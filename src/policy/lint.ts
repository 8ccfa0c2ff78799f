/**
 * Lint: rules that do nothing. Each list is compared rule by rule: what is said is true, but what only several rules
 * together do to another is not found.
 *
 * Codes, all warnings: RuleNeverMatches, RuleShadowed (an earlier rule takes everything it matches and does the
 * opposite), RuleRedundant (without it the verdict would be the same).
 */
import { isEmpty } from '../engine/address-set.ts';
import type { Policy, PolicyRule } from '../engine/policy.ts';
import { printedRuleName, RuleKind } from '../engine/policy.ts';
import { Access, ANY_PROTOCOL } from '../engine/rule.ts';
import type { PortMatch, PortRange } from '../engine/rule.ts';
import type { Configuration } from './configuration.ts';
import { nameKey } from './names.ts';
import type { ProblemCode } from './problem-codes.ts';
import type { Problem } from './problem.ts';
import { ProblemList, quote } from './problem.ts';
import { orderedRules } from './resolve.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;
type Family = (typeof FAMILIES)[number];
type Interval = readonly [low: number | bigint, high: number | bigint];

/** True when each interval of `inner` lies in one of `outer`; both sorted, disjoint and not adjacent. */
function isWithin(inner: readonly Interval[], outer: readonly Interval[]): boolean {
  if (inner === outer) return true;
  let at = 0;
  for (const [low, high] of inner) {
    let around = outer[at];
    while (around !== undefined && around[1] < low) around = outer[++at];
    if (around === undefined || around[0] > low || around[1] < high) return false;
  }
  return true;
}

/** True when the two share an address; both sorted and disjoint. */
function isTouching(a: readonly Interval[], b: readonly Interval[]): boolean {
  let left = 0;
  let right = 0;
  for (;;) {
    const x = a[left];
    const y = b[right];
    if (x === undefined || y === undefined) return false;
    if (x[1] < y[0]) left++;
    else if (y[1] < x[0]) right++;
    else return true;
  }
}

/** The ranges sorted and merged. */
function mergedPorts(ranges: readonly PortRange[]): Interval[] {
  const merged: [number, number][] = [];
  for (const { low, high } of ranges.toSorted((a, b) => a.low - b.low)) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else merged.push([low, high]);
  }
  return merged;
}

function arePortsWithin(inner: PortMatch, outer: PortMatch): boolean {
  if (outer === 'any') return true;
  return inner !== 'any' && isWithin(mergedPorts(inner), mergedPorts(outer));
}

function arePortsTouching(a: PortMatch, b: PortMatch): boolean {
  return a === 'any' || b === 'any' || isTouching(mergedPorts(a), mergedPorts(b));
}

/** True when the rule can match a packet of the family. */
function hasFamily({ source, destination }: PolicyRule, family: Family): boolean {
  return source[family].length > 0 && destination[family].length > 0;
}

/** True when `outer` matches every packet that `inner` does. */
function covers(outer: PolicyRule, inner: PolicyRule): boolean {
  if (!arePortsWithin(inner.sourcePorts, outer.sourcePorts)) return false;
  if (!arePortsWithin(inner.destinationPorts, outer.destinationPorts)) return false;
  return FAMILIES.every((family) => {
    if (!hasFamily(inner, family)) return true;
    const protocol = outer.protocol[family];
    if (protocol !== ANY_PROTOCOL && protocol !== inner.protocol[family]) return false;
    const isInside = (side: 'source' | 'destination'): boolean =>
      isWithin(inner[side][family], outer[side][family]);
    return isInside('source') && isInside('destination');
  });
}

/** True when some packet matches both. */
function meets(a: PolicyRule, b: PolicyRule): boolean {
  if (!arePortsTouching(a.sourcePorts, b.sourcePorts)) return false;
  if (!arePortsTouching(a.destinationPorts, b.destinationPorts)) return false;
  return FAMILIES.some((family) => {
    const [x, y] = [a.protocol[family], b.protocol[family]];
    if (x !== ANY_PROTOCOL && y !== ANY_PROTOCOL && x !== y) return false;
    const isShared = (side: 'source' | 'destination'): boolean =>
      isTouching(a[side][family], b[side][family]);
    return isShared('source') && isShared('destination');
  });
}

function nameAndPriority(rule: PolicyRule): string {
  return `${printedRuleName(rule)} (${rule.priority})`;
}

/** Why no packet can match the rule, or undefined. */
function reasonNeverMatches(rule: PolicyRule): string | undefined {
  if (isEmpty(rule.source)) return 'its source is no address';
  if (isEmpty(rule.destination)) return 'its destination is no address';
  if (rule.sourcePorts !== 'any' && rule.sourcePorts.length === 0) return 'it has no source port';
  if (rule.destinationPorts !== 'any' && rule.destinationPorts.length === 0) {
    return 'it has no destination port';
  }
  if (!FAMILIES.some((family) => hasFamily(rule, family))) {
    return 'its source is of one address family and its destination of the other';
  }
  return undefined;
}

/**
 * A later rule that does the same to everything this rule matches, with nothing in between that does otherwise: this
 * rule changes no verdict.
 */
function laterSubstitute(rules: readonly PolicyRule[], index: number): PolicyRule | undefined {
  const rule = rules[index];
  if (rule === undefined) return undefined;
  for (const later of rules.slice(index + 1)) {
    if (later.access !== rule.access) {
      if (meets(later, rule)) return undefined;
    } else if (covers(later, rule)) {
      return later;
    }
  }
  return undefined;
}

/** What is to be said of one custom rule, as code and message; undefined when it does something. */
function finding(
  rules: readonly PolicyRule[],
  index: number,
): { readonly code: ProblemCode; readonly message: string } | undefined {
  const rule = rules[index];
  if (rule === undefined) return undefined;
  const reason = reasonNeverMatches(rule);
  if (reason !== undefined) {
    return { code: 'RuleNeverMatches', message: `${quote(rule.name)} matches nothing: ${reason}` };
  }
  const earlier = rules.slice(0, index).find((candidate) => covers(candidate, rule));
  if (earlier !== undefined) {
    const word = earlier.access === Access.Allow ? 'allows' : 'denies';
    const message = `${quote(rule.name)} is never reached: ${nameAndPriority(earlier)} ${word} everything it matches`;
    return { code: earlier.access === rule.access ? 'RuleRedundant' : 'RuleShadowed', message };
  }
  const later = laterSubstitute(rules, index);
  if (later === undefined) return undefined;
  const message = `${quote(rule.name)} changes nothing: without it, ${nameAndPriority(later)} does the same`;
  return { code: 'RuleRedundant', message };
}

/** Warnings about the custom rules of every group, in the order of files and positions. */
export function lintPolicy(configuration: Configuration, policy: Policy): Problem[] {
  const problems = new ProblemList();
  const groups = new Map(
    configuration.networkSecurityGroups.map((group) => [nameKey(group.name), group]),
  );
  for (const { owner, direction, rules } of policy.ruleLists) {
    // Platform rules have no group, and what they take first is not the author's doing.
    const group = rules[0]?.kind === RuleKind.Platform ? undefined : groups.get(nameKey(owner));
    if (group === undefined) continue;
    for (const [index, { rule, kind }] of orderedRules(group, direction).entries()) {
      const found = kind === RuleKind.Security ? finding(rules, index) : undefined;
      if (found !== undefined) {
        problems.warning(rule.positions.name, found.code, found.message);
      }
    }
  }
  return problems.sorted();
}
