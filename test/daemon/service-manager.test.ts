import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ServiceManager } from '../../daemon/service-manager.ts';
import { DatagramSocket } from '../helpers/datagram-socket.ts';

describe('the service manager is told', () => {
  let folder: string;
  let systemd: DatagramSocket;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsgd-notify-'));
    path = join(folder, 'notify');
    systemd = new DatagramSocket(path);
  });
  afterEach(() => {
    systemd.close();
    rmSync(folder, { recursive: true });
  });

  const manager = (more: Record<string, string> = {}): ServiceManager =>
    new ServiceManager({ NOTIFY_SOCKET: path, ...more });
  const watched = { WATCHDOG_USEC: '6000000', WATCHDOG_PID: String(process.pid) };

  test('what sd_notify(3) has words for', () => {
    const one = manager();
    one.ready('2 flows');
    one.reloading();
    one.stopping();
    const [ready, reloading, stopping] = systemd.received();
    expect([ready, stopping]).toEqual(['READY=1\nSTATUS=2 flows', 'STOPPING=1\nSTATUS=stopping']);
    const microseconds = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading ?? '')?.[1];
    expect(Math.abs(Number(microseconds) / 1e6 - process.hrtime()[0])).toBeLessThan(5);
  });

  test('nothing that would be another assignment', () => {
    manager().report({ summary: 'wire w: failed\nWATCHDOG=trigger', isAlive: true });
    expect(systemd.received()).toEqual([String.raw`STATUS=wire w: failed\u000aWATCHDOG=trigger`]);
  });

  test('that it lives, three times per watchdog period, and only while it does', () => {
    const one = manager(watched);
    expect(one.interval).toBe(2000);
    one.report({ summary: 'fine', isAlive: true });
    one.report({ summary: 'hung', isAlive: false });
    expect(systemd.received()).toEqual(['STATUS=fine\nWATCHDOG=1', 'STATUS=hung']);
  });

  test('nothing of a watchdog that is for another process', () => {
    const one = manager({ ...watched, WATCHDOG_PID: '1' });
    one.report({ summary: 'fine', isAlive: true });
    expect(systemd.received()).toEqual(['STATUS=fine']);
  });
});

test('an abstract socket', () => {
  const path = `@nsgd-notify-${process.pid}`;
  const systemd = new DatagramSocket(path);
  new ServiceManager({ NOTIFY_SOCKET: path }).ready('here');
  expect(systemd.received()).toEqual(['READY=1\nSTATUS=here']);
  systemd.close();
});

test.each([
  {},
  { NOTIFY_SOCKET: '' },
  { NOTIFY_SOCKET: '/no/such/socket' },
  { NOTIFY_SOCKET: 'x' },
])('without a service manager that listens nothing happens: %j', (environment) => {
  const manager = new ServiceManager(environment);
  expect(() => manager.ready('fine')).not.toThrow();
  expect(manager.interval).toBe(10_000);
});
