/**
 * Effective rules in Azure's shape: names, normalisation, expansion, and the rows of the table.
 */
import { describe, expect, test } from 'vitest';
import {
  effectiveRows,
  effectiveRules,
  findNetworkInterface,
  type EffectiveRules,
} from '../../src/policy/effective.ts';
import { loadGood } from '../helpers/load-text.ts';

const TEXT = `virtualNetwork:
  addressSpace: [10.0.0.0/16]
  subnets:
    - { name: Subnet1, addressPrefix: 10.0.1.0/24, networkSecurityGroup: NSG1 }
    - { name: Subnet2, addressPrefix: 10.0.2.0/24 }
applicationSecurityGroups: [{ name: asg-web }, { name: asg-empty }]
networkSecurityGroups:
  - name: NSG1
    securityRules:
      - { name: Web, priority: 200, direction: Inbound, access: Allow, protocol: TCP,
          sourceAddressPrefixes: [192.0.2.0/24, 203.0.113.9], sourcePortRange: "*",
          destinationApplicationSecurityGroups: [asg-web], destinationPortRanges: ["80", 8000-8010] }
      - { name: Ssh, priority: 100, direction: Inbound, access: Deny, protocol: "*",
          sourceAddressPrefix: Office, sourcePortRange: "*",
          destinationAddressPrefix: "*", destinationPortRange: "22" }
      - { name: Nobody, priority: 300, direction: Outbound, access: Deny, protocol: Icmp,
          sourceApplicationSecurityGroups: [asg-empty], sourcePortRange: "*",
          destinationAddressPrefix: azureplatformlkm, destinationPortRange: "*" }
  - { name: NSG2, id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/NSG2, securityRules: [] }
networkInterfaces:
  - { name: vm1, subnet: Subnet1, addresses: [10.0.1.4], networkSecurityGroup: NSG2, applicationSecurityGroups: [asg-web] }
  - { name: vm4, subnet: Subnet2, addresses: [10.0.2.4] }
serviceTags: { custom: { Office: [198.51.100.0/24, "2001:db8::/32"] } }
`;

function effective(name: string): EffectiveRules {
  const { configuration, tags } = loadGood(TEXT);
  const nic = findNetworkInterface(configuration, name);
  if (nic === undefined) throw new Error(`there is no ${name}`);
  return effectiveRules(configuration, tags, nic);
}

