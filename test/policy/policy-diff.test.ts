/**
 * The semantic diff of configurations: what is said of rules, addresses and interfaces that change, and how few regions
 * it needs.
 */
import { describe, expect, test } from 'vitest';
import { AddressNames } from '../../src/policy/address-names.ts';
import { diffPolicies, isWidening } from '../../src/policy/policy-diff.ts';
import { addressTexts, formatProtocols, portTexts } from '../../src/policy/regions/region.ts';
import { loadGood } from '../helpers/load-text.ts';

type Rule = Readonly<Record<string, unknown>>;

interface Written {
  readonly rules?: readonly Rule[];
  /** Of a group of the interface itself. */
  readonly nicRules?: readonly Rule[];
  readonly addresses?: readonly string[];
  readonly nics?: readonly Rule[];
  readonly wire?: boolean;
}

function rule(
  name: string,
  priority: number,
  access: 'Allow' | 'Deny',
  {
    direction = 'Inbound',
    protocol = 'Tcp',
    source = '*',
    destination = '*',
    ports = '*',
    sourcePorts = '*',
  } = {},
): Rule {
  return {
    name,
    priority,
    direction,
    access,
    protocol,
    sourceAddressPrefix: source,
    sourcePortRange: sourcePorts,
    destinationAddressPrefix: destination,
    destinationPortRange: ports,
  };
}

function text({
  rules = [],
  nicRules,
  addresses = ['10.0.1.4'],
  nics = [],
  wire = false,
}: Written): string {
  return JSON.stringify({
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16', '2001:db8::/48'],
      subnets: [
        {
          name: 's',
          addressPrefixes: ['10.0.1.0/24', '2001:db8::/64'],
          networkSecurityGroup: 'NSG1',
        },
      ],
    },
    networkSecurityGroups: [
      { name: 'NSG1', securityRules: rules },
      ...(nicRules === undefined ? [] : [{ name: 'NSG2', securityRules: nicRules }]),
    ],
    networkInterfaces: [
      {
        name: 'vm1',
        addresses,
        subnet: 's',
        ...(nicRules && { networkSecurityGroup: 'NSG2' }),
        ...(wire && { wire: 'w0' }),
      },
      ...nics,
    ],
    ...(wire && { wires: [{ name: 'w0', outside: 'a0', inside: 'b0' }] }),
  });
}

/** Each change as `direction protocol local:ports remote:ports before > after`. */
function diff(old: Written, current: Written): string[] {
  const [before, after] = [loadGood(text(old)), loadGood(text(current))];
  const names = new AddressNames([before, after]);
  return diffPolicies(before.policy, after.policy).nics.flatMap(({ name, addresses, changes }) =>
    changes.map((change) => {
      const all = addresses[change.direction];
      const ends = [
        `${names.localTexts(change.local, all).join()}:${portTexts(change.localPorts).join()}`,
        `${names.remoteTexts(change.remote, all).join()}:${portTexts(change.remotePorts).join()}`,
      ];
      const sides = [change.before, change.after].map(
        ({ access, ruleName, networkSecurityGroup }) =>
          `${access} ${networkSecurityGroup ?? '-'} ${ruleName ?? '-'}`,
      );
      const direction = change.direction === 0 ? 'in' : 'out';
      return `${name} ${direction} ${formatProtocols(change.protocols)} ${ends.join(' ')} ${sides.join(' > ')}`;
    }),
  );
}

const HTTP = rule('Http', 100, 'Allow', { ports: '80' });
const DENIED = 'Deny NSG1 defaultSecurityRules/DenyAllInBound';

