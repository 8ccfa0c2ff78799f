/**
 * `nsgd run` as a process: how it starts and ends. Its interfaces do not exist, so it waits for them.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { missingCapabilities, ownMissingCapabilities } from '../../daemon/capabilities.ts';
import { compiled } from '../helpers/compiled.ts';
import { nsgdProgram } from '../helpers/daemon.ts';
import { DatagramSocket } from '../helpers/datagram-socket.ts';
import { nsgd } from '../helpers/nsgd.ts';
import { promtool, runPromtool } from '../helpers/prometheus.ts';
import { readiness } from '../helpers/readiness.ts';
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
    const untilAnswering = (): Promise<number> =>
      waitFor('the socket', () => readiness(socket()), TIMEOUT_MS);

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
    function run(
      path: string,
      environment: Readonly<Record<string, string>> = {},
      options: readonly string[] = [],
    ): { child: ChildProcess; stderr: () => string } {
      const command = [compiled('daemon/main.ts'), 'run', '--config', path, ...options];
      const child = spawn(process.execPath, command, {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, ...environment },
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

    test('status tells of a file that changed after it was read, until a reload takes it', async () => {
      const { child } = run(configuration());
      await untilAnswering();
      const attention = (): string[] =>
        [...nsgd(['status', '--socket', socket()]).stdout.matchAll(/^attention: +(.*)$/gm)].map(
          ([, text = '']) => text,
        );
      expect(attention()).toEqual([]);
      configuration({ logs: { level: 'info' } });
      const file = join(folder, 'nsgd.json');
      expect(attention()).toEqual([
        `${file} changed after it was read; nsgd reload reads it again`,
      ]);
      expect(nsgd(['reload', '--socket', socket()]).status).toBe(0);
      expect(attention()).toEqual([]);
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
    });

    test('a reload sets the log level', async () => {
      const { child, stderr } = run(configuration({ logs: { level: 'error' } }));
      await untilAnswering();
      expect(stderr()).toBe('');
      configuration({ logs: { level: 'info' } });
      expect(nsgd(['reload', '--socket', socket()]).status).toBe(0);
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
      expect(stderr()).toMatch(/"reloaded"[^]*"stopping"[^]*"wire":"w","state":"stopped"/);
    });

    test('a configuration that others could have changed is refused, unless that is wanted', async () => {
      configuration();
      chmodSync(join(folder, 'nsgd.json'), 0o666);
      const refused = nsgd(['run', '--config', join(folder, 'nsgd.json')]);
      expect(refused.status).toBe(2);
      expect(refused.stderr).toContain('others may write to it (mode 0666); chmod go-w it');
      const insecure = run(join(folder, 'nsgd.json'), {}, ['--insecure-config']);
      await untilAnswering();
      insecure.child.kill('SIGTERM');
      expect(await exitCode(insecure.child)).toBe(0);
    });

    test('nor does a reload read what others could have changed', async () => {
      const { child } = run(configuration());
      await untilAnswering();
      chmodSync(join(folder, 'nsgd.json'), 0o666);
      const refused = nsgd(['reload', '--socket', socket()]);
      expect(refused.status).toBe(2);
      expect(refused.stderr).toContain('others may write to it (mode 0666); chmod go-w it');
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
    });

    test('SIGUSR1 opens no inspector in the control process', async () => {
      const { child, stderr } = run(configuration());
      await untilAnswering();
      child.kill('SIGUSR1');
      await sleep(300);
      expect(status()).not.toBe(3);
      expect(stderr()).not.toContain('Debugger');
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
    });

    test('systemd hears that it is ready, lives, reloads and stops', async () => {
      const path = join(folder, 'notify');
      const systemd = new DatagramSocket(path);
      const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '300000' };
      const { child } = run(configuration(), environment);
      const heard: string[] = [];
      const hears = async (word: string): Promise<void> => {
        await waitFor(word, () => {
          heard.push(...systemd.received());
          return heard.some((text) => text.startsWith(word)) ? true : undefined;
        });
      };
      await hears('READY=1\nSTATUS=not ready: wire w: waiting');
      expect(heard[0]).toMatch(/^READY=1/);
      await waitFor('the watchdog', () => {
        heard.push(...systemd.received());
        return heard.some((text) => text.endsWith('\nWATCHDOG=1')) ? true : undefined;
      });
      heard.length = 0;
      // Not a command that is waited for: the reports would fill the socket meanwhile.
      const reload = spawn(nsgdProgram, ['reload', '--socket', socket()], { stdio: 'ignore' });
      await hears('RELOADING=1');
      await hears('READY=1');
      expect(await exitCode(reload)).toBe(0);
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
      await hears('STOPPING=1');
      systemd.close();
    });

    test('a reload says which rules it changes', async () => {
      const group = (...names: readonly string[]) => ({
        networkSecurityGroups: [
          {
            name: 'NSG1',
            securityRules: names.map((name, index) => ({
              name,
              priority: 100 + index,
              direction: 'Inbound',
              access: 'Allow',
              protocol: 'Tcp',
              sourceAddressPrefix: '*',
              sourcePortRange: '*',
              destinationAddressPrefix: '*',
              destinationPortRange: '80',
            })),
          },
        ],
        networkInterfaces: [
          { name: 'vm1', addresses: ['10.0.0.4'], wire: 'w', networkSecurityGroup: 'NSG1' },
        ],
      });
      const { child, stderr } = run(configuration(group('One', 'Two')));
      await untilAnswering();
      configuration(group('Two', 'Three'));
      const reloaded = nsgd(['reload', '--socket', socket()]);
      const changes = [
        '- NSG1 Inbound securityRules/One',
        '~ NSG1 Inbound securityRules/Two: priority',
        '+ NSG1 Inbound securityRules/Three',
      ];
      expect(reloaded.stdout).toBe(`reloaded: generation 2 is in force\n${changes.join('\n')}\n`);
      child.kill('SIGTERM');
      expect(await exitCode(child)).toBe(0);
      expect(stderr()).toContain(`"rules":${JSON.stringify(changes)},"suppressed":0`);
    });

    test('top: a page in a pipe; on a terminal until q is pressed, which gives the cursor back', async () => {
      run(configuration());
      await untilAnswering();
      const args = ['top', '--socket', socket(), '--interval', '0.1'];
      const piped = nsgd([...args, '--count', '2']);
      expect(piped).toMatchObject({ status: 0, stderr: '' });
      expect(piped.stdout.match(/^wire w \(inline/gm)).toHaveLength(2);
      expect(nsgd([...args, '--count', 'x']).status).toBe(2);

      const command = [process.execPath, compiled('daemon/main.ts'), ...args].join(' ');
      const terminal = spawn('script', ['-qec', command, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      children.push(terminal);
      let screen = '';
      terminal.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
      await waitFor('a page', () => (screen.includes('wire w (inline') ? true : undefined));
      terminal.stdin.write('q');
      expect(await exitCode(terminal)).toBe(0);
      expect(screen.indexOf('\u001b[?25l')).toBeGreaterThanOrEqual(0);
      expect(screen.trimEnd().endsWith('\u001b[?25h')).toBe(true);
    });

    test('with 500 rules there are fewer than 2,000 series, and promtool likes them', async () => {
      const securityRules = Array.from({ length: 500 }, (_, index) => ({
        name: `Rule${index}`,
        priority: 100 + index,
        direction: 'Inbound',
        access: 'Allow',
        protocol: '*',
        sourceAddressPrefix: '*',
        sourcePortRange: '*',
        destinationAddressPrefix: '*',
        destinationPortRange: '*',
      }));
      run(
        configuration({
          networkSecurityGroups: [{ name: 'NSG1', securityRules }],
          networkInterfaces: [
            { name: 'vm1', addresses: ['10.0.0.4'], wire: 'w', networkSecurityGroup: 'NSG1' },
          ],
        }),
      );
      await untilAnswering();
      const { stdout: page } = spawnSync(
        'curl',
        ['--silent', '--unix-socket', socket(), 'http://nsgd/metrics'],
        { encoding: 'utf8' },
      );
      const series = page.split('\n').filter((line) => /^[a-z]/.test(line));
      // Azure's six default rules, and platform rules.
      const rules = series.filter((line) => line.startsWith('nsgd_rule_hits_total'));
      expect(rules.length).toBeGreaterThan(506);
      expect(series.length).toBeLessThan(2000);
      expect(page).toMatch(/^process_cpu_seconds_total [0-9.]+$/m);
      expect(page).toMatch(/^process_open_fds [1-9]/m);
      expect(page).toMatch(/^nsgd_control_event_loop_delay_seconds [0-9.e-]+$/m);
      if (promtool === undefined) return;
      expect(runPromtool(['check', 'metrics'], page)).toEqual({ status: 0, output: '' });
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
