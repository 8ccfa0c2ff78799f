/**
 * Every public NSG file, imported, checked and asked: the golden file has counts and verdicts, nothing of the files
 * themselves. `npx vitest run test/golden -u` writes it anew; read the difference.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/policy/address.ts';
import { checkFile } from '../../src/policy/check-file.ts';
import { effectiveRules } from '../../src/policy/effective.ts';
import { Explainer, type FlowTuple } from '../../src/policy/explain.ts';
import { armTemplate } from '../../src/policy/export/arm.ts';
import { terraformConfiguration } from '../../src/policy/export/terraform.ts';
import { importFiles, type ImportResult } from '../../src/policy/import/import-files.ts';
import {
  diskFiles,
  type LoadedConfiguration,
  loadConfigurationText,
} from '../../src/policy/load.ts';
import type { Problem } from '../../src/policy/problem.ts';
import { importText } from '../helpers/import-text.ts';
import { memoryFiles } from '../helpers/load-text.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { sharedData } from '../helpers/shared-data.ts';

const directory = sharedData('nsg');
const tagFolder = sharedData('servicetags');
const tags = tagFolder && readdirSync(tagFolder).find((name) => name.endsWith('.json'));

/** With what each file can be imported; none: as it is. Two runs are of two virtual networks. */
const RUNS: readonly (readonly [file: string, ...options: string[]])[] = [
  ['aznetsec-demo-lab-standard.json'],
  ['aznetsec-demo-lab-standard.json', '--virtual-network', 'VN-HUB'],
  ['aznetsec-demo-lab-standard.json', '--virtual-network', 'VN-SPOKE1'],
  ['aznetsec-demo-lab-standard.json', '--virtual-network', 'VN-SPOKE2'],
  ['azure-rest-recorded-empty-nsg.json'],
  ['azurerm-nsg-test-configs.tf.txt'],
  ['batfish-VM1-nsg.json'],
  ['batfish-VM2-nsg.json'],
  ['batfish-subnet-nsg.json'],
  ['carml-nsg-max.main.test.bicep'],
  ['checkov-nsg-1pass-1fail.json'],
  [
    'checkov-nsg-1pass-1fail.json',
    ...[
      'vnetName=vnet',
      'vnetAddressPrefix=10.0.0.0/16',
      'webServerSubnetName=web',
      'webServerSubnetAddressPrefix=10.0.1.0/24',
      'webServerNsgName=nsg',
      'testRunnerIpRange=203.0.113.0/24',
    ].flatMap((parameter) => ['--parameters', parameter]),
  ],
  ['cyclecloud-network-new.bicep'],
  ['mspnp-secure-vnet-dmz.json'],
  ['mspnp-secure-vnet-dmz.json', '--service-tags', 'TAGS'],
  ['quickstart-application-security-group.json'],
  ['quickstart-application-security-group.json', '--address', 'VM-NIC=10.0.0.4'],
  ['quickstart-azure-bastion-nsg.json'],
  [
    'quickstart-azure-bastion-nsg.json',
    '--parameters',
    'bastion-host-name=bastion',
    '--service-tags',
    'TAGS',
  ],
];

/** What is asked of every interface; LOCAL is its address. */
const TUPLES = [
  'Inbound TCP 203.0.113.9 50000 LOCAL 22',
  'Inbound TCP 203.0.113.9 50000 LOCAL 80',
  'Inbound TCP 203.0.113.9 50000 LOCAL 443',
  'Inbound TCP 203.0.113.9 50000 LOCAL 3389',
  'Inbound TCP 10.0.0.9 50000 LOCAL 443',
  'Inbound TCP 10.0.28.9 50000 LOCAL 8080',
  'Inbound UDP 203.0.113.9 500 LOCAL 53',
  'Inbound ICMP 10.0.1.9 0 LOCAL 0',
  'Inbound TCP 168.63.129.16 50000 LOCAL 8443',
  'Outbound TCP LOCAL 50000 203.0.113.9 443',
  'Outbound TCP LOCAL 50000 203.0.113.9 1688',
  'Outbound TCP LOCAL 50000 10.0.1.9 3389',
  'Outbound UDP LOCAL 50000 168.63.129.16 53',
  'Outbound ICMP LOCAL 0 192.168.1.1 0',
];

/** `Code (warning) x 3` of each kind of problem, in order of first sight. */
function counted(problems: readonly Problem[], before: string): string[] {
  const counts = new Map<string, number>();
  for (const { code, severity } of problems) {
    const key = severity === 'warning' ? `${code} (warning)` : code;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => `${before}${key} x ${count}`);
}

/** The values of one option, which may be repeated. */
function valuesOf(options: readonly string[], name: string): string[] {
  return options.flatMap((option, index) => (options[index - 1] === name ? [option] : []));
}

