/**
 * From configuration to policy: the decisions of the design, the order of the chain, and that nothing empty ever
 * becomes "any".
 */
import { describe, expect, test } from 'vitest';
import { isEmpty } from '../../src/engine/address-set.ts';
import { NO_RULE_LIST, RuleKind, type Policy } from '../../src/engine/policy.ts';
import { linearVerdict } from '../helpers/linear-verdict.ts';
import { compareProblems, loadGood, loadText } from '../helpers/load-text.ts';
import { Random } from '../helpers/random.ts';

interface Row {
  readonly name?: string;
  readonly access?: string;
  readonly direction?: string;
  readonly priority?: number;
  readonly protocol?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly ports?: string;
}

/** A rule in flow style. Sides are written with their key, as in `sourceAddressPrefix: Internet`. */
function rule(row: Row): string {
  const { name = 'R', access = 'Allow', direction = 'Inbound', priority = 100 } = row;
  const source = row.source ?? 'sourceAddressPrefix: "*"';
  const destination = row.destination ?? 'destinationAddressPrefix: "*"';
  return `{ name: ${name}, priority: ${priority}, direction: ${direction}, access: ${access}, protocol: "${row.protocol ?? '*'}", ${source}, sourcePortRange: "*", ${destination}, destinationPortRange: "${row.ports ?? '*'}" }`;
}

/** vm1 in asg-web and vm2 in asg-db, both in a subnet with NSG1; asg-empty has nobody. */
function configuration(rules: readonly string[], extra = ''): string {
  return `virtualNetwork:
  addressSpace: [10.0.0.0/16, "fd00:db8::/48"]
  connectedAddressSpaces: [172.20.0.0/16]
  subnets: [{ name: s, addressPrefixes: [10.0.1.0/24, "fd00:db8::/64"], networkSecurityGroup: nsg1 }]
applicationSecurityGroups: [{ name: asg-web }, { name: asg-db }, { name: asg-empty }]
networkSecurityGroups:
  - name: NSG1
    securityRules: [${rules.map((text) => `\n      ${text}`).join(',')}]
networkInterfaces:
  - { name: vm1, subnet: s, addresses: [10.0.1.4, "fd00:db8::4"], applicationSecurityGroups: [asg-web] }
  - { name: vm2, subnet: s, addresses: [10.0.1.5], applicationSecurityGroups: [asg-db] }
serviceTags: { custom: { Office: [198.51.100.0/24], Nowhere: [] } }
${extra}`;
}

function policyOf(rules: readonly Row[], extra = ''): Policy {
  return loadGood(configuration(rules.map(rule), extra)).policy;
}

const ALLOWED = 'Allow securityRules/R';
const DENY_ALL_IN = 'Deny defaultSecurityRules/DenyAllInBound';
const VNET_IN = 'Allow defaultSecurityRules/AllowVnetInBound';

