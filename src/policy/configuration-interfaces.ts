/**
 * The interfaces of a configuration: network interfaces (NICs) with their addresses and groups, and the wires they
 * are on.
 */
import type { z } from 'zod';
import type { AddressSet } from '../engine/address-set.ts';
import { isEmpty } from '../engine/address-set.ts';
import type { Prefix } from './address.ts';
import { contains, formatPrefix, setOfPrefixes } from './address.ts';
import type { Subnet, VirtualNetwork } from './configuration-network.ts';
import type { ConfigurationReader, Item } from './configuration-reader.ts';
import type { ReferableNames } from './configuration-references.ts';
import {
  checkUniqueNames,
  parsePrefixAt,
  resolveReference,
  writtenNames,
} from './configuration-references.ts';
import { networkInterfaceSchema, wireSchema } from './configuration-schema.ts';
import { quote } from './problem.ts';

const ASGS_PER_INTERFACE_MAX = 20;
/** Of a Linux interface. */
const NAME_LENGTH_MAX = 15;
const BRIDGE_SUFFIX = '-br';

export interface NetworkInterface {
  readonly name: string;
  /** Undefined: no subnet, so no subnet group either. */
  readonly subnet: Subnet | undefined;
  /** Single addresses. Empty: it takes every address, being the only one of its wire. */
  readonly addresses: AddressSet;
  readonly networkSecurityGroup: string | undefined;
  readonly applicationSecurityGroups: readonly string[];
  /** Name of the wire, as the wire spells it. */
  readonly wire: string | undefined;
  /** Twelve hexadecimal digits in upper case, as flow logs print it. */
  readonly macAddress: string | undefined;
}

/** Host mode: the end of the pair `inside` that the host uses, and what joins outside and inside beside nsgd. */
export interface HostEnd {
  readonly interface: string;
  /** Down, it drops what nsgd does not take; up, it passes everything. */
  readonly bridge: string;
  /** What passes while the daemon does not run. */
  readonly onStop: 'closed' | 'open';
}

export interface Wire {
  readonly name: string;
  readonly outside: string;
  readonly inside: string;
  /** In host mode what the host has its addresses on, else undefined. */
  readonly host?: HostEnd | undefined;
  readonly mode: 'inline' | 'monitor';
  readonly backend: 'auto' | 'af-xdp' | 'cap';
  /** Processor for the packet loop; undefined for any. */
  readonly cpu?: number | undefined;
  /** Microseconds. */
  readonly busyPoll: number;
}

/** Wires, each with two interfaces that no other wire has. */
export function readWires(reader: ConfigurationReader): Wire[] {
  const items = reader.items(wireSchema, ['wires']);
  checkUniqueNames(reader, items, 'wire');
  const users = new Map<string, string>();
  return items.map(({ value, path }) => {
    const host = readHostEnd(reader, { value, path });
    for (const [side, name] of [
      ['outside', value.outside],
      ['inside', value.inside],
      ['host', value.host],
      ['inside', host?.bridge],
    ] as const) {
      if (name === undefined) continue;
      const user = users.get(name);
      if (user !== undefined) {
        const message =
          user === value.name
            ? `wire ${quote(value.name)} needs different interfaces; ${quote(name)} is there twice`
            : `interface ${quote(name)} is already on wire ${quote(user)}`;
        reader.error([...path, side], 'InterfaceInUse', message);
      }
      users.set(name, value.name);
    }
    if (value.mode === 'monitor' && value.backend === 'af-xdp') {
      const message = 'af-xdp takes packets away from the host, so it cannot monitor; use cap';
      reader.error([...path, 'backend'], 'InvalidValue', message);
    }
    const { onStop, ...rest } = value;
    void onStop;
    return {
      ...rest,
      host,
      mode: value.mode ?? 'inline',
      backend: value.backend ?? 'auto',
      busyPoll: value.busyPoll ?? 0,
    };
  });
}

/** Host mode of a wire that has it. */
function readHostEnd(
  reader: ConfigurationReader,
  { value, path }: Item<z.infer<typeof wireSchema>>,
): HostEnd | undefined {
  if (value.host === undefined) {
    if (value.onStop === 'open') {
      const message =
        'only in host mode does nsgd make a way around itself; give host, or bridge the interfaces yourself';
      reader.error([...path, 'onStop'], 'InvalidValue', message);
    }
    return undefined;
  }
  if (value.mode === 'monitor') {
    const message = 'in host mode nsgd is the only path; it cannot only watch';
    reader.error([...path, 'mode'], 'InvalidValue', message);
  }
  const bridge = `${value.inside}${BRIDGE_SUFFIX}`;
  if (bridge.length > NAME_LENGTH_MAX) {
    const message =
      `in host mode ${quote(value.inside)} is in a bridge named ${quote(bridge)}; ` +
      `choose a name of at most ${NAME_LENGTH_MAX - BRIDGE_SUFFIX.length} characters`;
    reader.error([...path, 'inside'], 'InvalidValue', message);
  }
  return { interface: value.host, bridge, onStop: value.onStop ?? 'closed' };
}

type WrittenInterface = z.infer<typeof networkInterfaceSchema>;

