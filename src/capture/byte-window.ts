/**
 * ByteWindow: a file seen through one buffer that moves forward, so that a capture of any size is read in bounded memory.
 *
 *     file    |......already used.....|#######unread########|......not yet read......|
 *     buffer               |..used....|#######unread########|..free..|
 *                                     ^ position            ^ end
 *
 * `require(n)` makes n unread bytes contiguous, moving what is unread to the front and reading more when it must.
 * Nothing seeks, so a pipe works as well as a file.
 */

/** Reads up to `length` bytes into `target` from `start` on. Returns how many, 0 only at the end. */
export type ByteReader = (target: Uint8Array, start: number, length: number) => number;

/** Holds the largest record of a classic file (16 + 262,144 bytes) and makes reads large enough to be cheap. */
export const WINDOW_BYTES = 1 << 20;

export class ByteWindow {
  /** Over the whole buffer. Replaced when the buffer grows: read it again after every `require`. */
  view: DataView;
  /** Index in `view` of the first unread byte. */
  position = 0;
  /** Bytes of the file before `position`. */
  fileOffset = 0;
  #bytes: Uint8Array;
  #end = 0;
  readonly #read: ByteReader;

  /** @param capacity bytes to begin with, at least 1; the window grows only when one `require` asks for more */
  constructor(read: ByteReader, capacity: number) {
    this.#read = read;
    this.#bytes = new Uint8Array(capacity);
    this.view = new DataView(this.#bytes.buffer);
  }

  /**
   * Makes at least `count` unread bytes available from `position` on, as long as the file has them.
   * May move bytes: whatever was borrowed from the view before is gone.
   * @returns unread bytes available; less than `count` only at the end of the file
   */
  require(count: number): number {
    if (this.#end - this.position >= count) return this.#end - this.position;
    this.#makeRoom(count);
    while (this.#end < count) {
      const got = this.#read(this.#bytes, this.#end, this.#bytes.length - this.#end);
      if (got === 0) break;
      this.#end += got;
    }
    return this.#end;
  }

  /** Passes over `count` bytes that `require` made available. Their place in the view stays as it is until `require`. */
  advance(count: number): void {
    this.position += count;
    this.fileOffset += count;
  }

  /**
   * Passes over `count` bytes, available or not, without growing the window.
   * @returns bytes passed over; less than `count` only at the end of the file
   */
  skip(count: number): number {
    let left = count;
    while (left > 0) {
      const available = this.require(1);
      if (available === 0) break;
      const step = Math.min(available, left);
      this.advance(step);
      left -= step;
    }
    return count - left;
  }

  /** Moves the unread bytes to the front of a buffer that holds at least `count`. */
  #makeRoom(count: number): void {
    if (count > this.#bytes.length) {
      const larger = new Uint8Array(count);
      larger.set(this.#bytes.subarray(this.position, this.#end));
      this.#bytes = larger;
      this.view = new DataView(larger.buffer);
    } else if (this.position > 0) {
      this.#bytes.copyWithin(0, this.position, this.#end);
    }
    this.#end -= this.position;
    this.position = 0;
  }
}
