/**
 * What the commands about policies print for programs: SARIF, CSV, and the JSON of Azure's answers.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nsgd, type NsgdResult } from '../helpers/nsgd.ts';

const FOUR = 'config/examples/four-vms.yaml';
const folder = mkdtempSync(join(tmpdir(), 'nsgd-policy-commands-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function json(result: NsgdResult): unknown {
  return JSON.parse(result.stdout) as unknown;
}

describe('check -o sarif', () => {
  test('exit 2 with errors; the file is named as a URI, since it is outside the current directory', () => {
    const path = file('bad.yaml', 'color: red\n');
    const result = nsgd(['check', path, '-o', 'sarif']);
    expect([result.status, result.stderr]).toEqual([2, '']);
    expect(json(result)).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 'nsgd' } },
          results: [
            {
              ruleId: 'UnknownProperty',
              level: 'error',
              locations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: `file://${path}` },
                    region: { startLine: 1, startColumn: 1 },
                  },
                },
              ],
            },
            { ruleId: 'MissingProperty' },
          ],
        },
      ],
    });
  });

  test('exit 0 without; relative paths stay', () => {
    const result = nsgd(['check', FOUR, '-o', 'sarif']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(json(result)).toMatchObject({ runs: [{ results: [] }] });
  });
});

describe('effective -o csv', () => {
  test('a header with the names of the JSON, a line for each rule, CRLF', () => {
    const { status, stdout, stderr } = nsgd(['effective', '-c', FOUR, '--nic', 'vm2', '-o', 'csv']);
    expect([status, stderr]).toEqual([0, '']);
    const lines = stdout.split('\r\n');
    expect(lines.pop()).toBe('');
    expect(lines).toHaveLength(1 + 7);
    expect(lines[0]).toMatch(
      /^association,networkSecurityGroup,direction,priority,name,access,protocol,sourceAddressPrefix,/,
    );
    expect(lines[1]).toMatch(
      /^subnet Subnet1,NSG1,Inbound,100,securityRules\/AllowHttpFromInternet,Allow,Tcp,Internet,0-65535,/,
    );
    const load = lines.find((line) => line.includes('AllowAzureLoadBalancerInBound'));
    expect(load).toMatch(/,168\.63\.129\.16\/32,$/);
  });

  test('cells with commas are in quotes', () => {
    const path = file(
      'commas.yaml',
      `virtualNetwork: { addressSpace: [10.0.0.0/16] }
networkSecurityGroups:
  - name: nsg1
    securityRules:
      - { name: Web, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRanges: [80, 443] }
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], networkSecurityGroup: nsg1 }]
`,
    );
    expect(nsgd(['effective', '-c', path, '-o', 'csv']).stdout.split('\r\n')[1]).toBe(
      'networkInterface vm1,nsg1,Inbound,100,securityRules/Web,Allow,Tcp,0.0.0.0/0,0-65535,0.0.0.0/0,"80-80,443-443",,',
    );
  });

  test('no group: the header alone, and a word on stderr', () => {
    const { stdout, stderr } = nsgd(['effective', '-c', FOUR, '--nic', 'vm4', '-o', 'csv']);
    expect(stdout.split('\r\n')).toHaveLength(2);
    expect(stderr).toContain('everything is allowed');
  });
});
