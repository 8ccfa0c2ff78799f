/**
 * A daemon with nothing to do: little processor time, and no more of anything the longer it runs. NSGD_IDLE_SECONDS is how long;
 * reloads and scrapes are done first, so that what they leave behind would show.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processUsage } from '../../daemon/process-usage.ts';
import { liveObstacle } from '../helpers/live.ts';
import { FaultRig, IS_LONG } from './rig.ts';

const SECONDS = Number(process.env['NSGD_IDLE_SECONDS'] ?? 60);
const WINDOWS = 6;
const CPU_SHARE = 0.01;
const WARM_UP_RELOADS = 10;
const SETTLE_MS = 10_000;
/** Wake-ups of a process that waits are as regular as its timers. */
const WAKE_UPS_MORE = 1.2;

interface Use {
  /** Of a processor, 1 is one. */
  readonly cpu: number;
  readonly wakeUpsPerSecond: number;
  readonly descriptors: number;
  readonly threads: number;
}

interface Totals {
  readonly cpuSeconds: number;
  readonly wakeUps: number;
}

function totals(pid: number): Totals {
  const threads = readdirSync(`/proc/${pid}/task`);
  const wakeUps = threads.map((thread) =>
    Number(
      /^voluntary_ctxt_switches:\t(\d+)$/m.exec(
        readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'),
      )?.[1],
    ),
  );
  return {
    cpuSeconds: processUsage(pid)?.cpuSeconds ?? NaN,
    wakeUps: wakeUps.reduce((sum, each) => sum + each, 0),
  };
}

async function watch(pids: readonly number[], seconds: number): Promise<Use[]> {
  const before = pids.map(totals);
  const start = performance.now();
  await sleep(seconds * 1000);
  const took = (performance.now() - start) / 1000;
  return pids.map((pid, index) => {
    const { cpuSeconds, wakeUps } = totals(pid);
    return {
      cpu: (cpuSeconds - (before[index]?.cpuSeconds ?? NaN)) / took,
      wakeUpsPerSecond: (wakeUps - (before[index]?.wakeUps ?? NaN)) / took,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
    };
  });
}

const obstacle = liveObstacle ?? (IS_LONG ? undefined : 'make faults');

describe.skipIf(obstacle !== undefined)(`idle (${obstacle ?? 'live'})`, () => {
  let rig: FaultRig;

  beforeAll(async () => {
    rig = await FaultRig.build();
  });
  afterAll(async () => {
    await rig?.close();
  });

  test(
    'under 1 % of a processor, and neither timers nor descriptors nor threads grow',
    { timeout: (SECONDS + 60) * 1000 },
    async () => {
      const { pid = 0 } = rig.daemon.process.child;
      const pids = [pid, rig.daemon.wire().processId];
      for (let round = 0; round < WARM_UP_RELOADS; round++) {
        expect(rig.daemon.reload(rig.configuration(round)).status).toBe(0);
        rig.daemon.fetch('/metrics');
      }
      // Node lets go of what the scrapes opened.
      await sleep(SETTLE_MS);
      const windows: Use[][] = [];
      for (let window = 0; window < WINDOWS; window++) {
        windows.push(await watch(pids, SECONDS / WINDOWS));
      }
      for (const [index, name] of ['control process', 'packet process'].entries()) {
        const uses = windows.map((window) => window[index]);
        const [first, last] = [uses[0], uses.at(-1)];
        if (first === undefined || last === undefined) throw new Error('nothing was watched');
        const cpu = uses.reduce((sum, use) => sum + (use?.cpu ?? NaN), 0) / uses.length;
        console.info(
          `faults: idle for ${SECONDS} s, ${name}: ${(cpu * 100).toFixed(2)} % of a processor, ` +
            `${first.wakeUpsPerSecond.toFixed(1)} wake-ups a second at first, ${last.wakeUpsPerSecond.toFixed(1)} at last, ` +
            `${last.descriptors} descriptors, ${last.threads} threads`,
        );
        expect(cpu, name).toBeLessThan(CPU_SHARE);
        expect(last.wakeUpsPerSecond, name).toBeLessThan(
          first.wakeUpsPerSecond * WAKE_UPS_MORE + 1,
        );
        expect(last.descriptors, name).toBeLessThanOrEqual(first.descriptors);
        expect(last.threads, name).toBeLessThanOrEqual(first.threads);
      }
    },
  );
});
