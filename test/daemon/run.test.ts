/**
 * `nsgd run` as a process: how it starts and ends. Its interfaces do not exist, so it waits for them.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { missingCapabilities, ownMissingCapabilities } from '../../daemon/capabilities.ts';
import { compiled } from '../helpers/compiled.ts';
import { nsgd } from '../helpers/nsgd.ts';
import { waitFor } from '../helpers/wait.ts';

const TIMEOUT_MS = 30_000;

test.each<readonly [string, readonly string[]]>([
  ['000001ffffffffff', []],
  ['0000000000003000', []],
  ['0000000000001000', ['CAP_NET_RAW']],
  ['0000000000002000', ['CAP_NET_ADMIN']],
  ['0000000000000000', ['CAP_NET_RAW', 'CAP_NET_ADMIN']],
])('capabilities %s', (mask, missing) => {
  const status = `CapPrm:\t000001ffffffffff\nCapEff:\t${mask}\nCapBnd:\t000001ffffffffff\n`;
  expect(missingCapabilities(status)).toEqual(missing);
});

const missing = ownMissingCapabilities();
const isAllowed = missing.length === 0;

test.skipIf(isAllowed && process.getuid?.() !== 0)('without capabilities: exit 4', () => {
  const path = join(tmpdir(), `nsgd-run-${process.pid}.json`);
  writeFileSync(path, '{"wires":[{"name":"w","outside":"nsgd-no0","inside":"nsgd-no1"}]}');
  const command = [process.execPath, compiled('daemon/main.ts'), 'run', '-c', path];
  const dropped = isAllowed ? ['setpriv', '--bounding-set=-net_raw', ...command] : command;
  const { status, stderr } = spawnSync(dropped[0] ?? '', dropped.slice(1), { encoding: 'utf8' });
  rmSync(path);
  expect(status).toBe(4);
  expect(stderr).toMatch(/nsgd: CAP_NET_RAW.* needed: run it as root\n$/);
});

describe.skipIf(!isAllowed)(
  `nsgd run (${missing.join(' ') || 'live'})`,
  { timeout: TIMEOUT_MS * 2 },
  () => {
    let folder: string;
    let children: ChildProcess[];

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'nsgd-run-'));
      children = [];
    });
    afterEach(() => {
      for (const child of children) child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    });

    const socket = (): string => join(folder, 'run/control.sock');
    const status = (): number | null => nsgd(['status', '--socket', socket()]).status;

    function configuration(settings: object = {}): string {
      const path = join(folder, 'nsgd.json');
      const text = JSON.stringify({
        virtualNetwork: { addressSpace: ['10.0.0.0/16'] },
        networkInterfaces: [{ name: 'vm1', addresses: ['10.0.0.4'], wire: 'w' }],
        wires: [{ name: 'w', outside: 'nsgd-no-such0', inside: 'nsgd-no-such1' }],
        flowTable: { maxFlows: 1024 },
        runtimeDirectory: join(folder, 'run'),
        metrics: { listen: 'off' },
        ...settings,
      });
      writeFileSync(path, text);
      return path;
    }

    /** Starts it and collects its standard error. */
    function run(path: string): { child: ChildProcess; stderr: () => string } {
      const child = spawn(process.execPath, [compiled('daemon/main.ts'), 'run', '--config', path], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      children.push(child);
      let text = '';
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      return { child, stderr: () => text };
    }

    async function exitCode(child: ChildProcess): Promise<number | null> {
      if (child.exitCode === null) await once(child, 'exit');
      return child.exitCode;
    }

    test('a start that fails says why, ends with 1 and leaves nothing but the lock', async () => {
      const occupant = createServer();
      occupant.listen(0, '127.0.0.1');
      await once(occupant, 'listening');
      const address = occupant.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const { child, stderr } = run(configuration({ metrics: { listen: `127.0.0.1:${port}` } }));
      expect(await exitCode(child)).toBe(1);
      occupant.close();
      expect(stderr()).toContain(
        `nsgd: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
      );
      expect(existsSync(socket())).toBe(false);
      expect(readdirSync(join(folder, 'run/wires'))).toEqual([]);
    });

    test('a control socket that would replace a file is refused', async () => {
      const path = join(folder, 'precious');
      writeFileSync(path, 'text');
      const { child, stderr } = run(configuration({ control: { socket: path } }));
      expect(await exitCode(child)).toBe(1);
      expect(stderr()).toContain(
        `nsgd: ${path} is no socket; remove it, or change control.socket\n`,
      );
      expect(readFileSync(path, 'utf8')).toBe('text');
    });

    test('a reload sets the log level', async () => {
      const { child, stderr } = run(configuration({ logs: { level: 'error' } }));
      await waitFor('the socket', () => (status() === 3 ? undefined : true), TIMEOUT_MS);
      expect(stderr()).toBe('');
      configuration({ logs: { level: 'info' } });
      expect(nsgd(['reload', '--socket', socket()]).status).toBe(0);
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
      expect(stderr()).toMatch(/"reloaded"[^]*"stopping"[^]*"wire":"w","state":"stopped"/);
    });

    test('SIGHUP at any moment of the start does not end it; SIGTERM does, with 0', async () => {
      const { child, stderr } = run(configuration());
      await waitFor('the first line', () => (stderr() === '' ? undefined : true), TIMEOUT_MS);
      while (status() === 3) child.kill('SIGHUP');
      child.kill('SIGHUP');
      await waitFor('a reload', () => (stderr().includes('"reloaded"') ? true : undefined));
      expect(status()).toBe(1);
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
      expect(existsSync(socket())).toBe(false);
    });
  },
);
