/**
 * The matching parts of a security rule: protocol, ports and the three address forms, each with Azure's error codes.
 *
 * Codes: SecurityRuleInvalidProtocol, SecurityRuleInvalidPortRange, SecurityRuleParameterContainsInvalidPortRanges,
 * SecurityRuleInvalidAddressPrefix, SecurityRuleParameterContainsUnsupportedValue, SecurityRuleParametersMissing,
 * SecurityRuleExactlyOneParameter (Azure has the sentence; its code is not documented),
 * NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached.
 */
import { PORT_MAX, type PortMatch, type PortRange } from '../engine/rule.ts';
import { formatPrefix, parsePrefix, type Prefix } from './address.ts';
import { entryOf } from './document.ts';
import type { DocumentNode } from './document-node.ts';
import { type Field, type Fields, type ReadContext, reportType, textOf } from './nsg-fields.ts';
import {
  capitalized,
  isResourceName,
  nameKey,
  resourceNameMessage,
  resourceNameOfId,
} from './names.ts';
import { type Position, quote } from './problem.ts';
import type { AddressMatch, AsgReference, RuleProtocol, WrittenPrefix } from './security-rule.ts';

export type Side = 'source' | 'destination';

/** What reading a rule's parts needs: `rule` is how messages call it. */
export interface RuleContext extends ReadContext {
  readonly rule: string;
  /** Where to complain about what is not there. */
  readonly at: Position;
}

/** Application security groups in one side of a rule (Azure subscription limits). */
const ASGS_PER_SIDE_MAX = 10;

const PROTOCOLS: ReadonlyMap<string, RuleProtocol> = new Map([
  ['*', 'Any'],
  ['any', 'Any'],
  ['tcp', 'Tcp'],
  ['udp', 'Udp'],
  ['icmp', 'Icmp'],
  ['esp', 'Esp'],
  ['ah', 'Ah'],
]);

/** The names that the classic deployment model had for three tags; Resource Manager refuses them. */
const CLASSIC_TAGS: ReadonlyMap<string, string> = new Map([
  ['virtual_network', 'VirtualNetwork'],
  ['azure_loadbalancer', 'AzureLoadBalancer'],
]);

const TAG_NAME = /^[A-Za-z][\w.-]*$/;

export function readProtocol(field: Field, context: RuleContext): RuleProtocol | undefined {
  if (field.node === undefined) return undefined;
  const text = textOf(field.node, field.key, context);
  if (text === undefined) return undefined;
  const protocol = PROTOCOLS.get(nameKey(text));
  if (protocol === undefined) {
    const message =
      `${context.rule} has invalid Protocol. Value provided: ${quote(text)}. ` +
      'Allowed: *, Tcp, Udp, Icmp, Esp, Ah.';
    context.problems.error(field.node.at, 'SecurityRuleInvalidProtocol', message);
  }
  return protocol;
}

/** The ports of one side, `'any'` for `*` and `0-65535`. */
export function readPorts(side: Side, fields: Fields, context: RuleContext): PortMatch | undefined {
  const field = exactlyOne([`${side}PortRange`, `${side}PortRanges`], fields, context);
  if (field?.node === undefined) return undefined;
  if (!/s$/i.test(field.key)) return readPortRange(field.node, field.key, false, context);
  const items = itemsOf(field, context);
  const ranges: PortRange[] = [];
  let isAny = false;
  let isComplete = items !== undefined;
  for (const item of items ?? []) {
    const range = readPortRange(item, field.key, true, context);
    if (range === undefined) isComplete = false;
    else if (range === 'any') isAny = true;
    else ranges.push(...range);
  }
  if (!isComplete) return undefined;
  return isAny ? 'any' : ranges;
}

function readPortRange(
  node: DocumentNode,
  key: string,
  isInList: boolean,
  context: RuleContext,
): PortMatch | undefined {
  const text = textOf(node, key, context);
  if (text === undefined) return undefined;
  if (text === '*') {
    if (!isInList) return 'any';
    const message =
      `${context.rule}: the list ${quote(key)} cannot hold "*"; ` +
      `write "*" in ${quote(key.replace(/s$/i, ''))}`;
    context.problems.error(node.at, 'SecurityRuleParameterContainsInvalidPortRanges', message);
    return undefined;
  }
  const range = parsePortRange(text);
  if (typeof range === 'string') {
    const message =
      `${context.rule} has invalid Port range. Value provided: ${quote(text)}. Value should be an ` +
      `integer OR integer range with '-' delimiter. Valid range 0-65535${range}`;
    context.problems.error(node.at, 'SecurityRuleInvalidPortRange', message);
    return undefined;
  }
  return range.low === 0 && range.high === PORT_MAX ? 'any' : [range];
}

