/**
 * Every code in the smallest file that has the mistake, at exactly the place where it is. The mark § stands before the place.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkFile } from '../../src/policy/check-file.ts';
import { DEFAULT_LINT } from '../../src/policy/lint.ts';
import {
  AZURE_CODES,
  NSGD_CODES,
  PROBLEM_CODES,
  type ProblemCode,
} from '../../src/policy/problem-codes.ts';
import { memoryFiles } from '../helpers/load-text.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { goodTags, tagFile } from '../helpers/service-tag-text.ts';
import { groupText, marked, placesOf, ruleText, type RuleLines } from './nsg-marked-text.ts';

/** Codes of the daemon, which no file alone can bring about: their tests are in test/daemon. */
const OF_THE_DAEMON: readonly ProblemCode[] = ['PolicyNotEnforced', 'RestartRequired'];

type Row = readonly [code: ProblemCode, text: string, files?: Readonly<Record<string, string>>];

/** A group whose only rule is a sound one with changes. */
const rule = (code: ProblemCode, changes: RuleLines): Row => [code, groupText(changes)];

const NETWORK = 'virtualNetwork: { addressSpace: [10.0.0.0/16] }';
/** A configuration from lines; its network stands first. */
const configuration = (code: ProblemCode, ...lines: readonly string[]): Row => [
  code,
  `${[NETWORK, ...lines].join('\n')}\n`,
];

const many = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join(', ');
const address = (index: number): string => `10.0.${index >> 8}.${index & 255}`;

const noPort = { destinationPortRange: undefined };
const noSource = { sourceAddressPrefix: undefined };

const azureRows: readonly Row[] = [
  configuration(
    'InvalidCIDRNotation',
    'networkInterfaces: [{ name: vm1, addresses: [§10.0.0.256] }]',
  ),
  rule('InvalidResourceName', { name: '§-web' }),
  configuration(
    'InvalidResourceReference',
    'networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], networkSecurityGroup: §nsg9 }]',
  ),
  [
    'NetcfgSubnetRangeOutsideVnet',
    `virtualNetwork:
  addressSpace: [10.0.0.0/16]
  subnets: [§{ name: s1, addressPrefix: 10.1.0.0/24 }]
`,
  ],
  [
    'NetcfgSubnetRangesOverlap',
    `virtualNetwork:
  addressSpace: [10.0.0.0/16]
  subnets:
    - { name: s1, addressPrefix: 10.0.0.0/24 }
    - §{ name: s2, addressPrefix: 10.0.0.128/25 }
`,
  ],
  rule('NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached', {
    ...noSource,
    '§sourceApplicationSecurityGroups': `[${many(11, (index) => `asg${index}`)}]`,
  }),
  configuration(
    'PrivateIPAddressInUse',
    'networkInterfaces:',
    '  - { name: vm1, addresses: [10.0.0.4] }',
    '  - { name: vm2, addresses: [§10.0.0.4] }',
  ),
  configuration(
    'PrivateIPAddressNotInSubnet',
    'networkInterfaces: [{ name: vm1, addresses: [§192.0.2.4] }]',
  ),
  rule('ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies', {
    ...noSource,
    sourceAddressPrefixes: '[192.0.2.0/24, §"2001:db8::/32"]',
  }),
  [
    'SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached',
    `name: §nsg1
securityRules:
${ruleText({ ...noSource, sourceAddressPrefixes: `[${many(2001, address)}]` })}
${ruleText({ name: 'other', priority: '101', ...noSource, sourceAddressPrefixes: `[${many(2000, address)}]` })}
`,
  ],
  [
    'SecurityRuleConflict',
    `name: nsg1\nsecurityRules:\n${ruleText({})}\n${ruleText({ name: 'other', priority: '§100' })}\n`,
  ],
  [
    'SecurityRuleCountLimitReached',
    `name: §nsg1\nsecurityRules:\n${Array.from({ length: 1001 }, (_, index) =>
      ruleText({ name: `rule${index}`, priority: String(100 + index) }),
    ).join('\n')}\n`,
  ],
  rule('SecurityRuleInvalidAccessType', {
    direction: 'Outbound',
    access: '§Allow',
    destinationAddressPrefix: 'AzurePlatformDNS',
  }),
  rule('SecurityRuleInvalidAddressPrefix', { sourceAddressPrefix: '§50.206.209.68/27' }),
  rule('SecurityRuleInvalidPortRange', { destinationPortRange: '§"636, 389"' }),
  rule('SecurityRuleInvalidPriority', { priority: '§4097' }),
  rule('SecurityRuleParameterContainsInvalidPortRanges', {
    ...noPort,
    destinationPortRanges: '["80", §"*"]',
  }),
  rule('SecurityRuleParameterContainsUnsupportedValue', {
    ...noSource,
    sourceAddressPrefixes: '[10.0.0.0/8, §VirtualNetwork]',
  }),
  rule('SecurityRuleParametersMissing', { ...noSource, name: '§web' }),
];

