import * as fc from 'fast-check';
import { isIPv6 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Access, Direction } from '../../src/engine/rule.ts';
import { readNsgFile } from '../../src/policy/nsg-file.ts';
import type { SecurityRule } from '../../src/policy/security-rule.ts';
import { groupText, marked, placesOf, type RuleLines } from './nsg-marked-text.ts';

/** The rule that `changes` make of a sound one; fails the test when there is a problem. */
function ruleOf(changes: RuleLines): SecurityRule {
  const { groups, problems } = readNsgFile(groupText(changes), 'nsg.yaml');
  expect(problems).toEqual([]);
  const rule = groups[0]?.rules[0];
  if (rule === undefined) throw new Error('no rule');
  return rule;
}

const noDestinationPort = { destinationPortRange: undefined };
const noSource = { sourceAddressPrefix: undefined };
const onlyPrefixes = (list: string): RuleLines => ({ ...noSource, sourceAddressPrefixes: list });
const onlyPorts = (list: string): RuleLines => ({
  ...noDestinationPort,
  destinationPortRanges: list,
});

describe('a sound rule', () => {
  it('is normalized', () => {
    const { positions, ...rule } = ruleOf({ description: 'web servers' });
    expect(rule).toEqual({
      name: 'web',
      description: 'web servers',
      priority: 100,
      direction: Direction.Inbound,
      access: Access.Allow,
      protocol: 'Tcp',
      source: { kind: 'any' },
      sourcePorts: 'any',
      destination: { kind: 'any' },
      destinationPorts: [{ low: 80, high: 80 }],
    });
    expect(positions.name).toEqual({ file: 'nsg.yaml', line: 3, column: 11 });
    expect(positions.destinationPorts).toEqual({ file: 'nsg.yaml', line: 11, column: 27 });
  });

  const same: [name: string, changes: RuleLines, expected: Partial<SecurityRule>][] = [
    ['protocol in capitals', { protocol: 'TCP' }, { protocol: 'Tcp' }],
    ['protocol *', { protocol: '"*"' }, { protocol: 'Any' }],
    ['protocol Any', { protocol: 'any' }, { protocol: 'Any' }],
    [
      'icmp',
      { protocol: 'icmp', ...noDestinationPort, destinationPortRange: '"*"' },
      { protocol: 'Icmp' },
    ],
    [
      'icmp, 0-65535',
      { protocol: 'Icmp', destinationPortRange: '0-65535' },
      { destinationPorts: 'any' },
    ],
    ['esp', { protocol: 'ESP', destinationPortRange: '"*"' }, { protocol: 'Esp' }],
    ['ah', { protocol: 'Ah', destinationPortRange: '"*"' }, { protocol: 'Ah' }],
    [
      'direction and access in any case',
      { direction: 'OUTBOUND', access: 'deny' },
      { direction: 1, access: 0 },
    ],
    ['lowest priority', { priority: '4096' }, { priority: 4096 }],
    ['priority as text', { priority: '"200"' }, { priority: 200 }],
    [
      'port as number',
      { destinationPortRange: '443' },
      { destinationPorts: [{ low: 443, high: 443 }] },
    ],
    [
      'port range',
      { destinationPortRange: '10-20' },
      { destinationPorts: [{ low: 10, high: 20 }] },
    ],
    ['port 0', { destinationPortRange: '0' }, { destinationPorts: [{ low: 0, high: 0 }] }],
    ['all ports as a range', { destinationPortRange: '0-65535' }, { destinationPorts: 'any' }],
    [
      'port list',
      onlyPorts('["22-23", 80]'),
      {
        destinationPorts: [
          { low: 22, high: 23 },
          { low: 80, high: 80 },
        ],
      },
    ],
    ['port list with all ports', onlyPorts('["80", "0-65535"]'), { destinationPorts: 'any' }],
    ['Any as address', { sourceAddressPrefix: 'Any' }, { source: { kind: 'any' } }],
    [
      'tag',
      { sourceAddressPrefix: 'virtualNetwork' },
      { source: { kind: 'tag', tag: 'virtualNetwork' } },
    ],
    [
      'regional tag',
      { sourceAddressPrefix: 'Sql.WestEurope' },
      { source: { kind: 'tag', tag: 'Sql.WestEurope' } },
    ],
    [
      'unused forms',
      { sourceAddressPrefixes: '[]', sourceApplicationSecurityGroups: 'null' },
      { source: { kind: 'any' } },
    ],
    ['unused singular form', { ...onlyPorts('["80"]'), destinationPortRange: '""' }, {}],
    ['property names in any case', { ...noSource, SOURCEADDRESSPREFIX: 'Internet' }, {}],
    [
      'read-only fields',
      {
        id: '/x/y',
        etag: 'W/"1"',
        type: 'Microsoft.Network/networkSecurityGroups/securityRules',
        provisioningState: 'Succeeded',
        resourceGroup: 'g',
        resourceGuid: '1',
        additionalProperties: '{}',
      },
      {},
    ],
    ['description of 140 characters', { description: 'x'.repeat(140) }, {}],
  ];
  it.each(same)('%s', (_, changes, expected) => {
    expect(ruleOf(changes)).toMatchObject(expected);
  });

  it('prefixes keep their text and have their interval', () => {
    const { source } = ruleOf(onlyPrefixes('[10.0.0.0/8, 192.0.2.7]'));
    expect(source).toMatchObject({
      kind: 'prefixes',
      prefixes: [
        { text: '10.0.0.0/8', prefix: { family: 4, low: 0x0a00_0000, high: 0x0aff_ffff } },
        {
          text: '192.0.2.7',
          prefix: { family: 4, low: 0xc000_0207, high: 0xc000_0207 },
          at: { line: 11 },
        },
      ],
    });
  });

  it('0.0.0.0/0 is IPv4 only and ::/0 IPv6 only', () => {
    expect(ruleOf({ sourceAddressPrefix: '0.0.0.0/0' }).source).toMatchObject({
      prefixes: [{ prefix: { family: 4 } }],
    });
    expect(ruleOf({ sourceAddressPrefix: '::/0' }).source).toMatchObject({
      prefixes: [{ prefix: { family: 6 } }],
    });
  });

  it('application security groups by id and by name', () => {
    const id =
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationSecurityGroups/asg-web';
    const { source } = ruleOf({
      ...noSource,
      sourceApplicationSecurityGroups: `[{ id: ${id} }, { id: asg-b }, asg-c, { name: asg-d }]`,
    });
    expect(source).toMatchObject({
      kind: 'asgs',
      asgs: [
        { name: 'asg-web', id },
        { name: 'asg-b', id: undefined },
        { name: 'asg-c', id: undefined },
        { name: 'asg-d', id: undefined },
      ],
    });
  });
});

