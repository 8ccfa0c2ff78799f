/**
 * Lint: what is said of rules that do nothing, and on random rules that it is true.
 */
import { describe, expect, test } from 'vitest';
import type { PolicyRule } from '../../src/engine/policy.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { matches } from '../helpers/linear-verdict.ts';
import { loadGood } from '../helpers/load-text.ts';
import { Random } from '../helpers/random.ts';

interface Row {
  readonly access?: 'Allow' | 'Deny';
  readonly protocol?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly ports?: string;
}

/** Inbound rules r0, r1, ... with priorities 100, 101, ... */
function configuration(rows: readonly Row[]): string {
  const rules = rows.map(
    (
      { access = 'Allow', protocol = 'Tcp', source = '"*"', destination = '"*"', ports = '*' },
      index,
    ) =>
      `      - { name: r${index}, priority: ${100 + index}, direction: Inbound, access: ${access}, protocol: "${protocol}",
          sourceAddressPrefix: ${source}, sourcePortRange: "*", destinationAddressPrefix: ${destination}, destinationPortRange: "${ports}" }`,
  );
  return `virtualNetwork: { addressSpace: [10.0.0.0/16] }
serviceTags: { custom: { Nowhere: [] } }
networkSecurityGroups:
  - name: NSG1
    securityRules:
${rules.join('\n')}
`;
}

/** Code and message of each warning. */
function lint(rows: readonly Row[]): string[] {
  return lintPolicy(loadGood(configuration(rows))).map((problem) =>
    formatProblem(problem)
      .replace(/^[^ ]+ /, '')
      .replace('warning: ', ''),
  );
}

describe('lintPolicy', () => {
  test.each<[string, Row[], string[]]>([
    ['one rule that does something', [{}], []],
    [
      'a rule behind its opposite',
      [{ access: 'Deny', protocol: '*' }, { ports: '80' }],
      ['RuleShadowed: "r1" is never reached: securityRules/r0 (100) denies everything it matches'],
    ],
    [
      'a rule behind a wider one that does the same',
      [{ ports: '1-100' }, { ports: '80', source: '192.0.2.0/24' }],
      ['RuleRedundant: "r1" is never reached: securityRules/r0 (100) allows everything it matches'],
    ],
    [
      'a rule before a wider one that does the same',
      [{ ports: '80' }, { ports: '1-100' }],
      ['RuleRedundant: "r0" changes nothing: without it, securityRules/r1 (101) does the same'],
    ],
    [
      'not when another rule between them does otherwise',
      [{ ports: '80' }, { access: 'Deny', source: '192.0.2.0/24' }, { ports: '1-100' }],
      [],
    ],
    [
      'but when that one is about something else',
      [{ ports: '80' }, { access: 'Deny', ports: '81' }, { ports: '1-100' }],
      ['RuleRedundant: "r0" changes nothing: without it, securityRules/r2 (102) does the same'],
    ],
    [
      'a deny that DenyAllInBound repeats',
      [{ access: 'Deny', source: 'Internet', protocol: '*' }],
      [
        'RuleRedundant: "r0" changes nothing: without it, defaultSecurityRules/DenyAllInBound (65500) does the same',
      ],
    ],
    [
      'a deny that AllowVnetInBound would undo',
      [{ access: 'Deny', source: 'VirtualNetwork', protocol: '*' }],
      [],
    ],
    [
      'an empty tag',
      [{ source: 'Nowhere' }],
      ['RuleNeverMatches: "r0" matches nothing: its source is no address'],
    ],
    ['another protocol is not covered', [{ protocol: 'Udp' }, { protocol: 'Tcp' }], []],
    [
      'a packet without ports is not covered',
      [{ protocol: '*', ports: '1-65535' }, { protocol: '*' }],
      ['RuleRedundant: "r0" changes nothing: without it, securityRules/r1 (101) does the same'],
    ],
    [
      'the other family is not covered',
      [{ source: '0.0.0.0/0' }, { source: '"*"' }],
      ['RuleRedundant: "r0" changes nothing: without it, securityRules/r1 (101) does the same'],
    ],
  ])('%s', (_, rows, warnings) => {
    expect(lint(rows)).toEqual(warnings);
  });

  test('stands at the name of the rule', () => {
    const loaded = loadGood(configuration([{}, { ports: '80' }]));
    expect(lintPolicy(loaded).map(({ line, column }) => [line, column])).toEqual([[8, 17]]);
  });
});

const PROTOCOLS = ['tcp', 'udp', 'icmp'];
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '192.0.2.1', '203.0.113.1', '168.63.129.16'];
const PORTS = [79, 80, 81, 443];

test('property: a rule that is called without effect has none', () => {
  const random = new Random();
  let warned = 0;
  for (let round = 0; round < 300; round++) {
    const rows = Array.from({ length: 2 + random.below(5) }, (): Row => {
      return {
        access: random.pick(['Allow', 'Deny']),
        protocol: random.pick(['*', 'Tcp', 'Udp']),
        source: random.pick([
          '"*"',
          '10.0.0.0/24',
          '10.0.0.0/31',
          'VirtualNetwork',
          'Internet',
          '"::/0"',
        ]),
        destination: random.pick(['"*"', '10.0.0.1', '10.0.0.0/23', '192.0.2.0/24']),
        ports: random.pick(['*', '80', '80-81', '0-443']),
      };
    });
    // Both families in one rule is an error of its own.
    if (rows.some((row) => row.source === '"::/0"' && row.destination !== '"*"')) continue;
    const loaded = loadGood(configuration(rows));
    const rules = loaded.policy.ruleLists[0]?.rules ?? [];
    const redundant = new Set<string>();
    const compare = (others: readonly PolicyRule[], what: string): void => {
      const hint = `seed ${random.seed}, round ${round}: ${what}\n${configuration(rows)}`;
      for (const packet of packets()) {
        const [found, expected] = [firstAccess(others, packet), firstAccess(rules, packet)];
        if (found !== expected) expect(found, hint).toBe(expected);
      }
    };
    for (const { code, message } of lintPolicy(loaded)) {
      warned++;
      const name = /^"(r\d+)"/.exec(message)?.[1] ?? '';
      if (code !== 'RuleShadowed') redundant.add(name);
      compare(
        rules.filter((rule) => rule.name !== name),
        message,
      );
    }
    compare(
      rules.filter((rule) => !redundant.has(rule.name)),
      'without all of them',
    );
  }
  expect(warned, `seed ${random.seed}`).toBeGreaterThan(50);
});

type Packet = readonly [protocol: string, source: string, destination: string, port: number];

function packets(): Packet[] {
  return PROTOCOLS.flatMap((protocol) =>
    ADDRESSES.flatMap((source) =>
      ADDRESSES.flatMap((destination) =>
        PORTS.map((port): Packet => [protocol, source, destination, port]),
      ),
    ),
  );
}

/** Access of the first rule that matches. */
function firstAccess(
  rules: readonly PolicyRule[],
  [protocol, source, destination, port]: Packet,
): number {
  const hasPorts = protocol !== 'icmp';
  const rule = rules.find((candidate) =>
    matches(
      candidate,
      protocol,
      { address: source, port: hasPorts ? 1 : undefined },
      { address: destination, port: hasPorts ? port : undefined },
    ),
  );
  return rule?.access ?? -1;
}
