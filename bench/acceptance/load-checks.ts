/**
 * Checks 1 to 3, 24 and 36: a load at a fixed rate, and what is lost of it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { liveObstacle } from '../../test/helpers/live.ts';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { memoryOf } from '../bed-of-hosts.ts';
import { rate as inThousands } from '../numbers.ts';
import type { FloodLoadArguments } from '../overload/flood-load.ts';
import { FRAGMENTS_BESIDE_WHOLE } from '../overload/floods.ts';
import { trialRules } from '../rules/trial-policy.ts';
import { median } from '../statistics.ts';
import { establish, type Load, liveFrames } from '../tcpreplay/load.ts';
import { measureReloads } from '../tcpreplay/measures.ts';
import { GENERATOR_CORE, GENERATOR_END } from '../tcpreplay/test-bed.ts';
import { runTrial } from '../tcpreplay/trial.ts';
import { frameSizes, type FrameSize, type Traffic } from '../traffic/traffic.ts';
import type { Finding } from './results.ts';
import {
  inWords,
  isOffered,
  lossInWords,
  lostFrames,
  type Subject,
  type TrialRun,
} from './trial-run.ts';

const FLOWS = 4096;
const RULES = 100;
const MANY_RULES = 1000;
const FEW_RULES = 10;
const SMALL_RATE = 150_000;
const SMALL_LOSS = 0.0001;
const NEW_FLOWS_RATE = 50_000;
/** Many and few rules in turns, so that what the machine does over time meets both. */
const TURNS = 4;
const TURN_SECONDS = 3;
const ESTABLISHED_PART = 0.9;
const BITS = 8;
const FRAGMENT_RATE = 50_000;
/** Without fragments first, for a part of the time. */
const ALONE_PART = 1 / 3;
const FRAGMENT_LOSS = 0.01;
/** 4,096 datagrams of at most 128 fragments are remembered: some 10 MiB, and the flows of the load 8. */
const FRAGMENT_MEMORY_MIB = 32;
const MEBIBYTE = 2 ** 20;

const run = promisify(execFile);

function traffic(kind: Traffic['kind'], size: FrameSize, flows = FLOWS): Traffic {
  return { kind, size, family: 4, flows };
}

export async function oneFlow(trials: TrialRun): Promise<Finding[]> {
  const trial = await trials.withNsgd(RULES, async (subject) => {
    const load = traffic('established', 64, 1);
    await establish(subject.bed, load);
    return trials.load(subject, load, SMALL_RATE);
  });
  return [
    {
      check: 1,
      aim: `64 bytes, one flow, ${RULES} rules, 150 k frames a second: 0.01 % lost at most`,
      found: inWords(trial),
      isHeld: isOffered(trial) && trial.loss <= SMALL_LOSS,
    },
  ];
}

/** Frames a second of that many bits, frames as captured. */
function frameRate(size: FrameSize, bitsPerSecond: number): number {
  const sizes = frameSizes(size);
  const mean = sizes.reduce((sum, bytes) => sum + bytes, 0) / sizes.length;
  return bitsPerSecond / (mean * BITS);
}

export async function bitRates(trials: TrialRun): Promise<Finding[]> {
  const mixed = 'mix of sizes (7 of 64, 4 of 594, 1 of 1514 bytes)';
  return [
    await bitRate(trials, { size: 'mix', name: mixed, gigabits: 1 }),
    await bitRate(trials, { size: 1514, name: '1514 bytes', gigabits: 2 }),
  ];
}

async function bitRate(
  trials: TrialRun,
  { size, name, gigabits }: { size: FrameSize; name: string; gigabits: number },
): Promise<Finding> {
  const load = traffic('established', size);
  const rate = frameRate(size, gigabits * 1e9);
  const [trial, bridge] = await trials.besideBridge(
    () =>
      trials.withNsgd(RULES, async (subject) => {
        await establish(subject.bed, load);
        return trials.load(subject, load, rate);
      }),
    (subject, part) => part.load(subject, load, rate),
  );
  return {
    check: 2,
    aim: `${name}, ${gigabits} Gb/s: none lost`,
    found: inWords(trial),
    bridge: lossInWords(bridge),
    isHeld: isOffered(trial) && trial.loss === 0,
  };
}

export async function manyRules(trials: TrialRun): Promise<Finding[]> {
  const load = traffic('new', 64);
  const [[newFlows, many, few], bridge] = await trials.besideBridge(
    () =>
      trials.withNsgd(MANY_RULES, async (subject) => {
        const trial = await trials.load(subject, load, NEW_FLOWS_RATE);
        return [trial, ...(await saturatedRates(subject))] as const;
      }),
    (subject, part) => part.load(subject, load, NEW_FLOWS_RATE),
  );
  return [
    {
      check: 3,
      aim: `${MANY_RULES} rules, the last matches, a new flow with each frame: 50 k a second`,
      found: inWords(newFlows),
      bridge: lossInWords(bridge),
      isHeld: isOffered(newFlows) && newFlows.loss <= SMALL_LOSS,
    },
    {
      check: 3,
      aim: `established flows with ${MANY_RULES} rules: within 10 % of the rate with ${FEW_RULES}`,
      found: `${inThousands(many)} and ${inThousands(few)} frames a second, ${(many / few).toFixed(2)} times`,
      isHeld: many >= few * ESTABLISHED_PART,
    },
  ];
}

