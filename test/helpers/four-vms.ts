/**
 * The scenario of Azure's page "Network security groups", section "How traffic is evaluated", and variations of it:
 * config/examples/four-vms.yaml with other rules in NSG1 and NSG2.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const fourVmsFile = fileURLToPath(
  new URL('../../config/examples/four-vms.yaml', import.meta.url),
);

export interface RuleText {
  readonly name: string;
  readonly priority: number;
  readonly direction: 'Inbound' | 'Outbound';
  readonly access: 'Allow' | 'Deny';
  readonly protocol: string;
  readonly sourceAddressPrefix: string;
  readonly sourcePortRange: string;
  readonly destinationAddressPrefix: string;
  readonly destinationPortRange: string;
}

type RuleChange = Partial<RuleText> & Pick<RuleText, 'name' | 'direction' | 'access'>;

/** A rule of any address and port unless said otherwise. */
export function rule(change: RuleChange): RuleText {
  return {
    priority: 100,
    protocol: '*',
    sourceAddressPrefix: '*',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: '*',
    ...change,
  };
}

export const allowHttpIn = rule({
  name: 'AllowHttpFromInternet',
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: 'Internet',
  destinationPortRange: '80',
});

export const denyHttpOut = rule({
  name: 'DenyHttpToInternet',
  direction: 'Outbound',
  access: 'Deny',
  protocol: 'Tcp',
  destinationAddressPrefix: 'Internet',
  destinationPortRange: '80',
});

export interface FourVmsRules {
  readonly NSG1: readonly RuleText[];
  readonly NSG2: readonly RuleText[];
}

/** Text (JSON) of the example with these rules and, for live runs, these settings at the top. */
export function fourVms(
  rules: FourVmsRules,
  settings: Readonly<Record<string, unknown>> = {},
): string {
  const configuration = parse(readFileSync(fourVmsFile, 'utf8')) as {
    networkSecurityGroups: { name: keyof FourVmsRules; securityRules: readonly RuleText[] }[];
  };
  for (const group of configuration.networkSecurityGroups) group.securityRules = rules[group.name];
  return JSON.stringify({ ...configuration, ...settings }, undefined, 2);
}
