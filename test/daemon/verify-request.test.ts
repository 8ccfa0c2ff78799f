/**
 * Questions as they are written: what is one packet and what is more, which interface is meant, and what is refused.
 */
import { describe, expect, test } from 'vitest';
import { CommandError } from '../../daemon/exit-code.ts';
import { parseEndpointSet } from '../../daemon/traffic-text.ts';
import { answerVerify, type VerifyRequest } from '../../daemon/verify-request.ts';
import { formatAddressSet } from '../../src/policy/address.ts';
import { loadGood } from '../helpers/load-text.ts';

const loaded = loadGood(`virtualNetwork:
  addressSpace: [10.0.0.0/16, "fd00::/48"]
  subnets: [{ name: Subnet1, addressPrefixes: [10.0.1.0/24, "fd00:0:0:1::/64"], networkSecurityGroup: NSG1 }]
networkSecurityGroups:
  - name: NSG1
    id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/NSG1
    securityRules:
      - { name: Web, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: Internet,
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "80" }
      - { name: NoDns, priority: 100, direction: Outbound, access: Deny, protocol: "*", sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: 8.8.8.8, destinationPortRange: "53" }
networkInterfaces:
  - { name: vm1, subnet: Subnet1, addresses: [10.0.1.4, "fd00:0:0:1::4"] }
  - { name: vm2, subnet: Subnet1, addresses: [10.0.1.5] }
serviceTags: { custom: { Office: [198.51.100.0/24], Host: [198.51.100.7] } }
`);

const WEB: VerifyRequest = {
  direction: 'Inbound',
  protocol: 'TCP',
  local: '10.0.1.4:80',
  remote: '203.0.113.9:50000',
};

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CommandError) return `${error.exitCode} ${error.message}`;
    throw error;
  }
  return 'answered';
}

describe('an end', () => {
  test.each<readonly [string, readonly string[], unknown]>([
    ['10.0.1.4:80', ['10.0.1.4/32'], [{ low: 80, high: 80 }]],
    ['10.0.1.4:*', ['10.0.1.4/32'], 'any'],
    ['10.0.1.4', ['10.0.1.4/32'], undefined],
    [
      '10.0.0.0/24:80-90,443',
      ['10.0.0.0/24'],
      [
        { low: 80, high: 90 },
        { low: 443, high: 443 },
      ],
    ],
    ['10.0.0.0/25,10.0.0.128/25', ['10.0.0.0/24'], undefined],
    ['[::4]:80', ['::4/128'], [{ low: 80, high: 80 }]],
    ['[fd00::/64]:80', ['fd00::/64'], [{ low: 80, high: 80 }]],
    ['[::4]', ['::4/128'], undefined],
    ['::4', ['::4/128'], undefined],
    ['fd00::/64,fd00:0:0:1::/64', ['fd00::/63'], undefined],
    ['office:443', ['198.51.100.0/24'], [{ low: 443, high: 443 }]],
    ['*:443', ['0.0.0.0/0', '::/0'], [{ low: 443, high: 443 }]],
    ['Any', ['0.0.0.0/0', '::/0'], undefined],
  ])('%s', (text, addresses, ports) => {
    const end = parseEndpointSet(text, loaded.tags);
    expect([formatAddressSet(end.addresses), end.ports]).toEqual([addresses, ports]);
  });

  test.each<readonly [string, RegExp]>([
    ['10.0.1.4:', /port ""/],
    [':80', /"" is not an IPv4 or IPv6 address/],
    ['10.0.1.4:80:90', /write an IPv6 address with a port as \[address\]:port/],
    ['[::4]:', /port ""/],
    ['[::4', /write an IPv6 address/],
    ['[::4]80', /write an IPv6 address/],
    ['[]:80', /"" is not/],
    ['', /"" is not/],
    ['fd00::4:99999', /write an IPv6 address with a port/],
    [
      '10.0.0.1/24:80',
      /"10\.0\.0\.1\/24" has bits set to the right of its mask; the prefix is 10\.0\.0\.0\/24/,
    ],
    ['10.0.1', /"10\.0\.1" is not an IPv4 or IPv6 address/],
    ['Offise:80', /did you mean Office\?/],
    ['AzurePlatformLKM', /TCP port 1688 at any address/],
    ['10.0.0.4:90-80', /the first is the larger/],
    ['10.0.0.4:1-2-3', /use a number, a range or \*/],
    ['10.0.0.4:80,*', /use a number, a range or \*/],
    ['10.0.0.4,,10.0.0.5', /"" is not/],
  ])('%j is refused', (text, message) => {
    expect(refusal(() => parseEndpointSet(text, loaded.tags))).toMatch(message);
  });
});

