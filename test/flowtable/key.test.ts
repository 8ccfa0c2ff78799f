import { describe, expect, test } from 'vitest';
import type { Packet } from '../../src/capture/packet.ts';
import { FlowKey, flowKey, isEcho, isEchoRequest, quotedFlowKey } from '../../src/flowtable/key.ts';
import { buildFrame, buildIcmpError, type FrameSpec, type VlanTag } from '../helpers/frames.ts';
import { keyText, packetOf } from '../helpers/flows.ts';

const LOCAL = '10.0.1.4';
const REMOTE = '203.0.113.9';
const LOCAL6 = 'fd00::4';
const REMOTE6 = '2001:db8::9';
const INBOUND = 0;
const OUTBOUND = 1;

function key(packet: Packet | FrameSpec, direction: number): string {
  const flow = new FlowKey();
  flow.words.fill(-1);
  flowKey('frameLength' in packet ? packet : packetOf(packet), direction, flow);
  return keyText(flow);
}

const tcp = (src: string, srcPort: number, dst: string, dstPort: number): FrameSpec => ({
  ip: { src, dst },
  tcp: { srcPort, dstPort },
});
const udp = (src: string, srcPort: number, dst: string, dstPort: number): FrameSpec => ({
  ip: { src, dst },
  udp: { srcPort, dstPort },
});
const icmp = (src: string, dst: string, type: number, id = 0): FrameSpec => ({
  ip: { src, dst },
  icmp: { type, id },
});
const raw = (src: string, dst: string, protocol: number): FrameSpec => ({
  ip: { src, dst, protocol },
  raw: [1, 2, 3, 4, 5, 6, 7, 8],
});

type Pair = readonly [name: string, outbound: FrameSpec, inbound: FrameSpec];

describe('both directions of a flow give one key', () => {
  const pairs: readonly Pair[] = [
    ['TCP', tcp(LOCAL, 4000, REMOTE, 443), tcp(REMOTE, 443, LOCAL, 4000)],
    ['UDP', udp(LOCAL, 4000, REMOTE, 53), udp(REMOTE, 53, LOCAL, 4000)],
    ['TCP, IPv6', tcp(LOCAL6, 4000, REMOTE6, 443), tcp(REMOTE6, 443, LOCAL6, 4000)],
    ['one port on both sides', udp(LOCAL, 123, REMOTE, 123), udp(REMOTE, 123, LOCAL, 123)],
    ['ports above 2^15', tcp(LOCAL, 65_535, REMOTE, 40_000), tcp(REMOTE, 40_000, LOCAL, 65_535)],
    ['remote address below local', udp(LOCAL, 9, '1.1.1.1', 9), udp('1.1.1.1', 9, LOCAL, 9)],
    ['GRE', raw(LOCAL, REMOTE, 47), raw(REMOTE, LOCAL, 47)],
    ['protocol 0', raw(LOCAL, REMOTE, 0), raw(REMOTE, LOCAL, 0)],
    ['echo, local asks', icmp(LOCAL, REMOTE, 8, 7), icmp(REMOTE, LOCAL, 0, 7)],
    ['echo, remote asks', icmp(LOCAL, REMOTE, 0, 7), icmp(REMOTE, LOCAL, 8, 7)],
    ['echo, id 0', icmp(LOCAL, REMOTE, 8, 0), icmp(REMOTE, LOCAL, 0, 0)],
    ['echo, id 65535', icmp(LOCAL, REMOTE, 8, 65_535), icmp(REMOTE, LOCAL, 0, 65_535)],
    ['echo, IPv6, local asks', icmp(LOCAL6, REMOTE6, 128, 7), icmp(REMOTE6, LOCAL6, 129, 7)],
    ['echo, IPv6, remote asks', icmp(LOCAL6, REMOTE6, 129, 7), icmp(REMOTE6, LOCAL6, 128, 7)],
  ];
  test.each(pairs)('%s', (_name, outbound, inbound) => {
    expect(key(inbound, INBOUND)).toBe(key(outbound, OUTBOUND));
  });
  test.each(pairs)('%s: from the wrong side it is another (CVE-2004-1799)', (_name, out, inb) => {
    expect(key(out, INBOUND)).not.toBe(key(out, OUTBOUND));
    expect(key(inb, OUTBOUND)).not.toBe(key(inb, INBOUND));
    expect(key(out, INBOUND)).not.toBe(key(inb, INBOUND));
  });
});

