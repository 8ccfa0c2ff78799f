/**
 * A bed with hosts at both ends: the daemon with 1,000 rules between a network of real TCP stacks (test/helpers/network.ts),
 * so that what goes on beside a load can be watched, not only what becomes of the load.
 */
import { fileURLToPath } from 'node:url';
import { processUsage } from '../daemon/process-usage.ts';
import type { WireStatus } from '../daemon/status.ts';
import { TestDaemon } from '../test/helpers/daemon.ts';
import { Lab } from '../test/helpers/lab.ts';
import { buildNetwork, hostOf, INSIDE, type Network, OUTSIDE } from '../test/helpers/network.ts';
import type { Peer } from '../test/helpers/peer-client.ts';
import type { FloodLoadArguments } from './overload/flood-load.ts';
import { PRIORITY } from './peers/nsgd.ts';
import { LOCAL, type TrialRule, trialRules } from './rules/trial-policy.ts';

export const RULES = 1000;
/** The router's end of the cable to the wire: what comes from the network comes from here. */
const NETWORK_DEVICE = 'wire0';
const LOAD_CORE = '0';

/** @param rules of the group; one less is a change for a reload */
export function policy(settings: Readonly<Record<string, unknown>>, rules = RULES): string {
  return JSON.stringify({
    virtualNetwork: { addressSpace: ['10.0.0.0/16'] },
    networkSecurityGroups: [{ name: 'nsg', securityRules: trialRules(rules, 4).map(securityRule) }],
    networkInterfaces: [
      { name: 'vm1', addresses: [LOCAL[4]], networkSecurityGroup: 'nsg', wire: 'wire0' },
    ],
    wires: [{ name: 'wire0', outside: OUTSIDE, inside: INSIDE, backend: 'af-xdp' }],
    ...settings,
  });
}

function securityRule({ name, access, protocol, source, ports }: TrialRule, index: number): object {
  return {
    name,
    priority: 100 + index,
    direction: 'Inbound',
    access,
    protocol,
    sourceAddressPrefix: source,
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: ports[0] === ports[1] ? String(ports[0]) : ports.join('-'),
  };
}

export interface Bed {
  readonly lab: Lab;
  readonly network: Network;
  readonly daemon: TestDaemon;
}

export async function buildBed(): Promise<Bed> {
  const lab = new Lab();
  const network = buildNetwork(lab, {
    machines: [{ name: 'vm1', addresses: [LOCAL[4]], gateways: ['10.0.1.1'] }],
  });
  const daemon = await TestDaemon.start(lab, network.filter, (settings) => policy(settings), {
    wrapper: PRIORITY,
  });
  return { lab, network, daemon };
}

export const internet = ({ network }: Bed): Peer => hostOf(network, 'internet').peer;

/**
 * Starts a flood from the network, on the core for loads.
 * @returns what waits for its end @throws Error from that, when it went wrong
 */
export function startFlood(
  { lab, network }: Bed,
  flood: Omit<FloodLoadArguments, 'device'>,
): () => Promise<void> {
  const request: FloodLoadArguments = { device: NETWORK_DEVICE, ...flood };
  const program = fileURLToPath(new URL('./overload/flood-load.js', import.meta.url));
  const command = ['taskset', '-c', LOAD_CORE, process.execPath, program] as const;
  const load = lab.spawn(network.router, 'flood', [...command, JSON.stringify(request)]);
  return async () => {
    if ((await load.exited) !== 'exit 0') throw new Error(`the flood: ${load.stderr}`);
  };
}

/** Frames that came from outside: those read, those the kernel dropped, those that got a verdict. */
export function inboundCounts({ interfaces, reasons }: WireStatus): [number, number, number] {
  const outside = interfaces.find(({ side }) => side === 'outside');
  const judged = reasons.reduce((sum, { inbound }) => sum + inbound, 0);
  return [outside?.framesIn ?? 0, outside?.kernelDrops ?? 0, judged];
}

/** Resident bytes. */
export function memoryOf(processId: number): number {
  const usage = processUsage(processId);
  if (usage === undefined) throw new Error(`there is no process ${processId}`);
  return usage.residentBytes;
}
