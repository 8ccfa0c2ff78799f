/**
 * FaultySource: a frame source that spoils what another one delivers, in ways a network or a hostile sender can: frames
 * cut short, with a flipped bit, swapped with their successor, or delivered twice. Seeded, so a failure can be repeated.
 */
import type { FrameSource } from '../../src/capture/frame.ts';
import { type Frame, frameOf } from '../../src/capture/frame-sink.ts';
import { bytesOf } from './capture-bytes.ts';
import type { Random } from './random.ts';

/** Chance of each fault per frame, 0 to 1. */
export type Faults = {
  readonly truncate?: number;
  readonly corrupt?: number;
  readonly reorder?: number;
  readonly duplicate?: number;
};

export class FaultySource implements FrameSource {
  readonly #source: FrameSource;
  readonly #random: Random;
  readonly #faults: Faults;
  #current: Frame = frameOf(new Uint8Array(0), 0);
  readonly #queue: Frame[] = [];

  constructor(source: FrameSource, random: Random, faults: Faults) {
    this.#source = source;
    this.#random = random;
    this.#faults = faults;
  }

  next(): boolean {
    if (this.#queue.length === 0) this.#refill();
    const frame = this.#queue.shift();
    if (frame === undefined) return false;
    this.#current = frame;
    return true;
  }

  get view(): DataView {
    return this.#current.view;
  }

  get offset(): number {
    return this.#current.offset;
  }

  get length(): number {
    return this.#current.length;
  }

  get originalLength(): number {
    return this.#current.originalLength;
  }

  get timestamp(): number {
    return this.#current.timestamp;
  }

  get linkType(): number {
    return this.#current.linkType;
  }

  close(): void {
    this.#queue.length = 0;
    this.#source.close();
  }

  #refill(): void {
    const first = this.#pull();
    if (first === undefined) return;
    const second = this.#happens(this.#faults.reorder) ? this.#pull() : undefined;
    if (second !== undefined) this.#queue.push(second);
    this.#queue.push(first);
    if (this.#happens(this.#faults.duplicate)) this.#queue.push(first);
  }

  #pull(): Frame | undefined {
    if (!this.#source.next()) return undefined;
    const { timestamp, originalLength, linkType } = this.#source;
    let bytes = bytesOf(this.#source);
    if (this.#happens(this.#faults.truncate))
      bytes = bytes.slice(0, this.#random.below(bytes.length + 1));
    if (bytes.length > 0 && this.#happens(this.#faults.corrupt)) {
      const at = this.#random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    return { ...frameOf(bytes, timestamp), originalLength, linkType };
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && this.#random.uint32() < chance * 0x1_0000_0000;
  }
}