describe('decision 1: default rules', () => {
  const policy = policyOf([]);
  test.each([
    ['the network comes in', 'Inbound', 'tcp 10.0.2.9:1 10.0.1.4:80', VNET_IN],
    ['a connected network too', 'Inbound', 'tcp 172.20.0.1:1 10.0.1.4:80', VNET_IN],
    ['IPv6 of the network too', 'Inbound', 'tcp [fd00:db8::9]:1 [fd00:db8::4]:80', VNET_IN],
    ['the platform address is in it', 'Inbound', 'tcp 168.63.129.16:1 10.0.1.4:80', VNET_IN],
    ['the Internet stays out', 'Inbound', 'tcp 203.0.113.9:1 10.0.1.4:80', DENY_ALL_IN],
    ['any protocol of it', 'Inbound', 'gre 203.0.113.9 10.0.1.4', DENY_ALL_IN],
    ['IPv6 of it', 'Inbound', 'icmpv6 2001:db8::1 fd00:db8::4', DENY_ALL_IN],
    [
      'out to the network',
      'Outbound',
      'udp 10.0.1.4:1 10.0.9.9:53',
      'Allow defaultSecurityRules/AllowVnetOutBound',
    ],
    [
      'out to the Internet',
      'Outbound',
      'udp 10.0.1.4:1 203.0.113.1:53',
      'Allow defaultSecurityRules/AllowInternetOutBound',
    ],
    [
      'out to the IPv6 Internet',
      'Outbound',
      'udp [fd00:db8::4]:1 [2001:db8::1]:53',
      'Allow defaultSecurityRules/AllowInternetOutBound',
    ],
    [
      'out to a private network that is not connected',
      'Outbound',
      'udp 10.0.1.4:1 192.168.0.1:53',
      'Deny defaultSecurityRules/DenyAllOutBound',
    ],
  ] as const)('%s', (_, direction, packet, verdict) => {
    expect(linearVerdict(policy, 'vm1', direction, packet)).toBe(verdict);
  });

  test('every list ends with its three', () => {
    for (const { owner, rules } of policy.ruleLists) {
      if (owner === 'platform') continue;
      expect(rules.slice(-3).map(({ priority, kind }) => [priority, kind])).toEqual([
        [65000, RuleKind.Default],
        [65001, RuleKind.Default],
        [65500, RuleKind.Default],
      ]);
    }
  });

  test('the lowest number is first, whatever the order of the file', () => {
    const rows = [300, 100, 4096, 200].map((priority) => ({ name: `p${priority}`, priority }));
    const list = policyOf(rows).ruleLists[0];
    expect(list?.rules.slice(0, 4).map(({ priority }) => priority)).toEqual([100, 200, 300, 4096]);
  });

  test('one priority may be used once in each direction', () => {
    const { ruleLists } = policyOf([{ name: 'a' }, { name: 'b', direction: 'Outbound' }]);
    expect(
      ruleLists.slice(0, 2).map(({ direction, rules }) => [direction, rules[0]?.name]),
    ).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
  });
});

