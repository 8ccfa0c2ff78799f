/**
 * Frames, where they come from and who owns their bytes.
 *
 * A frame is (view, offset, length): bytes of one Ethernet frame inside a larger buffer that belongs to the source.
 * The bytes are borrowed: they are valid until the call that handed them over returns, or, from a `FrameSource`,
 * until the next `next()`.
 */

/** The side of the wire a frame arrived on. */
export const Side = Object.freeze({ Outside: 0, Inside: 1 } as const);
export type Side = (typeof Side)[keyof typeof Side];

/**
 * Judges one frame; the live backends call it once per frame and transmit on the other side when it says so.
 * @param view over the whole buffer of the source
 * @param offset of the frame's first byte in the view
 * @param length bytes of the frame as captured
 * @param side where it came from, one of `Side`
 * @returns 1 to forward the frame unchanged on the other side, 0 to drop it
 */
export type FrameJudge = (view: DataView, offset: number, length: number, side: number) => number;

/** Most frames of a `FrameBatch`. */
export const BATCH_FRAMES = 32;

/** Frames of one side and one view that are to be judged next, in this order. Reused for every batch. */
export class FrameBatch {
  /** As `FrameJudge` takes them. */
  readonly offsets = new Int32Array(BATCH_FRAMES);
  readonly lengths = new Int32Array(BATCH_FRAMES);
  /** 0 to `BATCH_FRAMES`. */
  count = 0;
}

/** Link types (tcpdump.org/linktypes) that sources report. Only Ethernet is decoded. */
export const LinkType = Object.freeze({ Ethernet: 1 } as const);

/** A finite sequence of frames: a capture file, or memory. One object, refilled by every `next()`. */
export interface FrameSource {
  /** Moves to the next frame. False at the end. @throws CaptureFileError where the file is broken, with the offset. */
  next(): boolean;
  /** Valid after `next()` returned true. */
  readonly view: DataView;
  readonly offset: number;
  /** Bytes available in the view. */
  readonly length: number;
  /** Bytes the frame had on the wire; greater than `length` when the capture cut it. */
  readonly originalLength: number;
  /** Time of the frame in milliseconds since the epoch; fractional. */
  readonly timestamp: number;
  /** One of `LinkType`, or another number as the file has it. */
  readonly linkType: number;
  close(): void;
}
