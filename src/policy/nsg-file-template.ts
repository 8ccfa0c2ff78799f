/**
 * Finds the network security groups in ARM templates: among the resources, in nested deployments and in building
 * blocks, with the rules that stand outside their group as child resources. All other resources are passed over.
 *
 * Codes: TemplateValueUnknown, ParentResourceNotFound, InvalidResourceName, InvalidValue.
 */
import type { DocumentNode, MapEntry, MapNode } from './document-node.ts';
import { nameKey } from './names.ts';
import { reportType } from './nsg-fields.ts';
import { type ChildRule, GROUP_TYPE, readGroup } from './nsg-group.ts';
import { TemplateScope } from './nsg-file-scope.ts';
import { readSecurityRule } from './nsg-rule.ts';
import { type Position, quote } from './problem.ts';
import type { NetworkSecurityGroup } from './security-rule.ts';

const RULE_TYPE = `${GROUP_TYPE}/securityrules`;
const DEPLOYMENT_TYPE = 'microsoft.resources/deployments';

interface FoundGroup {
  readonly map: MapNode;
  /** Undefined when it cannot be known; reported. */
  readonly name: string | undefined;
  readonly scope: TemplateScope;
  readonly children: ChildRule[];
}

interface FoundRule extends ChildRule {
  readonly group: string;
  readonly scope: TemplateScope;
}

/** What one template deploys, nested deployments included. */
interface Findings {
  readonly groups: FoundGroup[];
  readonly rules: FoundRule[];
}

/** The groups of a template with its own parameters and variables. */
export function readTemplate(template: MapNode, outer: TemplateScope): NetworkSecurityGroup[] {
  const scope = new TemplateScope(outer.problems, outer);
  scope.declare(valueOf(template, 'parameters'), valueOf(template, 'variables'));
  const findings: Findings = { groups: [], rules: [] };
  findIn(valueOf(template, 'resources'), scope, findings);
  return readFindings(findings);
}

/** One group that may be anything, its type not looked at; reports what is no map. */
export function readGroupNode(
  source: DocumentNode,
  scope: TemplateScope,
): NetworkSecurityGroup | undefined {
  const node = scope.resolve(source);
  if (node === undefined) return undefined;
  if (node.kind !== 'map') {
    reportType(node, 'network security group', 'a map', scope);
    return undefined;
  }
  const findings: Findings = { groups: [], rules: [] };
  if (isDeployed(node, scope)) findGroup(node, scope, findings);
  return readFindings(findings)[0];
}

/** The groups of `mspnp/template-building-blocks`: flat groups, and templates within. */
export function readBuildingBlocks(
  blocks: readonly DocumentNode[],
  scope: TemplateScope,
): NetworkSecurityGroup[] {
  return blocks.flatMap((block) => {
    const type = nameKey(textAt(block, 'type') ?? '');
    const settings = valueOf(block, 'settings');
    if (settings === undefined) return [];
    if (type === 'networksecuritygroup') {
      const groups = settings.kind === 'list' ? settings.items : [settings];
      return groups
        .map((group) => readGroupNode(group, scope))
        .filter((group) => group !== undefined);
    }
    const template = type === 'template' ? valueOf(settings, 'template') : undefined;
    return template?.kind === 'map' ? readTemplate(template, scope) : [];
  });
}

/** The value of a key in any letter case; undefined too when `node` is no map. */
export function valueOf(node: DocumentNode, key: string): DocumentNode | undefined {
  return entryOfAnyCase(node, key)?.value;
}

/** The same when the value is text. */
export function textAt(node: DocumentNode, key: string): string | undefined {
  const value = valueOf(node, key);
  return value?.kind === 'scalar' && typeof value.value === 'string' ? value.value : undefined;
}

function entryOfAnyCase(node: DocumentNode, key: string): MapEntry | undefined {
  if (node.kind !== 'map') return undefined;
  return node.entries.find((entry) => nameKey(entry.key) === nameKey(key));
}

function readFindings({ groups, rules }: Findings): NetworkSecurityGroup[] {
  for (const rule of rules) placeRule(rule, groups);
  return groups
    .map((group) => readGroup(group.map, group.scope, group.children))
    .filter((group) => group !== undefined);
}

/** In `resources`: a list, or a map by symbolic name as newer Bicep makes it. */
function findIn(
  resources: DocumentNode | undefined,
  scope: TemplateScope,
  findings: Findings,
  parent?: FoundGroup,
): void {
  const node = resources && scope.resolve(resources);
  if (node === undefined || (node.kind === 'scalar' && node.value === null)) return;
  if (node.kind === 'scalar') {
    reportType(node, 'resources', 'a list', scope);
    return;
  }
  const items = node.kind === 'list' ? node.items : node.entries.map((entry) => entry.value);
  for (const item of items) findOne(item, scope, findings, parent);
}

