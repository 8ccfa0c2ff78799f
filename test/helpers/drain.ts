/**
 * Reads a frame source to its end and keeps what it said.
 */
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import type { FrameSource } from '../../src/capture/frame.ts';
import type { Frame } from '../../src/capture/frame-sink.ts';
import { bytesOf } from './capture-bytes.ts';

/** A frame that owns its bytes, in a form that `toEqual` compares and prints well. */
export type Seen = {
  readonly bytes: string;
  readonly originalLength: number;
  readonly timestamp: number;
  readonly linkType: number;
};

export type Drained = {
  readonly frames: readonly Seen[];
  readonly error: CaptureFileError | undefined;
};

export function seen(frame: Frame): Seen {
  const { originalLength, timestamp, linkType } = frame;
  const bytes = Buffer.from(bytesOf(frame)).toString('hex');
  return { bytes, originalLength, timestamp, linkType };
}

/** Every frame, and the `CaptureFileError` that ended them, if one did. Any other error passes through. */
export function drain(open: () => FrameSource): Drained {
  const frames: Seen[] = [];
  let source: FrameSource | undefined;
  try {
    source = open();
    while (source.next()) frames.push(seen(source));
    return { frames, error: undefined };
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    return { frames, error };
  } finally {
    source?.close();
  }
}
