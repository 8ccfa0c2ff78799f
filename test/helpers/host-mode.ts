/**
 * A machine with one network interface, and the network that it hangs on:
 *
 *     network: eth0 --- eth0: machine [ nsgd when attached ]
 *     10.0.1.1, 2001:db8:1::1     10.0.1.4, 10.0.1.5, 2001:db8:1::4, link-local
 *
 * Every kind of address and route that host mode has to carry over is there.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, nsgdProgram } from './daemon.ts';
import type { Lab, LabProcess } from './lab.ts';
import { connect, type NetworkNamespace } from './network-namespace.ts';
import type { Peer } from './peer-client.ts';
import { readiness } from './readiness.ts';
import { waitFor } from './wait.ts';
import { spawnSync } from 'node:child_process';

export const NIC = 'eth0';
export const HOST_END = 'host0';
export const INSIDE_END = 'nsg0';
export const MACHINE_IPV4 = '10.0.1.4';
export const MACHINE_IPV6 = '2001:db8:1::4';
export const NETWORK_IPV4 = '10.0.1.1';
export const NETWORK_IPV6 = '2001:db8:1::1';
/** A permanent neighbour, which answers nothing. */
export const SILENT_NEIGHBOUR = '10.0.1.9';

type Row = Readonly<Record<string, unknown>>;

/** What an interface has, as `ip -j` prints it, without what changes by itself. */
export interface Dump {
  readonly links: readonly Row[];
  readonly addresses: readonly unknown[];
  readonly routes: readonly Row[];
  readonly neighbours: readonly Row[];
  readonly offloads: string;
  readonly settings: string;
}

export class HostLab {
  readonly network: NetworkNamespace;
  readonly machine: NetworkNamespace;
  readonly networkPeer: Peer;
  readonly machinePeer: Peer;
  readonly hostDirectory: string;
  readonly configurationFile: string;
  readonly socket: string;
  readonly #lab: Lab;

  constructor(lab: Lab, options: { readonly areOffloadsOn?: boolean } = {}) {
    this.#lab = lab;
    this.network = lab.namespace('network', { ipv6: true });
    this.machine = lab.namespace('machine', { ipv6: true });
    connect([this.network, NIC], [this.machine, NIC]);
    if (options.areOffloadsOn === false) {
      for (const namespace of [this.network, this.machine]) {
        namespace.run('ethtool', '-K', NIC, 'tx', 'off', 'gso', 'off', 'tso', 'off');
      }
    }
    for (const address of [`${NETWORK_IPV4}/24`, `${NETWORK_IPV6}/64`]) {
      const flags = address.includes(':') ? ['nodad'] : [];
      this.network.ip('addr', 'add', address, 'dev', NIC, ...flags);
    }
    configureMachine(this.machine);
    this.networkPeer = lab.peer(this.network);
    this.machinePeer = lab.peer(this.machine);
    this.hostDirectory = join(lab.directory, 'host');
    this.configurationFile = join(lab.directory, 'nsgd.json');
    this.socket = join(lab.directory, 'run', 'control.sock');
    mkdirSync(join(lab.directory, 'run'), { recursive: true, mode: 0o750 });
  }

  /** The policy lets in what is listed, and everything out. */
  configure(ports: readonly number[], wire: Row = {}): void {
    const rules = ports.map((port, index) => ({
      name: `Allow${port}`,
      priority: 200 + index,
      direction: 'Inbound',
      access: 'Allow',
      protocol: 'Tcp',
      sourceAddressPrefix: '*',
      sourcePortRange: '*',
      destinationAddressPrefix: '*',
      destinationPortRange: String(port),
    }));
    const any = {
      direction: 'Inbound',
      sourceAddressPrefix: '*',
      sourcePortRange: '*',
      destinationAddressPrefix: '*',
      destinationPortRange: '*',
    };
    writeFileSync(
      this.configurationFile,
      JSON.stringify({
        virtualNetwork: { addressSpace: ['10.0.0.0/16', '2001:db8:1::/64'] },
        networkSecurityGroups: [
          {
            name: 'nsg',
            securityRules: [
              ...rules,
              { ...any, name: 'AllowPing', priority: 100, access: 'Allow', protocol: 'Icmp' },
              { ...any, name: 'DenyOther', priority: 4096, access: 'Deny', protocol: '*' },
            ],
          },
        ],
        networkInterfaces: [{ name: 'nic0', networkSecurityGroup: 'nsg', wire: 'wire0' }],
        wires: [{ name: 'wire0', outside: NIC, inside: INSIDE_END, host: HOST_END, ...wire }],
        flowTable: { maxFlows: 4096 },
        metrics: { listen: '127.0.0.1:9469' },
        runtimeDirectory: join(this.socket, '..'),
        control: { socket: this.socket },
      }),
    );
  }

