/**
 * The frames of a UMEM that nobody uses: a stack, so that the frame used last, which is still in the cache, is used
 * next.
 *
 * Every frame is at any moment in exactly one place: here, in one of the rings, or with the kernel between two rings.
 * A frame moves when its address does. There are as many as all rings together can hold, so no ring waits for one.
 */
export class FramePool {
  readonly #addresses: Int32Array;
  readonly #chunkMask: number;
  #count: number;

  /**
   * @param frames number of frames; frame n is at n * chunkBytes
   * @param chunkBytes a power of two
   */
  constructor(frames: number, chunkBytes: number) {
    this.#addresses = new Int32Array(frames);
    this.#chunkMask = -chunkBytes;
    // The lowest address on top.
    for (let n = 0; n < frames; n++) this.#addresses[n] = (frames - 1 - n) * chunkBytes;
    this.#count = frames;
  }

  /** Free frames. */
  get count(): number {
    return this.#count;
  }

  /** Address of a free frame, which is the caller's now. Only while `count` is positive. */
  take(): number {
    return this.#addresses[--this.#count];
  }

  /** @param address anywhere in the frame: what comes back points behind the headroom */
  give(address: number): void {
    this.#addresses[this.#count++] = address & this.#chunkMask;
  }
}
