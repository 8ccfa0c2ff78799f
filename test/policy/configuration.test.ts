/**
 * The configuration file: every mistake with its place, every default, and that one mistake does not hide another.
 */
import { describe, expect, test } from 'vitest';
import { configurationJsonSchema } from '../../src/policy/configuration-schema.ts';
import { formatAddressSet } from '../../src/policy/address.ts';
import { resourceNameMessage } from '../../src/policy/names.ts';
import { compareProblems, loadGood, problemsOf, unmark } from '../helpers/load-text.ts';

/** Lines 1 to 6; the rows of the tables go on from line 7. */
const BASE = `virtualNetwork:
  addressSpace: [10.0.0.0/16]
  subnets:
    - { name: Subnet1, addressPrefix: 10.0.1.0/24 }
networkSecurityGroups: [{ name: NSG1, securityRules: [] }]
applicationSecurityGroups: [{ name: asg-web }]
`;

const WIRE = 'wires: [{ name: wire0, outside: eth0, inside: eth1 }]\n';

describe('a configuration that is no map', () => {
  test.each([
    ['a list', '^- a', ['InvalidValue: a configuration is a map, not a list']],
    ['text', '^hello', ['InvalidValue: a configuration is a map, not text']],
  ])('%s', (_, text, problems) => {
    const { found, expected } = compareProblems(text, problems);
    expect(found).toEqual(expected);
  });
});

describe('the root', () => {
  test.each([
    [
      'an unknown key with a near one',
      '^networkInterface: []',
      [
        'UnknownProperty: the configuration has no property "networkInterface"; did you mean networkInterfaces?',
      ],
    ],
    [
      'a section of the wrong kind',
      'wires: ^{ name: wire0 }\nmetrics: ^[]',
      [
        'InvalidValue: wires must be a list, not a map',
        'InvalidValue: metrics must be a map, not a list',
      ],
    ],
    [
      'a section left empty',
      'networkInterfaces: ^~',
      ['InvalidValue: networkInterfaces must be a list, not null'],
    ],
  ])('%s', (_, text, problems) => {
    const { found, expected } = compareProblems(BASE + text, problems);
    expect(found).toEqual(expected);
  });

  test('a missing virtual network is a warning', () => {
    const [problem, ...others] = problemsOf('wires: []\n');
    expect(problem).toMatch(
      /^nsgd\.yaml:1:1: MissingProperty: warning: there is no virtualNetwork/,
    );
    expect(others).toEqual([]);
  });
});

