import { describe, expect, test } from 'vitest';
import {
  addressWords,
  buildArp,
  buildFragments,
  buildFrame,
  buildIcmpError,
  foldedSum,
  fragmentExtension,
  hexBytes,
  ipPacket,
  naiveChecksum,
  pseudoHeader,
  toHex,
} from './frames.ts';

describe('frame builder', () => {
  test('an IPv4 UDP frame, byte by byte', () => {
    const frame = buildFrame({
      ip: { src: '10.0.0.1', dst: '10.0.0.2' },
      udp: { srcPort: 0x1234, dstPort: 53 },
      payload: [0xab],
    });
    expect(toHex(frame)).toBe(
      toHex(
        hexBytes(`020000000002 020000000001 0800
          4500001d 00000000 401166ce 0a000001 0a000002
          12340035 00092e70 ab`),
      ),
    );
  });

  test('the IPv4 header checksum is the well-known example', () => {
    const header = hexBytes('4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7');
    expect(naiveChecksum(header)).toBe(0xb861);
  });

  test('checksums verify to zero over pseudo-header and segment', () => {
    for (const [src, dst] of [
      ['192.0.2.1', '198.51.100.7'],
      ['2001:db8::1', 'fd00::2'],
    ] as const) {
      const headerLength = src.includes(':') ? 40 : 20;
      const segment = ipPacket(
        buildFrame({ ip: { src, dst }, tcp: { srcPort: 1, dstPort: 2 }, payload: 'odd' }),
      ).subarray(headerLength);
      expect(naiveChecksum([...pseudoHeader(src, dst, 6, segment.length), ...segment])).toBe(0);
    }
  });

  test('a partial checksum is the sum of the pseudo-header, not complemented', () => {
    const ip = { src: '10.0.0.1', dst: '10.0.0.2' };
    const frame = buildFrame({ ip, udp: { srcPort: 1, dstPort: 2, checksum: 'partial' } });
    expect(((frame[40] ?? 0) << 8) | (frame[41] ?? 0)).toBe(
      foldedSum(pseudoHeader(ip.src, ip.dst, 17, 8)),
    );
  });

  test('VLAN tags, extension headers and padding stand in order', () => {
    const frame = buildFrame({
      vlans: [
        { vid: 100, tpid: 0x88a8 },
        { vid: 200, priority: 5 },
      ],
      ip: {
        src: 'fe80::1',
        dst: 'ff02::1',
        extensions: [{ type: 0 }, fragmentExtension(8, true, 7)],
      },
      raw: [1, 2, 3, 4],
      padTo: 100,
    });
    expect(frame.length).toBe(100);
    expect(toHex(frame.subarray(12, 22))).toBe('88 a8 00 64 81 00 a0 c8 86 dd');
    expect(toHex(frame.subarray(62, 82))).toBe(
      '2c 00 00 00 00 00 00 00 fd 00 00 09 00 00 00 07 01 02 03 04',
    );
  });

  test('fragments carry the whole datagram once', () => {
    const spec = {
      ip: { src: '10.0.0.1', dst: '10.0.0.2' },
      udp: { srcPort: 1, dstPort: 2 },
      payload: new Uint8Array(40).map((_, index) => index),
    };
    const whole = ipPacket(buildFrame(spec)).subarray(20);
    const parts = buildFragments(spec, 16).map((frame) => [...ipPacket(frame).subarray(20)]);
    expect(parts.map((part) => part.length)).toEqual([16, 16, 16]);
    expect(parts.flat()).toEqual([...whole]);
  });

  test('an ICMP error quotes the header and 8 bytes', () => {
    const quoted = buildFrame({
      vlans: [{ vid: 5 }],
      ip: { src: '10.0.0.1', dst: '10.0.0.2' },
      tcp: { srcPort: 1, dstPort: 2 },
    });
    const error = buildIcmpError({ src: '10.0.0.9', dst: '10.0.0.1', type: 3, code: 1, quoted });
    expect([...error.subarray(42)]).toEqual([...quoted.subarray(18, 46)]);
  });

  test('ARP is 28 bytes', () => {
    expect(buildArp({ sender: '10.0.0.1', target: '10.0.0.2' }).length).toBe(14 + 28);
  });

  test('addresses are four signed words', () => {
    expect(addressWords('255.0.0.1')).toEqual([0, 0, 0, 0xff000001 | 0]);
    expect(addressWords('fd00::1')).toEqual([0xfd000000 | 0, 0, 0, 1]);
  });
});
