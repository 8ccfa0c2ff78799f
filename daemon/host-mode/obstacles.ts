/**
 * What stands in the way of host mode on an interface, asked before anything is changed. Everything at once, each with the
 * way out.
 */
import { isDeviceName } from '../native/network-device.ts';
import { isLabelPossible, readSnapshot, type Snapshot, UnknownAttributeError } from './snapshot.ts';
import type { HostSystem } from './system.ts';

/** The interfaces of a wire in host mode. */
export interface HostInterfaces {
  /** The network interface: `outside` of the wire. */
  readonly nic: string;
  readonly host: string;
  readonly inside: string;
  readonly bridge: string;
}

/** What `ip -j -d link show` says of one interface, as far as it matters here. */
export interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly link_type: string;
  readonly address: string;
  readonly master?: string;
  /** Of a child, its parent; of a veth, its peer. */
  readonly link?: string;
  readonly xdp?: unknown;
  readonly inet6_addr_gen_mode?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

interface PolicyRule {
  readonly priority: number;
  readonly iif?: string;
  readonly oif?: string;
}

export function readLinks(system: HostSystem): Link[] {
  return system.ipJson(['-d', 'link', 'show']) as Link[];
}

/** Everything that would be lost or would not work; empty when the interface can be attached. */
export function obstacles(system: HostSystem, names: HostInterfaces): string[] {
  const { nic } = names;
  if (!isDeviceName(nic)) return [`"${nic}" cannot be the name of an interface`];
  const links = readLinks(system);
  const link = links.find(({ ifname }) => ifname === nic);
  if (link === undefined) return [`there is no interface ${nic}`];
  if (link.link_type !== 'ether') {
    return [`${nic} is no Ethernet interface (it is ${link.link_type}); host mode is for those`];
  }
  return [
    ...linkObstacles(link),
    ...neighbourLinks(links, names),
    ...ruleObstacles(system, nic),
    ...snapshotObstacles(system, names),
  ];
}

function linkObstacles(link: Link): string[] {
  const found: string[] = [];
  const { ifname } = link;
  if (!link.flags.includes('UP')) found.push(`${ifname} is down; ip link set dev ${ifname} up`);
  if (link.master !== undefined) {
    found.push(
      `${ifname} is a member of ${link.master}; attach ${link.master}, or take it out of there`,
    );
  }
  if (link.xdp !== undefined) {
    found.push(
      `${ifname} has an XDP program of somebody else; see "bpftool net", and take that off`,
    );
  }
  return found;
}

/** Interfaces on top of the NIC, whose frames would not pass the wire, and names that are taken. */
function neighbourLinks(links: readonly Link[], names: HostInterfaces): string[] {
  const children = links.filter(
    ({ link, linkinfo }) => link === names.nic && linkinfo?.info_kind !== 'veth',
  );
  const made = new Set([names.host, names.inside, names.bridge]);
  const taken = links.filter(({ ifname }) => made.has(ifname));
  return [
    ...children.map(
      ({ ifname, linkinfo }) =>
        `${ifname} (${linkinfo?.info_kind ?? 'an interface'}) is on top of ${names.nic}; its traffic would pass beside nsgd, so remove it first`,
    ),
    ...taken.map(
      ({ ifname }) =>
        `there is an interface ${ifname} already; remove it, or choose another name in the configuration`,
    ),
  ];
}

/** Policy routing that names the NIC: the rule would no longer match. */
function ruleObstacles(system: HostSystem, nic: string): string[] {
  return ['-4', '-6'].flatMap((family) => {
    const rules = system.ipJson([family, 'rule', 'show']) as PolicyRule[];
    return rules
      .filter(({ iif, oif }) => iif === nic || oif === nic)
      .map(
        ({ priority, iif }) =>
          `the routing rule ${priority} of "ip ${family} rule" names ${nic} as ${iif === nic ? 'iif' : 'oif'}; it would not match any more, so rewrite it by address first`,
      );
  });
}

function snapshotObstacles(system: HostSystem, { nic, host }: HostInterfaces): string[] {
  let snapshot: Snapshot;
  try {
    snapshot = readSnapshot(system, nic);
  } catch (error) {
    if (error instanceof UnknownAttributeError) return [error.message];
    throw error;
  }
  const proxies = system.ipJson(['neigh', 'show', 'proxy', 'dev', nic]);
  return [
    ...snapshot.addresses
      .filter((address) => !isLabelPossible(address, nic, host))
      .map(
        ({ local, label }) =>
          `the label ${label ?? ''} of ${local} does not fit an interface named ${host}; choose a shorter name for it`,
      ),
    ...(proxies.length > 0 ? [`${nic} answers for neighbours (ip neigh show proxy)`] : []),
  ];
}
