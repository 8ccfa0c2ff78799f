/**
 * `nsgd replay --against` as a process: which frames of a capture only one of two policies forwards.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { webServerTraffic } from '../helpers/captures.ts';
import { nsgd } from '../helpers/nsgd.ts';
import { projectRoot } from '../helpers/project-root.ts';

const FOUR = 'config/examples/four-vms.yaml';
const folder = mkdtempSync(join(tmpdir(), 'nsgd-what-if-'));
afterAll(() => rmSync(folder, { recursive: true }));

const capture = join(folder, 'web.pcap');
writeFileSync(capture, webServerTraffic().captureFile());
/** Port 22 in place of 80. */
const ssh = join(folder, 'ssh.yaml');
writeFileSync(ssh, readFileSync(join(projectRoot, FOUR), 'utf8').replaceAll('"80"', '"22"'));

const replay = ['replay', capture, '--config', ssh, '--against', FOUR, '--nic', 'vm1'];

interface Line {
  readonly direction: string;
  readonly before: {
    readonly access: string;
    readonly reason: string;
    readonly ruleName: string | null;
  };
  readonly after: Line['before'];
  readonly frames: number;
  readonly source: string;
}

test('the frames of a connection that the new policy refuses, and of one that it admits', () => {
  const { status, stderr, stdout } = nsgd([...replay, '-o', 'json']);
  expect([status, stderr]).toEqual([0, '']);
  const result = JSON.parse(stdout) as {
    frames: number;
    newlyForwarded: number;
    newlyDropped: number;
    changes: Line[];
  };
  const single = (config: string): { frames: number; forwarded: number } =>
    JSON.parse(
      nsgd(['replay', capture, '--config', config, '--nic', 'vm1', '-o', 'json']).stdout,
    ) as never;
  const [before, after] = [single(FOUR), single(ssh)];
  expect(result.frames).toBe(before.frames);
  expect(result.newlyForwarded - result.newlyDropped).toBe(after.forwarded - before.forwarded);
  expect(result.changes[0]).toMatchObject({
    direction: 'Inbound',
    before: { access: 'Allow', reason: 'rule', ruleName: 'securityRules/AllowHttpFromInternet' },
    after: { access: 'Deny', reason: 'rule_deny', ruleName: 'defaultSecurityRules/DenyAllInBound' },
    source: '203.0.113.10:50001',
  });
  // The rest of that connection is refused because there is no flow.
  expect(result.changes).toContainEqual(
    expect.objectContaining({
      before: { access: 'Allow', reason: 'flow', ruleName: null },
      after: { access: 'Deny', reason: 'tcp_no_flow', ruleName: null },
    }),
  );
  expect(result.changes).toContainEqual(
    expect.objectContaining({
      after: { access: 'Allow', reason: 'rule', ruleName: 'securityRules/AllowHttpFromInternet' },
    }),
  );
});

test('as a table, and packet by packet', () => {
  const { stdout } = nsgd(replay);
  const [summary = ''] = stdout.split('\n');
  const [, forwarded, dropped] =
    /^\d+ frames: (\d+) newly forwarded, (\d+) newly dropped$/.exec(summary) ?? [];
  expect(stdout).toMatch(/^FRAMES +FIRST +DIRECTION +BEFORE +AFTER +FIRST PACKET$/m);
  const lines = nsgd([...replay, '--per-packet'])
    .stdout.trim()
    .split('\n');
  expect(lines).toHaveLength(Number(forwarded) + Number(dropped));
  expect(lines[0]).toMatch(
    /^\d+ Inbound Allow securityRules\/AllowHttpFromInternet > Deny defaultSecurityRules\/DenyAllInBound TCP 203\.0\.113\.10:50001 > 10\.0\.1\.4:80$/,
  );
  const list = JSON.parse(nsgd([...replay, '--per-packet', '-o', 'json']).stdout) as unknown[];
  expect(list).toHaveLength(lines.length);
});

test('a policy against itself: nothing', () => {
  const same = ['replay', capture, '--config', FOUR, '--against', FOUR, '--nic', 'vm1'];
  expect(nsgd(same).stdout).toMatch(/^\d+ frames: 0 newly forwarded, 0 newly dropped\n$/);
  expect(nsgd([...same, '--per-packet', '-o', 'json']).stdout).toBe('[]\n');
});

test('an interface that the other configuration does not have', () => {
  const { status, stderr } = nsgd([
    'replay',
    capture,
    '--config',
    FOUR,
    '--against',
    'config/examples/application-security-groups.yaml',
    '--nic',
    'vm1',
  ]);
  expect(status).toBe(2);
  expect(stderr).toContain('"vm1"');
});
