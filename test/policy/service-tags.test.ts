/**
 * Service tags: the special ones as defined, the published file in its shapes, and what is said of names nobody has.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasIpv4, hasIpv6, NO_ADDRESS } from '../../src/engine/address-set.ts';
import { formatAddressSet, parseIpv4, parseIpv6, setOf } from '../../src/policy/address.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { parseServiceTagFile, type ServiceTagFile } from '../../src/policy/service-tags-file.ts';
import { isReservedTagName, ServiceTags } from '../../src/policy/service-tags.ts';
import { sharedData } from '../helpers/shared-data.ts';

const TWO_TAGS = `{ "changeNumber": 376, "cloud": "Public", "values": [
  { "name": "Storage.WestEurope", "id": "Storage.WestEurope",
    "properties": { "changeNumber": 39, "region": "westeurope", "regionId": 18, "platform": "Azure",
      "systemService": "AzureStorage", "addressPrefixes": ["20.150.8.0/23", "2603:1020::/40"],
      "networkFeatures": null } },
  { "name": "Broken", "id": "Broken", "properties": { "addressPrefixes": ["20.0.0.0/8",
      "20.0.0.1/8", 7] } }
] }`;

function goodFile(text: string): ServiceTagFile {
  const result = parseServiceTagFile(text, 'tags.json');
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.tags;
}

function tagsOf(
  options: { virtualNetwork?: string[]; file?: ServiceTagFile | 'unreadable' } = {},
): ServiceTags {
  return new ServiceTags({
    virtualNetwork: setOf(...(options.virtualNetwork ?? ['10.0.0.0/16', 'fd00:db8::/48'])),
    custom: [
      { name: 'Office', addresses: setOf('198.51.100.0/24') },
      { name: 'Nobody', addresses: NO_ADDRESS },
    ],
    file: options.file,
  });
}

/** The prefixes of a tag, or what else became of its name. */
function prefixes(tags: ServiceTags, name: string): string[] | string {
  const tag = tags.find(name);
  if (tag.kind === 'addresses') return formatAddressSet(tag.addresses);
  if (tag.kind === 'unknown') return tag.message;
  return tag.kind === 'invalid' ? tag.problems.map(formatProblem) : tag.kind;
}

describe('special tags', () => {
  test.each([
    ['VirtualNetwork', ['10.0.0.0/16', '168.63.129.16/32', 'fd00:db8::/48']],
    ['virtualnetwork', ['10.0.0.0/16', '168.63.129.16/32', 'fd00:db8::/48']],
    ['AzureLoadBalancer', ['168.63.129.16/32']],
    ['AzurePlatformDNS', ['168.63.129.16/32']],
    ['AzurePlatformIMDS', ['169.254.169.254/32']],
    ['AzurePlatformLKM', 'licensing'],
  ])('%s', (name, expected) => {
    expect(prefixes(tagsOf(), name)).toEqual(expected);
  });

  test.each([
    ['an ordinary address', '8.8.8.8', true],
    ['Azure itself', '20.0.0.1', true],
    ['documentation 1', '192.0.2.1', true],
    ['documentation 2', '198.51.100.1', true],
    ['documentation 3', '203.0.113.9', true],
    ['the last of 9/8', '9.255.255.255', true],
    ['private 10/8', '10.200.0.1', false],
    ['private 172.16/12, first', '172.16.0.0', false],
    ['private 172.16/12, last', '172.31.255.255', false],
    ['after 172.16/12', '172.32.0.0', true],
    ['private 192.168/16', '192.168.1.1', false],
    ['shared 100.64/10', '100.127.255.255', false],
    ['after 100.64/10', '100.128.0.0', true],
    ['this network', '0.0.0.0', false],
    ['loopback', '127.0.0.1', false],
    ['link-local, IMDS', '169.254.169.254', false],
    ['the platform address', '168.63.129.16', false],
    ['multicast', '224.0.0.1', false],
    ['class E', '240.0.0.1', false],
    ['broadcast', '255.255.255.255', false],
    ['a public address of the network', '203.0.114.7', false],
    ['IPv6 global', '2001:db8::1', true],
    ['the last of 2000::/3', '3fff:ffff::1', true],
    ['IPv6 unique local', 'fd00::1', false],
    ['IPv6 link-local', 'fe80::1', false],
    ['IPv6 multicast', 'ff02::1', false],
    ['IPv6 global of the network', '2a01::1', false],
  ])('Internet: %s (%s) is %s', (_, address, isInternet) => {
    const tags = tagsOf({ virtualNetwork: ['203.0.114.0/24', '2a01::/16'] });
    const tag = tags.find('Internet');
    if (tag.kind !== 'addresses') throw new Error('Internet is a set of addresses');
    const ipv4 = parseIpv4(address);
    const ipv6 = parseIpv6(address) ?? 0n;
    const has = ipv4 === undefined ? hasIpv6(tag.addresses, ipv6) : hasIpv4(tag.addresses, ipv4);
    expect(has).toBe(isInternet);
  });

  test.each(['VirtualNetwork', 'INTERNET', 'azureplatformdns', 'Any', 'VIRTUAL_NETWORK'])(
    '%s is reserved',
    (name) => expect(isReservedTagName(name)).toBe(true),
  );

  test('Office is not reserved', () => expect(isReservedTagName('Office')).toBe(false));
});

