/**
 * linkTraffic and sanity over whole ranges: every ICMPv6 type and hop limit, every first byte of an address.
 */
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import { isHostAdvice, linkTraffic, ORDINARY, sanity } from '../../src/engine/link-traffic.ts';
import { Reason } from '../../src/engine/reason.ts';
import { addressWords } from '../helpers/frames.ts';

function packetBetween(src: string, dst: string): Packet {
  const packet = new Packet();
  packet.ipVersion = src.includes(':') ? 6 : 4;
  [packet.src0, packet.src1, packet.src2, packet.src3] = addressWords(src);
  [packet.dst0, packet.dst1, packet.dst2, packet.dst3] = addressWords(dst);
  return packet;
}

const ND = new Set([133, 134, 135, 136]);
const MLD = new Set([130, 131, 132, 143]);

describe('ICMPv6', () => {
  test('every type, hop limit and kind of source', () => {
    for (const src of ['fe80::1', 'febf::1', 'fec0::1', '2001:db8::1', '::']) {
      const isLinkSource = src === 'fe80::1' || src === 'febf::1' || src === '::';
      const packet = packetBetween(src, 'ff02::1');
      packet.protocol = 58;
      for (let type = 0; type < 256; type++) {
        packet.icmpType = type;
        for (const hopLimit of [0, 1, 2, 64, 254, 255]) {
          packet.hopLimit = hopLimit;
          const isFit = ND.has(type) ? hopLimit === 255 : hopLimit === 1 && isLinkSource;
          const isLink = ND.has(type) || MLD.has(type);
          const expected = isLink ? (isFit ? Reason.Link : Reason.NeighborInvalid) : ORDINARY;
          for (const direction of [0, 1]) {
            expect(
              linkTraffic(packet, direction),
              `${src} type ${type} hop limit ${hopLimit}`,
            ).toBe(expected);
          }
        }
      }
    }
  });

  test('the same numbers in ICMP are ordinary, redirect and source quench are advice there only', () => {
    const packet = packetBetween('203.0.113.9', '10.0.1.4');
    packet.protocol = 1;
    packet.hopLimit = 255;
    const packet6 = packetBetween('fe80::1', 'fe80::2');
    packet6.protocol = 58;
    const advice: number[] = [];
    for (let type = 0; type < 256; type++) {
      packet.icmpType = type;
      packet6.icmpType = type;
      expect(linkTraffic(packet, 0)).toBe(ORDINARY);
      if (isHostAdvice(packet)) advice.push(type);
      expect(isHostAdvice(packet6)).toBe(false);
    }
    expect(advice).toEqual([4, 5]);
  });
});

describe('DHCP ports', () => {
  test('only the four numbers, each on its own side', () => {
    const ports = [66, 67, 68, 69, 546, 547, 548];
    for (const [src, dst, direction, link] of [
      ['0.0.0.0', '255.255.255.255', 1, '68>67'],
      ['10.0.1.1', '255.255.255.255', 0, '67>68'],
      ['fe80::4', 'ff02::1:2', 1, '546>547'],
      ['fe80::1', 'fe80::4', 0, '547>546'],
    ] as const) {
      const packet = packetBetween(src, dst);
      packet.protocol = 17;
      packet.hasPorts = true;
      for (const srcPort of ports) {
        for (const dstPort of ports) {
          packet.srcPort = srcPort;
          packet.dstPort = dstPort;
          const isLink = `${srcPort}>${dstPort}` === link;
          expect(linkTraffic(packet, direction), `${src} > ${dst} ${srcPort}>${dstPort}`).toBe(
            isLink ? Reason.Link : ORDINARY,
          );
        }
      }
    }
  });
});

test('a DHCP client that has an address is not link traffic: the rules see who it is', () => {
  const packet = packetBetween('10.0.1.4', '255.255.255.255');
  packet.protocol = 17;
  packet.hasPorts = true;
  packet.srcPort = 68;
  packet.dstPort = 67;
  expect(linkTraffic(packet, 1)).toBe(ORDINARY);
});

describe('sanity', () => {
  test('every first byte of an IPv4 source and destination', () => {
    const martianSources: number[] = [];
    const martianDestinations: number[] = [];
    for (let first = 0; first < 256; first++) {
      if (sanity(packetBetween(`${first}.1.2.3`, '10.9.9.9')) === Reason.Martian)
        martianSources.push(first);
      if (sanity(packetBetween('10.9.9.9', `${first}.1.2.3`)) === Reason.Martian)
        martianDestinations.push(first);
    }
    const from = (low: number, high: number): number[] =>
      Array.from({ length: high - low + 1 }, (_, i) => low + i);
    expect(martianSources).toEqual([0, 127, ...from(224, 255)]);
    expect(martianDestinations).toEqual([0, 127, ...from(240, 255)]);
  });

  test.each<readonly [string, string, number]>([
    ['2001:db8::1', '2001:db8::2', ORDINARY],
    ['2001:db8::1', '2001:db8::1', Reason.Martian],
    ['::', '2001:db8::1', Reason.Martian],
    ['::1', '2001:db8::1', Reason.Martian],
    ['::2', '2001:db8::1', ORDINARY],
    ['2001:db8::1', '::1', Reason.Martian],
    ['2001:db8::1', '::ffff:1.2.3.4', Reason.Martian],
    ['2001:db8::1', '::1:ffff:102:304', ORDINARY],
    ['0:1::ffff:102:304', '2001:db8::1', ORDINARY],
    ['ff02::1', '2001:db8::1', Reason.Martian],
    ['2001:db8::1', 'ff02::1', ORDINARY],
    ['fe80::1', 'fe80::2', ORDINARY],
  ])('%s to %s', (src, dst, expected) => {
    expect(sanity(packetBetween(src, dst))).toBe(expected);
  });

  test('addresses that differ in one word only are not the same', () => {
    for (const dst of [
      '1:db8:3:4:5:6:7:8',
      '2001:db8:9:4:5:6:7:8',
      '2001:db8:3:4:9:6:7:8',
      '2001:db8:3:4:5:6:7:9',
    ]) {
      expect(sanity(packetBetween('2001:db8:3:4:5:6:7:8', dst))).toBe(ORDINARY);
    }
  });
});
