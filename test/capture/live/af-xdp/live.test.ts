import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { assemble, exit as exitProgram, set } from '../../../../daemon/native/bpf-assembler.ts';
import { Bpf } from '../../../../daemon/native/bpf.ts';
import { kernelFunction } from '../../../../daemon/native/btf.ts';
import { readNetworkDevice } from '../../../../daemon/native/network-device.ts';
import { disableOffloads } from '../../../../daemon/native/offloads.ts';
import { VLAN_TAG_FUNCTION } from '../../../../daemon/native/xdp-program.ts';
import { compiled } from '../../../helpers/compiled.ts';
import { connect, liveTestObstacle, NetworkNamespace } from '../../../helpers/network-namespace.ts';
import {
  REPLAY_DISCARD_FRAMES,
  REPLAY_FRAMES,
  writeReplayFile,
} from '../../../helpers/replay-file.ts';
import { waitFor } from '../../../helpers/wait.ts';

interface Counts {
  judged: [number, number];
  dropped: [number, number];
  sent: [number, number];
  sentBytes: [number, number];
  failed: [number, number];
  kernelDrops: [number, number];
  ringFull: [number, number];
  invalidDescriptors: [number, number];
  batches: number;
  ticks: number;
  tagged: number;
  framesPerTick: number;
  heapBytes: number;
  processorMilliseconds: number;
}

const READY_NATIVE = {
  ready: true,
  isZeroCopy: false,
  interfaces: [
    { name: 'm0', mode: 'native', queues: 1, ringSlots: 8192 },
    { name: 'm1', mode: 'native', queues: 1, ringSlots: 8192 },
  ],
};
const obstacle = liveTestObstacle();
const hasTcpreplay = spawnSync('tcpreplay', ['-V']).status === 0;