describe('one packet', () => {
  test.each<readonly [string, Partial<VerifyRequest>, unknown]>([
    ['of TCP', {}, { protocol: 6, local: 0x0a000104, localPort: 80, remotePort: 50_000 }],
    [
      'of a protocol without ports',
      { protocol: 'ICMP', local: '10.0.1.4', remote: '203.0.113.9' },
      { protocol: 1, localPort: 0, remotePort: 0 },
    ],
    [
      'of ICMPv6, by the addresses',
      { protocol: 'Icmp', local: 'fd00:0:0:1::4', remote: '2001:db8::1' },
      { protocol: 58 },
    ],
    ['from a tag of one address', { remote: 'Host:50000' }, { remote: 0xc6336407 }],
    ['from a prefix of one address', { remote: '203.0.113.9/32:50000' }, { remote: 0xcb007109 }],
  ])('%s', (_, change, tuple) => {
    const answered = answerVerify(loaded, { ...WEB, ...change });
    expect(answered.tuple).toMatchObject(tuple as object);
    expect(answered.answer.kind).toBe('packet');
  });
});

describe('more than one packet', () => {
  const partsOf = (change: Partial<VerifyRequest>): unknown => {
    const { answer } = answerVerify(loaded, { ...WEB, ...change });
    return answer.kind === 'parts'
      ? [
          answer.access,
          ...answer.parts.map(
            ({ access, ruleName, remote }) => `${access} ${ruleName ?? '-'} ${remote.join(' ')}`,
          ),
        ]
      : answer.kind;
  };

  test.each<readonly [string, Partial<VerifyRequest>, readonly string[]]>([
    [
      'a prefix',
      { remote: '203.0.113.0/24:*' },
      ['Allow', 'Allow securityRules/Web 203.0.113.0/24'],
    ],
    [
      'a tag that is cut: the host is in VirtualNetwork and in no rule',
      { remote: 'VirtualNetwork:*', local: '10.0.1.4:22' },
      ['Allow', 'Allow defaultSecurityRules/AllowVnetInBound 10.0.0.0/16 168.63.129.16'],
    ],
    [
      'allowed for these, denied for those',
      { remote: '203.0.113.0/24,192.168.0.0/16:*' },
      [
        'Mixed',
        'Allow securityRules/Web 203.0.113.0/24',
        'Deny defaultSecurityRules/DenyAllInBound 192.168.0.0/16',
      ],
    ],
    [
      'a port of many',
      { remote: '203.0.113.9:*' },
      ['Allow', 'Allow securityRules/Web 203.0.113.9'],
    ],
    [
      'any protocol',
      { protocol: '*', remote: '203.0.113.9', local: '10.0.1.4:80' },
      [
        'Mixed',
        'Allow securityRules/Web 203.0.113.9',
        'Deny defaultSecurityRules/DenyAllInBound 203.0.113.9',
      ],
    ],
  ])('%s', (_, change, expected) => {
    expect(partsOf(change)).toEqual(expected);
  });

  test('* as the local side is what the interface has', () => {
    const { answer } = answerVerify(loaded, { ...WEB, nic: 'vm1', local: '*:80', remote: '*:*' });
    if (answer.kind !== 'parts') throw new Error('one packet?');
    expect(answer.isLocalAddress).toBe(true);
    expect(new Set(answer.parts.flatMap(({ local }) => local))).toEqual(
      new Set(['10.0.1.4', 'fd00:0:0:1::4']),
    );
  });

  test('a prefix with addresses of others: answered, and said', () => {
    const { answer } = answerVerify(loaded, { ...WEB, nic: 'vm1', local: '10.0.1.0/24:80' });
    expect(answer).toMatchObject({ networkInterface: 'vm1', isLocalAddress: false });
  });
});

describe('the interface', () => {
  test('is the one with the local address', () => {
    expect(answerVerify(loaded, { ...WEB, local: '10.0.1.5:80' }).nic.name).toBe('vm2');
  });

  test('has to be named where the local side is * or of several', () => {
    expect(refusal(() => answerVerify(loaded, { ...WEB, local: '*:80' }))).toMatch(/^2 give --nic/);
    expect(refusal(() => answerVerify(loaded, { ...WEB, local: '10.0.1.0/24:80' }))).toMatch(
      /^2 give --nic/,
    );
  });
});

