/**
 * A small network with nsgd's wire in the middle, as Azure's looks to a virtual machine:
 *
 *     internet --- router === outside [ nsgd ] inside === switch --+-- vm1
 *     203.0.113.10                                                 +-- vm2 ...
 *
 * Every VM has its address alone (/32, /128) and sends everything to its subnet's gateway, which is the router; the
 * switch keeps its VM ports isolated from each other. So a packet from VM to VM crosses the wire twice, outbound and
 * inbound, also inside one subnet: as in Azure, where the filter is at each NIC.
 *
 * All ends of the wire's cables have offloads off, unless the plan says so: nsgd sees frames as a cable carries them.
 */
import { disableOffloads, type Lab } from './lab.ts';
import { connect, type NetworkNamespace } from './network-namespace.ts';
import type { Peer } from './peer-client.ts';

export interface VirtualMachine {
  readonly name: string;
  /** The first of each family is its source address. */
  readonly addresses: readonly string[];
  /** The first address of its subnet, one for each family it has. */
  readonly gateways: readonly string[];
}

export interface NetworkPlan {
  readonly machines: readonly VirtualMachine[];
  /** Leave the offloads of the neighbours of nsgd's interfaces on, as a host with veth has them. */
  readonly hasOffloads?: boolean;
}

export interface Host {
  readonly namespace: NetworkNamespace;
  readonly peer: Peer;
}

export interface Network {
  readonly internet: Host;
  readonly router: NetworkNamespace;
  /** Where nsgd runs: holds the interfaces OUTSIDE and INSIDE, and no address. */
  readonly filter: NetworkNamespace;
  readonly switch: NetworkNamespace;
  readonly machines: ReadonlyMap<string, Host>;
}

export const OUTSIDE = 'out0';
export const INSIDE = 'in0';
/** Documentation addresses (RFC 5737, RFC 3849) stand for the Internet. */
export const INTERNET_IPV4 = '203.0.113.10';
export const INTERNET_IPV6 = '2001:db8:ffff::10';

const ROUTER_IPV4 = '203.0.113.1';
const ROUTER_IPV6 = '2001:db8:ffff::1';
const ROUTER_WIRE = 'wire0';
const SWITCH_WIRE = 'wire0';
const BRIDGE = 'br0';

export function buildNetwork(lab: Lab, plan: NetworkPlan): Network {
  const ipv6 = plan.machines.some(({ addresses }) => addresses.some(isIpv6));
  const internet = lab.namespace('internet', { ipv6 });
  const router = lab.namespace('router', { ipv6 });
  const filter = lab.namespace('nsgd');
  const fabric = lab.namespace('switch');
  lab.makeRouter(router, { ipv6 });
  connect([internet, 'eth0'], [router, 'eth0']);
  connect([router, ROUTER_WIRE], [filter, OUTSIDE]);
  connect([filter, INSIDE], [fabric, SWITCH_WIRE]);
  // With snooping the bridge itself joins a group (RFC 4286), and says so from 0.0.0.0: a frame that no machine sent.
  fabric.ip('link', 'add', BRIDGE, 'type', 'bridge', 'mcast_snooping', '0');
  fabric.ip('link', 'set', BRIDGE, 'up');
  fabric.ip('link', 'set', SWITCH_WIRE, 'master', BRIDGE);
  if (plan.hasOffloads !== true) {
    disableOffloads(router, ROUTER_WIRE);
    disableOffloads(fabric, SWITCH_WIRE);
  }

  addAddress(internet, 'eth0', `${INTERNET_IPV4}/24`);
  addAddress(router, 'eth0', `${ROUTER_IPV4}/24`);
  internet.ip('route', 'add', 'default', 'via', ROUTER_IPV4);
  if (ipv6) {
    addAddress(internet, 'eth0', `${INTERNET_IPV6}/64`);
    addAddress(router, 'eth0', `${ROUTER_IPV6}/64`);
    internet.ip('-6', 'route', 'add', 'default', 'via', ROUTER_IPV6);
  }
  const gateways = new Set(plan.machines.flatMap((machine) => machine.gateways));
  for (const gateway of gateways) {
    addAddress(router, ROUTER_WIRE, `${gateway}/${isIpv6(gateway) ? 128 : 32}`);
  }

  const machines = new Map<string, Host>();
  plan.machines.forEach((machine, index) => {
    const namespace = lab.namespace(machine.name, { ipv6 });
    const port = `port${index}`;
    connect([namespace, 'eth0'], [fabric, port]);
    fabric.ip('link', 'set', port, 'master', BRIDGE);
    fabric.run('bridge', 'link', 'set', 'dev', port, 'isolated', 'on');
    addMachine(machine, namespace, router);
    machines.set(machine.name, { namespace, peer: lab.peer(namespace) });
  });
  return {
    internet: { namespace: internet, peer: lab.peer(internet) },
    router,
    filter,
    switch: fabric,
    machines,
  };
}

/** The host of that name; a name the plan does not have is a mistake in the test. */
export function hostOf(network: Network, name: string): Host {
  const host = name === 'internet' ? network.internet : network.machines.get(name);
  if (host === undefined) throw new Error(`no machine named ${name}`);
  return host;
}

function addMachine(
  { addresses, gateways }: VirtualMachine,
  namespace: NetworkNamespace,
  router: NetworkNamespace,
): void {
  for (const address of addresses) {
    const isSix = isIpv6(address);
    addAddress(namespace, 'eth0', `${address}/${isSix ? 128 : 32}`);
    router.ip(isSix ? '-6' : '-4', 'route', 'replace', address, 'dev', ROUTER_WIRE);
  }
  for (const gateway of gateways) {
    const family = isIpv6(gateway) ? '-6' : '-4';
    const source = addresses.find((address) => isIpv6(address) === isIpv6(gateway));
    const route = ['default', 'via', gateway, 'dev', 'eth0', 'onlink'];
    if (source !== undefined) route.push('src', source);
    namespace.ip(family, 'route', 'add', ...route);
  }
}

function addAddress(namespace: NetworkNamespace, device: string, address: string): void {
  const isSix = isIpv6(address);
  namespace.ip('addr', 'add', address, 'dev', device, ...(isSix ? ['nodad'] : []));
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}