describe('decisions 2 to 5: what a rule matches', () => {
  const V4 = 'tcp 203.0.113.9:1 10.0.1.4:80';
  const V6 = 'tcp [2001:db8::9]:1 [fd00:db8::4]:80';
  test.each<[string, Row, string, string]>([
    ['* is IPv4', {}, V4, ALLOWED],
    ['* is IPv6', {}, V6, ALLOWED],
    ['Any is IPv6', { source: 'sourceAddressPrefix: Any' }, V6, ALLOWED],
    ['a tag is both: IPv4', { source: 'sourceAddressPrefix: internet' }, V4, ALLOWED],
    ['a tag is both: IPv6', { source: 'sourceAddressPrefix: Internet' }, V6, ALLOWED],
    ['0.0.0.0/0 is IPv4', { source: 'sourceAddressPrefix: 0.0.0.0/0' }, V4, ALLOWED],
    ['0.0.0.0/0 is not IPv6', { source: 'sourceAddressPrefix: 0.0.0.0/0' }, V6, DENY_ALL_IN],
    ['::/0 is IPv6', { source: 'sourceAddressPrefix: "::/0"' }, V6, ALLOWED],
    ['::/0 is not IPv4', { source: 'sourceAddressPrefix: "::/0"' }, V4, DENY_ALL_IN],
    ['protocol * is GRE', {}, 'gre 203.0.113.9 10.0.1.4', ALLOWED],
    ['protocol * is SCTP', {}, '132 203.0.113.9 10.0.1.4', ALLOWED],
    ['Icmp is 1 on IPv4', { protocol: 'Icmp' }, 'icmp 203.0.113.9 10.0.1.4', ALLOWED],
    ['Icmp is 58 on IPv6', { protocol: 'icmp' }, 'icmpv6 2001:db8::9 fd00:db8::4', ALLOWED],
    ['Icmp is not 58 on IPv4', { protocol: 'Icmp' }, 'icmpv6 203.0.113.9 10.0.1.4', DENY_ALL_IN],
    ['Icmp is not 1 on IPv6', { protocol: 'Icmp' }, 'icmp 2001:db8::9 fd00:db8::4', DENY_ALL_IN],
    ['Esp is 50', { protocol: 'Esp' }, 'esp 203.0.113.9 10.0.1.4', ALLOWED],
    ['Ah is 51', { protocol: 'Ah' }, 'ah 203.0.113.9 10.0.1.4', ALLOWED],
    ['Tcp is not Udp', { protocol: 'Tcp' }, 'udp 203.0.113.9:1 10.0.1.4:80', DENY_ALL_IN],
    ['ports match a packet with ports', { ports: '80' }, V4, ALLOWED],
    ['ports never match one without', { ports: '80' }, 'gre 203.0.113.9 10.0.1.4', DENY_ALL_IN],
    ['0-65535 is every port', { ports: '0-65535' }, 'gre 203.0.113.9 10.0.1.4', ALLOWED],
    [
      'a custom tag',
      { source: 'sourceAddressPrefix: OFFICE' },
      'tcp 198.51.100.1:1 10.0.1.4:80',
      ALLOWED,
    ],
    [
      'an empty custom tag matches nothing',
      { source: 'sourceAddressPrefix: Nowhere' },
      V4,
      DENY_ALL_IN,
    ],
    [
      'an ASG is its members',
      { destination: 'destinationApplicationSecurityGroups: [ASG-Web]' },
      V4,
      ALLOWED,
    ],
    [
      'an ASG is its members: IPv6',
      {
        destination:
          'destinationApplicationSecurityGroups: [{ id: /x/applicationSecurityGroups/asg-web }]',
      },
      V6,
      ALLOWED,
    ],
    [
      'an ASG is not the rest of the subnet',
      { destination: 'destinationApplicationSecurityGroups: [asg-db]' },
      V4,
      DENY_ALL_IN,
    ],
    [
      'an ASG as source is its members',
      { access: 'Deny', source: 'sourceApplicationSecurityGroups: [asg-db]' },
      'tcp 10.0.1.5:1 10.0.1.4:80',
      'Deny securityRules/R',
    ],
    [
      'an empty ASG matches nothing',
      { destination: 'destinationApplicationSecurityGroups: [asg-empty]' },
      V4,
      DENY_ALL_IN,
    ],
    [
      'an empty ASG beside another takes nothing away',
      { destination: 'destinationApplicationSecurityGroups: [asg-empty, asg-web]' },
      V4,
      ALLOWED,
    ],
  ])('%s', (_, row, packet, verdict) => {
    expect(linearVerdict(policyOf([row]), 'vm1', 'Inbound', packet)).toBe(verdict);
  });
});

describe('decision 6: existing flows', () => {
  test.each([
    ['kept by default', '', false],
    ['judged anew when the group says so', ', flushConnection: true', true],
  ])('%s', (_, flush, isFlushing) => {
    const text = configuration([]).replace(
      '  - name: NSG1\n    securityRules: []',
      `  - { name: NSG1, securityRules: []${flush} }`,
    );
    expect(loadGood(text).policy.nics.map((nic) => nic.isFlushing)).toEqual([
      isFlushing,
      isFlushing,
    ]);
  });
});

