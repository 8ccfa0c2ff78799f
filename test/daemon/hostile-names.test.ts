/**
 * Names and texts that somebody else wrote: in configurations, exported groups, captures, on the command line. Whatever they hold,
 * no command and no log line gives a terminal a character that it obeys, and no name makes a line of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownMissingCapabilities } from '../../daemon/capabilities.ts';
import { webServerTraffic } from '../helpers/captures.ts';
import { compiled } from '../helpers/compiled.ts';
import { nsgd, type NsgdResult } from '../helpers/nsgd.ts';
import { waitFor } from '../helpers/wait.ts';

/** An escape sequence, its one-byte form (C1), a bell, line ends, a bidirectional override, a zero-width space, DEL. */
const EVIL = '\u001b[31mred\u009b2J\u0007\r\nFORGED line\u2028\u202edlrow\u200b\u007f';
/** Everything of these that may not come out; a line end only where a line of ours ends. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

const folder = mkdtempSync(join(tmpdir(), 'nsgd-hostile-names-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function expectHarmless({ stdout, stderr }: Pick<NsgdResult, 'stdout' | 'stderr'>): void {
  for (const line of (stdout + stderr).replaceAll('\r\n', '\n').split('\n')) {
    expect(line).not.toMatch(OBEYED);
    expect(line).not.toMatch(/^FORGED/);
  }
}

const ends = { sourcePortRange: '*', destinationPortRange: '*' };
const addresses = { sourceAddressPrefix: '*', destinationAddressPrefix: '*' };

/** Valid in everything that has a rule for names, hostile in all else. */
function settings(over: object = {}): string {
  return JSON.stringify({
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16'],
      subnets: [{ name: 'Subnet1', addressPrefix: '10.0.1.0/24' }],
    },
    networkSecurityGroups: [
      {
        name: 'NSG1',
        securityRules: [
          {
            ...{ name: 'AllowHttp', priority: 100, direction: 'Inbound', access: 'Allow' },
            ...{ protocol: 'Tcp', ...addresses, ...ends, destinationPortRange: '80' },
            description: EVIL,
          },
        ],
      },
    ],
    networkInterfaces: [
      {
        ...{
          name: 'vm1',
          subnet: 'Subnet1',
          addresses: ['10.0.1.4'],
          networkSecurityGroup: 'NSG1',
        },
        wire: 'w',
      },
    ],
    wires: [{ name: 'w', outside: 'nsgd-no0', inside: 'nsgd-no1' }],
    ...over,
  });
}

const tuple = ['--direction', 'Inbound', '--protocol', 'TCP', '--local', '10.0.1.4:80'];
const flow = [...tuple, '--remote', '203.0.113.9:50000'];