describe('what differs in one field is another flow', () => {
  const vlan = (...vlans: readonly VlanTag[]): FrameSpec => ({
    ...udp(LOCAL, 53, REMOTE, 54),
    vlans,
  });
  const rows: readonly (readonly [string, FrameSpec, FrameSpec])[] = [
    ['local port', udp(LOCAL, 53, REMOTE, 54), udp(LOCAL, 55, REMOTE, 54)],
    ['remote port', udp(LOCAL, 53, REMOTE, 54), udp(LOCAL, 53, REMOTE, 55)],
    ['ports swapped', udp(LOCAL, 53, REMOTE, 54), udp(LOCAL, 54, REMOTE, 53)],
    ['local address', udp(LOCAL, 53, REMOTE, 54), udp('10.0.1.5', 53, REMOTE, 54)],
    ['remote address', udp(LOCAL, 53, REMOTE, 54), udp(LOCAL, 53, '203.0.113.8', 54)],
    ['protocol', udp(LOCAL, 53, REMOTE, 54), tcp(LOCAL, 53, REMOTE, 54)],
    ['protocol without ports', raw(LOCAL, REMOTE, 50), raw(LOCAL, REMOTE, 51)],
    ['port 0 and a protocol without ports', udp(LOCAL, 0, REMOTE, 0), raw(LOCAL, REMOTE, 18)],
    ['VLAN', vlan({ vid: 7 }), vlan({ vid: 8 })],
    ['VLAN and none', vlan({ vid: 7 }), vlan()],
    ['outer VLAN', vlan({ vid: 1 }, { vid: 2 }), vlan({ vid: 3 }, { vid: 2 })],
    ['inner VLAN', vlan({ vid: 1 }, { vid: 2 }), vlan({ vid: 1 }, { vid: 3 })],
    ['VLANs swapped', vlan({ vid: 1 }, { vid: 2 }), vlan({ vid: 2 }, { vid: 1 })],
    ['VLAN 4095 outside and inside', vlan({ vid: 4095 }), vlan({ vid: 0 }, { vid: 4095 })],
    [
      'family, with equal address words',
      udp('10.0.1.4', 1, '10.0.1.5', 2),
      udp('::a00:104', 1, '::a00:105', 2),
    ],
    ['IPv4-mapped', udp(LOCAL, 1, REMOTE, 2), udp('::ffff:a00:104', 1, '::ffff:cb00:7109', 2)],
    ['ICMP over IPv4 and over IPv6', raw(LOCAL, REMOTE, 253), raw(LOCAL6, REMOTE6, 253)],
    ['echo identifier', icmp(LOCAL, REMOTE, 8, 7), icmp(LOCAL, REMOTE, 8, 8)],
    ['who asks', icmp(LOCAL, REMOTE, 8, 7), icmp(LOCAL, REMOTE, 0, 7)],
    ['who asks, IPv6', icmp(LOCAL6, REMOTE6, 128, 7), icmp(LOCAL6, REMOTE6, 129, 7)],
  ];
  test.each(rows)('%s', (_name, one, other) => {
    expect(key(one, OUTBOUND)).not.toBe(key(other, OUTBOUND));
    expect(key(one, INBOUND)).not.toBe(key(other, INBOUND));
  });

  test.each([
    ['fd00::1:0:0:4', 'fd00::4'],
    ['fd00:0:1::4', 'fd00::4'],
    ['fd00:1::4', 'fd00::4'],
    ['fd01::4', 'fd00::4'],
  ])('each word of an IPv6 address: %s and %s', (one, other) => {
    expect(key(udp(one, 1, REMOTE6, 2), OUTBOUND)).not.toBe(
      key(udp(other, 1, REMOTE6, 2), OUTBOUND),
    );
    expect(key(udp(one, 1, REMOTE6, 2), INBOUND)).not.toBe(key(udp(other, 1, REMOTE6, 2), INBOUND));
  });
});

