import { describe, expect, test } from 'vitest';
import { decode, DecodeCode, decodeCodeNames } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { decodeFrame, snapshot } from '../helpers/decode-frame.ts';
import {
  buildFragments,
  buildFrame,
  fragmentExtension,
  viewOf,
  type FrameSpec,
} from '../helpers/frames.ts';
import { seeds, V4, V6 } from '../helpers/seed-frames.ts';

const TCP = { tcp: { srcPort: 1, dstPort: 2 } };
const UDP = { udp: { srcPort: 1, dstPort: 2 } };

describe('codes', () => {
  test('every code has one snake_case name, at its own index', () => {
    const codes = Object.values(DecodeCode);
    expect(codes).toEqual(codes.map((_, index) => index));
    expect(decodeCodeNames.length).toBe(codes.length);
    expect(new Set(decodeCodeNames).size).toBe(codes.length);
    for (const name of decodeCodeNames) expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
  });

  test('the kinds of good frames are the first four', () => {
    const { Ip, Arp, LinkLocal, UnknownEtherType } = DecodeCode;
    expect([Ip, Arp, LinkLocal, UnknownEtherType]).toEqual([0, 1, 2, 3]);
  });
});

describe('seed frames', () => {
  test.each(seeds)('$name', ({ frame, code }) => {
    expect(decodeFrame(frame).name).toBe(code);
  });

  test.each(seeds)('$name, truncated at every length, is never fit', ({ frame, code }) => {
    for (let length = 0; length < frame.length; length++) {
      const { name } = decodeFrame(frame.slice(0, length));
      if (code === 'ip' || code === 'arp') expect(name, `${length} bytes`).not.toBe(code);
    }
  });

  test.each(seeds)('$name, padded, decodes to the same packet', ({ frame, code }) => {
    const { packet: plain } = decodeFrame(frame);
    for (const extra of [1, 18, 64]) {
      const { name, packet } = decodeFrame(
        Uint8Array.from([...frame, ...new Uint8Array(extra).fill(0xa5)]),
      );
      expect(name).toBe(code);
      expect(snapshot(packet)).toEqual({ ...snapshot(plain), frameLength: frame.length + extra });
    }
  });

  test('a record used before holds nothing of the frame before', () => {
    const used = new Packet();
    const order = [...seeds, ...seeds.toReversed()];
    for (const before of seeds) {
      for (const { name, frame } of order) {
        decode(viewOf(before.frame), 0, before.frame.length, used);
        decode(viewOf(frame), 0, frame.length, used);
        expect(snapshot(used), `${name} after ${before.name}`).toEqual(
          snapshot(decodeFrame(frame).packet),
        );
      }
    }
  });

  test('a cut frame leaves nothing of the frame before either', () => {
    const used = new Packet();
    for (const before of seeds) {
      for (const { name, frame } of seeds) {
        for (let length = 0; length < frame.length; length += 7) {
          decode(viewOf(before.frame), 0, before.frame.length, used);
          decode(viewOf(frame), 0, length, used);
          expect(snapshot(used), `${name}, ${length} bytes, after ${before.name}`).toEqual(
            snapshot(decodeFrame(frame.slice(0, length)).packet),
          );
        }
      }
    }
  });
});

/** The upper layer of `spec` cut to `length` bytes in a first fragment, both families. */
function tiny(spec: FrameSpec, protocols: readonly [number, number], length: number): Uint8Array[] {
  const bytes = buildFrame({ ip: V4, ...spec }).subarray(34, 34 + length);
  const [protocol4, protocol6] = protocols;
  return [
    buildFrame({ ip: { ...V4, protocol: protocol4, moreFragments: true, id: 1 }, raw: bytes }),
    buildFrame({
      ip: { ...V6, protocol: protocol6, extensions: [fragmentExtension(0, true)] },
      raw: bytes,
    }),
  ];
}

/** A fragment of `length` bytes at `offset`, both families. */
function fragment(
  offset: number,
  more: boolean,
  length: number,
  protocol = 17,
): readonly Uint8Array[] {
  const raw = new Uint8Array(length).fill(1);
  return [
    buildFrame({
      ip: { ...V4, protocol, fragmentOffset: offset, moreFragments: more, id: 9 },
      raw,
    }),
    buildFrame({ ip: { ...V6, protocol, extensions: [fragmentExtension(offset, more)] }, raw }),
  ];
}

const segmentWithOptions: FrameSpec = { tcp: { ...TCP.tcp, options: new Uint8Array(20).fill(1) } };
const neighborDiscovery = (type: number, more: boolean): Uint8Array =>
  buildFrame({
    ip: { src: 'fe80::1', dst: 'ff02::1', hopLimit: 255, extensions: [fragmentExtension(0, more)] },
    icmp: { type },
    payload: new Uint8Array(24),
  });