/** The range, or what to add to Azure's sentence. */
function parsePortRange(text: string): PortRange | string {
  const parts = /^(0|[1-9]\d{0,4})(?:-(0|[1-9]\d{0,4}))?$/.exec(text);
  if (parts === null) {
    return text.includes(',') ? '; several ports go into the plural list, one per item' : '.';
  }
  const low = Number(parts[1]);
  const high = Number(parts[2] ?? parts[1]);
  if (low > PORT_MAX || high > PORT_MAX) return '.';
  return low > high ? '; the first port is larger than the last.' : { low, high };
}

/** The addresses of one side: exactly one of Azure's three forms. */
export function readAddresses(
  side: Side,
  fields: Fields,
  context: RuleContext,
): AddressMatch | undefined {
  const one = `${side}AddressPrefix`;
  const many = `${side}AddressPrefixes`;
  const asgs = `${side}ApplicationSecurityGroups`;
  const field = exactlyOne([many, one, asgs], fields, context);
  if (field?.node === undefined) return undefined;
  switch (nameKey(field.key)) {
    case nameKey(one):
      return readAddressPrefix(field.node, field.key, context);
    case nameKey(many):
      return readPrefixList(field, context);
    default:
      return readAsgs(field, context);
  }
}

function readAddressPrefix(
  node: DocumentNode,
  key: string,
  context: RuleContext,
): AddressMatch | undefined {
  const text = textOf(node, key, context);
  if (text === undefined) return undefined;
  if (isAnyAddress(text)) return { kind: 'any' };
  if (TAG_NAME.test(text)) {
    const modern = CLASSIC_TAGS.get(nameKey(text));
    if (modern === undefined) return { kind: 'tag', tag: text };
    reportAddress(node, text, `; this is the classic name of the tag ${modern}`, context);
    return undefined;
  }
  const prefix = readPrefix(node, text, context);
  return prefix === undefined ? undefined : { kind: 'prefixes', prefixes: [prefix] };
}

function readPrefixList(field: Field, context: RuleContext): AddressMatch | undefined {
  const items = itemsOf(field, context);
  const prefixes: WrittenPrefix[] = [];
  for (const item of items ?? []) {
    const text = textOf(item, field.key, context);
    if (text === undefined) continue;
    if (isAnyAddress(text) || TAG_NAME.test(text)) {
      const singular = field.key.replace(/es$/i, '');
      const message =
        `${context.rule}: ${quote(field.key)} cannot specify existing VIRTUALNETWORK, INTERNET, ` +
        `AZURELOADBALANCER, '*' or system tags. Unsupported value used: ${quote(text)}. ` +
        `One of them alone may stand in ${quote(singular)}.`;
      context.problems.error(item.at, 'SecurityRuleParameterContainsUnsupportedValue', message);
      continue;
    }
    const prefix = readPrefix(item, text, context);
    if (prefix !== undefined) prefixes.push(prefix);
  }
  const isComplete = items !== undefined && prefixes.length === items.length;
  return isComplete ? { kind: 'prefixes', prefixes } : undefined;
}

function isAnyAddress(text: string): boolean {
  return text === '*' || nameKey(text) === 'any';
}

function readPrefix(
  node: DocumentNode,
  text: string,
  context: RuleContext,
): WrittenPrefix | undefined {
  const prefix = parsePrefix(text);
  if (typeof prefix !== 'string' && !isMapped(prefix)) return { text, prefix, at: node.at };
  reportAddress(node, text, addressHint(text), context);
  return undefined;
}

function reportAddress(node: DocumentNode, text: string, hint: string, context: RuleContext): void {
  const message = `${context.rule} has invalid Address prefix. Value provided: ${quote(text)}${hint}`;
  context.problems.error(node.at, 'SecurityRuleInvalidAddressPrefix', message);
}

/** What is wrong with an address, where that can be told; begins with `; ` or is empty. */
function addressHint(text: string): string {
  const [address = '', mask, ...rest] = text.split('/');
  if (text !== text.trim()) return '; it has spaces around it';
  if (text.includes(',')) return '; several addresses go into the plural list, one per item';
  if (text.includes('%')) return '; an address with a zone has no meaning in a rule';
  if (rest.length > 0) return '; it has more than one "/"';
  if (/^[0-9a-f.:]+-[0-9a-f.:]+$/i.test(text)) return '; write the range as prefixes';
  if (/(?:^|\.)0\d/.test(address)) return '; a part of an IPv4 address cannot start with 0';
  const host = parsePrefix(address);
  if (typeof host === 'string') {
    return /^[\d.]+$/.test(address) ? '; an IPv4 address has four parts from 0 to 255' : '';
  }
  if (isMapped(host)) return '; write an IPv4 address as IPv4';
  if (mask === undefined) return '';
  const bits = host.family === 4 ? 32 : 128;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(mask) || Number(mask) > bits) {
    return `; the part after "/" must be a number from 0 to ${bits}`;
  }
  const prefix = formatPrefix(network(host, Number(mask)));
  return `; bits are set to the right of the mask, the prefix is ${prefix}`;
}