describe('what is no part of the flow does not change its key', () => {
  const base: FrameSpec = { ...tcp(LOCAL, 4000, REMOTE, 443), vlans: [{ vid: 7 }] };
  const rows: readonly (readonly [string, FrameSpec])[] = [
    [
      'flags and numbers',
      { ...base, tcp: { srcPort: 4000, dstPort: 443, flags: 'PA', sequence: 9 } },
    ],
    ['payload', { ...base, payload: 'hello' }],
    ['hop limit', { ...base, ip: { src: LOCAL, dst: REMOTE, hopLimit: 3 } }],
    ['identification', { ...base, ip: { src: LOCAL, dst: REMOTE, id: 77 } }],
    ['MAC addresses', { ...base, srcMac: '02:00:00:00:00:77' }],
    ['VLAN priority', { ...base, vlans: [{ vid: 7, priority: 5 }] }],
    ['VLAN type', { ...base, vlans: [{ vid: 7, tpid: 0x88a8 }] }],
  ];
  test.each(rows)('%s', (_name, frame) => {
    expect(key(frame, OUTBOUND)).toBe(key(base, OUTBOUND));
  });
});

describe('ICMP that is no echo is in no echo flow (CVE-2024-6640)', () => {
  const echoes4 = [0, 7, 65_535].flatMap((id) => [
    key(icmp(LOCAL, REMOTE, 8, id), OUTBOUND),
    key(icmp(LOCAL, REMOTE, 0, id), OUTBOUND),
  ]);
  const echoes6 = [0, 7, 65_535].flatMap((id) => [
    key(icmp(LOCAL6, REMOTE6, 128, id), OUTBOUND),
    key(icmp(LOCAL6, REMOTE6, 129, id), OUTBOUND),
  ]);
  test('ICMPv6: every other type, with a body whose first word looks like an identifier', () => {
    for (let type = 128; type < 256; type++) {
      if (type === 128 || type === 129) continue;
      for (const id of [0, 7, 65_535]) {
        expect(echoes6).not.toContain(key(icmp(LOCAL6, REMOTE6, type, id), OUTBOUND));
      }
    }
  });
  test('ICMP: every type but echo and the errors', () => {
    for (const type of [5, 9, 10, 13, 14, 15, 16, 17, 18, 30, 40, 42, 43, 128, 129, 135, 253]) {
      expect(echoes4).not.toContain(key(icmp(LOCAL, REMOTE, type, 7), OUTBOUND));
    }
  });
  test.each([
    ['ICMP types inside IPv6', 58, [8, 0]],
    ['ICMPv6 types inside IPv4', 1, [128, 129]],
  ])('%s are no echo', (_name, protocol, types) => {
    for (const type of types) expect(isEcho(protocol, type)).toBe(false);
  });
  test.each([
    [1, 8, true, true],
    [1, 0, true, false],
    [58, 128, true, true],
    [58, 129, true, false],
    [1, 13, false, false],
    [58, 135, false, false],
    [6, 8, false, false],
    [17, 0, false, false],
  ])('protocol %i type %i', (protocol, type, echo, request) => {
    expect([isEcho(protocol, type), isEchoRequest(protocol, type)]).toEqual([echo, request]);
  });
});