describe('virtualNetwork', () => {
  test.each([
    [
      'no address space',
      '^{ name: vnet1 }',
      ['MissingProperty: addressSpace is required in virtualNetwork'],
    ],
    [
      'an empty address space',
      '{ addressSpace: ^[] }',
      ['InvalidValue: virtualNetwork.addressSpace must hold at least one prefix'],
    ],
    [
      'host bits set',
      '{ addressSpace: [^10.0.0.1/16] }',
      [
        'InvalidCIDRNotation: "10.0.0.1/16" has bits set to the right of its mask; the prefix is 10.0.0.0/16',
      ],
    ],
    [
      'a number for a prefix',
      '{ addressSpace: [^10.1] }',
      ['InvalidValue: virtualNetwork.addressSpace[0] must be a prefix such as 10.0.0.0/16'],
    ],
    [
      'an unknown key',
      '{ addressSpace: [10.0.0.0/8], ^adressSpace: [] }',
      ['UnknownProperty: virtualNetwork has no property "adressSpace"; did you mean addressSpace?'],
    ],
    [
      'a timeout that Azure does not take',
      '{ addressSpace: [10.0.0.0/8], flowTimeoutInMinutes: ^31 }',
      ['InvalidValue: virtualNetwork.flowTimeoutInMinutes must be 4 to 30'],
    ],
    [
      'a fraction of a minute',
      '{ addressSpace: [10.0.0.0/8], flowTimeoutInMinutes: ^4.5 }',
      ['InvalidValue: virtualNetwork.flowTimeoutInMinutes must be a whole number, not "4.5"'],
    ],
    [
      'a subnet outside',
      '{ addressSpace: [10.0.0.0/16], subnets: [^{ name: a, addressPrefix: 10.1.0.0/24 }] }',
      [
        'NetcfgSubnetRangeOutsideVnet: subnet "a" is not valid because its range 10.1.0.0/24 is outside the addressSpace of the virtual network',
      ],
    ],
    [
      'a subnet across two parts of the address space',
      '{ addressSpace: [10.0.0.0/17, 10.0.128.0/17], subnets: [{ name: a, addressPrefix: 10.0.0.0/16 }] }',
      [],
    ],
    [
      'subnets over each other',
      '{ addressSpace: [10.0.0.0/16], subnets: [{ name: a, addressPrefix: 10.0.0.0/24 }, ^{ name: b, addressPrefixes: [10.0.1.0/24, 10.0.0.128/25] }] }',
      [
        'NetcfgSubnetRangesOverlap: subnet "b" is not valid because its range 10.0.0.128/25 overlaps 10.0.0.0/24 of subnet "a"',
      ],
    ],
    [
      'a subnet without a prefix',
      '{ addressSpace: [10.0.0.0/16], subnets: [{ name: a, addressPrefixes: ^[] }] }',
      ['MissingProperty: subnet "a" needs addressPrefix, or addressPrefixes that are not empty'],
    ],
    [
      'a subnet with both forms',
      '{ addressSpace: [10.0.0.0/16], subnets: [{ name: a, addressPrefix: ^10.0.0.0/24, addressPrefixes: [10.0.1.0/24] }] }',
      ['InvalidValue: a subnet has either addressPrefix or addressPrefixes'],
    ],
    [
      'two subnets of a name',
      '{ addressSpace: [10.0.0.0/16], subnets: [{ name: a, addressPrefix: 10.0.0.0/24 }, { name: ^A, addressPrefix: 10.0.1.0/24 }] }',
      ['DuplicateName: subnet "A" exists already; names are compared without case'],
    ],
    [
      'a subnet with a group that does not exist',
      '{ addressSpace: [10.0.0.0/16], subnets: [{ name: a, addressPrefix: 10.0.0.0/24, networkSecurityGroup: ^NSG1 }] }',
      ['InvalidResourceReference: there is no network security group "NSG1"'],
    ],
    [
      'a subnet with null for its group',
      '{ addressSpace: [10.0.0.0/16], subnets: [{ name: a, addressPrefix: 10.0.0.0/24, networkSecurityGroup: ^null }] }',
      [
        'InvalidValue: virtualNetwork.subnets[0].networkSecurityGroup must be a name or { id: ".../name" }',
      ],
    ],
  ])('%s', (_, value, problems) => {
    const { found, expected } = compareProblems(`virtualNetwork: ${value}\n`, problems);
    expect(found).toEqual(expected);
  });
});

