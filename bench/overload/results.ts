/**
 * What bench/overload writes: for each flood what it took from a transfer, and that nothing of it went uncounted.
 */
import type { Environment } from '../environment.ts';
import type { Flood } from './floods.ts';

export interface FloodResult {
  readonly flood: Flood;
  /** Frames a second that were asked of the generator; undefined: as fast as it goes. */
  readonly rate: number | undefined;
  /** Frames a second that the daemon read from the interface, and that the kernel dropped before. */
  readonly read: number;
  readonly kernelDropped: number;
  /** Of the transfer's rate before the flood, what was left during it. */
  readonly kept: number;
  /** Seconds after the flood until the transfer had its rate again. */
  readonly recovery: number;
  /** Frames read less frames judged: 0, or some were lost without a reason. */
  readonly unaccounted: number;
  readonly flows: number;
  /** Bytes of memory of the data plane, before and after. */
  readonly memory: readonly [number, number];
  /** Reasons for which frames of the flood were dropped. */
  readonly reasons: readonly string[];
}

export interface OverloadResults {
  readonly environment: Environment;
  readonly repeats: number;
  /** Rules of the policy; the traffic matches the last. */
  readonly rules: number;
  /** Bytes a second of the transfer when there is no flood. */
  readonly transfer: number;
  readonly floods: readonly FloodResult[];
}
