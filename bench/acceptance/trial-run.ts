/**
 * A run of checks: each gets a bed and an nsgd of its own, and whatever it does with them, every frame is accounted for
 * and the garbage collector's pauses are read at the end. Where a frame that comes late or not at all may be the
 * machine's doing, the kernel's bridge gets the same load before and after.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { kernelBridge } from '../peers/kernel-bridge.ts';
import { type RunningNsgd, startNsgd } from '../peers/nsgd.ts';
import { trialRules } from '../rules/trial-policy.ts';
import type { DeviceCounts, RunningDevice } from '../tcpreplay/device.ts';
import { liveFrames } from '../tcpreplay/load.ts';
import { type BedCounts, TestBed } from '../tcpreplay/test-bed.ts';
import { runTrial, type Trial } from '../tcpreplay/trial.ts';
import type { Traffic } from '../traffic/traffic.ts';

const WARM_UP_RATE = 50_000;
const WARM_UP_SECONDS = 3;
/** The generator falls a little short of what it is asked for, so it is asked for a little more. */
const ASKED_MORE = 1.03;
const RATE_TOLERANCE = 0.03;
/** Of the time of a load, each time the bridge gets it. */
const BRIDGE_PART = 1 / 4;
const MILLISECONDS = 1000;

/** What a load goes through. */
export interface Subject<Device extends RunningDevice = RunningNsgd> {
  readonly bed: TestBed;
  readonly device: Device;
}

/** Of all beds of a run together. */
export interface Totals {
  readonly beds: number;
  /** Frames that came to nsgd. */
  readonly frames: number;
  /** Frames that no counter explains, of each bed without regard to sign. */
  readonly unaccounted: number;
  /** Milliseconds of the longest pause of the garbage collector in a data plane. */
  readonly longestPause: number;
}

export class TrialRun {
  /** Of each load. */
  readonly seconds: number;
  #totals: Totals = { beds: 0, frames: 0, unaccounted: 0, longestPause: 0 };

  constructor(seconds: number) {
    this.seconds = seconds;
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** Does something with an nsgd that has so many rules. */
  async withNsgd<Result>(
    rules: number,
    body: (subject: Subject) => Promise<Result>,
  ): Promise<Result> {
    const bed = new TestBed();
    try {
      const device = await startNsgd(bed, { rules: trialRules(rules, 4) }, { backend: 'af-xdp' });
      const before = [bed.counts(), device.counts()] as const;
      const result = await body({ bed, device });
      await sleep(device.countsLag ?? 0);
      this.#add(before, [bed.counts(), device.counts()], longestPause(device));
      await device.stop();
      return result;
    } finally {
      await bed.close();
    }
  }

  /**
   * The kernel's bridge, which judges nothing, in nsgd's place before and after something else.
   * @param measure gets a part of the time of a load
   */
  async besideBridge<Result, Measured>(
    body: () => Promise<Result>,
    measure: (subject: Subject<RunningDevice>, part: TrialRun) => Promise<Measured>,
  ): Promise<readonly [Result, readonly [Measured, Measured]]> {
    const part = new TrialRun(this.seconds * BRIDGE_PART);
    const onBridge = async (): Promise<Measured> => {
      const bed = new TestBed();
      try {
        const device = await kernelBridge('none').start(bed, { rules: [], family: 4 });
        const measured = await measure({ bed, device }, part);
        await device.stop();
        return measured;
      } finally {
        await bed.close();
      }
    };
    const before = await onBridge();
    const result = await body();
    return [result, [before, await onBridge()]];
  }

  /** Frames at a fixed rate for the time of a load, after a warm-up. */
  async load(
    subject: Subject<RunningDevice>,
    traffic: Traffic,
    rate: number,
    load = liveFrames,
  ): Promise<Trial> {
    await this.warmUp(subject, traffic, load);
    const { bed, device } = subject;
    return runTrial(bed, device, { load, traffic, rate: rate * ASKED_MORE, seconds: this.seconds });
  }

  /**
   * The same traffic, not counted: a process that has just begun judges its first some ten thousand frames before its code is
   * compiled, and loses some of them at these rates.
   */
  async warmUp(
    { bed, device }: Subject<RunningDevice>,
    traffic: Traffic,
    load = liveFrames,
  ): Promise<void> {
    await runTrial(bed, device, { load, traffic, rate: WARM_UP_RATE, seconds: WARM_UP_SECONDS });
  }

  #add(
    [bedBefore, before]: readonly [BedCounts, DeviceCounts],
    [bedAfter, after]: readonly [BedCounts, DeviceCounts],
    pause: number,
  ): void {
    const frames = bedAfter.accepted - bedBefore.accepted;
    const explained =
      bedAfter.received - bedBefore.received + difference(before.denied, after.denied);
    const unaccounted = frames - explained - difference(before.lost, after.lost);
    this.#totals = {
      beds: this.#totals.beds + 1,
      frames: this.#totals.frames + frames,
      unaccounted: this.#totals.unaccounted + Math.abs(unaccounted),
      longestPause: Math.max(this.#totals.longestPause, pause),
    };
  }
}

function difference(before = 0, after = 0): number {
  return after - before;
}

function longestPause({ daemon }: RunningNsgd): number {
  const line = /^nsgd_data_plane_longest_gc_pause_seconds\{wire="wire0"\} (\S+)$/m;
  const [, seconds] = line.exec(daemon.fetch('/metrics')) ?? [];
  if (seconds === undefined) throw new Error('nsgd does not tell its longest pause');
  return Number(seconds) * MILLISECONDS;
}

/** Whether the generator sent what it was asked for. */
export function isOffered({ rate, offeredRate }: Trial): boolean {
  return rate === undefined || offeredRate >= rate * (1 - RATE_TOLERANCE);
}

/** Frames that neither arrived nor were denied. */
export function lostFrames({ loss, offered }: Trial): number {
  return Math.round(loss * offered);
}

/** `150 k frames a second for 60 s, 3 of 9000000 lost (0.00003 %), 1.2 % of the time stolen`. */
export function inWords(trial: Trial): string {
  const { offeredRate, seconds, offered, loss, stolen } = trial;
  const part = loss === 0 ? '' : ` (${inPercent(loss)})`;
  return (
    `${(offeredRate / 1000).toFixed(1)} k frames a second for ${seconds.toFixed(0)} s, ` +
    `${lostFrames(trial)} of ${offered} lost${part}, ${inPercent(stolen)} of the time stolen`
  );
}

/** What the bridge lost before and after: `1.4 and 0.9 % lost, 1.2 and 1.0 % of the time stolen`. */
export function lossInWords([before, after]: readonly [Trial, Trial]): string {
  return (
    `${inPercent(before.loss)} and ${inPercent(after.loss)} lost, ` +
    `${inPercent(before.stolen)} and ${inPercent(after.stolen)} of the time stolen`
  );
}

export function inPercent(part: number): string {
  return part === 0 ? 'none' : `${(part * 100).toPrecision(2)} %`;
}
