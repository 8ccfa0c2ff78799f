/**
 * `nsgd import` and `nsgd export` as processes: files, pipes, streams and exit codes.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nsgd } from '../helpers/nsgd.ts';

const folder = mkdtempSync(join(tmpdir(), 'nsgd-conversion-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: object | string): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 1));
  return path;
}

const rule = {
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: 'Storage',
  sourcePortRange: '*',
  destinationAddressPrefix: '*',
  destinationPortRange: '22',
};
const template = file('template.json', {
  parameters: { name: { type: 'string' } },
  resources: [
    {
      type: 'Microsoft.Network/networkSecurityGroups',
      name: "[parameters('name')]",
      properties: { securityRules: [{ name: 'ssh', properties: rule }] },
    },
  ],
});
const tags = file('tags.json', {
  changeNumber: 1,
  cloud: 'Public',
  values: [
    {
      name: 'Storage',
      id: 'Storage',
      properties: { changeNumber: 1, addressPrefixes: ['203.0.113.0/24'] },
    },
  ],
});

describe('nsgd import', () => {
  test('writes a configuration that check takes, with comments on where all is from', () => {
    const output = join(folder, 'sub.yaml');
    const options = ['--parameters', 'name=nsg', '--service-tags', tags, '-o', output];
    const imported = nsgd(['import', template, ...options]);
    expect([imported.status, imported.stdout]).toEqual([0, '']);
    expect(imported.stderr).toContain('NoNetworkInterface: warning: ');
    const text = readFileSync(output, 'utf8');
    expect(text).toContain(`# from ${template}:10:12\n  - name: nsg\n`);
    const checked = nsgd(['check', output]);
    expect([checked.status, checked.stderr]).toEqual([0, 'nsgd: the file is valid\n']);
    const at = ['--config', output, '--nic', 'nsg-nic', '--direction', 'Inbound'];
    const flow = ['--protocol', 'TCP', '--local', '10.0.0.4:22', '--remote', '203.0.113.9:1'];
    expect(nsgd(['verify', ...at, ...flow]).status).toBe(0);
  });

  test('says all that is wrong and what to give, and writes nothing', () => {
    const output = join(folder, 'none.yaml');
    const { status, stdout, stderr } = nsgd(['import', template, '-o', output]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      `${template}:10:12: TemplateValueUnknown: resources[0].name: "[parameters('name')]" cannot be known offline: the parameter "name" has no default value
nsgd: give parameters of the template with --parameters FILE or --parameters NAME=VALUE
`,
    );
    expect(existsSync(output)).toBe(false);
    const untagged = nsgd(['import', template, '--parameters', 'name=nsg']);
    expect(untagged.status).toBe(2);
    expect(untagged.stderr).toContain(':20:31: SecurityRuleInvalidAddressPrefix: ');
    expect(untagged.stderr).toContain(
      'nsgd: give the published service tags with --service-tags FILE\n',
    );
  });

  test('reads standard input, and refuses options that make no sense', () => {
    const group = JSON.stringify({ name: 'nsg', securityRules: [] });
    const { status, stdout } = nsgd(['import', '-', '--format', 'json'], group);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      networkSecurityGroups: [{ name: 'nsg', securityRules: [] }],
      networkInterfaces: [{ name: 'nsg-nic', networkSecurityGroup: 'nsg' }],
    });
    const wrong = nsgd(['import', '-', '--address', 'vm1'], group);
    expect([wrong.status, wrong.stderr]).toEqual([
      2,
      'nsgd: --address vm1: expected NAME=ADDRESS[,ADDRESS]\n',
    ]);
    const unwritable = nsgd(['import', '-', '-o', join(folder, 'no/such/folder.yaml')], group);
    expect(unwritable.status).toBe(1);
    expect(unwritable.stderr).toContain('nsgd: --output ');
  });
});

describe('nsgd export', () => {
  const config = 'config/examples/four-vms.yaml';

  test('a template for standard output, Terraform for a file', () => {
    const arm = nsgd(['export', '--config', config, '--format', 'arm']);
    expect([arm.status, arm.stderr]).toEqual([0, '']);
    const { resources } = JSON.parse(arm.stdout) as { resources: { name: string }[] };
    expect(resources.map(({ name }) => name)).toEqual([
      'NSG1',
      'NSG2',
      'vnet1',
      'vm1',
      'vm2',
      'vm3',
      'vm4',
    ]);
    const output = join(folder, 'main.tf.json');
    const terraform = nsgd(['export', '-c', config, '--format', 'terraform', '-o', output]);
    expect([terraform.status, terraform.stdout]).toEqual([0, '']);
    expect(nsgd(['check', output]).status).toBe(0);
  });

  test('a ruleset of one interface', () => {
    const options = ['export', '--config', config, '--format', 'nftables'];
    const { status, stdout } = nsgd([...options, '--nic', 'VM2']);
    expect(status).toBe(0);
    expect(stdout).toContain('iifname "ext0" oifname "int0" ip daddr 10.0.1.5 jump inbound');
    expect(stdout).not.toContain('NSG2');
    const unnamed = nsgd(options);
    expect([unnamed.status, unnamed.stderr]).toEqual([
      2,
      'nsgd: give --nic NAME; the configuration has vm1, vm2, vm3, vm4\n',
    ]);
    const both = nsgd(['export', '--config', config, '--format', 'arm', '--nic', 'vm1']);
    expect([both.status, both.stderr]).toEqual([
      2,
      'nsgd: --nic is for nftables; arm has all of them\n',
    ]);
  });
});
