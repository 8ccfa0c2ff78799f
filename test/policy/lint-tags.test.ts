/**
 * Lint of service tags: what is said of tags that changed, and on random policies that it is true and complete.
 */
import { describe, expect, test } from 'vitest';
import { answerVerify } from '../../daemon/verify-request.ts';
import { checkFile } from '../../src/policy/check-file.ts';
import { DEFAULT_LINT } from '../../src/policy/lint.ts';
import { lintTags } from '../../src/policy/lint-tags.ts';
import { diffPolicies } from '../../src/policy/policy-diff.ts';
import { formatProblem, type Problem } from '../../src/policy/problem.ts';
import { rule as ruleText } from '../helpers/four-vms.ts';
import { loadGood, memoryFiles } from '../helpers/load-text.ts';
import { Random } from '../helpers/random.ts';
import { goodTags, tagFile } from '../helpers/service-tag-text.ts';

type Tags = Readonly<Record<string, readonly string[]>>;
type Rule = Readonly<Record<string, string | number>>;

const rule = (name: string, priority: number, over: Rule = {}): Rule => ({
  ...ruleText({ name, priority, access: 'Allow', direction: 'Inbound', protocol: 'Tcp' }),
  ...over,
});

/** vm1 has both groups, vm2 the subnet's. */
function policyOf(subnetRules: readonly Rule[], nicRules: readonly Rule[]): string {
  return JSON.stringify({
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16'],
      subnets: [{ name: 's1', addressPrefix: '10.0.1.0/24', networkSecurityGroup: 'nsg1' }],
    },
    serviceTags: { file: 'tags.json' },
    networkSecurityGroups: [
      { name: 'nsg1', securityRules: subnetRules },
      { name: 'nsg2', securityRules: nicRules },
    ],
    networkInterfaces: [
      { name: 'vm1', subnet: 's1', addresses: ['10.0.1.4'], networkSecurityGroup: 'nsg2' },
      { name: 'vm2', subnet: 's1', addresses: ['10.0.1.5'] },
    ],
  });
}

function lint(text: string, old: Tags, current: Tags): Problem[] {
  const loaded = loadGood(text, { 'tags.json': tagFile(current) });
  return lintTags(loaded, goodTags(tagFile(old)));
}

const messagesOf = (problems: readonly Problem[]): string[] =>
  problems.map(({ code, message }) => `${code}: ${message}`);

const A = '192.0.2.0/24';
const B = '198.51.100.0/24';
const SQL = [rule('db', 100, { sourceAddressPrefix: 'Sql', destinationPortRange: 1433 })];
const PASS = [rule('any', 100, { protocol: '*' })];

describe('what is said', () => {
  test('nothing of a tag that is the same, written otherwise, or not used', () => {
    const old = { Sql: [A, '192.0.2.0/25'], Other: [A] };
    expect(lint(policyOf(SQL, PASS), old, { Sql: ['192.0.2.0/25', '192.0.2.128/25'] })).toEqual([]);
  });

  test('a tag that gained and lost, once however many rules name it', () => {
    const rules = [...SQL, rule('web', 110, { sourceAddressPrefix: 'sql' })];
    expect(messagesOf(lint(policyOf(rules, PASS), { SQL: [A] }, { Sql: [B, '0::/3'] }))).toEqual([
      'ServiceTagChanged: service tag "Sql" gained 2 prefixes and lost 1 prefix since "earlier.json"; ' +
        'used by "nsg1/db", "nsg1/web"; ' +
        'some traffic that was denied is allowed, some traffic that was allowed is denied ' +
        '(for example Inbound Tcp, local 10.0.1.4:1433, remote 198.51.100.0:50000)',
    ]);
  });

  test('what was allowed is denied, by the group of the network interface', () => {
    const deny = [rule('no', 100, { access: 'Deny', sourceAddressPrefix: 'Sql' }), ...PASS].map(
      (one, index) => ({ ...one, priority: 100 + index }),
    );
    expect(messagesOf(lint(policyOf(PASS, deny), { Sql: [A] }, { Sql: [A, B] }))).toEqual([
      'ServiceTagChanged: service tag "Sql" gained 1 prefix since "earlier.json"; used by "nsg2/no"; ' +
        'some traffic that was allowed is denied ' +
        '(for example Inbound Tcp, local 10.0.1.4:443, remote 198.51.100.0:50000)',
    ]);
  });

  test('no verdict changes where the other group denies, or an earlier rule decides', () => {
    const behind = [...PASS, ...SQL.map((one) => ({ ...one, priority: 110 }))];
    const changed =
      'ServiceTagChanged: service tag "Sql" lost 1 prefix since "earlier.json"; used by "nsg2/db"; no verdict changes';
    for (const [ofSubnet, ofNic] of [
      [[], SQL],
      [PASS, behind],
    ] as const) {
      const problems = lint(policyOf(ofSubnet, ofNic), { Sql: [A, B] }, { Sql: [A] });
      expect(messagesOf(problems)).toEqual([changed]);
    }
  });

  test('a tag that is new', () => {
    expect(messagesOf(lint(policyOf(SQL, PASS), {}, { Sql: [A] }))).toEqual([
      'ServiceTagAdded: service tag "Sql" is not in "earlier.json" and has 1 prefix now; used by "nsg1/db"; ' +
        'some traffic that was denied is allowed ' +
        '(for example Inbound Tcp, local 10.0.1.4:1433, remote 192.0.2.0:50000)',
    ]);
  });

  test('not of a custom tag in place of a published one', () => {
    const text = JSON.stringify({
      ...(JSON.parse(policyOf(SQL, PASS)) as object),
      serviceTags: { file: 'tags.json', custom: { Sql: [A] } },
    });
    expect(lint(text, { Sql: [B] }, { Sql: [A, B] })).toEqual([]);
  });

  test('an earlier file that is wrong there', () => {
    expect(messagesOf(lint(policyOf(SQL, PASS), { Sql: ['192.0.2.1/24'] }, { Sql: [A] }))).toEqual([
      'InvalidServiceTagFile: "192.0.2.1/24" in service tag Sql is no address prefix (host bits)',
    ]);
  });

  test('a tag that is gone is unknown, and it is said that it was there', () => {
    const files = memoryFiles({
      'a.json': policyOf(SQL, PASS),
      'tags.json': tagFile({ Web: [A] }),
    });
    const earlierTags = goodTags(tagFile({ Sql: [A] }));
    const problems = checkFile('a.json', files, { ...DEFAULT_LINT, earlierTags });
    expect(problems.map(formatProblem)).toEqual([
      expect.stringMatching(
        /: SecurityRuleInvalidAddressPrefix: .* tags\.json has no such service tag; earlier\.json had it/,
      ),
    ]);
  });
});

