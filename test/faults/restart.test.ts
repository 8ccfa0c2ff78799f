/**
 * Ends and starts of the daemon with many flows: how long a stop takes under load, how many flows the next start has, what a
 * damaged file of saved flows costs, and clocks that say something else at the start than at the stop.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSavedFlows, savedFlowsPath } from '../../daemon/saved-flows.ts';
import { ROW_WORDS } from '../../src/flowtable/saved-flows.ts';
import { liveObstacle } from '../helpers/live.ts';
import { Load, range } from './load.ts';
import { FaultRig, IS_LONG, isRunning, report, ROUNDS } from './rig.ts';

const READY_MS = 15_000;
const STOP_MS = 5_000;
/** That a file which cannot be used may cost a start. */
const DELAY_MS = 1_000;
const FLOWS = IS_LONG ? 20_000 : 2_000;
const ALIVE = 0.99;
/** Of the connections, those that are tried afterwards. */
const EVERY = 10;
const STRANGERS = 100;
const REPLAYED_FLOWS = 500;
const FRAMES_PER_SECOND = 20_000;
const DAY_MS = 86_400_000;
/** Where the header of the file begins (daemon/saved-flows.ts), and the bytes of the digest at its end. */
const HEADER_AT = 16;
const DIGEST_BYTES = 32;

