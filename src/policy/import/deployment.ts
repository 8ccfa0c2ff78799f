/**
 * Deployment: the network resources of all files, each once, with what stands outside the resource it belongs to put
 * where it belongs.
 *
 * Codes: DuplicateResource, ParentResourceNotFound, InvalidResourceReference, and those of the readers.
 */
import { nameKey } from '../names.ts';
import { ruleProperties } from '../export/azure-rule.ts';
import { formatPosition, type ProblemList, quote } from '../problem.ts';
import type { NetworkSecurityGroup } from '../security-rule.ts';
import { NameTable } from './names.ts';
import {
  readInterface,
  type ReadInterface,
  readNetwork,
  type ReadNetwork,
  type ReadPeering,
  readPeering,
  type ReadSubnet,
  readSubnet,
} from './network-resources.ts';
import {
  type FoundResource,
  keyOf,
  keyOfId,
  keyOfNames,
  isSameResource,
  type Reference,
  referenceOf,
  type ResourceKey,
  ResourceType,
} from './resource.ts';
import { type ReadGroup, readSecurityGroups } from './security-groups.ts';
import { valueOf } from './template-values.ts';

export interface DeployedSubnet {
  readonly subnet: ReadSubnet;
  group: Reference | undefined;
}

export interface DeployedNetwork {
  readonly network: ReadNetwork;
  readonly key: ResourceKey | undefined;
  readonly subnets: DeployedSubnet[];
  readonly peerings: ReadPeering[];
}

export interface DeployedInterface {
  readonly nic: ReadInterface;
  group: Reference | undefined;
  readonly asgs: Reference[];
}

export interface Deployment {
  readonly groups: NameTable<ReadGroup>;
  readonly networks: readonly DeployedNetwork[];
  readonly interfaces: NameTable<DeployedInterface>;
  readonly asgs: NameTable<FoundResource | undefined>;
}

function ofType(resources: readonly FoundResource[], type: ResourceType): FoundResource[] {
  return resources.filter((resource) => resource.type === type);
}

/** Reads and joins what was found. Problems of a file go to the list that its resources carry; `problems` is for all. */
export function readDeployment(
  resources: readonly FoundResource[],
  problems: ProblemList,
): Deployment {
  const networks = readNetworks(resources);
  const deployment: Deployment = {
    groups: readGroupTable(resources, problems),
    networks,
    interfaces: readInterfaceTable(resources, problems),
    asgs: new NameTable('application security group', problems),
  };
  for (const resource of ofType(resources, ResourceType.ApplicationSecurityGroup)) {
    const name = resource.names?.at(-1);
    const key = keyOf(resource);
    if (name === undefined) reportNameless(resource);
    else if (deployment.asgs.same(key) === undefined) {
      deployment.asgs.add(name, key, resource, resource.at);
    }
  }
  for (const association of ofType(resources, ResourceType.GroupAssociation)) {
    associateGroup(association, deployment);
  }
  for (const association of ofType(resources, ResourceType.AsgAssociation)) {
    associateAsg(association, deployment);
  }
  return deployment;
}

/** An expression that cannot be known is reported already. */
function reportNameless({ map, context }: FoundResource): void {
  if (valueOf(map, 'name') !== undefined) return;
  const message = 'an application security group needs a name';
  context.problems.error(map.at, 'MissingProperty', message);
}

function readGroupTable(
  resources: readonly FoundResource[],
  problems: ProblemList,
): NameTable<ReadGroup> {
  const table = new NameTable<ReadGroup>('network security group', problems);
  for (const read of readSecurityGroups(resources)) {
    const key = keyOf(read.resource) ?? keyOfNames(ResourceType.SecurityGroup, [read.group.name]);
    const same = table.same(key);
    if (same === undefined) table.add(read.group.name, key, read, read.group.position);
    else if (rulesText(same.group) !== rulesText(read.group)) {
      const message =
        `the network security group ${quote(read.group.name)} is also at ` +
        `${formatPosition(same.group.position)}, with other rules`;
      problems.error(read.group.position, 'DuplicateResource', message);
    }
  }
  return table;
}

function rulesText({ rules }: NetworkSecurityGroup): string {
  const texts = rules.map((rule) => [nameKey(rule.name), ruleProperties(rule, (asg) => asg.name)]);
  return JSON.stringify(texts.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)));
}

function readInterfaceTable(
  resources: readonly FoundResource[],
  problems: ProblemList,
): NameTable<DeployedInterface> {
  const table = new NameTable<DeployedInterface>('network interface', problems);
  for (const resource of ofType(resources, ResourceType.NetworkInterface)) {
    const nic = readInterface(resource);
    const key = keyOf(resource);
    if (nic === undefined || table.same(key) !== undefined) continue;
    const value = { nic, group: nic.group, asgs: [...nic.asgs] };
    table.add(nic.name, key, value, resource.at);
  }
  return table;
}

