/**
 * A device under test: what stands between out0 and in0 and forwards what its policy allows.
 */
import type { Family, TrialRule } from '../rules/trial-policy.ts';
import type { TestBed } from './test-bed.ts';

export interface DevicePolicy {
  readonly rules: readonly TrialRule[];
  readonly family: Family;
}

/** What a device says of itself, since it started; absent where it does not tell. */
export interface DeviceCounts {
  /** Frames it took in from out0. */
  readonly received?: number;
  /** Frames its policy denied. */
  readonly denied?: number;
  /** Frames lost in or before it for want of room or time. */
  readonly lost?: number;
  /** Frames it sent to in0. */
  readonly forwarded?: number;
}

export interface RunningDevice {
  counts(): DeviceCounts;
  /** Milliseconds after which `counts` has everything that happened before; absent: at once. */
  readonly countsLag?: number;
  /** Puts other rules in force while it forwards; absent where that is not measured. */
  reload?(rules: readonly TrialRule[]): Promise<void>;
  /** Leaves the interfaces as they were. */
  stop(): Promise<void>;
}

export interface DeviceUnderTest {
  /** Short, for tables: `nsgd af-xdp`. */
  readonly name: string;
  /** The same as another but for its latency: nothing else of it is measured. */
  readonly isLatencyVariant?: boolean;
  /** What it does with the policy: part of what its numbers mean. */
  readonly policy: 'stateful' | 'stateless' | 'none';
  /** IP versions that it was set up for here. */
  readonly families: readonly Family[];
  /** Program and version, once it is known to be there. */
  version(): string | undefined;
  /** Why it cannot run here, in words; undefined when it can. */
  obstacle(): string | undefined;
  /** Ready to forward when this returns. */
  start(bed: TestBed, policy: DevicePolicy): Promise<RunningDevice>;
}
