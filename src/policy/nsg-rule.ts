/**
 * Reads one security rule in any of Azure's JSON shapes into a `SecurityRule`, and checks it as Azure does.
 *
 * Codes beside those of nsg-rule-match.ts: SecurityRuleParametersMissing, InvalidResourceName,
 * SecurityRuleInvalidPriority, SecurityRuleInvalidDirection, SecurityRuleInvalidAccess,
 * SecurityRuleDescriptionTooLong, SecurityRulePortsWithoutProtocol,
 * ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies, UnknownProperty, DuplicateKey, InvalidValue.
 */
import { Access, Direction, type PortMatch } from '../engine/rule.ts';
import type { DocumentNode } from './document-node.ts';
import { capitalized, isResourceName, nameKey, resourceNameMessage } from './names.ts';
import {
  type Field,
  type FieldNames,
  Fields,
  READ_ONLY_FIELDS,
  type ReadContext,
  reportType,
  TEMPLATE_FIELDS,
  textOf,
} from './nsg-fields.ts';
import { readAddresses, readPorts, readProtocol, type RuleContext } from './nsg-rule-match.ts';
import { PLATFORM_TAGS } from './platform-rules.ts';
import type { ProblemCode } from './problem-codes.ts';
import { type Position, quote } from './problem.ts';
import type { AddressMatch, RulePositions, SecurityRule } from './security-rule.ts';

/** Custom rules; default rules have 65000 and more. */
const PRIORITY_MIN = 100;
export const PRIORITY_MAX = 4096;
const DESCRIPTION_LENGTH_MAX = 140;

/**
 * A rule as far as it could be read. Name, priority and direction are there even when something else is wrong with the
 * rule, so that it still conflicts with others.
 */
export interface RuleDraft {
  readonly name: string | undefined;
  readonly priority: number | undefined;
  readonly direction: Direction | undefined;
  readonly positions: RulePositions;
  /** Undefined when the rule has an error. */
  readonly rule: SecurityRule | undefined;
}

/** How the rule is found: child resources of a template carry their name elsewhere and have a resource's own keys. */
export interface RuleOrigin {
  readonly name: { readonly text: string; readonly at: Position };
}

const RULE_FIELDS = {
  owner: 'security rule',
  known: [
    'name',
    'description',
    'priority',
    'direction',
    'access',
    'protocol',
    'sourceAddressPrefix',
    'sourceAddressPrefixes',
    'sourceApplicationSecurityGroups',
    'sourcePortRange',
    'sourcePortRanges',
    'destinationAddressPrefix',
    'destinationAddressPrefixes',
    'destinationApplicationSecurityGroups',
    'destinationPortRange',
    'destinationPortRanges',
  ],
  ignored: ['id', 'type', ...READ_ONLY_FIELDS],
} satisfies FieldNames;

const CHILD_RULE_FIELDS: FieldNames = {
  ...RULE_FIELDS,
  ignored: [...RULE_FIELDS.ignored, ...TEMPLATE_FIELDS],
};

const DIRECTIONS: ReadonlyMap<string, Direction> = new Map([
  ['inbound', Direction.Inbound],
  ['outbound', Direction.Outbound],
]);

const ACCESSES: ReadonlyMap<string, Access> = new Map([
  ['allow', Access.Allow],
  ['deny', Access.Deny],
]);

/** Priorities that a rule may have. */
export interface PriorityRange {
  readonly min: number;
  readonly max: number;
}

const CUSTOM_PRIORITIES: PriorityRange = { min: PRIORITY_MIN, max: PRIORITY_MAX };

/**
 * Reads one rule; undefined when `source` is no rule object at all. `origin` is given for a child resource, whose name
 * (`nsg/rule`) the caller has read.
 */