describe('diffPolicies', () => {
  test.each<[string, Written, Written, string[]]>([
    ['the same', { rules: [HTTP] }, { rules: [HTTP] }, []],
    [
      'another name and priority',
      { rules: [HTTP] },
      { rules: [rule('Web', 300, 'Allow', { ports: '80' })] },
      [],
    ],
    [
      'one rule as two',
      { rules: [rule('A', 100, 'Allow', { ports: '80-81' })] },
      { rules: [HTTP, rule('B', 110, 'Allow', { ports: '81' })] },
      [],
    ],
    [
      'two rules that commute',
      { rules: [HTTP, rule('B', 110, 'Deny', { ports: '22' })] },
      {
        rules: [
          rule('B', 100, 'Deny', { ports: '22' }),
          rule('Http', 110, 'Allow', { ports: '80' }),
        ],
      },
      [],
    ],
    [
      'a port more',
      { rules: [HTTP] },
      { rules: [rule('Http', 100, 'Allow', { ports: '80-81' })] },
      [`vm1 in Tcp *:81 * but VirtualNetwork:* ${DENIED} > Allow NSG1 securityRules/Http`],
    ],
    [
      'a port that the network had anyway',
      { rules: [] },
      { rules: [rule('A', 100, 'Allow', { ports: '81', source: 'VirtualNetwork' })] },
      [],
    ],
    [
      'a deny before an allow, from a part of the Internet',
      { rules: [rule('Http', 200, 'Allow', { ports: '80', source: 'Internet' })] },
      {
        rules: [
          rule('NotThem', 100, 'Deny', { source: '203.0.113.0/24', protocol: '*' }),
          rule('Http', 200, 'Allow', { ports: '80', source: 'Internet' }),
        ],
      },
      [
        'vm1 in Tcp *:80 203.0.113.0/24:* Allow NSG1 securityRules/Http > Deny NSG1 securityRules/NotThem',
      ],
    ],
    [
      'a second group that lets less through',
      { rules: [HTTP] },
      { rules: [HTTP], nicRules: [] },
      [
        'vm1 in Tcp *:80 * but VirtualNetwork:* Allow NSG1 securityRules/Http > Deny NSG2 defaultSecurityRules/DenyAllInBound',
      ],
    ],
    [
      'everything but TCP outbound',
      { rules: [] },
      { rules: [rule('Udp', 100, 'Deny', { direction: 'Outbound', protocol: 'Icmp' })] },
      [
        'vm1 out Icmp *:* VirtualNetwork:* Allow NSG1 defaultSecurityRules/AllowVnetOutBound > Deny NSG1 securityRules/Udp',
        'vm1 out Icmp *:* Internet:* Allow NSG1 defaultSecurityRules/AllowInternetOutBound > Deny NSG1 securityRules/Udp',
      ],
    ],
    [
      'a rule for another address of the subnet',
      { rules: [HTTP] },
      { rules: [HTTP, rule('Other', 110, 'Allow', { destination: '10.0.1.9', ports: '22' })] },
      [],
    ],
    [
      'source ports, of a protocol that has them',
      { rules: [] },
      {
        rules: [
          rule('Dns', 100, 'Allow', { protocol: '*', sourcePorts: '53', source: '203.0.113.53' }),
        ],
      },
      [`vm1 in Tcp,Udp *:* 203.0.113.53:53 ${DENIED} > Allow NSG1 securityRules/Dns`],
    ],
    [
      'both families at once',
      { rules: [], addresses: ['10.0.1.4', '2001:db8::4'] },
      {
        rules: [rule('Ssh', 100, 'Allow', { ports: '22', source: 'Internet' })],
        addresses: ['10.0.1.4', '2001:db8::4'],
      },
      [`vm1 in Tcp *:22 Internet:* ${DENIED} > Allow NSG1 securityRules/Ssh`],
    ],
    [
      'one family of two',
      { rules: [], addresses: ['10.0.1.4', '2001:db8::4'] },
      {
        rules: [rule('Ssh', 100, 'Allow', { ports: '22', source: '::/0' })],
        addresses: ['10.0.1.4', '2001:db8::4'],
      },
      [
        `vm1 in Tcp * (IPv6):22 * (IPv6) but 2001:db8::/48:* ${DENIED} > Allow NSG1 securityRules/Ssh`,
      ],
    ],
  ])('%s', (_, old, current, expected) => {
    expect(diff(old, current)).toEqual(expected);
  });

  test('an interface or an address of one policy only is said, and is wider', () => {
    const one = loadGood(text({})).policy;
    const two = loadGood(
      text({
        addresses: ['10.0.1.4', '10.0.1.5'],
        nics: [{ name: 'vm2', addresses: ['10.0.1.6'] }],
      }),
    ).policy;
    const wider = diffPolicies(one, two);
    expect(wider).toMatchObject({ added: ['vm2'], removed: [] });
    expect(
      wider.nics.map(({ addedAddresses, changes }) => [addressTexts(addedAddresses), changes]),
    ).toEqual([[['10.0.1.5'], []]]);
    expect(isWidening(wider)).toBe(true);
    const narrower = diffPolicies(two, one);
    expect(narrower).toMatchObject({ added: [], removed: ['vm2'] });
    expect(narrower.nics.map(({ removedAddresses }) => addressTexts(removedAddresses))).toEqual([
      ['10.0.1.5'],
    ]);
    expect(isWidening(narrower)).toBe(false);
    expect(diffPolicies(one, two, (name) => name === 'vm2')).toMatchObject({
      added: ['vm2'],
      nics: [],
    });
  });

  test('multicast to the only interface of a wire is its traffic too', () => {
    const wire = (rules: readonly Rule[]): Written => ({ rules, wire: true });
    const allow = rule('Multicast', 100, 'Allow', {
      protocol: 'Udp',
      destination: '224.0.0.251',
      ports: '5353',
    });
    expect(diff(wire([]), wire([allow]))).toEqual([
      `vm1 in Udp 224.0.0.251:5353 * (IPv4) but 168.63.129.16:* ${DENIED} > Allow NSG1 securityRules/Multicast`,
    ]);
  });

  test('interfaces that share their groups each have their own regions', () => {
    const two = (rules: readonly Rule[]): Written => ({
      rules,
      nics: [{ name: 'vm2', addresses: ['10.0.1.5'], subnet: 's' }],
    });
    const only = rule('Ssh', 100, 'Allow', {
      ports: '22',
      destination: '10.0.1.5',
      source: 'Internet',
    });
    const both = rule('Http', 110, 'Allow', { ports: '80', source: 'Internet' });
    expect(diff(two([]), two([only, both]))).toEqual([
      `vm1 in Tcp *:80 Internet:* ${DENIED} > Allow NSG1 securityRules/Http`,
      `vm2 in Tcp *:22 Internet:* ${DENIED} > Allow NSG1 securityRules/Ssh`,
      `vm2 in Tcp *:80 Internet:* ${DENIED} > Allow NSG1 securityRules/Http`,
    ]);
  });
});