function findOne(
  resource: DocumentNode,
  scope: TemplateScope,
  findings: Findings,
  parent: FoundGroup | undefined,
): void {
  if (resource.kind !== 'map') return;
  const type = typeOf(resource, parent);
  if (type !== GROUP_TYPE && type !== RULE_TYPE && type !== DEPLOYMENT_TYPE) return;
  if (!isDeployed(resource, scope)) return;
  if (type === DEPLOYMENT_TYPE) findInDeployment(resource, scope, findings);
  else if (type === RULE_TYPE) findRule(resource, scope, findings, parent);
  else findGroup(resource, scope, findings);
}

function findGroup(map: MapNode, scope: TemplateScope, findings: Findings): void {
  const name = resourceName(map, scope)?.text;
  const group: FoundGroup = { map, name, scope, children: [] };
  findings.groups.push(group);
  findIn(valueOf(map, 'resources'), scope, findings, group);
}

/** In lower case. The type of a resource within another one may be given without the outer one's. */
function typeOf(resource: MapNode, parent: FoundGroup | undefined): string {
  const type = nameKey(textAt(resource, 'type') ?? '');
  return parent !== undefined && !type.includes('/') ? `${GROUP_TYPE}/${type}` : type;
}

/** False for a reference to something that exists and for a condition that is false. Copies are reported. */
function isDeployed(resource: MapNode, scope: TemplateScope): boolean {
  const existing = valueOf(resource, 'existing');
  if (existing?.kind === 'scalar' && existing.value === true) return false;
  for (const holder of [resource, valueOf(resource, 'properties')]) {
    const copy = holder && entryOfAnyCase(holder, 'copy');
    if (copy === undefined) continue;
    const message = 'a copy loop cannot be known offline: it is unrolled only by Azure';
    scope.reportUnknown(copy.keyAt, copy.value.path, message);
  }
  const source = valueOf(resource, 'condition');
  const condition = source && scope.resolve(source);
  if (condition?.kind !== 'scalar') return true;
  return nameKey(condition.text) !== 'false';
}

/** A nested template sees the outer one's parameters and variables unless it says `inner` (or is a module's). */
function findInDeployment(resource: MapNode, outer: TemplateScope, findings: Findings): void {
  const properties = valueOf(resource, 'properties');
  const template = properties && valueOf(properties, 'template');
  if (properties === undefined || template === undefined) return;
  const options = valueOf(properties, 'expressionEvaluationOptions');
  const isInner = nameKey((options && textAt(options, 'scope')) ?? '') === 'inner';
  let scope = outer;
  if (isInner) {
    scope = new TemplateScope(outer.problems, outer);
    scope.declare(valueOf(template, 'parameters'), valueOf(template, 'variables'));
    scope.pass(valueOf(properties, 'parameters'), outer);
  }
  findIn(valueOf(template, 'resources'), scope, findings);
}

/** A rule's name is `nsg/rule`, or `rule` within the group's own resources. */
function findRule(
  resource: MapNode,
  scope: TemplateScope,
  findings: Findings,
  parent: FoundGroup | undefined,
): void {
  const name = resourceName(resource, scope);
  const [group, rule, ...rest] = name?.text.split('/') ?? [];
  if (name !== undefined && parent !== undefined && rule === undefined) {
    parent.children.push({ node: resource, origin: { name } });
  } else if (name !== undefined && rule !== undefined && rest.length === 0) {
    const origin = { name: { text: rule, at: name.at } };
    findings.rules.push({ node: resource, origin, group: group ?? '', scope });
  } else {
    if (name !== undefined) {
      const message = `the name of a rule outside its group is ${quote('GROUP/RULE')}, not ${quote(name.text)}`;
      scope.problems.error(name.at, 'InvalidResourceName', message);
    }
    // Where it belongs is unknown; what else is wrong with it is not.
    const at = name?.at ?? resource.at;
    readSecurityRule(resource, scope, { name: { text: rule ?? 'unknown', at } });
  }
}

function placeRule(rule: FoundRule, groups: readonly FoundGroup[]): void {
  const group = groups.find(
    ({ name }) => name !== undefined && nameKey(name) === nameKey(rule.group),
  );
  if (group !== undefined) {
    group.children.push(rule);
    return;
  }
  const { at, text } = rule.origin.name;
  const message =
    `the rule ${quote(text)} belongs to the network security group ${quote(rule.group)}, ` +
    'which is not in this file';
  rule.scope.problems.error(at, 'ParentResourceNotFound', message);
  readSecurityRule(rule.node, rule.scope, rule.origin);
}

/** The evaluated name; undefined when it cannot be known (reported) or is missing (reported by whoever needs it). */
function resourceName(
  resource: MapNode,
  scope: TemplateScope,
): { readonly text: string; readonly at: Position } | undefined {
  const source = valueOf(resource, 'name');
  const name = source && scope.resolve(source);
  if (name?.kind !== 'scalar' || name.value === null) return undefined;
  return { text: name.text, at: name.at };
}