describe('networkInterfaces', () => {
  test.each([
    [
      'an address outside its subnet',
      '{ name: vm1, subnet: Subnet1, addresses: [^10.0.2.4] }',
      ['PrivateIPAddressNotInSubnet: "10.0.2.4" is not in subnet "Subnet1"'],
    ],
    [
      'an address outside the network',
      '^{ name: vm1, addresses: [^192.0.2.1] }',
      [
        'NetworkInterfaceWithoutSubnet: warning: "vm1" names no subnet, so no subnet\'s group applies to it',
        'PrivateIPAddressNotInSubnet: "192.0.2.1" is not in the addressSpace of the virtual network',
      ],
    ],
    [
      'a range for an address',
      '{ name: vm1, subnet: Subnet1, addresses: [^10.0.1.0/24] }',
      ['InvalidValue: "10.0.1.0/24" is a range; an interface has addresses'],
    ],
    [
      'an empty list, which is not "any"',
      '{ name: vm1, subnet: Subnet1, addresses: ^[] }',
      [
        'InvalidValue: networkInterfaces[0].addresses must hold at least one address; leave it out to take every address',
      ],
    ],
    [
      'a bad address',
      '{ name: vm1, subnet: Subnet1, addresses: [^10.0.1.300] }',
      ['InvalidCIDRNotation: "10.0.1.300" is no IP address or prefix'],
    ],
    [
      'the same address twice',
      '{ name: vm1, subnet: Subnet1, addresses: [10.0.1.4, ^10.0.1.4/32] }',
      ['PrivateIPAddressInUse: 10.0.1.4 is already an address of "vm1"'],
    ],
    [
      'a subnet that does not exist',
      '{ name: vm1, subnet: ^Subnet2, addresses: [10.0.1.4] }',
      ['InvalidResourceReference: there is no subnet "Subnet2"; did you mean Subnet1?'],
    ],
    [
      'a group that does not exist',
      '{ name: vm1, subnet: Subnet1, networkSecurityGroup: ^NSG2 }',
      ['InvalidResourceReference: there is no network security group "NSG2"; did you mean NSG1?'],
    ],
    [
      'an application security group that does not exist',
      '{ name: vm1, subnet: Subnet1, addresses: [10.0.1.4], applicationSecurityGroups: [^asg-db] }',
      [
        'InvalidResourceReference: there is no application security group "asg-db"; did you mean asg-web?',
      ],
    ],
    [
      'in an application security group without an address',
      '{ name: vm1, subnet: Subnet1, applicationSecurityGroups: ^[asg-web] }',
      ['MissingAddresses: "vm1" needs addresses to be in an application security group'],
    ],
    [
      'in 21 application security groups',
      `{ name: vm1, subnet: Subnet1, addresses: [10.0.1.4], applicationSecurityGroups: ^[${Array.from({ length: 21 }, () => 'asg-web').join(', ')}] }`,
      [
        'ApplicationSecurityGroupCountLimitReached: an interface can be in at most 20 application security groups; "vm1" is in 21',
      ],
    ],
    [
      'a wire that does not exist',
      '{ name: vm1, subnet: Subnet1, addresses: [10.0.1.4], wire: ^wire1 }',
      ['InvalidResourceReference: there is no wire "wire1"'],
    ],
    [
      'a bad MAC address',
      '{ name: vm1, subnet: Subnet1, macAddress: ^00-0D-3A-92:6A-7C }',
      [
        'InvalidValue: networkInterfaces[0].macAddress must be a MAC address such as 00-0D-3A-92-6A-7C',
      ],
    ],
    [
      'a bad name',
      '{ name: ^-vm1, subnet: Subnet1 }',
      [`InvalidResourceName: ${resourceNameMessage('"-vm1"')}`],
    ],
    [
      'no name and an unknown key',
      '^{ ^subnett: Subnet1 }',
      [
        'MissingProperty: name is required in networkInterfaces[0]',
        'UnknownProperty: networkInterfaces[0] has no property "subnett"; did you mean subnet?',
      ],
    ],
  ])('%s', (_, value, problems) => {
    const text = `${BASE}networkInterfaces: [${value}]\n`;
    const { found, expected } = compareProblems(text, problems);
    expect(found).toEqual(expected);
  });

  test('the same address, and name, on two interfaces', () => {
    const text = `${BASE}networkInterfaces:
  - { name: vm1, subnet: Subnet1, addresses: [10.0.1.4] }
  - { name: ^VM1, subnet: Subnet1, addresses: [^10.0.1.4] }
`;
    const { found, expected } = compareProblems(text, [
      'DuplicateName: network interface "VM1" exists already; names are compared without case',
      'PrivateIPAddressInUse: 10.0.1.4 is already an address of "vm1"',
    ]);
    expect(found).toEqual(expected);
  });

  test('one without addresses beside another on its wire', () => {
    const text = `${BASE}${WIRE}networkInterfaces:
  - ^{ name: vm1, subnet: Subnet1, wire: wire0 }
  - { name: vm2, subnet: Subnet1, addresses: [10.0.1.5], wire: Wire0 }
`;
    const { found, expected } = compareProblems(text, [
      'MissingAddresses: "vm1" needs addresses, because it shares wire "wire0" with others: the address tells whose packet it is',
    ]);
    expect(found).toEqual(expected);
  });

  test('one without addresses alone on its wire is good', () => {
    const text = `${BASE}${WIRE}networkInterfaces: [{ name: vm1, subnet: Subnet1, wire: wire0 }]\n`;
    expect(loadGood(text).policy.nics[0]?.addresses).toEqual({ ipv4: [], ipv6: [] });
  });
});

