/**
 * What `nsgd check` says beyond Azure: findings with a packet, and the ports that are looked at.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nsgd } from '../helpers/nsgd.ts';
import { tagFile } from '../helpers/service-tag-text.ts';

/** TCP port 22 and 8022 open to the Internet. */
const OPEN = `virtualNetwork: { addressSpace: [10.0.0.0/16] }
networkSecurityGroups:
  - name: nsg1
    securityRules:
      - { name: ssh, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: Internet,
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRanges: ["22", "8022"] }
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], networkSecurityGroup: nsg1 }]
`;

test('a finding names a packet', () => {
  expect(nsgd(['check', '-'], OPEN)).toEqual({
    status: 0,
    stdout:
      '-:5:17: ManagementPortOpenToInternet: warning: "ssh" lets much of the Internet reach port 22 (SSH) of vm1 ' +
      '(for example Inbound Tcp, local 10.0.0.4:22, remote 203.0.113.1:50000)\n',
    stderr: 'nsgd: the file is valid\n',
  });
});

test('JSON has the packet in the words of verify', () => {
  const { stdout } = nsgd(['check', '-', '-o', 'json'], OPEN);
  expect(JSON.parse(stdout)).toMatchObject({
    problems: [
      {
        witness: {
          nic: 'vm1',
          direction: 'Inbound',
          protocol: 'Tcp',
          local: '10.0.0.4:22',
          remote: '203.0.113.1:50000',
        },
      },
    ],
  });
});

test.each([
  ['80,443', ''],
  ['', ''],
  ['8022', 'port 8022 of vm1'],
])('--management-ports "%s"', (ports, expected) => {
  const { status, stdout } = nsgd(['check', '--management-ports', ports, '-'], OPEN);
  expect(status).toBe(0);
  if (expected === '') expect(stdout).toBe('');
  else expect(stdout).toContain(expected);
});

test('--management-ports takes ports alone', () => {
  const { status, stderr } = nsgd(['check', '--management-ports', '22,ssh', '-'], OPEN);
  expect(status).toBe(2);
  expect(stderr).toContain('give ports from 1 to 65535');
});

test('--tags-old tells of changed tags, in every format', ({ onTestFinished }) => {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-check-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const old = write('old.json', tagFile({ Sql: ['192.0.2.0/25'] }));
  write('new.json', tagFile({ Sql: ['192.0.2.0/24'] }));
  const config = write(
    'nsgd.yaml',
    `${OPEN.replace('Internet', 'Sql')}serviceTags: { file: new.json }\n`,
  );
  const said =
    `service tag "Sql" gained 1 prefix since "${old}"; used by "nsg1/ssh"; some traffic that was denied is allowed ` +
    '(for example Inbound Tcp, local 10.0.0.4:22, remote 192.0.2.128:50000)';
  expect(nsgd(['check', '--tags-old', old, config])).toEqual({
    status: 0,
    stdout: `${config}:5:108: ServiceTagChanged: warning: ${said}\n`,
    stderr: 'nsgd: the file is valid\n',
  });
  const json = nsgd(['check', '--tags-old', old, config, '-o', 'json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    problems: [{ code: 'ServiceTagChanged', witness: { nic: 'vm1', local: '10.0.0.4:22' } }],
  });
  const sarif = nsgd(['check', '--tags-old', old, config, '-o', 'sarif']);
  expect(JSON.parse(sarif.stdout)).toMatchObject({
    runs: [
      { results: [{ ruleId: 'ServiceTagChanged', level: 'warning', message: { text: said } }] },
    ],
  });
  const none = nsgd(['check', '--tags-old', join(folder, 'none.json'), config]);
  expect(none.status).toBe(2);
  expect(none.stderr).toContain('none.json: cannot read the file: there is no such file');
});