/** The prefix of `length` bits that an address is in. */
function network(address: Prefix, length: number): Prefix {
  if (address.family === 4) {
    const low = address.low - (address.low % 2 ** (32 - length));
    return { family: 4, low, high: low, length };
  }
  const hostBits = BigInt(128 - length);
  const low = (address.low >> hostBits) << hostBits;
  return { family: 6, low, high: low, length };
}

/** In ::ffff:0:0/96 (RFC 4291 section 2.5.5.2): IPv4 in IPv6 clothes, which no packet on the wire wears. */
function isMapped(prefix: Prefix): boolean {
  return prefix.family === 6 && prefix.length >= 96 && prefix.low >> 32n === 0xffffn;
}

function readAsgs(field: Field, context: RuleContext): AddressMatch | undefined {
  const items = itemsOf(field, context);
  if (items === undefined) return undefined;
  if (items.length > ASGS_PER_SIDE_MAX) {
    const message =
      `A security rule may have up to ${ASGS_PER_SIDE_MAX} Application Security Groups; ` +
      `${context.rule} has ${items.length} in ${quote(field.key)}.`;
    const code = 'NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached';
    context.problems.error(field.keyAt, code, message);
  }
  const asgs: AsgReference[] = [];
  for (const item of items) {
    const asg = readAsg(item, field.key, context);
    if (asg !== undefined) asgs.push(asg);
  }
  return asgs.length === items.length ? { kind: 'asgs', asgs } : undefined;
}

/** An id may be shortened (`.../web`), but one that names a resource type must name the right one. */
function isIdOfOtherType(text: string): boolean {
  return /\/providers\//i.test(text) && !/\/applicationSecurityGroups\/[^/]+$/i.test(text);
}

/** `{ id }` as Azure writes it, or just the name. */
function readAsg(node: DocumentNode, key: string, context: RuleContext): AsgReference | undefined {
  const idNode = node.kind === 'map' ? idOf(node, key, context) : node;
  const value = idNode === undefined ? undefined : context.resolve(idNode);
  const text = value === undefined ? undefined : textOf(value, key, context);
  if (value === undefined || text === undefined) return undefined;
  const name = resourceNameOfId(text);
  const isId = text.includes('/');
  if (isResourceName(name) && !isIdOfOtherType(text)) {
    return { name, id: isId ? text : undefined, at: value.at };
  }
  const message = isId
    ? `${quote(text)} is no id of an application security group`
    : resourceNameMessage(quote(name));
  context.problems.error(value.at, 'InvalidResourceName', `${context.rule}: ${message}`);
  return undefined;
}

function idOf(
  map: DocumentNode & { kind: 'map' },
  key: string,
  context: RuleContext,
): DocumentNode | undefined {
  const id = entryOf(map, 'id') ?? entryOf(map, 'name');
  if (id === undefined) reportType(map, `items of ${key}`, 'a name or have an id', context);
  return id?.value;
}

/** The items of a list, each resolved; undefined when it is none or one cannot be known. */
function itemsOf(field: Field, context: RuleContext): readonly DocumentNode[] | undefined {
  if (field.node?.kind !== 'list') {
    if (field.node !== undefined) reportType(field.node, field.key, 'a list', context);
    return undefined;
  }
  const items: DocumentNode[] = [];
  let isComplete = true;
  for (const item of field.node.items) {
    const resolved = context.resolve(item);
    if (resolved === undefined) isComplete = false;
    else items.push(resolved);
  }
  return isComplete ? items : undefined;
}

/** The one of several alternative fields that is there; reports when none or more than one is. */
function exactlyOne(
  names: readonly string[],
  fields: Fields,
  context: RuleContext,
): Field | undefined {
  const present = names.map((name) => fields.get(name)).filter((field) => field !== undefined);
  const [first, second] = present;
  if (second !== undefined) {
    const spelled = names.map(capitalized).join(', ');
    const message = `${context.rule} must specify a non empty value for exactly one of: ${spelled}.`;
    context.problems.error(second.keyAt, 'SecurityRuleExactlyOneParameter', message);
    return undefined;
  }
  if (first !== undefined) return first;
  const written = names.map((name) => fields.writtenAt(name)).find((at) => at !== undefined);
  const spelled = names.map(capitalized).join(' or ');
  const hint = written === undefined ? '' : ' An empty value is not "any".';
  const message =
    `Required security rule parameters are missing for ${context.rule}. ` +
    `Security rule must specify ${spelled}.${hint}`;
  context.problems.error(written ?? context.at, 'SecurityRuleParametersMissing', message);
  return undefined;
}
