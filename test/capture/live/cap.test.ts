import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { waitFor } from '../../helpers/wait.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { disableOffloads } from '../../../daemon/native/offloads.ts';
import { compiled } from '../../helpers/compiled.ts';
import { connect, liveTestObstacle, NetworkNamespace } from '../../helpers/network-namespace.ts';
import {
  REPLAY_DISCARD_FRAMES,
  REPLAY_FRAMES,
  writeReplayFile,
} from '../../helpers/replay-file.ts';

interface Counts {
  judged: [number, number];
  dropped: [number, number];
  sent: [number, number];
  sentBytes: [number, number];
  failed: [number, number];
  kernelDrops: [number, number];
  ticks: number;
}

const obstacle = liveTestObstacle();
const hasTcpreplay = spawnSync('tcpreplay', ['-V']).status === 0;

describe.skipIf(obstacle !== undefined)(`cap on a wire (${obstacle ?? 'live'})`, () => {
  const entry = compiled('test/capture/live/fixtures/cap-wire.ts');
  let directory: string;
  let file: string;
  let outer: NetworkNamespace;
  let middle: NetworkNamespace;
  let inner: NetworkNamespace;
  let leave: (() => void) | undefined;
  let child: ChildProcess | undefined;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
    file = join(directory, 'udp.pcap');
    writeReplayFile(file, '10.99.0.1', '10.99.0.2');
    outer = new NetworkNamespace('outer');
    middle = new NetworkNamespace('middle');
    inner = new NetworkNamespace('inner');
    connect([outer, 'a0'], [middle, 'm0']);
    connect([inner, 'b0'], [middle, 'm1']);
    outer.ip('addr', 'add', '10.99.0.1/24', 'dev', 'a0');
    inner.ip('addr', 'add', '10.99.0.2/24', 'dev', 'b0');
    outer.ip('link', 'set', 'a0', 'address', '02:00:00:00:00:0a');
    inner.ip('link', 'set', 'b0', 'address', '02:00:00:00:00:0b');
    outer.neighbour('10.99.0.2', '02:00:00:00:00:0b', 'a0');
    inner.neighbour('10.99.0.1', '02:00:00:00:00:0a', 'b0');
    leave = middle.enter();
    disableOffloads('m0');
    disableOffloads('m1');
  });
  afterEach(() => {
    child?.kill('SIGKILL');
    child = undefined;
    for (const device of ['m0', 'm1']) middle.ip('link', 'set', device, 'up', 'mtu', '1500');
  });
  afterAll(() => {
    leave?.();
    for (const namespace of [outer, middle, inner]) namespace.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  async function open(
    mode = 'inline',
    devices: readonly string[] = ['m0', 'm1'],
  ): Promise<unknown> {
    child = fork(entry, [...devices, mode], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const [message] = (await once(child, 'message')) as [unknown];
    return message;
  }

  async function ask(order: 'report' | 'stop'): Promise<Counts> {
    if (child === undefined) throw new Error('no child');
    const answer = once(child, 'message');
    child.send(order);
    const [counts] = (await answer) as [Counts];
    return counts;
  }

  test('inline: ping passes both ways, every frame once, none comes back', async () => {
    expect(await open()).toEqual({ ready: true });
    outer.run('ping', '-q', '-c', '5', '-i', '0.05', '-W', '2', '10.99.0.2');
    // ping has seen the last reply before the child has counted it.
    const counts = await waitFor('five replies', async () => {
      const report = await ask('report');
      return (report.sent[0] ?? 0) >= 5 ? report : undefined;
    });
    expect(counts).toMatchObject({ judged: [5, 5], sent: [5, 5], failed: [0, 0] });
    expect(counts.sentBytes).toEqual([5 * 98, 5 * 98]);
  });

  test('monitor: frames are judged, nothing is sent', async () => {
    expect(await open('monitor')).toEqual({ ready: true });
    outer.neighbour('10.99.0.3', '02:00:00:00:00:03', 'a0');
    expect(outer.succeeds('ping', '-q', '-c', '1', '-W', '1', '10.99.0.3')).toBe(false);
    const counts = await ask('report');
    expect(counts.judged[0]).toBeGreaterThan(0);
    expect(counts.sent).toEqual([0, 0]);
  });

  test('frames that the host itself sends on an interface are not seen', async () => {
    await open();
    middle.ip('addr', 'add', '10.99.0.9/24', 'dev', 'm1');
    middle.neighbour('10.99.0.77', '02:00:00:00:00:77', 'm1');
    const before = await ask('report');
    // The host's own frames leave by m1; nobody has the address, so nothing comes back.
    middle.succeeds('ping', '-q', '-c', '1', '-W', '1', '10.99.0.77');
    const after = await ask('report');
    middle.ip('addr', 'del', '10.99.0.9/24', 'dev', 'm1');
    expect(after.judged).toEqual(before.judged);
  });

  test.skipIf(!hasTcpreplay)(
    'conservation at 20,000 frames a second: sent = forwarded + dropped + kernel drops',
    async () => {
      await open();
      const receivedBefore = inner.received('b0');
      const replay = outer.start(
        'tcpreplay',
        '-q',
        '-i',
        'a0',
        '--pps',
        '20000',
        '--loop',
        '30',
        file,
      );
      expect(await once(replay, 'exit')).toEqual([0, null]);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const counts = await ask('report');
      const offered = 30 * REPLAY_FRAMES;
      expect(counts.judged[0] + counts.kernelDrops[0]).toBe(offered);
      expect(counts.sent[1] + counts.dropped[0] + counts.failed[1]).toBe(counts.judged[0]);
      expect(inner.received('b0') - receivedBefore).toBe(counts.sent[1]);
      if (counts.kernelDrops[0] === 0) expect(counts.dropped[0]).toBe(30 * REPLAY_DISCARD_FRAMES);
      expect(counts.ticks).toBeGreaterThanOrEqual(Math.floor(counts.judged[0] / 32));
    },
  );

  test.skipIf(!hasTcpreplay)(
    'conservation under a flood that the ring cannot hold: the kernel drops are counted',
    async () => {
      await open();
      const receivedBefore = inner.received('b0');
      outer.run('tcpreplay', '-q', '-i', 'a0', '--topspeed', '-K', '--loop', '400', file);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const counts = await ask('report');
      const offered = 400 * REPLAY_FRAMES;
      expect(counts.judged[0] + counts.kernelDrops[0]).toBe(offered);
      expect(counts.sent[1] + counts.dropped[0] + counts.failed[1]).toBe(counts.judged[0]);
      expect(inner.received('b0') - receivedBefore).toBe(counts.sent[1]);
    },
  );

  test('a frame above the MTU of the other side is a failed send, not a crash', async () => {
    middle.ip('link', 'set', 'm1', 'mtu', '1000');
    await open();
    outer.succeeds('ping', '-q', '-c', '1', '-W', '1', '-s', '1300', '10.99.0.2');
    const counts = await ask('report');
    expect(counts.failed[1]).toBeGreaterThan(0);
    expect(counts.sent[1] + counts.failed[1]).toBe(counts.judged[0]);
  });

  test('stop inside the packet loop ends the process cleanly, with nothing more sent', async () => {
    await open();
    const flood = outer.start('ping', '-q', '-f', '-c', '2000', '10.99.0.2');
    const flooded = once(flood, 'exit');
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (child === undefined) throw new Error('no child');
    const exit = once(child, 'exit');
    const counts = await ask('stop');
    expect(counts.judged[0]).toBeGreaterThan(0);
    expect(await exit).toEqual([0, null]);
    flood.kill('SIGKILL');
    await flooded;
  });

  test('a link that goes down ends the process, and only that', async () => {
    await open();
    if (child === undefined) throw new Error('no child');
    const exit = once(child, 'exit');
    middle.ip('link', 'set', 'm1', 'down');
    expect(await exit).toEqual([null, 'SIGABRT']);
    middle.ip('link', 'set', 'm1', 'up');
    expect(await open()).toEqual({ ready: true });
    outer.run('ping', '-q', '-c', '1', '-W', '2', '10.99.0.2');
  });

  test.each([
    ['is missing', ['m0', 'nsgd-none'], /nsgd-none is not an Ethernet interface that is up/],
    ['is no Ethernet', ['lo', 'm1'], /lo is not an Ethernet interface that is up/],
  ])('an interface that %s is refused', async (_, devices, message) => {
    expect(await open('inline', devices)).toEqual({ error: expect.stringMatching(message) });
  });

  test('an interface that is down is refused', async () => {
    middle.ip('link', 'set', 'm0', 'down');
    expect(await open()).toEqual({ error: expect.stringMatching(/m0 is not an Ethernet/) });
  });
});
