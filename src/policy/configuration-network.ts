/**
 * The virtual network of a configuration and its subnets: every subnet inside the address space, none over another.
 */
import type { z } from 'zod';
import { isEmpty, subtract } from '../engine/address-set.ts';
import type { AddressSet } from '../engine/address-set.ts';
import type { Prefix } from './address.ts';
import { formatPrefix, overlaps, setOfPrefixes } from './address.ts';
import type { ConfigurationReader, Item } from './configuration-reader.ts';
import type { ReferableNames } from './configuration-references.ts';
import {
  checkUniqueNames,
  parsePrefixAt,
  parsePrefixes,
  resolveReference,
} from './configuration-references.ts';
import { subnetSchema, virtualNetworkSchema } from './configuration-schema.ts';
import { quote } from './problem.ts';

export interface Subnet {
  readonly name: string;
  readonly prefixes: readonly Prefix[];
  readonly networkSecurityGroup: string | undefined;
}

export interface VirtualNetwork {
  readonly name: string | undefined;
  readonly addressSpace: readonly Prefix[];
  readonly connectedAddressSpaces: readonly Prefix[];
  readonly subnets: readonly Subnet[];
  readonly flowTimeoutInMinutes: number | undefined;
}

function readSubnet(
  reader: ConfigurationReader,
  { value, path }: Item<z.infer<typeof subnetSchema>>,
  names: ReferableNames,
): Subnet {
  const { addressPrefix, addressPrefixes } = value;
  if (addressPrefix !== undefined && addressPrefixes !== undefined) {
    const message = 'a subnet has either addressPrefix or addressPrefixes';
    reader.error([...path, 'addressPrefix'], 'InvalidValue', message);
  }
  if (addressPrefix === undefined && (addressPrefixes ?? []).length === 0) {
    const message = `subnet ${quote(value.name)} needs addressPrefix, or addressPrefixes that are not empty`;
    reader.error([...path, 'addressPrefixes'], 'MissingProperty', message);
  }
  return {
    name: value.name,
    prefixes: [
      ...(addressPrefix === undefined
        ? []
        : parsePrefixAt(reader, addressPrefix, [...path, 'addressPrefix'])),
      ...parsePrefixes(reader, addressPrefixes ?? [], [...path, 'addressPrefixes']),
    ],
    networkSecurityGroup: resolveReference(reader, value.networkSecurityGroup, {
      names: names.networkSecurityGroups,
      what: 'network security group',
      path: [...path, 'networkSecurityGroup'],
    }),
  };
}

/** Every subnet inside the address space, none over another. */
function checkSubnets(
  reader: ConfigurationReader,
  subnets: readonly Item<Subnet>[],
  addressSpace: AddressSet,
): void {
  const earlier: { readonly name: string; readonly prefix: Prefix }[] = [];
  for (const { value: subnet, path } of subnets) {
    for (const prefix of subnet.prefixes) {
      if (!isEmpty(addressSpace) && !isEmpty(subtract(setOfPrefixes([prefix]), addressSpace))) {
        const message =
          `subnet ${quote(subnet.name)} is not valid because its range ${formatPrefix(prefix)} is outside the ` +
          'addressSpace of the virtual network';
        reader.error(path, 'NetcfgSubnetRangeOutsideVnet', message);
      }
      const other = earlier.find((candidate) => overlaps(candidate.prefix, prefix));
      if (other !== undefined) {
        const message =
          `subnet ${quote(subnet.name)} is not valid because its range ${formatPrefix(prefix)} overlaps ` +
          `${formatPrefix(other.prefix)} of subnet ${quote(other.name)}`;
        reader.error(path, 'NetcfgSubnetRangesOverlap', message);
      }
      earlier.push({ name: subnet.name, prefix });
    }
  }
}

/** The section `virtualNetwork`. What is wrong in it is left out of the result. */
export function readVirtualNetwork(
  reader: ConfigurationReader,
  names: ReferableNames,
): VirtualNetwork {
  const path = ['virtualNetwork'];
  if (reader.document.root.kind === 'map' && reader.document.nodeAt(path) === undefined) {
    const message =
      'there is no virtualNetwork, so the tag VirtualNetwork stands for 168.63.129.16 alone and Internet for all ' +
      'public addresses; add virtualNetwork: { addressSpace: [...] }';
    reader.warning([], 'MissingProperty', message);
  }
  const written = reader.section(virtualNetworkSchema.omit({ subnets: true }).loose(), path);
  reader.checkKeys(virtualNetworkSchema, path);
  const addressSpace = parsePrefixes(reader, written?.addressSpace ?? [], [
    ...path,
    'addressSpace',
  ]);
  const items = reader.items(subnetSchema, [...path, 'subnets']);
  checkUniqueNames(reader, items, 'subnet');
  const subnets = items.map((item) => ({
    value: readSubnet(reader, item, names),
    path: item.path,
  }));
  checkSubnets(reader, subnets, setOfPrefixes(addressSpace));
  return {
    name: written?.name,
    addressSpace,
    connectedAddressSpaces: parsePrefixes(reader, written?.connectedAddressSpaces ?? [], [
      ...path,
      'connectedAddressSpaces',
    ]),
    subnets: subnets.map((item) => item.value),
    flowTimeoutInMinutes: written?.flowTimeoutInMinutes,
  };
}
