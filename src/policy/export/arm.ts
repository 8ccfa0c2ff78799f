/**
 * A configuration as an ARM template that can be deployed: application security groups, security groups, the virtual
 * network with its subnets, and network interfaces.
 */
import { formatPrefix } from '../address.ts';
import type { Configuration } from '../configuration.ts';
import type { NetworkInterface } from '../configuration-interfaces.ts';
import type { VirtualNetwork } from '../configuration-network.ts';
import type { NetworkSecurityGroup } from '../security-rule.ts';
import { ipConfigurations, NETWORK_NAME } from './azure-network.ts';
import { type AzureObject, type AzureValue, ruleProperties } from './azure-rule.ts';
import { macAddressText, TAG_CONNECTED, TAG_MAC_ADDRESS, tagsOf } from './azure-tags.ts';

const SCHEMA = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#';
/** Of Microsoft.Network; the oldest with all the properties that are written is 2022-01-01 (flushConnection). */
const API_VERSION = '2023-09-01';

const Type = Object.freeze({
  SecurityGroup: 'Microsoft.Network/networkSecurityGroups',
  ApplicationSecurityGroup: 'Microsoft.Network/applicationSecurityGroups',
  VirtualNetwork: 'Microsoft.Network/virtualNetworks',
  Subnet: 'Microsoft.Network/virtualNetworks/subnets',
  NetworkInterface: 'Microsoft.Network/networkInterfaces',
} as const);
type Type = (typeof Type)[keyof typeof Type];

export function armTemplate(configuration: Configuration): AzureObject {
  const { virtualNetwork } = configuration;
  const resources = [
    ...configuration.applicationSecurityGroups.map((name) =>
      resource(Type.ApplicationSecurityGroup, name, [], {}),
    ),
    ...configuration.networkSecurityGroups.map(securityGroup),
    ...(virtualNetwork.addressSpace.length === 0 ? [] : [network(virtualNetwork)]),
    ...configuration.networkInterfaces.map((nic) => networkInterface(nic, virtualNetwork)),
  ];
  return {
    $schema: SCHEMA,
    contentVersion: '1.0.0.0',
    parameters: { location: { type: 'string', defaultValue: '[resourceGroup().location]' } },
    resources,
  };
}

/** Names hold no quotes: isResourceName. */
function idOf(type: Type, ...names: readonly string[]): string {
  return `[resourceId('${type}', ${names.map((name) => `'${name}'`).join(', ')})]`;
}

function resource(
  type: Type,
  name: string,
  dependsOn: readonly string[],
  properties: AzureObject,
  tags: AzureObject = {},
): AzureObject {
  return {
    type,
    apiVersion: API_VERSION,
    name,
    location: "[parameters('location')]",
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
    ...(dependsOn.length === 0 ? {} : { dependsOn: [...new Set(dependsOn)] }),
    properties,
  };
}

function securityGroup(group: NetworkSecurityGroup): AzureObject {
  const asgs = group.rules.flatMap(({ source, destination }) =>
    [source, destination].flatMap((side) => (side.kind === 'asgs' ? side.asgs : [])),
  );
  const securityRules = group.rules.map((rule) => ({
    name: rule.name,
    properties: escaped(
      ruleProperties(rule, ({ name }) => ({ id: idOf(Type.ApplicationSecurityGroup, name) })),
    ),
  }));
  return resource(
    Type.SecurityGroup,
    group.name,
    asgs.map(({ name }) => idOf(Type.ApplicationSecurityGroup, name)),
    { ...(group.flushConnection ? { flushConnection: true } : {}), securityRules },
  );
}

/** A description in brackets would be an expression. */
function escaped(properties: AzureObject): AzureObject {
  const { description } = properties;
  return typeof description === 'string' && /^\[.*\]$/s.test(description)
    ? { ...properties, description: `[${description}` }
    : properties;
}

function groupReference(name: string | undefined): AzureObject {
  return name === undefined ? {} : { networkSecurityGroup: { id: idOf(Type.SecurityGroup, name) } };
}

function network(virtualNetwork: VirtualNetwork): AzureObject {
  const { subnets, flowTimeoutInMinutes } = virtualNetwork;
  const groups = subnets.flatMap(({ networkSecurityGroup }) => networkSecurityGroup ?? []);
  const properties: AzureObject = {
    addressSpace: { addressPrefixes: virtualNetwork.addressSpace.map(formatPrefix) },
    ...(flowTimeoutInMinutes === undefined ? {} : { flowTimeoutInMinutes }),
    subnets: subnets.map((subnet): AzureValue => ({
      name: subnet.name,
      properties: {
        ...(subnet.prefixes.length === 1
          ? { addressPrefix: subnet.prefixes.map(formatPrefix).join('') }
          : { addressPrefixes: subnet.prefixes.map(formatPrefix) }),
        ...groupReference(subnet.networkSecurityGroup),
      },
    })),
  };
  return resource(
    Type.VirtualNetwork,
    virtualNetwork.name ?? NETWORK_NAME,
    groups.map((name) => idOf(Type.SecurityGroup, name)),
    properties,
    tagsOf(TAG_CONNECTED, virtualNetwork.connectedAddressSpaces.map(formatPrefix)),
  );
}

function networkInterface(nic: NetworkInterface, virtualNetwork: VirtualNetwork): AzureObject {
  const networkName = virtualNetwork.name ?? NETWORK_NAME;
  const asgs = nic.applicationSecurityGroups.map((name) => ({
    id: idOf(Type.ApplicationSecurityGroup, name),
  }));
  const parts = ipConfigurations(nic).map(({ name, address, version, isPrimary }): AzureValue => ({
    name,
    properties: {
      primary: isPrimary,
      privateIPAllocationMethod: address === undefined ? 'Dynamic' : 'Static',
      privateIPAddressVersion: version,
      ...(address === undefined ? {} : { privateIPAddress: address }),
      ...(nic.subnet === undefined
        ? {}
        : { subnet: { id: idOf(Type.Subnet, networkName, nic.subnet.name) } }),
      ...(asgs.length === 0 ? {} : { applicationSecurityGroups: asgs }),
    },
  }));
  const dependsOn = [
    ...(nic.subnet === undefined ? [] : [idOf(Type.VirtualNetwork, networkName)]),
    ...(nic.networkSecurityGroup === undefined
      ? []
      : [idOf(Type.SecurityGroup, nic.networkSecurityGroup)]),
    ...asgs.map(({ id }) => id),
  ];
  return resource(
    Type.NetworkInterface,
    nic.name,
    dependsOn,
    { ipConfigurations: parts, ...groupReference(nic.networkSecurityGroup) },
    nic.macAddress === undefined ? {} : { [TAG_MAC_ADDRESS]: macAddressText(nic.macAddress) },
  );
}
