/**
 * The section "Azure platform considerations" of Azure's page on network security groups, bullet by bullet: what each says,
 * asked of a configuration as `nsgd verify` asks.
 */
import { describe, expect, test } from 'vitest';
import { answerVerify } from '../../daemon/verify-request.ts';
import { effectiveRules, findNetworkInterface } from '../../src/policy/effective.ts';
import type { LoadedConfiguration } from '../../src/policy/load.ts';
import { SMTP_ALLOWED } from '../../src/policy/platform-rules.ts';
import { loadGood } from '../helpers/load-text.ts';

interface RuleParts {
  readonly name?: string;
  readonly direction?: 'Inbound' | 'Outbound';
  readonly access?: 'Allow' | 'Deny';
  readonly source?: string;
  readonly destination?: string;
  readonly port?: string;
}

function rule(priority: number, parts: RuleParts): Record<string, unknown> {
  return {
    name: parts.name ?? `R${priority}`,
    priority,
    direction: parts.direction ?? 'Outbound',
    access: parts.access ?? 'Deny',
    protocol: '*',
    sourceAddressPrefix: parts.source ?? '*',
    sourcePortRange: '*',
    destinationAddressPrefix: parts.destination ?? '*',
    destinationPortRange: parts.port ?? '*',
  };
}

const DENY_ALL = rule(4096, { name: 'DenyAll' });

/** Two machines of one group. */
function machine(rules: readonly object[], settings: object = {}): LoadedConfiguration {
  return loadGood(
    JSON.stringify({
      virtualNetwork: {
        addressSpace: ['10.0.0.0/16'],
        subnets: [{ name: 's1', addressPrefixes: ['10.0.1.0/24'], networkSecurityGroup: 'nsg' }],
      },
      networkSecurityGroups: [{ name: 'nsg', securityRules: rules }],
      networkInterfaces: [
        { name: 'vm1', subnet: 's1', addresses: ['10.0.1.4'] },
        { name: 'vm2', subnet: 's1', addresses: ['10.0.1.5'] },
      ],
      ...settings,
    }),
  );
}

/** `protocol local remote`, as the machine sees it: the access and the rule that decides. */
function ask(loaded: LoadedConfiguration, text: string, direction = 'Outbound'): string {
  const [protocol, local, remote] = text.split(' ');
  const { answer } = answerVerify(loaded, { direction, protocol, local, remote });
  if (answer.kind === 'packet') return `${answer.access} ${answer.ruleName ?? '-'}`;
  return answer.parts.map(({ access, ruleName }) => `${access} ${ruleName ?? '-'}`).join('; ');
}

const DNS = 'udp 10.0.1.4:5000 168.63.129.16:53';
const METADATA = 'tcp 10.0.1.4:5000 169.254.169.254:80';
const LICENSING = 'tcp 10.0.1.4:5000 203.0.113.7:1688';

