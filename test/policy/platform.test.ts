/**
 * Platform rules: what passes before any group is asked, and what switches that off.
 */
import { describe, expect, test } from 'vitest';
import type { Policy } from '../../src/engine/policy.ts';
import { SMTP_ALLOWED } from '../../src/policy/platform-rules.ts';
import { linearVerdict } from '../helpers/linear-verdict.ts';
import { loadGood } from '../helpers/load-text.ts';

/** One interface whose group denies everything both ways, and the same again with `rules` before that. */
function policyOf(rules = '', settings = ''): Policy {
  return loadGood(`virtualNetwork:
  addressSpace: [10.0.0.0/16, "fd00:db8::/48"]
  subnets: [{ name: s, addressPrefixes: [10.0.0.0/24, "fd00:db8::/64"], networkSecurityGroup: subnet }]
networkSecurityGroups:
  - name: subnet
    securityRules:
      - { name: In, priority: 100, direction: Inbound, access: Allow, protocol: "*", sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "*" }
      - { name: Out, priority: 100, direction: Outbound, access: Allow, protocol: "*", sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "*" }
  - name: nic
    securityRules:
${rules}
      - { name: DenyIn, priority: 4096, direction: Inbound, access: Deny, protocol: "*", sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "*" }
      - { name: DenyOut, priority: 4096, direction: Outbound, access: Deny, protocol: "*", sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "*" }
networkInterfaces:
  - { name: vm, subnet: s, addresses: [10.0.0.4, "fd00:db8::4"], networkSecurityGroup: nic }
  - { name: other, subnet: s, addresses: [10.0.0.5] }
${settings}
`).policy;
}

function rule(access: string, tag: string, direction = 'Outbound', protocol = '*'): string {
  return `      - { name: ${access}${tag}, priority: 200, direction: ${direction}, access: ${access}, protocol: "${protocol}",
          sourceAddressPrefix: "*", sourcePortRange: "*", destinationAddressPrefix: ${tag}, destinationPortRange: "*" }`;
}

const DNS = 'udp 10.0.0.4:5353 168.63.129.16:53';
const DNS_TCP = 'tcp 10.0.0.4:5353 168.63.129.16:53';
const WIRE_SERVER = 'tcp 10.0.0.4:5353 168.63.129.16:80';
const WIRE_SERVER_2 = 'tcp 10.0.0.4:5353 168.63.129.16:32526';
const METADATA = 'tcp 10.0.0.4:5353 169.254.169.254:80';
const KMS = 'tcp 10.0.0.4:5353 203.0.113.1:1688';
const DENIED = 'Deny securityRules/DenyOut';

describe('profile azure: outbound', () => {
  const policy = policyOf();
  test.each([
    ['DHCP to everyone', 'udp 0.0.0.0:68 255.255.255.255:67', 'Allow platformRules/AllowDhcp'],
    ['DHCP renewal', 'udp 10.0.0.4:68 10.0.0.1:67', 'Allow platformRules/AllowDhcp'],
    ['DHCPv6', 'udp [fe80::4]:546 [ff02::1:2]:547', 'Allow platformRules/AllowDhcpV6'],
    ['a DHCP server', 'udp 10.0.0.4:67 10.0.0.9:68', DENIED],
    ['DHCP from another port', 'udp 10.0.0.4:1068 10.0.0.1:67', DENIED],
    ['DHCP ports on IPv6', 'udp [fe80::4]:68 [ff02::1:2]:67', DENIED],
    ['WireServer', WIRE_SERVER, 'Allow platformRules/AllowAzureWireServer'],
    ['WireServer, second port', WIRE_SERVER_2, 'Allow platformRules/AllowAzureWireServer'],
    ['another port of its address', 'tcp 10.0.0.4:5353 168.63.129.16:443', DENIED],
    ['DNS', DNS, 'Allow platformRules/AllowAzureDns'],
    ['DNS over TCP', DNS_TCP, 'Allow platformRules/AllowAzureDnsTcp'],
    ['another DNS server', 'udp 10.0.0.4:5353 8.8.8.8:53', DENIED],
    ['instance metadata', METADATA, 'Allow platformRules/AllowAzureInstanceMetadata'],
    ['metadata over UDP', 'udp 10.0.0.4:5353 169.254.169.254:80', DENIED],
    ['KMS on the Internet', KMS, 'Allow platformRules/AllowAzureKms'],
    ['KMS port in the network', 'tcp 10.0.0.4:5353 10.0.0.9:1688', DENIED],
    ['ping of the platform address', 'icmp 10.0.0.4 168.63.129.16', DENIED],
  ])('%s', (_, packet, verdict) => {
    expect(linearVerdict(policy, 'vm', 'Outbound', packet)).toBe(verdict);
  });
});

describe('profile azure: inbound', () => {
  const policy = policyOf();
  test.each([
    ['a DHCP answer', 'udp 168.63.129.16:67 10.0.0.4:68', 'Allow platformRules/AllowDhcp'],
    ['a DHCPv6 answer', 'udp [fe80::1]:547 [fe80::4]:546', 'Allow platformRules/AllowDhcpV6'],
    ['a DHCP request', 'udp 10.0.0.9:68 10.0.0.4:67', 'Deny securityRules/DenyIn'],
    // Probes are a matter of AllowAzureLoadBalancerInBound, which a rule may override.
    ['a probe', 'tcp 168.63.129.16:5000 10.0.0.4:80', 'Deny securityRules/DenyIn'],
  ])('%s', (_, packet, verdict) => {
    expect(linearVerdict(policy, 'vm', 'Inbound', packet)).toBe(verdict);
  });

  test('DHCP leaves no flow, the rest does', () => {
    for (const { rules } of policy.ruleLists) {
      for (const { name, isStateful } of rules) {
        expect(isStateful, name).toBe(!name.startsWith('AllowDhcp'));
      }
    }
  });
});

