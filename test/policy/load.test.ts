/**
 * Loading: files that are named, missing, odd or broken; the examples of the project; the cache of service tags.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfiguration, type LoadedConfiguration } from '../../src/policy/load.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { linearVerdict } from '../helpers/linear-verdict.ts';
import { loadGood, problemsOf } from '../helpers/load-text.ts';
import { sharedData } from '../helpers/shared-data.ts';

const NETWORK = 'virtualNetwork: { addressSpace: [10.0.0.0/16] }\n';
const RULE = {
  name: 'AllowSsh',
  properties: {
    priority: 100,
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Tcp',
    sourceAddressPrefix: 'Office',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: '22',
  },
};
const GROUP = JSON.stringify({ name: 'NSG2', properties: { securityRules: [RULE] } });
const TAGS = '{"values":[{"name":"Office","properties":{"addressPrefixes":["198.51.100.0/24"]}}]}';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nsgd-load-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a file into the folder of the test and returns its path. */
function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function loadProblems(path: string): string[] {
  const result = loadConfiguration(path);
  return (result.ok ? result.warnings : result.problems).map(formatProblem);
}

function loadOk(path: string): LoadedConfiguration {
  const result = loadConfiguration(path);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result;
}

describe('named files', () => {
  test('are read relative to the folder of the configuration', () => {
    write('nsg2.json', GROUP);
    mkdirSync(join(folder, 'tags'), { recursive: true });
    write('tags/tags.json', TAGS);
    const path = write(
      'named.yaml',
      `${NETWORK}networkSecurityGroups: [{ file: nsg2.json }]
serviceTags: { file: tags/tags.json }
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], networkSecurityGroup: nsg2 }]
`,
    );
    const { policy } = loadOk(path);
    const verdict = (from: string): string =>
      linearVerdict(policy, 'vm1', 'Inbound', `tcp ${from}:1 10.0.0.4:22`);
    expect(verdict('198.51.100.1')).toBe('Allow securityRules/AllowSsh');
    expect(verdict('198.51.101.1')).toBe('Deny defaultSecurityRules/DenyAllInBound');
  });

  test('all problems of all files at once, each in its file', () => {
    const files = {
      'a.json': '{\n  "name": "A",\n  "securityRules": [{ "name": "r" }]\n}',
      'b.json': '{ "name": ',
      'tags.json': '[]',
    };
    const text = `${NETWORK}networkSecurityGroups:
  - file: a.json
  - file: b.json
  - file: c.json
serviceTags: { file: tags.json }
networkInterfaces: [{ name: vm1, networkSecurityGroup: Unknown, wire: w }]
`;
    const problems = problemsOf(text, files).map((problem) =>
      problem.split(': ').slice(0, 2).join(' '),
    );
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^a\.json:3:\d+ SecurityRuleParametersMissing$/),
        expect.stringMatching(/^b\.json:1:\d+ InvalidJson$/),
        'nsgd.yaml:5:11 FileNotReadable',
        // Group "Unknown" may be in one of the files, so it is not called unknown.
        'nsgd.yaml:7:71 InvalidResourceReference',
        'tags.json:1:1 InvalidServiceTagFile',
      ]),
    );
    expect(problems.filter((problem) => problem.endsWith('InvalidResourceReference'))).toHaveLength(
      1,
    );
  });

  test('an element with a file has nothing else', () => {
    const text = `${NETWORK}networkSecurityGroups: [{ file: a.json, name: A }, { file: [] }]\n`;
    expect(problemsOf(text, { 'a.json': GROUP.replace('"Office"', '"*"') })).toEqual([
      'nsgd.yaml:2:41: UnknownProperty: "name" cannot stand beside "file": the groups are as the file has them',
      'nsgd.yaml:2:60: InvalidValue: file must be the path of a file',
    ]);
  });

  test('two groups of one name, in two files', () => {
    const group = GROUP.replace('"Office"', '"*"');
    const text = `${NETWORK}networkSecurityGroups: [{ file: a.json }, { file: b.json }]\n`;
    const files = { 'a.json': group, 'b.json': group.replace('NSG2', 'nsg2') };
    expect(problemsOf(text, files)).toEqual([
      'b.json:1:9: DuplicateName: network security group "nsg2" exists already (a.json:1:9); names are compared without case',
    ]);
  });

  test('a custom tag that replaces a published one is warned of', () => {
    const text = `${NETWORK}serviceTags:\n  file: tags.json\n  custom: { office: [192.0.2.0/24] }\n`;
    expect(problemsOf(text, { 'tags.json': TAGS })).toEqual([
      'nsgd.yaml:4:13: ServiceTagReplaced: warning: "office" replaces the service tag of that name in "tags.json"',
    ]);
  });

  test('problems of a tag appear once, however many rules name it', () => {
    const rules = [100, 200].map((priority) => ({
      name: `r${priority}`,
      properties: { ...RULE.properties, priority },
    }));
    const files = {
      'nsg.json': JSON.stringify({ name: 'NSG', securityRules: rules }),
      'tags.json': TAGS.replace('198.51.100.0/24', '198.51.100.1/24'),
    };
    const text = `${NETWORK}networkSecurityGroups: [{ file: nsg.json }]\nserviceTags: { file: tags.json }\n`;
    expect(problemsOf(text, files)).toEqual([
      'tags.json:1:62: InvalidServiceTagFile: "198.51.100.1/24" in service tag Office is no address prefix (host bits)',
    ]);
  });
});