describe('the chain', () => {
  const groups = ['NSG1', 'NSG2'].map((name) => `{ name: ${name}, securityRules: [] }`).join(', ');
  const text = `virtualNetwork:
  addressSpace: [10.0.0.0/16]
  subnets:
    - { name: Subnet1, addressPrefix: 10.0.1.0/24, networkSecurityGroup: NSG1 }
    - { name: Subnet2, addressPrefix: 10.0.2.0/24 }
networkSecurityGroups: [${groups}]
networkInterfaces:
  - { name: vm1, subnet: Subnet1, addresses: [10.0.1.4], networkSecurityGroup: NSG2, wire: wire0 }
  - { name: vm2, subnet: Subnet1, addresses: [10.0.1.5], wire: wire0 }
  - { name: vm3, subnet: Subnet2, addresses: [10.0.2.4], networkSecurityGroup: NSG2 }
  - { name: vm4, subnet: Subnet2, addresses: [10.0.2.5] }
wires: [{ name: wire0, outside: a, inside: b }]
`;
  const { policy } = loadGood(text);

  /** Owner and direction of each stage. */
  function stages(nic: number, chain: 'inbound' | 'outbound'): string[] {
    return (policy.nics[nic]?.[chain].stages ?? []).map((index) => {
      const list = policy.ruleLists[index];
      if (index === NO_RULE_LIST) return '-';
      return `${list?.owner} ${list?.direction === 0 ? 'Inbound' : 'Outbound'}`;
    });
  }

  test.each([
    ['both groups', 0, ['NSG1 Inbound', 'NSG2 Inbound'], ['NSG2 Outbound', 'NSG1 Outbound']],
    ['the subnet has one', 1, ['NSG1 Inbound', '-'], ['-', 'NSG1 Outbound']],
    ['the interface has one', 2, ['-', 'NSG2 Inbound'], ['NSG2 Outbound', '-']],
    ['none', 3, ['-', '-'], ['-', '-']],
  ])('%s', (_, nic, inbound, outbound) => {
    expect(stages(nic, 'inbound')).toEqual(inbound);
    expect(stages(nic, 'outbound')).toEqual(outbound);
  });

  test('every group has one list for each direction, platform rules are shared', () => {
    expect(policy.ruleLists.map(({ owner, direction }) => `${owner} ${direction}`)).toEqual([
      'NSG1 0',
      'NSG1 1',
      'NSG2 0',
      'NSG2 1',
      'platform 0',
      'platform 1',
    ]);
  });

  test('wires are named where there is one', () => {
    expect(policy.nics.map((nic) => nic.wire)).toEqual(['wire0', 'wire0', undefined, undefined]);
  });

  test('without any group everything is allowed', () => {
    expect(linearVerdict(policy, 'vm4', 'Inbound', 'tcp 203.0.113.9:1 10.0.2.5:22')).toBe(
      'Allow -',
    );
  });
});

describe('names that mean nothing', () => {
  test.each<[string, Row, string[]]>([
    [
      'a tag',
      { source: 'sourceAddressPrefix: ^Internett' },
      [
        'SecurityRuleInvalidAddressPrefix: Security rule "R" has invalid Address prefix. "Internett" is no address, prefix or known service tag: no service tag file is configured (serviceTags.file), so only the special and custom tags are known; did you mean Internet?',
      ],
    ],
    [
      'an application security group',
      { destination: 'destinationApplicationSecurityGroups: [asg-web, ^asg-wbe]' },
      [
        'InvalidResourceReference: there is no application security group "asg-wbe"; did you mean asg-web?',
      ],
    ],
    [
      'an empty application security group',
      { source: 'sourceApplicationSecurityGroups: [^asg-empty]' },
      [
        'EmptyApplicationSecurityGroup: warning: no interface is in application security group "asg-empty": it matches nothing',
      ],
    ],
    [
      'the licensing tag as a source',
      {
        direction: 'Outbound',
        access: 'Deny',
        source: 'sourceAddressPrefix: ^AzurePlatformLKM',
      },
      [
        'SecurityRuleInvalidAddressPrefix: Security rule "R" has invalid Address prefix. AzurePlatformLKM is only for the destination of outbound rules',
      ],
    ],
    [
      'the licensing tag inbound',
      { access: 'Deny', destination: 'destinationAddressPrefix: ^AzurePlatformLKM' },
      [
        'SecurityRuleInvalidAddressPrefix: Security rule "R" has invalid Address prefix. AzurePlatformLKM is only for the destination of outbound rules',
      ],
    ],
  ])('%s', (_, row, problems) => {
    // `Nowhere` is empty on purpose, and warned of in every row.
    const { found, expected } = compareProblems(configuration([rule(row)]), problems);
    expect(found.filter((problem) => !problem.includes('EmptyServiceTag'))).toEqual(expected);
  });
});

