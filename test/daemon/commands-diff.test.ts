/**
 * `nsgd diff` as a process: what it prints, its JSON, and its exit codes.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nsgd } from '../helpers/nsgd.ts';
import { projectRoot } from '../helpers/project-root.ts';

const FOUR = 'config/examples/four-vms.yaml';
const folder = mkdtempSync(join(tmpdir(), 'nsgd-diff-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const four = readFileSync(join(projectRoot, FOUR), 'utf8');
/** NSG2 alone: vm1 needs both groups, vm3 only this one. */
const [beforeNsg2 = '', nsg2 = ''] = four.split(/(?=  - name: NSG2)/);
const wider = file('wider.yaml', beforeNsg2 + nsg2.replace('"80"', '"80-81"'));
const narrower = file('narrower.yaml', beforeNsg2 + nsg2.replace('"80"', '"79"'));
const renamed = file('renamed.yaml', four.replaceAll('AllowHttpFromInternet', 'AllowWeb'));

function tags(name: string, prefixes: Readonly<Record<string, readonly string[]>>): string {
  const values = Object.entries(prefixes).map(([tag, addressPrefixes]) => ({
    name: tag,
    id: tag,
    properties: { addressPrefixes },
  }));
  return file(name, JSON.stringify({ changeNumber: 1, cloud: 'Public', values }));
}

const oldTags = tags('old.json', {
  Sql: ['192.0.2.0/25', '192.0.2.128/25'],
  Storage: ['198.51.100.0/24'],
});
const newTags = tags('new.json', {
  sql: ['192.0.2.0/24', '203.0.113.7'],
  Batch: ['2001:db8::/32'],
});
const tagged = file(
  'tagged.yaml',
  four
    .replace('sourceAddressPrefix: Internet', 'sourceAddressPrefix: Sql')
    .concat(`serviceTags: { file: ${oldTags} }\n`),
);

describe('nsgd diff', () => {
  test('a table of what changes', () => {
    expect(nsgd(['diff', FOUR, wider])).toEqual({
      status: 0,
      stderr: '',
      stdout: [
        'NIC  DIRECTION  PROTOCOL  LOCAL  LOCAL PORTS  REMOTE    REMOTE PORTS  BEFORE                                           AFTER',
        'vm3  Inbound    Tcp       *      81           Internet  *             Deny defaultSecurityRules/DenyAllInBound (NSG2)  Allow securityRules/AllowHttpFromInternet (NSG2)',
        '',
      ].join('\n'),
    });
  });

  test('JSON has every prefix', () => {
    const { status, stdout, stderr } = nsgd(['diff', FOUR, wider, '--nic', 'VM3', '-o', 'json']);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      added: [],
      removed: [],
      networkInterfaces: [
        {
          name: 'vm3',
          changes: [
            {
              direction: 'Inbound',
              protocols: ['Tcp'],
              localAddressPrefixes: ['10.0.2.4/32'],
              localPortRanges: ['81'],
              remotePortRanges: ['*'],
              before: {
                access: 'Deny',
                ruleName: 'defaultSecurityRules/DenyAllInBound',
                priority: 65500,
              },
              after: {
                access: 'Allow',
                ruleName: 'securityRules/AllowHttpFromInternet',
                networkSecurityGroup: 'NSG2',
                priority: 100,
              },
            },
          ],
        },
      ],
    });
    const remote = (
      JSON.parse(stdout) as {
        networkInterfaces: { changes: { remoteAddressPrefixes: string[] }[] }[];
      }
    ).networkInterfaces[0]?.changes[0]?.remoteAddressPrefixes;
    expect(remote).toContain('11.0.0.0/8');
    expect(remote).not.toContain('10.0.0.0/8');
  });

  test.each([
    ['the same traffic under another name', renamed, [], 0],
    ['wider', wider, ['--fail-on', 'widen'], 1],
    [
      'wider for an interface that was not asked about',
      wider,
      ['--fail-on', 'any', '--nic', 'vm1'],
      0,
    ],
    [
      'not wider on the interface that needs both groups',
      narrower,
      ['--fail-on', 'widen', '--nic', 'vm1'],
      0,
    ],
    ['but anything', narrower, ['--fail-on', 'any', '--nic', 'vm1'], 1],
    ['the same', FOUR, ['--fail-on', 'any'], 0],
  ])('exit code: %s', (_, current, options, status) => {
    const result = nsgd(['diff', FOUR, current, ...options]);
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status, stderr: '' });
    expect(result.stdout === '').toBe(
      current === renamed || current === FOUR || (options.includes('any') && status === 0),
    );
  });

  test('from standard input', () => {
    const { status, stdout } = nsgd(['diff', '-', wider], four);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^vm3 /m);
  });

  test.each([
    ['no such interface', [FOUR, wider, '--nic', 'vm33'], 'did you mean vm3?'],
    ['no such file', [FOUR, 'nowhere.yaml'], 'there is no such file'],
    [
      'a tag file and a configuration',
      [oldTags, FOUR],
      'old.json" is a service tag file and the other is none',
    ],
    [
      '--config for configurations',
      [FOUR, wider, '--config', FOUR],
      '--config is for two service tag files',
    ],
    [
      '--tags-old for tag files',
      [oldTags, newTags, '--tags-old', oldTags],
      'are for two configurations',
    ],
  ])('a mistake: %s', (_, args, message) => {
    const { status, stdout, stderr } = nsgd(['diff', ...args]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('nsgd diff of service tags', () => {
  test('what each tag gained and lost', () => {
    expect(nsgd(['diff', oldTags, newTags])).toEqual({
      status: 0,
      stderr: '',
      stdout: [
        'SERVICE TAG  CHANGE   GAINED          LOST',
        'Batch        added    2001:db8::/32   -',
        'sql          changed  203.0.113.7/32  -',
        'Storage      removed  -               198.51.100.0/24',
        '',
      ].join('\n'),
    });
    expect(nsgd(['diff', oldTags, oldTags, '--fail-on', 'any'])).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('with --config also the traffic', () => {
    const { status, stdout } = nsgd([
      'diff',
      oldTags,
      newTags,
      '--config',
      tagged,
      '--fail-on',
      'widen',
    ]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^vm2 +Inbound +Tcp +\* +80 +203\.0\.113\.7 /m);
  });

  test('two configurations, each with tags of its own', () => {
    const result = nsgd([
      'diff',
      tagged,
      tagged,
      '--tags-old',
      oldTags,
      '--tags-new',
      newTags,
      '-o',
      'json',
    ]);
    expect(result.status).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({
      networkInterfaces: [
        { name: 'vm1', changes: [{ remoteAddressPrefixes: ['203.0.113.7/32'] }] },
        { name: 'vm2', changes: [{ remoteAddressPrefixes: ['203.0.113.7/32'] }] },
      ],
    });
  });
});