describe('"Virtual IP of the host node"', () => {
  const denying = machine([DENY_ALL]);

  test.each([
    ['DHCP', 'udp 10.0.1.4:68 168.63.129.16:67', 'Allow platformRules/AllowDhcp'],
    ['DNS', DNS, 'Allow platformRules/AllowAzureDns'],
    ['DNS over TCP', DNS.replace('udp', 'tcp'), 'Allow platformRules/AllowAzureDnsTcp'],
    ['IMDS', METADATA, 'Allow platformRules/AllowAzureInstanceMetadata'],
    [
      'WireServer',
      'tcp 10.0.1.4:5000 168.63.129.16:80',
      'Allow platformRules/AllowAzureWireServer',
    ],
    [
      'anything else of the host',
      'tcp 10.0.1.4:5000 168.63.129.16:22',
      'Deny securityRules/DenyAll',
    ],
  ])('"DHCP, DNS, IMDS" pass a rule that denies everything: %s', (_, packet, verdict) => {
    expect(ask(denying, packet)).toBe(verdict);
  });

  test('"health monitoring": probes come from the host and pass by AllowAzureLoadBalancerInBound', () => {
    const probe = 'tcp 10.0.1.4:80 168.63.129.16:5000';
    const noNetwork = rule(100, { direction: 'Inbound', source: '10.0.0.0/16' });
    expect(ask(machine([noNetwork]), probe, 'Inbound')).toBe(
      'Allow defaultSecurityRules/AllowVnetInBound',
    );
    // The host is part of VirtualNetwork, so that a rule against the tag is one against probes.
    const noTag = rule(100, { direction: 'Inbound', source: 'VirtualNetwork' });
    expect(ask(machine([noTag]), probe, 'Inbound')).toBe('Deny securityRules/R100');
  });

  test('"the only virtualized IP addresses": neighbours of theirs are judged by the rules', () => {
    for (const remote of ['168.63.129.17', '169.254.169.253']) {
      expect(ask(denying, `udp 10.0.1.4:5000 ${remote}:53`)).toBe('Deny securityRules/DenyAll');
    }
  });

  test('"effective security rules will not include these platform rules"', () => {
    const nic = findNetworkInterface(denying.configuration, 'vm1');
    if (nic === undefined) throw new Error('there is no vm1');
    const names = effectiveRules(denying.configuration, denying.tags, nic).value.flatMap(
      ({ effectiveSecurityRules }) => effectiveSecurityRules.map(({ name }) => name),
    );
    expect(names).toHaveLength(7);
    expect(names.filter((name) => name.startsWith('platformRules/'))).toEqual([]);
  });

  test.each([
    ['AzurePlatformDNS', DNS],
    ['AzurePlatformIMDS', METADATA],
    ['AzurePlatformLKM', LICENSING],
  ])('"to override ... deny traffic by using the following service tags": %s', (tag, packet) => {
    const loaded = machine([rule(100, { name: 'Override', destination: tag })]);
    expect(ask(loaded, packet)).toBe('Deny securityRules/Override');
    const others = [DNS, METADATA, LICENSING].filter((other) => other !== packet);
    for (const other of others) expect(ask(loaded, other)).toMatch(/^Allow platformRules\//);
  });
});

describe('"Licensing (Key Management Service)"', () => {
  test('"the request is made outbound through port 1688" and passes', () => {
    expect(ask(machine([DENY_ALL]), LICENSING)).toBe('Allow platformRules/AllowAzureKms');
  });

  test('"for deployments using default route 0.0.0.0/0, this platform rule will be disabled"', () => {
    const loaded = machine([DENY_ALL], { platform: { defaultRoute: true } });
    expect(ask(loaded, LICENSING)).toBe('Deny securityRules/DenyAll');
    expect(ask(loaded, DNS)).toBe('Allow platformRules/AllowAzureDns');
  });
});

describe('"Virtual machines in load-balanced pools"', () => {
  const client = '198.51.100.9';
  const loaded = machine([
    rule(100, {
      direction: 'Inbound',
      access: 'Allow',
      source: client,
      destination: '10.0.1.4',
      port: '80',
    }),
    rule(200, { direction: 'Inbound', source: '*' }),
  ]);

  test('"the source port and address range applied are from the originating computer, not the load balancer"', () => {
    expect(ask(loaded, `tcp 10.0.1.4:80 ${client}:50000`, 'Inbound')).toBe(
      'Allow securityRules/R100',
    );
    // What is not the client's is not let in because the load balancer would be.
    expect(ask(loaded, 'tcp 10.0.1.4:80 198.51.100.10:50000', 'Inbound')).toBe(
      'Deny securityRules/R200',
    );
  });

  test('"the destination port and address range are for the destination computer, not the load balancer"', () => {
    expect(ask(loaded, `tcp 10.0.1.5:80 ${client}:50000`, 'Inbound')).toBe(
      'Deny securityRules/R200',
    );
    expect(ask(loaded, `tcp 10.0.1.4:8080 ${client}:50000`, 'Inbound')).toBe(
      'Deny securityRules/R200',
    );
  });
});

test('"Azure service instances": "if you deny ports required by the service, the service doesn\'t function"', () => {
  // There is no exception for anybody: what a rule denies is denied, whichever service it is for.
  const gateway = machine([rule(100, { direction: 'Inbound', port: '65200-65535' })]);
  expect(ask(gateway, 'tcp 10.0.1.4:65200 20.44.10.123:443', 'Inbound')).toBe(
    'Deny securityRules/R100',
  );
});

describe('"Sending outbound email"', () => {
  const mail = 'tcp 10.0.1.4:5000 203.0.113.25:25';
  const relay = 'tcp 10.0.1.4:5000 203.0.113.25:587';

  test.each([
    ['Enterprise Agreement', 'EnterpriseAgreement', true],
    ['Enterprise Dev/Test', 'EnterpriseDevTest', false],
    ['Pay-as-you-go', 'PayAsYouGo', false],
    ['MSDN', 'MSDN', false],
    ['Azure Pass', 'AzurePass', false],
    ['Azure in Open', 'AzureInOpen', false],
    ['Education', 'Education', false],
    ['BizSpark', 'BizSpark', false],
    ['Free trial', 'FreeTrial', false],
    ['Cloud service provider', 'CSP', false],
  ] as const)('"outbound port 25 communication" of %s', (_, type, isAllowed) => {
    expect(SMTP_ALLOWED[type]).toBe(isAllowed);
    const loaded = machine([], { subscription: { type } });
    expect(ask(loaded, mail)).toBe(
      isAllowed
        ? 'Allow defaultSecurityRules/AllowInternetOutBound'
        : 'Deny platformRules/DenySmtpOutBound',
    );
    // "SMTP relay services ... in no way restricted, regardless of your subscription type".
    expect(ask(loaded, relay)).toBe('Allow defaultSecurityRules/AllowInternetOutBound');
    // Mail inside the network is no mail to the Internet.
    expect(ask(loaded, 'tcp 10.0.1.4:5000 10.0.1.5:25')).toBe(
      'Allow defaultSecurityRules/AllowVnetOutBound',
    );
  });

  test('every type of subscription that there is has a row above', () => {
    expect(Object.keys(SMTP_ALLOWED)).toHaveLength(10);
  });

  test('"created prior to November 15, 2017", or unblocked: no type, no block', () => {
    expect(ask(machine([]), mail)).toBe('Allow defaultSecurityRules/AllowInternetOutBound');
  });

  test("a block is the platform's, and no rule lifts it", () => {
    const allowing = machine([rule(100, { access: 'Allow', port: '25' })], {
      subscription: { type: 'FreeTrial' },
    });
    expect(ask(allowing, mail)).toBe('Deny platformRules/DenySmtpOutBound');
  });
});
