import { describe, expect, test } from 'vitest';
import { Fragment } from '../../../src/capture/packet.ts';
import { addressesOf, decodeFrame } from '../../helpers/decode-frame.ts';
import {
  addressWords,
  buildFragments,
  buildFrame,
  fragmentExtension,
  hexBytes,
  type Extension,
} from '../../helpers/frames.ts';
import { V6 } from '../../helpers/seed-frames.ts';

const UDP = { udp: { srcPort: 1, dstPort: 2 } };
const HOP_BY_HOP: Extension = { type: 0 };
const DESTINATION: Extension = { type: 60 };
const SEGMENTS: Extension = { type: 43, body: [4, 0, 0, 0, 0, 0] };

function chainOf(...extensions: Extension[]): Uint8Array {
  return buildFrame({ ip: { ...V6, extensions }, ...UDP });
}

describe('ipv6', () => {
  test('taken apart: header written by hand, with padding behind the packet', () => {
    const { name, packet } = decodeFrame(
      hexBytes(`020000000002 020000000001 86dd
        60012345 0008 11 fe fe800000000000000000000000000001 ff020000000000000000000000000002
        1234 0035 0008 0000 000000`),
    );
    expect(name).toBe('ip');
    expect(packet).toMatchObject({
      ipVersion: 6,
      ipOffset: 14,
      ipLength: 48,
      hopLimit: 254,
      protocol: 17,
      l4Offset: 54,
      l4Length: 8,
      fragment: Fragment.None,
      srcPort: 0x1234,
      dstPort: 53,
    });
    expect(addressesOf(packet)).toEqual([...addressWords('fe80::1'), ...addressWords('ff02::2')]);
  });

  test.each<[string, Extension[], number]>([
    ['none', [], 0],
    ['hop-by-hop', [HOP_BY_HOP], 8],
    ['hop-by-hop of 16 bytes', [{ type: 0, body: [5, 2, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0] }], 16],
    ['hop-by-hop, Pad1 before an option', [{ type: 0, body: [0, 5, 2, 0, 0, 0] }], 8],
    ['hop-by-hop, option without data last', [{ type: 0, body: [1, 2, 0, 0, 1, 0] }], 8],
    ['segment routing', [SEGMENTS], 8],
    [
      'all in order',
      [HOP_BY_HOP, DESTINATION, SEGMENTS, fragmentExtension(0, false), DESTINATION],
      40,
    ],
    ['eight', Array.from({ length: 8 }, () => DESTINATION), 64],
    ['256 bytes of options', [{ type: 60, body: new Uint8Array(254) }], 256],
  ])('built: extension headers: %s', (_name, extensions, length) => {
    const { name, packet } = decodeFrame(chainOf(...extensions));
    expect(name).toBe('ip');
    expect(packet).toMatchObject({
      protocol: 17,
      l4Offset: 54 + length,
      l4Length: 8,
      dstPort: 2,
      fragment: Fragment.None,
    });
  });

  test.each([
    ['ESP', 50],
    ['AH', 51],
    ['no next header', 59],
    ['mobility', 135],
    ['HIP', 139],
    ['shim6', 140],
    ['SCTP', 132],
    ['IPv4 ICMP number', 1],
    ['unknown', 253],
    ['255', 255],
  ])('built: %s ends the chain and is the protocol', (_name, protocol) => {
    const ip = { ...V6, protocol, extensions: [DESTINATION] };
    const { name, packet } = decodeFrame(buildFrame({ ip, raw: [6, 0, 0, 0, 0, 0, 0, 0] }));
    expect(name).toBe('ip');
    expect(packet).toMatchObject({ protocol, l4Offset: 62, l4Length: 8, hasPorts: false });
    expect(packet.icmpType).toBe(0);
  });

  test('built: fragments', () => {
    const spec = { ip: { ...V6, extensions: [DESTINATION] }, ...UDP, payload: new Uint8Array(60) };
    const fragments = buildFragments(spec, 32, 0xdeadbeef).map((frame) => decodeFrame(frame));
    expect(fragments.map(({ name }) => name)).toEqual(['ip', 'ip', 'ip']);
    const fields = fragments.map(({ packet }) => [
      packet.fragment,
      packet.fragmentId,
      packet.fragmentOffset,
      packet.hasMoreFragments,
      packet.hasPorts,
      packet.l4Length,
      packet.protocol,
    ]);
    expect(fields).toEqual([
      [Fragment.First, 0xdeadbeef | 0, 0, true, true, 32, 17],
      [Fragment.Later, 0xdeadbeef | 0, 32, true, false, 32, 17],
      [Fragment.Later, 0xdeadbeef | 0, 64, false, false, 4, 17],
    ]);
  });

  test('what follows the header of a later fragment is data, whatever it names', () => {
    for (const type of [43, 60]) {
      const ip = { ...V6, protocol: type, extensions: [fragmentExtension(64, false)] };
      const { name, packet } = decodeFrame(buildFrame({ ip, raw: [6, 0, 0, 0, 0, 0, 0, 0, 1] }));
      expect(name).toBe('ip');
      expect(packet).toMatchObject({ protocol: type, l4Offset: 62, l4Length: 9, hasPorts: false });
    }
  });

  test('a chain may end with the packet', () => {
    const ip = { ...V6, protocol: 59, extensions: [DESTINATION] };
    expect(decodeFrame(buildFrame({ ip }))).toMatchObject({
      name: 'ip',
      packet: { protocol: 59, l4Length: 0 },
    });
  });

  test('an atomic fragment is a whole packet', () => {
    const { name, packet } = decodeFrame(chainOf(fragmentExtension(0, false, 7)));
    expect(name).toBe('ip');
    expect(packet).toMatchObject({ fragment: Fragment.None, hasPorts: true, srcPort: 1 });
  });

  test('a header chain inside the first fragment counts as its data', () => {
    // 8 bytes of destination options and 8 of UDP: a multiple of 8, as a first fragment must be.
    const { name, packet } = decodeFrame(chainOf(fragmentExtension(0, true), DESTINATION));
    expect(name).toBe('ip');
    expect(packet).toMatchObject({ fragment: Fragment.First, hasPorts: true, l4Length: 8 });
  });

  test.each<[string, Uint8Array, string]>([
    ['39 bytes', chainOf().subarray(0, 53), 'frame_too_short'],
    ['payload longer than the frame', chainOf().subarray(0, 61), 'truncated'],
    ['version 4', buildFrame({ ip: { ...V6, version: 4 }, ...UDP }), 'malformed_ipv6'],
    [
      'payload length 0 with UDP',
      buildFrame({ ip: { ...V6, payloadLength: 0 }, ...UDP }),
      'malformed_udp',
    ],
    [
      'payload ends inside an extension header',
      buildFrame({ ip: { ...V6, extensions: [DESTINATION], payloadLength: 7 }, ...UDP }),
      'malformed_ipv6',
    ],
    [
      'options header missing at the end of the frame',
      buildFrame({ ip: { ...V6, protocol: 60, extensions: [DESTINATION] } }),
      'malformed_ipv6',
    ],
    [
      'fragment header missing at the end of the frame',
      buildFrame({ ip: { ...V6, protocol: 44 } }),
      'malformed_ipv6',
    ],
    [
      'fragment header of 7 bytes',
      buildFrame({ ip: { ...V6, protocol: 44 }, raw: new Uint8Array(7) }),
      'malformed_ipv6',
    ],
    [
      'hop-by-hop option type in the last byte of the frame',
      buildFrame({
        ip: { ...V6, protocol: 59, extensions: [{ type: 0, body: [1, 3, 0, 0, 0, 5] }] },
      }),
      'malformed_ipv6',
    ],
    [
      'atomic fragment without an ICMPv6 message',
      buildFrame({ ip: { ...V6, protocol: 58, extensions: [fragmentExtension(0, false)] } }),
      'malformed_icmp',
    ],
    ['extension header beyond the payload', chainOf({ type: 60, length: 2 }), 'malformed_ipv6'],
    ['hop-by-hop option beyond its header', chainOf({ type: 0, body: [5, 9] }), 'malformed_ipv6'],
    [
      'hop-by-hop option without its length',
      chainOf({ type: 0, body: [1, 3, 0, 0, 0, 5] }),
      'malformed_ipv6',
    ],
    [
      'payload length 0 with hop-by-hop',
      buildFrame({ ip: { ...V6, extensions: [HOP_BY_HOP], payloadLength: 0 }, ...UDP }),
      'ipv6_jumbogram',
    ],
    ['jumbo option', chainOf({ type: 0, body: [0xc2, 4, 0, 1, 0, 0] }), 'ipv6_jumbogram'],
    [
      'jumbo option behind padding',
      chainOf({ type: 0, body: [0, 1, 2, 0, 0, 0xc2] }),
      'ipv6_jumbogram',
    ],
    [
      'nine headers',
      chainOf(...Array.from({ length: 9 }, () => DESTINATION)),
      'extension_chain_too_long',
    ],
    [
      'twenty headers',
      chainOf(...Array.from({ length: 20 }, () => DESTINATION)),
      'extension_chain_too_long',
    ],
    [
      '264 bytes of options',
      chainOf({ type: 60, body: new Uint8Array(262) }),
      'extension_chain_too_long',
    ],
    ['hop-by-hop second', chainOf(DESTINATION, HOP_BY_HOP), 'hop_by_hop_not_first'],
    ['two hop-by-hop', chainOf(HOP_BY_HOP, HOP_BY_HOP), 'hop_by_hop_not_first'],
    [
      'hop-by-hop in the fragmentable part',
      chainOf(fragmentExtension(0, false), HOP_BY_HOP),
      'hop_by_hop_not_first',
    ],
    [
      'hop-by-hop named by a later fragment',
      chainOf(fragmentExtension(64, false), HOP_BY_HOP),
      'hop_by_hop_not_first',
    ],
    ['routing type 0', chainOf({ type: 43, body: [0, 1] }), 'routing_type_0'],
    [
      'routing type 0, no segments left',
      chainOf(DESTINATION, { type: 43, body: [0, 0] }),
      'routing_type_0',
    ],
    [
      'two atomic fragment headers',
      chainOf(fragmentExtension(0, false), fragmentExtension(0, false)),
      'several_fragment_headers',
    ],
    [
      'fragment header, options, fragment header',
      chainOf(fragmentExtension(0, true), DESTINATION, fragmentExtension(8, true)),
      'several_fragment_headers',
    ],
    [
      'a later fragment that names another fragment header',
      chainOf(fragmentExtension(8, false), fragmentExtension(0, false)),
      'several_fragment_headers',
    ],
  ])('unfit: %s', (_name, frame, code) => {
    expect(decodeFrame(frame).name).toBe(code);
  });
});