describe.skipIf(obstacle !== undefined)(`af-xdp on a wire (${obstacle ?? 'live'})`, () => {
  const entry = compiled('test/capture/live/fixtures/af-xdp-wire.ts');
  let directory: string;
  let file: string;
  let outer: NetworkNamespace;
  let middle: NetworkNamespace;
  let inner: NetworkNamespace;
  let leave: (() => void) | undefined;
  let child: ChildProcess | undefined;
  const others: ChildProcess[] = [];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
    file = join(directory, 'udp.pcap');
    writeReplayFile(file, '10.98.0.1', '10.98.0.2');
    outer = new NetworkNamespace('outer');
    middle = new NetworkNamespace('middle');
    inner = new NetworkNamespace('inner');
    makeOutside();
    connect([inner, 'b0'], [middle, 'm1']);
    inner.ip('link', 'set', 'b0', 'address', '02:00:00:00:00:0b');
    inner.ip('addr', 'add', '10.98.0.2/24', 'dev', 'b0');
    inner.neighbour('10.98.0.1', '02:00:00:00:00:0a', 'b0');
    leave = middle.enter();
    disableOffloads('m0');
    disableOffloads('m1');
  });
  afterEach(async () => {
    for (const started of others.splice(0)) started.kill('SIGKILL');
    await end();
  });
  afterAll(() => {
    leave?.();
    for (const namespace of [outer, middle, inner]) namespace.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The cable on the outside. Its far end keeps its offloads, as the host on a veth would. */
  function makeOutside(...options: readonly string[]): void {
    outer.ip(
      ...['link', 'add', 'a0', ...options, 'type', 'veth'],
      ...['peer', 'name', 'm0', ...options, 'netns', middle.name],
    );
    outer.ip('link', 'set', 'a0', 'address', '02:00:00:00:00:0a');
    outer.ip('link', 'set', 'a0', 'up');
    middle.ip('link', 'set', 'm0', 'up');
    outer.ip('addr', 'add', '10.98.0.1/24', 'dev', 'a0');
    outer.neighbour('10.98.0.2', '02:00:00:00:00:0b', 'a0');
  }

  async function end(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  async function open(mode = 'native', devices: readonly string[] = ['m0', 'm1']) {
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

  const ping = (...options: readonly string[]): boolean =>
    outer.succeeds('ping', '-q', '-W', '1', ...options, '10.98.0.2');

  /** Sends the replay file and checks that every frame is accounted for. @returns the counts of this run */
  async function replay(loops: number, ...speed: readonly string[]): Promise<Counts> {
    const before = await ask('report');
    const arrivedBefore = middle.received('m0');
    const sinkBefore = inner.received('b0');
    outer.run('tcpreplay', '-q', '-i', 'a0', ...speed, '-K', '--loop', String(loops), file);
    // What the sender's own device lost never came here.
    const offered = middle.received('m0') - arrivedBefore;
    const counts = await waitFor('the frames to be counted', async () => {
      const now = await ask('report');
      const seen = now.judged[0] - before.judged[0] + now.kernelDrops[0] - before.kernelDrops[0];
      return seen === offered ? now : undefined;
    });
    const judged = counts.judged[0] - before.judged[0];
    const sent = counts.sent[1] - before.sent[1];
    expect(sent + counts.dropped[0] - before.dropped[0] + counts.failed[1]).toBe(judged);
    expect(inner.received('b0') - sinkBefore).toBe(sent);
    expect(counts.framesPerTick).toBeLessThanOrEqual(32);
    expect(counts.invalidDescriptors).toEqual([0, 0]);
    expect(counts.ringFull[0]).toBeLessThanOrEqual(counts.kernelDrops[0]);
    return {
      ...counts,
      judged: [judged, 0],
      dropped: [counts.dropped[0] - before.dropped[0], 0],
      kernelDrops: [counts.kernelDrops[0] - before.kernelDrops[0], 0],
      heapBytes: counts.heapBytes - before.heapBytes,
    };
  }

  test.each(['native', 'generic'])('ping passes both ways, every frame once: %s', async (mode) => {
    const interfaces = READY_NATIVE.interfaces.map((device) => ({ ...device, mode }));
    expect(await open(mode)).toEqual({ ...READY_NATIVE, interfaces });
    expect(ping('-c', '5', '-i', '0.05')).toBe(true);
    const counts = await ask('report');
    expect(counts).toMatchObject({ judged: [5, 5], sent: [5, 5], failed: [0, 0] });
    expect(counts.sentBytes).toEqual([5 * 98, 5 * 98]);
  });

  test('the host behind the interfaces sees nothing, and answers nothing', async () => {
    await open();
    middle.ip('addr', 'add', '10.98.0.9/24', 'dev', 'm0');
    const { hardwareAddress } = readNetworkDevice('m0') ?? { hardwareAddress: '' };
    outer.neighbour('10.98.0.9', hardwareAddress, 'a0');
    expect(outer.succeeds('ping', '-q', '-c', '1', '-W', '1', '10.98.0.9')).toBe(false);
    expect((await ask('report')).judged[0]).toBeGreaterThan(0);
    await end();
    expect(outer.succeeds('ping', '-q', '-c', '1', '-W', '1', '10.98.0.9')).toBe(true);
    middle.ip('addr', 'del', '10.98.0.9/24', 'dev', 'm0');
  });

  test.skipIf(!hasTcpreplay)('50,000 frames a second: all are accounted for', async () => {
    await open();
    const counts = await replay(100, '--pps', '50000');
    expect(counts.judged[0] + counts.kernelDrops[0]).toBe(100 * REPLAY_FRAMES);
    if (counts.kernelDrops[0] === 0) expect(counts.dropped[0]).toBe(100 * REPLAY_DISCARD_FRAMES);
  });

  test.skipIf(!hasTcpreplay)(
    'a flood: what was not read in time is counted by the kernel',
    async () => {
      await open();
      await replay(300, '--topspeed');
      // Compiled by now: what is left is what the loop allocates.
      const counts = await replay(300, '--topspeed');
      expect(counts.heapBytes / counts.judged[0]).toBeLessThan(8);
    },
  );

  test.skipIf(!hasTcpreplay)('the general path counts as exactly', async () => {
    await open('generic');
    await replay(200, '--topspeed');
  });

  test('an idle wire uses less than 1% of a processor, and sees messages in time', async () => {
    await open();
    await sleep(500);
    const spent: number[] = [];
    // The least of a few looks: right after a start the compiler is still at work, for longer on a busy machine.
    while (spent.length < 4 && Math.min(...spent) >= 30) {
      const before = await ask('report');
      await sleep(3000);
      const asked = performance.now();
      const after = await ask('report');
      expect(performance.now() - asked).toBeLessThan(500);
      expect(after.ticks - before.ticks).toBeGreaterThanOrEqual(20);
      spent.push(after.processorMilliseconds - before.processorMilliseconds);
    }
    expect(Math.min(...spent)).toBeLessThan(30);
  });

  test('killed without a word, the next opens at once and forwards', async () => {
    await open();
    expect(ping('-c', '1')).toBe(true);
    await end();
    expect(middle.ip('link', 'show', 'm0')).not.toContain('xdp');
    expect(await open()).toEqual(READY_NATIVE);
    expect(ping('-c', '1')).toBe(true);
  });

  test('stop within the loop ends the process, with nothing more sent', async () => {
    await open();
    const flood = outer.start('ping', '-q', '-f', '-c', '5000', '10.98.0.2');
    others.push(flood);
    const flooded = once(flood, 'exit');
    await sleep(100);
    if (child === undefined) throw new Error('no child');
    const exit = once(child, 'exit');
    const counts = await ask('stop');
    expect(counts.judged[0]).toBeGreaterThan(0);
    expect(await exit).toEqual([0, null]);
    const after = inner.received('b0');
    flood.kill('SIGKILL');
    await flooded;
    expect(inner.received('b0')).toBe(after);
  });

  test('a link that goes down fails its frames; up again, it forwards', async () => {
    await open();
    middle.ip('link', 'set', 'm1', 'down');
    expect(ping('-c', '3', '-i', '0.05')).toBe(false);
    const down = await ask('report');
    expect(down.judged[0]).toBe(3);
    expect(down.sent[1]).toBe(0);
    middle.ip('link', 'set', 'm1', 'up');
    inner.neighbour('10.98.0.1', '02:00:00:00:00:0a', 'b0');
    expect(ping('-c', '5', '-i', '0.1')).toBe(true);
    const up = await ask('report');
    expect(up.sent[1] + up.failed[1]).toBe(up.judged[0]);
    expect(up.sent[0]).toBeGreaterThanOrEqual(4);
  });

  test('an interface that is removed ends the wire and is named; made again, it opens', async () => {
    await open();
    if (child === undefined) throw new Error('no child');
    const message = once(child, 'message');
    const exit = once(child, 'exit');
    middle.ip('link', 'del', 'm0');
    expect(await message).toEqual([{ lost: 'interface m0 is gone' }, undefined]);
    expect(await exit).toEqual([4, null]);
    // With two queues this time.
    makeOutside('numrxqueues', '2', 'numtxqueues', '2');
    const interfaces = READY_NATIVE.interfaces.map((device) => ({
      ...device,
      queues: device.name === 'm0' ? 2 : 1,
      ringSlots: 4096,
    }));
    expect(await open()).toEqual({ ...READY_NATIVE, interfaces });
    expect(ping('-c', '1')).toBe(true);
    if (hasTcpreplay) await replay(20, '--pps', '20000');
    await end();
    middle.ip('link', 'del', 'm0');
    makeOutside();
    disableOffloads('m0');
  });

  test.each([
    ['in the driver', false],
    ['in the general path', true],
  ])('a program that is attached already %s is named as what it is', async (_, isGeneric) => {
    const bpf = new Bpf();
    const XDP_PASS = 2;
    const program = bpf.loadXdpProgram(assemble([set(0, XDP_PASS), exitProgram()]));
    const link = bpf.linkXdp(program, readNetworkDevice('m1')?.index ?? 0, isGeneric);
    expect(await open()).toEqual({
      error: expect.stringMatching(
        /^cannot attach the XDP program to m1 \(native mode\): another program uses it; see "ip link/,
      ),
      isUnsupported: false,
    });
    for (const descriptor of [link, program]) bpf.close(descriptor);
    expect(await open()).toEqual(READY_NATIVE);
  });

  test('a second af-xdp on the same interfaces is refused; the first goes on', async () => {
    await open();
    const first = child;
    expect(await open()).toEqual({
      error: expect.stringMatching(/^cannot bind to queue 0 of m0: another program uses it/),
      isUnsupported: false,
    });
    await end();
    child = first;
    expect(ping('-c', '1')).toBe(true);
  });

  test('jumbo frames are refused with the limit', async () => {
    for (const device of ['m0', 'm1']) middle.ip('link', 'set', device, 'mtu', '9000');
    expect(await open()).toEqual({
      error: expect.stringMatching(/^m0 has MTU 9000; af-xdp .* at most 3818: /),
      isUnsupported: true,
    });
    for (const device of ['m0', 'm1']) middle.ip('link', 'set', device, 'mtu', '1500');
  });

  test('frames of 3,000 bytes pass where the MTU allows', async () => {
    const ends = [
      [outer, 'a0'],
      [middle, 'm0'],
      [middle, 'm1'],
      [inner, 'b0'],
    ] as const;
    for (const [namespace, device] of ends) namespace.ip('link', 'set', device, 'mtu', '3000');
    await open();
    expect(ping('-c', '1', '-M', 'do', '-s', '2972')).toBe(true);
    expect((await ask('report')).sentBytes).toEqual([3014, 3014]);
    await end();
    for (const [namespace, device] of ends) namespace.ip('link', 'set', device, 'mtu', '1500');
  });

  test.skipIf(kernelFunction(VLAN_TAG_FUNCTION) === undefined)(
    'a VLAN tag that the sender left beside the frame is in it again',
    async () => {
      await open();
      const restore = outer.enter();
      const pusher = fork(compiled('test/capture/live/fixtures/tag-pusher.ts'), ['a0', '5'], {
        execArgv: [],
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      });
      restore();
      others.push(pusher);
      expect(await once(pusher, 'message')).toEqual([{ ready: true }, undefined]);
      ping('-c', '1');
      const counts = await ask('report');
      expect([counts.judged[0], counts.tagged, counts.sentBytes[1]]).toEqual([1, 1, 102]);
    },
  );

  test.each([
    ['is missing', ['m0', 'nsgd-none'], /nsgd-none is not an Ethernet interface that is up/],
    ['is no Ethernet', ['lo', 'm1'], /lo is not an Ethernet interface that is up/],
  ])('an interface that %s is refused', async (_, devices, message) => {
    expect(await open('native', devices)).toMatchObject({ error: expect.stringMatching(message) });
  });
});
