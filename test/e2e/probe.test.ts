/**
 * `nsgd probe` from both ends of a live wire: answered, forwarded, denied, never seen, and past the wire.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProbeReport } from '../../daemon/commands/probe.ts';
import { type CommandResult, nsgd, nsgdProgram, TestDaemon } from '../helpers/daemon.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import {
  buildNetwork,
  hostOf,
  INSIDE,
  INTERNET_IPV4,
  INTERNET_IPV6,
  type Network,
  OUTSIDE,
} from '../helpers/network.ts';
import { rule } from '../helpers/four-vms.ts';

const VM = '10.0.1.4';
const VM6 = 'fd00:db8:1::4';
const PEER = '10.0.1.5';
const rules = [
  rule({
    name: 'AllowHttp',
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Tcp',
    destinationPortRange: '80-81',
  }),
  rule({
    name: 'AllowPing',
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Icmp',
    priority: 110,
  }),
  rule({
    name: 'AllowDns',
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Udp',
    priority: 120,
    destinationPortRange: '53-54',
  }),
  rule({
    name: 'DenyVnet',
    direction: 'Inbound',
    access: 'Deny',
    protocol: '*',
    priority: 130,
    sourceAddressPrefix: 'VirtualNetwork',
  }),
];

function configuration(settings: Readonly<Record<string, unknown>>): string {
  const addressPrefixes = ['10.0.1.0/24', 'fd00:db8:1::/64'];
  return JSON.stringify({
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16', 'fd00:db8::/32'],
      subnets: [{ name: 'web', addressPrefixes, networkSecurityGroup: 'nsg' }],
    },
    networkSecurityGroups: [{ name: 'nsg', securityRules: rules }],
    networkInterfaces: [
      { name: 'vm1', subnet: 'web', addresses: [VM, VM6], wire: 'wire0' },
      { name: 'vm2', subnet: 'web', addresses: [PEER], wire: 'wire0' },
    ],
    wires: [{ name: 'wire0', outside: OUTSIDE, inside: INSIDE }],
    ...settings,
  });
}

describe.skipIf(liveObstacle !== undefined)(`nsgd probe (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;

  beforeAll(async () => {
    lab = new Lab();
    network = buildNetwork(lab, {
      machines: [
        { name: 'vm1', addresses: [VM, VM6], gateways: ['10.0.1.1', 'fd00:db8:1::1'] },
        { name: 'vm2', addresses: [PEER], gateways: ['10.0.1.1'] },
      ],
    });
    daemon = await TestDaemon.start(lab, network.filter, configuration);
    await hostOf(network, 'vm1').peer.call('serveHttp', { port: 80, text: 'vm1' });
    await hostOf(network, 'vm1').peer.call('serveUdp', { port: 53 });
    await hostOf(network, 'internet').peer.call('serveTcp', { port: 443 });
  });
  afterAll(async () => {
    await lab?.close();
  });

  function probe(host: string, ...options: readonly string[]): CommandResult {
    const { name } = hostOf(network, host).namespace;
    const command = [nsgdProgram, 'probe', '--socket', daemon.socket, ...options];
    const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', name, ...command], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    return { status, stdout, stderr };
  }

  function report(host: string, ...options: readonly string[]): ProbeReport & { status: unknown } {
    const { status, stdout, stderr } = probe(host, '-o', 'json', ...options);
    expect(stderr).toBe('');
    return { status, ...(JSON.parse(stdout) as ProbeReport) };
  }

  const DEFAULT_DENY = 'defaultSecurityRules/DenyAllInBound';

  test.each<readonly [string, string, readonly string[], object]>([
    [
      'TCP that is answered',
      'internet',
      ['--to', `${VM}:80`],
      { status: 0, outcome: 'answered', answer: 'SYN+ACK', rule: 'securityRules/AllowHttp' },
    ],
    [
      'TCP to a port where nobody listens',
      'internet',
      ['--to', `${VM}:81`],
      { status: 0, outcome: 'answered', answer: 'RST', rule: 'securityRules/AllowHttp' },
    ],
    [
      'TCP that is denied',
      'internet',
      ['--to', `${VM}:22`],
      { status: 1, outcome: 'denied', reason: 'rule_deny', rule: DEFAULT_DENY },
    ],
    [
      'UDP that is answered',
      'internet',
      ['--protocol', 'udp', '--to', `${VM}:53`],
      { status: 0, outcome: 'answered', answer: 'datagram', rule: 'securityRules/AllowDns' },
    ],
    [
      'UDP that nobody wants',
      'internet',
      ['--protocol', 'udp', '--to', `${VM}:54`],
      { status: 0, outcome: 'forwarded', answer: 'ICMP error', rule: 'securityRules/AllowDns' },
    ],
    [
      'a ping',
      'internet',
      ['--protocol', 'icmp', '--to', VM],
      { status: 0, outcome: 'answered', answer: 'echo reply', rule: 'securityRules/AllowPing' },
    ],
    [
      'TCP over IPv6',
      'internet',
      ['--to', `[${VM6}]:80`],
      { status: 0, outcome: 'answered', answer: 'SYN+ACK', rule: 'securityRules/AllowHttp' },
    ],
    [
      'a ping over IPv6',
      'internet',
      ['--protocol', 'icmp', '--to', VM6],
      { status: 0, outcome: 'answered', answer: 'echo reply', rule: 'securityRules/AllowPing' },
    ],
    [
      'TCP from behind the wire',
      'vm1',
      ['--to', `${INTERNET_IPV4}:443`],
      {
        status: 0,
        outcome: 'answered',
        answer: 'SYN+ACK',
        rule: 'defaultSecurityRules/AllowInternetOutBound',
      },
    ],
    [
      'UDP over IPv6 from behind the wire',
      'vm1',
      ['--protocol', 'udp', '--to', `[${INTERNET_IPV6}]:9`],
      {
        status: 0,
        outcome: 'forwarded',
        answer: 'ICMP error',
        rule: 'defaultSecurityRules/AllowInternetOutBound',
      },
    ],
    [
      'an address that is somebody else’s',
      'vm1',
      ['--from', '10.0.1.77', '--to', `${INTERNET_IPV4}:443`, '--timeout', '1'],
      { status: 1, outcome: 'denied', reason: 'unknown_address' },
    ],
    [
      'a packet that never comes to the wire',
      'internet',
      ['--to', '192.0.2.1:80', '--timeout', '0.5'],
      // The router has no route either, and says so.
      { status: 1, outcome: 'not-seen', answer: 'ICMP error' },
    ],
    [
      'a packet that goes past the wire',
      'internet',
      ['--protocol', 'icmp', '--to', '203.0.113.1'],
      { status: 1, outcome: 'bypassed', answer: 'echo reply' },
    ],
  ])('%s', (_, host, options, expected) => {
    const { status, outcome, observation } = report(host, ...options);
    const last = observation.events.at(-1);
    expect({
      status,
      outcome,
      ...(observation.answer === undefined ? {} : { answer: observation.answer.kind }),
      ...(last?.type === 'denied' ? { reason: last.reason } : {}),
      ...(last?.rules.length ? { rule: last.rules.at(-1)?.ruleName } : {}),
    }).toEqual(expected);
  });

  test('from machine to machine it crosses twice, and is denied at the second', () => {
    const { status, outcome, observation, interfaces, verify } = report('vm2', '--to', `${VM}:23`);
    expect([status, outcome]).toEqual([1, 'denied']);
    expect(
      observation.events.map(({ type, networkInterface, direction }) => [
        type,
        networkInterface,
        direction,
      ]),
    ).toEqual([
      ['opened', 'vm2', 'Outbound'],
      ['denied', 'vm1', 'Inbound'],
    ]);
    expect(verify).toMatchObject({ networkInterface: 'vm2', access: 'Allow' });
    expect(interfaces.map((row) => row.interface)).toEqual([OUTSIDE, INSIDE]);
    expect(interfaces[1]?.received).toBeGreaterThan(0);
  });

  test('what people see, with what verify says beside it', () => {
    const passed = probe('internet', '--to', `${VM}:80`);
    expect(passed).toMatchObject({ status: 0, stderr: '' });
    expect(passed.stdout).toMatch(
      new RegExp(
        [
          `^probe:   TCP ${INTERNET_IPV4}:\\d+ > ${VM}:80`,
          'seen:    wire0 vm1 Inbound: allowed, nsg/securityRules/AllowHttp',
          `answer:  SYN\\+ACK from ${VM}:80 after [\\d.]+ ms`,
          'verify:  vm1: Allow, securityRules/AllowHttp',
          `counted: wire0 ${OUTSIDE} \\(outside\\): \\d+ received, \\d+ sent, 0 send errors, of all packets meanwhile`,
          `counted: wire0 ${INSIDE} \\(inside\\): \\d+ received, \\d+ sent, 0 send errors, of all packets meanwhile`,
          'passed: it went through and was answered\n$',
        ].join('\n'),
      ),
    );
    const denied = probe('internet', '--to', `${VM}:22`);
    expect(denied.stdout).toContain(
      `Inbound: denied (rule_deny), nsg/${DEFAULT_DENY}\nanswer:  none`,
    );
    expect(denied.stderr).toBe('nsgd: denied: a wire has seen it and dropped it\n');
  });

  test('a live flow with the same ends carries it, and is named', () => {
    const ends = ['--protocol', 'udp', '--from', `${INTERNET_IPV4}:45000`, '--to', `${VM}:53`];
    expect(report('internet', ...ends).observation.events).toHaveLength(1);
    const { outcome, observation, liveFlow } = report('internet', ...ends);
    expect([outcome, observation.events]).toEqual(['answered', []]);
    expect(liveFlow).toMatchObject({ remote: `${INTERNET_IPV4}:45000`, state: 'ESTABLISHED' });
  });

  test('no route, no permission, no daemon, wrong options', () => {
    const { name } = network.filter;
    const nowhere = spawnSync(
      'ip',
      ['netns', 'exec', name, nsgdProgram, 'probe', '--socket', daemon.socket, '--to', `${VM}:80`],
      { encoding: 'utf8' },
    );
    expect(nowhere.status).toBe(1);
    expect(nowhere.stderr).toContain(`this host cannot send to ${VM}`);
    const powerless = spawnSync(
      'setpriv',
      [
        '--bounding-set=-net_raw',
        nsgdProgram,
        'probe',
        '--socket',
        daemon.socket,
        '--to',
        '127.0.0.1:9',
      ],
      { encoding: 'utf8' },
    );
    expect(powerless.status).toBe(4);
    expect(powerless.stderr).toBe('nsgd: a raw socket needs CAP_NET_RAW: run it as root\n');
    const status = (...options: readonly string[]): number | null =>
      nsgd(['probe', '--socket', daemon.socket, ...options]).status;
    expect(status('--to', VM)).toBe(2);
    expect(status('--to', `${VM}:80`, '--protocol', 'esp')).toBe(2);
    expect(status('--to', `${VM}:80`, '--timeout', '0')).toBe(2);
    expect(status('--to', `${VM}:80`, '--from', '::1')).toBe(2);
    expect(nsgd(['probe', '--socket', '/nowhere/x', '--to', `${VM}:80`]).status).toBe(3);
  });
});
