import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Configuration } from '../../../src/policy/configuration.ts';
import { armTemplate } from '../../../src/policy/export/arm.ts';
import { reportNotExported } from '../../../src/policy/export/azure-network.ts';
import { terraformConfiguration } from '../../../src/policy/export/terraform.ts';
import { formatProblem, ProblemList } from '../../../src/policy/problem.ts';
import { importText } from '../../helpers/import-text.ts';
import { loadGood } from '../../helpers/load-text.ts';
import { projectRoot } from '../../helpers/project-root.ts';
import { Random } from '../../helpers/random.ts';
import { randomConfiguration } from '../../helpers/random-configuration.ts';

type Format = readonly [name: string, file: string, write: (from: Configuration) => object];

const FORMATS: readonly Format[] = [
  ['arm', 'template.json', armTemplate],
  ['terraform', 'main.tf.json', terraformConfiguration],
];

/** Exported and imported again. @throws Error with the problems, when there is an error */
function roundTrip(text: string, [, file, write]: Format): string {
  const exported = JSON.stringify(write(loadGood(text).configuration), null, 1);
  const { configuration, problems } = importText({ [file]: exported });
  if (configuration === undefined) throw new Error(problems.join('\n'));
  return JSON.stringify(configuration, null, 1);
}

/** What the engine would enforce, without the wires, which are no part of Azure. */
function enforced(text: string): string {
  const { policy } = loadGood(text);
  const offline = { ...policy, nics: policy.nics.map((nic) => ({ ...nic, wire: undefined })) };
  return JSON.stringify(offline, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
}

describe.each(FORMATS)('%s', (...format) => {
  const folder = join(projectRoot, 'config/examples');
  const examples = [
    'config/nsgd.yaml',
    ...readdirSync(folder).map((name) => join('config/examples', name)),
  ].filter((name) => /\.ya?ml$/.test(name));

  test.each(examples)('%s: the same rules, and importing again changes nothing', (name) => {
    const original = readFileSync(join(projectRoot, name), 'utf8');
    const once = roundTrip(original, format);
    expect(enforced(once)).toBe(enforced(original));
    expect(roundTrip(once, format)).toBe(once);
  });

  test('random configurations: nothing is lost, nothing changes', () => {
    const random = new Random();
    for (let count = 0; count < 60; count++) {
      const plain = randomConfiguration(random, { hasSettings: false });
      const original = JSON.stringify(plain, null, 1);
      const once = roundTrip(original, format);
      const place = `seed ${random.seed}, configuration ${count}`;
      expect(enforced(once), place).toBe(enforced(original));
      expect(roundTrip(once, format), place).toBe(once);
      expect(groupNames(once), place).toEqual(groupNames(original));
    }
  });

  test('both formats say the same', () => {
    const random = new Random(1);
    for (let count = 0; count < 20; count++) {
      const original = JSON.stringify(randomConfiguration(random, { hasSettings: false }));
      const [one, other] = FORMATS.map((each) => roundTrip(original, each));
      expect(other).toBe(one);
    }
  });
});

/** Names, descriptions and settings that the enforced rules do not have. */
function groupNames(text: string): unknown {
  const { networkSecurityGroups, virtualNetwork, networkInterfaces } = loadGood(text).configuration;
  return [
    networkSecurityGroups.map(({ name, flushConnection, rules }) => [
      name,
      flushConnection,
      rules.map((rule) => [rule.name, rule.description, rule.priority]),
    ]),
    virtualNetwork.flowTimeoutInMinutes,
    virtualNetwork.subnets.map(({ name, networkSecurityGroup }) => [name, networkSecurityGroup]),
    networkInterfaces.map(({ name, macAddress }) => [name, macAddress]),
  ];
}

describe('what Azure has no place for', () => {
  const problemsOf = (text: string): string[] => {
    const problems = new ProblemList();
    reportNotExported(loadGood(text).configuration, problems);
    return problems.sorted().map(formatProblem);
  };
  const rule = `{ name: r, priority: 100, direction: Inbound, access: Allow, protocol: "*",
    sourceAddressPrefix: OFFICE, sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "*" }`;

  test('is an error where it would change verdicts', () => {
    const text = `serviceTags: { custom: { Office: [192.0.2.0/24] } }
networkSecurityGroups: [{ name: nsg, securityRules: [${rule}] }]
`;
    expect(problemsOf(text)).toEqual([
      'nsgd.yaml:3:26: ServiceTagNotInAzure: the service tag "OFFICE" is your own, and Azure does not know it; write its prefixes',
    ]);
  });

  test('is a warning where Azure decides by itself', () => {
    const text = `platform: { profile: none, defaultRoute: true }
subscription: { type: CSP }
virtualNetwork: { addressSpace: [10.0.0.0/16], connectedAddressSpaces: [10.1.0.0/16] }
networkInterfaces: [{ name: nic }]
`;
    expect(problemsOf(text).map((problem) => problem.replace('nsgd.yaml:1:1: ', ''))).toEqual([
      'NotExported: warning: platform.profile: Azure always has its platform rules',
      'NotExported: warning: subscription.type: it is that of the subscription',
      'NotExported: warning: platform.defaultRoute: it is a route table in Azure',
      'NotExported: warning: connectedAddressSpaces: Azure learns them of peerings and gateways; a tag notes them',
      'NotDeployable: warning: the network interface "nic" has no subnet, and Azure deploys none without',
    ]);
  });
});

test('a template is one that can be deployed: every id of it names a resource of it, which is deployed before', () => {
  const random = new Random(3);
  for (let count = 0; count < 20; count++) {
    const text = JSON.stringify(randomConfiguration(random, { hasSettings: false }));
    const { resources } = armTemplate(loadGood(text).configuration) as {
      resources: { type: string; name: string; dependsOn?: string[] }[];
    };
    const deployed = new Set<string>();
    for (const resource of resources) {
      const ids = [...JSON.stringify(resource).matchAll(/\[resourceId\('([^']+)', '([^']+)'/g)];
      for (const [, type = '', name = ''] of ids) {
        const owner = `${type.replace('/subnets', '')} ${name}`;
        expect(deployed).toContain(owner);
        if (!type.endsWith('/subnets')) expect(resource.dependsOn?.join(' ')).toContain(name);
      }
      deployed.add(`${resource.type} ${resource.name}`);
    }
  }
});

test('long lists of connected prefixes go into several tags', () => {
  const prefixes = Array.from({ length: 60 }, (_, index) => `10.${100 + index}.0.0/16`);
  const text = JSON.stringify({
    virtualNetwork: { addressSpace: ['10.0.0.0/16'], connectedAddressSpaces: prefixes },
  });
  for (const format of FORMATS) {
    const { virtualNetwork } = JSON.parse(roundTrip(text, format)) as {
      virtualNetwork: { connectedAddressSpaces: string[] };
    };
    expect(virtualNetwork.connectedAddressSpaces).toEqual(prefixes);
  }
  const template = JSON.stringify(armTemplate(loadGood(text).configuration));
  const tags = [...template.matchAll(/"nsgd-connectedAddressSpaces(?:-\d+)?":"([^"]*)"/g)];
  expect(tags.length).toBeGreaterThan(1);
  for (const [, value = ''] of tags) expect(value.length).toBeLessThanOrEqual(256);
});
