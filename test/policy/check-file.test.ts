/**
 * checkFile: it finds out by itself what a file is.
 */
import { expect, test } from 'vitest';
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