const INVALID_PREFIX = 'SecurityRuleInvalidAddressPrefix';
const INVALID_PORT = 'SecurityRuleInvalidPortRange';
const MISSING = 'SecurityRuleParametersMissing';
const FAMILIES = 'ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies';
const UNSUPPORTED = 'SecurityRuleParameterContainsUnsupportedValue';
const EXACTLY_ONE = 'SecurityRuleExactlyOneParameter';
const ASG_LIMIT = 'NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached';

describe('a wrong rule', () => {
  const prefix = (name: string, text: string, hint = ''): [string, RuleLines, string[], string] => [
    `address ${name}`,
    { sourceAddressPrefix: `§"${text}"` },
    [INVALID_PREFIX],
    hint,
  ];
  const port = (text: string, hint = ''): [string, RuleLines, string[], string] => [
    `port ${text}`,
    { destinationPortRange: `§${text}` },
    [INVALID_PORT],
    hint,
  ];
  const rows: [name: string, changes: RuleLines, codes: string[], message?: string][] = [
    // Names, numbers and words.
    ['empty name', { name: undefined, '§name': '""' }, [MISSING], 'Name'],
    ['name with a slash', { name: '§a/b' }, ['InvalidResourceName']],
    ['name of 81 characters', { name: `§${'a'.repeat(81)}` }, ['InvalidResourceName']],
    ['priority 99', { priority: '§99' }, ['SecurityRuleInvalidPriority'], '100-4096'],
    ['priority of a default rule', { priority: '§65000' }, ['SecurityRuleInvalidPriority']],
    ['priority with a fraction', { priority: '§100.5' }, ['SecurityRuleInvalidPriority']],
    ['priority in hexadecimal', { priority: '§0x100' }, ['SecurityRuleInvalidPriority']],
    ['priority as a word', { priority: '§high' }, ['SecurityRuleInvalidPriority']],
    ['priority as a list', { priority: '§[100]' }, ['InvalidValue'], 'not a list'],
    ['no priority', { priority: undefined, name: '§web' }, [MISSING], 'Priority'],
    ['direction In', { direction: '§In' }, ['SecurityRuleInvalidDirection'], 'Inbound, Outbound'],
    ['access Permit', { access: '§Permit' }, ['SecurityRuleInvalidAccess'], 'Allow, Deny'],
    ['access null', { '§access': 'null', access: undefined }, [MISSING], 'Access'],
    ['protocol 6', { protocol: '§6' }, ['SecurityRuleInvalidProtocol'], 'Tcp'],
    ['protocol true', { protocol: '§true' }, ['InvalidValue'], 'not a boolean'],
    [
      'description of 141 characters',
      { description: `§${'x'.repeat(141)}` },
      ['SecurityRuleDescriptionTooLong'],
    ],
    ['unknown key', { '§destinationPort': '80' }, ['UnknownProperty'], '"destinationPortRange"'],
    ['key of Terraform', { '§source_port_range': '80' }, ['UnknownProperty'], '"sourcePortRange"'],
    ['key twice in two spellings', { '§Priority': '200' }, ['DuplicateKey']],
    // Ports.
    port('70000', 'Valid range 0-65535'),
    port('65536'),
    port('"80,443"', 'plural list'),
    port('443-80', 'first port is larger'),
    port('"80 - 90"'),
    port('080'),
    port('0x50'),
    port('80.0'),
    port('-1'),
    port('http'),
    port('Any'),
    port('10-'),
    [
      'port list in the singular',
      { destinationPortRange: '§[80]' },
      ['InvalidValue'],
      '"destinationPortRanges"',
    ],
    ['text in the plural', onlyPorts('§"80"'), ['InvalidValue'], 'a list'],
    [
      '* among ports',
      onlyPorts('["80", §"*"]'),
      ['SecurityRuleParameterContainsInvalidPortRanges'],
    ],
    [
      '* alone in the port list',
      onlyPorts('[§"*"]'),
      ['SecurityRuleParameterContainsInvalidPortRanges'],
    ],
    [
      'every wrong port of a list',
      onlyPorts('[§70000, 80, §"a", §[]]'),
      [INVALID_PORT, INVALID_PORT, 'InvalidValue'],
    ],
    ['no port', { ...noDestinationPort, name: '§web' }, [MISSING], 'DestinationPortRange'],
    [
      'empty port list is not any',
      { ...noDestinationPort, '§destinationPortRanges': '[]' },
      [MISSING],
      'not "any"',
    ],
    ['both port forms', { '§destinationPortRanges': '[443]' }, [EXACTLY_ONE]],
    [
      'ports on Icmp',
      { protocol: 'Icmp', destinationPortRange: '§80' },
      ['SecurityRulePortsWithoutProtocol'],
    ],
    [
      'ports on Esp, both sides',
      { protocol: 'Esp', sourcePortRange: '§80', destinationPortRange: '§80' },
      ['SecurityRulePortsWithoutProtocol', 'SecurityRulePortsWithoutProtocol'],
    ],
    [
      'port list on Ah',
      { protocol: 'Ah', ...onlyPorts('§[80]') },
      ['SecurityRulePortsWithoutProtocol'],
    ],
    // Addresses.
    prefix('with host bits', '50.206.209.68/27', 'the prefix is 50.206.209.64/27'),
    prefix('with IPv6 host bits', 'fd00::1/64', 'the prefix is fd00::/64'),
    prefix('with a leading zero', '10.0.010.0/24', 'cannot start with 0'),
    prefix('of three parts', '1.2.3', 'four parts'),
    prefix('of one number', '167772160', 'four parts'),
    prefix('with a part of 256', '256.0.0.1', 'four parts'),
    prefix('IPv4-mapped', '::ffff:1.2.3.4', 'as IPv4'),
    prefix('IPv4-mapped prefix', '::ffff:0:0/96', 'as IPv4'),
    prefix('with a zone', 'fe80::1%eth0', 'zone'),
    prefix('with mask 33', '10.0.0.0/33', 'from 0 to 32'),
    prefix('with mask 129', '::/129', 'from 0 to 128'),
    prefix('with mask 08', '10.0.0.0/08', 'from 0 to 32'),
    prefix('with a dotted mask', '10.0.0.0/255.0.0.0', 'from 0 to 32'),
    prefix('with an empty mask', '10.0.0.0/', 'from 0 to 32'),
    prefix('with two masks', '10.0.0.0/8/8', 'more than one'),
    prefix('range', '10.0.0.1-10.0.0.9', 'as prefixes'),
    prefix('list', '10.0.0.1,10.0.0.2', 'plural list'),
    prefix('with a space', ' 10.0.0.0/8', 'spaces'),
    prefix('hexadecimal', '0x0a.0.0.1'),
    prefix('of nonsense', '!'),
    prefix('with two ::', '1::2::3'),
    prefix('classic spelling', 'VIRTUAL_NETWORK', 'VirtualNetwork'),
    prefix('classic spelling of the load balancer', 'AZURE_LOADBALANCER', 'AzureLoadBalancer'),
    [
      'IPv6 with an IPv4 mask',
      { sourceAddressPrefix: '§2001:db8::/16' },
      [INVALID_PREFIX],
      '2001::/16',
    ],
    [
      'list in the singular',
      { sourceAddressPrefix: '§[10.0.0.0/8]' },
      ['InvalidValue'],
      '"sourceAddressPrefixes"',
    ],
    ['tag in the plural', onlyPrefixes('[10.0.0.0/8, §Internet]'), [UNSUPPORTED], '"Internet"'],
    ['tag alone in the plural', onlyPrefixes('[§VirtualNetwork]'), [UNSUPPORTED]],
    ['* in the plural', onlyPrefixes('[§"*"]'), [UNSUPPORTED]],
    ['Any in the plural', onlyPrefixes('[§any]'), [UNSUPPORTED]],
    [
      'every wrong prefix of a list',
      onlyPrefixes('[§1.2.3, 10.0.0.0/8, §10.0.0.1/8]'),
      [INVALID_PREFIX, INVALID_PREFIX],
    ],
    ['unquoted IPv6 in a YAML list', onlyPrefixes('[§fd00::]'), ['InvalidValue'], 'in quotes'],
    [
      'no source',
      { ...noSource, name: '§web' },
      [MISSING],
      'SourceAddressPrefixes or SourceAddressPrefix',
    ],
    [
      'empty list is not any',
      { ...noSource, '§sourceAddressPrefixes': '[]' },
      [MISSING],
      'not "any"',
    ],
    [
      'empty text is not any',
      { '§sourceAddressPrefix': '""', sourceAddressPrefix: undefined },
      [MISSING],
      'not "any"',
    ],
    [
      'empty groups are not any',
      { ...noSource, '§sourceApplicationSecurityGroups': '[]' },
      [MISSING],
    ],
    [
      'prefix and prefixes',
      {
        '§sourceAddressPrefix': '"*"',
        sourceAddressPrefix: undefined,
        sourceAddressPrefixes: '[10.0.0.0/8]',
      },
      [EXACTLY_ONE],
    ],
    [
      'prefix and groups',
      { '§sourceApplicationSecurityGroups': '[a]' },
      [EXACTLY_ONE],
      'exactly one of',
    ],
    ['families mixed in a list', onlyPrefixes('[10.0.0.0/8, §fd00::/8]'), [FAMILIES]],
    [
      'families mixed across sides',
      { sourceAddressPrefix: '10.0.0.0/8', destinationAddressPrefix: '§"::/0"' },
      [FAMILIES],
      '"10.0.0.0/8" and "::/0"',
    ],
    // Application security groups.
    [
      'eleven groups',
      { ...noSource, '§sourceApplicationSecurityGroups': '[a, b, c, d, e, f, g, h, i, j, k]' },
      [ASG_LIMIT],
    ],
    [
      'group id of another type',
      {
        ...noSource,
        sourceApplicationSecurityGroups:
          '[{ id: §/providers/Microsoft.Network/networkSecurityGroups/a }]',
      },
      ['InvalidResourceName'],
    ],
    [
      'group without id',
      { ...noSource, sourceApplicationSecurityGroups: '[§{ location: x }]' },
      ['InvalidValue'],
    ],
    [
      'group with a bad name',
      { ...noSource, sourceApplicationSecurityGroups: '[§"*"]' },
      ['InvalidResourceName'],
    ],
    // Together.
    [
      'everything at once',
      {
        priority: '§5000',
        direction: '§Sideways',
        access: '§Maybe',
        protocol: '§Smtp',
        sourceAddressPrefix: '§10.0.0.1/8',
        sourcePortRange: '§99999',
        destinationAddressPrefix: '§1.2.3',
        destinationPortRange: '§x',
        '§hits': '7',
      },
      [
        'SecurityRuleInvalidPriority',
        'SecurityRuleInvalidDirection',
        'SecurityRuleInvalidAccess',
        'SecurityRuleInvalidProtocol',
        INVALID_PREFIX,
        INVALID_PORT,
        INVALID_PREFIX,
        INVALID_PORT,
        'UnknownProperty',
      ],
    ],
  ];
  it.each(rows)('%s', (_, changes, codes, message = '') => {
    const { text, marks } = marked(groupText(changes));
    const { groups, problems } = readNsgFile(text, 'nsg.yaml');
    expect(placesOf(problems)).toEqual(codes.map((code, index) => `${marks[index]} ${code}`));
    expect(problems[0]?.message).toContain(message);
    expect(groups[0]?.rules).toEqual([]);
  });
});

