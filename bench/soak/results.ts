/**
 * What bench/soak writes, to bench/soak/result.json: the last result is kept with the project, because it takes an hour.
 */
import type { Environment } from '../environment.ts';
import type { Spread } from '../statistics.ts';

/** Of one kind of figure: its first and last tenth, and how it grew in between. */
export interface Growth {
  readonly first: number;
  readonly last: number;
  /** A straight line through the second half of the samples: change in an hour. */
  readonly perHour: number;
}

/**
 * Of a process' own memory, in bytes. Only the least counts: what is above it is garbage, which a collection takes once in many
 * minutes, so that a line through it rises or falls by chance.
 */
export interface MemoryGrowth {
  /** Of each tenth. */
  readonly least: readonly number[];
  /** The least of either half, the first without its first tenth, in which the process grows warm. */
  readonly halves: readonly [number, number];
}

export interface SoakResults {
  readonly environment: Environment;
  readonly minutes: number;
  /** Frames a second of the load, every one of another flow. */
  readonly rate: number;
  readonly samples: number;
  readonly reloads: number;
  readonly failedReloads: number;
  readonly framesRead: number;
  readonly kernelDrops: number;
  /** Frames read less frames judged. */
  readonly unaccounted: number;
  readonly flowsOpened: number;
  readonly restarts: number;
  /** Bytes. */
  readonly dataPlaneMemory: MemoryGrowth;
  readonly controlMemory: MemoryGrowth;
  readonly dataPlaneDescriptors: Growth;
  readonly controlDescriptors: Growth;
  /** Milliseconds of a line to an echo server behind the wire and back, over one connection that stays open. */
  readonly roundTrip: Growth & { readonly all: Spread };
}