describe('a deny rule that names a platform tag', () => {
  test.each([
    ['AzurePlatformDNS', DNS, 'Deny securityRules/DenyAzurePlatformDNS'],
    ['AzurePlatformDNS', DNS_TCP, 'Deny securityRules/DenyAzurePlatformDNS'],
    ['azureplatformdns', DNS, 'Deny securityRules/Denyazureplatformdns'],
    ['AzurePlatformDNS', WIRE_SERVER, 'Allow platformRules/AllowAzureWireServer'],
    ['AzurePlatformDNS', METADATA, 'Allow platformRules/AllowAzureInstanceMetadata'],
    ['AzurePlatformIMDS', METADATA, 'Deny securityRules/DenyAzurePlatformIMDS'],
    ['AzurePlatformIMDS', DNS, 'Allow platformRules/AllowAzureDns'],
    ['AzurePlatformLKM', KMS, 'Deny securityRules/DenyAzurePlatformLKM'],
    ['AzurePlatformLKM', 'tcp 10.0.0.4:5353 203.0.113.1:1689', DENIED],
    ['AzurePlatformLKM', 'udp 10.0.0.4:5353 203.0.113.1:1688', DENIED],
    // The same address, but not the tag's name.
    ['AzureLoadBalancer', DNS, 'Allow platformRules/AllowAzureDns'],
    ['168.63.129.16', DNS, 'Allow platformRules/AllowAzureDns'],
  ])('%s: %s', (tag, packet, verdict) => {
    expect(linearVerdict(policyOf(rule('Deny', tag)), 'vm', 'Outbound', packet)).toBe(verdict);
  });

  test.each([
    ['an allow rule', rule('Allow', 'AzurePlatformDNS')],
    ['an inbound rule', rule('Deny', 'AzurePlatformDNS', 'Inbound')],
  ])('%s does not switch it off', (_, rules) => {
    expect(linearVerdict(policyOf(rules), 'vm', 'Outbound', DNS)).toBe(
      'Allow platformRules/AllowAzureDns',
    );
  });

  test('only for the interfaces whose groups have the rule', () => {
    const policy = policyOf(rule('Deny', 'AzurePlatformDNS'));
    const packet = 'udp 10.0.0.5:5353 168.63.129.16:53';
    expect(linearVerdict(policy, 'other', 'Outbound', packet)).toBe(
      'Allow platformRules/AllowAzureDns',
    );
  });

  test('a rule of another protocol for AzurePlatformLKM matches nothing', () => {
    const policy = policyOf(rule('Deny', 'AzurePlatformLKM', 'Outbound', 'Udp'));
    for (const packet of [KMS, 'udp 10.0.0.4:5353 203.0.113.1:1688']) {
      expect(linearVerdict(policy, 'vm', 'Outbound', packet)).toBe(DENIED);
    }
  });
});

test('interfaces with the same platform rules share them', () => {
  const { nics } = policyOf();
  expect(nics[0]?.outbound.platform).toBe(nics[1]?.outbound.platform);
  expect(nics[0]?.inbound.platform).toBe(nics[1]?.inbound.platform);
});

describe('settings', () => {
  test('profile none leaves DHCP', () => {
    const policy = policyOf('', 'platform: { profile: none }');
    const verdict = (packet: string): string => linearVerdict(policy, 'vm', 'Outbound', packet);
    expect([DNS, WIRE_SERVER, METADATA, KMS].map(verdict)).toEqual([
      DENIED,
      DENIED,
      DENIED,
      DENIED,
    ]);
    expect(verdict('udp 0.0.0.0:68 255.255.255.255:67')).toBe('Allow platformRules/AllowDhcp');
  });

  test('a default route switches KMS off', () => {
    const policy = policyOf('', 'platform: { defaultRoute: true }');
    expect(linearVerdict(policy, 'vm', 'Outbound', KMS)).toBe(DENIED);
    expect(linearVerdict(policy, 'vm', 'Outbound', DNS)).toBe('Allow platformRules/AllowAzureDns');
  });

  // Azure page, "Sending outbound email".
  test.each([
    ['EnterpriseAgreement', true],
    ['EnterpriseDevTest', false],
    ['PayAsYouGo', false],
    ['MSDN', false],
    ['AzurePass', false],
    ['AzureInOpen', false],
    ['Education', false],
    ['BizSpark', false],
    ['FreeTrial', false],
    ['CSP', false],
  ])('port 25 of subscription %s is allowed: %s', (type, isAllowed) => {
    const policy = policyOf('', `subscription: { type: ${type} }`);
    const verdict = (packet: string): string => linearVerdict(policy, 'other', 'Outbound', packet);
    const expected = isAllowed ? 'Allow securityRules/Out' : 'Deny platformRules/DenySmtpOutBound';
    expect(verdict('tcp 10.0.0.5:5000 203.0.113.1:25')).toBe(expected);
    expect(verdict('tcp 10.0.0.5:5000 203.0.113.1:587')).toBe('Allow securityRules/Out');
    expect(verdict('tcp 10.0.0.5:5000 10.0.0.9:25')).toBe('Allow securityRules/Out');
    expect(Object.keys(SMTP_ALLOWED)).toContain(type);
  });

  test('port 25 without a subscription is allowed', () => {
    expect(linearVerdict(policyOf(), 'other', 'Outbound', 'tcp 10.0.0.5:5000 203.0.113.1:25')).toBe(
      'Allow securityRules/Out',
    );
  });
});