/** Four decimal parts without leading zeros: node:net is stricter than most, and has no opinion on mapped ones. */
const isStrictIpv4 = (text: string): boolean =>
  /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text) &&
  text.split('.').every((part) => Number(part) <= 255);

describe('properties', () => {
  const octet = fc.integer({ min: 0, max: 300 }).map(String);
  const addressText = fc.oneof(
    fc.array(octet, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.')),
    fc
      .array(fc.constantFrom('', '0', '1', 'ffff', 'fd00', 'g', '12345', '1.2.3.4'), {
        minLength: 2,
        maxLength: 9,
      })
      .map((parts) => parts.join(':')),
    fc.ipV6(),
    fc.ipV4(),
  );

  it('an address is taken exactly when it is one', () => {
    fc.assert(
      fc.property(addressText, (text) => {
        const { problems } = readNsgFile(
          groupText({ sourceAddressPrefix: JSON.stringify(text) }),
          'a.yaml',
        );
        const isMapped = problems.some(({ message }) => message.includes('as IPv4'));
        expect(problems.length === 0 || isMapped).toBe(isStrictIpv4(text) || isIPv6(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('a port range is taken exactly when it is one', () => {
    const number = fc.oneof(
      fc.integer({ min: -10, max: 70_000 }),
      fc.constantFrom(0, 65_535, 65_536),
    );
    fc.assert(
      fc.property(number, fc.option(number), (low, high) => {
        const text = high === null ? `${low}` : `${low}-${high}`;
        const { problems } = readNsgFile(
          groupText({ destinationPortRange: `"${text}"` }),
          'a.yaml',
        );
        const isRange =
          low >= 0 && low <= 65_535 && (high === null || (high >= low && high <= 65_535));
        expect(problems.length === 0).toBe(isRange);
      }),
      { numRuns: 500 },
    );
  });

  it('empty values of any kind in any field are never any', () => {
    const empty = fc.constantFrom('""', 'null', '[]', undefined);
    const forms = [
      'sourceAddressPrefix',
      'sourceAddressPrefixes',
      'sourceApplicationSecurityGroups',
    ];
    fc.assert(
      fc.property(fc.array(empty, { minLength: 3, maxLength: 3 }), (values) => {
        const changes = Object.fromEntries(forms.map((form, index) => [form, values[index]]));
        const { groups, problems } = readNsgFile(groupText(changes), 'a.yaml');
        expect(problems.map(({ code }) => code)).toEqual([MISSING]);
        expect(groups[0]?.rules).toEqual([]);
      }),
    );
  });
});
