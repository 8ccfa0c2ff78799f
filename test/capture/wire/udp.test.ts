import { describe, expect, test } from 'vitest';
import { Fragment } from '../../../src/capture/packet.ts';
import { decodeFrame } from '../../helpers/decode-frame.ts';
import { buildFrame, hexBytes } from '../../helpers/frames.ts';
import { V4, V6 } from '../../helpers/seed-frames.ts';

const PORTS = { srcPort: 1, dstPort: 2 };

describe('udp', () => {
  test('taken apart: datagram written by hand', () => {
    const { name, packet } = decodeFrame(
      hexBytes(`020000000002 020000000001 86dd 60000000 000a 11 40 ${'00'.repeat(15)}01
        ${'00'.repeat(15)}02 8000 ffff 000a 0000 abcd`),
    );
    expect(name).toBe('ip');
    expect(packet).toMatchObject({
      hasPorts: true,
      srcPort: 0x8000,
      dstPort: 0xffff,
      l4Length: 10,
    });
    expect(packet).toMatchObject({ tcpFlags: 0, tcpSequence: 0, tcpPayloadLength: 0 });
  });

  test.each([
    ['IPv4', V4, {}, 'ip'],
    ['IPv6', V6, {}, 'ip'],
    ['IPv4 without a checksum', V4, { checksum: 0 }, 'ip'],
    ['IPv6 without a checksum (RFC 6936)', V6, { checksum: 0 }, 'ip'],
    ['surplus bytes behind the datagram', V4, { length: 8 }, 'ip'],
  ])('built: %s', (_name, ip, fields, code) => {
    const { name, packet } = decodeFrame(
      buildFrame({ ip, udp: { ...PORTS, ...fields }, payload: 'data' }),
    );
    expect(name).toBe(code);
    expect(packet).toMatchObject({ srcPort: 1, dstPort: 2, hasPorts: true });
  });

  test.each([
    ['length 0', { length: 0 }],
    ['length 7', { length: 7 }],
    ['length one beyond the IP payload', { length: 13 }],
    ['length 65535', { length: 65535 }],
  ])('impossible length: %s', (_name, fields) => {
    for (const ip of [V4, V6]) {
      const frame = buildFrame({ ip, udp: { ...PORTS, ...fields }, payload: 'data', padTo: 100 });
      expect(decodeFrame(frame).name).toBe('malformed_udp');
    }
  });

  test('impossible length: seven bytes of header', () => {
    for (const ip of [V4, V6]) {
      const frame = buildFrame({
        ip: { ...ip, protocol: 17 },
        raw: [0, 1, 0, 2, 0, 8, 0],
        padTo: 90,
      });
      expect(decodeFrame(frame).name).toBe('malformed_udp');
    }
  });

  test('impossible length: a frame that ends inside the header', () => {
    for (let length = 0; length < 8; length++) {
      for (const ip of [V4, V6]) {
        const raw = new Uint8Array(length);
        expect(decodeFrame(buildFrame({ ip: { ...ip, protocol: 17 }, raw })).name).toBe(
          'malformed_udp',
        );
      }
    }
  });

  test('a first fragment announces the length of the whole datagram', () => {
    const ip = { ...V4, moreFragments: true };
    const frame = buildFrame({ ip, udp: { ...PORTS, length: 4000 } });
    expect(decodeFrame(frame)).toMatchObject({ name: 'ip', packet: { fragment: Fragment.First } });
  });
});
