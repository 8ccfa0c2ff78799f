/**
 * Reads virtual networks, subnets, peerings, network interfaces and application security groups among found resources.
 * Of their many properties only those are read that decide on traffic.
 *
 * Codes: MissingProperty, InvalidValue, ApplicationSecurityGroupsDiffer, RouteTableNotRead (a warning), and those of
 * names and references.
 */
import { TAG_CONNECTED, TAG_MAC_ADDRESS } from '../export/azure-tags.ts';
import type { DocumentNode } from '../document-node.ts';
import { isResourceName, resourceNameMessage } from '../names.ts';
import { Fields, isAbsent, reportType, textOf } from '../nsg-fields.ts';
import { type Position, quote } from '../problem.ts';
import { type FoundResource, keyOfId, type Reference, referenceOf } from './resource.ts';

/** Text and where it stands. */
export interface WrittenText {
  readonly text: string;
  readonly at: Position;
}

interface ReadResource {
  readonly resource: FoundResource;
  readonly name: string;
}

export interface ReadSubnet extends ReadResource {
  readonly prefixes: readonly WrittenText[];
  readonly group: Reference | undefined;
}

export interface ReadPeering {
  readonly resource: FoundResource;
  readonly remoteNetwork: Reference | undefined;
  /** As Azure last saw it; empty in templates. */
  readonly remotePrefixes: readonly WrittenText[];
}

export interface ReadNetwork extends ReadResource {
  readonly prefixes: readonly WrittenText[];
  /** Those that stand within it. */
  readonly subnets: readonly ReadSubnet[];
  readonly peerings: readonly ReadPeering[];
  readonly flowTimeoutInMinutes: number | undefined;
  readonly connectedPrefixes: readonly WrittenText[];
}

export interface ReadInterface extends ReadResource {
  readonly addresses: readonly WrittenText[];
  readonly subnet: Reference | undefined;
  readonly group: Reference | undefined;
  readonly asgs: readonly Reference[];
  readonly macAddress: string | undefined;
}

class ResourceReader {
  readonly resource: FoundResource;
  readonly #fields: Fields;

  constructor(resource: FoundResource, owner: string, known: readonly string[]) {
    this.resource = resource;
    this.#fields = new Fields(resource.map, { owner, known, ignored: 'others' }, resource.context);
  }

  node(name: string): DocumentNode | undefined {
    return this.#fields.get(name)?.node;
  }

  /** Its own name, without those of the resources around; undefined, and reported, when it has none. */
  name(what: string): string | undefined {
    const { names, map, at, context } = this.resource;
    const field = this.#fields.get('name');
    const written = names?.at(-1) ?? (field?.node && textOf(field.node, 'name', context));
    if (written === undefined) {
      if (field === undefined) {
        context.problems.error(map.at, 'MissingProperty', `a ${what} needs a name`);
      }
      return undefined;
    }
    if (isResourceName(written)) return written;
    context.problems.error(at, 'InvalidResourceName', resourceNameMessage(quote(written)));
    return undefined;
  }

  text(name: string): WrittenText | undefined {
    const node = this.node(name);
    const text = node && textOf(node, name, this.resource.context);
    return node === undefined || text === undefined ? undefined : { text, at: node.at };
  }

  list(name: string): readonly DocumentNode[] {
    const node = this.node(name);
    if (node === undefined) return [];
    if (node.kind === 'list') {
      return node.items.flatMap((item) => this.resource.context.resolve(item) ?? []);
    }
    reportType(node, name, 'a list', this.resource.context);
    return [];
  }

  texts(name: string): WrittenText[] {
    return this.list(name).flatMap((node) => {
      const text = textOf(node, name, this.resource.context);
      return text === undefined ? [] : [{ text, at: node.at }];
    });
  }

  reference(name: string): Reference | undefined {
    return referenceOf(this.node(name), this.resource.context);
  }