describe('the disk', () => {
  test('a file that does not exist', () => {
    const path = join(folder, 'absent.yaml');
    expect(loadProblems(path)).toEqual([
      `${path}:1:1: FileNotReadable: cannot read "${path}": there is no such file`,
    ]);
  });

  test('a folder', () => {
    expect(loadProblems(folder)).toEqual([
      `${folder}:1:1: FileNotReadable: cannot read "${folder}": it is a folder`,
    ]);
  });

  test('a pipe, which would block', () => {
    const path = join(folder, 'pipe.yaml');
    execFileSync('mkfifo', [path]);
    expect(loadProblems(path)).toEqual([
      `${path}:1:1: FileNotReadable: cannot read "${path}": it is no regular file`,
    ]);
  });

  test('a file named below a file', () => {
    const path = write(
      'below.yaml',
      `${NETWORK}networkSecurityGroups: [{ file: below.yaml/nsg.json }]\n`,
    );
    expect(loadProblems(path)).toEqual([
      `${path}:2:33: FileNotReadable: cannot read "${path}/nsg.json": a part of its path is no folder`,
    ]);
  });

  test('bytes that are no text', () => {
    const path = write('latin1.yaml', Uint8Array.of(0x23, 0xe9, 0x0a));
    expect(loadProblems(path)).toEqual([
      `${path}:1:1: FileNotReadable: cannot read "${path}": it is not UTF-8 text`,
    ]);
  });

  test('UTF-16 with a byte order mark, as PowerShell redirects', () => {
    write('nsg16.json', Buffer.from(`\uFEFF${GROUP.replace('"Office"', '"*"')}`, 'utf16le'));
    const path = write('utf16.yaml', `${NETWORK}networkSecurityGroups: [{ file: nsg16.json }]\n`);
    expect(loadOk(path).configuration.networkSecurityGroups[0]?.name).toBe('NSG2');
  });

  test('a file without a character', () => {
    const path = write('empty.yaml', '');
    expect(loadProblems(path)).toEqual([expect.stringContaining(`${path}:1:1: `)]);
  });
});

describe('the cache of service tags', () => {
  test('an unchanged file is not read again, a changed one is', () => {
    const tagPath = write('cached.json', TAGS);
    write('cached-nsg.json', GROUP);
    const path = write(
      'cached.yaml',
      `${NETWORK}networkSecurityGroups: [{ file: cached-nsg.json }]\nserviceTags: { file: cached.json }\n`,
    );
    const office = (): unknown => {
      const tag = loadOk(path).tags.find('Office');
      return tag.kind === 'addresses' ? tag.addresses : tag.kind;
    };
    const first = office();
    expect(office()).toBe(first);
    writeFileSync(tagPath, TAGS.replace('198.51.100.0', '198.51.101.0'));
    utimesSync(tagPath, 1_700_000_000, 1_700_000_000);
    expect(office()).not.toEqual(first);
  });
});

const config = fileURLToPath(new URL('../../config/', import.meta.url));

describe('the files of the project load without a problem', () => {
  const examples = readdirSync(join(config, 'examples')).filter((name) => name.endsWith('.yaml'));
  test.each(['nsgd.yaml', ...examples.map((name) => join('examples', name))])('%s', (name) => {
    expect(loadProblems(join(config, name))).toEqual([]);
  });
});

describe.skipIf(sharedData('nsg') === undefined || sharedData('servicetags') === undefined)(
  'real groups and service tags (needs ../shared/data)',
  () => {
    test.each(['batfish-VM1-nsg.json', 'batfish-VM2-nsg.json', 'batfish-subnet-nsg.json'])(
      '%s',
      (name) => {
        const tags = join(sharedData('servicetags') ?? '', 'ServiceTags_Public_20251117.json');
        const file = join(sharedData('nsg') ?? '', name);
        const path = write(
          'real.yaml',
          `${NETWORK}networkSecurityGroups: [{ file: ${JSON.stringify(file)} }]\nserviceTags: { file: ${JSON.stringify(tags)} }\n`,
        );
        expect(loadOk(path).policy.ruleLists.length).toBeGreaterThan(1);
      },
    );

    test('a tag of the real file in a rule', () => {
      const tags = join(sharedData('servicetags') ?? '', 'ServiceTags_Public_20251117.json');
      write('cloud.json', GROUP.replace('"Office"', '"azurecloud.WESTEUROPE"'));
      const path = write(
        'cloud.yaml',
        `${NETWORK}networkSecurityGroups: [{ file: cloud.json }]
serviceTags: { file: ${JSON.stringify(tags)} }
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], networkSecurityGroup: NSG2 }]
`,
      );
      const { policy } = loadOk(path);
      // 13.69.0.0/17 is West Europe's.
      expect(linearVerdict(policy, 'vm1', 'Inbound', 'tcp 13.69.1.1:1 10.0.0.4:22')).toBe(
        'Allow securityRules/AllowSsh',
      );
    });
  },
);

test('the same file name in memory is never cached', () => {
  const text = `${NETWORK}serviceTags: { file: tags.json }\n`;
  const find = (tags: string): string =>
    loadGood(text, { 'tags.json': tags }).tags.find('Office').kind;
  expect(find(TAGS)).toBe('addresses');
  expect(find('{"values":[]}')).toBe('unknown');
});
