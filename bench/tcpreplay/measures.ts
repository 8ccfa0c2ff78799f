/**
 * The measurements of a running device, each from a few trials.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Traffic } from '../traffic/traffic.ts';
import { busySeconds, readCores } from './cpu.ts';
import type { RunningDevice } from './device.ts';
import { type Latency, measureLatency } from './latency.ts';
import { liveFrames, tcpreplay } from './load.ts';
import type { Measure } from './plan.ts';
import { trialRules } from '../rules/trial-policy.ts';
import { measureStream } from './stream.ts';
import { zeroLossRate } from './search.ts';
import { DEVICE_CORE, type TestBed } from './test-bed.ts';
import { runTrial, type Trial } from './trial.ts';

/** What was found in one visit. Rates in frames a second. */
export interface Findings {
  saturated?: Trial;
  zeroLoss?: { readonly rate: number; readonly trials: readonly Trial[] };
  curve?: readonly Trial[];
  latency?: readonly Latency[];
  cpu?: CpuCost;
  /** As fast as tcpreplay sends. */
  tcpreplay?: Trial;
  /** One TCP connection by iperf3, in bits a second. */
  stream?: number;
  reload?: ReloadLoss;
}

export interface ReloadLoss {
  readonly reloads: number;
  readonly seconds: number;
  /** Of the load while the policy changed. */
  readonly trial: Trial;
}

/** CPU time of a frame at a moderate rate, without what the machine and the sender take anyway. */
export interface CpuCost {
  readonly rate: number;
  /** Nanoseconds of all cores together, tcpreplay's own included. */
  readonly allCores: number;
  /** Of the device's core alone. */
  readonly deviceCore: number;
}

export interface MeasureOptions {
  readonly seconds: number;
  readonly lossTolerance: number;
  /** Part of the highest rate that the search distinguishes. */
  readonly resolution: number;
}

const LOW_RATE = 10_000;
const CPU_RATE = 100_000;
const CURVE_POINTS = 10;
/** Offered at the last point of the curve, times the saturated rate. */
const CURVE_REACH = 3;
/** A search that starts this much above the rate at saturation misses nothing: there loss is certain. */
const SEARCH_MARGIN = 1.25;
const PAUSE_MS = 100;
const RELOAD_RATE = 50_000;
const RELOAD_SECONDS = 60;
/** In so long. */
const RELOADS = 100;
const RELOAD_RULES = 1000;
/** The last reload is over before the load is. */
const RELOAD_SPAN = 0.95;

/** The policy changes 100 times a minute under a load that is well within reach. @param device that can reload */
export async function measureReloads(
  bed: TestBed,
  device: RunningDevice,
  traffic: Traffic,
  seconds: number,
): Promise<ReloadLoss> {
  const trial = runTrial(bed, device, { load: tcpreplay, traffic, rate: RELOAD_RATE, seconds });
  const start = performance.now();
  const wanted = Math.ceil((RELOADS * seconds) / RELOAD_SECONDS);
  let reloads = 0;
  for (; reloads < wanted; reloads++) {
    // Evenly spread, whatever one takes.
    // oxlint-disable-next-line no-await-in-loop
    await sleep(start + (reloads * seconds * 1000 * RELOAD_SPAN) / wanted - performance.now());
    // Every other time one rule less: the policies differ.
    // oxlint-disable-next-line no-await-in-loop
    await device.reload?.(trialRules(RELOAD_RULES - (reloads % 2), traffic.family));
  }
  const took = (performance.now() - start) / 1000;
  return { reloads, seconds: took, trial: await trial };
}

export class Measurer {
  readonly #bed: TestBed;
  readonly #device: RunningDevice;
  readonly #options: MeasureOptions;

  constructor(bed: TestBed, device: RunningDevice, options: MeasureOptions) {
    this.#bed = bed;
    this.#device = device;
    this.#options = options;
  }

  async run(traffic: Traffic, measures: readonly Measure[]): Promise<Findings> {
    const found: Findings = {};
    // What came before is counted.
    await sleep(this.#device.countsLag ?? 0);
    found.saturated = await this.#trial(traffic, undefined);
    const { receivedRate, offeredRate } = found.saturated;
    if (measures.includes('zero-loss')) {
      found.zeroLoss = await zeroLossRate(
        { ...this.#options, highest: Math.min(offeredRate, receivedRate * SEARCH_MARGIN) },
        (rate) => this.#trial(traffic, rate),
      );
    }
    if (measures.includes('curve')) found.curve = await this.#curve(traffic, receivedRate);
    if (measures.includes('latency')) {
      const half = (found.zeroLoss?.rate ?? 0) / 2;
      found.latency = await this.#latencies(
        traffic,
        half > LOW_RATE ? [LOW_RATE, half] : [LOW_RATE],
      );
    }
    if (measures.includes('cpu')) found.cpu = await this.#cpu(traffic);
    if (measures.includes('tcpreplay')) {
      found.tcpreplay = await this.#trial(traffic, undefined, tcpreplay);
    }
    if (measures.includes('stream')) found.stream = await measureStream(this.#bed);
    if (measures.includes('reload') && this.#device.reload !== undefined) {
      found.reload = await measureReloads(this.#bed, this.#device, traffic, RELOAD_SECONDS);
    }
    return found;
  }

  async #trial(traffic: Traffic, rate: number | undefined, load = liveFrames): Promise<Trial> {
    const { seconds } = this.#options;
    const trial = await runTrial(this.#bed, this.#device, { load, traffic, rate, seconds });
    await sleep(PAUSE_MS);
    return trial;
  }

  /** Loss from a tenth of the saturated rate to far beyond it. */
  async #curve(traffic: Traffic, saturated: number): Promise<Trial[]> {
    const trials: Trial[] = [];
    for (let point = 1; point <= CURVE_POINTS; point++) {
      const rate = (saturated * CURVE_REACH * point) / CURVE_POINTS;
      // One load at a time.
      // oxlint-disable-next-line no-await-in-loop
      trials.push(await this.#trial(traffic, rate));
    }
    return trials;
  }

  async #latencies(traffic: Traffic, rates: readonly number[]): Promise<Latency[]> {
    const latencies: Latency[] = [];
    for (const rate of rates) {
      // One load at a time.
      // oxlint-disable-next-line no-await-in-loop
      latencies.push(await measureLatency(this.#bed, traffic, rate, this.#options.seconds));
    }
    return latencies;
  }

  /** tcpreplay sleeps between frames, where live frames spin: only beside it can CPU time be told. */
  async #cpu(traffic: Traffic): Promise<CpuCost> {
    const { seconds } = this.#options;
    const before = readCores();
    await sleep(seconds * 1000);
    const idle = busySeconds(before, readCores());
    const trial = await this.#trial(traffic, CPU_RATE, tcpreplay);
    const nanoseconds = (core: number): number =>
      (((trial.cpu[core] ?? 0) - (idle[core] ?? 0)) * 1e9) / trial.offered;
    const all = trial.cpu.reduce((sum, _, core) => sum + nanoseconds(core), 0);
    return { rate: trial.offeredRate, allCores: all, deviceCore: nanoseconds(DEVICE_CORE) };
  }
}
