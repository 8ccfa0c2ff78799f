import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  completePartialChecksum,
  internetChecksum,
  pseudoHeaderSum,
} from '../../../src/capture/wire/checksum.ts';
import { decodeFrame } from '../../helpers/decode-frame.ts';
import {
  buildFragments,
  buildFrame,
  foldedSum,
  hexBytes,
  naiveChecksum,
  pseudoHeader,
  toHex,
  viewOf,
  type FrameSpec,
} from '../../helpers/frames.ts';
import { ipSeeds, V4, V6 } from '../../helpers/seed-frames.ts';

/** The frame after completing, as hex. */
function completed(frame: Uint8Array): string {
  const copy = frame.slice();
  const { name, packet } = decodeFrame(copy);
  expect(name).toBe('ip');
  completePartialChecksum(viewOf(copy), packet);
  return toHex(copy);
}

/** A payload of one word for which the datagram's checksum comes out as `wanted`. */
function payloadFor(wanted: number): readonly [number, number] {
  for (let word = 0; word < 0x1_0000; word++) {
    const payload = [word >>> 8, word & 0xff] as const;
    const datagram = [0, 1, 0, 2, 0, 10, 0, 0, ...payload];
    if (naiveChecksum([...pseudoHeader(V4.src, V4.dst, 17, 10), ...datagram]) === wanted)
      return payload;
  }
  throw new Error('no such payload');
}

describe('internet checksum', () => {
  test('RFC 1071 section 3', () => {
    expect(internetChecksum(viewOf(hexBytes('0001 f203 f4f5 f6f7')), 0, 8, 0)).toBe(0x220d);
  });

  test('equals the naive sum for every length, offset and start', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.nat(7),
        fc.integer({ min: 0, max: 2 ** 30 }),
        (bytes, offset, initial) => {
          const view = viewOf(
            Uint8Array.from([...new Uint8Array(offset).fill(0xee), ...bytes, 0xee]),
          );
          const start = [
            initial >>> 24,
            (initial >>> 16) & 255,
            (initial >>> 8) & 255,
            initial & 255,
          ];
          expect(internetChecksum(view, offset, bytes.length, initial)).toBe(
            naiveChecksum([...start, ...bytes]),
          );
        },
      ),
    );
  });

  test.each([65_532, 65_533, 65_534, 65_535])('does not overflow at %i bytes of ones', (length) => {
    const bytes = new Uint8Array(length).fill(0xff);
    for (const initial of [0, 2 ** 30]) {
      const start = [initial >>> 24, 0, 0, 0];
      expect(internetChecksum(viewOf(bytes), 0, length, initial)).toBe(
        naiveChecksum([...start, ...bytes]),
      );
    }
  });

  test.each([
    ['IPv4', V4],
    ['IPv6', V6],
  ])('pseudo-header of %s', (_name, ip) => {
    const { packet } = decodeFrame(buildFrame({ ip, udp: { srcPort: 1, dstPort: 2 } }));
    expect(pseudoHeaderSum(packet, 1234)).toBe(foldedSum(pseudoHeader(ip.src, ip.dst, 17, 1234)));
  });
});

describe('partial checksum', () => {
  const bodies: readonly [string, FrameSpec][] = [
    ['TCP', { tcp: { srcPort: 40000, dstPort: 80 }, payload: 'odd' }],
    ['UDP', { udp: { srcPort: 40000, dstPort: 53 }, payload: 'even' }],
  ];
  const partial: FrameSpec[] = [
    { tcp: { srcPort: 40000, dstPort: 80, checksum: 'partial' }, payload: 'odd' },
    { udp: { srcPort: 40000, dstPort: 53, checksum: 'partial' }, payload: 'even' },
  ];
  const headers = [
    ['IPv4', { ip: V4 }],
    ['IPv4 with options', { ip: { ...V4, options: [148, 4, 0, 0] } }],
    ['IPv4, padded frame', { ip: V4, padTo: 99 }],
    ['IPv4 in VLANs', { vlans: [{ vid: 1 }, { vid: 2 }], ip: V4 }],
    ['IPv6', { ip: V6 }],
    ['IPv6 with a chain', { ip: { ...V6, extensions: [{ type: 0 }, { type: 60 }] } }],
  ] as const;

  for (const [header, link] of headers) {
    test.each(bodies.map(([name, body], index) => ({ name, body, half: partial[index] })))(
      `$name over ${header} is completed, and a whole one stays`,
      ({ body, half }) => {
        const whole = buildFrame({ ...link, ...body });
        expect(completed(buildFrame({ ...link, ...half }))).toBe(toHex(whole));
        expect(completed(whole)).toBe(toHex(whole));
      },
    );
  }

  test('a wrong checksum stays wrong, and UDP without one stays without', () => {
    for (const ip of [V4, V6]) {
      for (const checksum of [0, 1, 0xffff]) {
        const udp = buildFrame({ ip, udp: { srcPort: 1, dstPort: 2, checksum }, payload: 'x' });
        expect(completed(udp)).toBe(toHex(udp));
        const tcp = buildFrame({ ip, tcp: { srcPort: 1, dstPort: 2, checksum }, payload: 'x' });
        expect(completed(tcp)).toBe(toHex(tcp));
      }
    }
  });

  test('everything else stays as it is: fragments, other protocols', () => {
    const fragments = [V4, V6].flatMap((ip) =>
      buildFragments(
        { ip, udp: { srcPort: 1, dstPort: 2, checksum: 'partial' }, payload: 'x'.repeat(64) },
        24,
      ),
    );
    for (const frame of [...Object.values(ipSeeds), ...fragments]) {
      expect(completed(frame)).toBe(toHex(frame));
    }
  });

  test('a UDP checksum that comes out as 0 is written as 0xffff', () => {
    const payload = payloadFor(0);
    const whole = buildFrame({ ip: V4, udp: { srcPort: 1, dstPort: 2 }, payload });
    expect(toHex(whole.subarray(40, 42))).toBe('ff ff');
    const half = buildFrame({
      ip: V4,
      udp: { srcPort: 1, dstPort: 2, checksum: 'partial' },
      payload,
    });
    expect(completed(half)).toBe(toHex(whole));
  });

  test('a right checksum that happens to equal the pseudo-header sum is written again', () => {
    const payload = payloadFor(foldedSum(pseudoHeader(V4.src, V4.dst, 17, 10)));
    const whole = buildFrame({ ip: V4, udp: { srcPort: 1, dstPort: 2 }, payload });
    const half = buildFrame({
      ip: V4,
      udp: { srcPort: 1, dstPort: 2, checksum: 'partial' },
      payload,
    });
    expect(toHex(half)).toBe(toHex(whole));
    expect(completed(half)).toBe(toHex(whole));
  });
});
