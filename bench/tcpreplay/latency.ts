/**
 * Latency through a device: of frames with a time stamp, which are some or all of the load.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { waitFor, within } from '../../test/helpers/wait.ts';
import { quantile } from '../statistics.ts';
import { STAMP_AT, STAMPED_BYTES } from '../traffic/live-traffic.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { readCores, stolenPart } from './cpu.ts';
import type { LatencySinkArguments } from './latency-sink.ts';
import { liveFrames } from './load.ts';
import { GENERATOR_CORE, SINK_END, type TestBed } from './test-bed.ts';

export interface Latency {
  /** Frames a second through the device. */
  readonly rate: number;
  /** Frames with a time stamp that arrived. */
  readonly samples: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Part of the cores' time that the host gave to other machines. */
  readonly stolen: number;
}

/** Frames a second that are stamped, at most: their receiver must not be a load of its own. */
const STAMPS_PER_SECOND = 10_000;
const SETTLE_MS = 300;
const ANSWER_TIMEOUT_MS = 20_000;

/** @param rate frames a second of the traffic, of one size */
export async function measureLatency(
  bed: TestBed,
  traffic: Traffic,
  rate: number,
  seconds: number,
): Promise<Latency> {
  const bytes = Math.max(STAMPED_BYTES[traffic.family], traffic.size === 'mix' ? 64 : traffic.size);
  const stampEvery = 2 ** Math.max(0, Math.ceil(Math.log2(rate / STAMPS_PER_SECOND)));
  const finish = await startSink(bed, STAMP_AT[traffic.family]);
  const coresBefore = readCores();
  await liveFrames.send(bed, {
    traffic: { ...traffic, size: bytes as Traffic['size'] },
    rate,
    seconds,
    firstFlow: 0,
    stampEvery,
  });
  const stolen = stolenPart(coresBefore, readCores());
  await sleep(SETTLE_MS);
  const delays = await finish();
  if (delays.length === 0) throw new Error('no stamped frame came through');
  return {
    rate,
    samples: delays.length,
    p50: quantile(delays, 0.5),
    p90: quantile(delays, 0.9),
    p99: quantile(delays, 0.99),
    p999: quantile(delays, 0.999),
    max: quantile(delays, 1),
    stolen,
  };
}

/** @returns what ends it and gives the delays in microseconds */
async function startSink(bed: TestBed, stampAt: number): Promise<() => Promise<number[]>> {
  const options: LatencySinkArguments = { device: SINK_END, stampAt };
  const program = join(projectRoot, 'dist/bench/tcpreplay/latency-sink.js');
  const child = spawn(
    'ip',
    [
      ...['netns', 'exec', bed.sink.name, 'taskset', '-c', String(GENERATOR_CORE)],
      ...[process.execPath, program, JSON.stringify(options)],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const closed = once(child, 'close');
  await waitFor('the latency sink', () => {
    if (child.exitCode !== null) throw new Error('the latency sink ended');
    return output.startsWith('ready\n') ? true : undefined;
  });
  return async () => {
    child.stdin.end();
    try {
      await within('the delays', ANSWER_TIMEOUT_MS, closed);
    } finally {
      child.kill('SIGKILL');
    }
    return JSON.parse(output.slice(output.indexOf('\n'))) as number[];
  };
}