describe('the licensing tag with ports', () => {
  test.each([
    ['*', 'Deny securityRules/R'],
    ['1688', 'Deny securityRules/R'],
    ['1000-2000', 'Deny securityRules/R'],
    ['80', 'Allow defaultSecurityRules/AllowInternetOutBound'],
  ])('%s', (ports, verdict) => {
    const row: Row = {
      access: 'Deny',
      direction: 'Outbound',
      ports,
      destination: 'destinationAddressPrefix: AzurePlatformLKM',
    };
    const policy = policyOf([row]);
    expect(linearVerdict(policy, 'vm1', 'Outbound', 'tcp 10.0.1.4:1 203.0.113.1:1688')).toBe(
      verdict,
    );
    expect(linearVerdict(policy, 'vm1', 'Outbound', 'tcp 10.0.1.4:1 203.0.113.1:80')).toBe(
      'Allow defaultSecurityRules/AllowInternetOutBound',
    );
  });
});

/** What a side may be written as, and whether that is "any". */
const SIDES: readonly {
  readonly text: string;
  readonly isAny: boolean;
  readonly isNone: boolean;
}[] = [
  { text: 'AddressPrefix: "*"', isAny: true, isNone: false },
  { text: 'AddressPrefix: Any', isAny: true, isNone: false },
  { text: 'AddressPrefix: VirtualNetwork', isAny: false, isNone: false },
  { text: 'AddressPrefix: Nowhere', isAny: false, isNone: true },
  { text: 'AddressPrefixes: [10.0.0.0/8, 192.0.2.1]', isAny: false, isNone: false },
  { text: 'AddressPrefixes: []', isAny: false, isNone: true },
  { text: 'AddressPrefix: ""', isAny: false, isNone: true },
  { text: 'AddressPrefix: null', isAny: false, isNone: true },
  { text: 'ApplicationSecurityGroups: [asg-web]', isAny: false, isNone: false },
  { text: 'ApplicationSecurityGroups: [asg-empty]', isAny: false, isNone: true },
  { text: 'ApplicationSecurityGroups: []', isAny: false, isNone: true },
  { text: 'AddressPrefix: Unknown', isAny: false, isNone: true },
];

test('property: "any" comes only from * and Any, and nothing empty ever becomes it', () => {
  const random = new Random();
  let loaded = 0;
  for (let round = 0; round < 400; round++) {
    const rows = Array.from({ length: 1 + random.below(3) }, (_, index) => ({
      index,
      source: random.pick(SIDES),
      destination: random.pick(SIDES),
    }));
    const text = configuration(
      rows.map(({ index, source, destination }) =>
        rule({
          name: `r${index}`,
          priority: 100 + index,
          source: `source${source.text}`,
          destination: `destination${destination.text}`,
        }),
      ),
    );
    const result = loadText(text);
    const hint = `seed ${random.seed}, round ${round}\n${text}`;
    if (!result.ok) {
      const isWrong = rows.some((row) =>
        [row.source, row.destination].some((side) => /\[\]|""|null|Unknown/.test(side.text)),
      );
      expect(isWrong, hint).toBe(true);
      continue;
    }
    loaded++;
    const rules = result.policy.ruleLists[0]?.rules ?? [];
    for (const { index, source, destination } of rows) {
      for (const [side, set] of [
        [source, rules[index]?.source],
        [destination, rules[index]?.destination],
      ] as const) {
        const count = set === undefined ? -1n : sizeOf(set);
        expect(count === 2n ** 32n + 2n ** 128n, hint).toBe(side.isAny);
        expect(set === undefined || isEmpty(set), hint).toBe(side.isNone);
      }
    }
  }
  expect(loaded, `seed ${random.seed}`).toBeGreaterThan(20);
});

function sizeOf(set: Policy['ruleLists'][number]['rules'][number]['source']): bigint {
  let count = 0n;
  for (const [low, high] of set.ipv4) count += BigInt(high - low + 1);
  for (const [low, high] of set.ipv6) count += high - low + 1n;
  return count;
}
