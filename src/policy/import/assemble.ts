/**
 * Turns a deployment into the sections of a configuration: one virtual network with its subnets, groups, and network
 * interfaces, every reference by name.
 *
 * Codes: SeveralVirtualNetworks, VirtualNetworkNotFound, PeeredNetworkUnknown, InvalidResourceReference,
 * MissingAddresses, NetworkInterfaceNotFound, and as warnings AddressUnknown, NetworkInterfaceLeftOut,
 * NoNetworkInterface.
 */
import { type AzureObject, ruleProperties } from '../export/azure-rule.ts';
import { formatPrefix, parsePrefix } from '../address.ts';
import { macAddressText } from '../export/azure-tags.ts';
import { nameKey, nearestName } from '../names.ts';
import { type Position, type ProblemList, quote } from '../problem.ts';
import type { SecurityRule } from '../security-rule.ts';
import {
  type DeployedInterface,
  type DeployedNetwork,
  type Deployment,
  findSubnet,
  reportMissing,
} from './deployment.ts';
import type { ReadPeering, WrittenText } from './network-resources.ts';
import { type FoundResource, isSameResource, keyOfId, type Reference } from './resource.ts';

export interface AssemblyOptions {
  /** Which virtual network, when there are several. */
  readonly virtualNetwork: string | undefined;
  /** Addresses of network interfaces, by name without case: those that Azure hands out and no file says. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Path of the published service tags, for the configuration. */
  readonly serviceTags: string | undefined;
}

/** Where a part of the configuration comes from. */
export interface Origin {
  /** Undefined for what import made up. */
  readonly at: Position | undefined;
  /** What to say of it beside the place: a resource id, or why it is there. */
  readonly note: string | undefined;
  /** Where the value of a property stands, for those that stand elsewhere than the whole. */
  readonly placeOf?: (key: string) => Position;
}

export interface Assembly {
  readonly sections: AzureObject;
  /** Of the maps in `sections`. */
  readonly origins: ReadonlyMap<object, Origin>;
}

export function assemble(
  deployment: Deployment,
  options: AssemblyOptions,
  problems: ProblemList,
): Assembly {
  return new Assembler(deployment, options, problems).assemble();
}

/** The subnet of an interface that another virtual network has. */
const ELSEWHERE = Symbol('elsewhere');

class Assembler {
  readonly #deployment: Deployment;
  readonly #options: AssemblyOptions;
  readonly #problems: ProblemList;
  readonly #origins = new Map<object, Origin>();
  readonly #network: DeployedNetwork | undefined;
  /** False when it is not clear which network is meant: then nothing can be said of interfaces. */
  #isNetworkKnown = true;

  constructor(deployment: Deployment, options: AssemblyOptions, problems: ProblemList) {
    this.#deployment = deployment;
    this.#options = options;
    this.#problems = problems;
    this.#network = this.#chooseNetwork();
  }

