/**
 * What every live backend has in common: it takes frames from both interfaces of a wire, has each judged, and sends
 * the forwarded ones out of the other. Backends differ in how they get frames; the caller cannot tell them apart.
 */
import { BATCH_FRAMES, type FrameBatch, type FrameJudge } from '../frame.ts';

export const WireMode = Object.freeze({
  /** The only path between the two interfaces: what is not forwarded here is dropped. */
  Inline: 'inline',
  /** Looks on: frames are judged and counted, nothing is sent. */
  Monitor: 'monitor',
} as const);
export type WireMode = (typeof WireMode)[keyof typeof WireMode];

/** What a backend counts by itself. What it hands to the judge is counted there. `side` is one of `Side`. */
export interface WireCounts {
  /** A frame the kernel took for sending out of the interface on `side`. */
  sent(side: number, bytes: number): void;
  /** A frame the kernel refused to send out of the interface on `side`. */
  sendFailed(side: number): void;
  /** Frames that arrived on `side` and that the kernel dropped, because they were not read in time. */
  kernelDropped(side: number, frames: number): void;
  /** Of these, those for which a ring shared with the kernel had no room. */
  receiveRingFull(side: number, frames: number): void;
  /** Entries in such a ring that the kernel would not take. */
  invalidDescriptors(side: number, entries: number): void;
  /**
   * Frames that were read together, judged and sent.
   * @param waiting frames that were in the receive ring then, those that were not read included
   * @param milliseconds that it took
   */
  batch(waiting: number, milliseconds: number): void;
}

export interface WireHandler {
  readonly judge: FrameJudge;
  readonly counts: WireCounts;
  /**
   * Called between two frames, after at most `FRAMES_PER_TICK` of them. The place to read the clock and do bounded
   * work; under flood nothing else runs, because the backend does not return to the event loop.
   */
  tick(): void;
  /** True while something waits for the next tick: it should come within a millisecond or two, frames or none. */
  readonly isTickWanted?: boolean;
  /** Told of frames that are judged next, all of one side, where the backend knows them: to read what they need. */
  lookAhead?(view: DataView, batch: FrameBatch, side: number): void;
}

/** Frames between two calls of `WireHandler.tick`. */
export const FRAMES_PER_TICK = BATCH_FRAMES;

/** A wire with both interfaces open. */
export interface LiveWire {
  /** Adds the drops since the last call to `WireCounts.kernelDropped`. One system call per interface. */
  collectKernelDrops(): void;
  /** No frame is judged or sent after this. Allowed inside `tick`. A wire cannot be started again. */
  stop(): void;
}

/** An interface that cannot be captured from; the message says which and why. */
export class LiveOpenError extends Error {
  readonly code = 'LIVE_OPEN_FAILED';
}

/** This backend will never work on that interface or kernel; another one may. */
export class BackendUnsupportedError extends LiveOpenError {}
