/**
 * What happens to the processes of the daemon: killed, stopped, two of them, without files, without somebody who reads the log.
 * `make faults` repeats the kills a hundred times.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nsgd, nsgdProgram } from '../helpers/daemon.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { Random } from '../helpers/random.ts';
import { waitFor } from '../helpers/wait.ts';
import { Load } from './load.ts';
import { FaultRig, IS_LONG, isRunning, report, ROUNDS } from './rig.ts';

/** Aims, in milliseconds: data plane and daemon until packets pass again. The daemon's is Node's start, twice, too. */
const DATA_PLANE_READY_MS = 5_000;
const DAEMON_READY_MS = 15_000;
const ROUND_MS = 30_000;
/** Longer, at any rate this machine sends, than a packet process may hang. */
const FLOOD = 3_000_000;
const FLOODERS_FRAMES = 100_000_000;

describe.skipIf(liveObstacle !== undefined)(`processes (${liveObstacle ?? 'live'})`, () => {
  let rig: FaultRig;
  const random = new Random();

  beforeAll(async () => {
    rig = await FaultRig.build();
  });
  afterAll(async () => {
    await rig?.close();
  });

  test(
    'kill -9 of the data plane at random moments: the open session goes on, nothing passes unfiltered',
    { timeout: ROUNDS * ROUND_MS },
    async () => {
      const times: number[] = [];
      const { restarts } = rig.daemon.wire();
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(random.below(300));
        const processId = rig.daemon.dataPlane();
        await rig.survive(async () => {
          process.kill(processId, 'SIGKILL');
          times.push(await rig.untilReplaced(processId, DATA_PLANE_READY_MS));
        }, DATA_PLANE_READY_MS);
      }
      expect(rig.daemon.wire().restarts).toBe(restarts + ROUNDS);
      report('kill -9 of the data plane', times);
    },
  );

  test(
    'kill -9 of the control process: no data plane outlives it, a start takes the flows over',
    { timeout: ROUNDS * ROUND_MS },
    async () => {
      const times: number[] = [];
      const orphans: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(random.below(300));
        const { processId } = rig.daemon.wire();
        const start = performance.now();
        await rig.survive(async () => {
          rig.daemon.process.signal('SIGKILL');
          await rig.daemon.process.exited;
          await waitFor(
            'the data plane to end',
            () => (isRunning(processId) ? undefined : true),
            1000,
          );
          orphans.push(performance.now() - start);
          await rig.restart();
        }, DAEMON_READY_MS);
        times.push(performance.now() - start);
        await rig.logged(/"flows":[1-9]\d*,.*"msg":"flows restored"/);
      }
      report('kill -9 of the control process, its start included', times);
      report('kill -9 of the control process', orphans, 'its packet process ended after');
    },
  );

  test('a data plane that is stopped for three seconds goes on; nobody kills it', async () => {
    const { restarts } = rig.daemon.wire();
    const processId = rig.daemon.dataPlane();
    await rig.survive(async () => {
      process.kill(processId, 'SIGSTOP');
      await sleep(3000);
      process.kill(processId, 'SIGCONT');
    }, DATA_PLANE_READY_MS);
    expect(rig.daemon.wire()).toMatchObject({ processId, restarts });
  });

  test.runIf(IS_LONG)('a data plane that hangs is killed and started again', async () => {
    const { restarts } = rig.daemon.wire();
    const processId = rig.daemon.dataPlane();
    await rig.survive(async () => {
      process.kill(processId, 'SIGSTOP');
      const start = performance.now();
      await waitFor('it to be killed', () => (isRunning(processId) ? undefined : true), 15_000);
      const killed = performance.now() - start;
      const replaced = await rig.untilReplaced(processId, DATA_PLANE_READY_MS);
      report('a packet process that hangs', [killed], 'killed after');
      report('a packet process that was killed because it hung', [replaced]);
    }, DATA_PLANE_READY_MS);
    expect(rig.daemon.wire().restarts).toBe(restarts + 1);
  });

  test.runIf(IS_LONG)(
    'a packet process with more to do than it can is not taken for one that hangs',
    { timeout: 120_000 },
    async () => {
      const before = rig.daemon.wire();
      const load = new Load(rig);
      let perSecond = 0;
      await rig.survive(async () => {
        const senders = [0, 1].map(() => load.replayAtTopSpeed(FLOODERS_FRAMES));
        perSecond = await load.synFlood(FLOOD);
        expect(senders.some(({ isRunning: isSending }) => isSending)).toBe(true);
        for (const sender of senders) await sender.stop();
      }, DATA_PLANE_READY_MS);
      load.close();
      const { processId, restarts, interfaces } = rig.daemon.wire();
      expect({ processId, restarts }).toEqual({
        processId: before.processId,
        restarts: before.restarts,
      });
      const since = (count: 'framesIn' | 'kernelDrops') =>
        (interfaces[0]?.[count] ?? NaN) - (before.interfaces[0]?.[count] ?? NaN);
      expect(since('kernelDrops')).toBeGreaterThan(0);
      console.info(
        `faults: a flood for ${Math.round(FLOOD / perSecond)} s: ${since('framesIn')} frames judged, ` +
          `${since('kernelDrops')} without room in the ring, the packet process not killed`,
      );
    },
  );

  test('while the control process is stopped packets pass, and are judged', async () => {
    const control = rig.daemon.process;
    await rig.survive(async () => {
      control.signal('SIGSTOP');
      try {
        for (let round = 0; round < 5; round++) await rig.useSession(3000);
        // A connection that is new meanwhile.
        await rig.openSession();
      } finally {
        control.signal('SIGCONT');
      }
    }, DATA_PLANE_READY_MS);
  });

  test('a second daemon in the same runtime directory ends and says why; the first goes on', async () => {
    const file = rig.daemon.configurationFile;
    const command = [nsgdProgram, 'run', '-c', file];
    const second = rig.lab.spawn(rig.network.filter, 'second', command);
    expect(await second.exited).toBe('exit 1');
    const { pid } = rig.daemon.process.child;
    expect(second.stderr).toContain(
      `nsgd: another nsgd (process ${pid}) uses ${rig.lab.directory}`,
    );
    await rig.survive(() => undefined, DATA_PLANE_READY_MS);
  });

  test('a second daemon on the same wire waits and says why; the first goes on', async () => {
    const other = new Lab();
    try {
      const directory = join(other.directory, 'run');
      const file = join(other.directory, 'nsgd.json');
      const settings = { runtimeDirectory: directory, metrics: { listen: 'off' } };
      writeFileSync(
        file,
        rig.configuration()({ ...settings, stateDirectory: directory, control: {} }),
      );
      const second = other.spawn(rig.network.filter, 'second', [nsgdProgram, 'run', '-c', file]);
      await rig.survive(
        () =>
          waitFor(
            'the second daemon to say why it waits',
            () => (second.stderr.includes('another program uses it') ? true : undefined),
            60_000,
          ).then(() => undefined),
        DATA_PLANE_READY_MS,
      );
    } finally {
      await other.close();
    }
    await rig.survive(() => undefined, DATA_PLANE_READY_MS);
  });

  test('without file descriptors left the socket is deaf, packets pass, and it hears again', async () => {
    const { pid = 0 } = rig.daemon.process.child;
    const limit = (soft: number): void => {
      execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
    };
    const before = execFileSync('prlimit', [
      '--pid',
      String(pid),
      '--nofile',
      '-o',
      'SOFT',
      '--noheadings',
    ]);
    // Whatever is open stays so; nothing more can be opened.
    limit(3);
    try {
      await rig.useSession();
      expect(nsgd(['status', '--socket', rig.daemon.socket]).status).not.toBe(0);
      await rig.openSession();
      await rig.useSession();
    } finally {
      limit(Number(before.toString().trim()));
    }
    await waitFor('the socket to answer', () =>
      rig.daemon.command('status').status === 0 ? true : undefined,
    );
    await rig.survive(() => undefined, DATA_PLANE_READY_MS);
  });

  test.runIf(IS_LONG)(
    'when the log is full and nobody reads it packets pass, and a reload works; later lines are whole',
    async () => {
      const { stderr } = rig.daemon.process.child;
      const before = rig.daemon.process.stderr.length;
      stderr.pause();
      await rig.survive(async () => {
        // A line for each: more than the socket holds.
        const wrong = (settings: Readonly<Record<string, unknown>>) =>
          JSON.stringify({ ...settings, networkInterfaces: Array.from({ length: 3000 }, () => 0) });
        for (let round = 0; round < 3; round++) {
          expect(rig.daemon.reload(wrong).status).toBe(2);
          await rig.useSession();
        }
        expect(rig.daemon.reload(rig.configuration(1)).status).toBe(0);
      }, DATA_PLANE_READY_MS);
      stderr.resume();
      await sleep(500);
      expect(rig.daemon.reload(rig.configuration(0)).status).toBe(0);
      await rig.logged(/"lostLines":[1-9]/);
      const lines = rig.daemon.process.stderr.slice(before).trimEnd().split('\n');
      const torn = lines.filter((line) => !isJson(line));
      expect(torn.length).toBeGreaterThan(0);
      // Torn, but none runs on into another.
      for (const line of lines) expect(line.split('"level":')).toHaveLength(2);
      expect(lines.at(-1)).toContain('"msg":"reloaded"');
    },
  );

  test('when nobody reads the log any more packets pass, and a reload works', async () => {
    await rig.survive(() => {
      rig.daemon.process.child.stderr.destroy();
      expect(rig.daemon.reload(rig.configuration(1)).status).toBe(0);
      expect(rig.daemon.reload(rig.configuration(0)).status).toBe(0);
    }, DATA_PLANE_READY_MS);
    expect(await rig.daemon.process.stop()).toBe('exit 0');
    await rig.restart();
    await rig.survive(() => undefined, DAEMON_READY_MS);
  });
});

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
