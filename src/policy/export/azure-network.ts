/**
 * What templates and Terraform both ask of a configuration: addresses one by one, and what Azure has no place for.
 *
 * Codes: ServiceTagNotInAzure, and as warnings NotExported and NotDeployable.
 */
import type { AddressSet } from '../../engine/address-set.ts';
import { formatIpv4, formatIpv6 } from '../address.ts';
import type { Configuration } from '../configuration.ts';
import type { NetworkInterface } from '../configuration-interfaces.ts';
import { nameKey } from '../names.ts';
import { type Position, type ProblemList, quote } from '../problem.ts';

/** Azure's networks have a name, and those of configurations need none. */
export const NETWORK_NAME = 'vnet';

/** An IP configuration of a network interface. */
export interface IpConfiguration {
  readonly name: string;
  /** Undefined: Azure assigns one. */
  readonly address: string | undefined;
  readonly version: 'IPv4' | 'IPv6';
  readonly isPrimary: boolean;
}

/** One for each address; without any, one that Azure gives an address. */
export function ipConfigurations(nic: NetworkInterface): IpConfiguration[] {
  const addresses = singleAddresses(nic.addresses);
  if (addresses.length === 0) {
    return [{ name: 'ipconfig1', address: undefined, version: 'IPv4', isPrimary: true }];
  }
  return addresses.map((address, index) => ({
    name: `ipconfig${index + 1}`,
    address,
    version: address.includes(':') ? 'IPv6' : 'IPv4',
    isPrimary: index === 0,
  }));
}

/** IPv4 first. An interface has few: the set holds neighbours as one interval. */
function singleAddresses({ ipv4, ipv6 }: AddressSet): string[] {
  const texts: string[] = [];
  for (const [low, high] of ipv4) {
    for (let address = low; address <= high; address++) texts.push(formatIpv4(address));
  }
  for (const [low, high] of ipv6) {
    for (let address = low; address <= high; address++) texts.push(formatIpv6(address));
  }
  return texts;
}

/** Reports everything that the exported resources do not say, so that nothing is dropped in silence. */
export function reportNotExported(configuration: Configuration, problems: ProblemList): void {
  const at: Position = { file: configuration.file, line: 1, column: 1 };
  const customs = new Set(configuration.serviceTags.custom.map(({ name }) => nameKey(name)));
  for (const rule of configuration.networkSecurityGroups.flatMap(({ rules }) => rules)) {
    for (const side of ['source', 'destination'] as const) {
      const match = rule[side];
      if (match.kind !== 'tag' || !customs.has(nameKey(match.tag))) continue;
      const message = `the service tag ${quote(match.tag)} is your own, and Azure does not know it; write its prefixes`;
      problems.error(rule.positions[side], 'ServiceTagNotInAzure', message);
    }
  }
  const { profile, subscription, hasDefaultRoute } = configuration.platform;
  const lost = [
    ...(profile === 'none' ? ['platform.profile: Azure always has its platform rules'] : []),
    ...(subscription === undefined ? [] : ['subscription.type: it is that of the subscription']),
    ...(hasDefaultRoute ? ['platform.defaultRoute: it is a route table in Azure'] : []),
  ];
  if (configuration.virtualNetwork.connectedAddressSpaces.length > 0) {
    lost.push(
      'connectedAddressSpaces: Azure learns them of peerings and gateways; a tag notes them',
    );
  }
  for (const what of lost) problems.warning(at, 'NotExported', what);
  for (const nic of configuration.networkInterfaces) {
    if (nic.subnet !== undefined) continue;
    const message = `the network interface ${quote(nic.name)} has no subnet, and Azure deploys none without`;
    problems.warning(at, 'NotDeployable', message);
  }
}