  /** One of our tags, its parts (`name`, `name-2`, ...) joined. */
  tag(name: string): WrittenText | undefined {
    const tags = this.node('tags');
    if (tags?.kind !== 'map') return undefined;
    const parts = tags.entries.filter(({ key }) => key === name || key.startsWith(`${name}-`));
    const texts = parts.flatMap(({ value }) => (value.kind === 'scalar' ? [value.text] : []));
    const [first] = parts;
    return first === undefined ? undefined : { text: texts.join(' '), at: first.value.at };
  }

  /** A map within the resource as a resource of its own. */
  within(node: DocumentNode, type: FoundResource['type']): FoundResource | undefined {
    const { context, names } = this.resource;
    if (node.kind !== 'map') {
      reportType(node, 'resource', 'a map', context);
      return undefined;
    }
    const inner = new Fields(
      node,
      { owner: '', known: ['name', 'id'], ignored: 'others' },
      context,
    );
    const name = inner.get('name')?.node;
    const own = name?.kind === 'scalar' ? [name.text] : [];
    const all = names === undefined || own.length === 0 ? undefined : [...names, ...own];
    const id = inner.writtenText('id')?.text;
    return { type, map: node, context, names: all, at: name?.at ?? node.at, id, label: id };
  }
}

/** Undefined without a name (reported). */
export function readSubnet(resource: FoundResource): ReadSubnet | undefined {
  const known = ['name', 'addressPrefix', 'addressPrefixes', 'networkSecurityGroup', 'routeTable'];
  const reader = new ResourceReader(resource, 'subnet', known);
  const name = reader.name('subnet');
  const routes = reader.node('routeTable');
  const plural = reader.texts('addressPrefixes');
  const single = plural.length > 0 ? undefined : reader.text('addressPrefix');
  if (name === undefined) return undefined;
  if (routes !== undefined && !isAbsent(routes)) {
    const message =
      `subnet ${quote(name)} has a route table, which is not read: a default route turns the rule for Windows ` +
      'licensing off (platform.defaultRoute), and its prefixes belong in connectedAddressSpaces';
    resource.context.problems.warning(routes.at, 'RouteTableNotRead', message);
  }
  const prefixes = single === undefined ? plural : [single];
  return { resource, name, prefixes, group: reader.reference('networkSecurityGroup') };
}

export function readPeering(resource: FoundResource): ReadPeering | undefined {
  const known = [
    'name',
    'remoteVirtualNetwork',
    'remoteVirtualNetworkAddressSpace',
    'remoteAddressSpace',
    'allowVirtualNetworkAccess',
  ];
  const reader = new ResourceReader(resource, 'peering', known);
  const access = reader.node('allowVirtualNetworkAccess');
  // Then the peer is not in the tag VirtualNetwork.
  if (access?.kind === 'scalar' && access.value === false) return undefined;
  const spaces = ['remoteVirtualNetworkAddressSpace', 'remoteAddressSpace']
    .map((name) => reader.node(name))
    .find((node) => node !== undefined);
  return {
    resource,
    remoteNetwork: reader.reference('remoteVirtualNetwork'),
    remotePrefixes: spaces === undefined ? [] : prefixesOf(spaces, resource),
  };
}

/** `addressPrefixes` of an address space. */
function prefixesOf(space: DocumentNode, { context }: FoundResource): WrittenText[] {
  if (space.kind !== 'map') {
    reportType(space, 'addressSpace', 'a map', context);
    return [];
  }
  const fields = new Fields(
    space,
    { owner: 'address space', known: ['addressPrefixes'], ignored: 'others' },
    context,
  );
  const list = fields.get('addressPrefixes')?.node;
  if (list === undefined) return [];
  if (list.kind !== 'list') {
    reportType(list, 'addressPrefixes', 'a list', context);
    return [];
  }
  return list.items.flatMap((item) => {
    const node = context.resolve(item);
    const text = node && textOf(node, 'addressPrefixes', context);
    return text === undefined ? [] : [{ text, at: item.at }];
  });
}

