/**
 * The four machines of Azure's page live: real TCP connections through a running nsgd. One test for each sentence that
 * test/policy/four-vms.test.ts asks offline. All run on one wire: the address tells the machines apart.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestDaemon } from '../helpers/daemon.ts';
import {
  allowHttpIn,
  denyHttpOut,
  fourVms,
  type FourVmsRules,
  rule,
  type RuleText,
} from '../helpers/four-vms.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import {
  buildNetwork,
  hostOf,
  INSIDE,
  INTERNET_IPV4,
  type Network,
  OUTSIDE,
} from '../helpers/network.ts';

const ADDRESSES: Readonly<Record<string, string>> = {
  internet: INTERNET_IPV4,
  vm1: '10.0.1.4',
  vm2: '10.0.1.5',
  vm3: '10.0.2.4',
  vm4: '10.0.3.4',
};
const MACHINES = ['vm1', 'vm2', 'vm3', 'vm4'];

const none: FourVmsRules = { NSG1: [], NSG2: [] };
const http: FourVmsRules = { NSG1: [allowHttpIn], NSG2: [allowHttpIn] };
const wires = [{ name: 'wire0', outside: OUTSIDE, inside: INSIDE }];

describe.skipIf(liveObstacle !== undefined)(`four machines (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;

  beforeAll(async () => {
    lab = new Lab();
    network = buildNetwork(lab, {
      machines: [
        { name: 'vm1', addresses: ['10.0.1.4'], gateways: ['10.0.1.1'] },
        { name: 'vm2', addresses: ['10.0.1.5'], gateways: ['10.0.1.1'] },
        { name: 'vm3', addresses: ['10.0.2.4'], gateways: ['10.0.2.1'] },
        { name: 'vm4', addresses: ['10.0.3.4'], gateways: ['10.0.3.1'] },
      ],
    });
    daemon = await TestDaemon.start(lab, network.filter, (settings) =>
      fourVms(none, { ...settings, wires }),
    );
    for (const name of [...MACHINES, 'internet']) {
      const { peer } = hostOf(network, name);
      await peer.call('serveTcp', { port: 80 });
      await peer.call('serveTcp', { port: 22 });
    }
  });
  afterAll(async () => {
    await lab?.close();
  });

  function use(rules: FourVmsRules): void {
    const { status, stderr } = daemon.reload((settings) => fourVms(rules, { ...settings, wires }));
    expect(status, stderr).toBe(0);
  }

  /** `allowed` when a TCP connection comes about and carries a line there and back; `denied` when nothing answers. */
  async function attempt(from: string, to: string, port = 80): Promise<'allowed' | 'denied'> {
    const { peer } = hostOf(network, from);
    const address = ADDRESSES[to] ?? '';
    const { outcome, connection } = await peer.call('connect', { address, port, timeoutMs: 700 });
    if (connection === undefined) {
      // A denial is silent: no RST, no ICMP.
      expect(outcome).toBe('timeout');
      return 'denied';
    }
    expect(await peer.call('exchange', { connection, text: 'hello' })).toEqual({
      outcome: 'answered',
    });
    await peer.call('disconnect', { connection });
    return 'allowed';
  }

  async function attempts(
    from: readonly string[],
    to: readonly string[],
    port = 80,
  ): Promise<string[]> {
    return Promise.all(from.flatMap((source) => to.map((target) => attempt(source, target, port))));
  }

  describe('inbound from the Internet to port 80', () => {
    test('without rules DenyAllInBound denies vm1, vm2 and vm3; vm4 has no group and gets everything', async () => {
      use(none);
      expect(await attempts(['internet'], MACHINES)).toEqual([
        'denied',
        'denied',
        'denied',
        'allowed',
      ]);
      expect(await attempt('internet', 'vm4', 22)).toBe('allowed');
    });

    test('a rule in NSG1 alone: vm1 is denied by NSG2, vm2 gets what NSG1 allows, vm3 is denied by NSG2', async () => {
      use({ NSG1: [allowHttpIn], NSG2: [] });
      expect(await attempts(['internet'], MACHINES)).toEqual([
        'denied',
        'allowed',
        'denied',
        'allowed',
      ]);
    });

    test('a rule in NSG2 alone: vm1 and vm2 are denied by NSG1, vm3 has no subnet group and is reached', async () => {
      use({ NSG1: [], NSG2: [allowHttpIn] });
      expect(await attempts(['internet'], MACHINES)).toEqual([
        'denied',
        'denied',
        'allowed',
        'allowed',
      ]);
    });

    test('rules in both: every machine is reached on port 80, and only vm4 on port 22', async () => {
      use(http);
      expect(await attempts(['internet'], MACHINES)).toEqual(Array(4).fill('allowed'));
      expect(await attempts(['internet'], MACHINES, 22)).toEqual([
        'denied',
        'denied',
        'denied',
        'allowed',
      ]);
    });
  });

  describe('outbound to port 80 of the Internet', () => {
    test('without rules AllowInternetOutBound allows every machine', async () => {
      use(none);
      expect(await attempts(MACHINES, ['internet'])).toEqual(Array(4).fill('allowed'));
    });

    test('a deny rule in NSG2: vm1 and vm3 are denied, vm2 has only NSG1', async () => {
      use({ NSG1: [], NSG2: [denyHttpOut] });
      expect(await attempts(MACHINES, ['internet'])).toEqual([
        'denied',
        'allowed',
        'denied',
        'allowed',
      ]);
      expect(await attempt('vm1', 'internet', 22)).toBe('allowed');
    });

    test('a deny rule in NSG1: vm1 and vm2 are denied, vm3 is in another subnet', async () => {
      use({ NSG1: [denyHttpOut], NSG2: [] });
      expect(await attempts(MACHINES, ['internet'])).toEqual([
        'denied',
        'denied',
        'allowed',
        'allowed',
      ]);
    });

    test('a deny rule in both', async () => {
      use({ NSG1: [denyHttpOut], NSG2: [denyHttpOut] });
      expect(await attempts(MACHINES, ['internet'])).toEqual([
        'denied',
        'denied',
        'denied',
        'allowed',
      ]);
    });
  });

  describe('between vm1 and vm2, in one subnet', () => {
    const denyAll: RuleText[] = [
      rule({ name: 'DenyAllIn', direction: 'Inbound', access: 'Deny', priority: 4000 }),
      rule({ name: 'DenyAllOut', direction: 'Outbound', access: 'Deny', priority: 4000 }),
    ];
    const both = async (): Promise<string[]> => [
      await attempt('vm1', 'vm2'),
      await attempt('vm2', 'vm1'),
    ];

    test('the default rules let them talk', async () => {
      use(none);
      expect(await both()).toEqual(['allowed', 'allowed']);
    });

    test('a rule in NSG1 that denies everything cuts them from each other', async () => {
      use({ NSG1: denyAll, NSG2: [] });
      expect(await both()).toEqual(['denied', 'denied']);
    });

    test('another rule allows it again', async () => {
      const subnet = {
        sourceAddressPrefix: '10.0.1.0/24',
        destinationAddressPrefix: '10.0.1.0/24',
      };
      const allowIn = rule({
        name: 'AllowIn',
        direction: 'Inbound',
        access: 'Allow',
        priority: 200,
        ...subnet,
      });
      const allowOut = rule({
        name: 'AllowOut',
        direction: 'Outbound',
        access: 'Allow',
        priority: 200,
        ...subnet,
      });
      use({ NSG1: [...denyAll, allowIn, allowOut], NSG2: [] });
      expect(await both()).toEqual(['allowed', 'allowed']);
      expect(await attempt('vm2', 'internet')).toBe('denied');
    });
  });

  test('the rule that verify names is the one that counted', async () => {
    use({ NSG1: [allowHttpIn], NSG2: [] });
    const before = daemon.rules();
    await attempt('internet', 'vm1');
    const verified = daemon.command(
      ...['verify', '--live', '--nic', 'vm1', '--direction', 'Inbound', '--protocol', 'TCP'],
      ...['--local', '10.0.1.4:80', '--remote', `${INTERNET_IPV4}:50000`, '-o', 'json'],
    );
    expect(verified.status).toBe(1);
    expect(JSON.parse(verified.stdout)).toMatchObject({
      access: 'Deny',
      ruleName: 'defaultSecurityRules/DenyAllInBound',
    });
    const hits = (rules: typeof before): number =>
      rules.find(
        (row) =>
          row.networkSecurityGroup === 'NSG2' &&
          row.ruleName === 'defaultSecurityRules/DenyAllInBound',
      )?.hits ?? 0;
    expect(hits(daemon.rules())).toBeGreaterThan(hits(before));
  });
});
