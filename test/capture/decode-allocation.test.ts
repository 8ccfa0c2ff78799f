import { describe, expect, test } from 'vitest';
import { decode } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { completePartialChecksum } from '../../src/capture/wire/checksum.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import { buildFrame, viewOf } from '../helpers/frames.ts';
import { seeds, V4, V6 } from '../helpers/seed-frames.ts';

const MAX_BYTES = 0.5;

/** All frames in one buffer, as a ring or a capture has them. */
function ring(frames: readonly Uint8Array[]): {
  view: DataView;
  offsets: number[];
  lengths: number[];
} {
  const lengths = frames.map((frame) => frame.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const offsets: number[] = [];
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    offsets.push(at);
    at += frame.length;
  }
  return { view: viewOf(bytes), offsets, lengths };
}

describe('no allocation per frame', () => {
  test.each(seeds)('$name', ({ frame }) => {
    const { view } = ring([frame]);
    const packet = new Packet();
    expect(bytesPerCall(() => decode(view, 0, frame.length, packet))).toBeLessThan(MAX_BYTES);
  });

  test('all kinds in turn, with completing', () => {
    const partial = [V4, V6].flatMap((ip) => [
      buildFrame({
        ip,
        tcp: { srcPort: 1, dstPort: 2, checksum: 'partial' },
        payload: 'x'.repeat(999),
      }),
      buildFrame({ ip, udp: { srcPort: 1, dstPort: 2, checksum: 'partial' }, payload: 'x' }),
    ]);
    const { view, offsets, lengths } = ring([...seeds.map(({ frame }) => frame), ...partial]);
    const packet = new Packet();
    const bytes = bytesPerCall((index) => {
      const slot = index % offsets.length;
      const code = decode(view, offsets[slot] ?? 0, lengths[slot] ?? 0, packet);
      if (code === 0) completePartialChecksum(view, packet);
    });
    expect(bytes).toBeLessThan(MAX_BYTES);
  });
});
