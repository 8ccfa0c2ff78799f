/**
 * The frames of a traffic as a capture file, for tcpreplay.
 */
import { frameOf } from '../../src/capture/frame-sink.ts';
import { createCaptureFile } from '../../src/capture/pcap-writer.ts';

/** Frames a millisecond apart: tcpreplay is told a rate, the times do not matter. */
export function writeCapture(path: string, frames: Iterable<Uint8Array>): void {
  const writer = createCaptureFile(path);
  let time = 0;
  for (const frame of frames) writer.write(frameOf(frame, time++));
  writer.close();
}