const PREFIXES = [A, B, '198.51.100.0/25', '203.0.113.0/24', '203.0.113.128/25', '10.0.1.0/30'];
const TAGS = ['Sql', 'Storage', 'Web'];

function randomTags(random: Random): Tags {
  return Object.fromEntries(
    TAGS.map((name) => [name, PREFIXES.filter(() => random.below(3) === 0)]),
  );
}

function randomRules(random: Random, count: number): Rule[] {
  return Array.from({ length: count }, (_, index) => {
    const isOut = random.below(4) === 0;
    const [far, near] = [
      random.pick([...TAGS, '*', A]),
      random.pick(['*', '*', '10.0.1.4', 'Web']),
    ];
    return rule(`r${index}`, 100 + index, {
      access: random.pick(['Allow', 'Deny']),
      direction: isOut ? 'Outbound' : 'Inbound',
      sourceAddressPrefix: isOut ? near : far,
      destinationAddressPrefix: isOut ? far : near,
      protocol: random.pick(['*', 'Tcp', 'Icmp']),
    });
  });
}

test('on random policies each witness is confirmed, and none is missing', () => {
  const random = new Random();
  const seen = { allowed: 0, denied: 0, nothing: 0 };
  for (let round = 0; round < 30; round++) {
    const text = policyOf(randomRules(random, 4), randomRules(random, 4));
    const [old, current] = [randomTags(random), randomTags(random)];
    const at = `seed ${random.seed}, round ${round}`;
    const before = loadGood(text, { 'tags.json': tagFile(old) });
    const after = loadGood(text, { 'tags.json': tagFile(current) });
    const problems = lintTags(after, goodTags(tagFile(old)));
    for (const { witness, message } of problems) {
      if (witness === undefined) {
        seen.nothing++;
        expect(message, at).toContain('no verdict changes');
        continue;
      }
      const [was, is] = [before, after].map((loaded) => {
        const { answer } = answerVerify(loaded, witness);
        return answer.kind === 'packet' && answer.isLocalAddress ? answer.access : undefined;
      });
      const isWider = message.includes('denied is allowed');
      expect([was, is], `${at}: ${message}`).toEqual(
        isWider ? ['Deny', 'Allow'] : ['Allow', 'Deny'],
      );
      seen[isWider ? 'allowed' : 'denied']++;
    }
    const changes = diffPolicies(before.policy, after.policy).nics.flatMap((nic) => nic.changes);
    const said = (part: string): boolean => problems.some(({ message }) => message.includes(part));
    const has = (access: string): boolean =>
      changes.some((change) => change.after.access === access);
    expect(said('denied is allowed'), at).toBe(has('Allow'));
    expect(said('allowed is denied'), at).toBe(has('Deny'));
  }
  for (const count of Object.values(seen)) expect(count, `seed ${random.seed}`).toBeGreaterThan(5);
});
