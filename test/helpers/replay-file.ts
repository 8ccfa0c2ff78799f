/** Capture files for tcpreplay: UDP frames, every tenth of them to the discard port. */
import { writeFileSync } from 'node:fs';

import { buildFrame } from './frames.ts';

export const REPLAY_FRAMES = 1_000;
export const REPLAY_DISCARD_FRAMES = 100;
export const DISCARD_PORT = 9;

/** Classic pcap, microseconds, little-endian, Ethernet: 24 bytes, then per frame 16 bytes and the frame. */
export function writeReplayFile(path: string, source: string, destination: string): void {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const parts: Uint8Array[] = [header];
  for (let index = 0; index < REPLAY_FRAMES; index++) {
    const frame = buildFrame({
      ip: { src: source, dst: destination },
      udp: { srcPort: 1000 + index, dstPort: index % 10 === 9 ? DISCARD_PORT : 5000 },
      payload: new Uint8Array(22),
    });
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    parts.push(record, frame);
  }
  writeFileSync(path, Buffer.concat(parts));
}
