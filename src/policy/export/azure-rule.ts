/**
 * A security rule with Azure's property names, as configurations, templates and Terraform have it. One value stands in
 * the singular property and several in the plural one, as Azure's own tools write them.
 */
import { Access, Direction, type PortMatch } from '../../engine/rule.ts';
import type { AddressMatch, AsgReference, SecurityRule } from '../security-rule.ts';

/** What a property may hold. */
export type AzureValue =
  string | number | boolean | readonly AzureValue[] | { readonly [key: string]: AzureValue };

export type AzureObject = Record<string, AzureValue>;

/** The properties of a rule but for its name, in the order in which people read them. */
export function ruleProperties(
  rule: SecurityRule,
  asgValue: (asg: AsgReference) => AzureValue,
): AzureObject {
  return {
    ...(rule.description === '' ? {} : { description: rule.description }),
    priority: rule.priority,
    direction: rule.direction === Direction.Inbound ? 'Inbound' : 'Outbound',
    access: rule.access === Access.Allow ? 'Allow' : 'Deny',
    protocol: rule.protocol === 'Any' ? '*' : rule.protocol,
    ...addressProperties('source', rule.source, asgValue),
    ...portProperties('source', rule.sourcePorts),
    ...addressProperties('destination', rule.destination, asgValue),
    ...portProperties('destination', rule.destinationPorts),
  };
}

function addressProperties(
  side: 'source' | 'destination',
  match: AddressMatch,
  asgValue: (asg: AsgReference) => AzureValue,
): AzureObject {
  if (match.kind === 'any') return { [`${side}AddressPrefix`]: '*' };
  if (match.kind === 'tag') return { [`${side}AddressPrefix`]: match.tag };
  if (match.kind === 'asgs') {
    return { [`${side}ApplicationSecurityGroups`]: match.asgs.map(asgValue) };
  }
  const texts = match.prefixes.map(({ text }) => text);
  const [only = '', ...others] = texts;
  return others.length === 0
    ? { [`${side}AddressPrefix`]: only }
    : { [`${side}AddressPrefixes`]: texts };
}

function portProperties(side: 'source' | 'destination', ports: PortMatch): AzureObject {
  if (ports === 'any') return { [`${side}PortRange`]: '*' };
  const texts = ports.map(({ low, high }) => (low === high ? String(low) : `${low}-${high}`));
  const [only = '', ...others] = texts;
  return others.length === 0 ? { [`${side}PortRange`]: only } : { [`${side}PortRanges`]: texts };
}