/** The single addresses of an interface; prefixes and addresses out of place are reported. */
function readAddresses(
  reader: ConfigurationReader,
  { value, path }: Item<WrittenInterface>,
  places: { readonly prefixes: readonly Prefix[]; readonly what: string },
): Item<Prefix>[] {
  const items: Item<Prefix>[] = [];
  for (const [index, text] of (value.addresses ?? []).entries()) {
    const at = [...path, 'addresses', index];
    for (const prefix of parsePrefixAt(reader, text, at)) {
      if (prefix.low !== prefix.high) {
        reader.error(at, 'InvalidValue', `${quote(text)} is a range; an interface has addresses`);
        continue;
      }
      items.push({ value: prefix, path: at });
      if (places.prefixes.length === 0) continue;
      if (places.prefixes.some((place) => contains(place, prefix))) continue;
      reader.error(at, 'PrivateIPAddressNotInSubnet', `${quote(text)} is not in ${places.what}`);
    }
  }
  return items;
}

function readGroups(
  reader: ConfigurationReader,
  { value, path }: Item<WrittenInterface>,
  names: ReferableNames,
): string[] {
  const at = [...path, 'applicationSecurityGroups'];
  const references = value.applicationSecurityGroups ?? [];
  if (references.length > ASGS_PER_INTERFACE_MAX) {
    const message =
      `an interface can be in at most ${ASGS_PER_INTERFACE_MAX} application security groups; ` +
      `${quote(value.name)} is in ${references.length}`;
    reader.error(at, 'ApplicationSecurityGroupCountLimitReached', message);
  }
  // Its addresses are what a rule would match, and it has none.
  if (references.length > 0 && (value.addresses ?? []).length === 0) {
    const message = `${quote(value.name)} needs addresses to be in an application security group`;
    reader.error(at, 'MissingAddresses', message);
  }
  return references.flatMap(
    (reference, index) =>
      resolveReference(reader, reference, {
        names: names.applicationSecurityGroups,
        what: 'application security group',
        path: [...at, index],
      }) ?? [],
  );
}

/** An interface that takes every address leaves none for another on its wire. */
function checkWireShares(
  reader: ConfigurationReader,
  interfaces: readonly Item<NetworkInterface>[],
): void {
  for (const { value, path } of interfaces) {
    if (value.wire === undefined || !isEmpty(value.addresses)) continue;
    const hasWrongAddresses = reader.document.nodeAt([...path, 'addresses', 0]) !== undefined;
    const isAlone = interfaces.every(
      (other) => other.value === value || other.value.wire !== value.wire,
    );
    if (isAlone || hasWrongAddresses) continue;
    const message =
      `${quote(value.name)} needs addresses, because it shares wire ${quote(value.wire)} with others: ` +
      'the address tells whose packet it is';
    reader.error(path, 'MissingAddresses', message);
  }
}

/** Where the addresses of an interface may be: its subnet, or without one the whole network. No prefix: unknown. */
function placesOf(
  reader: ConfigurationReader,
  { value, path }: Item<WrittenInterface>,
  network: VirtualNetwork,
): { readonly subnet: Subnet | undefined; readonly prefixes: readonly Prefix[]; what: string } {
  if (value.subnet === undefined) {
    if (network.subnets.length > 0) {
      const message = `${quote(value.name)} names no subnet, so no subnet's group applies to it`;
      reader.warning(path, 'NetworkInterfaceWithoutSubnet', message);
    }
    const what = 'the addressSpace of the virtual network';
    return { subnet: undefined, prefixes: network.addressSpace, what };
  }
  const name = resolveReference(reader, value.subnet, {
    names: writtenNames(reader, ['virtualNetwork', 'subnets']),
    what: 'subnet',
    path: [...path, 'subnet'],
  });
  const subnet = network.subnets.find((candidate) => candidate.name === name);
  return { subnet, prefixes: subnet?.prefixes ?? [], what: `subnet ${quote(name ?? '')}` };
}

/** Reports addresses that an earlier interface, or this one, has already. `owners` goes from text to interface. */
function checkAddressesFree(
  reader: ConfigurationReader,
  addresses: readonly Item<Prefix>[],
  name: string,
  owners: Map<string, string>,
): void {
  for (const { value, path } of addresses) {
    const text = formatPrefix(value);
    const owner = owners.get(text);
    owners.set(text, name);
    if (owner === undefined) continue;
    const message = `${text.slice(0, text.indexOf('/'))} is already an address of ${quote(owner)}`;
    reader.error(path, 'PrivateIPAddressInUse', message);
  }
}

/** The section `networkInterfaces`. */
export function readNetworkInterfaces(
  reader: ConfigurationReader,
  names: ReferableNames,
  network: VirtualNetwork,
): NetworkInterface[] {
  const items = reader.items(networkInterfaceSchema, ['networkInterfaces']);
  checkUniqueNames(reader, items, 'network interface');
  const wireNames = writtenNames(reader, ['wires']);
  const owners = new Map<string, string>();
  const interfaces = items.map((item): Item<NetworkInterface> => {
    const { value, path } = item;
    const places = placesOf(reader, item, network);
    const addresses = readAddresses(reader, item, places);
    checkAddressesFree(reader, addresses, value.name, owners);
    return {
      path,
      value: {
        name: value.name,
        subnet: places.subnet,
        addresses: setOfPrefixes(addresses.map((address) => address.value)),
        networkSecurityGroup: resolveReference(reader, value.networkSecurityGroup, {
          names: names.networkSecurityGroups,
          what: 'network security group',
          path: [...path, 'networkSecurityGroup'],
        }),
        applicationSecurityGroups: readGroups(reader, item, names),
        wire: resolveReference(reader, value.wire, {
          names: wireNames,
          what: 'wire',
          path: [...path, 'wire'],
        }),
        macAddress: value.macAddress?.replaceAll(/[-:]/g, '').toUpperCase(),
      },
    };
  });
  checkWireShares(reader, interfaces);
  return interfaces.map((item) => item.value);
}
