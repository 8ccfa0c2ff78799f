import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import { StartKind, startKind } from '../../src/flowtable/start.ts';
import { buildFrame, buildIcmpError, type FrameSpec } from '../helpers/frames.ts';
import { packetOf } from '../helpers/flows.ts';

const V4 = { src: '203.0.113.9', dst: '10.0.1.4' };
const V6 = { src: '2001:db8::9', dst: 'fd00::4' };
const to = (dst: string, src = dst.includes(':') ? V6.src : V4.src): FrameSpec => ({
  ip: { src, dst },
  udp: { srcPort: 5353, dstPort: 5353 },
});
const tcp = (flags: string, ip = V4): FrameSpec => ({
  ip,
  tcp: { srcPort: 5000, dstPort: 80, flags },
});
const icmp = (type: number, ip = V4): FrameSpec => ({ ip, icmp: { type, id: 7 } });
const quoted = buildFrame(to(V4.dst, V4.src));

type Row = readonly [name: string, kind: keyof typeof StartKind, frame: FrameSpec | Uint8Array];
const rows: readonly Row[] = [
  ['SYN', 'Stateful', tcp('S')],
  ['SYN with ECE and CWR', 'Stateful', tcp('SEC')],
  ['SYN, IPv6', 'Stateful', tcp('S', V6)],
  ['SYN+ACK', 'NeedsFlow', tcp('SA')],
  ['RST', 'NeedsFlow', tcp('R')],
  ['RST+ACK', 'NeedsFlow', tcp('RA')],
  ['ACK', 'PickUp', tcp('A')],
  ['data', 'PickUp', tcp('PA')],
  ['ACK with ECE (CVE-2001-0183)', 'PickUp', tcp('AE')],
  ['FIN+ACK', 'PickUp', tcp('FA')],
  ['UDP', 'Stateful', to(V4.dst)],
  ['UDP, IPv6', 'Stateful', to(V6.dst)],
  ['echo request', 'Stateful', icmp(8)],
  ['echo reply', 'NeedsFlow', icmp(0)],
  ['echo request, IPv6', 'Stateful', icmp(128, V6)],
  ['echo reply, IPv6', 'NeedsFlow', icmp(129, V6)],
  ['timestamp request', 'Stateless', icmp(13)],
  ['router advertisement', 'Stateless', icmp(134, V6)],
  ['neighbour solicitation', 'Stateless', icmp(135, V6)],
  ['ICMP error', 'NeedsFlow', buildIcmpError({ ...V4, type: 3, code: 3, quoted })],
  [
    'ICMP error to a multicast address',
    'NeedsFlow',
    buildIcmpError({ src: V4.src, dst: '224.0.0.1', type: 3, quoted }),
  ],
  ['ICMP in IPv6', 'Stateless', { ip: { ...V6, protocol: 1 }, raw: [8, 0, 0, 0, 0, 7, 0, 1] }],
  ['ICMPv6 in IPv4', 'Stateless', { ip: { ...V4, protocol: 58 }, raw: [128, 0, 0, 0, 0, 7, 0, 1] }],
  ['GRE', 'Stateful', { ip: { ...V4, protocol: 47 }, raw: [0, 0, 8, 0] }],
  ['protocol 0', 'Stateful', { ip: { ...V4, protocol: 0 }, raw: [0, 0, 8, 0] }],
  ['below multicast', 'Stateful', to('223.255.255.255')],
  ['first multicast', 'Stateless', to('224.0.0.0')],
  ['mDNS', 'Stateless', to('224.0.0.251')],
  ['last multicast', 'Stateless', to('239.255.255.255')],
  ['above multicast', 'Stateful', to('240.0.0.0')],
  ['broadcast', 'Stateless', to('255.255.255.255')],
  ['below broadcast', 'Stateful', to('255.255.255.254')],
  ['mDNS, IPv6', 'Stateless', to('ff02::fb')],
  ['last before multicast, IPv6', 'Stateful', to('feff::1')],
  ['an address whose end looks like multicast, IPv6', 'Stateful', to('2001:db8::e000:fb')],
  ['echo request to multicast', 'Stateless', icmp(8, { ...V4, dst: '224.0.0.1' })],
  ['SYN to multicast', 'Stateless', tcp('S', { ...V4, dst: '224.0.0.1' })],
];

describe('what a packet without a flow may do', () => {
  test.each(rows)('%s: %s', (_name, kind, frame) => {
    expect(startKind(packetOf(frame))).toBe(StartKind[kind]);
  });

  test('of all 256 values of the TCP flags, only SYN without ACK, FIN and RST starts a flow', () => {
    const packet = packetOf(tcp('S'));
    const kinds = new Packet();
    Object.assign(kinds, packet);
    for (let flags = 0; flags < 256; flags++) {
      kinds.tcpFlags = flags;
      const isStart = (flags & 0x17) === 0x02;
      expect(startKind(kinds) === StartKind.Stateful, `flags ${flags}`).toBe(isStart);
      const isMiddle = (flags & 0x16) === 0x10;
      expect(startKind(kinds) === StartKind.PickUp, `flags ${flags}`).toBe(isMiddle);
    }
  });
});
