/**
 * The form of an entry in the catalogue of hostile traffic: what is done, beside what must come of it, step by step.
 *
 * An entry is of one of three kinds. `FrameCase`: frames through the pipeline, each with its reason and with what it does
 * to the flow table. `TextCase`: a configuration, with the problems it must be refused for. `HeldCase`: what needs links,
 * processes or time of its own and is held by a test elsewhere, which is named.
 */
import type { FrameSpec } from '../../helpers/frames.ts';
import type { RigOptions, RigPolicy } from '../../helpers/pipeline-rig.ts';

/** `in`: from outside towards the workload. */
export type Direction = 'in' | 'out';
export type Frame = FrameSpec | Uint8Array;

export interface FrameStep {
  readonly kind: 'frame';
  readonly direction: Direction;
  readonly frame: Frame;
  /** Name of the reason: it says the verdict too. */
  readonly reason: string;
  /**
   * What it does to the flow table: empty when nothing, `+SYN_SENT` a flow made, `SYN_SENT>SYN_RECV` another state,
   * `-CLOSED` a flow gone.
   */
  readonly change: string;
}

/** The clock goes on, or back. */
export interface WaitStep {
  readonly kind: 'wait';
  readonly seconds: number;
}

/** Many frames of one making. */
export interface FloodStep {
  readonly kind: 'flood';
  readonly direction: Direction;
  readonly count: number;
  readonly frame: (index: number) => Frame;
  /** `fragment_unknown 5000; 0 flows, 0 datagrams`: frames by reason, and what the tables hold after. */
  readonly outcome: string;
}

export type Step = FrameStep | WaitStep | FloodStep;

interface Entry {
  /** Its row in the catalogue, 1 to 59. */
  readonly row: number;
  readonly attack: string;
  /** Why nsgd does otherwise than the row recommends, where it does. */
  readonly chosen?: string;
}

export interface FrameCase extends Entry {
  readonly policy: RigPolicy;
  readonly options?: RigOptions;
  readonly steps: readonly Step[];
}

export interface TextCase extends Entry {
  /** YAML. */
  readonly text: string;
  /** Codes of the problems it is refused for, in their order; none when it is a good text. */
  readonly codes: readonly string[];
}

export interface HeldCase extends Entry {
  /** A test file, relative to the project root. */
  readonly file: string;
  /** Part of the name of a test or suite in it. */
  readonly test: string;
}

export type Case = FrameCase | TextCase | HeldCase;

export function into(frame: Frame, reason: string, change = ''): FrameStep {
  return { kind: 'frame', direction: 'in', frame, reason, change };
}

export function out(frame: Frame, reason: string, change = ''): FrameStep {
  return { kind: 'frame', direction: 'out', frame, reason, change };
}

export function wait(seconds: number): WaitStep {
  return { kind: 'wait', seconds };
}

export function flood(
  direction: Direction,
  count: number,
  frame: (index: number) => Frame,
  outcome: string,
): FloodStep {
  return { kind: 'flood', direction, count, frame, outcome };
}