describe('effectiveRules', () => {
  test('one entry for each group, the subnet first, with what it is attached to', () => {
    expect(
      effective('VM1').value.map(({ networkSecurityGroup, association }) => ({
        networkSecurityGroup,
        association,
      })),
    ).toEqual([
      { networkSecurityGroup: { id: 'NSG1' }, association: { subnet: { id: 'Subnet1' } } },
      {
        networkSecurityGroup: {
          id: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/NSG2',
        },
        association: { networkInterface: { id: 'vm1' } },
      },
    ]);
  });

  test('an interface without a group has none', () => {
    expect(effective('vm4')).toEqual({ value: [] });
  });

  test('the default rule as Azure prints it', () => {
    const [, group] = effective('vm1').value;
    // The sample of the page "diagnose a VM network traffic filter problem".
    expect(group?.effectiveSecurityRules[2]).toEqual({
      access: 'Deny',
      destinationAddressPrefix: '0.0.0.0/0',
      destinationAddressPrefixes: ['0.0.0.0/0'],
      destinationPortRange: '0-65535',
      destinationPortRanges: ['0-65535'],
      direction: 'Inbound',
      expandedDestinationAddressPrefix: null,
      expandedSourceAddressPrefix: null,
      name: 'defaultSecurityRules/DenyAllInBound',
      priority: 65500,
      protocol: 'All',
      sourceAddressPrefix: '0.0.0.0/0',
      sourceAddressPrefixes: ['0.0.0.0/0'],
      sourcePortRange: '0-65535',
      sourcePortRanges: ['0-65535'],
    });
  });

  test('every rule has the fields of the API, no other, and null only where the API has it', () => {
    // EffectiveNetworkSecurityRule, API version 2025-09-01.
    const fields = [
      ...['access', 'destinationAddressPrefix', 'destinationAddressPrefixes'],
      ...['destinationPortRange', 'destinationPortRanges', 'direction'],
      ...['expandedDestinationAddressPrefix', 'expandedSourceAddressPrefix', 'name', 'priority'],
      ...['protocol', 'sourceAddressPrefix', 'sourceAddressPrefixes', 'sourcePortRange'],
      'sourcePortRanges',
    ];
    const groups = effective('vm1').value;
    expect(groups).toHaveLength(2);
    for (const group of groups) {
      expect(Object.keys(group).toSorted()).toEqual([
        'association',
        'effectiveSecurityRules',
        'networkSecurityGroup',
        'tagMap',
      ]);
      for (const rule of group.effectiveSecurityRules) {
        expect(Object.keys(rule).toSorted(), rule.name).toEqual(fields);
        const nulls = Object.entries(rule).filter(([, value]) => value === null);
        expect(
          nulls.every(([key]) => key.startsWith('expanded')),
          rule.name,
        ).toBe(true);
        expect(rule.name).toMatch(/^(?:securityRules|defaultSecurityRules)\/./);
        expect(rule.protocol).toMatch(/^(?:All|Tcp|Udp|Icmp|Esp|Ah)$/);
        for (const range of [...rule.sourcePortRanges, ...rule.destinationPortRanges]) {
          expect(range, rule.name).toMatch(/^\d+-\d+$/);
        }
      }
    }
  });

  test('a rule with prefixes, groups and several ports', () => {
    const web = effective('vm1').value[0]?.effectiveSecurityRules[1];
    expect(web).toMatchObject({
      name: 'securityRules/Web',
      protocol: 'Tcp',
      sourceAddressPrefix: '192.0.2.0/24,203.0.113.9/32',
      sourceAddressPrefixes: ['192.0.2.0/24', '203.0.113.9/32'],
      expandedSourceAddressPrefix: null,
      destinationAddressPrefixes: ['asg-web'],
      expandedDestinationAddressPrefix: ['10.0.1.4/32'],
      destinationPortRanges: ['80-80', '8000-8010'],
    });
  });

  test('a tag is expanded, an empty group is the empty list, a service is no list', () => {
    const rules = effective('vm1').value[0]?.effectiveSecurityRules ?? [];
    expect(rules[0]).toMatchObject({
      sourceAddressPrefix: 'Office',
      expandedSourceAddressPrefix: ['198.51.100.0/24', '2001:db8::/32'],
      destinationPortRange: '22-22',
    });
    expect(rules.find(({ name }) => name === 'securityRules/Nobody')).toMatchObject({
      protocol: 'Icmp',
      expandedSourceAddressPrefix: [],
      expandedDestinationAddressPrefix: null,
    });
  });

  test('the tag map holds the tags that the rules name', () => {
    const tagMap = effective('vm1').value[0]?.tagMap ?? {};
    expect(Object.keys(tagMap)).toEqual([
      'Office',
      'VirtualNetwork',
      'AzureLoadBalancer',
      'Internet',
    ]);
    expect(tagMap['VirtualNetwork']).toEqual(['10.0.0.0/16', '168.63.129.16/32']);
  });
});

test('effectiveRows', () => {
  const rows = effectiveRows(effective('vm1'));
  expect(rows.map(({ association, name }) => `${association}: ${name}`)).toEqual([
    'subnet Subnet1: securityRules/Ssh',
    'subnet Subnet1: securityRules/Web',
    'subnet Subnet1: defaultSecurityRules/AllowVnetInBound',
    'subnet Subnet1: defaultSecurityRules/AllowAzureLoadBalancerInBound',
    'subnet Subnet1: defaultSecurityRules/DenyAllInBound',
    'subnet Subnet1: securityRules/Nobody',
    'subnet Subnet1: defaultSecurityRules/AllowVnetOutBound',
    'subnet Subnet1: defaultSecurityRules/AllowInternetOutBound',
    'subnet Subnet1: defaultSecurityRules/DenyAllOutBound',
    'networkInterface vm1: defaultSecurityRules/AllowVnetInBound',
    'networkInterface vm1: defaultSecurityRules/AllowAzureLoadBalancerInBound',
    'networkInterface vm1: defaultSecurityRules/DenyAllInBound',
    'networkInterface vm1: defaultSecurityRules/AllowVnetOutBound',
    'networkInterface vm1: defaultSecurityRules/AllowInternetOutBound',
    'networkInterface vm1: defaultSecurityRules/DenyAllOutBound',
  ]);
  expect(rows[1]).toEqual({
    group: 'NSG1',
    association: 'subnet Subnet1',
    direction: 'Inbound',
    priority: 200,
    name: 'securityRules/Web',
    access: 'Allow',
    protocol: 'Tcp',
    source: '192.0.2.0/24,203.0.113.9/32',
    sourcePorts: '0-65535',
    destination: 'asg-web',
    destinationPorts: '80-80,8000-8010',
    expandedSource: null,
    expandedDestination: ['10.0.1.4/32'],
  });
  expect(rows.at(-1)?.group).toBe('NSG2');
});