describe('offline', () => {
  const good = file('good.json', settings());
  const evilPath = file('evil\u001b[31m\n\u202ename.json', settings());
  const capture = file('web.pcap', webServerTraffic().captureFile());

  test.each<readonly [string, object]>([
    ['an unknown key', { [EVIL]: 1 }],
    ['a network interface', { networkInterfaces: [{ name: EVIL, addresses: ['10.0.1.4'] }] }],
    ['a wire', { wires: [{ name: EVIL, outside: 'a', inside: 'b' }] }],
    ['Linux interfaces', { wires: [{ name: 'w', outside: EVIL, inside: `${EVIL}2` }] }],
    ['a group', { networkSecurityGroups: [{ name: EVIL, securityRules: [{ name: EVIL }] }] }],
    ['a reference', { networkInterfaces: [{ name: 'vm1', networkSecurityGroup: EVIL }] }],
    ['a file', { networkSecurityGroups: [{ file: EVIL }] }],
    ['an application security group', { applicationSecurityGroups: [{ name: EVIL }] }],
    ['a service tag', { serviceTags: { custom: { [EVIL]: [EVIL] } } }],
    ['a directory', { runtimeDirectory: `/tmp/${EVIL}`, flowLogs: { directory: EVIL } }],
  ])('check and effective: %s', (name, over) => {
    const path = file(`${name.replaceAll(' ', '-')}.json`, settings(over));
    for (const args of [
      ['check', path],
      ['effective', '-c', path],
    ]) {
      const result = nsgd(args);
      expect(result.status).not.toBeNull();
      expect(result.stdout + result.stderr).not.toBe('');
      expectHarmless(result);
    }
  });

  test.each<readonly [string, readonly string[], number]>([
    ['check', ['check', evilPath], 0],
    ['check -o json', ['check', '-o', 'json', evilPath], 0],
    ['check, no such file', ['check', `no-such-${EVIL}`], 2],
    ['verify', ['verify', '-c', evilPath, ...flow], 0],
    ['verify -o json', ['verify', '-c', good, '-o', 'json', ...flow], 0],
    ['verify, no such interface', ['verify', '-c', good, '--nic', EVIL, ...flow], 2],
    ['verify, no such protocol', ['verify', '-c', good, '--protocol', EVIL], 2],
    ['effective', ['effective', '-c', evilPath], 0],
    ['effective -o json', ['effective', '-c', good, '-o', 'json'], 0],
    ['replay', ['replay', capture, '-c', evilPath, '--per-packet'], 0],
    ['replay -o ndjson', ['replay', capture, '-c', good, '--per-packet', '-o', 'ndjson'], 0],
    ['replay of no capture', ['replay', evilPath, '-c', good], 1],
    ['replay, no such file', ['replay', `no-such-${EVIL}`, '-c', good], 1],
    ['no such command', [EVIL], 2],
    ['no such option', ['check', `--${EVIL}`], 2],
    ['no such format', ['check', '-o', EVIL, good], 2],
    ['no such socket', ['status', '--socket', `/${EVIL}`], 3],
  ])('%s', (_, args, status) => {
    const result = nsgd(args);
    expect(result.status, result.stderr).toBe(status);
    expectHarmless(result);
  });

  test('verify --batch, from standard input', () => {
    const result = nsgd(['verify', '-c', good, '--batch', '-'], `${EVIL} ${EVIL}\n`);
    expect(result.status).toBe(2);
    expectHarmless(result);
  });

  test('JSON stays JSON, and says what the name is', () => {
    const path = file('key.json', settings({ [EVIL]: 1 }));
    const { stdout } = nsgd(['check', '-o', 'json', path]);
    const { problems } = JSON.parse(stdout) as { problems: { message: string }[] };
    expect(problems.some(({ message }) => message.includes(EVIL))).toBe(true);
  });
});

const missing = ownMissingCapabilities();

describe.skipIf(missing.length > 0)(`a daemon (${missing.join(' ') || 'live'})`, () => {
  let daemon: ChildProcess;
  let log = '';
  const path = join(folder, 'daemon\u001b[31m\n.json');
  const runtimeDirectory = join(folder, 'run');
  const socket = join(runtimeDirectory, 'control.sock');
  const tied = { runtimeDirectory, metrics: { listen: 'off' }, flowTable: { maxFlows: 1024 } };

  beforeAll(async () => {
    writeFileSync(path, settings(tied));
    const args = [compiled('daemon/main.ts'), 'run', '--config', path];
    daemon = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    daemon.stderr?.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
    const isThere = (): true | undefined =>
      nsgd(['status', '--socket', socket]).status === 3 ? undefined : true;
    await waitFor('the socket', isThere, 30_000);
  });
  afterAll(async () => {
    daemon.kill('SIGTERM');
    await once(daemon, 'exit');
  });

  test.each([
    [['status']],
    [['status', '-o', 'json']],
    [['rules']],
    [['rules', '-o', 'ndjson']],
    [['flows']],
    [['top', '--count', '1']],
    [['verify', '--live', ...flow]],
    [['verify', '--live', '--nic', EVIL, ...flow]],
    [['reload']],
  ])('%j', (args) => {
    const result = nsgd([...args, '--socket', socket]);
    expect(result.stdout + result.stderr).not.toBe('');
    expectHarmless(result);
  });

  test('a reload that is refused, and the log of it', async () => {
    const evilRule = { name: EVIL, description: EVIL, priority: EVIL };
    const groups = [{ name: EVIL, securityRules: [evilRule] }];
    writeFileSync(path, settings({ ...tied, networkSecurityGroups: groups, [EVIL]: EVIL }));
    const result = nsgd(['reload', '--socket', socket]);
    expect(result.status).toBe(2);
    expectHarmless(result);
    await waitFor('the log', () => (log.includes('FORGED') ? true : undefined));
    expectHarmless({ stdout: log, stderr: '' });
    for (const line of log.trim().split('\n'))
      expect(() => JSON.parse(line) as unknown).not.toThrow();
  });
});
