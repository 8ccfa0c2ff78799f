/**
 * What must hold among the rules of one network security group: distinct names, distinct priorities per direction, and
 * Azure's limits.
 *
 * Codes: DuplicateResourceName, SecurityRuleConflict, SecurityRuleCountLimitReached,
 * SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached,
 * NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached.
 */
import type { PortMatch } from '../engine/rule.ts';
import { nameKey } from './names.ts';
import type { RuleDraft } from './nsg-rule.ts';
import { formatPosition, type Position, type ProblemList, quote } from './problem.ts';
import type { AddressMatch, SecurityRule } from './security-rule.ts';

/** Custom rules in a group, both directions together. */
const RULES_MAX = 1000;
/** In all the rules of a group together, for each of the four fields. A tag, `*` and a range count as one. */
const FIELD_VALUES_MAX = 4000;
/** Distinct application security groups in all the rules of a group. */
const ASGS_MAX = 100;

/** Reports what the rules of the group called `groupName` do to each other. */
export function checkRuleList(
  drafts: readonly RuleDraft[],
  groupName: string,
  groupAt: Position,
  problems: ProblemList,
): void {
  checkNames(drafts, problems);
  checkPriorities(drafts, problems);
  if (drafts.length > RULES_MAX) {
    const message =
      `A security group cannot have more than ${RULES_MAX} security rules; ` +
      `${quote(groupName)} has ${drafts.length}.`;
    problems.error(groupAt, 'SecurityRuleCountLimitReached', message);
  }
  const rules = drafts.map((draft) => draft.rule).filter((rule) => rule !== undefined);
  checkFieldLimits(rules, groupName, groupAt, problems);
  checkAsgLimit(rules, groupName, groupAt, problems);
}

function checkNames(drafts: readonly RuleDraft[], problems: ProblemList): void {
  const firsts = new Map<string, RuleDraft>();
  for (const draft of drafts) {
    if (draft.name === undefined) continue;
    const key = nameKey(draft.name);
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, draft);
    else {
      const where = formatPosition(first.positions.name);
      const message =
        `Two security rules have the name ${quote(draft.name)}; the other is at ${where}. ` +
        'Names are compared without case.';
      problems.error(draft.positions.name, 'DuplicateResourceName', message);
    }
  }
}

function checkPriorities(drafts: readonly RuleDraft[], problems: ProblemList): void {
  const firsts = new Map<string, RuleDraft>();
  for (const draft of drafts) {
    const { priority, direction, positions } = draft;
    if (priority === undefined || direction === undefined) continue;
    const key = `${direction} ${priority}`;
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, draft);
    else {
      const other = `${quote(first.name ?? '')} (${formatPosition(first.positions.priority)})`;
      const message =
        `Security rule ${quote(draft.name ?? '')} conflicts with rule ${other}. ` +
        'Rules cannot have the same Priority and Direction.';
      problems.error(positions.priority, 'SecurityRuleConflict', message);
    }
  }
}

function checkFieldLimits(
  rules: readonly SecurityRule[],
  groupName: string,
  groupAt: Position,
  problems: ProblemList,
): void {
  const counts: readonly [string, (rule: SecurityRule) => number][] = [
    ['SourceAddressPrefixes', (rule) => addressCount(rule.source)],
    ['DestinationAddressPrefixes', (rule) => addressCount(rule.destination)],
    ['SourcePortRanges', (rule) => portCount(rule.sourcePorts)],
    ['DestinationPortRanges', (rule) => portCount(rule.destinationPorts)],
  ];
  for (const [field, countOf] of counts) {
    const total = rules.reduce((sum, rule) => sum + countOf(rule), 0);
    if (total <= FIELD_VALUES_MAX) continue;
    const message =
      `${quote(groupName)} has ${total} ${field}. A security group cannot have more than ` +
      `${FIELD_VALUES_MAX} ${field} as per the limit MaxSecurityRuleAddressesOrPortsPerSecurityGroup.`;
    const code = 'SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached';
    problems.error(groupAt, code, message);
  }
}

function addressCount(match: AddressMatch): number {
  if (match.kind === 'prefixes') return match.prefixes.length;
  return match.kind === 'asgs' ? 0 : 1;
}

function portCount(ports: PortMatch): number {
  return ports === 'any' ? 1 : ports.length;
}

function checkAsgLimit(
  rules: readonly SecurityRule[],
  groupName: string,
  groupAt: Position,
  problems: ProblemList,
): void {
  const names = new Set<string>();
  for (const { source, destination } of rules) {
    for (const side of [source, destination]) {
      if (side.kind !== 'asgs') continue;
      for (const asg of side.asgs) names.add(nameKey(asg.id ?? asg.name));
    }
  }
  if (names.size <= ASGS_MAX) return;
  const message =
    `The rules of ${quote(groupName)} name ${names.size} application security groups; ` +
    `a security group cannot name more than ${ASGS_MAX}.`;
  const code = 'NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached';
  problems.error(groupAt, code, message);
}
