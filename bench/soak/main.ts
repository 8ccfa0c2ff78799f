/**
 * A long run: UDP at 30,000 frames a second, every frame of another flow, a reload every ten seconds, one TCP session that stays
 * open. Memory, descriptors and round trips are sampled, and must not grow. Writes bench/soak/result.json.
 *
 *     node dist/bench/soak/main.js [--minutes 60] [--rate 30000]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { hostOf } from '../../test/helpers/network.ts';
import {
  type Bed,
  buildBed,
  inboundCounts,
  internet,
  policy,
  RULES,
  startFlood,
} from '../bed-of-hosts.ts';
import { readEnvironment } from '../environment.ts';
import { ALLOWED_PORT, LOCAL } from '../rules/trial-policy.ts';
import { median, spread } from '../statistics.ts';
import type { Growth, MemoryGrowth, SoakResults } from './results.ts';

const RELOAD_SECONDS = 10;
const SAMPLE_SECONDS = 5;
const TENTHS = 10;
const SESSION_TIMEOUT_MS = 10_000;
const KIBIBYTE = 1024;
const SECONDS_PER_MINUTE = 60;
const SECONDS_PER_HOUR = 3600;

interface Sample {
  readonly seconds: number;
  readonly dataPlaneMemory: number;
  readonly controlMemory: number;
  readonly dataPlaneDescriptors: number;
  readonly controlDescriptors: number;
  readonly roundTrip: number;
}

/**
 * Bytes of a process' own: without files, and without shared memory, which is the flow table. That has its size from the start, but
 * is resident only as far as flows have come to lie in it.
 */
function ownMemory(pid: number): number {
  const [, kibibytes] =
    /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`the kernel does not tell the memory of ${pid}`);
  return Number(kibibytes) * KIBIBYTE;
}

const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Round trips of this sample: the median of a few, so that one late wake-up is not the sample. */
async function roundTrip(bed: Bed, connection: number): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    const start = performance.now();
    const { outcome } = await internet(bed).call('exchange', {
      connection,
      text: 'soak',
      timeoutMs: SESSION_TIMEOUT_MS,
    });
    if (outcome !== 'answered') throw new Error(`the session that was open: ${outcome}`);
    times.push(performance.now() - start);
  }
  return median(times);
}

function growthOf(samples: readonly Sample[], read: (sample: Sample) => number): Growth {
  const tenth = Math.max(1, Math.floor(samples.length / TENTHS));
  return {
    first: median(samples.slice(0, tenth).map(read)),
    last: median(samples.slice(-tenth).map(read)),
    perHour: slope(samples, read),
  };
}

/** See `MemoryGrowth`. */
function memoryGrowthOf(
  samples: readonly Sample[],
  read: (sample: Sample) => number,
): MemoryGrowth {
  const count = samples.length / TENTHS;
  const least = Array.from({ length: TENTHS }, (_, n) =>
    Math.min(...samples.slice(Math.floor(n * count), Math.ceil((n + 1) * count)).map(read)),
  );
  const half = TENTHS / 2;
  return {
    least,
    halves: [Math.min(...least.slice(1, half)), Math.min(...least.slice(half))],
  };
}

/** Of a straight line through the second half, for an hour: what comes before is warming up. */
function slope(samples: readonly Sample[], read: (sample: Sample) => number): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const times = half.map(({ seconds }) => seconds);
  const values = half.map(read);
  const [middleTime, middleValue] = [mean(times), mean(values)];
  const above = times.reduce(
    (sum, time, index) => sum + (time - middleTime) * ((values[index] ?? 0) - middleValue),
    0,
  );
  const below = times.reduce((sum, time) => sum + (time - middleTime) ** 2, 0);
  return below === 0 ? 0 : (above / below) * SECONDS_PER_HOUR;
}

async function soak(bed: Bed, minutes: number, rate: number): Promise<SoakResults> {
  const { daemon } = bed;
  const seconds = minutes * SECONDS_PER_MINUTE;
  const { connection = 0 } = await internet(bed).call('connect', {
    address: LOCAL[4],
    port: ALLOWED_PORT,
  });
  const before = daemon.wire();
  const control = daemon.process.child.pid ?? 0;
  const loadEnds = startFlood(bed, {
    flood: 'udp, random sources, allowed: a flow each',
    rate,
    seconds,
  });
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  const samples: Sample[] = [];
  const reloads = { done: 0, failed: 0 };
  for (let nextReload = RELOAD_SECONDS; elapsed() < seconds;) {
    await sleep(SAMPLE_SECONDS * 1000);
    if (elapsed() >= nextReload) {
      nextReload += RELOAD_SECONDS;
      const rules = RULES - (reloads.done % 2);
      const { status } = daemon.reload((settings) => policy(settings, rules));
      reloads.done++;
      if (status !== 0) reloads.failed++;
    }
    samples.push({
      seconds: elapsed(),
      dataPlaneMemory: ownMemory(before.processId),
      controlMemory: ownMemory(control),
      dataPlaneDescriptors: descriptors(before.processId),
      controlDescriptors: descriptors(control),
      roundTrip: await roundTrip(bed, connection),
    });
    const last = samples.at(-1);
    console.log(
      `${Math.round(elapsed())} s: data plane ${Math.round((last?.dataPlaneMemory ?? 0) / 2 ** 20)} MB,`,
      `control ${Math.round((last?.controlMemory ?? 0) / 2 ** 20)} MB, round trip ${last?.roundTrip.toFixed(2) ?? ''} ms`,
    );
  }
  await loadEnds();
  await sleep(1000);
  const after = daemon.wire();
  const [framesRead, kernelDrops, judged] = inboundCounts(after);
  const [framesBefore] = inboundCounts(before);
  const opened = /^nsgd_flows_opened_total\{wire="wire0",protocol="UDP"\} (\d+)$/im;
  return {
    environment: readEnvironment(),
    minutes,
    rate,
    samples: samples.length,
    reloads: reloads.done,
    failedReloads: reloads.failed,
    framesRead: framesRead - framesBefore,
    kernelDrops,
    unaccounted: framesRead - judged,
    flowsOpened: Number(opened.exec(daemon.fetch('/metrics'))?.[1] ?? 0),
    restarts: after.restarts,
    dataPlaneMemory: memoryGrowthOf(samples, (sample) => sample.dataPlaneMemory),
    controlMemory: memoryGrowthOf(samples, (sample) => sample.controlMemory),
    dataPlaneDescriptors: growthOf(samples, (sample) => sample.dataPlaneDescriptors),
    controlDescriptors: growthOf(samples, (sample) => sample.controlDescriptors),
    roundTrip: {
      ...growthOf(samples, (sample) => sample.roundTrip),
      all: spread(samples.map((sample) => sample.roundTrip)),
    },
  };
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '30000' },
  },
});
const bed = await buildBed();
try {
  await hostOf(bed.network, 'vm1').peer.call('serveTcp', { port: ALLOWED_PORT });
  const results = await soak(bed, Number(values.minutes), Number(values.rate));
  writeFileSync(
    join(projectRoot, 'bench/soak/result.json'),
    `${JSON.stringify(results, null, 2)}\n`,
  );
  console.log(JSON.stringify(results, null, 2));
} finally {
  await bed.lab.close();
}
