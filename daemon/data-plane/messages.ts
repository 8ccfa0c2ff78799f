/**
 * Messages between the control process and a data plane, over Node's IPC channel: one order to start, and a few words
 * about life and death. What has to work under flood goes through the control page instead.
 */
import type { WireMode } from '../../src/capture/live/live-wire.ts';

/** Live backends by configuration name. */
export const LiveBackend = Object.freeze({ AfXdp: 'af-xdp', Cap: 'cap' } as const);
export type LiveBackend = (typeof LiveBackend)[keyof typeof LiveBackend];

/** What can be asked for: a backend, or the best that works. */
export type WantedBackend = LiveBackend | 'auto';

/** Everything a data plane is told. Its policy comes from the segments. */
export interface StartMessage {
  readonly type: 'start';
  readonly runtimeDirectory: string;
  readonly wire: string;
  readonly outside: string;
  readonly inside: string;
  readonly mode: WireMode;
  readonly backend: WantedBackend;
  /** Bytes of kernel buffer per interface, with the cap backend. */
  readonly ringBytes: number;
  /** Microseconds to look for frames before sleeping, with the af-xdp backend. */
  readonly busyPoll: number;
  /** Processor that the packet loop stays on; undefined for any. */
  readonly cpu?: number | undefined;
  /** How long TCP may be picked up mid-stream when there are no saved flows. */
  readonly pickUpSeconds: number;
}

/** `code` of a failure that an empty flow table would cure. */
export const FLOW_TABLE_UNFIT = 'FLOW_TABLE_UNFIT';

/** What a data plane reports. */
export type DataPlaneMessage =
  /** Both interfaces are open and a policy is in force. */
  | {
      readonly type: 'running';
      readonly generation: number;
      readonly backend: LiveBackend;
      /** How the backend is attached, or why it is not the one preferred; for the operator. */
      readonly detail: string;
      /** Frames that a receive ring of each interface holds, by side; empty with the cap backend. */
      readonly ringSlots: readonly number[];
      /** Flows taken over from the data plane before, and those of its records that were stale or damaged. */
      readonly flowsKept: number;
      readonly flowsDropped: number;
    }
  /** It could not start, and ends. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  /** A new policy is in force. */
  | { readonly type: 'policy'; readonly generation: number }
  /** A new policy could not be loaded; the one before stays. */
  | { readonly type: 'policy-rejected'; readonly generation: number; readonly message: string };

/** Both ends are ours and of one build, so the tag is all there is to check. */
export function isStartMessage(value: unknown): value is StartMessage {
  return hasType(value) && value.type === 'start';
}

export function isDataPlaneMessage(value: unknown): value is DataPlaneMessage {
  return (
    hasType(value) &&
    ['running', 'failed', 'policy', 'policy-rejected'].includes(String(value.type))
  );
}

function hasType(value: unknown): value is { type: unknown } {
  return typeof value === 'object' && value !== null && 'type' in value;
}