describe('hostile fragments', () => {
  test.each<[string, readonly Uint8Array[], string]>([
    ['1: TCP ports only', tiny(TCP, [6, 6], 8), 'fragment_tiny'],
    ['1: TCP up to the flags', tiny(TCP, [6, 6], 16), 'fragment_tiny'],
    ['1: TCP header without its options', tiny(segmentWithOptions, [6, 6], 24), 'fragment_tiny'],
    ['1: TCP header with its options', tiny(segmentWithOptions, [6, 6], 40), 'ip'],
    ['2: TCP at offset 8', fragment(8, false, 16, 6), 'fragment_tcp_header'],
    ['2: TCP at offset 8, more to come', fragment(8, true, 16, 6), 'fragment_tcp_header'],
    ['2: TCP at offset 16', fragment(16, false, 16, 6), 'ip'],
    ['2: UDP at offset 8', fragment(8, false, 16), 'ip'],
    ['9: ends at 65535 and over', fragment(65_528, false, 100), 'fragment_oversize'],
    ['9: ends one byte over', fragment(65_504, false, 32), 'fragment_oversize'],
    ['not the last, 9 bytes', fragment(16, true, 9), 'fragment_length'],
    ['not the last, 7 bytes', fragment(16, true, 7), 'fragment_length'],
    ['the last, 7 bytes', fragment(16, false, 7), 'ip'],
    ['no data, last', fragment(16, false, 0), 'fragment_length'],
    ['no data, first', fragment(0, true, 0), 'fragment_length'],
  ])('%s', (_name, frames, code) => {
    expect(frames.map((frame) => decodeFrame(frame).name)).toEqual(frames.map(() => code));
  });

  test('9: the largest datagram of each family still passes', () => {
    // IPv4 counts its header of 20 bytes, IPv6 no header: it has none before the fragment header here.
    const [v4] = fragment(65_504, false, 11);
    const [, v6] = fragment(65_504, false, 31);
    for (const frame of [v4, v6]) {
      if (frame === undefined) throw new Error('no frame');
      expect(decodeFrame(frame).name).toBe('ip');
    }
    const [over4] = fragment(65_504, false, 12);
    if (over4 === undefined) throw new Error('no frame');
    expect(decodeFrame(over4).name).toBe('fragment_oversize');
    const withOptions = buildFrame({
      ip: { ...V6, protocol: 17, extensions: [{ type: 60 }, fragmentExtension(65_504, false)] },
      raw: new Uint8Array(24),
    });
    expect(decodeFrame(withOptions).name).toBe('fragment_oversize');
  });

  test('1: UDP and ICMP headers fit the least first fragment of 8 bytes', () => {
    for (const [spec, protocols] of [
      [UDP, [17, 17]],
      [{ icmp: { type: 8 } }, [1, 58]],
    ] as const) {
      for (const frame of tiny(spec, protocols, 8)) expect(decodeFrame(frame).name).toBe('ip');
    }
  });

  test('10: the header chain must end in the first fragment (RFC 7112)', () => {
    const spec = {
      ip: { ...V6, protocol: 60 },
      raw: [17, 3, ...new Uint8Array(30), 0, 1, 0, 2, 0, 8, 0, 0],
    };
    const [cut] = buildFragments(spec, 16);
    const [whole] = buildFragments({ ...spec, raw: [...spec.raw, ...new Uint8Array(8)] }, 40);
    if (cut === undefined || whole === undefined) throw new Error('no fragments');
    expect(decodeFrame(cut).name).toBe('fragment_tiny');
    expect(decodeFrame(whole)).toMatchObject({
      name: 'ip',
      packet: { hasPorts: true, dstPort: 2 },
    });
  });

  test.each([6, 17, 58])(
    '10: a chain that ends exactly with the first fragment has no upper layer: protocol %i',
    (protocol) => {
      const extensions = [fragmentExtension(0, true), { type: 60 }];
      const frame = buildFrame({ ip: { ...V6, protocol, extensions } });
      expect(decodeFrame(frame).name).toBe('fragment_tiny');
    },
  );

  test('7: an atomic fragment with a broken chain is malformed, not tiny', () => {
    const frame = buildFrame({
      ip: { ...V6, extensions: [fragmentExtension(0, false), { type: 60, length: 9 }] },
      ...UDP,
    });
    expect(decodeFrame(frame).name).toBe('malformed_ipv6');
  });

  test.each([130, 131, 132, 133, 134, 135, 136, 137, 143, 148, 149])(
    '39: ICMPv6 type %i with a fragment header, atomic too (RFC 6980)',
    (type) => {
      expect(decodeFrame(neighborDiscovery(type, true)).name).toBe('fragment_neighbor_discovery');
      expect(decodeFrame(neighborDiscovery(type, false)).name).toBe('fragment_neighbor_discovery');
    },
  );

  test('39: an echo request in fragments is a packet like others', () => {
    expect(decodeFrame(neighborDiscovery(128, true)).name).toBe('ip');
  });
});

