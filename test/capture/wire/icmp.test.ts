import { describe, expect, test } from 'vitest';
import { addressesOf, decodeFrame } from '../../helpers/decode-frame.ts';
import {
  addressWords,
  buildFragments,
  buildFrame,
  buildIcmpError,
  fragmentExtension,
  hexBytes,
  ipPacket,
  type FrameSpec,
} from '../../helpers/frames.ts';
import { V4, V6 } from '../../helpers/seed-frames.ts';

const NOTHING_QUOTED = { protocol: -1 };
const REVERSE4 = { src: V4.dst, dst: V4.src };
const REVERSE6 = { src: V6.dst, dst: V6.src };

/** The types, of all 256, that decode to an error. */
const errorTypes = (ip: typeof V4 | typeof V6): number[] =>
  Array.from({ length: 256 }, (_, type) => type).filter(
    (type) =>
      decodeFrame(buildFrame({ ip, icmp: { type, code: 1, sequence: 1500 } })).packet.isIcmpError,
  );

describe('icmp', () => {
  test('taken apart: an echo reply written by hand', () => {
    const { name, packet } = decodeFrame(
      hexBytes(`020000000002 020000000001 86dd 60000000 0008 3a 40 ${'00'.repeat(15)}01
        ${'00'.repeat(15)}02 81 00 0000 fffe 0001`),
    );
    expect(name).toBe('ip');
    expect(packet).toMatchObject({
      protocol: 58,
      icmpType: 129,
      icmpCode: 0,
      icmpId: 0xfffe,
      isIcmpError: false,
      hasPorts: false,
    });
  });

  test.each([
    ['echo request', V4, 8, 0x1234],
    ['echo reply', V4, 0, 0x1234],
    ['timestamp', V4, 13, 0],
    ['address mask', V4, 17, 0],
    ['type 128 is no echo on IPv4', V4, 128, 0],
    ['echo request v6', V6, 128, 0x1234],
    ['echo reply v6', V6, 129, 0x1234],
    ['neighbour solicitation has no identifier (CVE-2024-6640)', V6, 135, 0],
    ['router solicitation', V6, 133, 0],
  ])('built: %s', (_name, ip, type, id) => {
    const { name, packet } = decodeFrame(buildFrame({ ip, icmp: { type, code: 3, id: 0x1234 } }));
    expect(name).toBe('ip');
    expect(packet).toMatchObject({ icmpType: type, icmpCode: 3, icmpId: id, isIcmpError: false });
  });

  test('which types are errors', () => {
    expect(errorTypes(V4)).toEqual([3, 4, 5, 11, 12]);
    expect(errorTypes(V6)).toEqual(Array.from({ length: 127 }, (_, index) => index + 1));
  });

  test.each([
    ['7 bytes', V4, 1, 7],
    ['0 bytes', V4, 1, 0],
    ['7 bytes v6', V6, 58, 7],
    ['4 bytes v6', V6, 58, 4],
  ])('impossible length: %s', (_name, ip, protocol, length) => {
    const frame = buildFrame({ ip: { ...ip, protocol }, raw: new Uint8Array(length), padTo: 100 });
    expect(decodeFrame(frame).name).toBe('malformed_icmp');
  });

  test('the other family has no ICMP: the number is a number', () => {
    for (const ip of [
      { ...V4, protocol: 58 },
      { ...V6, protocol: 1 },
    ]) {
      const { name, packet } = decodeFrame(buildFrame({ ip, raw: [8, 1, 0, 0, 0, 9] }));
      expect(name).toBe('ip');
      expect(packet).toMatchObject({ icmpType: 0, icmpCode: 0, icmpId: 0, isIcmpError: false });
    }
  });

  test.each([
    ['fragmentation needed, no MTU', V4, { type: 3, code: 4, sequence: 0 }, 'ip'],
    ['fragmentation needed, MTU 67', V4, { type: 3, code: 4, sequence: 67 }, 'icmp_mtu_too_small'],
    ['fragmentation needed, MTU 68', V4, { type: 3, code: 4, sequence: 68 }, 'ip'],
    ['other unreachable, same word', V4, { type: 3, code: 1, sequence: 67 }, 'ip'],
    ['packet too big, MTU 0', V6, { type: 2 }, 'icmp_mtu_too_small'],
    ['packet too big, MTU 1279', V6, { type: 2, sequence: 1279 }, 'icmp_mtu_too_small'],
    ['packet too big, MTU 1280', V6, { type: 2, sequence: 1280 }, 'ip'],
    ['packet too big, MTU 65536', V6, { type: 2, id: 1 }, 'ip'],
    ['packet too big, MTU 2^32 - 1', V6, { type: 2, id: 0xffff, sequence: 0xffff }, 'ip'],
    ['time exceeded, same word', V6, { type: 3 }, 'ip'],
  ])('path MTU: %s', (_name, ip, icmp, code) => {
    expect(decodeFrame(buildFrame({ ip, icmp })).name).toBe(code);
  });
});

