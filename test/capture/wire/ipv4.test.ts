import { describe, expect, test } from 'vitest';
import { Fragment } from '../../../src/capture/packet.ts';
import { addressesOf, decodeFrame } from '../../helpers/decode-frame.ts';
import { addressWords, buildFragments, buildFrame, hexBytes } from '../../helpers/frames.ts';
import { V4 } from '../../helpers/seed-frames.ts';

const LINK = '020000000002 020000000001 0800';
const UDP = { udp: { srcPort: 1, dstPort: 2 } };

describe('ipv4', () => {
  test('taken apart: header written by hand, with padding behind the packet', () => {
    const { name, packet } = decodeFrame(
      hexBytes(
        `${LINK} 4500001d 00004000 401126ce 0a000001 0a000002 12340035 00090000 ab ${'00'.repeat(17)}`,
      ),
    );
    expect(name).toBe('ip');
    expect(packet).toMatchObject({
      ipVersion: 4,
      ipOffset: 14,
      ipLength: 29,
      hopLimit: 64,
      protocol: 17,
      l4Offset: 34,
      l4Length: 9,
      fragment: Fragment.None,
      srcPort: 0x1234,
      dstPort: 53,
    });
    expect(addressesOf(packet)).toEqual([...addressWords('10.0.0.1'), ...addressWords('10.0.0.2')]);
  });

  test('built: high addresses are negative words, all others 0', () => {
    const { packet } = decodeFrame(
      buildFrame({ ip: { src: '255.255.255.255', dst: '128.0.0.0', hopLimit: 255 }, ...UDP }),
    );
    expect(addressesOf(packet)).toEqual([0, 0, 0, -1, 0, 0, 0, -0x8000_0000]);
    expect(packet.hopLimit).toBe(255);
  });

  test('built: options move the upper layer', () => {
    for (const size of [4, 12, 40]) {
      const options = new Uint8Array(size).fill(1);
      const { name, packet } = decodeFrame(buildFrame({ ip: { ...V4, options }, ...UDP }));
      expect(name).toBe('ip');
      expect(packet).toMatchObject({ l4Offset: 34 + size, l4Length: 8, srcPort: 1 });
    }
  });

  test('built: fragments', () => {
    const spec = { ip: V4, ...UDP, payload: new Uint8Array(100) };
    const fragments = buildFragments(spec, 40, 0xbeef).map((frame) => decodeFrame(frame));
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
      [Fragment.First, 0xbeef, 0, true, true, 40, 17],
      [Fragment.Later, 0xbeef, 40, true, false, 40, 17],
      [Fragment.Later, 0xbeef, 80, false, false, 28, 17],
    ]);
  });

  test('an identification alone makes no fragment, nor does DF', () => {
    const ip = { ...V4, id: 5, dontFragment: true };
    expect(decodeFrame(buildFrame({ ip, ...UDP })).packet).toMatchObject({
      fragment: Fragment.None,
      fragmentId: 0,
      hasPorts: true,
    });
  });

  test.each([
    ['19 bytes', buildFrame({ ip: V4, ...UDP }).subarray(0, 33), 'frame_too_short'],
    [
      'one byte less than the total length',
      buildFrame({ ip: V4, ...UDP }).subarray(0, 41),
      'truncated',
    ],
    ['total length 65535', buildFrame({ ip: { ...V4, totalLength: 65535 }, ...UDP }), 'truncated'],
    ['total length 0', buildFrame({ ip: { ...V4, totalLength: 0 }, ...UDP }), 'malformed_ipv4'],
    ['total length 19', buildFrame({ ip: { ...V4, totalLength: 19 }, ...UDP }), 'malformed_ipv4'],
    ['IHL 0', buildFrame({ ip: { ...V4, ihl: 0 }, ...UDP }), 'malformed_ipv4'],
    ['IHL 4', buildFrame({ ip: { ...V4, ihl: 4 }, ...UDP }), 'malformed_ipv4'],
    [
      'IHL beyond the total length',
      buildFrame({ ip: { ...V4, ihl: 15 }, ...UDP }),
      'malformed_ipv4',
    ],
    ['version 6', buildFrame({ ip: { ...V4, version: 6 }, ...UDP }), 'malformed_ipv4'],
    ['version 0', buildFrame({ ip: { ...V4, version: 0 }, ...UDP }), 'malformed_ipv4'],
  ])('impossible length: %s', (_name, frame, code) => {
    expect(decodeFrame(frame).name).toBe(code);
  });

  test.each([
    ['a wrong checksum', { checksum: 1 }, 'bad_ipv4_checksum'],
    ['a zero checksum', { checksum: 0 }, 'bad_ipv4_checksum'],
    ['record route', { options: [7, 7, 4, 0, 0, 0, 0] }, 'ip'],
    ['timestamp', { options: [68, 8, 5, 0, 0, 0, 0, 0] }, 'ip'],
    ['router alert', { options: [148, 4, 0, 0] }, 'ip'],
    ['end of options before rubbish', { options: [0, 7, 0, 0] }, 'ip'],
    ['an option of two bytes at the end', { options: [1, 1, 30, 2] }, 'ip'],
    ['an option up to the last byte', { options: [1, 7, 3, 4] }, 'ip'],
    ['loose source route', { options: [131, 7, 4, 192, 0, 2, 9] }, 'ipv4_source_route'],
    ['strict source route', { options: [137, 7, 4, 192, 0, 2, 9] }, 'ipv4_source_route'],
    ['source route behind no-operations', { options: [1, 1, 1, 131, 3, 4] }, 'ipv4_source_route'],
    ['option length 0', { options: [7, 0, 0, 0] }, 'malformed_ipv4_options'],
    ['option length 1', { options: [7, 1, 0, 0] }, 'malformed_ipv4_options'],
    ['option beyond the header', { options: [7, 5, 4, 0] }, 'malformed_ipv4_options'],
    ['option type in the last byte', { options: [1, 1, 1, 7] }, 'malformed_ipv4_options'],
  ])('header: %s', (_name, fields, code) => {
    expect(decodeFrame(buildFrame({ ip: { ...V4, ...fields }, ...UDP })).name).toBe(code);
  });

  test('header: an option type in the last byte of the frame', () => {
    expect(decodeFrame(buildFrame({ ip: { ...V4, options: [1, 1, 1, 7] } })).name).toBe(
      'malformed_ipv4_options',
    );
  });

  test('a wrong bit anywhere in the header is seen by the checksum or an earlier check', () => {
    const good = buildFrame({ ip: { ...V4, options: [148, 4, 0, 0] }, ...UDP });
    for (let bit = 0; bit < 24 * 8; bit++) {
      const frame = good.slice();
      const at = 14 + (bit >> 3);
      frame[at] = (frame[at] ?? 0) ^ (1 << (bit & 7));
      expect(decodeFrame(frame).name, `bit ${bit}`).not.toBe('ip');
    }
  });
});
