/**
 * Every sentence of the inbound, outbound and intra-subnet paragraphs of Azure's page "Network security groups"
 * (section "How traffic is evaluated"), asked of the engine through `Explainer`. test/e2e has the same live.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Explainer, type Explanation } from '../../src/policy/explain.ts';
import { parseIpv4 } from '../../src/policy/address.ts';
import { diskFiles, loadConfigurationText } from '../../src/policy/load.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import {
  allowHttpIn,
  denyHttpOut,
  fourVms,
  fourVmsFile,
  type FourVmsRules,
  rule,
} from '../helpers/four-vms.ts';

const ADDRESSES = {
  vm1: '10.0.1.4',
  vm2: '10.0.1.5',
  vm3: '10.0.2.4',
  vm4: '10.0.3.4',
  internet: '203.0.113.9',
};
type Host = keyof typeof ADDRESSES;

function address(host: Host): number {
  const value = parseIpv4(ADDRESSES[host]);
  if (value === undefined) throw new Error(`${host} has no address`);
  return value;
}

/** What the rules of `nic` say of a TCP connection to port 80 (or `port`) between it and `peer`. */
function explain(
  text: string,
  nic: Host,
  direction: 'in' | 'out',
  peer: Host,
  port = 80,
): Explanation {
  const loaded = loadConfigurationText(text, fourVmsFile, diskFiles);
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const policy = loaded.policy.nics.find(({ name }) => name === nic);
  if (policy === undefined) throw new Error(`no ${nic}`);
  return new Explainer(loaded.policy, policy).explain({
    direction: direction === 'in' ? 0 : 1,
    protocol: 6,
    local: address(nic),
    localPort: direction === 'in' ? port : 50_000,
    remote: address(peer),
    remotePort: direction === 'in' ? 50_000 : port,
  });
}

/** `stage:access` of the two NSG stages, in the order they were evaluated. */
function stages({ steps }: Explanation): string[] {
  return steps
    .slice(1)
    .map((step) => `${step.stage} ${step.networkSecurityGroup ?? '-'} ${step.access}`);
}

const none: FourVmsRules = { NSG1: [], NSG2: [] };
const http: FourVmsRules = { NSG1: [allowHttpIn], NSG2: [allowHttpIn] };

describe('inbound', () => {
  test('the rules of the subnet’s group come first, then those of the interface’s', () => {
    expect(stages(explain(fourVms(http), 'vm1', 'in', 'internet'))).toEqual([
      'subnet NSG1 Allow',
      'networkInterface NSG2 Allow',
    ]);
  });

  test('VM1: without a rule for port 80 DenyAllInBound of NSG1 denies, and NSG2 is never evaluated', () => {
    const explanation = explain(
      fourVms({ NSG1: [], NSG2: [allowHttpIn] }),
      'vm1',
      'in',
      'internet',
    );
    expect(explanation.access).toBe('Deny');
    expect(explanation.ruleName).toBe('defaultSecurityRules/DenyAllInBound');
    expect(stages(explanation)).toEqual(['subnet NSG1 Deny', 'networkInterface NSG2 NotReached']);
  });

  test('VM1: with a rule for port 80 in NSG1, NSG2 processes the traffic', () => {
    const explanation = explain(
      fourVms({ NSG1: [allowHttpIn], NSG2: [] }),
      'vm1',
      'in',
      'internet',
    );
    expect(explanation.access).toBe('Deny');
    expect(explanation.ruleName).toBe('defaultSecurityRules/DenyAllInBound');
    expect(stages(explanation)).toEqual(['subnet NSG1 Allow', 'networkInterface NSG2 Deny']);
  });

  test('VM1: port 80 is allowed only when both groups have a rule', () => {
    const access = (rules: FourVmsRules): string =>
      explain(fourVms(rules), 'vm1', 'in', 'internet').access;
    expect(access(none)).toBe('Deny');
    expect(access({ NSG1: [allowHttpIn], NSG2: [] })).toBe('Deny');
    expect(access({ NSG1: [], NSG2: [allowHttpIn] })).toBe('Deny');
    expect(access(http)).toBe('Allow');
  });

  test('VM2: NSG1 decides, as its interface has no group', () => {
    const allowed = explain(fourVms({ NSG1: [allowHttpIn], NSG2: [] }), 'vm2', 'in', 'internet');
    expect(allowed.access).toBe('Allow');
    expect(allowed.ruleName).toBe('securityRules/AllowHttpFromInternet');
    expect(stages(allowed)).toEqual(['subnet NSG1 Allow', 'networkInterface - Allow']);
    const denied = explain(fourVms({ NSG1: [], NSG2: [allowHttpIn] }), 'vm2', 'in', 'internet');
    expect(denied.access).toBe('Deny');
    expect(denied.ruleName).toBe('defaultSecurityRules/DenyAllInBound');
  });

  test('a group on a subnet allows or denies for every resource in it', () => {
    for (const nic of ['vm1', 'vm2'] as const) {
      expect(explain(fourVms(http), nic, 'in', 'internet').access).toBe('Allow');
      expect(explain(fourVms({ ...http, NSG1: [] }), nic, 'in', 'internet').access).toBe('Deny');
    }
  });

  test('VM3: Subnet2 has no group, so traffic enters the subnet and NSG2 decides', () => {
    const allowed = explain(fourVms({ NSG1: [], NSG2: [allowHttpIn] }), 'vm3', 'in', 'internet');
    expect(allowed.access).toBe('Allow');
    expect(allowed.ruleName).toBe('securityRules/AllowHttpFromInternet');
    expect(stages(allowed)).toEqual(['subnet - Allow', 'networkInterface NSG2 Allow']);
    expect(
      explain(fourVms({ NSG1: [allowHttpIn], NSG2: [] }), 'vm3', 'in', 'internet').access,
    ).toBe('Deny');
  });

  test('VM4: everything is allowed, as neither Subnet3 nor the interface has a group', () => {
    for (const port of [1, 22, 80, 65_535]) {
      const explanation = explain(fourVms(none), 'vm4', 'in', 'internet', port);
      expect(explanation.access).toBe('Allow');
      expect(explanation.ruleName).toBeUndefined();
    }
  });
});

