/**
 * What the inline benchmark writes and the report reads.
 */
import type { Environment } from '../environment.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { DeviceUnderTest } from './device.ts';
import type { Findings, MeasureOptions } from './measures.ts';
import type { PlanName } from './plan.ts';

export interface VisitResult {
  readonly device: string;
  readonly policy: DeviceUnderTest['policy'];
  /** 0 where the device has no rules. */
  readonly rules: number;
  readonly traffic: Traffic;
  readonly repeat: number;
  readonly found: Findings;
}

export interface InlineResults {
  readonly environment: Environment;
  readonly plan: PlanName;
  readonly repeats: number;
  readonly options: MeasureOptions;
  /** Words that the devices were chosen by; undefined in results from before this was recorded. */
  readonly devices?: readonly string[];
  /** When the run was continued, and the load before; undefined when it was not. */
  readonly continuations?: readonly Pick<Environment, 'date' | 'load'>[];
  /** By device. */
  readonly versions: Readonly<Record<string, string>>;
  readonly visits: VisitResult[];
  /** Visits that could not be finished, in words. */
  readonly failures: string[];
}