  /** Starts the daemon and waits until it answers. */
  async startDaemon(): Promise<LabProcess> {
    const command = [nsgdProgram, 'run', '--config', this.configurationFile] as const;
    const started = this.#lab.spawn(this.machine, 'nsgd', command);
    await waitFor('the daemon to answer', async () => {
      if (!started.isRunning) throw new Error(`nsgd ended\n${started.stderr}`);
      return (await readiness(this.socket)) === undefined ? undefined : true;
    });
    return started;
  }

  /** Starts `nsgd attach` and leaves it running. */
  attaching(...options: readonly string[]): LabProcess {
    return this.#lab.spawn(this.machine, 'attach', [nsgdProgram, ...this.attachWords(...options)]);
  }

  attach(...options: readonly string[]): CommandResult {
    return this.nsgd(...this.attachWords(...options));
  }

  attachWords(...options: readonly string[]): string[] {
    const folder = ['--host-directory', this.hostDirectory];
    return ['attach', NIC, '--config', this.configurationFile, ...folder, ...options];
  }

  /** How far the attachment is, by its file; undefined where there is none. */
  phase(): unknown {
    const path = join(this.hostDirectory, `${NIC}.json`);
    if (!existsSync(path)) return undefined;
    return (JSON.parse(readFileSync(path, 'utf8')) as Row)['phase'];
  }

  /** The machine's link-local address. */
  linkLocal(): string {
    const [, address] =
      /inet6 (fe80::[0-9a-f:]+)\//.exec(this.machine.ip('-6', 'addr', 'show')) ?? [];
    if (address === undefined) throw new Error('the machine has no link-local address');
    return address;
  }

  /** A command with the folder of attachments. */
  hostCommand(...words: readonly string[]): CommandResult {
    return this.nsgd(...words, '--host-directory', this.hostDirectory);
  }

  /** One command in the machine. */
  nsgd(...words: readonly string[]): CommandResult {
    const { status, stdout, stderr } = spawnSync(
      'ip',
      ['netns', 'exec', this.machine.name, nsgdProgram, ...words],
      { encoding: 'utf8', timeout: 60_000 },
    );
    return { status, stdout, stderr };
  }

  /** What the machine has, on all its interfaces. */
  dump(): Dump {
    const json = (...words: readonly string[]): Row[] =>
      JSON.parse(this.machine.ip('-j', ...words) || '[]') as Row[];
    const links = json('-d', 'addr', 'show');
    return {
      links: links.map(({ ifindex, ifname, mtu, address, operstate, flags, ...rest }) => ({
        ...{ ifindex, ifname, mtu, address, operstate, flags },
        ...{ master: rest['master'], xdp: rest['xdp'], mode: rest['inet6_addr_gen_mode'] },
      })),
      addresses: links.map(({ addr_info }) => addr_info),
      routes: ['-4', '-6'].flatMap((family) => json('-d', family, 'route', 'show', 'table', 'all')),
      neighbours: json('neigh', 'show', 'nud', 'permanent'),
      offloads: this.machine.run('ethtool', '-k', NIC),
      settings: this.machine.run('sysctl', '-a', '--pattern', `^net\\.ipv[46]\\.conf\\.${NIC}\\.`),
    };
  }
}

/** Addresses and routes of every kind. */
function configureMachine(machine: NetworkNamespace): void {
  const addresses = [
    ['10.0.1.4/24', 'broadcast', '10.0.1.255', 'label', NIC],
    ['10.0.1.5/24', 'broadcast', '10.0.1.255', 'label', `${NIC}:1`],
    ['10.9.0.1', 'peer', '10.9.0.2/32', 'scope', 'link'],
    ['10.8.0.1/24', 'noprefixroute', 'metric', '77'],
    ['2001:db8:1::4/64', 'nodad'],
    ['2001:db8:1::5/128', 'noprefixroute'],
  ];
  for (const words of addresses) machine.ip('addr', 'add', ...words, 'dev', NIC);
  const routes = [
    ['default', 'via', NETWORK_IPV4, 'proto', 'dhcp', 'src', MACHINE_IPV4, 'metric', '100'],
    ['default', 'via', '10.0.1.2', 'metric', '200', 'mtu', '1400'],
    ['10.8.0.0/24', 'scope', 'link', 'proto', 'static'],
    ['198.51.100.0/24', 'via', '172.16.9.9', 'onlink', 'table', '77'],
  ];
  for (const words of routes) machine.ip('route', 'add', ...words, 'dev', NIC);
  const routes6 = [
    ['default', 'via', NETWORK_IPV6, 'proto', 'static', 'metric', '512', 'pref', 'high'],
    ['2001:db8:77::/48', 'via', 'fe80::77', 'table', '77'],
  ];
  for (const words of routes6) machine.ip('-6', 'route', 'add', ...words, 'dev', NIC);
  machine.neighbour(SILENT_NEIGHBOUR, '02:00:00:00:00:09', NIC);
  machine.run('sysctl', '-qw', `net.ipv4.conf.${NIC}.arp_announce=2`);
}
