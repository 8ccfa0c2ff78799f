/**
 * What a reload changes: rules that came, went or read differently, by the names that Azure gives them.
 */
import { isDeepStrictEqual } from 'node:util';
import { areEqual } from '../src/engine/address-set.ts';
import { type Policy, type PolicyRule, printedRuleName } from '../src/engine/policy.ts';

export interface RuleChange {
  readonly change: 'added' | 'removed' | 'changed';
  readonly networkSecurityGroup: string;
  readonly direction: 'Inbound' | 'Outbound';
  /** As Azure prints it: `securityRules/x`. */
  readonly ruleName: string;
  /** Of a changed rule: what of it differs. A source or destination also differs when a tag or group it names does. */
  readonly fields: readonly string[];
}

const DIRECTIONS = ['Inbound', 'Outbound'] as const;
const SYMBOLS = { added: '+', removed: '-', changed: '~' } as const;

interface PlacedRule {
  readonly place: Pick<RuleChange, 'networkSecurityGroup' | 'direction' | 'ruleName'>;
  readonly rule: PolicyRule;
}

/** Rules by place. Names are unique in a list; where lists have the same owner, they are told apart by their order. */
function placedRules(policy: Policy): Map<string, PlacedRule> {
  const placed = new Map<string, PlacedRule>();
  const listCounts = new Map<string, number>();
  for (const { owner, direction, rules } of policy.ruleLists) {
    const list = JSON.stringify([owner.toLowerCase(), direction]);
    const count = listCounts.get(list) ?? 0;
    listCounts.set(list, count + 1);
    for (const rule of rules) {
      const ruleName = printedRuleName(rule);
      placed.set(JSON.stringify([list, count, ruleName.toLowerCase()]), {
        place: { networkSecurityGroup: owner, direction: DIRECTIONS[direction], ruleName },
        rule,
      });
    }
  }
  return placed;
}

function changedFields(before: PolicyRule, after: PolicyRule): string[] {
  const differing: Readonly<Record<string, boolean>> = {
    priority: before.priority !== after.priority,
    access: before.access !== after.access,
    protocol: !isDeepStrictEqual(before.protocol, after.protocol),
    source: !areEqual(before.source, after.source),
    sourcePorts: !isDeepStrictEqual(before.sourcePorts, after.sourcePorts),
    destination: !areEqual(before.destination, after.destination),
    destinationPorts: !isDeepStrictEqual(before.destinationPorts, after.destinationPorts),
  };
  return Object.keys(differing).filter((field) => differing[field] === true);
}

/** In the order of the policies: what changed or went, then what came. Names are compared without case, as Azure does. */
export function ruleChanges(before: Policy, after: Policy): RuleChange[] {
  const old = placedRules(before);
  const current = placedRules(after);
  const changes: RuleChange[] = [];
  for (const [key, { place, rule }] of old) {
    const next = current.get(key);
    if (next === undefined) {
      changes.push({ change: 'removed', ...place, fields: [] });
      continue;
    }
    const fields = changedFields(rule, next.rule);
    if (fields.length > 0) changes.push({ change: 'changed', ...next.place, fields });
  }
  for (const [key, { place }] of current) {
    if (!old.has(key)) changes.push({ change: 'added', ...place, fields: [] });
  }
  return changes;
}

/** `+ NSG1 Inbound securityRules/AllowHttp`, or `~ ...: access, source`. */
export function formatRuleChange(change: RuleChange): string {
  const { networkSecurityGroup, direction, ruleName, fields } = change;
  const detail = fields.length === 0 ? '' : `: ${fields.join(', ')}`;
  return `${SYMBOLS[change.change]} ${networkSecurityGroup} ${direction} ${ruleName}${detail}`;
}
