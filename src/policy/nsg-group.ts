/**
 * Reads one network security group object: REST, ARM resource, `az` and building-block shapes are the same to it.
 *
 * Default rules in an export are no custom rules. They are compared with Azure's own, because an edited one would be
 * silently without effect.
 *
 * Codes beside those of the rules: SecurityGroupNameMissing, InvalidResourceName, DefaultSecurityRuleModified,
 * UnknownProperty, DuplicateKey, InvalidValue.
 */
import type { PortMatch } from '../engine/rule.ts';
import { formatPrefix } from './address.ts';
import { DEFAULT_RULES } from './default-rules.ts';
import type { DocumentNode, MapNode } from './document-node.ts';
import { isResourceName, nameKey, resourceNameMessage } from './names.ts';
import {
  type FieldNames,
  Fields,
  READ_ONLY_FIELDS,
  type ReadContext,
  reportType,
  TEMPLATE_FIELDS,
  textOf,
} from './nsg-fields.ts';
import { PRIORITY_MAX, readSecurityRule, type RuleDraft, type RuleOrigin } from './nsg-rule.ts';
import { checkRuleList } from './nsg-rule-list.ts';
import { type Position, quote } from './problem.ts';
import type { AddressMatch, NetworkSecurityGroup, SecurityRule } from './security-rule.ts';

/** The resource type of a network security group, in lower case. */
export const GROUP_TYPE = 'microsoft.network/networksecuritygroups';

/** A rule that stands outside its group, as a child resource of a template. */
export interface ChildRule {
  readonly node: DocumentNode;
  readonly context: ReadContext;
  readonly origin: RuleOrigin;
}

const GROUP_FIELDS: FieldNames = {
  owner: 'network security group',
  known: ['name', 'id', 'type', 'securityRules', 'defaultSecurityRules', 'flushConnection'],
  ignored: [
    ...READ_ONLY_FIELDS,
    'networkInterfaces',
    'subnets',
    'flowLogs',
    ...TEMPLATE_FIELDS,
    // Child resources are looked at before the group is read.
    'resources',
    'extendedLocation',
    'identity',
    'kind',
    'managedBy',
    'plan',
    'sku',
    'zones',
    // Of building blocks.
    'virtualNetworks',
    'resourceGroupName',
    'subscriptionId',
  ],
};

/** Reads a group. Undefined when it has no usable name; rules with errors are reported and left out. */
export function readGroup(
  map: MapNode,
  context: ReadContext,
  children: readonly ChildRule[] = [],
): NetworkSecurityGroup | undefined {
  const fields = new Fields(map, GROUP_FIELDS, context);
  checkType(fields, context);
  const name = readGroupName(fields, map, context);
  const id = fields.writtenText('id')?.text;
  const position = name?.at ?? map.at;
  const drafts = readRules(fields, context);
  for (const child of children) {
    const draft = readSecurityRule(child.node, child.context, child.origin);
    if (draft !== undefined && !repeats(draft, drafts)) drafts.push(draft);
  }
  checkRuleList(drafts, name?.text ?? '', position, context.problems);
  readDefaultRules(fields, context);
  const flushConnection = readFlushConnection(fields, context);
  if (name === undefined) return undefined;
  const rules = drafts.map((draft) => draft.rule).filter((rule) => rule !== undefined);
  return { name: name.text, id, rules, flushConnection, position };
}

function checkType(fields: Fields, context: ReadContext): void {
  const type = fields.writtenText('type');
  if (type === undefined || nameKey(type.text) === GROUP_TYPE) return;
  const message = `a network security group cannot have the type ${quote(type.text)}`;
  context.problems.error(type.at, 'InvalidValue', message);
}

function readGroupName(
  fields: Fields,
  map: MapNode,
  context: ReadContext,
): { text: string; at: Position } | undefined {
  const field = fields.get('name');
  if (field === undefined) {
    const at = fields.writtenAt('name') ?? map.at;
    context.problems.error(at, 'SecurityGroupNameMissing', 'a network security group needs a name');
    return undefined;
  }
  const text = field.node === undefined ? undefined : textOf(field.node, field.key, context);
  if (text === undefined) return undefined;
  if (!isResourceName(text)) {
    context.problems.error(field.at, 'InvalidResourceName', resourceNameMessage(quote(text)));
    return undefined;
  }
  return { text, at: field.at };
}