describe.skipIf(directory === undefined || tags === undefined)(
  'public NSG files (needs ../shared/data)',
  () => {
    const tagFile = join(tagFolder ?? '', tags ?? '');

    const importOf = ([file = '', ...options]: readonly string[]): ImportResult => {
      const addresses = valuesOf(options, '--address').map((option) => option.split('='));
      return importFiles(
        [join(directory ?? '', file)],
        {
          parameters: valuesOf(options, '--parameters'),
          virtualNetwork: valuesOf(options, '--virtual-network')[0],
          addresses: new Map(
            addresses.map(([name = '', address = '']) => [name.toLowerCase(), [address]]),
          ),
          serviceTags: options.includes('TAGS') ? tagFile : undefined,
          format: 'json',
          folder: '.',
        },
        diskFiles,
      );
    };

    const askedOf = ({ configuration, policy, tags: known }: LoadedConfiguration): string[] =>
      policy.nics.flatMap((nic) => {
        const own = configuration.networkInterfaces.find(({ name }) => name === nic.name);
        const { value } =
          own === undefined ? { value: [] } : effectiveRules(configuration, known, own);
        const groups = value.map(
          ({ association, effectiveSecurityRules }) =>
            `${Object.keys(association).join('')} ${effectiveSecurityRules.length} rules`,
        );
        const [first] = nic.addresses.ipv4;
        const local = first === undefined ? '10.0.0.4' : formatIpv4(first[0]);
        const explainer = new Explainer(policy, nic);
        const answers = TUPLES.map((tuple) => {
          const text = tuple.replace('LOCAL', local);
          const { access, ruleName } = explainer.explain(tupleOf(text));
          return `    ${text.padEnd(46)}  ${access} ${ruleName ?? '-'}`;
        });
        return [`  interface ${nic.name}: ${groups.join(', ')}`, ...answers];
      });

    const summaryOf = (row: readonly string[]): string[] => {
      const { text, problems } = importOf(row);
      const head = [row.join(' '), ...counted(problems, '  ')];
      if (text === undefined) return [...head, '  not imported'];
      const files = memoryFiles({ 'nsgd.json': text });
      const source = { ...diskFiles, readText: (path: string) => path === 'nsgd.json' ? files.readText(path) : diskFiles.readText(path) }; // prettier-ignore
      const found = checkFile('nsgd.json', source);
      expect(found.filter(({ severity }) => severity === 'error')).toEqual([]);
      const loaded = loadConfigurationText(text, 'nsgd.json', source);
      if (!loaded.ok) throw new Error(`${row[0]} does not load`);
      const groups = loaded.configuration.networkSecurityGroups.map(
        ({ name, rules }) => `  group ${name}: ${rules.length} rules`,
      );
      return [...head, ...groups, ...counted(found, '  check: '), ...askedOf(loaded)];
    };

    test('import, check, effective and verify say of each what they said before', async () => {
      const text = RUNS.map((row) => summaryOf(row).join('\n')).join('\n\n');
      const golden = join(projectRoot, 'test/golden/public-files.txt');
      await expect(`${text}\n`).toMatchFileSnapshot(golden);
    });

    test('no file is left out', () => {
      const listed = new Set(RUNS.map(([file]) => file));
      const files = readdirSync(directory ?? '').filter((file) => !file.endsWith('.md'));
      expect(files.filter((file) => !listed.has(file))).toEqual([]);
    });

    test.each([
      ['template.json', armTemplate],
      ['main.tf.json', terraformConfiguration],
    ] as const)('%s: importing what was exported changes nothing', (name, write) => {
      let count = 0;
      for (const [file, ...options] of RUNS) {
        const { text } = importOf([file, ...options]);
        if (text === undefined) continue;
        const loaded = loadConfigurationText(text, 'nsgd.json', diskFiles);
        if (!loaded.ok) throw new Error(`${file} does not load`);
        const serviceTags = options.includes('TAGS') ? tagFile : undefined;
        const { configuration } = importText(
          { [name]: write(loaded.configuration) },
          {
            serviceTags,
            others: serviceTags === undefined ? {} : { [tagFile]: readFileSync(tagFile, 'utf8') },
          },
        );
        expect([file, configuration]).toEqual([file, JSON.parse(text)]);
        count++;
      }
      expect(count).toBe(11);
    });
  },
);

/** `direction protocol source port destination port`, as `nsgd verify --batch` reads it. */
function tupleOf(text: string): FlowTuple {
  const [direction, protocol = '', source = '', sourcePort, destination = '', destinationPort] =
    text.split(' ');
  const isInbound = direction === 'Inbound';
  const [from, to] = [source, destination].map((address) => parseIpv4(address) ?? 0);
  const ends = [
    { address: from ?? 0, port: Number(sourcePort) },
    { address: to ?? 0, port: Number(destinationPort) },
  ] as const;
  const [remote, local] = isInbound ? ends : ends.toReversed();
  const numbers: Record<string, number> = { TCP: 6, UDP: 17, ICMP: 1 };
  return {
    direction: isInbound ? 0 : 1,
    protocol: numbers[protocol] ?? 0,
    local: local?.address ?? 0,
    localPort: local?.port ?? 0,
    remote: remote?.address ?? 0,
    remotePort: remote?.port ?? 0,
  };
}
