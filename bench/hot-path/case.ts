/**
 * What a case of the hot-path benchmark is: it prepares its data once and then runs operations in a loop of its own, so
 * that no call and no closure of the runner stands between the clock and what is measured.
 */

export interface Workload {
  /** Runs that many operations. The loop stays bounded by it. */
  run(operations: number): void;
  /** Puts the data back to where a round starts. Not timed. */
  reset?(): void;
  /** Operations of one round, where the data bound them; absent: as many as fill the time of a round. */
  readonly operations?: number;
  /** Operations that one step of `run` does at once: counts given to `run` are multiples of it. Default 1. */
  readonly batch?: number;
  /** What the number depends on: rules, flows, memory in bytes. */
  readonly facts?: Readonly<Record<string, number | string>>;
}

export interface BenchCase {
  /** `group/what`, unique. */
  readonly name: string;
  /** What one operation is: its plural, for "per second". */
  readonly unit: string;
  /** A workload, or why there is none here: data that a clone does not have. */
  prepare(): Workload | string;
}

/** @throws Error when a case does not do what it says it measures */
export function expectThat(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`benchmark: ${what}`);
}
