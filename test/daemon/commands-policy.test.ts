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

describe('verify of more than one packet', () => {
  const ask = (...args: readonly string[]): NsgdResult =>
    nsgd(['verify', '-c', FOUR, '--nic', 'vm1', '--direction', 'Inbound', ...args]);

  test('allowed for some, denied for others: exit 1, a line for each part', () => {
    const result = ask(
      ...['--protocol', 'TCP', '--local', '10.0.1.4:80'],
      ...['--remote', '203.0.113.0/24,192.168.0.0/24:*'],
    );
    expect(result).toEqual({
      status: 1,
      stderr: '',
      stdout: [
        'Access: Mixed',
        '',
        'ACCESS  SECURITY GROUP  RULE                                 PROTOCOL  LOCAL     LOCAL PORT  REMOTE          REMOTE PORT',
        'Allow   NSG2            securityRules/AllowHttpFromInternet  Tcp       10.0.1.4  80          203.0.113.0/24  *',
        'Deny    NSG1            defaultSecurityRules/DenyAllInBound  Tcp       10.0.1.4  80          192.168.0.0/24  *',
        '',
      ].join('\n'),
    });
  });

  test('all allowed: exit 0', () => {
    const result = ask(
      ...['--protocol', 'TCP', '--local', '*:80', '--remote', '203.0.113.0/24:*', '-o', 'json'],
    );
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(json(result)).toMatchObject({ kind: 'parts', access: 'Allow', networkInterface: 'vm1' });
  });

  test('--detail: a table for each stage; as JSON the answer of NSG diagnostics and nothing else', () => {
    const question = ['--protocol', 'TCP', '--local', '10.0.1.4:22', '--remote', 'Internet:*'];
    const { status, stdout } = ask(...question, '--detail');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^NSG1 on Subnet1: DefaultRule_DenyAllInBound, Deny$/m);
    expect(stdout).toMatch(/^UserRule_AllowHttpFromInternet +yes +yes +yes +yes +no$/m);
    expect(Object.keys(json(ask(...question, '--detail', '-o', 'json')) as object)).toEqual([
      'results',
    ]);
  });
});

describe('tags', () => {
  const tagFile = (changeNumber: number, prefixes: readonly string[]): string =>
    file(
      `tags-${changeNumber}.json`,
      JSON.stringify({
        changeNumber,
        cloud: 'Public',
        values: [
          {
            name: 'Storage.WestEurope',
            properties: {
              changeNumber,
              region: 'westeurope',
              systemService: 'AzureStorage',
              addressPrefixes: prefixes,
            },
          },
        ],
      }),
    );
  const older = tagFile(1, ['192.0.2.0/25', '192.0.2.128/25']);
  const newer = tagFile(2, ['192.0.2.0/24', '2001:db8::/32']);

  test('list of a file; of a configuration also special and custom ones', () => {
    expect(nsgd(['tags', 'list', '--file', older])).toEqual({
      status: 0,
      stderr: '',
      stdout: [
        'TAG                 SOURCE  CHANGE  REGION      SERVICE       PREFIXES',
        'Storage.WestEurope  file    1       westeurope  AzureStorage  2',
        '',
      ].join('\n'),
    });
    const config = file(
      'tags.yaml',
      `virtualNetwork: { addressSpace: [10.0.0.0/16] }
serviceTags: { file: tags-1.json, custom: { Office: [198.51.100.0/24] } }
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4] }]
`,
    );
    const result = nsgd(['tags', 'list', '-c', config, '-o', 'json']);
    const { tags } = json(result) as { tags: { name: string; source: string }[] };
    expect(tags.map(({ name, source }) => `${source} ${name}`)).toEqual([
      'special VirtualNetwork',
      'special AzureLoadBalancer',
      'special Internet',
      'special AzurePlatformDNS',
      'special AzurePlatformIMDS',
      'special AzurePlatformLKM',
      'custom Office',
      'file Storage.WestEurope',
    ]);
    expect(
      json(nsgd(['tags', 'show', 'virtualnetwork', '-c', config, '-o', 'json'])),
    ).toMatchObject({
      name: 'VirtualNetwork',
      addressPrefixes: ['10.0.0.0/16', '168.63.129.16/32'],
    });
  });

  test('show, any letter case, prefixes that touch as one', () => {
    expect(nsgd(['tags', 'show', 'STORAGE.westeurope', '--file', older])).toEqual({
      status: 0,
      stderr: '',
      stdout: [
        'Tag:      Storage.WestEurope',
        'Source:   file, change 1',
        'Region:   westeurope',
        'Service:  AzureStorage',
        'Prefixes: 1 (published: 2)',
        '192.0.2.0/24',
        '',
      ].join('\n'),
    });
  });

  test('show of a tag that there is not: exit 1 and what was probably meant', () => {
    const { status, stdout, stderr } = nsgd(['tags', 'show', 'Storage.WestEurop', '--file', older]);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/did you mean Storage\.WestEurope\?/);
  });

  test('find: exit 0 with the tags, exit 1 without', () => {
    const result = nsgd(['tags', 'find', '2001:db8::5', '--file', newer, '-o', 'json']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(json(result)).toEqual({
      schema: 1,
      tags: [
        {
          name: 'Storage.WestEurope',
          source: 'file',
          changeNumber: 2,
          region: 'westeurope',
          systemService: 'AzureStorage',
          extent: 'all',
          addressPrefixes: ['2001:db8::/32'],
        },
      ],
    });
    expect(nsgd(['tags', 'find', '203.0.113.5', '--file', newer])).toEqual({
      status: 1,
      stdout: '',
      stderr: 'nsgd: no service tag has 203.0.113.5\n',
    });
  });

  test('diff of two files', () => {
    expect(nsgd(['tags', 'diff', older, newer])).toEqual({
      status: 1,
      stderr: '',
      stdout: [
        'SERVICE TAG         CHANGE   GAINED         LOST',
        'Storage.WestEurope  changed  2001:db8::/32  -',
        '',
      ].join('\n'),
    });
    expect(nsgd(['tags', 'diff', older, older])).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(json(nsgd(['tags', 'diff', older, newer, '-o', 'json']))).toEqual({
      schema: 1,
      changeNumber: { from: 1, to: 2 },
      serviceTags: [
        { name: 'Storage.WestEurope', change: 'changed', gained: ['2001:db8::/32'], lost: [] },
      ],
    });
  });

  test.each([
    ['no source', ['list'], /give --config FILE or --file FILE/],
    ['two sources', ['list', '--file', older, '-c', FOUR], /give --config FILE or --file FILE/],
    ['no name', ['show', '--file', older], /give tags list, tags show NAME/],
    ['a name too many', ['list', 'x', '--file', older], /give tags list, tags show NAME/],
    ['no address', ['find', '10.0.0.300', '--file', older], /"10\.0\.0\.300" is no IP address/],
    ['no file', ['diff', older, 'no-such'], /^nsgd: no-such: cannot read the file: there is no/],
    ['another file', ['list', '--file', FOUR], /four-vms\.yaml:.*InvalidServiceTagFile/],
  ])('%s: exit 2', (_, args, message) => {
    const { status, stdout, stderr } = nsgd(['tags', ...args]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
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
