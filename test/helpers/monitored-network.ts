/**
 * A network with a machine behind nsgd, and everyday traffic through it: what dashboards are tried on and drawn from.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfigurationText, TestDaemon } from './daemon.ts';
import { rule, type RuleText } from './four-vms.ts';
import type { Lab } from './lab.ts';
import { buildNetwork, hostOf, INSIDE, INTERNET_IPV4, type Network, OUTSIDE } from './network.ts';

export const VM = '10.0.1.4';
/** An address of the machine that the policy does not know. */
const STRANGER = '10.0.1.99';
const TELNET = 23;
const UNSPOKEN_UDP = 9999;

const inbound = (name: string, priority: number, change: Partial<RuleText>): RuleText =>
  rule({ name, direction: 'Inbound', access: 'Allow', protocol: 'Tcp', priority, ...change });

/** What a web server has, and two rules that nothing ever hits. */
const EVERYDAY_RULES: readonly RuleText[] = [
  inbound('AllowHttp', 100, { destinationPortRange: '80' }),
  inbound('AllowHttps', 110, { destinationPortRange: '443' }),
  inbound('AllowPing', 120, { protocol: 'Icmp' }),
  inbound('DenyTelnet', 130, { access: 'Deny', destinationPortRange: String(TELNET) }),
  inbound('AllowLegacyFtp', 140, { destinationPortRange: '21' }),
  inbound('AllowLegacyPop3', 150, { destinationPortRange: '110' }),
];

/** @param extra more rules, which nothing hits, for ports from 20000 on */
export function monitoredPolicy(extra: number): ConfigurationText {
  const more = Array.from({ length: extra }, (_, n) =>
    inbound(`AllowService${n}`, 1000 + n, { destinationPortRange: String(20_000 + n) }),
  );
  return (settings) =>
    JSON.stringify({
      virtualNetwork: {
        addressSpace: ['10.0.0.0/16'],
        subnets: [{ name: 'web', addressPrefix: '10.0.1.0/24', networkSecurityGroup: 'web-nsg' }],
      },
      networkSecurityGroups: [{ name: 'web-nsg', securityRules: [...EVERYDAY_RULES, ...more] }],
      networkInterfaces: [{ name: 'web1', subnet: 'web', addresses: [VM], wire: 'uplink' }],
      wires: [{ name: 'uplink', outside: OUTSIDE, inside: INSIDE, backend: 'af-xdp' }],
      ...settings,
    });
}

export class MonitoredNetwork {
  readonly network: Network;
  readonly daemon: TestDaemon;

  private constructor(network: Network, daemon: TestDaemon) {
    this.network = network;
    this.daemon = daemon;
  }

  static async start(lab: Lab, policy: ConfigurationText): Promise<MonitoredNetwork> {
    const network = buildNetwork(lab, {
      machines: [{ name: 'web1', addresses: [VM], gateways: ['10.0.1.1'] }],
    });
    const daemon = await TestDaemon.start(lab, network.filter, policy);
    const { namespace, peer: machine } = hostOf(network, 'web1');
    namespace.ip('addr', 'add', `${STRANGER}/32`, 'dev', 'eth0');
    await machine.call('serveHttp', { port: 80, text: 'web1' });
    await machine.call('serveTcp', { port: 443 });
    await hostOf(network, 'internet').peer.call('serveUdp', { port: 53 });
    return new MonitoredNetwork(network, daemon);
  }

  /**
   * Downloads, short connections, names asked for, pings, and what the policy denies, by a rule and by none.
   * @param bytesPerSecond of the downloads, by seconds since the start
   */
  async traffic(seconds: number, bytesPerSecond: (elapsed: number) => number): Promise<void> {
    const start = performance.now();
    const end = start + seconds * 1000;
    const internet = hostOf(this.network, 'internet');
    const machine = hostOf(this.network, 'web1').peer;
    const until = async (pauseMs: number, act: () => Promise<unknown>): Promise<void> => {
      while (performance.now() < end) {
        await act();
        await sleep(pauseMs);
      }
    };
    internet.namespace.start('ping', '-q', '-i', '0.05', '-w', String(Math.ceil(seconds)), VM);
    await Promise.all([
      until(0, () => {
        const rate = bytesPerSecond((performance.now() - start) / 1000);
        const bytes = Math.ceil(rate / 2);
        return internet.peer.call('download', { address: VM, port: 80, bytes, rate });
      }),
      until(20, async () => {
        const { connection } = await internet.peer.call('connect', { address: VM, port: 443 });
        if (connection !== undefined) await internet.peer.call('disconnect', { connection });
      }),
      until(30, () => machine.call('askUdp', { address: INTERNET_IPV4, port: 53, tries: 1 })),
      until(0, () => internet.peer.call('connect', { address: VM, port: TELNET, timeoutMs: 200 })),
      until(200, () =>
        machine.call('askUdp', {
          address: INTERNET_IPV4,
          port: 53,
          localAddress: STRANGER,
          tries: 1,
          timeoutMs: 50,
        }),
      ),
      until(50, () =>
        internet.peer.call('askUdp', {
          address: VM,
          port: UNSPOKEN_UDP,
          tries: 1,
          timeoutMs: 50,
        }),
      ),
    ]);
  }
}