describe('wires', () => {
  test.each([
    [
      'the same interface on both sides',
      ['{ name: wire0, outside: eth0, inside: ^eth0 }'],
      ['InterfaceInUse: wire "wire0" needs different interfaces; "eth0" is there twice'],
    ],
    [
      'an interface on two wires',
      [
        '{ name: wire0, outside: eth0, inside: eth1 }',
        '{ name: wire1, outside: eth2, inside: ^eth0 }',
      ],
      ['InterfaceInUse: interface "eth0" is already on wire "wire0"'],
    ],
    [
      'a name that is too long',
      ['{ name: wire0, outside: ^abcdefghijklmnop, inside: eth1 }'],
      [
        'InvalidValue: wires[0].outside must be a Linux interface name: 1 to 15 letters, digits or _.:-',
      ],
    ],
    [
      'a path for a name',
      ['{ name: wire0, outside: ^.., inside: eth1 }'],
      [
        'InvalidValue: wires[0].outside must be a Linux interface name: 1 to 15 letters, digits or _.:-',
      ],
    ],
    [
      'an unknown mode and backend',
      ['{ name: wire0, outside: eth0, inside: eth1, mode: ^tap, backend: ^pcap }'],
      [
        'InvalidValue: wires[0].mode must be one of inline, monitor',
        'InvalidValue: wires[0].backend must be one of auto, af-xdp, cap',
      ],
    ],
    [
      'monitoring with a backend that takes packets away',
      ['{ name: wire0, outside: eth0, inside: eth1, mode: monitor, backend: ^af-xdp }'],
      ['InvalidValue: af-xdp takes packets away from the host, so it cannot monitor; use cap'],
    ],
    [
      'a processor and a time out of range',
      ['{ name: wire0, outside: eth0, inside: eth1, cpu: ^1024, busyPoll: ^10001 }'],
      [
        'InvalidValue: wires[0].cpu must be the number of a processor, 0 to 1023',
        'InvalidValue: wires[0].busyPoll must be 0 to 10000 microseconds',
      ],
    ],
    [
      'a side missing',
      ['^{ name: wire0, outside: eth0 }'],
      ['MissingProperty: inside is required in wires[0]'],
    ],
  ])('%s', (_, wires, problems) => {
    const text = `${BASE}wires:\n${wires.map((wire) => `  - ${wire}\n`).join('')}`;
    const { found, expected } = compareProblems(text, problems);
    expect(found).toEqual(expected);
  });
});