export function readSecurityRule(
  source: DocumentNode,
  context: ReadContext,
  origin?: RuleOrigin,
  priorities: PriorityRange = CUSTOM_PRIORITIES,
): RuleDraft | undefined {
  const node = context.resolve(source);
  if (node === undefined) return undefined;
  if (node.kind !== 'map') {
    reportType(node, 'security rule', 'a map', context);
    return undefined;
  }
  const errorsBefore = context.problems.errorCount;
  const fields = new Fields(node, origin ? CHILD_RULE_FIELDS : RULE_FIELDS, context);
  const written = origin?.name ?? fields.writtenText('name');
  const ruleContext: RuleContext = {
    problems: context.problems,
    resolve: (value) => context.resolve(value),
    resolveIfKnown: (value) => context.resolveIfKnown(value),
    rule: written === undefined ? 'Security rule' : `Security rule ${quote(written.text)}`,
    at: written?.at ?? node.at,
  };
  const name = readName(fields, ruleContext, origin);
  const parts = {
    priority: readPriority(fields, ruleContext, priorities),
    direction: readChoice('direction', 'SecurityRuleInvalidDirection', DIRECTIONS, {
      fields,
      context: ruleContext,
    }),
    access: readChoice('access', 'SecurityRuleInvalidAccess', ACCESSES, {
      fields,
      context: ruleContext,
    }),
    protocol: required('protocol', fields, ruleContext, readProtocol),
    source: readAddresses('source', fields, ruleContext),
    sourcePorts: readPorts('source', fields, ruleContext),
    destination: readAddresses('destination', fields, ruleContext),
    destinationPorts: readPorts('destination', fields, ruleContext),
  };
  const description = readDescription(fields, ruleContext);
  checkPortsHaveProtocol(parts, fields, ruleContext);
  checkFamilies(parts.source, parts.destination, ruleContext);
  checkPlatformTag(parts, fields, ruleContext);
  const positions = positionsOf(fields, ruleContext.at);
  const isSound = context.problems.errorCount === errorsBefore;
  const { priority, direction } = parts;
  const whole = isSound ? complete({ name, ...parts }) : undefined;
  const rule = whole && { ...whole, description, positions };
  return { name, priority, direction, positions, rule };
}

/** All the parts, or undefined when one is missing. */
function complete<T extends object>(
  parts: T,
): { [K in keyof T]: Exclude<T[K], undefined> } | undefined {
  for (const part of Object.values(parts)) if (part === undefined) return undefined;
  return parts as { [K in keyof T]: Exclude<T[K], undefined> };
}

function readName(
  fields: Fields,
  context: RuleContext,
  origin: RuleOrigin | undefined,
): string | undefined {
  if (origin !== undefined) return checkedName(origin.name.text, origin.name.at, context);
  return required('name', fields, context, ({ node, key }) => {
    const text = node === undefined ? undefined : textOf(node, key, context);
    return text === undefined || node === undefined
      ? undefined
      : checkedName(text, node.at, context);
  });
}

function checkedName(name: string, at: Position, context: ReadContext): string {
  if (!isResourceName(name)) {
    context.problems.error(at, 'InvalidResourceName', resourceNameMessage(quote(name)));
  }
  return name;
}

/** Reads a field that must be there. */
function required<T>(
  name: string,
  fields: Fields,
  context: RuleContext,
  read: (field: Field, context: RuleContext) => T | undefined,
): T | undefined {
  const field = fields.get(name);
  if (field !== undefined) return read(field, context);
  const message =
    `Required security rule parameters are missing for ${context.rule}. ` +
    `Security rule must specify ${capitalized(name)}.`;
  const at = fields.writtenAt(name) ?? context.at;
  context.problems.error(at, 'SecurityRuleParametersMissing', message);
  return undefined;
}

function readPriority(
  fields: Fields,
  context: RuleContext,
  { min, max }: PriorityRange,
): number | undefined {
  return required('priority', fields, context, ({ node, key }) => {
    const text = node === undefined ? undefined : textOf(node, key, context);
    if (node === undefined || text === undefined) return undefined;
    const priority = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
    if (priority >= min && priority <= max) return priority;
    const message =
      `${context.rule} has invalid Priority. Value provided: ${quote(text)} ` +
      `Allowed range ${min}-${max}.`;
    context.problems.error(node.at, 'SecurityRuleInvalidPriority', message);
    return undefined;
  });
}

function readChoice<T>(
  name: string,
  code: ProblemCode,
  choices: ReadonlyMap<string, T>,
  { fields, context }: { fields: Fields; context: RuleContext },
): T | undefined {
  return required(name, fields, context, ({ node, key }) => {
    const text = node === undefined ? undefined : textOf(node, key, context);
    if (node === undefined || text === undefined) return undefined;
    const choice = choices.get(nameKey(text));
    if (choice !== undefined) return choice;
    const allowed = [...choices.keys()].map(capitalized).join(', ');
    const message =
      `${context.rule} has invalid ${capitalized(name)}. Value provided: ${quote(text)}. ` +
      `Allowed: ${allowed}.`;
    context.problems.error(node.at, code, message);
    return undefined;
  });
}