/** Frames a second that arrive of more than can: with many rules, and with few. */
async function saturatedRates({ bed, device }: Subject): Promise<readonly [number, number]> {
  const established = traffic('established', 64);
  await establish(bed, established);
  const rates: { readonly many: number[]; readonly few: number[] } = { many: [], few: [] };
  for (let turn = 0; turn < TURNS; turn++) {
    // ABBA.
    for (const which of turn % 2 === 0 ? (['many', 'few'] as const) : (['few', 'many'] as const)) {
      // One policy, one load at a time.
      // oxlint-disable-next-line no-await-in-loop
      await device.reload(trialRules(which === 'many' ? MANY_RULES : FEW_RULES, 4));
      // oxlint-disable-next-line no-await-in-loop
      const { receivedRate } = await runTrial(bed, device, {
        load: liveFrames,
        traffic: established,
        rate: undefined,
        seconds: TURN_SECONDS,
      });
      rates[which].push(receivedRate);
    }
  }
  return [median(rates.many), median(rates.few)];
}

export async function reloads(trials: TrialRun): Promise<Finding[]> {
  const load = traffic('half-denied', 64);
  const { trial, reloads: count } = await trials.withNsgd(MANY_RULES, async (subject) => {
    await trials.warmUp(subject, load);
    return measureReloads(subject.bed, subject.device, load, trials.seconds);
  });
  // Every other frame is denied, whichever policy judges it; the load may end on either. What was lost had no verdict.
  const wronglyDenied = Math.max(0, (trial.denied ?? 0) - Math.ceil(trial.offered / 2));
  const wrong = wronglyDenied + trial.leaked;
  return [
    {
      check: 24,
      aim: '100 reloads a minute at 50 k frames a second: none lost, no wrong verdict',
      found: `${count} reloads, ${inWords(trial)}, ${wrong} wrong verdicts (every other frame is to be denied)`,
      isHeld: isOffered(trial) && trial.loss === 0 && wrong === 0,
    },
  ];
}

const fragmentsBesideWhole: Load = {
  name: FRAGMENTS_BESIDE_WHOLE,
  obstacle: () => liveObstacle,
  async send(bed, { rate, seconds }) {
    const request: FloodLoadArguments = {
      device: GENERATOR_END,
      flood: FRAGMENTS_BESIDE_WHOLE,
      seconds,
      ...(rate === undefined ? {} : { rate }),
    };
    const program = join(projectRoot, 'dist/bench/overload/flood-load.js');
    const { stdout } = await run('ip', [
      ...['netns', 'exec', bed.generator.name, 'taskset', '-c', String(GENERATOR_CORE)],
      ...[process.execPath, program, JSON.stringify(request)],
    ]);
    return (JSON.parse(stdout) as { seconds: number }).seconds;
  },
};

export async function fragmentFlood(trials: TrialRun): Promise<Finding[]> {
  return trials.withNsgd(RULES, async (subject) => {
    const { bed, device } = subject;
    const whole = traffic('established', 64);
    const alone = await runTrial(bed, device, {
      load: liveFrames,
      traffic: whole,
      rate: FRAGMENT_RATE,
      seconds: trials.seconds * ALONE_PART,
    });
    const { processId } = device.daemon.wire();
    const before = memoryOf(processId);
    const trial = await trials.load(subject, whole, 2 * FRAGMENT_RATE, fragmentsBesideWhole);
    const grown = (memoryOf(processId) - before) / MEBIBYTE;
    // Which of the frames were lost is not known: all of them count as whole ones.
    const part = (lostFrames(trial) + (trial.denied ?? 0)) / (trial.offered / 2);
    return [
      {
        check: 36,
        aim: 'fragments that are never completed, 50 k a second, beside as many whole datagrams: 1 % more of these lost at most',
        found: `${inWords(trial)}, ${trial.denied ?? 0} denied: ${(part * 100).toPrecision(2)} % at most; ${(alone.loss * 100).toPrecision(2)} % without fragments`,
        isHeld: isOffered(trial) && part - alone.loss <= FRAGMENT_LOSS,
      },
      {
        check: 36,
        aim: `memory stays at its bound: ${FRAGMENT_MEMORY_MIB} MiB more at most`,
        found: `${grown.toFixed(1)} MiB more`,
        isHeld: grown <= FRAGMENT_MEMORY_MIB,
      },
    ];
  });
}