describe('hostile packets', () => {
  test.each<[string, FrameSpec, string]>([
    [
      '8: two fragment headers',
      {
        ip: { ...V6, extensions: [fragmentExtension(0, true), fragmentExtension(0, true)] },
        ...UDP,
      },
      'several_fragment_headers',
    ],
    [
      '10: chain of nine',
      { ip: { ...V6, extensions: Array.from({ length: 9 }, () => ({ type: 60 })) }, ...UDP },
      'extension_chain_too_long',
    ],
    [
      '10: hop-by-hop second',
      { ip: { ...V6, extensions: [{ type: 60 }, { type: 0 }] }, ...UDP },
      'hop_by_hop_not_first',
    ],
    ['11: routing type 0', { ip: { ...V6, extensions: [{ type: 43 }] }, ...UDP }, 'routing_type_0'],
    [
      '12: jumbogram',
      {
        ip: { ...V6, payloadLength: 0, extensions: [{ type: 0, body: [0xc2, 4, 0, 1, 0, 0] }] },
        ...UDP,
      },
      'ipv6_jumbogram',
    ],
    ['12: no next header', { ip: { ...V6, protocol: 59 }, raw: [1, 2, 3] }, 'ip'],
    [
      '13: loose source route',
      { ip: { ...V4, options: [131, 3, 4] }, ...UDP },
      'ipv4_source_route',
    ],
    [
      '13: option of length 0',
      { ip: { ...V4, options: [7, 0] }, ...UDP },
      'malformed_ipv4_options',
    ],
    ['14: IHL 0', { ip: { ...V4, ihl: 0 }, ...UDP }, 'malformed_ipv4'],
    [
      '14: total length beyond the frame',
      { ip: { ...V4, totalLength: 1500 }, ...UDP },
      'truncated',
    ],
    ['14: IPv6 in an IPv4 EtherType', { etherType: 0x0800, ip: V6, ...UDP }, 'malformed_ipv4'],
    [
      '14: IPv4 in an IPv6 EtherType',
      { etherType: 0x86dd, ip: V4, ...UDP, payload: new Uint8Array(40) },
      'malformed_ipv6',
    ],
    [
      '15: payload length beyond the frame',
      { ip: { ...V6, payloadLength: 9 }, ...UDP },
      'truncated',
    ],
    [
      '15: payload length below the UDP header',
      { ip: { ...V6, payloadLength: 7 }, ...UDP },
      'malformed_udp',
    ],
    ['16: IPv4 header checksum', { ip: { ...V4, checksum: 0xdead }, ...UDP }, 'bad_ipv4_checksum'],
    [
      '16: TCP checksum is for the endpoint',
      { ip: V4, tcp: { ...TCP.tcp, checksum: 0xdead } },
      'ip',
    ],
    ['17: SYN and FIN', { ip: V4, tcp: { ...TCP.tcp, flags: 'SF' } }, 'impossible_tcp_flags'],
    [
      '18, 19: ACK and SYN-ACK are for the flow table',
      { ip: V4, tcp: { ...TCP.tcp, flags: 'SA' } },
      'ip',
    ],
    ['33: port 0 is for the engine', { ip: V4, udp: { srcPort: 0, dstPort: 0 } }, 'ip'],
    ['34: protocol 0 on IPv4', { ip: { ...V4, protocol: 0 }, raw: [0] }, 'ip'],
    ['34: protocol 255', { ip: { ...V4, protocol: 255 } }, 'ip'],
    [
      '42: three tags',
      { vlans: [{ vid: 1 }, { vid: 2 }, { vid: 3 }], ip: V4, ...UDP },
      'vlan_too_deep',
    ],
    ['43: MPLS', { etherType: 0x8847, raw: new Uint8Array(40) }, 'unknown_ether_type'],
    ['43: PPPoE', { etherType: 0x8864, raw: new Uint8Array(40) }, 'unknown_ether_type'],
    [
      '43: 802.3 length and LLC',
      { etherType: 0x0026, raw: new Uint8Array(38) },
      'unknown_ether_type',
    ],
    ['43: IP in IP is protocol 4', { ip: { ...V4, protocol: 4 }, raw: new Uint8Array(40) }, 'ip'],
    ['44: UDP length 7', { ip: V4, udp: { ...UDP.udp, length: 7 } }, 'malformed_udp'],
    [
      '44: UDP length beyond the payload, inside the padding',
      { ip: V4, udp: { ...UDP.udp, length: 9 }, padTo: 60 },
      'malformed_udp',
    ],
    ['45: TCP data offset 4', { ip: V4, tcp: { ...TCP.tcp, dataOffset: 4 } }, 'malformed_tcp'],
    [
      '45: TCP data offset beyond the segment, inside the padding',
      { ip: V4, tcp: { ...TCP.tcp, dataOffset: 6 }, padTo: 60 },
      'malformed_tcp',
    ],
    [
      'ICMP of 7 bytes',
      { ip: { ...V4, protocol: 1 }, raw: new Uint8Array(7), padTo: 60 },
      'malformed_icmp',
    ],
  ])('%s', (_name, spec, code) => {
    expect(decodeFrame(buildFrame(spec)).name).toBe(code);
  });
});

test('a super-frame of 65 KiB decodes like any other', () => {
  const { name, packet } = decodeFrame(
    buildFrame({ ip: V4, tcp: { srcPort: 1, dstPort: 2 }, payload: new Uint8Array(65_495) }),
  );
  expect(name).toBe('ip');
  expect(packet).toMatchObject({ ipLength: 65_535, tcpPayloadLength: 65_495 });
});
