/**
 * What the live demo tries, in order. The policy is in policy.ts; every line here follows from it.
 */
import { readFileSync } from 'node:fs';
import { type Host, INTERNET_IPV4 } from '../test/helpers/network.ts';
import type { TestDaemon } from '../test/helpers/daemon.ts';
import { waitFor, within } from '../test/helpers/wait.ts';
import { ANSWERED, curl, exchange, openTcp, ping, SILENCE, tcp, udp } from './actions.ts';
import { ALLOW_HTTP, demoConfiguration, VM1, VM2 } from './policy.ts';

const CLIENT_PORT = 50_000;
const TRANSFER_BYTES = 6_000_000;
const TRANSFER_BYTES_PER_SECOND = 3_000_000;
const TRANSFER_TIMEOUT_MS = 20_000;
const RESTART_TIMEOUT_MS = 5000;

/** The first packet of a flow as one of the two machines' interfaces meets it: what `nsgd verify` is asked. */
export interface Tuple {
  readonly direction: 'Inbound' | 'Outbound';
  readonly protocol: 'TCP' | 'UDP' | 'ICMP';
  readonly local: string;
  readonly remote: string;
}

export interface Stage {
  readonly daemon: TestDaemon;
  readonly internet: Host;
  readonly vm1: Host;
  readonly vm2: Host;
  /** A connection from the internet to vm1 that stays open across scenarios. */
  openConnection: number;
}

export interface Scenario {
  readonly what: string;
  readonly expected: string;
  /** Which rules decide, in the order in which the first packet meets them. */
  readonly decidedBy: readonly (readonly [Tuple, string])[];
  readonly act: (stage: Stage) => string | Promise<string>;
}

const DENIED_BY_DEFAULT = 'defaultSecurityRules/DenyAllInBound';

function inbound(
  protocol: Tuple['protocol'],
  address: string,
  port: number,
  from = INTERNET_IPV4,
): Tuple {
  const [local, remote] = [`${address}:${port}`, `${from}:${CLIENT_PORT}`];
  return { direction: 'Inbound', protocol, local, remote };
}

function outbound(protocol: Tuple['protocol'], address: string, to: string, port: number): Tuple {
  const [local, remote] = [`${address}:${CLIENT_PORT}`, `${to}:${port}`];
  return { direction: 'Outbound', protocol, local, remote };
}

export async function startServers({ internet, vm1, vm2 }: Stage): Promise<void> {
  await Promise.all([
    vm1.peer.call('serveHttp', { port: 80, text: 'hello from vm1' }),
    vm1.peer.call('serveTcp', { port: 22 }),
    vm1.peer.call('serveTcp', { port: 8080 }),
    vm1.peer.call('serveTcp', { port: 443 }),
    vm1.peer.call('serveUdp', { port: 5353 }),
    vm1.peer.call('serveUdp', { port: 9999 }),
    vm2.peer.call('serveTcp', { port: 5432 }),
    internet.peer.call('serveHttp', { port: 80, text: 'hello from the internet' }),
    internet.peer.call('serveUdp', { port: 53 }),
  ]);
}

const FROM_THE_INTERNET: readonly Scenario[] = [
  {
    what: 'internet: curl http://vm1/',
    expected: ANSWERED,
    decidedBy: [[inbound('TCP', VM1, 80), 'securityRules/AllowHttp']],
    act: ({ internet }) => curl(internet, `http://${VM1}/`),
  },
  {
    what: 'internet: ping vm1',
    expected: ANSWERED,
    decidedBy: [[inbound('ICMP', VM1, 0), 'securityRules/AllowPing']],
    act: ({ internet }) => ping(internet, VM1),
  },
  {
    what: 'internet: UDP to vm1 port 5353 and back',
    expected: ANSWERED,
    decidedBy: [[inbound('UDP', VM1, 5353), 'securityRules/AllowSensors']],
    act: ({ internet }) => udp(internet, VM1, 5353),
  },
  {
    what: 'internet: TCP to vm1 port 8080, denied by name',
    expected: SILENCE,
    decidedBy: [[inbound('TCP', VM1, 8080), 'securityRules/DenyAdmin']],
    act: ({ internet }) => tcp(internet, VM1, 8080),
  },
  {
    what: 'internet: TCP to vm1 port 22, no rule',
    expected: SILENCE,
    decidedBy: [[inbound('TCP', VM1, 22), DENIED_BY_DEFAULT]],
    act: ({ internet }) => tcp(internet, VM1, 22),
  },
  {
    what: 'internet: UDP to vm1 port 9999, no rule',
    expected: SILENCE,
    decidedBy: [[inbound('UDP', VM1, 9999), DENIED_BY_DEFAULT]],
    act: async ({ internet, vm1 }) => {
      const seen = await udp(internet, VM1, 9999);
      const { datagrams } = await vm1.peer.call('udpReceived', { port: 9999 });
      return datagrams === 0 ? seen : `${datagrams} datagrams arrived`;
    },
  },
  {
    what: 'internet: ping vm2, no rule',
    expected: SILENCE,
    decidedBy: [[inbound('ICMP', VM2, 0), DENIED_BY_DEFAULT]],
    act: ({ internet }) => ping(internet, VM2),
  },
];