/** Mistakes that have the code of another row too. */
const moreAzureRows: readonly Row[] = [
  // An unknown tag needs a configuration: alone, a group does not know which tags there are.
  [
    'SecurityRuleInvalidAddressPrefix',
    `${NETWORK}\nnetworkSecurityGroups:\n  - name: nsg1\n    securityRules:\n${ruleText({
      sourceAddressPrefix: '§Storrage',
    }).replaceAll(/^/gm, '    ')}\n`,
  ],
  rule('SecurityRuleInvalidAddressPrefix', { sourceAddressPrefix: '§VIRTUAL_NETWORK' }),
  rule('SecurityRuleInvalidAddressPrefix', { sourceAddressPrefix: '§"2001:db8::1/32"' }),
  rule('SecurityRuleInvalidPortRange', { destinationPortRange: '§65536' }),
  rule('SecurityRuleParameterContainsUnsupportedValue', {
    ...noSource,
    sourceAddressPrefixes: '[§"*"]',
  }),
  rule('SecurityRuleParametersMissing', { protocol: undefined, name: '§web' }),
  rule('InvalidResourceName', { name: `§${'a'.repeat(81)}` }),
  rule('SecurityRuleInvalidPriority', { priority: '§99' }),
];

const template = (resource: string): string => `{ "resources": [${resource}] }`;
const TYPE = 'Microsoft.Network/networkSecurityGroups';

const indented = (rules: readonly string[]): string => rules.join('\n').replaceAll(/^/gm, '    ');
/** One interface with a group of these rules. */
const onInterface = (rules: readonly string[], at: string): string => `${NETWORK}
networkSecurityGroups:
  - name: nsg1
    securityRules:
${indented(rules)}
networkInterfaces: [{ name: vm1, addresses: [${at}], networkSecurityGroup: nsg1 }]
`;

/** Among the files of a row: the service tags that those of the configuration are compared with. */
const EARLIER = 'earlier.json';