describe('settings', () => {
  test.each([
    [
      'too few flows',
      'flowTable: { maxFlows: ^0 }',
      ['InvalidValue: flowTable.maxFlows must be at least 1'],
    ],
    [
      'too many flows',
      'flowTable: { maxFlows: ^16777217 }',
      ['InvalidValue: flowTable.maxFlows must be at most 16777216'],
    ],
    [
      'an unknown unit of time',
      'flowTable: { idleTimeout: ^4min }',
      [
        'InvalidValue: flowTable.idleTimeout must be a duration from 1s to 24h, such as 4m, 240s or 240',
      ],
    ],
    [
      'a timeout of zero',
      'flowTable: { idleTimeout: ^0 }',
      [
        'InvalidValue: flowTable.idleTimeout must be a duration from 1s to 24h, such as 4m, 240s or 240',
      ],
    ],
    [
      'a timeout of two days',
      'flowTable: { idleTimeout: ^48h }',
      [
        'InvalidValue: flowTable.idleTimeout must be a duration from 1s to 24h, such as 4m, 240s or 240',
      ],
    ],
    [
      'a timeout that is a list',
      'flowTable: { idleTimeout: ^[4m] }',
      ['InvalidValue: flowTable.idleTimeout must be a duration such as 4m, 240s or 240'],
    ],
    [
      'a port that is none',
      'metrics: { listen: ^"127.0.0.1:70000" }',
      [
        'InvalidValue: metrics.listen must be host:port, such as 127.0.0.1:9469 or [::1]:9469, or off',
      ],
    ],
    [
      'an address without a port',
      'metrics: { listen: ^"::1" }',
      [
        'InvalidValue: metrics.listen must be host:port, such as 127.0.0.1:9469 or [::1]:9469, or off',
      ],
    ],
    [
      'an unknown pickup',
      'tcp: { pickup: ^lax }',
      ['InvalidValue: tcp.pickup must be one of strict, loose'],
    ],
    [
      'a word for a boolean',
      'link: { forwardLinkLocal: ^yes, unknownEtherType: ^allow }',
      [
        'InvalidValue: link.forwardLinkLocal must be true or false, not text',
        'InvalidValue: link.unknownEtherType must be one of drop, pass',
      ],
    ],
    [
      'a relative folder',
      'runtimeDirectory: ^run',
      ['InvalidValue: runtimeDirectory must be an absolute path'],
    ],
    [
      'a socket path that the kernel cuts',
      `control: { socket: ^/${'x'.repeat(107)} }`,
      ['InvalidValue: control.socket must be an absolute path of at most 107 bytes'],
    ],
    [
      'an unknown log level',
      'logs: { level: ^verbose }',
      ['InvalidValue: logs.level must be one of trace, debug, info, warn, error, fatal'],
    ],
    [
      'an unknown platform',
      'platform: { profile: ^aws, defaultRoute: ^1 }',
      [
        'InvalidValue: platform.profile must be one of azure, none',
        'InvalidValue: platform.defaultRoute must be true or false, not a number',
      ],
    ],
    [
      'an unknown subscription',
      'subscription: { type: ^Payg }',
      [
        'InvalidValue: subscription.type must be one of EnterpriseAgreement, EnterpriseDevTest, PayAsYouGo, MSDN, AzurePass, AzureInOpen, Education, BizSpark, FreeTrial, CSP',
      ],
    ],
    [
      'a subscription that decides nothing',
      'platform: { profile: none }\nsubscription: { type: ^CSP }',
      ['IneffectiveSetting: warning: subscription.type has no effect with platform.profile none'],
    ],
    [
      'flow logs without a folder',
      'flowLogs: ^{ format: nsg-v2 }',
      ['MissingProperty: flowLogs.directory is required for nsg-v2'],
    ],
    [
      'flow logs with a file that their format does not have',
      'flowLogs: { directory: /var/log/nsgd, file: ^"-" }',
      ['InvalidValue: flowLogs.file is not for nsg-v2, which has flowLogs.directory'],
    ],
    [
      'flow logs of lines without a file',
      'flowLogs: ^{ format: ndjson }',
      ['MissingProperty: flowLogs.file is required for ndjson'],
    ],
    [
      'metrics for everybody',
      'metrics: { listen: ^"0.0.0.0:9469" }',
      [
        'MetricsExposed: warning: /metrics is served to whoever reaches "0.0.0.0", without a question; let only Prometheus reach it, or listen on 127.0.0.1',
      ],
    ],
    [
      'a reserved tag',
      'serviceTags: { custom: { ^internet: [192.0.2.0/24] } }',
      ['ReservedServiceTagName: "internet" is one of Azure\'s own tags and cannot be redefined'],
    ],
    [
      'tags whose names differ in case',
      'serviceTags: { custom: { Office: [192.0.2.0/24], ^OFFICE: [192.0.2.0/24] } }',
      ['DuplicateName: service tag "OFFICE" exists already; names are compared without case'],
    ],
    [
      'a tag that looks like an address',
      'serviceTags: { custom: { ^"10": [192.0.2.0/24] } }',
      ['InvalidValue: "10" is no valid name: a tag name starts with a letter'],
    ],
    [
      'a tag with a bad prefix, and one with none',
      'serviceTags: { custom: { Office: [^192.0.2.1/24], Empty: ^[] } }',
      [
        'InvalidCIDRNotation: "192.0.2.1/24" has bits set to the right of its mask; the prefix is 192.0.2.0/24',
        'EmptyServiceTag: warning: service tag "Empty" has no prefix: rules that name it match nothing',
      ],
    ],
  ])('%s', (_, text, problems) => {
    const { found, expected } = compareProblems(`${BASE}${text}\n`, problems);
    expect(found).toEqual(expected);
  });

  test('two timeouts that differ', () => {
    const network = 'virtualNetwork: { addressSpace: [10.0.0.0/8], flowTimeoutInMinutes: 10 }\n';
    const { found, expected } = compareProblems(`${network}flowTable: { idleTimeout: ^4m }\n`, [
      'ConflictingTimeouts: flowTable.idleTimeout is 240 seconds, but virtualNetwork.flowTimeoutInMinutes is 10 minutes; set one of them',
    ]);
    expect(found).toEqual(expected);
    expect(loadGood(`${network}flowTable: { idleTimeout: 10m }\n`).configuration.flowTable).toEqual(
      {
        maxFlows: 1_048_576,
        idleTimeout: 600,
      },
    );
  });

  test.each([
    ['nothing written', '', 240],
    ['minutes', 'flowTable: { idleTimeout: 5m }', 300],
    ['seconds', 'flowTable: { idleTimeout: 90s }', 90],
    ['hours', 'flowTable: { idleTimeout: 1h }', 3600],
    ['a number', 'flowTable: { idleTimeout: 30 }', 30],
  ])('idle timeout: %s', (_, text, seconds) => {
    expect(loadGood(`${BASE}${text}\n`).configuration.flowTable.idleTimeout).toBe(seconds);
  });

  test.each([
    ['the default', '', { host: '127.0.0.1', port: 9469 }],
    ['IPv6', 'metrics: { listen: "[::]:80" }', { host: '::', port: 80 }],
    ['a name', 'metrics: { listen: "localhost:0" }', { host: 'localhost', port: 0 }],
    ['off', 'metrics: { listen: off }', undefined],
  ])('metrics: %s', (_, text, endpoint) => {
    expect(loadGood(`${BASE}${text}\n`).configuration.metrics).toEqual(endpoint);
  });

  test('defaults', () => {
    expect(loadGood(BASE).configuration).toMatchObject({
      file: 'nsgd.yaml',
      flowTable: { maxFlows: 1_048_576, idleTimeout: 240 },
      link: {
        isUnknownEtherTypePassed: false,
        isLinkLocalForwarded: false,
        isTcpPickupLoose: false,
      },
      runtimeDirectory: '/run/nsgd',
      controlSockets: [{ path: '/run/nsgd/control.sock', group: undefined, isReadOnly: false }],
      flowLogs: undefined,
      logLevel: 'info',
      platform: { profile: 'azure', hasDefaultRoute: false, subscription: undefined },
    });
  });

  test('everything written', () => {
    const { configuration } = loadGood(`${BASE}${WIRE}
tcp: { pickup: loose }
link: { unknownEtherType: pass, forwardLinkLocal: true }
runtimeDirectory: /tmp/nsgd/
logs: { level: debug }
networkInterfaces:
  - name: vm1
    subnet: { id: /subscriptions/s/virtualNetworks/v/subnets/subnet1 }
    addresses: [10.0.1.4]
    networkSecurityGroup: { id: /subscriptions/s/networkSecurityGroups/nsg1 }
    applicationSecurityGroups: [ASG-WEB]
    wire: WIRE0
    macAddress: 00-0d-3a-92-6a-7c
`);
    expect(configuration).toMatchObject({
      link: { isUnknownEtherTypePassed: true, isLinkLocalForwarded: true, isTcpPickupLoose: true },
      controlSockets: [{ path: '/tmp/nsgd/control.sock', group: undefined, isReadOnly: false }],
      logLevel: 'debug',
      wires: [{ name: 'wire0', outside: 'eth0', inside: 'eth1', mode: 'inline', backend: 'auto' }],
      networkInterfaces: [
        {
          name: 'vm1',
          subnet: { name: 'Subnet1' },
          networkSecurityGroup: 'NSG1',
          applicationSecurityGroups: ['asg-web'],
          wire: 'wire0',
          macAddress: '000D3A926A7C',
        },
      ],
    });
    const nic = configuration.networkInterfaces[0];
    expect(nic && formatAddressSet(nic.addresses)).toEqual(['10.0.1.4/32']);
  });
});

