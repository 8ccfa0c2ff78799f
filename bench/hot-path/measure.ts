/**
 * Measures one prepared workload in this process: nanoseconds and heap bytes of one operation.
 *
 * Needs `--expose-gc --min-semi-space-size=16`: with a small young generation a collection between two readings of the
 * heap hides what was allocated.
 */
import type { Workload } from './case.ts';

export interface MeasureOptions {
  readonly rounds: number;
  readonly roundMilliseconds: number;
}

export interface Measurement {
  /** Nanoseconds of an operation, one number per round. */
  readonly nanoseconds: readonly number[];
  /** Heap bytes of an operation; the least of several rounds, because the heap also moves for other reasons. */
  readonly bytes: number;
  readonly facts: Readonly<Record<string, number | string>>;
}

const FIRST_OPERATIONS = 1024;
const MOST_OPERATIONS = 1 << 26;
/** Rounds before the first that counts: the compiler has seen what it will see. */
const WARM_UP_ROUNDS = 3;
const BYTE_ROUNDS = 5;
/** Of one such round. What they allocate must fit the young generation. */
const BYTE_OPERATIONS = 16_384;

export function measure(workload: Workload, options: MeasureOptions): Measurement {
  const operations = operationsOf(workload, options.roundMilliseconds);
  for (let round = 0; round < WARM_UP_ROUNDS; round++) timeOf(workload, operations);
  const nanoseconds: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    nanoseconds.push(timeOf(workload, operations) / operations);
  }
  const bytes = bytesOf(workload, Math.min(operations, BYTE_OPERATIONS));
  return { nanoseconds, bytes, facts: workload.facts ?? {} };
}

/** Enough operations for a round of that length. */
function operationsOf(workload: Workload, milliseconds: number): number {
  if (workload.operations !== undefined) return workload.operations;
  const batch = workload.batch ?? 1;
  let operations = FIRST_OPERATIONS * batch;
  while (operations < MOST_OPERATIONS) {
    const time = timeOf(workload, operations) / 1e6;
    if (time >= milliseconds) break;
    operations = time < milliseconds / 4 ? operations * 4 : operations * 2;
  }
  return operations;
}

/**
 * Nanoseconds of a run, without those in which another process had the core: the lesser of the time that passed and the
 * CPU time of this process. (The latter alone would count the collector's helpers too.)
 */
function timeOf(workload: Workload, operations: number): number {
  workload.reset?.();
  const cpuStarted = process.cpuUsage();
  const started = process.hrtime.bigint();
  workload.run(operations);
  const passed = Number(process.hrtime.bigint() - started);
  const { user, system } = process.cpuUsage(cpuStarted);
  return Math.min(passed, (user + system) * 1000);
}

function bytesOf(workload: Workload, operations: number): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run with --expose-gc');
  let least = Number.POSITIVE_INFINITY;
  let ofReading = Number.POSITIVE_INFINITY;
  for (let round = 0; round < BYTE_ROUNDS; round++) {
    workload.reset?.();
    collect();
    const first = process.memoryUsage().heapUsed;
    const before = process.memoryUsage().heapUsed;
    workload.run(operations);
    least = Math.min(least, process.memoryUsage().heapUsed - before);
    ofReading = Math.min(ofReading, before - first);
  }
  return Math.max(0, least - ofReading) / operations;
}