describe('the flow of a quoted packet', () => {
  type Row = readonly [name: string, quoted: FrameSpec, error: 3 | 11 | 1 | 2];
  const rows: readonly Row[] = [
    ['TCP', tcp(LOCAL, 4000, REMOTE, 443), 3],
    ['UDP', udp(LOCAL, 4000, REMOTE, 53), 3],
    ['echo request', icmp(LOCAL, REMOTE, 8, 7), 11],
    ['echo reply', icmp(LOCAL, REMOTE, 0, 7), 11],
    ['GRE', raw(LOCAL, REMOTE, 47), 3],
    ['TCP, IPv6', tcp(LOCAL6, 4000, REMOTE6, 443), 2],
    ['UDP, IPv6', udp(LOCAL6, 4000, REMOTE6, 53), 1],
    ['echo request, IPv6', icmp(LOCAL6, REMOTE6, 128, 7), 1],
    ['echo reply, IPv6', icmp(LOCAL6, REMOTE6, 129, 7), 1],
  ];
  const ROUTER = { 4: '198.51.100.1', 6: '2001:db8:ffff::1' } as const;

  function quotedKey(error: Uint8Array, direction: number): string | 0 {
    const packet = packetOf(error);
    expect(packet.isIcmpError).toBe(true);
    const flow = new FlowKey();
    return quotedFlowKey(packet, direction, flow) === 1 ? keyText(flow) : 0;
  }
  function errorAbout(
    quoted: FrameSpec,
    type: number,
    to?: string,
    parts: { quotedLength?: number; vlans?: readonly VlanTag[] } = {},
  ): Uint8Array {
    const sender = quoted.ip?.src ?? '';
    const src = ROUTER[sender.includes(':') ? 6 : 4];
    return buildIcmpError({
      src,
      dst: to ?? sender,
      type,
      quoted: buildFrame(quoted),
      mtu: 1280,
      ...parts,
    });
  }

  test.each(rows)('%s: an error from outside about what went out', (_name, quoted, type) => {
    expect(quotedKey(errorAbout(quoted, type), INBOUND)).toBe(key(quoted, OUTBOUND));
  });
  test.each(rows)('%s: an error from inside about what came in', (_name, quoted, type) => {
    expect(quotedKey(errorAbout(quoted, type), OUTBOUND)).toBe(key(quoted, INBOUND));
  });
  test.each(rows)('%s: mirrored, the quote went the way of the error', (_name, quoted, type) => {
    expect(quotedKey(errorAbout(quoted, type), OUTBOUND)).not.toBe(key(quoted, OUTBOUND));
    expect(quotedKey(errorAbout(quoted, type), INBOUND)).not.toBe(key(quoted, INBOUND));
  });
  test.each(rows)(
    '%s: sent to another than the quoted sender (CVE-2019-5598)',
    (_name, quoted, type) => {
      const { src = '', dst = '' } = quoted.ip ?? {};
      const others = src.includes(':')
        ? ['fd00::5', 'fd00::1:0:0:4', 'fd00:0:1::4', 'fd01::4', dst]
        : ['10.0.1.5', dst];
      for (const other of others) {
        expect(quotedKey(errorAbout(quoted, type, other), INBOUND), other).toBe(0);
      }
    },
  );
  test.each([[[{ vid: 7 }]], [[{ vid: 7 }, { vid: 4095 }]]])(
    "VLANs are the error's: %o",
    (vlans) => {
      const quoted = udp(LOCAL, 4000, REMOTE, 53);
      const tagged = { ...quoted, vlans };
      const error = errorAbout(quoted, 3, LOCAL, { vlans });
      expect(quotedKey(error, INBOUND)).toBe(key(tagged, OUTBOUND));
      expect(quotedKey(error, INBOUND)).not.toBe(key(quoted, OUTBOUND));
    },
  );
  test.each([
    ['IPv4, 7 bytes of UDP', udp(LOCAL, 4000, REMOTE, 53), 3, 27],
    ['IPv4, 7 bytes of TCP', tcp(LOCAL, 4000, REMOTE, 53), 3, 27],
    ['IPv4, header only', tcp(LOCAL, 4000, REMOTE, 53), 3, 20],
    ['IPv6, 7 bytes of UDP', udp(LOCAL6, 4000, REMOTE6, 53), 1, 47],
    ['IPv6, header only', tcp(LOCAL6, 4000, REMOTE6, 53), 1, 40],
  ] as const)('cut short is of no flow: %s', (_name, quoted, type, quotedLength) => {
    expect(quotedKey(errorAbout(quoted, type, undefined, { quotedLength }), INBOUND)).toBe(0);
  });
  test('eight bytes are enough', () => {
    const quoted = tcp(LOCAL, 4000, REMOTE, 53);
    expect(quotedKey(errorAbout(quoted, 3, undefined, { quotedLength: 28 }), INBOUND)).toBe(
      key(quoted, OUTBOUND),
    );
  });
  test.each([
    ['timestamp request', icmp(LOCAL, REMOTE, 13, 7), 3],
    ['redirect', icmp(LOCAL, REMOTE, 5), 3],
    ['neighbour solicitation', icmp(LOCAL6, REMOTE6, 135), 1],
    [
      'a later fragment',
      {
        ip: { src: LOCAL, dst: REMOTE, protocol: 17, fragmentOffset: 64 },
        raw: [0, 9, 0, 9, 0, 8, 0, 0],
      },
      3,
    ],
  ] as const)('of no flow: %s', (_name, quoted: FrameSpec, type) => {
    expect(quotedKey(errorAbout(quoted, type), INBOUND)).toBe(0);
  });
});

test('every word of a used key is overwritten', () => {
  const used = new FlowKey();
  flowKey(packetOf(tcp(LOCAL6, 4000, REMOTE6, 443)), OUTBOUND, used);
  flowKey(packetOf(raw(LOCAL, REMOTE, 47)), OUTBOUND, used);
  expect(keyText(used)).toBe(key(raw(LOCAL, REMOTE, 47), OUTBOUND));
});