describe('quoted packet', () => {
  const quote = (spec: FrameSpec, quotedLength?: number): Uint8Array => {
    const isIpv6 = spec.ip?.src.includes(':') === true;
    return buildIcmpError({
      ...(isIpv6 ? REVERSE6 : REVERSE4),
      type: isIpv6 ? 1 : 3,
      quoted: buildFrame(spec),
      ...(quotedLength === undefined ? {} : { quotedLength }),
    });
  };
  const TCP = { tcp: { srcPort: 40000, dstPort: 443, sequence: 0xfedcba98 } };
  const UDP = { udp: { srcPort: 5000, dstPort: 53 }, payload: 'q' };

  test.each<[string, FrameSpec, object]>([
    [
      'TCP',
      { ip: V4, ...TCP },
      { protocol: 6, srcPort: 40000, dstPort: 443, tcpSequence: 0xfedcba98 | 0 },
    ],
    [
      'TCP v6',
      { ip: V6, ...TCP },
      { protocol: 6, srcPort: 40000, dstPort: 443, tcpSequence: 0xfedcba98 | 0 },
    ],
    ['UDP', { ip: V4, ...UDP }, { protocol: 17, srcPort: 5000, dstPort: 53, tcpSequence: 0 }],
    ['UDP in a VLAN', { vlans: [{ vid: 5 }], ip: V4, ...UDP }, { protocol: 17, dstPort: 53 }],
    [
      'UDP behind options',
      { ip: { ...V4, options: [148, 4, 0, 0] }, ...UDP },
      { protocol: 17, dstPort: 53 },
    ],
    ['UDP v6', { ip: V6, ...UDP }, { protocol: 17, srcPort: 5000, dstPort: 53 }],
    [
      'UDP v6 behind a chain',
      {
        ip: { ...V6, extensions: [{ type: 0 }, fragmentExtension(0, true), { type: 60 }] },
        ...UDP,
      },
      { protocol: 17, srcPort: 5000, dstPort: 53 },
    ],
    [
      'echo',
      { ip: V4, icmp: { type: 8, id: 99 } },
      { protocol: 1, srcPort: 99, dstPort: 99, icmpType: 8 },
    ],
    [
      'echo v6',
      { ip: V6, icmp: { type: 128, id: 99 } },
      { protocol: 58, srcPort: 99, dstPort: 99, icmpType: 128 },
    ],
    [
      'timestamp',
      { ip: V4, icmp: { type: 13, id: 99 } },
      { protocol: 1, srcPort: 0, icmpType: 13 },
    ],
    ['ESP', { ip: { ...V4, protocol: 50 }, raw: new Uint8Array(8) }, { protocol: 50, srcPort: 0 }],
    [
      'first fragment',
      { ip: { ...V4, moreFragments: true }, ...UDP },
      { protocol: 17, dstPort: 53 },
    ],
    [
      'wrong checksum and length',
      { ip: { ...V4, checksum: 0, totalLength: 9 }, ...UDP },
      { protocol: 17, dstPort: 53 },
    ],
  ])('of %s', (_name, spec, fields) => {
    const { name, packet } = decodeFrame(quote(spec));
    expect(name).toBe('ip');
    expect(packet.isIcmpError).toBe(true);
    expect(packet.quoted).toMatchObject(fields);
    const inner = spec.ip?.src.includes(':') === true ? V6 : V4;
    expect(addressesOf(packet.quoted)).toEqual([
      ...addressWords(inner.src),
      ...addressWords(inner.dst),
    ]);
  });

  const laterFragment = (ip: typeof V4 | typeof V6): Uint8Array => {
    const frame = buildFragments({ ip, ...UDP, payload: new Uint8Array(64) }, 32)[1];
    if (frame === undefined) throw new Error('no later fragment');
    return frame;
  };
  const DEEP = Array.from({ length: 9 }, () => ({ type: 60 }));

  test.each<[string, Uint8Array]>([
    ['nothing', quote({ ip: V4, ...TCP }, 0)],
    ['nothing v6', quote({ ip: V6, ...TCP }, 0)],
    ['half a header', quote({ ip: V4, ...TCP }, 19)],
    ['half a header v6', quote({ ip: V6, ...TCP }, 39)],
    ['7 bytes of the upper layer', quote({ ip: V4, ...TCP }, 27)],
    ['7 bytes of the upper layer v6', quote({ ip: V6, ...TCP }, 47)],
    ['half an extension header', quote({ ip: { ...V6, extensions: [{ type: 60 }] }, ...TCP }, 44)],
    ['IHL beyond the quote', quote({ ip: { ...V4, ihl: 15 }, ...TCP })],
    ['IHL 4', quote({ ip: { ...V4, ihl: 4 }, ...TCP }, 40)],
    ['version 6 in IPv4', quote({ ip: { ...V4, version: 6 }, ...TCP }, 40)],
    ['version 4 in IPv6', quote({ ip: { ...V6, version: 4 }, ...TCP })],
    [
      'IPv4 in ICMPv6',
      buildFrame({ ip: V6, icmp: { type: 1 }, payload: ipPacket(quote({ ip: V4, ...TCP })) }),
    ],
    ['a later fragment', buildIcmpError({ ...REVERSE4, type: 11, quoted: laterFragment(V4) })],
    ['a later fragment v6', buildIcmpError({ ...REVERSE6, type: 3, quoted: laterFragment(V6) })],
    ['an ICMP error', quote({ ip: V4, icmp: { type: 3 } })],
    ['a redirect', quote({ ip: V4, icmp: { type: 5 } })],
    ['an ICMPv6 error', quote({ ip: V6, icmp: { type: 1 } })],
    ['nine extension headers', quote({ ip: { ...V6, extensions: DEEP }, ...TCP })],
    ['routing type 0', quote({ ip: { ...V6, extensions: [{ type: 43 }] }, ...TCP })],
  ])('unusable: %s', (_name, frame) => {
    const { name, packet } = decodeFrame(frame);
    expect(name).toBe('ip');
    expect(packet.isIcmpError).toBe(true);
    expect(packet.quoted).toMatchObject(NOTHING_QUOTED);
  });

  test('bytes behind the IP length are no quote', () => {
    const frame = buildFrame({
      ip: { ...V4, totalLength: 28 },
      icmp: { type: 3 },
      payload: ipPacket(buildFrame({ ip: V4, ...TCP })),
    });
    expect(decodeFrame(frame).packet.quoted.protocol).toBe(-1);
  });
});