describe('outbound', () => {
  test('the rules of the interface’s group come first, then those of the subnet’s', () => {
    expect(stages(explain(fourVms(none), 'vm1', 'out', 'internet'))).toEqual([
      'networkInterface NSG2 Allow',
      'subnet NSG1 Allow',
    ]);
  });

  test('VM1: without a deny rule AllowInternetOutBound allows in NSG1 and NSG2', () => {
    const explanation = explain(fourVms(none), 'vm1', 'out', 'internet');
    expect(explanation.access).toBe('Allow');
    expect(explanation.steps.slice(1).map(({ ruleName }) => ruleName)).toEqual([
      'defaultSecurityRules/AllowInternetOutBound',
      'defaultSecurityRules/AllowInternetOutBound',
    ]);
  });

  test('VM1: a rule in NSG2 that denies port 80 ends it, and NSG1 is never evaluated', () => {
    const explanation = explain(
      fourVms({ NSG1: [], NSG2: [denyHttpOut] }),
      'vm1',
      'out',
      'internet',
    );
    expect(explanation.access).toBe('Deny');
    expect(explanation.ruleName).toBe('securityRules/DenyHttpToInternet');
    expect(stages(explanation)).toEqual(['networkInterface NSG2 Deny', 'subnet NSG1 NotReached']);
  });

  test('VM1: either group, or both, can deny port 80', () => {
    const access = (rules: FourVmsRules): string =>
      explain(fourVms(rules), 'vm1', 'out', 'internet').access;
    expect(access({ NSG1: [denyHttpOut], NSG2: [] })).toBe('Deny');
    expect(access({ NSG1: [], NSG2: [denyHttpOut] })).toBe('Deny');
    expect(access({ NSG1: [denyHttpOut], NSG2: [denyHttpOut] })).toBe('Deny');
    expect(access(none)).toBe('Allow');
  });

  test('VM2: everything leaves its interface, and the rules of NSG1 are processed', () => {
    const denied = explain(fourVms({ NSG1: [denyHttpOut], NSG2: [] }), 'vm2', 'out', 'internet');
    expect(denied.access).toBe('Deny');
    expect(stages(denied)).toEqual(['networkInterface - Allow', 'subnet NSG1 Deny']);
    expect(
      explain(fourVms({ NSG1: [], NSG2: [denyHttpOut] }), 'vm2', 'out', 'internet').access,
    ).toBe('Allow');
  });

  test('VM3: a rule in NSG2 that denies port 80 denies; one that allows it is enough', () => {
    const denied = explain(fourVms({ NSG1: [], NSG2: [denyHttpOut] }), 'vm3', 'out', 'internet');
    expect(denied.access).toBe('Deny');
    const allowHttpOut = { ...denyHttpOut, name: 'AllowHttpToInternet', access: 'Allow' as const };
    const allowed = explain(
      fourVms({ NSG1: [denyHttpOut], NSG2: [allowHttpOut] }),
      'vm3',
      'out',
      'internet',
    );
    expect(allowed.access).toBe('Allow');
    expect(allowed.ruleName).toBe('securityRules/AllowHttpToInternet');
    expect(stages(allowed)).toEqual(['networkInterface NSG2 Allow', 'subnet - Allow']);
  });

  test('VM4: everything is allowed', () => {
    const rules = { NSG1: [denyHttpOut], NSG2: [denyHttpOut] };
    for (const port of [25, 80, 443]) {
      expect(explain(fourVms(rules), 'vm4', 'out', 'internet', port).access).toBe('Allow');
    }
  });
});

