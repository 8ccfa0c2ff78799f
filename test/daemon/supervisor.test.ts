import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { Segment } from '../../daemon/native/segment.ts';
import { activeOffloads } from '../../daemon/native/offloads.ts';
import {
  type DataPlaneExit,
  Supervisor,
  type SupervisorOptions,
  type SupervisorState,
} from '../../daemon/supervisor.ts';
import {
  createWireSegments,
  publishPolicy,
  type WireSegments,
} from '../../daemon/supervisor-segments.ts';
import { WireMode } from '../../src/capture/live/live-wire.ts';
import { InterfaceCounter } from '../../src/engine/counters.ts';
import { Reason } from '../../src/engine/reason.ts';
import { compiled } from '../helpers/compiled.ts';
import { connect, liveTestObstacle, NetworkNamespace } from '../helpers/network-namespace.ts';
import { REPLAY_DISCARD_FRAMES, REPLAY_FRAMES, writeReplayFile } from '../helpers/replay-file.ts';
import { waitFor } from '../helpers/wait.ts';
import { imageDenying } from './fixtures/policies.ts';

const obstacle = liveTestObstacle();
const hasTcpreplay = spawnSync('tcpreplay', ['-V']).status === 0;
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Soon enough; how soon it is on a quiet machine is measured by `make faults`. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor('a condition', async () => ((await condition()) ? true : undefined), 10_000);
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(obstacle !== undefined)(`a supervised data plane (${obstacle ?? 'live'})`, () => {
  const entry = compiled('daemon/data-plane/main.ts');
  const failing = compiled('test/daemon/fixtures/failing-data-plane.ts');
  let directory: string;
  let outer: NetworkNamespace;
  let middle: NetworkNamespace;
  let inner: NetworkNamespace;
  let leave: (() => void) | undefined;
  let segments: WireSegments;
  let supervisor: Supervisor;
  let states: string[];
  let exits: DataPlaneExit[];

  beforeAll(() => {
    outer = new NetworkNamespace('outer');
    middle = new NetworkNamespace('middle');
    inner = new NetworkNamespace('inner');
    connect([outer, 'a0'], [middle, 'm0']);
    connectInner();
    outer.ip('link', 'set', 'a0', 'address', '02:00:00:00:00:0a');
    outer.ip('addr', 'add', '10.98.0.1/24', 'dev', 'a0');
    outer.neighbour('10.98.0.2', '02:00:00:00:00:0b', 'a0');
    leave = middle.enter();
  });
  afterAll(() => {
    leave?.();
    for (const namespace of [outer, middle, inner]) namespace.remove();
  });

  function connectInner(): void {
    connect([inner, 'b0'], [middle, 'm1']);
    // Fixed neighbours: no question is asked that a count would have to allow for.
    inner.ip('link', 'set', 'b0', 'address', '02:00:00:00:00:0b');
    inner.ip('addr', 'add', '10.98.0.2/24', 'dev', 'b0');
    inner.neighbour('10.98.0.1', '02:00:00:00:00:0a', 'b0');
  }

  /** One echo through the wire. Not waited for synchronously: the supervisor lives in this process. */
  async function pings(): Promise<boolean> {
    const ping = outer.start('ping', '-q', '-c', '1', '-W', '0.3', '10.98.0.2');
    const [code] = (await once(ping, 'exit')) as [number | null];
    return code === 0;
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(MEMORY, 'nsgd-t-'));
    segments = createWireSegments(directory, 'wire0', { maxFlows: 1024, seeds: [1, 2] });
    expect(await publishPolicy(segments, imageDenying(9, 1), 1)).toEqual({ status: 'pending' });
  });
  afterEach(async () => {
    await supervisor.stop();
    for (const device of ['m0', 'm1']) middle.ip('link', 'set', device, 'up', 'mtu', '1500');
    rmSync(directory, { recursive: true, force: true });
  });

  function supervise(options: Partial<SupervisorOptions> = {}): void {
    states = [];
    exits = [];
    const start = {
      runtimeDirectory: directory,
      wire: 'wire0',
      outside: 'm0',
      inside: 'm1',
      mode: WireMode.Inline,
      backend: 'cap',
      ringBytes: 4 << 20,
      busyPoll: 0,
      pickUpSeconds: 0,
    } as const;
    supervisor = new Supervisor({ start, offloads: 'disable', entry, ...options }, segments);
    supervisor.on('state', (state, detail) =>
      states.push(detail === '' ? state : `${state}: ${detail}`),
    );
    supervisor.on('exit', (exit) => exits.push(exit));
    supervisor.start();
  }

  async function reached(state: SupervisorState, timeoutMs = 5_000): Promise<void> {
    await waitFor(
      `state ${state}`,
      () => (supervisor.state === state ? true : undefined),
      timeoutMs,
    );
  }

  test('forwards, counts, and puts the offloads back when it stops', async () => {
    const before = activeOffloads('m0');
    expect(before).not.toEqual([]);
    supervise();
    await reached('running');
    expect(activeOffloads('m0')).toEqual([]);
    expect(await pings()).toBe(true);
    await waitFor('readiness', () => (supervisor.isReady ? true : undefined));
    expect(segments.counters.interface(1, InterfaceCounter.FramesOut)).toBeGreaterThan(0);
    expect(segments.flows.size).toBe(1);
    await supervisor.stop();
    expect(states).toEqual(['starting', 'running', 'stopping', 'stopped']);
    expect(exits).toMatchObject([{ code: 0, signal: null, detail: '' }]);
    expect(activeOffloads('m0')).toEqual(before);
    expect(await pings()).toBe(false);
  });

  test('SIGUSR1 opens no inspector', async () => {
    supervise();
    await reached('running');
    process.kill(supervisor.processId ?? 0, 'SIGUSR1');
    await sleep(300);
    expect(middle.run('ss', '-Hltn')).toBe('');
    expect(await pings()).toBe(true);
  });

  test('its heap has the size it is told, and a Node that does not know the flag starts it all the same', async () => {
    supervise();
    await reached('running');
    const commandLine = readFileSync(`/proc/${supervisor.processId ?? 0}/cmdline`, 'utf8');
    expect(commandLine.split('\0')).toContain('--min-semi-space-size=16');
    expect(exits).toEqual([]);
    await supervisor.stop();
    supervise({ heapFlags: ['--no-such-flag'] });
    await reached('running');
    expect(exits).toMatchObject([{ code: 9, detail: expect.stringContaining('--no-such-flag') }]);
    expect(await pings()).toBe(true);
  });

  test('a new policy is in force when publishing says so, and a broken one changes nothing', async () => {
    supervise();
    await reached('running');
    expect(await publishPolicy(segments, imageDenying(10, 2), 2)).toEqual({ status: 'active' });
    expect(await publishPolicy(segments, new ArrayBuffer(4096), 3)).toEqual({ status: 'rejected' });
    expect(segments.page).toMatchObject({ activeGeneration: 2, wantedGeneration: 2 });
    expect(await pings()).toBe(true);
    expect(await publishPolicy(segments, imageDenying(11, 4), 4)).toEqual({ status: 'active' });
  });

  test.skipIf(!hasTcpreplay)(
    '50,000 frames a second: offered = forwarded + denied + kernel drops, and the far end agrees',
    async () => {
      supervise();
      await reached('running');
      const file = join(directory, 'udp.pcap');
      writeReplayFile(file, '10.98.0.1', '10.98.0.2');
      const received = inner.received('b0');
      const loops = 100;
      const options = ['-q', '-K', '-i', 'a0', '--pps', '50000', '--loop', `${loops}`, file];
      const replay = outer.start('tcpreplay', ...options);
      expect(await once(replay, 'exit')).toEqual([0, null]);
      await sleep(1_500);
      const { counters } = segments;
      const drops = counters.interface(0, InterfaceCounter.KernelDrops);
      const judged = counters.interface(0, InterfaceCounter.FramesIn);
      const sent = counters.interface(1, InterfaceCounter.FramesOut);
      const denied = counters.reasonFrames(0, Reason.RuleDeny);
      expect(judged + drops).toBe(loops * REPLAY_FRAMES);
      expect(sent + denied).toBe(judged);
      expect(inner.received('b0') - received).toBe(sent);
      if (drops === 0) expect(denied).toBe(loops * REPLAY_DISCARD_FRAMES);
    },
  );

  test('killed, it is back soon with its flows', async () => {
    supervise();
    await reached('running');
    await pings();
    const flows = segments.flows.size;
    expect(flows).toBeGreaterThan(0);
    for (const restarts of [1, 2, 3]) {
      const processId = supervisor.processId;
      if (processId === undefined) throw new Error('no process');
      process.kill(processId, 'SIGKILL');
      // oxlint-disable-next-line no-await-in-loop -- one kill after another
      await until(() => supervisor.state === 'running' && supervisor.processId !== processId);
      expect(supervisor.restarts).toBe(restarts);
    }
    expect(segments.flows.size).toBe(flows);
    expect(exits.map(({ signal, isLinkDown }) => [signal, isLinkDown])).toEqual(
      Array.from({ length: 3 }, () => ['SIGKILL', false]),
    );
    expect(await pings()).toBe(true);
  });

  test('a link that goes down is waited for; forwarding resumes when it is up', async () => {
    supervise();
    await reached('running');
    middle.ip('link', 'set', 'm1', 'down');
    await reached('waiting');
    expect(supervisor.detail).toBe('m1 is down');
    expect(supervisor.isReady).toBe(false);
    expect(exits).toMatchObject([{ signal: 'SIGABRT', isLinkDown: true }]);
    await sleep(300);
    expect(states.filter((state) => state.startsWith('waiting'))).toHaveLength(1);
    middle.ip('link', 'set', 'm1', 'up');
    await until(pings);
  });

  test('links that flap are survived', async () => {
    supervise();
    await reached('running');
    for (let round = 0; round < 10; round++) {
      middle.ip('link', 'set', round % 2 === 0 ? 'm0' : 'm1', 'down');
      // oxlint-disable-next-line no-await-in-loop -- a link flaps in time
      await sleep(round * 20);
      middle.ip('link', 'set', round % 2 === 0 ? 'm0' : 'm1', 'up');
      // oxlint-disable-next-line no-await-in-loop -- a link flaps in time
      await sleep(100);
    }
    await until(async () => supervisor.state === 'running' && (await pings()));
  });

  test('an interface removed and made again is found again, with its offloads off', async () => {
    supervise();
    await reached('running');
    middle.ip('link', 'del', 'm1');
    await reached('waiting');
    expect(supervisor.detail).toBe('there is no interface m1');
    connectInner();
    await until(pings);
    expect(activeOffloads('m1')).toEqual([]);
    await supervisor.stop();
    expect(activeOffloads('m1')).not.toEqual([]);
  });

  test('carrier lost on the far side: it runs on and is not ready', async () => {
    supervise();
    await reached('running');
    await waitFor('readiness', () => (supervisor.isReady ? true : undefined));
    inner.ip('link', 'set', 'b0', 'down');
    await waitFor('loss of carrier', () => (supervisor.isReady ? undefined : true));
    expect([supervisor.state, segments.page.isLinkRunning(1)]).toEqual(['running', false]);
    inner.ip('link', 'set', 'b0', 'up');
    await waitFor('readiness', () => (supervisor.isReady ? true : undefined));
    expect(exits).toEqual([]);
  });

  test('different MTUs are waited out, with both named', async () => {
    middle.ip('link', 'set', 'm1', 'mtu', '1400');
    supervise();
    await reached('waiting');
    expect(supervisor.detail).toMatch(/m0 has MTU 1500 and m1 has MTU 1400.*must be equal/);
    middle.ip('link', 'set', 'm1', 'mtu', '1500');
    await reached('running');
  });

  test('offloads: refuse starts only when they are off, and touches nothing', async () => {
    const before = activeOffloads('m0');
    supervise({ offloads: 'refuse' });
    await reached('waiting');
    expect(supervisor.detail).toMatch(/offloads of m0 stay on .*offloads: refuse/);
    expect(activeOffloads('m0')).toEqual(before);
  });

  test('one that fails at once is not started in a busy loop, and says why', async () => {
    supervise({ entry: failing });
    await sleep(2_500);
    const tries = exits.length;
    // 50, 100, 200, 400, 800, 1000 ms apart, each start some 50 to 300 ms.
    expect(tries).toBeGreaterThanOrEqual(3);
    expect(tries).toBeLessThanOrEqual(7);
    for (const exit of exits)
      expect(exit).toMatchObject({ code: 1, detail: 'cannot work: no reason' });
    await supervisor.stop();
    await sleep(1_200);
    expect(exits.length).toBeLessThanOrEqual(tries + 1);
    expect(supervisor.state).toBe('stopped');
  });

  test('without a policy it fails and says so; once there is one it runs', async () => {
    segments = createWireSegments(directory, 'wire0', { maxFlows: 1024, seeds: [1, 2] });
    supervise();
    await waitFor('a failure', () => (exits.length > 0 ? true : undefined));
    expect(exits[0]?.detail).toMatch(/policy\.0/);
    await publishPolicy(segments, imageDenying(9, 1), 1, 3_000);
    await reached('running');
  });

  test('a damaged flow table is replaced by an empty one', async () => {
    supervise();
    await reached('running');
    await pings();
    await supervisor.stop();
    new Int32Array(Segment.open(segments.paths.flows).buffer).fill(-1, 0, 8);
    supervise();
    await waitFor('a failure', () => (exits.length > 0 ? true : undefined));
    expect(exits[0]?.detail).toMatch(/flow table/);
    await reached('running');
    expect(await pings()).toBe(true);
  });

  test('a data plane that stands still is killed and started again', async () => {
    supervise({ hungMilliseconds: 1_000 });
    await reached('running');
    const processId = supervisor.processId ?? 0;
    process.kill(processId, 'SIGSTOP');
    await waitFor('another process', () =>
      supervisor.state === 'running' && supervisor.processId !== processId ? true : undefined,
    );
    expect(exits[0]).toMatchObject({ signal: 'SIGKILL', detail: 'no heartbeat for 1 s' });
  });

  test('it does not outlive its parent', async () => {
    const parent = middle.start(
      process.execPath,
      compiled('test/daemon/fixtures/supervising-parent.ts'),
      directory,
    );
    await waitFor('a data plane', () => (segments.page.processId > 0 ? true : undefined));
    const { processId } = segments.page;
    expect(isAlive(processId)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await waitFor('its end', () => (isAlive(processId) ? undefined : true), 2_000);
    supervise();
    await reached('running');
  });
});
