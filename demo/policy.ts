/**
 * The demo's policy: two machines in two subnets, each with a security group, in Azure's own words.
 */
import { INSIDE, OUTSIDE } from '../test/helpers/network.ts';
import type { ConfigurationText } from '../test/helpers/daemon.ts';

export const VM1 = '10.0.1.4';
export const VM2 = '10.0.2.4';
export const GATEWAYS = { vm1: '10.0.1.1', vm2: '10.0.2.1' };

interface Rule {
  readonly name: string;
  readonly priority: number;
  readonly direction: 'Inbound' | 'Outbound';
  readonly access: 'Allow' | 'Deny';
  readonly protocol: 'Tcp' | 'Udp' | 'Icmp' | '*';
  readonly from: string;
  readonly to: string;
  readonly ports: readonly string[];
}

export const ALLOW_HTTP = 'AllowHttp';

const VM1_RULES: readonly Rule[] = [
  inbound(100, ALLOW_HTTP, 'Allow', 'Tcp', '80', '443'),
  inbound(110, 'AllowPing', 'Allow', 'Icmp', '*'),
  inbound(120, 'AllowSensors', 'Allow', 'Udp', '5353'),
  inbound(200, 'DenyAdmin', 'Deny', 'Tcp', '8080-8099'),
];

const VM2_RULES: readonly Rule[] = [
  {
    name: 'DenyInternet',
    priority: 100,
    direction: 'Outbound',
    access: 'Deny',
    protocol: '*',
    from: '*',
    to: 'Internet',
    ports: ['*'],
  },
];

function inbound(
  priority: number,
  name: string,
  access: Rule['access'],
  protocol: Rule['protocol'],
  ...ports: readonly string[]
): Rule {
  return {
    name,
    priority,
    direction: 'Inbound',
    access,
    protocol,
    from: 'Internet',
    to: '*',
    ports,
  };
}

/** In the shape in which Azure writes a security rule. */
function azureRule({ from, to, ports, ...rule }: Rule): Record<string, unknown> {
  return {
    ...rule,
    sourceAddressPrefix: from,
    sourcePortRange: '*',
    destinationAddressPrefix: to,
    ...(ports.length === 1 ? { destinationPortRange: ports[0] } : { destinationPortRanges: ports }),
  };
}

/** @param without a rule of vm1 to leave out */
export function demoConfiguration(without?: string): ConfigurationText {
  const vm1Rules = VM1_RULES.filter(({ name }) => name !== without).map(azureRule);
  // JSON is YAML too.
  return (settings) => JSON.stringify({ ...policy(vm1Rules), ...settings }, undefined, 2);
}

function policy(vm1Rules: readonly unknown[]): Readonly<Record<string, unknown>> {
  return {
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16'],
      subnets: [
        { name: 'Subnet1', addressPrefixes: ['10.0.1.0/24'], networkSecurityGroup: 'NSG1' },
        { name: 'Subnet2', addressPrefixes: ['10.0.2.0/24'] },
      ],
    },
    networkSecurityGroups: [
      { name: 'NSG1', securityRules: vm1Rules },
      { name: 'NSG2', securityRules: VM2_RULES.map(azureRule) },
    ],
    networkInterfaces: [
      { name: 'vm1', subnet: 'Subnet1', addresses: [VM1], wire: 'wire0' },
      {
        name: 'vm2',
        subnet: 'Subnet2',
        addresses: [VM2],
        networkSecurityGroup: 'NSG2',
        wire: 'wire0',
      },
    ],
    wires: [{ name: 'wire0', outside: OUTSIDE, inside: INSIDE }],
    flowTable: { maxFlows: 65_536 },
    metrics: { listen: '127.0.0.1:9469' },
    logs: { level: 'warn' },
  };
}
