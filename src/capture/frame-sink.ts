/**
 * Frames, and where they go: what a capture writer or a memory takes from any source.
 */
import { LinkType } from './frame.ts';

/** One frame with what a capture says about it. Every `FrameSource` that stands on a frame is one. */
export type Frame = {
  readonly view: DataView;
  /** Of the frame's first byte in the view. */
  readonly offset: number;
  /** Bytes captured. */
  readonly length: number;
  /** Bytes the frame had on the wire. */
  readonly originalLength: number;
  /** Milliseconds since the epoch; fractional. */
  readonly timestamp: number;
  readonly linkType: number;
};

/** Takes frames one after another. The bytes are copied before `write` returns. */
export interface FrameSink {
  write(frame: Frame): void;
  /** Nothing is complete before this. Further calls do nothing. */
  close(): void;
}

/** A whole Ethernet frame over `bytes`, which it borrows. */
export function frameOf(bytes: Uint8Array, timestamp: number): Frame {
  return {
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    offset: 0,
    length: bytes.length,
    originalLength: bytes.length,
    timestamp,
    linkType: LinkType.Ethernet,
  };
}
