import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../src/policy/default-rules.ts';
import { Access, Direction } from '../../src/engine/rule.ts';
import type { AddressMatch } from '../../src/policy/security-rule.ts';

/** As Azure's API returns them (NetworkSecurityGroupGet). */
const TABLE = [
  'Inbound 65000 AllowVnetInBound VirtualNetwork VirtualNetwork Allow',
  'Inbound 65001 AllowAzureLoadBalancerInBound AzureLoadBalancer * Allow',
  'Inbound 65500 DenyAllInBound * * Deny',
  'Outbound 65000 AllowVnetOutBound VirtualNetwork VirtualNetwork Allow',
  'Outbound 65001 AllowInternetOutBound * Internet Allow',
  'Outbound 65500 DenyAllOutBound * * Deny',
];

function textOf(match: AddressMatch): string {
  return match.kind === 'tag' ? match.tag : match.kind.replace('any', '*');
}

describe('default rules', () => {
  it('are the six of Azure, in the order of evaluation', () => {
    const lines = DEFAULT_RULES.map((rule) =>
      [
        rule.direction === Direction.Inbound ? 'Inbound' : 'Outbound',
        rule.priority,
        rule.name,
        textOf(rule.source),
        textOf(rule.destination),
        rule.access === Access.Allow ? 'Allow' : 'Deny',
      ].join(' '),
    );
    expect(lines).toEqual(TABLE);
  });

  it('take every protocol and port', () => {
    for (const rule of DEFAULT_RULES) {
      expect(rule).toMatchObject({ protocol: 'Any', sourcePorts: 'any', destinationPorts: 'any' });
    }
  });

  it('cannot be changed by whoever holds them', () => {
    for (const rule of DEFAULT_RULES) expect(Object.isFrozen(rule)).toBe(true);
  });
});
