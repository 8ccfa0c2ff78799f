/**
 * Every witness that a finding names, asked about as `nsgd verify` would, shows what the finding says.
 */
import { describe, expect, test } from 'vitest';
import { answerVerify } from '../../daemon/verify-request.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import type { LoadedConfiguration } from '../../src/policy/load.ts';
import type { Problem } from '../../src/policy/problem.ts';
import { rule as ruleText, type RuleText } from '../helpers/four-vms.ts';
import { loadGood } from '../helpers/load-text.ts';
import { Random } from '../helpers/random.ts';

type Rule = Readonly<Record<string, unknown>>;
type Access = RuleText['access'];

const rule = (name: string, priority: number, access: Access, over: Rule = {}): Rule => ({
  ...ruleText({ name, priority, access, direction: 'Inbound', protocol: 'Tcp' }),
  ...over,
});

/** vm1 has both groups, vm2 the subnet's, vm3 that of its own. */
function policyOf(subnetRules: readonly Rule[], nicRules: readonly Rule[]): string {
  return JSON.stringify({
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16', 'fd00:db8::/48'],
      subnets: [
        {
          name: 's1',
          addressPrefixes: ['10.0.1.0/24', 'fd00:db8:0:1::/64'],
          networkSecurityGroup: 'nsg1',
        },
        { name: 's2', addressPrefix: '10.0.2.0/24' },
      ],
    },
    networkSecurityGroups: [
      { name: 'nsg1', securityRules: subnetRules },
      { name: 'nsg2', securityRules: nicRules },
    ],
    networkInterfaces: [
      {
        name: 'vm1',
        subnet: 's1',
        addresses: ['10.0.1.4', 'fd00:db8:0:1::4'],
        networkSecurityGroup: 'nsg2',
      },
      { name: 'vm2', subnet: 's1', addresses: ['10.0.1.5'] },
      { name: 'vm3', subnet: 's2', addresses: ['10.0.2.4'], networkSecurityGroup: 'nsg2' },
    ],
  });
}

/** Findings as `code name`, after the witness of each was confirmed. */
function confirmed(loaded: LoadedConfiguration): string[] {
  return lintPolicy(loaded).map((problem) => {
    const name = /^"([^"]+)"/.exec(problem.message)?.[1] ?? '';
    if (problem.witness !== undefined) confirm(loaded, problem, name);
    return `${problem.code} ${name}`;
  });
}