const nsgdRows: readonly Row[] = [
  configuration(
    'ApplicationSecurityGroupCountLimitReached',
    `applicationSecurityGroups: [${many(21, (index) => `{ name: asg${index} }`)}]`,
    'networkInterfaces:',
    '  - name: vm1',
    '    addresses: [10.0.0.4]',
    `    applicationSecurityGroups: §[${many(21, (index) => `asg${index}`)}]`,
  ),
  [
    'ConflictingTimeouts',
    `virtualNetwork: { addressSpace: [10.0.0.0/16], flowTimeoutInMinutes: 5 }
flowTable: { idleTimeout: §4m }
`,
  ],
  [
    'DefaultSecurityRuleModified',
    `name: nsg1
securityRules: []
defaultSecurityRules:
${ruleText({ name: '§AllowVnetInBound', priority: '65000' })}
`,
  ],
  rule('DuplicateKey', { '§Priority': '100' }),
  configuration(
    'DuplicateName',
    'networkInterfaces:',
    '  - { name: vm1, addresses: [10.0.0.4] }',
    '  - { name: §VM1, addresses: [10.0.0.5] }',
  ),
  [
    'DuplicateResourceName',
    `name: nsg1\nsecurityRules:\n${ruleText({})}\n${ruleText({ name: '§WEB', priority: '101' })}\n`,
  ],
  [
    'EmptyApplicationSecurityGroup',
    `${NETWORK}\napplicationSecurityGroups: [{ name: asg1 }, { name: asg2 }]
networkInterfaces:
  - { name: vm1, addresses: [10.0.0.4], networkSecurityGroup: nsg1, applicationSecurityGroups: [asg2] }
networkSecurityGroups:
  - name: nsg1
    securityRules:
${ruleText({ ...noSource, sourceApplicationSecurityGroups: '[§asg1, asg2]' }).replaceAll(/^/gm, '    ')}
`,
  ],
  ['EmptyDocument', '§'],
  configuration('EmptyServiceTag', 'serviceTags: { custom: { Office: §[] } }'),
  [
    'ExcessiveAliases',
    `a: &a [${many(1000, () => 'x')}]\nb: [${many(200, (index) => (index === 99 ? '§*a' : '*a'))}]\n`,
  ],
  ['FileNotReadable', '§'],
  ['FileTooLarge', `§${'#'.repeat(33 * 1024 * 1024)}`],
  [
    'LinkedTemplateNotRead',
    template(
      `{ "type": "${TYPE}", "name": "nsg1" }, { "type": "Microsoft.Resources/deployments", "name": "d", "properties": { "templateLink": §{} } }`,
    ),
  ],
  configuration('MetricsExposed', 'metrics: { listen: §"[::]:9469" }'),
  configuration(
    'IneffectiveSetting',
    'platform: { profile: none }',
    'subscription: { type: §MSDN }',
  ),
  configuration(
    'InterfaceInUse',
    'wires: [{ name: wire0, outside: eth0, inside: §eth0 }]',
    'networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], wire: wire0 }]',
  ),
  ['InvalidJson', '{ "name": §nsg1 }'],
  [
    'InvalidServiceTagFile',
    `${NETWORK}\nserviceTags: { file: tags.json }\n`,
    { 'tags.json': '§{ "changeNumber": 1 }' },
  ],
  rule('InvalidValue', { access: '§[Allow]' }),
  ['InvalidYaml', 'name: nsg1\n§\tsecurityRules: []\n'],
  [
    'ManagementPortOpenToInternet',
    onInterface([ruleText({ name: '§ssh', destinationPortRange: '"22"' })], '10.0.0.4'),
  ],
  configuration(
    'MissingAddresses',
    'applicationSecurityGroups: [{ name: asg1 }]',
    'networkInterfaces:',
    '  - { name: vm1, applicationSecurityGroups: §[asg1] }',
  ),
  configuration('MissingProperty', 'networkInterfaces: [§{ addresses: [10.0.0.4] }]'),
  [
    'NetworkInterfaceWithoutSubnet',
    `virtualNetwork: { addressSpace: [10.0.0.0/16], subnets: [{ name: s1, addressPrefix: 10.0.0.0/24 }] }
networkInterfaces: [§{ name: vm1, addresses: [10.0.0.4] }]
`,
  ],
  ['NoNetworkSecurityGroup', `§${template('')}`],
  [
    'NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached',
    `name: §nsg1\nsecurityRules:\n${Array.from({ length: 11 }, (_, index) =>
      ruleText({
        name: `rule${index}`,
        priority: String(100 + index),
        ...noSource,
        sourceApplicationSecurityGroups: `[${many(10, (asg) => `asg${index * 10 + asg}`)}]`,
      }),
    ).join('\n')}\n`,
  ],
  [
    'ParentResourceNotFound',
    template(
      `{ "type": "${TYPE}", "name": "nsg1" }, { "type": "${TYPE}/securityRules", "name": §"nsg2/web", ` +
        '"properties": { "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", ' +
        '"sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*", ' +
        '"destinationPortRange": "80" } }',
    ),
  ],
  ['PartialList', `{ "value": [{ "name": "nsg1", "type": "${TYPE}" }], "nextLink": §"x" }`],
  configuration('ReservedServiceTagName', 'serviceTags: { custom: { §Internet: [192.0.2.0/24] } }'),
  [
    'RuleDeniedByOtherGroup',
    `virtualNetwork: { addressSpace: [10.0.0.0/16], subnets: [{ name: s1, addressPrefix: 10.0.0.0/24, networkSecurityGroup: nsg2 }] }
networkSecurityGroups:
  - { name: nsg2, securityRules: [] }
  - name: nsg1
    securityRules:
${indented([ruleText({ name: '§web' })])}
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], subnet: s1, networkSecurityGroup: nsg1 }]
`,
  ],
  [
    'RuleMatchesNoInterface',
    onInterface([ruleText({ name: '§web', destinationAddressPrefix: '10.0.0.5' })], '10.0.0.4'),
  ],
  [
    'RuleNeverMatches',
    `${NETWORK}\nnetworkSecurityGroups:\n  - name: nsg1\n    securityRules:\n${ruleText({
      name: '§web',
      sourceAddressPrefix: 'Nowhere',
      destinationAddressPrefix: '10.0.0.4',
    }).replaceAll(/^/gm, '    ')}
serviceTags: { custom: { Nowhere: ["2001:db8::/32"] } }
`,
  ],
  [
    'RuleRedundant',
    `${NETWORK}\nnetworkSecurityGroups:\n  - name: nsg1\n    securityRules:\n${ruleText({
      name: '§web',
      sourceAddressPrefix: 'VirtualNetwork',
      destinationAddressPrefix: 'VirtualNetwork',
    }).replaceAll(/^/gm, '    ')}\n`,
  ],
  [
    'RuleShadowed',
    `${NETWORK}\nnetworkSecurityGroups:\n  - name: nsg1\n    securityRules:\n${[
      ruleText({ destinationPortRange: '"*"' }),
      ruleText({ name: '§later', priority: '101', access: 'Deny' }),
    ]
      .join('\n')
      .replaceAll(/^/gm, '    ')}\n`,
  ],
  ['SecurityGroupNameMissing', `{ "value": [§{ "type": "${TYPE}" }] }`],
  rule('SecurityRuleDescriptionTooLong', { description: `§${'x'.repeat(141)}` }),
  rule('SecurityRuleExactlyOneParameter', {
    ...noSource,
    sourceAddressPrefixes: '[10.0.0.0/8]',
    '§sourceAddressPrefix': '"*"',
  }),
  rule('SecurityRuleInvalidAccess', { access: '§Permit' }),
  rule('SecurityRuleInvalidDirection', { direction: '§In' }),
  rule('SecurityRuleInvalidProtocol', { protocol: '§Sctp' }),
  rule('SecurityRulePortsWithoutProtocol', { protocol: 'Icmp', destinationPortRange: '§8' }),
  [
    'ServiceTagAdded',
    onInterface([ruleText({ sourceAddressPrefix: '§Sql' })], '10.0.0.4') +
      'serviceTags: { file: tags.json }\n',
    { 'tags.json': tagFile({ Sql: ['192.0.2.0/24'] }), [EARLIER]: tagFile({}) },
  ],
  [
    'ServiceTagChanged',
    onInterface([ruleText({ sourceAddressPrefix: '§Sql' })], '10.0.0.4') +
      'serviceTags: { file: tags.json }\n',
    {
      'tags.json': tagFile({ Sql: ['192.0.2.0/24'] }),
      [EARLIER]: tagFile({ Sql: ['192.0.2.0/25'] }),
    },
  ],
  [
    'ServiceTagReplaced',
    `${NETWORK}\nserviceTags: { file: tags.json, custom: { §Sql: [192.0.2.0/24] } }\n`,
    { 'tags.json': tagFile({ Sql: [] }) },
  ],
  configuration(
    'SubscriptionLimitReached',
    `applicationSecurityGroups: §[${many(3001, (index) => `{ name: asg${index} }`)}]`,
  ),
  ['TemplateValueUnknown', template(`{ "type": "${TYPE}", "name": §"[guid('x')]" }`)],
  [
    'TerraformValueUnknown',
    `{ "resource": { "azurerm_network_security_group": { "a": { "name": §"\${upper(var.nsg)}" } } } }`,
  ],
  rule('UnknownProperty', { '§hits': '1' }),
  ['UnsupportedFileFormat', "§param location string = 'westeurope'\n"],
];