describe('lookup', () => {
  const file = goodFile(TWO_TAGS);

  test.each([
    ['a custom tag', 'OFFICE', ['198.51.100.0/24']],
    ['a custom tag without prefixes', 'Nobody', []],
    ['a published tag, both families', 'storage.westeurope', ['20.150.8.0/23', '2603:1020::/40']],
    [
      'an unknown name near a published one',
      'Storage.WestEurop',
      '"Storage.WestEurop" is no address, prefix or known service tag: tags.json has no such service tag; did you mean Storage.WestEurope?',
    ],
    [
      'an unknown name near a special one',
      'Internett',
      '"Internett" is no address, prefix or known service tag: tags.json has no such service tag; did you mean Internet?',
    ],
    [
      'an unknown name near nothing',
      'Xyzzy',
      '"Xyzzy" is no address, prefix or known service tag: tags.json has no such service tag',
    ],
    [
      'a published tag with bad prefixes',
      'Broken',
      [
        'tags.json:7:7: InvalidServiceTagFile: "20.0.0.1/8" in service tag Broken is no address prefix (host bits)',
        'tags.json:7:21: InvalidServiceTagFile: 7 in service tag Broken is no address prefix (syntax)',
      ],
    ],
  ])('%s', (_, name, expected) => {
    const tags = tagsOf({ file });
    expect(prefixes(tags, name)).toEqual(expected);
    expect(tags.find(name), 'the same object again').toBe(tags.find(name));
  });

  test('without a file, an unknown name says so', () => {
    expect(prefixes(tagsOf(), 'Storage')).toBe(
      '"Storage" is no address, prefix or known service tag: no service tag file is configured (serviceTags.file), so only the special and custom tags are known',
    );
  });

  test('with a file that could not be read, no name is called unknown', () => {
    expect(prefixes(tagsOf({ file: 'unreadable' }), 'Storage')).toEqual([]);
  });
});

describe('the file', () => {
  test.each([
    ['with a byte order mark', `\uFEFF${TWO_TAGS}`],
    [
      'from the discovery API',
      TWO_TAGS.replace('"changeNumber": 376', '"changeNumber": "376", "nextLink": ""'),
    ],
    [
      'with flattened properties',
      '{"values":[{"name":"Storage.WestEurope","addressPrefixes":["20.150.8.0/23","2603:1020::/40"]}]}',
    ],
  ])('%s', (_, text) => {
    const tag = goodFile(text).find('Storage.WestEurope');
    expect(tag?.ok && formatAddressSet(tag.addresses)).toEqual(['20.150.8.0/23', '2603:1020::/40']);
  });

  test.each([
    ['not JSON', '{\n  "values": [,]\n}', /^tags\.json:2:14: InvalidJson: /],
    ['a list', '[]', /^tags\.json:1:1: .* it has no list "values"$/],
    ['values that are no list', '{"values":{}}', /^tags\.json:1:1: .* it has no list "values"$/],
    [
      'a tag without prefixes',
      '{"values":[{"name":"A","properties":{}}]}',
      /^tags\.json:1:1: InvalidServiceTagFile: not a service tag file: values\[0\] needs "name" and "addressPrefixes"$/,
    ],
    ['a null tag', '{"values":[null]}', /values\[0\] needs/],
  ])('%s', (_, text, problem) => {
    const result = parseServiceTagFile(text, 'tags.json');
    expect(result.ok ? [] : result.problems.map(formatProblem)).toEqual([
      expect.stringMatching(problem),
    ]);
  });
});

const folder = sharedData('servicetags');

describe.skipIf(folder === undefined)('the published file (needs ../shared/data)', () => {
  const path = join(folder ?? '', 'ServiceTags_Public_20251117.json');

  test('every prefix of every tag is one, and the biggest merge as measured', () => {
    const file = goodFile(readFileSync(path, 'utf8'));
    expect(file.names).toHaveLength(3041);
    for (const name of file.names) expect(file.find(name)?.ok, name).toBe(true);
    const cloud = file.find('azurecloud');
    if (cloud?.ok !== true) throw new Error('AzureCloud is in the file');
    expect(cloud.name).toBe('AzureCloud');
    // Measured on change number 376: 13,155 prefixes merge to 1,883 and 1,349.
    const texts = formatAddressSet(cloud.addresses);
    expect(texts.filter((text) => text.includes('.'))).toHaveLength(1883);
    expect(texts.filter((text) => text.includes(':'))).toHaveLength(1349);
  });

  test('holds none of the special tags', () => {
    const { names } = goodFile(readFileSync(path, 'utf8'));
    expect(names.filter(isReservedTagName)).toEqual([]);
  });
});