/** A description changes nothing, so one that cannot be known stays as it is written. */
function readDescription(fields: Fields, context: RuleContext): string {
  const written = fields.textIfKnown('description');
  if (written === undefined) return '';
  const { text, at } = written;
  if (text.length > DESCRIPTION_LENGTH_MAX && !text.startsWith('[')) {
    const message =
      `${context.rule} has a description of ${text.length} characters; ` +
      `at most ${DESCRIPTION_LENGTH_MAX} are allowed.`;
    context.problems.error(at, 'SecurityRuleDescriptionTooLong', message);
  }
  return text;
}

/** ICMP, ESP and AH have no ports: a rule of theirs with ports could never match anything. */
function checkPortsHaveProtocol(
  parts: {
    readonly protocol: string | undefined;
    readonly sourcePorts: PortMatch | undefined;
    readonly destinationPorts: PortMatch | undefined;
  },
  fields: Fields,
  context: RuleContext,
): void {
  const { protocol } = parts;
  if (protocol !== 'Icmp' && protocol !== 'Esp' && protocol !== 'Ah') return;
  for (const side of ['source', 'destination'] as const) {
    const ports = parts[`${side}Ports`];
    if (ports === undefined || ports === 'any') continue;
    const field = fields.get(`${side}PortRange`) ?? fields.get(`${side}PortRanges`);
    const message = `${context.rule}: ${protocol} has no ports, so the ${side} port range must be "*".`;
    context.problems.error(field?.at ?? context.at, 'SecurityRulePortsWithoutProtocol', message);
  }
}

/** All prefixes of a rule, of both sides, must be of one address family. */
function checkFamilies(
  source: AddressMatch | undefined,
  destination: AddressMatch | undefined,
  context: RuleContext,
): void {
  const prefixes = [source, destination].flatMap((side) =>
    side?.kind === 'prefixes' ? side.prefixes : [],
  );
  const [first] = prefixes;
  if (first === undefined) return;
  const other = prefixes.find(({ prefix }) => prefix.family !== first.prefix.family);
  if (other === undefined) return;
  const message =
    `${context.rule} contains IP addresses or prefixes that belong to different address families: ` +
    `${quote(first.text)} and ${quote(other.text)}. All IP addresses or prefixes in the resource ` +
    'should belong to the same address family.';
  const code = 'ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies';
  context.problems.error(other.at, code, message);
}

/**
 * Azure takes the tags of the platform only in rules that deny ("allowed values: Deny", seen for AzurePlatformDNS). Here
 * such a rule does no harm, so it is a warning: platform rules let that traffic pass already.
 */
function checkPlatformTag(
  parts: {
    readonly access: Access | undefined;
    readonly source: AddressMatch | undefined;
    readonly destination: AddressMatch | undefined;
  },
  fields: Fields,
  context: RuleContext,
): void {
  if (parts.access !== Access.Allow) return;
  const tags = [parts.source, parts.destination].flatMap((side) =>
    side?.kind === 'tag' ? [side.tag] : [],
  );
  const tag = tags.find((name) => PLATFORM_TAGS.some((known) => nameKey(known) === nameKey(name)));
  if (tag === undefined) return;
  const message =
    `${context.rule} has invalid Access Type. Value provided: "Allow" for the tag ${quote(tag)}. ` +
    'Allowed: Deny.';
  const at = fields.get('access')?.at ?? context.at;
  context.problems.warning(at, 'SecurityRuleInvalidAccessType', message);
}

function positionsOf(fields: Fields, at: Position): RulePositions {
  const of = (...names: string[]): Position => {
    const present = names.map((name) => fields.get(name)).find((field) => field !== undefined);
    return present?.at ?? at;
  };
  return {
    name: at,
    priority: of('priority'),
    direction: of('direction'),
    access: of('access'),
    protocol: of('protocol'),
    source: of('sourceAddressPrefix', 'sourceAddressPrefixes', 'sourceApplicationSecurityGroups'),
    sourcePorts: of('sourcePortRange', 'sourcePortRanges'),
    destination: of(
      'destinationAddressPrefix',
      'destinationAddressPrefixes',
      'destinationApplicationSecurityGroups',
    ),
    destinationPorts: of('destinationPortRange', 'destinationPortRanges'),
  };
}