/** Of files that are no YAML. */
const EXTENSIONS: Partial<Record<ProblemCode, string>> = {
  InvalidJson: 'json',
  TerraformValueUnknown: 'tf.json',
  UnsupportedFileFormat: 'bicep',
};

/** As `nsgd check` has it, with where each mark stands. */
function check([code, text, files = {}]: Row): { found: string[]; expected: string[] } {
  const path = `main.${EXTENSIONS[code] ?? 'yaml'}`;
  const main = marked(text);
  const others = Object.entries(files).map(([name, content]) => [name, marked(content)] as const);
  const { [EARLIER]: earlier } = files;
  const found = checkFile(
    path,
    memoryFiles({
      ...(code === 'FileNotReadable' ? {} : { [path]: main.text }),
      ...Object.fromEntries(others.map(([name, content]) => [name, content.text])),
    }),
    { ...DEFAULT_LINT, earlierTags: earlier === undefined ? undefined : goodTags(earlier) },
  );
  const marks = [...main.marks, ...others.flatMap(([, { marks: inOther }]) => inOther)];
  return { found: placesOf(found), expected: marks.map((mark) => `${mark} ${code}`) };
}

describe('each code at its place, and nothing else', () => {
  test.each([...azureRows, ...moreAzureRows, ...nsgdRows].map((row) => [row[0], row] as const))(
    '%s',
    (_, row) => {
      const { found, expected } = check(row);
      expect(expected).toHaveLength(1);
      expect(found).toEqual(expected);
    },
  );
});

