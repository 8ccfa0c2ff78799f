/**
 * The six rules that every network security group ends with. They cannot be removed, only overridden by lower numbers.
 *
 * Names, priorities and descriptions are the API's; Azure's documentation prints two of the names with another case.
 */
import { Access, Direction } from '../engine/rule.ts';
import type { Position } from './problem.ts';
import type { AddressMatch, SecurityRule } from './security-rule.ts';

const BUILT_IN: Position = Object.freeze({ file: '(default rules)', line: 1, column: 1 });

const ANY: AddressMatch = Object.freeze({ kind: 'any' });
const VIRTUAL_NETWORK: AddressMatch = Object.freeze({ kind: 'tag', tag: 'VirtualNetwork' });
const LOAD_BALANCER: AddressMatch = Object.freeze({ kind: 'tag', tag: 'AzureLoadBalancer' });
const INTERNET: AddressMatch = Object.freeze({ kind: 'tag', tag: 'Internet' });

function defaultRule(
  rule: Pick<
    SecurityRule,
    'name' | 'priority' | 'direction' | 'access' | 'source' | 'destination' | 'description'
  >,
): SecurityRule {
  return Object.freeze({
    ...rule,
    protocol: 'Any',
    sourcePorts: 'any',
    destinationPorts: 'any',
    positions: {
      name: BUILT_IN,
      priority: BUILT_IN,
      direction: BUILT_IN,
      access: BUILT_IN,
      protocol: BUILT_IN,
      source: BUILT_IN,
      sourcePorts: BUILT_IN,
      destination: BUILT_IN,
      destinationPorts: BUILT_IN,
    },
  });
}

/** Per direction in the order of evaluation, Inbound first. Their positions name no real file. */
export const DEFAULT_RULES: readonly SecurityRule[] = Object.freeze([
  defaultRule({
    name: 'AllowVnetInBound',
    description: 'Allow inbound traffic from all VMs in VNET',
    priority: 65000,
    direction: Direction.Inbound,
    access: Access.Allow,
    source: VIRTUAL_NETWORK,
    destination: VIRTUAL_NETWORK,
  }),
  defaultRule({
    name: 'AllowAzureLoadBalancerInBound',
    description: 'Allow inbound traffic from azure load balancer',
    priority: 65001,
    direction: Direction.Inbound,
    access: Access.Allow,
    source: LOAD_BALANCER,
    destination: ANY,
  }),
  defaultRule({
    name: 'DenyAllInBound',
    description: 'Deny all inbound traffic',
    priority: 65500,
    direction: Direction.Inbound,
    access: Access.Deny,
    source: ANY,
    destination: ANY,
  }),
  defaultRule({
    name: 'AllowVnetOutBound',
    description: 'Allow outbound traffic from all VMs to all VMs in VNET',
    priority: 65000,
    direction: Direction.Outbound,
    access: Access.Allow,
    source: VIRTUAL_NETWORK,
    destination: VIRTUAL_NETWORK,
  }),
  defaultRule({
    name: 'AllowInternetOutBound',
    description: 'Allow outbound traffic from all VMs to Internet',
    priority: 65001,
    direction: Direction.Outbound,
    access: Access.Allow,
    source: ANY,
    destination: INTERNET,
  }),
  defaultRule({
    name: 'DenyAllOutBound',
    description: 'Deny all outbound traffic',
    priority: 65500,
    direction: Direction.Outbound,
    access: Access.Deny,
    source: ANY,
    destination: ANY,
  }),
]);
