import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { loadLibc, SystemCallError } from '../../daemon/native/libc.ts';
import { isDeviceName, readNetworkDevice } from '../../daemon/native/network-device.ts';
import {
  activeOffloads,
  disableOffloads,
  OffloadError,
  readSavedOffloads,
  restoreOffloads,
  writeSavedOffloads,
} from '../../daemon/native/offloads.ts';
import { OffloadPolicy, WireOffloads } from '../../daemon/supervisor-wire.ts';
import { liveTestObstacle, NetworkNamespace } from '../helpers/network-namespace.ts';

const obstacle = liveTestObstacle();
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('libc', () => {
  test('without koffi the error says what to do', async () => {
    vi.resetModules();
    vi.doMock('node:module', () => ({
      createRequire: () => () => {
        throw new Error('Cannot find module');
      },
    }));
    try {
      const fresh = await import('../../daemon/native/libc.ts');
      expect(() => fresh.loadLibc()).toThrow(
        /koffi is not installed; offline commands work without it; npm install koffi/,
      );
    } finally {
      vi.doUnmock('node:module');
      vi.resetModules();
    }
  });

  test('a failed call carries its name and its errno', () => {
    const error = (() => {
      try {
        loadLibc().setSocketOption(999, 1, 2, 3);
        return undefined;
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(SystemCallError);
    expect(error).toMatchObject({ code: 'EBADF', errno: 9, syscall: 'setsockopt' });
  });

  test('a lock is held by one open file at a time', () => {
    const path = join(directory, 'lock');
    const first = openSync(path, 'w');
    const second = openSync(path, 'w');
    expect(loadLibc().tryLock(first)).toBe(true);
    expect(loadLibc().tryLock(second)).toBe(false);
    closeSync(first);
    expect(loadLibc().tryLock(second)).toBe(true);
    closeSync(second);
  });

  test('an interface name that does not fit is refused before the kernel sees it', () => {
    expect(() => loadLibc().deviceIoctl('a'.repeat(16), 0x8913)).toThrow(RangeError);
  });
});

describe('network devices', () => {
  test.each([
    ['eth0', true],
    ['wlp3s0.100', true],
    ['a', true],
    ['', false],
    ['.', false],
    ['..', false],
    ['abcdefghijklmnop', false],
    ['a b', false],
    ['a/b', false],
    ['eth0;id', false],
  ])('%j is a device name: %s', (name, isName) => {
    expect(isDeviceName(name)).toBe(isName);
  });

  test('the loopback device is up and no Ethernet', () => {
    expect(readNetworkDevice('lo')).toMatchObject({
      name: 'lo',
      index: 1,
      isEthernet: false,
      hardwareAddress: '00:00:00:00:00:00',
    });
  });

  test('a missing device is undefined, an impossible name an error', () => {
    expect(readNetworkDevice('nsgd-none')).toBeUndefined();
    expect(() => readNetworkDevice('../x')).toThrow(RangeError);
  });
});

test('what is saved of offloads is read back; a damaged file counts as none', () => {
  const path = join(directory, 'offloads.json');
  const saved = [{ device: 'eth0', index: 3, features: ['rx-gro'] }];
  writeSavedOffloads(path, saved);
  expect(readSavedOffloads(path)).toEqual(saved);
  writeSavedOffloads(path, [{ device: 'eth0' }, 7] as never);
  expect(readSavedOffloads(path)).toEqual([]);
  expect(readSavedOffloads(join(directory, 'none'))).toEqual([]);
});

describe.skipIf(obstacle !== undefined)(`devices of a namespace (${obstacle ?? 'live'})`, () => {
  let namespace: NetworkNamespace;
  let leave: (() => void) | undefined;

  beforeAll(() => {
    namespace = new NetworkNamespace('native');
    namespace.ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    namespace.ip('link', 'set', 'v0', 'mtu', '1400', 'address', '02:00:00:00:0a:0b');
    leave = namespace.enter();
  });
  afterAll(() => {
    leave?.();
    namespace.remove();
  });

  test('state, MTU and address follow the device', () => {
    const down = readNetworkDevice('v0');
    expect(down).toMatchObject({
      mtu: 1400,
      hardwareAddress: '02:00:00:00:0a:0b',
      isEthernet: true,
      isUp: false,
      isRunning: false,
    });
    namespace.ip('link', 'set', 'v0', 'up');
    expect(readNetworkDevice('v0')).toMatchObject({ isUp: true, isRunning: false });
    namespace.ip('link', 'set', 'v1', 'up');
    expect(readNetworkDevice('v0')).toMatchObject({ isUp: true, isRunning: true });
  });

  /** As a person would ask: name to on or off. */
  function ethtool(device: string): Map<string, string> {
    const lines = namespace.run('ethtool', '-k', device).split('\n');
    return new Map(
      lines.flatMap((line) => {
        const match = /^\s*([a-z0-9_-]+): (on|off)/.exec(line);
        return match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const];
      }),
    );
  }

  test('offloads go off and come back as they were, one that was off stays off', () => {
    namespace.run('ethtool', '-K', 'v0', 'gro', 'on', 'tx-udp-segmentation', 'off');
    const before = ethtool('v0');
    expect(activeOffloads('v0')).toContain('rx-gro');
    const saved = disableOffloads('v0');
    expect(activeOffloads('v0')).toEqual([]);
    const during = ethtool('v0');
    for (const name of [
      'generic-receive-offload',
      'large-receive-offload',
      'generic-segmentation-offload',
      'tcp-segmentation-offload',
      'tx-checksumming',
      'tx-tcp-segmentation',
      'tx-udp-segmentation',
    ]) {
      expect([name, during.get(name)]).toEqual([name, 'off']);
    }
    restoreOffloads(saved);
    expect(ethtool('v0')).toEqual(before);
  });

  test('a feature that waits for another, which the kernel answers with a wish and no error, comes back too', () => {
    namespace.run('ethtool', '-K', 'v0', 'tx', 'off');
    try {
      const before = ethtool('v0');
      const saved = disableOffloads('v0');
      // Segmentation needs checksums: it was wanted, and not active.
      expect(saved.features).toContain('tx-tcp-segmentation');
      expect(ethtool('v0').get('tx-tcp-segmentation')).toBe('off');
      restoreOffloads(saved);
      expect(ethtool('v0')).toEqual(before);
    } finally {
      namespace.run('ethtool', '-K', 'v0', 'tx', 'on');
    }
    expect(ethtool('v0').get('tx-tcp-segmentation')).toBe('on');
  });

  test('a second switch-off saves nothing; restoring a device made anew changes nothing', () => {
    const saved = disableOffloads('v1');
    expect(disableOffloads('v1').features).toEqual([]);
    restoreOffloads({ ...saved, index: saved.index + 1000 });
    expect(activeOffloads('v1')).toEqual([]);
    restoreOffloads(saved);
    expect(activeOffloads('v1')).not.toEqual([]);
  });

  test('what one process switched off, the next one restores, also after two switch-offs', () => {
    const before = activeOffloads('v0');
    const path = join(directory, 'wire-offloads.json');
    const names = { outside: 'v0', inside: 'v1' };
    const killed = new WireOffloads(names, OffloadPolicy.Disable, path);
    killed.apply();
    killed.apply();
    expect(activeOffloads('v0')).toEqual([]);
    const next = new WireOffloads(names, OffloadPolicy.Disable, path);
    next.apply();
    next.restore();
    expect(activeOffloads('v0')).toEqual(before);
    expect(readSavedOffloads(path)).toEqual([]);
  });

  test('a device that keeps an offload on is refused by name, with nothing changed', () => {
    const before = ethtool('lo');
    expect(() => disableOffloads('lo')).toThrow(OffloadError);
    expect(() => disableOffloads('lo')).toThrow(/offloads of lo stay on \(.*tx-checksum/);
    expect(ethtool('lo')).toEqual(before);
  });
});