test('every code has a row', () => {
  const sorted = (rows: readonly Row[]): string[] => rows.map(([code]) => code).toSorted();
  expect(sorted(azureRows)).toEqual(Object.keys(AZURE_CODES).toSorted());
  const own = Object.keys(NSGD_CODES).filter((code) =>
    OF_THE_DAEMON.every((other) => other !== code),
  );
  expect(sorted(nsgdRows)).toEqual(own.toSorted());
});

test('every code stands in the source, and says what it means', () => {
  const folders = ['src/policy', 'daemon'].map((folder) => join(projectRoot, folder));
  const source = folders
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
    )
    .filter((file) => file.endsWith('.ts') && !file.endsWith('problem-codes.ts'))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  for (const [code, text] of Object.entries(PROBLEM_CODES)) {
    expect(source, code).toContain(`'${code}'`);
    expect(text, code).toMatch(/^[A-Z].*\.$/);
  }
});

test('a file with many mistakes has them all, in order', () => {
  const { found, expected } = check([
    'SecurityRuleInvalidPriority',
    groupText(
      { priority: '§1' },
      { name: 'b', priority: '§4097' },
      { name: 'c', priority: '§99' },
      { name: 'd', priority: '§0' },
    ),
  ]);
  expect(found).toEqual(expected);
});