describe.skipIf(liveObstacle !== undefined)(
  `restart under load (${liveObstacle ?? 'live'})`,
  () => {
    let rig: FaultRig;
    let load: Load;
    let opened = 0;

    beforeAll(async () => {
      rig = await FaultRig.build();
      load = new Load(rig);
      opened = await load.open(FLOWS);
    });
    afterAll(async () => {
      load?.close();
      await rig?.close();
    });

    const file = () => savedFlowsPath(rig.stateDirectory, 'wire0');

    /** @returns how many flows the daemon found at its start */
    async function restored(): Promise<number> {
      const line = /"flows":(\d+),[^\n]*"msg":"flows restored"/;
      await rig.logged(line);
      return Number(line.exec(rig.daemon.process.stderr)?.[1]);
    }

    /** Connections that were open pass, those that never were do not. */
    async function expectFlows(): Promise<void> {
      expect(rig.daemon.wire().flows.live).toBeGreaterThanOrEqual(opened * ALIVE);
      const tried = range(0, opened).filter((flow) => flow % EVERY === 0);
      expect(await load.passing(tried)).toBeGreaterThanOrEqual(tried.length * ALIVE);
      expect(await load.passing(range(FLOWS, FLOWS + STRANGERS))).toBe(0);
    }

    test('SIGTERM while frames pass: the end is quick, the file whole, the next start has the flows', async () => {
      expect(opened).toBeGreaterThanOrEqual(FLOWS * ALIVE);
      const sender = load.replay(REPLAYED_FLOWS, FRAMES_PER_SECOND * 10, FRAMES_PER_SECOND);
      await sleep(500);
      let stopped = 0;
      let started = 0;
      await rig.survive(async () => {
        const start = performance.now();
        expect(await rig.daemon.process.stop()).toBe('exit 0');
        stopped = performance.now() - start;
        expect(statSync(file()).mode & 0o777).toBe(0o600);
        const saved = readSavedFlows(file());
        expect((saved?.rows.length ?? 0) / ROW_WORDS).toBeGreaterThanOrEqual(opened * ALIVE);
        const restart = performance.now();
        await rig.restart();
        started = performance.now() - restart;
        expect(await restored()).toBeGreaterThanOrEqual(opened * ALIVE);
      }, READY_MS);
      expect(sender.isRunning).toBe(true);
      await sender.stop();
      expect(stopped).toBeLessThan(STOP_MS);
      await expectFlows();
      console.info(
        `faults: SIGTERM with ${opened} flows and ${FRAMES_PER_SECOND} frames a second: ended after ${Math.round(stopped)} ms, ` +
          `ready ${Math.round(started)} ms after the start, ${await restored()} flows restored`,
      );
    });

    test.runIf(IS_LONG)(
      'kill -9 of the control process and a start at once: no packet process is left over, the flows are taken over',
      { timeout: ROUNDS * 30_000 },
      async () => {
        const times: number[] = [];
        for (let round = 0; round < Math.min(ROUNDS, 20); round++) {
          const { processId } = rig.daemon.wire();
          await rig.survive(async () => {
            const start = Date.now();
            rig.daemon.process.signal('SIGKILL');
            await rig.restart();
            times.push(Date.now() - start);
            expect(isRunning(processId)).toBe(false);
            expect(await restored()).toBeGreaterThanOrEqual(opened * ALIVE);
          }, READY_MS);
        }
        await expectFlows();
        report('kill -9 of the control process, started again at once', times);
      },
    );

    /** Stops, changes the file of saved flows, starts. @returns milliseconds of the start */
    async function restartWith(change: (bytes: Buffer) => Buffer): Promise<number> {
      expect(await rig.daemon.process.stop()).toBe('exit 0');
      writeFileSync(file(), change(readFileSync(file())));
      const start = performance.now();
      await rig.restart();
      return performance.now() - start;
    }

    /** The file as a stop would have written it whose clock was off by so much. */
    function withClock(bytes: Buffer, milliseconds: number): Buffer {
      const headerBytes = bytes.readInt32LE(HEADER_AT - 4);
      const text = bytes.toString('utf8', HEADER_AT, HEADER_AT + headerBytes);
      const header = JSON.parse(text) as { wallClock: number };
      header.wallClock += milliseconds;
      const changed = Buffer.from(bytes);
      changed.write(JSON.stringify(header).padEnd(headerBytes, ' '), HEADER_AT);
      const end = changed.length - DIGEST_BYTES;
      createHash('sha256').update(changed.subarray(0, end)).digest().copy(changed, end);
      return changed;
    }

    test.runIf(IS_LONG).each([
      ['set back by a day', DAY_MS],
      ['set forward by a day', -DAY_MS],
    ])(
      'the clock %s between stop and start: the flows are still there',
      async (_, milliseconds) => {
        await rig.survive(async () => {
          await restartWith((bytes) => withClock(bytes, milliseconds));
          expect(await restored()).toBeGreaterThanOrEqual(opened * ALIVE);
        }, READY_MS);
        await expectFlows();
      },
    );

    test.runIf(IS_LONG)(
      'a start whose clock that never goes back is another one, as after a boot: the flows are there, and age',
      async () => {
        const uptime = process.hrtime()[0];
        const offset = String(10 - uptime);
        await rig.survive(async () => {
          expect(await rig.daemon.process.stop()).toBe('exit 0');
          await rig.restart({
            wrapper: ['unshare', '--time', '--monotonic', offset, '--boottime', offset],
          });
          expect(await restored()).toBeGreaterThanOrEqual(opened * ALIVE);
        }, READY_MS);
        await expectFlows();
        const [flow] = rig.daemon.flows();
        expect(flow?.idleSeconds).toBeLessThan(uptime - 10);
      },
    );

    test.runIf(IS_LONG)(
      'files of saved flows that cannot be used do not hold up the start',
      { timeout: 120_000 },
      async () => {
        const damages: Record<string, (bytes: Buffer) => Buffer> = {
          'a byte changed': (bytes) => {
            const at = bytes.length >> 1;
            bytes[at] = (bytes[at] ?? 0) ^ 0xff;
            return bytes;
          },
          'cut in half': (bytes) => bytes.subarray(0, bytes.length >> 1),
          'cut to nothing': (bytes) => bytes.subarray(0, 0),
          'of an older version': (bytes) => {
            bytes.writeInt32LE(0, 8);
            return bytes;
          },
          'of a newer version': (bytes) => {
            bytes.writeInt32LE(2, 8);
            return bytes;
          },
          'much longer': (bytes) => Buffer.concat([bytes, Buffer.alloc(64 << 20)]),
          'another kind of file': (bytes) => Buffer.alloc(bytes.length, 'no flows '),
        };
        const usual: number[] = [];
        const times: number[] = [];
        for (const damage of Object.values(damages)) {
          // Beside each other, because other work of the machine takes its part of both.
          usual.push(await restartWith((bytes) => bytes));
          await rig.survive(async () => {
            times.push(await restartWith(damage));
            await rig.logged(/flows\.wire0: [^\n]*"msg":"saved flows not used"/);
          }, READY_MS);
        }
        expect(median(times)).toBeLessThan(median(usual) + DELAY_MS);
        report('a start beside saved flows that can be used', usual, 'took');
        report('a start beside saved flows that cannot be used', times, 'took');
      },
    );
  },
);

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
