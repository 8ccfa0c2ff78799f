/**
 * A run of checks: each gets a bed and an nsgd of its own, and whatever it does with them, every frame is accounted for
 * and the garbage collector's pauses are read at the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningNsgd, startNsgd } from '../peers/nsgd.ts';
import { trialRules } from '../rules/trial-policy.ts';
import type { DeviceCounts } from '../tcpreplay/device.ts';
import { liveFrames } from '../tcpreplay/load.ts';
import { type BedCounts, TestBed } from '../tcpreplay/test-bed.ts';
import { runTrial, type Trial } from '../tcpreplay/trial.ts';
import type { Traffic } from '../traffic/traffic.ts';

const WARM_UP_RATE = 50_000;
const WARM_UP_SECONDS = 3;
/** The generator falls a little short of what it is asked for, so it is asked for a little more. */
const ASKED_MORE = 1.03;
const RATE_TOLERANCE = 0.03;
const MILLISECONDS = 1000;

export interface Subject {
  readonly bed: TestBed;
  readonly device: RunningNsgd;
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

  /** Frames at a fixed rate for the time of a load, after a warm-up. */
  async load(subject: Subject, traffic: Traffic, rate: number, load = liveFrames): Promise<Trial> {
    await this.warmUp(subject, traffic, load);
    const { bed, device } = subject;
    return runTrial(bed, device, { load, traffic, rate: rate * ASKED_MORE, seconds: this.seconds });
  }

  /**
   * The same traffic, not counted: a process that has just begun judges its first some ten thousand frames before its code is
   * compiled, and loses some of them at these rates.
   */
  async warmUp({ bed, device }: Subject, traffic: Traffic, load = liveFrames): Promise<void> {
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

/** `150 k frames a second for 60 s, 3 of 9000000 lost (0.00003 %)`. */
export function inWords(trial: Trial): string {
  const { offeredRate, seconds, offered, loss } = trial;
  const part = loss === 0 ? '' : ` (${(loss * 100).toPrecision(2)} %)`;
  return (
    `${(offeredRate / 1000).toFixed(1)} k frames a second for ${seconds.toFixed(0)} s, ` +
    `${lostFrames(trial)} of ${offered} lost${part}`
  );
}
