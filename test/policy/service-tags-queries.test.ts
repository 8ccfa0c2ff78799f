/**
 * Which tags an address is in; and the published file as a whole.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { parsePrefix, type Prefix, setOf } from '../../src/policy/address.ts';
import { findTags } from '../../src/policy/service-tags-queries.ts';
import { parseServiceTagFile, type ServiceTagFile } from '../../src/policy/service-tags-file.ts';
import { ServiceTags } from '../../src/policy/service-tags.ts';
import { loadGood } from '../helpers/load-text.ts';
import { sharedData } from '../helpers/shared-data.ts';

function tagFile(tags: Readonly<Record<string, readonly string[]>>): ServiceTagFile {
  const values = Object.entries(tags).map(([name, addressPrefixes]) => ({
    name,
    properties: { changeNumber: 1, region: '', addressPrefixes },
  }));
  const result = parseServiceTagFile(JSON.stringify({ changeNumber: 1, values }), 'tags.json');
  if (!result.ok) throw new Error('a bad tag file');
  return result.tags;
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (typeof prefix === 'string') throw new Error(`${text}: ${prefix}`);
  return prefix;
}

const FILE = tagFile({
  Storage: ['192.0.2.0/25', '192.0.2.128/25', '198.51.100.0/24', '2001:db8::/32'],
  'Storage.WestEurope': ['192.0.2.64/26'],
  Sql: ['203.0.113.0/24'],
});

const tags = new ServiceTags({
  virtualNetwork: setOf('10.0.0.0/16'),
  custom: [{ name: 'sql', addresses: setOf('192.0.2.65') }],
  file: FILE,
});

const found = (text: string): string[] =>
  findTags(tags, prefixOf(text)).map(
    ({ tag, extent, prefixes }) => `${tag.name} ${tag.source} ${extent} ${prefixes.join(' ')}`,
  );

describe('findTags', () => {
  test.each<readonly [string, readonly string[]]>([
    [
      '192.0.2.65',
      [
        'sql custom all 192.0.2.65/32',
        'Storage.WestEurope file all 192.0.2.64/26',
        'Storage file all 192.0.2.0/24',
        'Internet special all 192.0.2.0/23',
      ],
    ],
    [
      '168.63.129.16',
      [
        'AzureLoadBalancer special all 168.63.129.16/32',
        'AzurePlatformDNS special all 168.63.129.16/32',
        'VirtualNetwork special all 168.63.129.16/32',
      ],
    ],
    ['203.0.113.1', ['Internet special all 203.0.113.0/24']],
    ['10.0.0.0/8', ['VirtualNetwork special part 10.0.0.0/16']],
    ['192.168.1.1', []],
    ['2001:db8::1', ['Storage file all 2001:db8::/32', 'Internet special all 2000::/3']],
  ])('%s', (text, expected) => {
    // How far public space goes around an address is the tag Internet's business.
    const rows = found(text).map((row) => row.replace(/^(Internet special \w+) .*/, '$1'));
    expect(rows).toEqual(expected.map((row) => row.replace(/^(Internet special \w+) .*/, '$1')));
  });
});

const folder = sharedData('servicetags');

describe.skipIf(folder === undefined)('the published file (needs ../shared/data)', () => {
  const text =
    folder === undefined
      ? ''
      : readFileSync(join(folder, 'ServiceTags_Public_20251117.json'), 'utf8');

  test('has a number for every tag, and a region for most with a dot in their name', () => {
    const result = parseServiceTagFile(text, 'tags.json');
    if (!result.ok) throw new Error('it is good');
    expect(result.tags.changeNumber).toBe(376);
    expect(result.tags.factsOf('storage.westeurope')).toEqual({
      changeNumber: 39,
      region: 'westeurope',
      systemService: 'AzureStorage',
      prefixes: 98,
    });
    const { names } = result.tags;
    expect(names.filter((name) => result.tags.factsOf(name)?.changeNumber === undefined)).toEqual(
      [],
    );
  });

  test('all its tags in the rules of one policy compile', () => {
    const { values } = JSON.parse(text) as { values: { name: string }[] };
    const groups = Array.from({ length: Math.ceil(values.length / 1000) }, (_, group) => ({
      name: `nsg${group}`,
      securityRules: values.slice(group * 1000, (group + 1) * 1000).map(({ name }, index) => ({
        name: `rule${index}`,
        priority: 100 + index,
        direction: 'Outbound',
        access: 'Deny',
        protocol: 'Tcp',
        sourceAddressPrefix: '*',
        sourcePortRange: '*',
        // As nobody writes it: names are compared without case.
        destinationAddressPrefix: name.toUpperCase(),
        destinationPortRange: '443',
      })),
    }));
    const { policy } = loadGood(
      JSON.stringify({
        virtualNetwork: { addressSpace: ['10.0.0.0/16'] },
        serviceTags: { file: 'tags.json' },
        networkSecurityGroups: groups,
        networkInterfaces: groups.map(({ name }, index) => ({
          name: `vm${index}`,
          addresses: [`10.0.0.${4 + index}`],
          networkSecurityGroup: name,
        })),
      }),
      { 'tags.json': text },
    );
    const named = policy.ruleLists.flatMap(({ rules }) =>
      rules.filter(({ name }) => name.startsWith('rule')),
    );
    expect(named).toHaveLength(3041);
    const { buffer } = compileImage(policy, policy.nics, 1, new PolicyRegistry());
    expect(buffer.byteLength).toBeGreaterThan(1_000_000);
  });
});