  assemble(): Assembly {
    const { serviceTags } = this.#options;
    const network = this.#network && this.#virtualNetwork(this.#network);
    const groups = this.#deployment.groups.entries.map(({ name, value }) => {
      const { group, resource } = value;
      const rules = group.rules.map((rule) => this.#rule(rule));
      const flush = group.flushConnection ? { flushConnection: true } : {};
      return this.#of(resource, { name, ...flush, securityRules: rules });
    });
    const nics = this.#isNetworkKnown ? this.#networkInterfaces() : [];
    const asgs = this.#deployment.asgs.entries.map(({ name, value }) =>
      value === undefined
        ? this.#from(undefined, 'rules or network interfaces name it', { name })
        : this.#of(value, { name }),
    );
    const sections: AzureObject = {
      ...(network === undefined ? {} : { virtualNetwork: network }),
      ...(asgs.length === 0 ? {} : { applicationSecurityGroups: asgs }),
      ...(groups.length === 0 ? {} : { networkSecurityGroups: groups }),
      ...(nics.length === 0 ? {} : { networkInterfaces: nics }),
      ...(serviceTags === undefined ? {} : { serviceTags: { file: serviceTags } }),
    };
    return { sections, origins: this.#origins };
  }

  #rule(rule: SecurityRule): AzureObject {
    const value = {
      name: rule.name,
      ...ruleProperties(rule, (asg) => this.#asgName({ id: asg.id ?? asg.name, at: asg.at })),
    };
    const { positions } = rule;
    this.#origins.set(value, {
      at: positions.name,
      note: undefined,
      placeOf: (key) => {
        const isPort = key.includes('PortRange');
        if (key.startsWith('source')) return isPort ? positions.sourcePorts : positions.source;
        if (!key.startsWith('destination')) return positions.name;
        return isPort ? positions.destinationPorts : positions.destination;
      },
    });
    return value;
  }

  #of(resource: FoundResource, value: AzureObject): AzureObject {
    return this.#from(resource.at, resource.label, value);
  }

  #from(at: Position | undefined, note: string | undefined, value: AzureObject): AzureObject {
    this.#origins.set(value, { at, note });
    return value;
  }

  #chooseNetwork(): DeployedNetwork | undefined {
    const { networks } = this.#deployment;
    const wanted = this.#options.virtualNetwork;
    const names = networks.map(({ network }) => network.name);
    const [first, second] = networks;
    if (wanted !== undefined) {
      const found = networks.find(({ network }) => nameKey(network.name) === nameKey(wanted));
      if (found !== undefined) return found;
      this.#isNetworkKnown = false;
      const nearest = nearestName(wanted, names);
      const hint = nearest === undefined ? names.join(', ') || 'none' : nearest;
      const message = `there is no virtual network ${quote(wanted)} in the files; they have ${hint}`;
      this.#problems.error(NOWHERE, 'VirtualNetworkNotFound', message);
      return undefined;
    }
    if (second !== undefined) {
      this.#isNetworkKnown = false;
      const message =
        'a configuration is of one virtual network, and the files have several; ' +
        `choose with --virtual-network: ${names.join(', ')}`;
      this.#problems.error(second.network.resource.at, 'SeveralVirtualNetworks', message);
    }
    return first;
  }

  #virtualNetwork(deployed: DeployedNetwork): AzureObject {
    const { network, subnets } = deployed;
    const connected = [
      ...network.connectedPrefixes.map(canonical),
      ...deployed.peerings.flatMap((peering) => this.#peeredPrefixes(peering)),
    ];
    const minutes = network.flowTimeoutInMinutes;
    const inner = subnets.map(({ subnet, group }) =>
      this.#of(subnet.resource, {
        name: subnet.name,
        addressPrefixes: subnet.prefixes.map(canonical),
        ...this.#groupOf(group),
      }),
    );
    return this.#of(network.resource, {
      name: network.name,
      addressSpace: network.prefixes.map(canonical),
      ...(connected.length === 0 ? {} : { connectedAddressSpaces: [...new Set(connected)] }),
      ...(minutes === undefined ? {} : { flowTimeoutInMinutes: minutes }),
      ...(inner.length === 0 ? {} : { subnets: inner }),
    });
  }

  /** The address space of the network at the other end, from its own file or as Azure last saw it. */
  #peeredPrefixes({ resource, remoteNetwork, remotePrefixes }: ReadPeering): string[] {
    const key = remoteNetwork && keyOfId(remoteNetwork.id);
    const remote = this.#deployment.networks.find(
      (other) => key !== undefined && other.key !== undefined && isSameResource(other.key, key),
    );
    const prefixes = remote?.network.prefixes ?? remotePrefixes;
    if (prefixes.length > 0) return prefixes.map(canonical);
    const message =
      `the address space of the peered network ${quote(remoteNetwork?.id ?? '?')} is not in the files: the tag ` +
      'VirtualNetwork would lack it; export that network too';
    this.#problems.error(remoteNetwork?.at ?? resource.at, 'PeeredNetworkUnknown', message);
    return [];
  }

  #groupOf(reference: Reference | undefined): AzureObject {
    if (reference === undefined) return {};
    const found = this.#deployment.groups.find(reference);
    if (found === undefined) {
      reportMissing(reference, 'network security group', this.#problems);
      return {};
    }
    return { networkSecurityGroup: found.name };
  }

  /** A group that no file has is one without properties, as all are, and still has its members. */
  #asgName(reference: Reference): string {
    const { asgs } = this.#deployment;
    const found = asgs.find(reference);
    if (found !== undefined) return found.name;
    const name = reference.id.slice(reference.id.lastIndexOf('/') + 1);
    return asgs.add(name, keyOfId(reference.id), undefined, reference.at);
  }

  #networkInterfaces(): AzureObject[] {
    const { entries } = this.#deployment.interfaces;
    const unknown = new Set(this.#options.addresses.keys());
    const nics = entries.flatMap(({ name, value }): AzureObject[] => {
      unknown.delete(nameKey(name));
      const nic = this.#networkInterface(name, value);
      return nic === undefined ? [] : [nic];
    });
    const names = entries.map(({ name }) => name);
    for (const name of unknown) {
      const nearest = nearestName(name, names);
      const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
      const message = `--address names the network interface ${quote(name)}, which is not in the files${hint}`;
      this.#problems.error(NOWHERE, 'NetworkInterfaceNotFound', message);
    }
    return nics.length === 0 ? this.#standIns() : nics;
  }

  #networkInterface(name: string, deployed: DeployedInterface): AzureObject | undefined {
    const { nic, group, asgs } = deployed;
    const subnet = this.#subnetOf(name, deployed);
    if (subnet === ELSEWHERE) return undefined;
    const groups = [...new Set(asgs.map((asg) => this.#asgName(asg)))];
    const given = this.#options.addresses.get(nameKey(name));
    const addresses = sortedAddresses(given ?? nic.addresses.map(({ text }) => text));
    if (addresses.length === 0) this.#reportAddresses(name, deployed);
    return this.#of(nic.resource, {
      name,
      ...(subnet === undefined ? {} : { subnet }),
      ...(addresses.length === 0 ? {} : { addresses }),
      ...this.#groupOf(group),
      ...(groups.length === 0 ? {} : { applicationSecurityGroups: groups }),
      ...(nic.macAddress === undefined ? {} : { macAddress: macAddressText(nic.macAddress) }),
    });
  }

  #subnetOf(name: string, { nic }: DeployedInterface): string | typeof ELSEWHERE | undefined {
    if (nic.subnet === undefined) return undefined;
    const found = findSubnet(nic.subnet, this.#deployment.networks);
    if (found === undefined) {
      reportMissing(nic.subnet, 'subnet', this.#problems);
      return undefined;
    }
    if (found.network === this.#network) return found.deployed.subnet.name;
    const message =
      `the network interface ${quote(name)} is left out: it is in the virtual network ` +
      quote(found.network.network.name);
    this.#problems.warning(nic.resource.at, 'NetworkInterfaceLeftOut', message);
    return ELSEWHERE;
  }

  #reportAddresses(name: string, { nic, asgs }: DeployedInterface): void {
    const hint = `Azure assigns the address of ${quote(name)}; give it with --address ${name}=ADDRESS`;
    if (asgs.length > 0) {
      const message = `${hint}: rules that name its application security groups match it by address`;
      this.#problems.error(nic.resource.at, 'MissingAddresses', message);
    } else this.#problems.warning(nic.resource.at, 'AddressUnknown', hint);
  }

  /** Without any interface no rule could be asked: one for each subnet with a group, and each group without one. */
  #standIns(): AzureObject[] {
    const attached = new Set<string>();
    const standIns: AzureObject[] = [];
    const names: string[] = [];
    const add = (name: string, place: AzureObject): void => {
      const note = 'no file has a network interface; this one stands for any in its place';
      names.push(`${name.slice(0, 76)}-nic`);
      standIns.push(this.#from(undefined, note, { name: names.at(-1) ?? name, ...place }));
    };
    for (const { subnet, group } of this.#network?.subnets ?? []) {
      const found = group && this.#deployment.groups.find(group);
      if (found === undefined) continue;
      attached.add(found.name);
      add(subnet.name, { subnet: subnet.name });
    }
    for (const { name } of this.#deployment.groups.entries) {
      if (!attached.has(name)) add(name, { networkSecurityGroup: name });
    }
    if (standIns.length > 0) {
      const message = `no network interface is in the files; added for evaluation: ${names.join(', ')}`;
      this.#problems.warning(NOWHERE, 'NoNetworkInterface', message);
    }
    return standIns;
  }
}

/** As exports print it, so that exporting and importing again changes nothing. */
function canonical({ text }: WrittenText): string {
  const prefix = parsePrefix(text);
  return typeof prefix === 'string' ? text : formatPrefix(prefix);
}

/** IPv4 before IPv6, by number; what is no address stands first, to be complained of. */
function sortedAddresses(texts: readonly string[]): string[] {
  const keyed = texts.map((text) => ({ text, prefix: parsePrefix(text) }));
  const rank = ({ prefix }: (typeof keyed)[number]): readonly [number, bigint] =>
    typeof prefix === 'string' ? [0, 0n] : [prefix.family, BigInt(prefix.low)];
  const sorted = keyed.toSorted((a, b) => {
    const [[familyA, lowA], [familyB, lowB]] = [rank(a), rank(b)];
    return familyA - familyB || (lowA < lowB ? -1 : lowA > lowB ? 1 : 0);
  });
  return sorted.map(({ text, prefix }) =>
    typeof prefix === 'string' ? text : formatPrefix(prefix).replace(/\/\d+$/, ''),
  );
}

/** Of what is wrong with the files together, or with an option. */
const NOWHERE: Position = Object.freeze({ file: '(import)', line: 1, column: 1 });