/** Asks about a witness. Throws when the answer is not what the finding says. */
function confirm(loaded: LoadedConfiguration, problem: Problem, name: string): void {
  const { witness, code, message } = problem;
  if (witness === undefined) throw new Error('a witness, please');
  const { answer } = answerVerify(loaded, witness);
  if (answer.kind !== 'packet') throw new Error('a witness is one packet');
  const group = loaded.configuration.networkSecurityGroups.find(({ rules }) =>
    rules.some((candidate) => candidate.name === name),
  );
  const step = answer.steps.find(
    ({ networkSecurityGroup }) => networkSecurityGroup === group?.name,
  );
  const own = `securityRules/${name}`;
  const isReached = step?.access === 'NotReached' || step?.ruleName === own;
  const isNonePrivate = !/^\[?(?:10|192|172|127|fd|fe)/.test(witness.remote);
  const meanings: Partial<Record<string, boolean>> = {
    RuleShadowed: step?.ruleName !== own,
    RuleRedundant: message.includes('never reached') ? step?.ruleName !== own : isReached,
    RuleDeniedByOtherGroup:
      answer.access === 'Deny' && message.includes(`(${String(answer.ruleName)} of `) && isReached,
    ManagementPortOpenToInternet:
      answer.access === 'Allow' && step?.ruleName === own && isNonePrivate,
  };
  if (meanings[code] !== true || !answer.isLocalAddress) {
    throw new Error(`${code} ${message}: ${JSON.stringify(answer)}`);
  }
}

const names = (prefix: string, ports: readonly string[], access: Access, from = 100): Rule[] =>
  ports.map((port, index) =>
    rule(`${prefix}${index}`, from + index, access, { destinationPortRange: port }),
  );

describe('findings and their witnesses', () => {
  test.each<[string, Rule[], Rule[], string[]]>([
    [
      'several rules together hide one',
      [
        ...names('part', ['0-1023', '1024-40000', '40001-65535'], 'Deny'),
        rule('all', 200, 'Allow', {
          destinationPortRange: '80-50000',
          sourceAddressPrefix: 'Internet',
        }),
      ],
      [],
      ['RuleShadowed all'],
    ],
    [
      'families are hidden one by one',
      [
        rule('four', 100, 'Allow', {
          sourceAddressPrefix: '0.0.0.0/0',
          destinationPortRange: '80',
        }),
        rule('six', 110, 'Allow', { sourceAddressPrefix: '::/0', destinationPortRange: '80' }),
        rule('both', 120, 'Allow', { destinationPortRange: '80' }),
      ],
      [rule('web', 100, 'Allow', { destinationPortRange: '80' })],
      // Hidden by the other two together.
      ['RuleRedundant both'],
    ],
    [
      'the other group denies what a rule is for',
      [],
      [rule('web', 100, 'Allow', { destinationPortRange: '80' })],
      [],
    ],
    [
      'the subnet lets SSH in and the interface does not',
      [
        rule('web', 100, 'Allow', {
          destinationPortRange: '80',
          destinationAddressPrefix: '10.0.1.4',
        }),
      ],
      [
        rule('other', 100, 'Allow', {
          destinationPortRange: '8080',
          destinationAddressPrefix: '10.0.1.4',
        }),
      ],
      ['RuleDeniedByOtherGroup web', 'RuleDeniedByOtherGroup other'],
    ],
    [
      'SSH from anywhere, and from one network',
      [
        rule('office', 100, 'Allow', {
          destinationPortRange: '22',
          sourceAddressPrefix: '203.0.113.0/24',
        }),
        rule('any', 110, 'Allow', {
          destinationPortRange: '20-25',
          sourceAddressPrefix: 'Internet',
        }),
        rule('rdp', 120, 'Allow', {
          destinationPortRange: '3389',
          sourceAddressPrefix: '2000::/3',
          destinationAddressPrefix: 'fd00:db8:0:1::4',
        }),
      ],
      [rule('all', 100, 'Allow', { sourceAddressPrefix: '2000::/3' })],
      [
        'RuleRedundant office',
        'ManagementPortOpenToInternet any',
        'ManagementPortOpenToInternet rdp',
        'ManagementPortOpenToInternet all',
      ],
    ],
    [
      'an address of nobody',
      [rule('nobody', 100, 'Allow', { destinationAddressPrefix: '10.0.1.99' })],
      [
        rule('vm1only', 100, 'Allow', {
          destinationAddressPrefix: '10.0.2.4',
          destinationPortRange: '80',
        }),
      ],
      ['RuleMatchesNoInterface nobody'],
    ],
  ])('%s', (_, subnetRules, nicRules, expected) => {
    expect(confirmed(loadGood(policyOf(subnetRules, nicRules)))).toEqual(expected);
  });

  test('on random policies every witness is confirmed', () => {
    const random = new Random();
    const counts = new Map<string, number>();
    const rules = (): Rule[] =>
      Array.from({ length: random.below(6) }, (_, index) => {
        const isOut = random.below(4) === 0;
        const ends = [
          random.pick(['*', 'Internet', 'VirtualNetwork', '203.0.113.0/24', '10.0.0.0/16']),
          random.pick(['*', '*', '10.0.1.4', '10.0.1.0/24', '10.0.2.4', '10.0.9.9']),
        ] as const;
        return rule(`r${index}`, 100 + index, random.pick(['Allow', 'Deny']), {
          direction: isOut ? 'Outbound' : 'Inbound',
          protocol: random.pick(['*', 'Tcp', 'Udp']),
          sourceAddressPrefix: ends[isOut ? 1 : 0],
          destinationAddressPrefix: ends[isOut ? 0 : 1],
          destinationPortRange: random.pick(['*', '22', '80', '20-80', '3389']),
        });
      });
    for (let round = 0; round < 40; round++) {
      const text = policyOf(
        rules(),
        rules().map((one) => ({ ...one, name: `n${String(one['name'])}` })),
      );
      try {
        for (const line of confirmed(loadGood(text))) {
          const [code = ''] = line.split(' ');
          counts.set(code, (counts.get(code) ?? 0) + 1);
        }
      } catch (error) {
        throw new Error(`seed ${random.seed}, round ${round}: ${text}`, { cause: error });
      }
    }
    expect([...counts.keys()], `seed ${random.seed}`).toEqual(
      expect.arrayContaining([
        'RuleRedundant',
        'RuleShadowed',
        'RuleDeniedByOtherGroup',
        'ManagementPortOpenToInternet',
      ]),
    );
  });
});
