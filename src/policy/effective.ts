/**
 * Effective security rules of an interface, in the shape of Azure's answer (effectiveNetworkSecurityGroups): what
 * `az network nic list-effective-nsg` prints, so that the two can be compared. Platform rules are not among them.
 */
import { Access, Direction } from '../engine/rule.ts';
import type { PortMatch } from '../engine/rule.ts';
import { printedRuleName, type RuleKind } from '../engine/policy.ts';
import { formatAddressSet, formatPrefix } from './address.ts';
import type { Configuration } from './configuration.ts';
import type { NetworkInterface } from './configuration-interfaces.ts';
import { nameKey } from './names.ts';
import { nameScope, orderedRules } from './resolve.ts';
import type { NameScope } from './resolve-addresses.ts';
import type { AddressMatch, NetworkSecurityGroup, SecurityRule } from './security-rule.ts';
import type { ServiceTags } from './service-tags.ts';

export interface EffectiveRule {
  /** `securityRules/x` or `defaultSecurityRules/x`. */
  readonly name: string;
  readonly protocol: string;
  readonly sourcePortRange: string;
  readonly destinationPortRange: string;
  readonly sourcePortRanges: readonly string[];
  readonly destinationPortRanges: readonly string[];
  readonly sourceAddressPrefix: string;
  readonly destinationAddressPrefix: string;
  readonly sourceAddressPrefixes: readonly string[];
  readonly destinationAddressPrefixes: readonly string[];
  /** What a tag or application security group stands for; null for prefixes and `*`. */
  readonly expandedSourceAddressPrefix: readonly string[] | null;
  readonly expandedDestinationAddressPrefix: readonly string[] | null;
  readonly access: 'Allow' | 'Deny';
  readonly priority: number;
  readonly direction: 'Inbound' | 'Outbound';
}

/** One group that applies to the interface, and where it is attached. */
export interface EffectiveGroup {
  readonly networkSecurityGroup: { readonly id: string };
  readonly association:
    | { readonly subnet: { readonly id: string } }
    | { readonly networkInterface: { readonly id: string } };
  readonly effectiveSecurityRules: readonly EffectiveRule[];
  /** The tags that the rules name, each with its prefixes. */
  readonly tagMap: Readonly<Record<string, readonly string[]>>;
}

export interface EffectiveRules {
  /** The subnet's group, then the interface's; empty when neither has one. */
  readonly value: readonly EffectiveGroup[];
}

/** One rule of one group as a line of a table. */
export interface EffectiveRow {
  readonly group: string;
  readonly association: string;
  readonly direction: string;
  readonly priority: number;
  readonly name: string;
  readonly access: string;
  readonly protocol: string;
  readonly source: string;
  readonly sourcePorts: string;
  readonly destination: string;
  readonly destinationPorts: string;
  /** What tags and groups stand for; null for prefixes and `*`. */
  readonly expandedSource: readonly string[] | null;
  readonly expandedDestination: readonly string[] | null;
}

/** Azure prints one port as a range. */
function portTexts(ports: PortMatch): string[] {
  if (ports === 'any') return ['0-65535'];
  return ports.map(({ low, high }) => `${low}-${high}`);
}

/** As the rule names them. Azure prints `*` as `0.0.0.0/0`, although it covers IPv6 too. */
function addressTexts(match: AddressMatch): string[] {
  if (match.kind === 'any') return ['0.0.0.0/0'];
  if (match.kind === 'tag') return [match.tag];
  if (match.kind === 'asgs') return match.asgs.map((asg) => asg.name);
  return match.prefixes.map(({ prefix }) => formatPrefix(prefix));
}

class EffectiveReader {
  readonly #scope: NameScope;
  readonly #tagPrefixes = new Map<string, readonly string[]>();

  constructor(scope: NameScope) {
    this.#scope = scope;
  }