export function readNetwork(resource: FoundResource): ReadNetwork | undefined {
  const known = [
    'name',
    'addressSpace',
    'addressPrefixes',
    'subnets',
    'virtualNetworkPeerings',
    'flowTimeoutInMinutes',
    'tags',
  ];
  const reader = new ResourceReader(resource, 'virtual network', known);
  const name = reader.name('virtual network');
  const space = reader.node('addressSpace');
  const prefixes =
    space === undefined ? reader.texts('addressPrefixes') : prefixesOf(space, resource);
  const innerOf = (key: string, type: FoundResource['type']): FoundResource[] =>
    reader.list(key).flatMap((node) => reader.within(node, type) ?? []);
  const subnets = innerOf('subnets', 'microsoft.network/virtualnetworks/subnets');
  const peerings = innerOf(
    'virtualNetworkPeerings',
    'microsoft.network/virtualnetworks/virtualnetworkpeerings',
  );
  const connected = reader.tag(TAG_CONNECTED);
  const minutes = reader.node('flowTimeoutInMinutes');
  if (name === undefined) return undefined;
  return {
    resource,
    name,
    prefixes,
    subnets: subnets.flatMap((subnet) => readSubnet(subnet) ?? []),
    peerings: peerings.flatMap((peering) => readPeering(peering) ?? []),
    flowTimeoutInMinutes:
      minutes?.kind === 'scalar' && /^\d+$/.test(minutes.text) ? Number(minutes.text) : undefined,
    connectedPrefixes: (connected?.text.split(' ') ?? []).flatMap((text) =>
      connected === undefined || text === '' ? [] : [{ text, at: connected.at }],
    ),
  };
}

export function readInterface(resource: FoundResource): ReadInterface | undefined {
  const known = ['name', 'ipConfigurations', 'networkSecurityGroup', 'macAddress', 'tags'];
  const reader = new ResourceReader(resource, 'network interface', known);
  const name = reader.name('network interface');
  const parts = reader.list('ipConfigurations').flatMap((node) => {
    const inner = reader.within(node, resource.type);
    return inner === undefined ? [] : [readIpConfiguration(inner)];
  });
  if (name === undefined) return undefined;
  checkAlike(resource, name, parts);
  const mac = reader.text('macAddress') ?? reader.tag(TAG_MAC_ADDRESS);
  return {
    resource,
    name,
    addresses: parts.flatMap(({ address }) => address ?? []),
    subnet: parts.map(({ subnet }) => subnet).find((subnet) => subnet !== undefined),
    group: reader.reference('networkSecurityGroup'),
    asgs: parts[0]?.asgs ?? [],
    macAddress: mac?.text,
  };
}

interface IpConfiguration {
  readonly address: WrittenText | undefined;
  readonly subnet: Reference | undefined;
  readonly asgs: readonly Reference[];
  readonly at: Position;
}

function readIpConfiguration(resource: FoundResource): IpConfiguration {
  const known = ['name', 'privateIPAddress', 'subnet', 'applicationSecurityGroups'];
  const reader = new ResourceReader(resource, 'IP configuration', known);
  return {
    address: reader.text('privateIPAddress'),
    subnet: reader.reference('subnet'),
    asgs: reader
      .list('applicationSecurityGroups')
      .flatMap((node) => referenceOf(node, resource.context) ?? []),
    at: resource.at,
  };
}

/** Groups and subnet are one for all addresses of an interface here; so they are in Azure, which checks it late. */
function checkAlike(
  { context }: FoundResource,
  name: string,
  [first, ...others]: readonly IpConfiguration[],
): void {
  const groupsOf = ({ asgs }: IpConfiguration): string =>
    asgs
      .map(({ id }) => keyOfId(id).path)
      .toSorted()
      .join(' ');
  for (const other of others) {
    if (first === undefined) continue;
    if (groupsOf(other) !== groupsOf(first)) {
      const message =
        `the IP configurations of ${quote(name)} are in different application security groups; ` +
        'nsgd has them for all addresses of a network interface together';
      context.problems.error(other.at, 'ApplicationSecurityGroupsDiffer', message);
    }
    const [one, two] = [first.subnet, other.subnet].map((subnet) => subnet && keyOfId(subnet.id));
    if (one !== undefined && two !== undefined && one.path !== two.path) {
      const message = `the IP configurations of ${quote(name)} are in different subnets`;
      context.problems.error(other.at, 'InvalidValue', message);
    }
  }
}