test('every mistake of every section is reported at once', () => {
  const { text, places } = unmark(`virtualNetwork:
  addressSpace: [^10.0.0.0/33]
  subnets:
    - { name: Subnet1, addressPrefix: 10.0.1.0/24, ^colour: red }
    - { name: Subnet2, addressPrefix: ^10.0.2.1/24 }
networkSecurityGroups:
  - name: NSG1
    securityRules:
      - { name: r, priority: ^99, direction: Inbound, access: Allow, protocol: Tcp,
          sourceAddressPrefix: "*", sourcePortRange: "*",
          destinationAddressPrefix: "*", destinationPortRange: ^"70000" }
      - { name: s, priority: 100, direction: Inbound, access: Allow, protocol: Tcp,
          sourceAddressPrefix: ^Internett, sourcePortRange: "*",
          destinationAddressPrefix: "*", destinationPortRange: "*" }
networkInterfaces:
  - { name: vm1, subnet: Subnet1, networkSecurityGroup: ^NSG9, addresses: [10.0.1.4] }
wires:
  - { name: wire0, outside: eth0, inside: ^eth0 }
metrics: { listen: ^nowhere }
^colour: blue
`);
  const codes = [
    'InvalidCIDRNotation',
    'UnknownProperty',
    'InvalidCIDRNotation',
    'SecurityRuleInvalidPriority',
    'SecurityRuleInvalidPortRange',
    'SecurityRuleInvalidAddressPrefix',
    'InvalidResourceReference',
    'InterfaceInUse',
    'InvalidValue',
    'UnknownProperty',
  ];
  expect(problemsOf(text).map((problem) => problem.split(': ').slice(0, 2).join(': '))).toEqual(
    codes.map((code, index) => `${places[index]}: ${code}`),
  );
});

test('the committed JSON schema is current (make it so: npx vitest run test/policy/configuration.test.ts -u)', async () => {
  const schema = `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`;
  await expect(schema).toMatchFileSnapshot('../../config/nsgd.schema.json');
});
