/**
 * Too little memory: a limit as MemoryMax= of the service sets it, a flood into a full flow table under it, the kernel killing
 * the packet process, address space that is used up, a runtime directory without room at the start.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nsgdProgram } from '../helpers/daemon.ts';
import { liveObstacle } from '../helpers/live.ts';
import { MemoryGroup, memoryGroupObstacle } from '../helpers/memory-group.ts';
import { waitFor } from '../helpers/wait.ts';
import { Load } from './load.ts';
import { FaultRig, IS_LONG, isRunning, report } from './rig.ts';

const READY_MS = 3_000;
/** With the default flow table. */
const LIMIT_BYTES = 600 << 20;
const DEFAULT_FLOWS = 1_048_576;
/** More than the flow table holds. What the rings lose meanwhile comes with the next. */
const FLOOD = 1_300_000;
const MAX_FLOODS = 6;
const MIB = 1 << 20;

const groupObstacle = memoryGroupObstacle();

describe.skipIf(liveObstacle !== undefined)(`memory (${liveObstacle ?? 'live'})`, () => {
  let group: MemoryGroup | undefined;
  let rig: FaultRig;

  beforeAll(async () => {
    if (groupObstacle === undefined) group = new MemoryGroup('limit', LIMIT_BYTES);
    rig = await FaultRig.build({
      wrapper: group?.wrapper ?? [],
      settings: { flowTable: { maxFlows: DEFAULT_FLOWS } },
    });
  });
  afterAll(async () => {
    await rig?.close();
    await group?.remove();
  });

  const limited = (needsTime: boolean) =>
    test.skipIf(groupObstacle !== undefined || (needsTime && !IS_LONG));

  limited(true)(
    `the default flow table filled under a limit (${groupObstacle ?? 'live'}): nobody is killed, memory stays below it`,
    { timeout: 300_000 },
    async () => {
      const { processId, restarts } = rig.daemon.wire();
      const load = new Load(rig);
      const rates: number[] = [];
      let live = 0;
      await rig.survive(async () => {
        while (live < DEFAULT_FLOWS && rates.length < MAX_FLOODS) {
          rates.push(await load.synFlood(FLOOD));
          live = Math.max(live, rig.daemon.wire().flows.live);
          await rig.useSession();
        }
      }, READY_MS);
      load.close();
      expect(live).toBe(DEFAULT_FLOWS);
      expect(rig.daemon.wire()).toMatchObject({ processId, restarts });
      expect(group?.kills).toBe(0);
      expect(group?.peak).toBeLessThan(LIMIT_BYTES);
      // A new connection still finds room: a SYN that nobody answered makes way.
      await rig.openSession();
      await rig.useSession();
      console.info(
        `faults: floods of ${FLOOD} SYNs at ${rates.map(Math.round).join(', ')} a second: ` +
          `${live} flows of ${DEFAULT_FLOWS}, at most ${mebibytes(group?.peak)} of ${LIMIT_BYTES / MIB} MiB`,
      );
    },
  );

  limited(false)(
    `the kernel kills the packet process for want of memory (${groupObstacle ?? 'live'}): another takes the flows over`,
    async () => {
      const { processId, restarts } = rig.daemon.wire();
      writeFileSync(`/proc/${processId}/oom_score_adj`, '1000');
      let recovery = 0;
      await rig.survive(async () => {
        const exhausted = group?.exhaust();
        await waitFor('it to be killed', () => (isRunning(processId) ? undefined : true), 20_000);
        recovery = await rig.untilReplaced(processId, READY_MS);
        expect(await exhausted).toBe('SIGKILL');
      }, READY_MS);
      expect(group?.kills).toBeGreaterThanOrEqual(2);
      expect(rig.daemon.wire().restarts).toBe(restarts + 1);
      await rig.logged(/"signal":"SIGKILL".*"msg":"data plane ended"/);
      report('the packet process killed for want of memory', [recovery]);
    },
  );

  test.runIf(IS_LONG)(
    'a packet process that cannot map a new policy keeps the one it has',
    async () => {
      const { processId, activeGeneration } = rig.daemon.wire();
      limitAddressSpace(processId, MIB);
      await rig.survive(() => {
        const refused = rig.daemon.reload(rig.configuration(1));
        expect(refused.status).toBe(2);
        expect(refused.stderr).toMatch(/refused the policy/);
        expect(rig.daemon.wire()).toMatchObject({ processId, activeGeneration });
      }, READY_MS);
      await rig.logged(/mmap .*ENOMEM.*"msg":"policy rejected"/);
      await rig.openSession();
      limitAddressSpace(processId, 'unlimited');
      expect(rig.daemon.reload(rig.configuration(1)).status).toBe(0);
      await rig.survive(() => undefined, READY_MS);
    },
  );

  test('a runtime directory without room for the flow table: the start ends and says what to change', async () => {
    const directory = join(rig.lab.directory, 'small');
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0750', 'nsgd-test', directory]);
    try {
      const file = join(rig.lab.directory, 'small.json');
      const settings = { runtimeDirectory: directory, control: {}, metrics: { listen: 'off' } };
      writeFileSync(file, rig.configuration()(settings));
      const command = [nsgdProgram, 'run', '-c', file] as const;
      const second = rig.lab.spawn(rig.network.filter, 'second', command);
      expect(await second.exited).toBe('exit 1');
      expect(second.stderr).toMatch(
        /^nsgd: .*\/small has no room for wire wire0, which takes \d+ MiB with 1048576 flows: make its file system larger, or flowTable\.maxFlows smaller \(posix_fallocate .*ENOSPC\)$/m,
      );
    } finally {
      execFileSync('umount', [directory]);
    }
  });
});

function mebibytes(bytes = 0): number {
  return Math.round(bytes / MIB);
}

function limitAddressSpace(pid: number, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--as=${bytes}:`]);
}
