/**
 * Host mode, step by step: whichever step fails, and wherever a process is killed, in attaching and in putting back, the
 * machine has afterwards what it had before.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Attachments } from '../../daemon/host-mode/attachment.ts';
import {
  type AttachRequest,
  makePair,
  moveHost,
  planAttachment,
} from '../../daemon/host-mode/attach.ts';
import { attach, confirm, detach, undo } from '../../daemon/host-mode/operations.ts';
import { restore } from '../../daemon/host-mode/restore.ts';
import { HostCommandError, type HostSystem, hostSystem } from '../../daemon/host-mode/system.ts';
import { type Dump, HOST_END, HostLab, INSIDE_END, NIC } from '../helpers/host-mode.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';

const request = (): AttachRequest => ({
  wire: 'wire0',
  interfaces: { nic: NIC, host: HOST_END, inside: INSIDE_END, bridge: 'nsg0-br' },
  now: Date.now(),
  patience: 60_000,
  window: 60_000,
});
/** More than there are steps. */
const STEPS_MAX = 300;
/** Every step takes minutes, so usually one in so many is tried, each time others: NSGD_EVERY_STEP=1 tries all. */
const STRIDE = process.env['NSGD_EVERY_STEP'] === '1' ? 1 : 15;
const OFFSET = Math.floor(Math.random() * STRIDE);
const TIMEOUT_MS = STRIDE === 1 ? 600_000 : 60_000;

/** The end of a process, which no `catch` sees. */
class Kill extends Error {}

/** The real system, of which the change with this number, and every one after it, fails before it is made. */
function failingAt(
  step: number,
  failure: (step: number) => Error,
): { system: HostSystem; count: () => number } {
  let count = 0;
  const take = (): void => {
    if (count++ >= step) throw failure(step);
  };
  const oneByOne =
    (run: (family: 4 | 6, lines: readonly string[]) => unknown) =>
    (family: 4 | 6, lines: readonly string[]) =>
      lines.flatMap((line) => {
        take();
        return (run(family, [line]) ?? []) as string[];
      });
  const system: HostSystem = {
    ...hostSystem,
    ipBatch: oneByOne((family, lines) => hostSystem.ipBatch(family, lines)),
    ipBatchForced: oneByOne((family, lines) => hostSystem.ipBatchForced(family, lines)),
    bridge(words) {
      take();
      hostSystem.bridge(words);
    },
    writeSetting(path, value) {
      take();
      hostSystem.writeSetting(path, value);
    },
    disableOffloads(device) {
      take();
      hostSystem.disableOffloads(device);
    },
  };
  return { system, count: () => count };
}

describe.skipIf(liveObstacle !== undefined)(`host mode, steps (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let host: HostLab;
  let attachments: Attachments;
  let before: Dump;
  let leave: () => void;

  beforeEach(() => {
    lab = new Lab();
    host = new HostLab(lab);
    attachments = new Attachments(host.hostDirectory);
    before = host.dump();
    leave = host.machine.enter();
  });
  afterEach(async () => {
    leave();
    await lab.close();
  });

  const help = { check: () => [], watch: () => undefined, ready: () => Promise.resolve() };
  const fails = (step: number): Error => new HostCommandError(`step ${step}`);
  const dies = (step: number): Error => new Kill(`step ${step}`);

  /** Tries one step after another until there are no more. @returns how many there are */
  async function eachStep(run: (step: number) => Promise<boolean>): Promise<number> {
    for (let step = OFFSET; step < STEPS_MAX; step += STRIDE) {
      if (!(await run(step))) return step;
      expect({ step, ...host.dump() }).toEqual({ step, ...before });
      expect(attachments.names()).toEqual([]);
    }
    throw new Error(`there are more than ${STEPS_MAX} steps`);
  }

  test(
    `every step that fails is undone (from ${OFFSET}, one of ${STRIDE})`,
    async () => {
      const steps = await eachStep(async (step) => {
        const { system, count } = failingAt(step, fails);
        const outcome = await attach(system, attachments, request(), help).catch(
          (error: unknown) => error,
        );
        if (count() <= step) return false;
        expect(outcome).toBeInstanceOf(Error);
        // Where putting back failed at once, the file stays, and the watcher does it.
        await undo(hostSystem, attachments, NIC);
        return true;
      });
      expect(steps).toBeGreaterThan(40);
      expect(host.dump()).not.toEqual(before);
      expect(await detach(hostSystem, attachments, NIC)).toEqual([]);
      expect(host.dump()).toEqual(before);
    },
    TIMEOUT_MS,
  );

  test(
    `killed at any step, detach puts everything back (from ${OFFSET}, one of ${STRIDE})`,
    async () => {
      await eachStep(async (step) => {
        const { system, count } = failingAt(step, dies);
        const planned = planAttachment(system, request());
        attachments.write(planned);
        try {
          makePair(system, planned);
          moveHost(system, planned);
        } catch (error) {
          expect(error).toBeInstanceOf(Kill);
        }
        expect(await detach(hostSystem, attachments, NIC)).toEqual([]);
        return count() > step;
      });
    },
    TIMEOUT_MS,
  );

  test(
    `killed at any step of detach, a second one completes it (from ${OFFSET}, one of ${STRIDE})`,
    async () => {
      const steps = await eachStep(async (step) => {
        await attach(hostSystem, attachments, request(), help);
        expect(await confirm(attachments, NIC)).toBe('confirmed');
        const attached = attachments.read(NIC);
        if (attached === undefined) throw new Error('not attached');
        const { system, count } = failingAt(step, dies);
        const outcome = await restore(system, attachments, attached).catch(
          (error: unknown) => error,
        );
        if (count() <= step) return false;
        expect(outcome).toBeInstanceOf(Kill);
        expect(await detach(hostSystem, attachments, NIC)).toEqual([]);
        expect(await detach(hostSystem, attachments, NIC)).toBeUndefined();
        return true;
      });
      expect(steps).toBeGreaterThan(10);
      expect(host.dump()).toEqual(before);
    },
    TIMEOUT_MS,
  );
});