const FROM_THE_MACHINES: readonly Scenario[] = [
  {
    what: 'vm1: curl http://internet/, the reply needs no rule',
    expected: ANSWERED,
    decidedBy: [
      [outbound('TCP', VM1, INTERNET_IPV4, 80), 'defaultSecurityRules/AllowInternetOutBound'],
    ],
    act: ({ vm1 }) => curl(vm1, `http://${INTERNET_IPV4}/`),
  },
  {
    what: 'vm1: UDP to internet port 53 and back',
    expected: ANSWERED,
    decidedBy: [
      [outbound('UDP', VM1, INTERNET_IPV4, 53), 'defaultSecurityRules/AllowInternetOutBound'],
    ],
    act: ({ vm1 }) => udp(vm1, INTERNET_IPV4, 53),
  },
  {
    what: 'vm2: curl http://internet/',
    expected: SILENCE,
    decidedBy: [[outbound('TCP', VM2, INTERNET_IPV4, 80), 'securityRules/DenyInternet']],
    act: ({ vm2 }) => curl(vm2, `http://${INTERNET_IPV4}/`),
  },
  {
    what: 'vm1: TCP to vm2 port 5432',
    expected: ANSWERED,
    decidedBy: [
      [outbound('TCP', VM1, VM2, 5432), 'defaultSecurityRules/AllowVnetOutBound'],
      [inbound('TCP', VM2, 5432, VM1), 'defaultSecurityRules/AllowVnetInBound'],
    ],
    act: ({ vm1 }) => tcp(vm1, VM2, 5432),
  },
];

const CHANGES: readonly Scenario[] = [
  {
    what: 'internet: a connection to vm1 port 443 is opened',
    expected: ANSWERED,
    decidedBy: [[inbound('TCP', VM1, 443), 'securityRules/AllowHttp']],
    act: async (stage) => {
      const opened = await openTcp(stage.internet, VM1, 443);
      if (typeof opened === 'string') return opened;
      stage.openConnection = opened;
      return exchange(stage.internet, opened);
    },
  },
  {
    what: 'AllowHttp is removed, nsgd reload; the open connection',
    expected: ANSWERED,
    decidedBy: [],
    act: async (stage) => {
      const { status, stderr } = stage.daemon.reload(demoConfiguration(ALLOW_HTTP));
      return status === 0 ? exchange(stage.internet, stage.openConnection) : stderr;
    },
  },
  {
    what: 'internet: a new connection to vm1 port 443',
    expected: SILENCE,
    decidedBy: [[inbound('TCP', VM1, 443), DENIED_BY_DEFAULT]],
    act: ({ internet }) => tcp(internet, VM1, 443),
  },
  {
    what: 'a configuration with an error: nsgd reload',
    expected: 'refused, exit 2',
    decidedBy: [[inbound('TCP', VM1, 443), DENIED_BY_DEFAULT]],
    act: ({ daemon }) => {
      const misspelt = { networkSecurityGroup: [] };
      const { status } = daemon.reload((settings) =>
        demoConfiguration()({ ...settings, ...misspelt }),
      );
      return status === 2 ? 'refused, exit 2' : `exit ${String(status)}`;
    },
  },
  {
    what: 'the packet process is killed (-9) under a transfer',
    expected: 'complete',
    decidedBy: [],
    act: killUnderTransfer,
  },
];

export const SCENARIOS: readonly Scenario[] = [
  ...FROM_THE_INTERNET,
  ...FROM_THE_MACHINES,
  ...CHANGES,
];

/** vm1 downloads from the internet; half way the data plane dies. Another takes over the flows it left. */
async function killUnderTransfer({ daemon, vm1 }: Stage): Promise<string> {
  const { peer } = vm1;
  const transfer = peer.call('download', {
    address: INTERNET_IPV4,
    port: 80,
    bytes: TRANSFER_BYTES,
    rate: TRANSFER_BYTES_PER_SECOND,
    timeoutMs: TRANSFER_TIMEOUT_MS,
  });
  await waitFor('a third of the transfer', async () => {
    const { bytes } = await peer.call('downloadProgress', {});
    return bytes > TRANSFER_BYTES / 3 ? true : undefined;
  });
  const victims = packetProcesses(daemon);
  for (const pid of victims) process.kill(pid, 'SIGKILL');
  await waitFor(
    'another packet process',
    () => {
      const successors = packetProcesses(daemon).filter((pid) => !victims.includes(pid));
      return successors.length === victims.length ? true : undefined;
    },
    RESTART_TIMEOUT_MS,
  );
  return (await within('the transfer', TRANSFER_TIMEOUT_MS, transfer)).outcome;
}

/** The daemon's children: one for each wire. */
function packetProcesses({ process: { child } }: TestDaemon): number[] {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}
