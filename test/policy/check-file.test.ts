/**
 * checkFile: it finds out by itself what a file is.
 */
import { describe, expect, test } from 'vitest';
import { checkFile } from '../../src/policy/check-file.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { memoryFiles } from '../helpers/load-text.ts';

const RULE = {
  name: 'web',
  priority: 99,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: '*',
  sourcePortRange: '*',
  destinationAddressPrefix: '*',
  destinationPortRange: '80',
};
const GROUP = { name: 'nsg1', securityRules: [RULE] };
const TYPE = 'Microsoft.Network/networkSecurityGroups';

function codesOf(content: unknown): string[] {
  const files = memoryFiles({ 'a.json': JSON.stringify(content) });
  return checkFile('a.json', files).map(({ code }) => code);
}

const exportRows: readonly (readonly [string, unknown])[] = [
  ['a flat group', GROUP],
  [
    'az network nsg show, with keys that a configuration has too',
    { flowLogs: null, networkInterfaces: [{ id: '/x' }], ...GROUP },
  ],
  ['letter case', { NetworkInterfaces: null, Name: 'nsg1', SecurityRules: [RULE] }],
  ['az network nsg list', [GROUP]],
  ['REST answer', { name: 'nsg1', type: TYPE, properties: { securityRules: [RULE] } }],
  ['REST list', { value: [GROUP] }],
  ['template', { $schema: 'x', resources: [{ type: TYPE, ...GROUP }] }],
];

test.each(exportRows)('security groups: %s', (_, content) => {
  expect(codesOf(content)).toEqual(['SecurityRuleInvalidPriority']);
});

test('a configuration', () => {
  const virtualNetwork = { addressSpace: ['10.0.0.0/16'] };
  expect(codesOf({ virtualNetwork, networkSecurityGroups: [GROUP] })).toEqual([
    'SecurityRuleInvalidPriority',
  ]);
  expect(codesOf({ virtualNetwork, securityRules: [] })).toEqual(['UnknownProperty']);
});

test('service tags', () => {
  expect(codesOf({ changeNumber: 1, cloud: 'Public', values: [] })).toEqual([]);
});

test('a file that is not there', () => {
  expect(checkFile('b.json', memoryFiles({})).map(formatProblem)).toEqual([
    'b.json:1:1: FileNotReadable: cannot read the file: there is no such file',
  ]);
});

describe('the candidate of a configuration', () => {
  const main = 'virtualNetwork: { addressSpace: [10.0.0.0/16] }\ncandidate: next/next.yaml\n';
  const check = (files: Readonly<Record<string, string>>): string[] =>
    checkFile('a.yaml', memoryFiles({ 'a.yaml': main, ...files })).map(formatProblem);

  test('that is not there: where it is named', () => {
    expect(check({})).toEqual([
      'a.yaml:2:12: FileNotReadable: in the candidate: cannot read "next/next.yaml": there is no such file',
    ]);
  });

  test('errors, in its files', () => {
    const next = 'virtualNetwork: { addressSpace: [10.0.0.0/16] }\n';
    const groups = 'networkSecurityGroups: [{ file: nsg.json }]\ncolor: red\n';
    const found = check({
      'next/next.yaml': next + groups,
      'next/nsg.json': JSON.stringify(GROUP),
    });
    expect(found).toEqual([
      expect.stringMatching(/^next\/next\.yaml:3:1: UnknownProperty: in the candidate: /),
      expect.stringMatching(
        /^next\/nsg\.json:1:\d+: SecurityRuleInvalidPriority: in the candidate: /,
      ),
    ]);
  });

  test('warnings and findings are marked too, and its own candidate is not read', () => {
    const group = { name: 'nsg1', securityRules: [{ ...RULE, priority: 100 }] };
    const later = { ...RULE, name: 'later', priority: 101, access: 'Deny' };
    const next = JSON.stringify({
      candidate: 'nowhere.yaml',
      virtualNetwork: { addressSpace: ['10.0.0.0/16'] },
      metrics: { listen: '[::]:9469' },
      networkSecurityGroups: [{ ...group, securityRules: [...group.securityRules, later] }],
    });
    expect(check({ 'next/next.yaml': next })).toEqual([
      expect.stringMatching(/: MetricsExposed: warning: in the candidate: /),
      expect.stringMatching(/: RuleShadowed: warning: in the candidate: "later" is never reached/),
    ]);
  });
});
