/**
 * What happens around the daemon: links, disks, memory that somebody wrote into, files that change while they are read.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callControl } from '../../daemon/control/client.ts';
import { segmentPaths } from '../../daemon/data-plane/segment-paths.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { liveObstacle } from '../helpers/live.ts';
import { INSIDE, OUTSIDE } from '../helpers/network.ts';
import { Random } from '../helpers/random.ts';
import { readiness } from '../helpers/readiness.ts';
import { waitFor } from '../helpers/wait.ts';
import { Load } from './load.ts';
import { FaultRig, IS_LONG, isRunning, report, ROUNDS } from './rig.ts';

const READY_MS = 5_000;
const LINK_DOWN_MS = 200;
const LINK_READY_MS = 2_000;
const ROUND_MS = 30_000;
const LOAD_FLOWS = 500;
const LOAD_PER_SECOND = 20_000;
/** A file system that is full after this. */
const SMALL_DISK = '64k';

describe.skipIf(liveObstacle !== undefined)(`environment (${liveObstacle ?? 'live'})`, () => {
  let rig: FaultRig;
  const random = new Random();

  beforeAll(async () => {
    rig = await FaultRig.build();
  });
  afterAll(async () => {
    await rig?.close();
  });

  const socketOf = () => rig.daemon.socket;
  const paths = () => segmentPaths(join(socketOf(), '..'), 'wire0');
  const reload = () => callControl(socketOf(), { method: 'POST', target: '/v1/reload' });

  test(
    'a link that flaps: not ready while it is down, ready again soon after, the packet process stays',
    { timeout: ROUNDS * ROUND_MS },
    async () => {
      const times: number[] = [];
      const { processId } = rig.daemon.wire();
      for (let round = 0; round < ROUNDS; round++) {
        times.push(
          await rig.survive(async () => {
            const down = sleep(LINK_DOWN_MS);
            rig.network.switch.ip('link', 'set', 'wire0', 'down');
            await waitFor('the wire to be unready', async () =>
              (await readiness(socketOf())) === 503 ? true : undefined,
            );
            await down;
            rig.network.switch.ip('link', 'set', 'wire0', 'up');
          }, LINK_READY_MS),
        );
      }
      expect(rig.daemon.wire().processId).toBe(processId);
      report(`a link down for ${LINK_DOWN_MS} ms`, times);
    },
  );

  test('an MTU that changes on one side: what is too long is counted, the rest passes', async () => {
    const { filter } = rig.network;
    await rig.survive(async () => {
      filter.ip('link', 'set', INSIDE, 'mtu', '1400');
      await rig.useSession();
      filter.ip('link', 'set', INSIDE, 'mtu', '1500');
    }, READY_MS);
  });

  test('nftables and iptables emptied beside it change nothing', async () => {
    const { filter } = rig.network;
    await rig.survive(() => {
      for (const command of [
        ['nft', 'flush', 'ruleset'],
        ['iptables', '-F'],
        ['ip', 'rule', 'flush'],
      ]) {
        filter.succeeds(command[0] ?? '', ...command.slice(1));
      }
    }, READY_MS);
  });

  test('a flow table with a broken header, or full of noise, costs the flows and nothing else', async () => {
    for (const [offset, bytes] of [
      [0, Buffer.alloc(8, 0x5a)],
      [32, Buffer.alloc(128, 0xff)],
    ] as const) {
      const processId = rig.daemon.dataPlane();
      process.kill(processId, 'SIGSTOP');
      const descriptor = openSync(paths().flows, 'r+');
      writeSync(descriptor, bytes, 0, bytes.length, offset);
      closeSync(descriptor);
      process.kill(processId, 'SIGKILL');
      await rig.untilReplaced(processId, READY_MS);
      // The session may be gone: its flow was in there. A new one opens.
      await rig.openSession();
      await rig.survive(() => undefined, READY_MS);
    }
  });

  test('a flow table cut short under a running data plane: it ends, and the next starts with a new one', async () => {
    const processId = rig.daemon.dataPlane();
    process.kill(processId, 'SIGKILL');
    await rig.untilReplaced(processId, READY_MS);
    const { size } = statSync(paths().flows);
    const noise = Buffer.alloc(64 * 1024);
    for (let at = 0; at < noise.length; at += 4) noise.writeInt32LE(random.uint32() | 0, at);
    const descriptor = openSync(paths().flows, 'r+');
    writeSync(descriptor, noise, 0, noise.length, Math.floor(size / 2));
    closeSync(descriptor);
    const next = rig.daemon.dataPlane();
    process.kill(next, 'SIGKILL');
    await rig.untilReplaced(next, READY_MS);
    await rig.openSession();
    await rig.survive(() => undefined, READY_MS);
  });

  test('a policy file that somebody damaged before the data plane reads it is refused; the one before stays', async () => {
    const { activeGeneration } = rig.daemon.wire();
    const name = readdirSync(paths().directory).find((each) => each.startsWith('policy.')) ?? '';
    const descriptor = openSync(join(paths().directory, name), 'r+');
    writeSync(descriptor, Buffer.alloc(64, 0xff), 0, 64, 0);
    closeSync(descriptor);
    // The running data plane has checked it already; what it enforces may no longer be what was checked, so it must not
    // pass what no rule allows.
    const processId = rig.daemon.dataPlane();
    process.kill(processId, 'SIGKILL');
    await waitFor('it to end', () => (isRunning(processId) ? undefined : true));
    await sleep(1000);
    expect(await readiness(socketOf())).toBe(503);
    expect((await reload()).status).toBe(200);
    await rig.untilReady(READY_MS);
    expect(rig.daemon.wire().activeGeneration).toBeGreaterThan(activeGeneration);
    await rig.survive(() => undefined, READY_MS);
  });

  test('reloads from many sides at once, some of them wrong: each gets its answer, the last good one is in force', async () => {
    await rig.survive(async () => {
      const before = rig.daemon.wire().activeGeneration;
      const statuses: number[] = [];
      for (let round = 0; round < 5; round++) {
        const isWrong = round % 2 === 1;
        rig.daemon.write(isWrong ? () => '{ "wires": [' : rig.configuration(round));
        const answers = await Promise.all(Array.from({ length: 8 }, reload));
        statuses.push(...answers.map(({ status }) => status));
        expect(new Set(answers.map(({ status }) => status))).toEqual(
          new Set([isWrong ? 422 : 200]),
        );
      }
      expect(statuses).toHaveLength(40);
      expect(rig.daemon.wire().activeGeneration).toBe(before + 24);
    }, READY_MS);
  });

  test.runIf(IS_LONG)(
    'a wrong configuration while frames pass: refused with 2, told in the metrics, no frame lost',
    { timeout: 120_000 },
    async () => {
      // The one that lets the load in, whatever was in force.
      expect(rig.daemon.reload(rig.configuration()).status).toBe(0);
      const load = new Load(rig);
      expect(await load.open(LOAD_FLOWS)).toBe(LOAD_FLOWS);
      const lastReload = () =>
        /^nsgd_config_last_reload_successful (\d)$/m.exec(rig.daemon.fetch('/metrics'))?.[1];
      const before = rig.daemon.wire();
      const frames = LOAD_PER_SECOND * 20;
      const sender = load.replay(LOAD_FLOWS, frames, LOAD_PER_SECOND);
      let refused = 0;
      while (sender.isRunning && refused < 100) {
        const { status, stderr } = rig.daemon.reload(() => '{ "wires": [');
        expect({ status, stderr }).toEqual({
          status: 2,
          stderr: expect.stringMatching(/not reloaded: generation \d+ stays in force/) as string,
        });
        refused++;
        expect(lastReload()).toBe('0');
        await sleep(100);
      }
      expect(await sender.exited).toBe('exit 0');
      const after = rig.daemon.wire();
      const since = (side: number, count: 'framesOut' | 'kernelDrops' | 'sendErrors') =>
        (after.interfaces[side]?.[count] ?? NaN) - (before.interfaces[side]?.[count] ?? NaN);
      const lost = [since(0, 'kernelDrops'), since(1, 'kernelDrops'), since(1, 'sendErrors')];
      expect(lost).toEqual([0, 0, 0]);
      expect(after.reasons.filter(({ access }) => access === 'Deny')).toEqual(
        before.reasons.filter(({ access }) => access === 'Deny'),
      );
      expect(since(1, 'framesOut')).toBeGreaterThanOrEqual(frames);
      expect(after.activeGeneration).toBe(before.activeGeneration);
      expect(rig.daemon.reload(rig.configuration()).status).toBe(0);
      expect(lastReload()).toBe('1');
      load.close();
      await rig.survive(() => undefined, READY_MS);
      console.info(
        `faults: ${refused} reloads of a wrong configuration at ${LOAD_PER_SECOND} frames a second: 0 of ${frames} lost`,
      );
    },
  );

  test('a file that is swapped and half written while it is read: one of the policies or an error, never half of one', async () => {
    const over = new AbortController();
    const file = rig.daemon.configurationFile;
    const settings = { runtimeDirectory: join(socketOf(), '..'), control: { socket: socketOf() } };
    const writer = (async () => {
      for (let turn = 0; !over.signal.aborted; turn++) {
        const text = rig.configuration(turn % 2)(settings);
        if (turn % 3 === 0) writeFileSync(file, text.slice(0, random.below(text.length)));
        else {
          writeFileSync(`${file}.new`, text);
          renameSync(`${file}.new`, file);
        }
        await sleep(3);
      }
    })();
    await rig.survive(async () => {
      const statuses = new Set<number>();
      for (let round = 0; round < 60; round++) statuses.add((await reload()).status);
      expect(statuses).toEqual(new Set([200, 422]));
    }, READY_MS);
    over.abort();
    await writer;
    expect(rig.daemon.reload(rig.configuration(0)).status).toBe(0);
    const names = rig.daemon.rules().map(({ ruleName }) => ruleName);
    expect(names.filter((each) => each.includes('Allow80'))).toEqual(['securityRules/Allow8000']);
  });

  /** On a file system of its own, which only a process that is started afterwards sees. */
  async function restartOn(...options: readonly string[]): Promise<void> {
    expect(await rig.daemon.process.stop()).toBe('exit 0');
    const type = ['-t', 'tmpfs', '-o', `mode=0700,${options.join(',')}`];
    execFileSync('mount', [...type, 'nsgd-test', rig.stateDirectory]);
    await rig.restart();
    await rig.openSession();
  }

  test('a full disk under the state directory: the stop says so, and the flows are taken from memory', async () => {
    const { stateDirectory } = rig;
    try {
      await restartOn(`size=${SMALL_DISK}`);
      writeFileSync(join(stateDirectory, 'fill'), Buffer.alloc(64 * 1024));
      await rig.survive(async () => {
        expect(await rig.daemon.process.stop()).toBe('exit 0');
        await rig.logged(/ENOSPC.*"msg":"flows not saved"/);
        await rig.restart();
        await rig.logged(/"msg":"flows restored"/);
      }, READY_MS);
    } finally {
      execFileSync('umount', [stateDirectory]);
    }
  });

  test('a state directory that cannot be written: likewise', async () => {
    const { stateDirectory } = rig;
    try {
      await restartOn('ro');
      await rig.survive(async () => {
        expect(await rig.daemon.process.stop()).toBe('exit 0');
        await rig.logged(/EROFS.*"msg":"flows not saved"/);
        await rig.restart();
        await rig.logged(/"msg":"flows restored"/);
      }, READY_MS);
    } finally {
      execFileSync('umount', [stateDirectory]);
    }
  });

  test('a runtime directory without room: a reload is refused with the reason, the policy before it stays', async () => {
    const directory = join(rig.lab.directory, 'small');
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=0750', 'nsgd-test', directory]);
    expect(await rig.daemon.process.stop()).toBe('exit 0');
    try {
      rig.daemon = await TestDaemon.start(rig.lab, rig.network.filter, rig.configuration(), {
        directory,
      });
      writeFileSync(join(directory, 'fill'), '');
      execFileSync('sh', [
        '-c',
        'dd if=/dev/zero of="$0" bs=4k 2>/dev/null || true',
        join(directory, 'fill'),
      ]);
      await rig.openSession();
      await rig.survive(() => {
        const refused = rig.daemon.reload(rig.configuration(1));
        expect(refused.status).not.toBe(0);
        expect(refused.stderr).toMatch(/ENOSPC|No space/);
      }, READY_MS);
      rmSync(join(directory, 'fill'));
      expect(rig.daemon.reload(rig.configuration(1)).status).toBe(0);
      expect(await rig.daemon.process.stop()).toBe('exit 0');
    } finally {
      execFileSync('umount', [directory]);
    }
    await rig.restart();
  });

  test('an interface that is removed and made again', async () => {
    const { filter, router } = rig.network;
    filter.ip('link', 'del', OUTSIDE);
    await waitFor('status to say so', () =>
      rig.daemon.command('status').stdout.includes(`no interface ${OUTSIDE}`) ? true : undefined,
    );
    router.ip(
      'link',
      'add',
      'wire0',
      'type',
      'veth',
      'peer',
      'name',
      OUTSIDE,
      'netns',
      filter.name,
    );
    router.ip('link', 'set', 'wire0', 'up');
    filter.ip('link', 'set', OUTSIDE, 'up');
    router.ip('addr', 'add', '10.0.1.1/32', 'dev', 'wire0');
    router.ip('route', 'replace', '10.0.1.4', 'dev', 'wire0');
    for (const feature of ['tx', 'tso', 'gso', 'gro']) {
      router.succeeds('ethtool', '-K', 'wire0', feature, 'off');
    }
    const start = performance.now();
    await rig.untilReady(READY_MS);
    report('an interface made again', [performance.now() - start]);
    await rig.survive(() => undefined, READY_MS);
  });
});