/** Networks with the subnets and peerings that stand outside them. A network may be in several files, in part. */
function readNetworks(resources: readonly FoundResource[]): DeployedNetwork[] {
  const networks: DeployedNetwork[] = [];
  const find = (key: ResourceKey): DeployedNetwork | undefined =>
    networks.find((network) => network.key !== undefined && isSameResource(network.key, key));
  for (const resource of ofType(resources, ResourceType.VirtualNetwork)) {
    const network = readNetwork(resource);
    if (network === undefined) continue;
    const key = keyOf(resource) ?? keyOfNames(ResourceType.VirtualNetwork, [network.name]);
    let deployed = find(key);
    if (deployed === undefined) {
      deployed = { network, key, subnets: [], peerings: [] };
      networks.push(deployed);
    }
    for (const subnet of network.subnets) addSubnet(deployed, subnet);
    deployed.peerings.push(...network.peerings);
  }
  for (const resource of ofType(resources, ResourceType.Subnet)) {
    const subnet = readSubnet(resource);
    const owner = ownerOf(resource, find);
    if (subnet !== undefined && owner !== undefined) addSubnet(owner, subnet);
  }
  for (const resource of ofType(resources, ResourceType.Peering)) {
    const peering = readPeering(resource);
    const owner = ownerOf(resource, find);
    if (peering !== undefined && owner !== undefined) owner.peerings.push(peering);
  }
  return networks;
}

/** The network that a subnet or peering belongs to. */
function ownerOf(
  resource: FoundResource,
  find: (key: ResourceKey) => DeployedNetwork | undefined,
): DeployedNetwork | undefined {
  const key = keyOf(resource);
  if (key === undefined) return undefined;
  const path = key.path.split('/').slice(0, -2).join('/');
  const owner = find({ ...key, path });
  if (owner === undefined) {
    const name = quote(path.slice(path.lastIndexOf('/') + 1));
    const message = `its virtual network ${name} is not in the files; export it too: az network vnet show -o json`;
    resource.context.problems.error(resource.at, 'ParentResourceNotFound', message);
  }
  return owner;
}

/** A template deploys a subnet within its network and once more alone; the later one has the last word. */
function addSubnet(network: DeployedNetwork, subnet: ReadSubnet): void {
  const index = network.subnets.findIndex(
    (other) => nameKey(other.subnet.name) === nameKey(subnet.name),
  );
  const deployed = { subnet, group: subnet.group };
  if (index === -1) network.subnets.push(deployed);
  else network.subnets[index] = deployed;
}

function associateGroup({ map, context, at }: FoundResource, deployment: Deployment): void {
  const parts = valueOf(map, 'properties') ?? map;
  const target = referenceOf(valueOf(parts, 'target'), context);
  const group = referenceOf(valueOf(parts, 'networkSecurityGroup'), context);
  if (target === undefined || group === undefined) return;
  const found =
    findSubnet(target, deployment.networks)?.deployed ?? deployment.interfaces.find(target)?.value;
  if (found === undefined) reportMissing(target, 'subnet or network interface', context.problems);
  else if (found.group !== undefined && keyOfId(found.group.id).path !== keyOfId(group.id).path) {
    const message = `${quote(target.id)} has another network security group already`;
    context.problems.error(at, 'DuplicateResource', message);
  } else found.group = group;
}

function associateAsg({ map, context }: FoundResource, deployment: Deployment): void {
  const parts = valueOf(map, 'properties') ?? map;
  const target = referenceOf(valueOf(parts, 'target'), context);
  const asg = referenceOf(valueOf(parts, 'applicationSecurityGroup'), context);
  if (target === undefined || asg === undefined) return;
  const found = deployment.interfaces.find(target)?.value;
  if (found === undefined) reportMissing(target, 'network interface', context.problems);
  else found.asgs.push(asg);
}

export function reportMissing({ id, at }: Reference, what: string, problems: ProblemList): void {
  const message = `the ${what} ${quote(id)} is not in the files; export it too`;
  problems.error(at, 'InvalidResourceReference', message);
}

/** The subnet of an id, and its network. */
export function findSubnet(
  { id }: Reference,
  networks: readonly DeployedNetwork[],
): { readonly network: DeployedNetwork; readonly deployed: DeployedSubnet } | undefined {
  const key = keyOfId(id);
  const [path, name] = key.path.split('/subnets/');
  const owner = { ...key, path: path ?? '' };
  for (const network of networks) {
    if (network.key === undefined || !isSameResource(network.key, owner)) continue;
    const deployed = network.subnets.find(({ subnet }) => nameKey(subnet.name) === name);
    if (deployed !== undefined) return { network, deployed };
  }
  return undefined;
}