test.each<readonly [string, Partial<VerifyRequest>, RegExp]>([
  ['no direction', { direction: undefined }, /give --direction, --protocol, --local and --remote/],
  ['no remote', { remote: undefined }, /give --direction/],
  ['two families', { remote: '[::1]:5' }, /different address families/],
  ['two families of prefixes', { remote: '[2001:db8::/32]:*' }, /different address families/],
  [
    'TCP without a local port',
    { local: '10.0.1.4' },
    /--local "10\.0\.1\.4": TCP and UDP have ports; write 10\.0\.1\.4:PORT, or 10\.0\.1\.4:\* /,
  ],
  [
    'UDP without a remote port',
    { protocol: 'udp', remote: 'Internet' },
    /--remote "Internet": TCP and UDP have ports/,
  ],
  [
    'TCP over IPv6 without a port',
    { local: 'fd00:0:0:1::4', remote: '[fd00::5]:1' },
    /--local "fd00:0:0:1::4": TCP and UDP have ports; write \[fd00:0:0:1::4\]:PORT/,
  ],
])('%s is refused', (_name, change, message) => {
  expect(refusal(() => answerVerify(loaded, { ...WEB, ...change }))).toMatch(message);
});

describe('diagnostics', () => {
  const diagnostics = (change: Partial<VerifyRequest>) =>
    answerVerify(loaded, { ...WEB, detail: true, ...change }).answer.diagnostics;

  test("in the JSON of Azure's networkConfigurationDiagnostic", () => {
    const [result, ...others] =
      diagnostics({ remote: '10.0.2.0/26:*', local: '10.0.1.4:*' })?.results ?? [];
    expect(others).toEqual([]);
    expect(result).toEqual({
      profile: {
        direction: 'Inbound',
        protocol: 'Tcp',
        source: '10.0.2.0/26',
        destination: '10.0.1.4',
        destinationPort: '*',
      },
      networkSecurityGroupResult: {
        securityRuleAccessResult: 'Allow',
        evaluatedNetworkSecurityGroups: [
          {
            networkSecurityGroupId:
              '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/NSG1',
            appliedTo: 'Subnet1',
            matchedRule: { ruleName: 'DefaultRule_AllowVnetInBound', action: 'Allow' },
            rulesEvaluationResult: [
              {
                name: 'UserRule_Web',
                protocolMatched: true,
                sourceMatched: false,
                sourcePortMatched: true,
                destinationMatched: true,
                destinationPortMatched: false,
              },
              {
                name: 'DefaultRule_AllowVnetInBound',
                protocolMatched: true,
                sourceMatched: true,
                sourcePortMatched: true,
                destinationMatched: true,
                destinationPortMatched: true,
              },
              {
                name: 'DefaultRule_AllowAzureLoadBalancerInBound',
                protocolMatched: true,
                sourceMatched: false,
                sourcePortMatched: true,
                destinationMatched: true,
                destinationPortMatched: true,
              },
              {
                name: 'DefaultRule_DenyAllInBound',
                protocolMatched: true,
                sourceMatched: true,
                sourcePortMatched: true,
                destinationMatched: true,
                destinationPortMatched: true,
              },
            ],
          },
        ],
      },
    });
  });

  test('one packet too; a platform rule stands first', () => {
    const results = diagnostics({
      direction: 'Outbound',
      protocol: 'Udp',
      local: '10.0.1.4:5000',
      remote: '168.63.129.16:53',
    })?.results;
    expect(results).toHaveLength(1);
    const groups = results?.[0]?.networkSecurityGroupResult.evaluatedNetworkSecurityGroups ?? [];
    expect(
      groups.map(({ networkSecurityGroupId, appliedTo, matchedRule }) => ({
        id: networkSecurityGroupId.split('/').at(-1),
        appliedTo,
        rule: matchedRule?.ruleName,
      })),
    ).toEqual([
      { id: 'platform', appliedTo: 'vm1', rule: 'PlatformRule_AllowAzureDns' },
      { id: 'NSG1', appliedTo: 'Subnet1', rule: 'DefaultRule_AllowVnetOutBound' },
    ]);
  });

  test('a result for each part, with the source port where it matters', () => {
    const results = diagnostics({ remote: '203.0.113.0/24,192.168.0.0/16:1000' })?.results ?? [];
    expect(
      results.map(({ profile, networkSecurityGroupResult }) => [
        networkSecurityGroupResult.securityRuleAccessResult,
        profile.source,
        profile.sourcePort,
        profile.destinationPort,
      ]),
    ).toEqual([
      ['Allow', '203.0.113.0/24', '1000', '80'],
      ['Deny', '192.168.0.0/16', '1000', '80'],
    ]);
  });

  test('a protocol without ports has *', () => {
    const results = diagnostics({ protocol: 'ICMP', local: '10.0.1.4', remote: '10.0.1.5' });
    expect(results?.results[0]?.profile).toEqual({
      direction: 'Inbound',
      protocol: 'Icmp',
      source: '10.0.1.5',
      destination: '10.0.1.4',
      destinationPort: '*',
    });
  });
});
