/**
 * Named good frames of every shape the decoder knows, all without padding: the start of truncation, mutation and
 * allocation tests.
 */
import {
  buildArp,
  buildFragments,
  buildFrame,
  buildIcmpError,
  fragmentExtension,
  type FrameSpec,
} from './frames.ts';

export const V4 = { src: '192.0.2.1', dst: '198.51.100.2' } as const;
export const V6 = {
  src: '2001:db8:1:2:3:4:5:6',
  dst: '2001:db8:a:b:c:d:e:f',
} as const;
/** Pad1, PadN and a router alert: a well-formed options body. */
const OPTIONS = [0, 1, 1, 0, 5, 2, 0, 0, 0, 0];

function part(spec: FrameSpec, size: number, index: number): Uint8Array {
  const fragment = buildFragments(spec, size)[index];
  if (fragment === undefined) throw new Error(`no fragment ${index}`);
  return fragment;
}

const tcp4 = buildFrame({
  ip: V4,
  tcp: { srcPort: 40000, dstPort: 443, flags: 'PA', sequence: 0x89abcdef, acknowledgment: 7 },
  payload: 'GET',
});
const udp6 = buildFrame({
  ip: { ...V6, extensions: [{ type: 60, body: OPTIONS }] },
  udp: { srcPort: 5353, dstPort: 53 },
  payload: 'query',
});
const bigUdp = { udp: { srcPort: 1000, dstPort: 2000 }, payload: new Uint8Array(100) };

/** Frames that decode to `Ip`. */
export const ipSeeds: Readonly<Record<string, Uint8Array>> = {
  'IPv4 TCP': tcp4,
  'IPv4 TCP with options': buildFrame({
    ip: V4,
    tcp: { srcPort: 1, dstPort: 2, options: [2, 4, 5, 0xb4, 1, 3, 3, 7] },
  }),
  'IPv4 UDP': buildFrame({ ip: V4, udp: { srcPort: 1, dstPort: 53 }, payload: 'q' }),
  'IPv4 echo request': buildFrame({ ip: V4, icmp: { type: 8, id: 77, sequence: 1 } }),
  'IPv4 router alert, IGMP': buildFrame({
    ip: { src: '192.0.2.1', dst: '224.0.0.22', protocol: 2, options: [148, 4, 0, 0] },
    raw: [0x22, 0, 0, 0, 0, 0, 0, 0],
  }),
  'IPv4 first fragment': part({ ip: V4, ...bigUdp }, 48, 0),
  'IPv4 later fragment': part({ ip: V4, ...bigUdp }, 48, 1),
  'IPv4 ICMP error': buildIcmpError({ ...V4, type: 3, code: 1, quoted: tcp4 }),
  'IPv4 ICMP error about an echo': buildIcmpError({
    ...V4,
    type: 11,
    quoted: buildFrame({ ip: V4, icmp: { type: 8, id: 5 } }),
  }),
  'IPv4 ESP': buildFrame({ ip: { ...V4, protocol: 50 }, raw: [0, 0, 0, 1, 0, 0, 0, 1] }),
  'VLAN IPv4 UDP': buildFrame({ vlans: [{ vid: 7 }], ip: V4, udp: { srcPort: 1, dstPort: 2 } }),
  'QinQ IPv6 TCP': buildFrame({
    vlans: [{ vid: 100, tpid: 0x88a8 }, { vid: 200 }],
    ip: V6,
    tcp: { srcPort: 1, dstPort: 2, flags: 'SA' },
  }),
  'IPv6 TCP': buildFrame({ ip: V6, tcp: { srcPort: 1, dstPort: 2 }, payload: 'early data' }),
  'IPv6 UDP, destination options': udp6,
  'IPv6 chain of five': buildFrame({
    ip: {
      ...V6,
      extensions: [
        { type: 0, body: OPTIONS },
        { type: 60, body: OPTIONS },
        { type: 43, body: [4, 0, 0, 0, 0, 0] },
        fragmentExtension(0, false),
        { type: 60 },
      ],
    },
    udp: { srcPort: 1, dstPort: 2 },
  }),
  'IPv6 first fragment': part({ ip: V6, ...bigUdp }, 48, 0),
  'IPv6 later fragment': part({ ip: V6, ...bigUdp }, 48, 2),
  'IPv6 atomic fragment': buildFrame({
    ip: { ...V6, extensions: [fragmentExtension(0, false, 9)] },
    tcp: { srcPort: 1, dstPort: 2 },
  }),
  'IPv6 neighbour solicitation': buildFrame({
    ip: { src: 'fe80::1', dst: 'ff02::1:ff00:2', hopLimit: 255 },
    icmp: { type: 135 },
    payload: new Uint8Array(24),
  }),
  'IPv6 packet too big': buildIcmpError({ ...V6, type: 2, mtu: 1280, quoted: udp6 }),
  'IPv6 no next header': buildFrame({ ip: { ...V6, protocol: 59 } }),
};

/** All good frames, with the code each decodes to. */
export const seeds: readonly {
  readonly name: string;
  readonly frame: Uint8Array;
  readonly code: string;
}[] = [
  ...Object.entries(ipSeeds).map(([name, frame]) => ({ name, frame, code: 'ip' })),
  { name: 'ARP', frame: buildArp({ sender: '192.0.2.1', target: '192.0.2.2' }), code: 'arp' },
  {
    name: 'LLDP',
    frame: buildFrame({ dstMac: '01:80:c2:00:00:0e', etherType: 0x88cc, raw: [2, 7, 4] }),
    code: 'link_local',
  },
  {
    name: 'MPLS',
    frame: buildFrame({ etherType: 0x8847, raw: new Uint8Array(20) }),
    code: 'unknown_ether_type',
  },
];