describe('intra-subnet', () => {
  const denyAll = [
    rule({ name: 'DenyAllIn', direction: 'Inbound', access: 'Deny', priority: 4000 }),
    rule({ name: 'DenyAllOut', direction: 'Outbound', access: 'Deny', priority: 4000 }),
  ];
  /** vm1 to vm2 passes four stages: out of vm1, out of Subnet1, into Subnet1, into vm2. */
  const reaches = (rules: FourVmsRules, from: Host, to: Host): boolean =>
    explain(fourVms(rules), from, 'out', to).access === 'Allow' &&
    explain(fourVms(rules), to, 'in', from).access === 'Allow';

  test('VM1 and VM2 can talk through the default rules', () => {
    expect(reaches(none, 'vm1', 'vm2')).toBe(true);
    expect(reaches(none, 'vm2', 'vm1')).toBe(true);
  });

  test('a rule in NSG1 that denies everything cuts VM1 and VM2 from each other', () => {
    expect(reaches({ NSG1: denyAll, NSG2: [] }, 'vm1', 'vm2')).toBe(false);
    expect(reaches({ NSG1: denyAll, NSG2: [] }, 'vm2', 'vm1')).toBe(false);
    // Each half denies by itself.
    expect(
      explain(fourVms({ NSG1: denyAll.slice(0, 1), NSG2: [] }), 'vm2', 'in', 'vm1').access,
    ).toBe('Deny');
    expect(explain(fourVms({ NSG1: denyAll.slice(1), NSG2: [] }), 'vm2', 'out', 'vm1').access).toBe(
      'Deny',
    );
  });

  test('another rule has to be added to allow it again', () => {
    const allowSubnet = (direction: 'Inbound' | 'Outbound') =>
      rule({
        name: `AllowSubnet${direction}`,
        direction,
        access: 'Allow',
        priority: 200,
        sourceAddressPrefix: '10.0.1.0/24',
        destinationAddressPrefix: '10.0.1.0/24',
      });
    const NSG1 = [...denyAll, allowSubnet('Inbound'), allowSubnet('Outbound')];
    expect(reaches({ NSG1, NSG2: [] }, 'vm1', 'vm2')).toBe(true);
    expect(reaches({ NSG1, NSG2: [] }, 'vm2', 'vm1')).toBe(true);
    expect(explain(fourVms({ NSG1, NSG2: [] }), 'vm2', 'out', 'internet').access).toBe('Deny');
  });
});

test('the example as it stands lets the Internet reach port 80 of every machine, and no other port of vm1 to vm3', () => {
  const text = readFileSync(fourVmsFile, 'utf8');
  for (const nic of ['vm1', 'vm2', 'vm3', 'vm4'] as const) {
    expect(explain(text, nic, 'in', 'internet', 80).access).toBe('Allow');
    expect(explain(text, nic, 'in', 'internet', 22).access).toBe(nic === 'vm4' ? 'Allow' : 'Deny');
  }
});
