/**
 * Two pipelines that must agree on every frame, whatever lies around it.
 *
 * The first sees a frame through a view that ends where the frame ends, so that a read outside throws. The second sees it at
 * another place in a buffer whose other bytes change from frame to frame, so that a verdict that depends on them differs. Both
 * start alike and get the same frames, so they stay alike. A call that takes more than a millisecond in both, and again in
 * both when the frame is judged anew, is slow; when only one of them was, it was the machine (garbage collection, another
 * program).
 */
import { reasonNames } from '../../src/engine/reason.ts';
import type { Pipeline } from '../../src/engine/pipeline.ts';
import { inconsistencies } from '../helpers/flows.ts';
import { PipelineRig, type RigPolicy } from '../helpers/pipeline-rig.ts';
import type { Random } from '../helpers/random.ts';
import { FRAME_ROOM } from './frame-mutator.ts';

/** The clock of a rig starts there. */
const START_SECONDS = 1000;
const SLOW_MS = 1;
const TRIES = 5;
/** Longer than a datagram is remembered after its last fragment. */
const FORGOTTEN_SECONDS = 120;
const MAX_FLOWS = 24;
const GUARD_BYTES = 64;

export class TwinPipelines {
  /** Calls above the limit in one of both at least. */
  disturbed = 0;
  /** Longest call, as the shorter of both, and of the repetitions where that was above the limit, in milliseconds. */
  longest = 0;
  readonly #random: Random;
  readonly #slowMs: number;
  readonly #exact = new PipelineRig({ nic: [] }, { maxFlows: MAX_FLOWS });
  readonly #inside = new PipelineRig({ nic: [] }, { maxFlows: MAX_FLOWS });
  readonly #around = new Uint8Array(2 * FRAME_ROOM);
  readonly #aroundView = new DataView(this.#around.buffer);
  #second = 0;

  /** @param slowMs what a call may take, in milliseconds */
  constructor(random: Random, slowMs: number = SLOW_MS) {
    this.#random = random;
    this.#slowMs = slowMs;
  }

  /** The one that judged the frame alone. */
  get pipeline(): Pipeline {
    return this.#exact.pipeline;
  }

  /** State of the flow of the last frame, 0 when it has none. */
  get flowState(): number {
    const { pipeline, flows } = this.#exact;
    return pipeline.flow < 0 ? 0 : flows.state(pipeline.flow);
  }

  reload(policy: RigPolicy): void {
    for (const rig of [this.#exact, this.#inside]) rig.reload(policy);
  }

  /** Both forget every flow, and every datagram whose fragments they saw: its time is over. */
  forget(): void {
    for (const rig of [this.#exact, this.#inside]) rig.forgetFlows();
    this.at(this.#second + FORGOTTEN_SECONDS);
  }

  /** Moves the clock and does the work between batches. */
  at(second: number): void {
    this.#second = second;
    for (const rig of [this.#exact, this.#inside]) rig.at(second).pipeline.housekeep();
  }

  /** Judges a frame twice. @returns what is wrong, undefined when nothing is */
  judge(frame: Uint8Array, length: number, side: number): string | undefined {
    const offset = this.#place(frame, length);
    const exact = new DataView(frame.buffer, frame.byteOffset, length);
    try {
      return this.#judgeBoth(exact, offset, side);
    } catch (error) {
      return `threw ${String(error)}`;
    }
  }

  /** What does not agree in the flow tables, in words. */
  problems(): string[] {
    return [this.#exact, this.#inside].flatMap(({ flows }) => [
      ...inconsistencies(flows, START_SECONDS + this.#second),
      ...(flows.size > MAX_FLOWS ? [`${flows.size} flows`] : []),
    ]);
  }

  #judgeBoth(exact: DataView, offset: number, side: number): string | undefined {
    const [first, second] = this.#timed(exact, offset, side);
    const one = this.#exact.pipeline;
    const other = this.#inside.pipeline;
    if (one.reason !== other.reason || one.nic !== other.nic || one.flow !== other.flow) {
      return `${reasonNames[one.reason]} alone, ${reasonNames[other.reason]} among other bytes`;
    }
    let shorter = Math.min(first, second);
    if (first > this.#slowMs || second > this.#slowMs) {
      this.disturbed++;
      shorter = this.#judgeAgain(exact, offset, side, shorter);
    }
    this.longest = Math.max(this.longest, shorter);
    return shorter > this.#slowMs ? `took ${shorter.toFixed(2)} ms, ${TRIES} times` : undefined;
  }

  /** @returns the shortest time that the frame takes when it is judged again */
  #judgeAgain(exact: DataView, offset: number, side: number, shorter: number): number {
    let least = shorter;
    for (let attempt = 0; attempt < TRIES && least > this.#slowMs; attempt++) {
      least = Math.min(least, ...this.#timed(exact, offset, side));
    }
    return least;
  }

  /** @returns the milliseconds that each took */
  #timed(exact: DataView, offset: number, side: number): readonly [number, number] {
    const length = exact.byteLength;
    const start = performance.now();
    this.#exact.pipeline.judge(exact, 0, length, side);
    const middle = performance.now();
    this.#inside.pipeline.judge(this.#aroundView, offset, length, side);
    return [middle - start, performance.now() - middle];
  }

  /** Puts the frame somewhere among other bytes, those beside it new ones. @returns where */
  #place(frame: Uint8Array, length: number): number {
    const around = this.#around;
    const offset = this.#random.below(around.length - length);
    const filling = this.#random.below(256);
    around.fill(filling, Math.max(0, offset - GUARD_BYTES), offset);
    around.set(length === frame.length ? frame : frame.subarray(0, length), offset);
    around.fill(filling ^ 0x5a, offset + length, offset + length + GUARD_BYTES);
    return offset;
  }
}
