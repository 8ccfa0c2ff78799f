/**
 * One machine behind nsgd and the Internet before it: the network that most live tests are about, and its configuration.
 */
import type { ConfigurationText } from './daemon.ts';
import { rule, type RuleText } from './four-vms.ts';
import type { Lab } from './lab.ts';
import { buildNetwork, INSIDE, type Network, OUTSIDE } from './network.ts';

export const VM = '10.0.1.4';

type Settings = Readonly<Record<string, unknown>>;

/** What is in the configuration beside the rules. */
export interface OneVmSettings {
  readonly group?: Settings;
  readonly wire?: Settings;
  /** At the top. */
  readonly settings?: Settings;
}

/** The configuration of `vm1`, whose subnet has one group with these rules. */
export function oneVm(
  securityRules: readonly RuleText[],
  { group, wire, settings }: OneVmSettings = {},
): ConfigurationText {
  return (ofLab) =>
    JSON.stringify(
      {
        virtualNetwork: {
          addressSpace: ['10.0.0.0/16'],
          subnets: [{ name: 'web', addressPrefix: '10.0.1.0/24', networkSecurityGroup: 'nsg' }],
        },
        networkSecurityGroups: [{ name: 'nsg', securityRules, ...group }],
        networkInterfaces: [{ name: 'vm1', subnet: 'web', addresses: [VM], wire: 'wire0' }],
        wires: [{ name: 'wire0', outside: OUTSIDE, inside: INSIDE, ...wire }],
        ...settings,
        ...ofLab,
      },
      undefined,
      2,
    );
}

/** @param hasOffloads the neighbours leave checksums to the hardware */
export function oneVmNetwork(lab: Lab, hasOffloads = false): Network {
  const machines = [{ name: 'vm1', addresses: [VM], gateways: ['10.0.1.1'] }];
  return buildNetwork(lab, { machines, hasOffloads });
}

export function allowIn(
  name: string,
  protocol: 'Tcp' | 'Udp' | 'Icmp',
  change: Partial<RuleText> = {},
): RuleText {
  return rule({ name, direction: 'Inbound', access: 'Allow', protocol, ...change });
}

export const allowHttp = allowIn('AllowHttp', 'Tcp', {
  sourceAddressPrefix: 'Internet',
  destinationPortRange: '80',
});
export const allowPing = allowIn('AllowPing', 'Icmp', { priority: 110 });
