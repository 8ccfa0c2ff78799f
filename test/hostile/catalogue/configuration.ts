/**
 * Rows 58 and 59: texts that other software reads as something else than their author meant. Each is the source of a rule
 * that allows, or an address of a NIC, so whatever is read into it would open something.
 */
import type { Case, TextCase } from './case.ts';

const HEAD = `virtualNetwork:
  addressSpace: [10.0.0.0/16, "fd00:db8::/32"]
  subnets: [{ name: s1, addressPrefix: 10.0.1.0/24 }]
`;

/** A configuration whose only rule has these fields beside what every rule needs. */
function withRule(fields: string): string {
  return `${HEAD}networkSecurityGroups:
  - name: nsg
    securityRules:
      - { name: r, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourcePortRange: "*",
          destinationAddressPrefix: "*", ${fields} }
`;
}

const source = (value: string): string =>
  withRule(`destinationPortRange: "80", sourceAddressPrefix: ${value}`);
const port = (value: string): string =>
  withRule(`sourceAddressPrefix: 192.0.2.1, destinationPortRange: ${value}`);
const address = (value: string): string =>
  `${HEAD}networkInterfaces: [{ name: vm1, subnet: s1, addresses: [${value}] }]\n`;

/** `[attack, text, codes of its problems]` */
type TextRow = readonly [attack: string, text: string, ...codes: string[]];

function texts(row: number, cases: readonly TextRow[]): TextCase[] {
  return cases.map(([attack, text, ...codes]) => ({ row, attack, text, codes }));
}

const PREFIX = 'SecurityRuleInvalidAddressPrefix';
const PORT = 'SecurityRuleInvalidPortRange';
const MISSING = 'SecurityRuleParametersMissing';

export const configurationCases: readonly Case[] = [
  ...texts(58, [
    ['an IPv4-mapped source', source('"::ffff:1.2.3.4"'), PREFIX],
    ['a prefix of IPv4-mapped addresses', source('"::ffff:0:0/96"'), PREFIX],
    ['a zone identifier', source('"fe80::1%eth0"'), PREFIX],
    [
      'an IPv4-mapped address of a NIC',
      address('"::ffff:10.0.1.4"'),
      'PrivateIPAddressNotInSubnet',
    ],
    ['NAT64 is a prefix like others', source('"64:ff9b::/96"')],
  ]),
  ...texts(59, [
    ['a leading zero, octal elsewhere', source('010.0.0.1'), PREFIX],
    ['three parts, 1.2.0.3 elsewhere', source('1.2.3'), PREFIX],
    ['one number, an address elsewhere', source('16909060'), PREFIX],
    ['hexadecimal', source('0x0a000001'), PREFIX],
    ['host bits', source('10.0.0.1/8'), PREFIX],
    ['0/0', source('0/0'), PREFIX],
    ['a dotted mask', source('10.0.0.0/255.0.0.0'), PREFIX],
    ['a blank in an address', source('"10.0.0.1 "'), PREFIX],
    ['digits of another script', source('"１0.0.0.1"'), PREFIX],
    ['no source', source('""'), MISSING],
    ['null source', source('null'), MISSING],
    [
      'an empty list of sources',
      withRule('destinationPortRange: "80", sourceAddressPrefixes: []'),
      MISSING,
    ],
    ['port 0777, 511 elsewhere', port('0777'), PORT],
    ['port 0x50', port('0x50'), PORT],
    ['port 1e3', port('1e3'), PORT],
    ['ports from high to low', port('"443-80"'), PORT],
    ['port -1', port('-1'), PORT],
    ['sexagesimal 22:22', port('22:22'), PORT],
    [
      'an empty list of ports',
      withRule('sourceAddressPrefix: 192.0.2.1, destinationPortRanges: []'),
      MISSING,
    ],
    [
      'a key twice',
      withRule(
        'sourceAddressPrefix: 192.0.2.1, sourceAddressPrefix: "*", destinationPortRange: "80"',
      ),
      'DuplicateKey',
    ],
    [
      'a key twice in two spellings',
      withRule(
        'sourceAddressPrefix: 192.0.2.1, SourceAddressPrefix: "*", destinationPortRange: "80"',
      ),
      'DuplicateKey',
    ],
    [
      'a key that nobody knows',
      withRule('sourceAddressPrefix: 192.0.2.1, destinationPortRange: "80", enabled: false'),
      'UnknownProperty',
    ],
    [
      'no addresses, which is not every address',
      `${HEAD}networkInterfaces: [{ name: vm1, subnet: s1, addresses: [] }]\n`,
      'InvalidValue',
    ],
    ['nothing but a comment', '# nothing\n', 'EmptyDocument'],
    ['nothing', '', 'EmptyDocument'],
    ['two documents', `${HEAD}---\n${HEAD}`, 'InvalidYaml'],
    ['a tag of YAML', source('!!binary MTI3'), 'InvalidValue'],
    ['an alias bomb', bomb(9), 'ExcessiveAliases'],
    [
      'the Norwegian problem',
      withRule('sourceAddressPrefix: NO, destinationPortRange: "80"'),
      PREFIX,
    ],
  ]),
  {
    row: 59,
    attack: 'whatever is empty, in whatever field, is never "any"',
    file: 'test/policy/nsg-rule.test.ts',
    test: 'empty values of any kind in any field are never any',
  },
  {
    row: 59,
    attack: 'nothing empty becomes "any" on the way to the policy (CVE-2025-64715)',
    file: 'test/policy/resolve.test.ts',
    test: 'property: "any" comes only from * and Any, and nothing empty ever becomes it',
  },
];

/** "Billion laughs": each level has ten aliases of the one before. */
function bomb(levels: number): string {
  const lines = ['a0: &a0 [1,1,1,1,1,1,1,1,1,1]'];
  for (let level = 1; level < levels; level++) {
    const aliases = Array.from({ length: 10 }, () => `*a${level - 1}`).join(',');
    lines.push(`a${level}: &a${level} [${aliases}]`);
  }
  return `${lines.join('\n')}\n`;
}
