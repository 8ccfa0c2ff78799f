import { describe, expect, test } from 'vitest';
import { decodeFrame } from '../../helpers/decode-frame.ts';
import { buildArp, buildFrame, hexBytes } from '../../helpers/frames.ts';
import { V4 } from '../../helpers/seed-frames.ts';

const UDP = { udp: { srcPort: 1, dstPort: 2 } };

describe('ethernet', () => {
  test('taken apart: two tags written by hand', () => {
    const { name, packet } = decodeFrame(
      hexBytes('020000000002 020000000001 88a8 f064 8100 00c8 88b5 0102'),
    );
    expect(name).toBe('unknown_ether_type');
    expect(packet).toMatchObject({
      frameLength: 24,
      vlanCount: 2,
      vlanOuter: 0x064,
      vlanInner: 0x0c8,
      etherType: 0x88b5,
      ipVersion: 0,
    });
  });

  test.each([
    ['no tag', [], { vlanCount: 0, vlanOuter: 0, vlanInner: 0, ipOffset: 14 }],
    ['one tag', [{ vid: 4094 }], { vlanCount: 1, vlanOuter: 4094, vlanInner: 0, ipOffset: 18 }],
    ['priority tag', [{ vid: 0, priority: 7 }], { vlanCount: 1, vlanOuter: 0, ipOffset: 18 }],
    ['0x9100', [{ vid: 9, tpid: 0x9100 }], { vlanCount: 1, vlanOuter: 9, ipOffset: 18 }],
    [
      'two tags',
      [{ vid: 1, tpid: 0x88a8 }, { vid: 2 }],
      { vlanCount: 2, vlanOuter: 1, vlanInner: 2, ipOffset: 22 },
    ],
  ])('built: %s', (_name, vlans, fields) => {
    const { name, packet } = decodeFrame(buildFrame({ vlans, ip: V4, ...UDP }));
    expect(name).toBe('ip');
    expect(packet).toMatchObject({ ...fields, etherType: 0x0800, srcPort: 1, dstPort: 2 });
  });

  test.each([
    ['nothing', ''],
    ['13 bytes', '020000000002 020000000001 08'],
    ['a tag without its TCI', '020000000002 020000000001 8100'],
    ['a tag without the EtherType after it', '020000000002 020000000001 8100 0001 08'],
    ['an inner tag cut short', '020000000002 020000000001 88a8 0001 8100 00'],
    ['IPv4 without a header', '020000000002 020000000001 0800'],
  ])('impossible length: %s', (_name, hex) => {
    expect(decodeFrame(hexBytes(hex)).name).toBe('frame_too_short');
  });

  test.each([
    ['00', 'link_local'],
    ['01', 'link_local'],
    ['03', 'link_local'],
    ['0e', 'link_local'],
    ['0f', 'link_local'],
    ['10', 'unknown_ether_type'],
    ['20', 'unknown_ether_type'],
  ])('destination 01:80:c2:00:00:%s is %s', (last, code) => {
    const dstMac = `01:80:c2:00:00:${last}`;
    expect(decodeFrame(buildFrame({ dstMac, etherType: 0x0026, raw: [0x42] })).name).toBe(code);
  });

  test('a tagged frame may end with its EtherType', () => {
    const frame = hexBytes('020000000002 020000000001 8100 0005 88b5');
    expect(decodeFrame(frame)).toMatchObject({
      name: 'unknown_ether_type',
      packet: { vlanOuter: 5, etherType: 0x88b5 },
    });
  });

  test('link-local wins over IP: it is not forwarded whatever it carries', () => {
    const frame = buildFrame({ dstMac: '01:80:c2:00:00:03', ip: V4, ...UDP });
    expect(decodeFrame(frame).name).toBe('link_local');
  });
});

describe('arp', () => {
  const good = buildArp({ sender: '10.0.0.1', target: '10.0.0.2' });
  const corrupt = (at: number, value: number): Uint8Array => {
    const frame = good.slice();
    frame[14 + at] = value;
    return frame;
  };

  test.each([
    ['request', good, 'arp'],
    ['reply', buildArp({ operation: 2, sender: '10.0.0.1', target: '10.0.0.2' }), 'arp'],
    ['in a VLAN', buildArp({ sender: '10.0.0.1', target: '10.0.0.2', vlans: [{ vid: 3 }] }), 'arp'],
    ['padded to 60', Uint8Array.from([...good, ...new Uint8Array(18)]), 'arp'],
    ['one byte short', good.subarray(0, 41), 'malformed_arp'],
    ['no body', good.subarray(0, 14), 'malformed_arp'],
    ['hardware type 6', corrupt(1, 6), 'malformed_arp'],
    ['protocol type IPv6', corrupt(2, 0x86), 'malformed_arp'],
    ['hardware length 0', corrupt(4, 0), 'malformed_arp'],
    ['protocol length 16', corrupt(5, 16), 'malformed_arp'],
  ])('%s', (_name, frame, code) => {
    expect(decodeFrame(frame).name).toBe(code);
  });
});