  group(group: NetworkSecurityGroup, association: EffectiveGroup['association']): EffectiveGroup {
    const tagMap = new Map<string, readonly string[]>();
    const rules = [Direction.Inbound, Direction.Outbound].flatMap((direction) =>
      orderedRules(group, direction).map(({ rule, kind }) => this.#rule(rule, kind, tagMap)),
    );
    return {
      networkSecurityGroup: { id: group.id ?? group.name },
      association,
      effectiveSecurityRules: rules,
      tagMap: Object.fromEntries(tagMap),
    };
  }

  #rule(rule: SecurityRule, kind: RuleKind, tagMap: Map<string, readonly string[]>): EffectiveRule {
    const sourcePorts = portTexts(rule.sourcePorts);
    const destinationPorts = portTexts(rule.destinationPorts);
    const sources = addressTexts(rule.source);
    const destinations = addressTexts(rule.destination);
    return {
      name: printedRuleName({ kind, name: rule.name }),
      protocol: rule.protocol === 'Any' ? 'All' : rule.protocol,
      sourcePortRange: sourcePorts.join(','),
      destinationPortRange: destinationPorts.join(','),
      sourcePortRanges: sourcePorts,
      destinationPortRanges: destinationPorts,
      sourceAddressPrefix: sources.join(','),
      destinationAddressPrefix: destinations.join(','),
      sourceAddressPrefixes: sources,
      destinationAddressPrefixes: destinations,
      expandedSourceAddressPrefix: this.#expand(rule.source, tagMap),
      expandedDestinationAddressPrefix: this.#expand(rule.destination, tagMap),
      access: rule.access === Access.Allow ? 'Allow' : 'Deny',
      priority: rule.priority,
      direction: rule.direction === Direction.Inbound ? 'Inbound' : 'Outbound',
    };
  }

  /** The prefixes behind a tag or groups; a tag is also entered into `tagMap`. */
  #expand(match: AddressMatch, tagMap: Map<string, readonly string[]>): readonly string[] | null {
    if (match.kind === 'asgs') {
      return formatAddressSet(this.#scope.asgs.addressesOf(match.asgs.map((asg) => asg.name)));
    }
    if (match.kind !== 'tag') return null;
    const tag = this.#scope.tags.find(match.tag);
    if (tag.kind !== 'addresses') return null;
    const prefixes = this.#tagPrefixes.get(tag.name) ?? formatAddressSet(tag.addresses);
    this.#tagPrefixes.set(tag.name, prefixes);
    tagMap.set(tag.name, prefixes);
    return prefixes;
  }
}

/** The interface of that name, any letter case. */
export function findNetworkInterface(
  configuration: Configuration,
  name: string,
): NetworkInterface | undefined {
  return configuration.networkInterfaces.find((nic) => nameKey(nic.name) === nameKey(name));
}

/** The rules that the groups of `nic` and of its subnet give it, custom before default, Inbound before Outbound. */
export function effectiveRules(
  configuration: Configuration,
  tags: ServiceTags,
  nic: NetworkInterface,
): EffectiveRules {
  const reader = new EffectiveReader(nameScope(configuration, tags));
  const find = (name: string | undefined): NetworkSecurityGroup | undefined =>
    configuration.networkSecurityGroups.find(
      (group) => name !== undefined && nameKey(group.name) === nameKey(name),
    );
  const ofSubnet = find(nic.subnet?.networkSecurityGroup);
  const ofNic = find(nic.networkSecurityGroup);
  const value: EffectiveGroup[] = [];
  if (ofSubnet !== undefined) {
    value.push(reader.group(ofSubnet, { subnet: { id: nic.subnet?.name ?? '' } }));
  }
  if (ofNic !== undefined) {
    value.push(reader.group(ofNic, { networkInterface: { id: nic.name } }));
  }
  return { value };
}

/** The same as lines of a table. */
export function effectiveRows(rules: EffectiveRules): EffectiveRow[] {
  return rules.value.flatMap(({ networkSecurityGroup, association, effectiveSecurityRules }) =>
    effectiveSecurityRules.map((rule) => ({
      group: networkSecurityGroup.id.slice(networkSecurityGroup.id.lastIndexOf('/') + 1),
      association:
        'subnet' in association
          ? `subnet ${association.subnet.id}`
          : `networkInterface ${association.networkInterface.id}`,
      direction: rule.direction,
      priority: rule.priority,
      name: rule.name,
      access: rule.access,
      protocol: rule.protocol,
      source: rule.sourceAddressPrefix,
      sourcePorts: rule.sourcePortRange,
      destination: rule.destinationAddressPrefix,
      destinationPorts: rule.destinationPortRange,
      expandedSource: rule.expandedSourceAddressPrefix,
      expandedDestination: rule.expandedDestinationAddressPrefix,
    })),
  );
}