/** The rules of `securityRules`, but for default rules that some exports list among them. */
function readRules(fields: Fields, context: ReadContext): RuleDraft[] {
  const drafts: RuleDraft[] = [];
  for (const item of listOf('securityRules', fields, context)) {
    if (isDefaultRule(item)) readDefaultRule(item, context);
    else {
      const draft = readSecurityRule(item, context);
      if (draft !== undefined) drafts.push(draft);
    }
  }
  return drafts;
}

function isDefaultRule(node: DocumentNode): boolean {
  if (node.kind !== 'map') return false;
  const type = node.entries.find((entry) => nameKey(entry.key) === 'type')?.value;
  return type?.kind === 'scalar' && nameKey(type.text) === `${GROUP_TYPE}/defaultsecurityrules`;
}

function listOf(name: string, fields: Fields, context: ReadContext): readonly DocumentNode[] {
  const field = fields.get(name);
  if (field?.node === undefined) return [];
  if (field.node.kind === 'list') return field.node.items;
  reportType(field.node, field.key, 'a list', context);
  return [];
}

function readDefaultRules(fields: Fields, context: ReadContext): void {
  for (const item of listOf('defaultSecurityRules', fields, context)) {
    readDefaultRule(item, context);
  }
}

/** Reports a rule that calls itself a default rule and is not Azure's. */
function readDefaultRule(item: DocumentNode, context: ReadContext): void {
  const priorities = { min: PRIORITY_MAX + 1, max: 65500 };
  const draft = readSecurityRule(item, context, undefined, priorities);
  const rule = draft?.rule;
  if (rule === undefined) return;
  const key = nameKey(rule.name);
  const original = DEFAULT_RULES.find((candidate) => nameKey(candidate.name) === key);
  if (original !== undefined && isSameRule(rule, original)) return;
  const what =
    original === undefined
      ? 'is no default rule of Azure'
      : 'differs from the default rule of Azure';
  const message =
    `${quote(rule.name)} ${what}. Default rules cannot be changed; ` +
    `write a rule with a priority of at most ${PRIORITY_MAX}.`;
  context.problems.error(rule.positions.name, 'DefaultSecurityRuleModified', message);
}

/** True when a rule of the same name does the same: the portal exports each rule in its group and as a resource. */
function repeats({ rule }: RuleDraft, drafts: readonly RuleDraft[]): boolean {
  if (rule === undefined) return false;
  return drafts.some(({ rule: other }) => other !== undefined && isSameRule(rule, other));
}

/** True when two rules have one name and do the same; descriptions and spelling aside. */
function isSameRule(a: SecurityRule, b: SecurityRule): boolean {
  return nameKey(a.name) === nameKey(b.name) && meaningOf(a) === meaningOf(b);
}

function meaningOf(rule: SecurityRule): string {
  const { priority, direction, access, protocol } = rule;
  const sides = [rule.source, rule.destination].map(addressesText);
  const ports = [rule.sourcePorts, rule.destinationPorts].map(portsText);
  return JSON.stringify([priority, direction, access, protocol, sides, ports]);
}

function portsText(match: PortMatch): string {
  if (match === 'any') return '*';
  const ranges = match.map(({ low, high }) => `${low}-${high}`);
  return ranges.toSorted().join(' ');
}

function addressesText(match: AddressMatch): string {
  if (match.kind === 'any') return '*';
  if (match.kind === 'tag') return nameKey(match.tag);
  const items =
    match.kind === 'asgs'
      ? match.asgs.map(({ name }) => nameKey(name))
      : match.prefixes.map(({ prefix }) => formatPrefix(prefix));
  return `${match.kind} ${items.toSorted().join(' ')}`;
}

function readFlushConnection(fields: Fields, context: ReadContext): boolean {
  const field = fields.get('flushConnection');
  if (field?.node === undefined) return false;
  const { node, key } = field;
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
  reportType(node, key, 'true or false', context);
  return false;
}
