/**
 * Frames in memory: a sink that packs what it is given into one buffer, and a source that plays it, as often as needed,
 * without allocating. For tests and benchmarks.
 */
import type { FrameSource } from './frame.ts';
import { type Frame, type FrameSink, frameOf } from './frame-sink.ts';

const FIRST_CAPACITY_BYTES = 4096;

/** Where a frame lies in the packed buffer, and what the capture says about it. */
type Entry = Omit<Frame, 'view'>;

/** Collects frames; `source()` plays them. */
export class MemorySink implements FrameSink {
  #bytes = new Uint8Array(FIRST_CAPACITY_BYTES);
  #used = 0;
  readonly #entries: Entry[] = [];
  #closed = false;

  write(frame: Frame): void {
    if (this.#closed) throw new Error('MemorySink.write after close');
    const { view, length, originalLength, timestamp, linkType } = frame;
    if (this.#used + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(
      new Uint8Array(view.buffer, view.byteOffset + frame.offset, length),
      this.#used,
    );
    this.#entries.push({ offset: this.#used, length, originalLength, timestamp, linkType });
    this.#used += length;
  }

  close(): void {
    this.#closed = true;
  }

  /** A new source over a copy of what has been written so far. */
  source(): MemorySource {
    return new MemorySource(this.#bytes.slice(0, this.#used), this.#entries);
  }
}

/** Plays frames from one buffer. `next()` allocates nothing. */
export class MemorySource implements FrameSource {
  readonly view: DataView;
  offset = 0;
  length = 0;
  originalLength = 0;
  timestamp = 0;
  linkType = 0;
  /** Number of frames. */
  readonly count: number;
  readonly #offsets: Int32Array;
  readonly #lengths: Int32Array;
  readonly #originalLengths: Float64Array;
  readonly #timestamps: Float64Array;
  readonly #linkTypes: Int32Array;
  #index = 0;
  #end: number;

  /**
   * @param bytes all frames; kept, not copied. At most 2^31 - 1.
   * @param entries where each frame lies
   */
  constructor(bytes: Uint8Array, entries: readonly Entry[]) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.count = entries.length;
    this.#end = entries.length;
    this.#offsets = Int32Array.from(entries, (entry) => entry.offset);
    this.#lengths = Int32Array.from(entries, (entry) => entry.length);
    this.#originalLengths = Float64Array.from(entries, (entry) => entry.originalLength);
    this.#timestamps = Float64Array.from(entries, (entry) => entry.timestamp);
    this.#linkTypes = Int32Array.from(entries, (entry) => entry.linkType);
  }

  /** Copies whole Ethernet frames; frame i has the time `start + i * interval` (milliseconds). */
  static of(frames: readonly Uint8Array[], start = 0, interval = 1): MemorySource {
    const sink = new MemorySink();
    for (const [index, frame] of frames.entries())
      sink.write(frameOf(frame, start + index * interval));
    return sink.source();
  }

  next(): boolean {
    const index = this.#index;
    if (index >= this.#end) return false;
    this.offset = this.#offsets[index];
    this.length = this.#lengths[index];
    this.originalLength = this.#originalLengths[index];
    this.timestamp = this.#timestamps[index];
    this.linkType = this.#linkTypes[index];
    this.#index = index + 1;
    return true;
  }

  /** Back to before the first frame. */
  rewind(): void {
    this.#index = 0;
  }

  close(): void {
    this.#end = 0;
  }
}
