/**
 * The frames of a rehearsal (rehearsal.ts): both families, every protocol the decoder reads, and what a wire should not carry.
 */
import { Side } from '../../src/capture/frame.ts';
import { IpProtocol, TcpFlag } from '../../src/capture/packet.ts';
import { internetChecksum } from '../../src/capture/wire/checksum.ts';

const { Tcp, Udp, Icmp, Icmpv6 } = IpProtocol;
const { Fin, Syn, Rst, Psh, Ack, Urg } = TcpFlag;
const { Outside, Inside } = Side;

/** Addresses for documentation (RFC 5737, RFC 3849): of the NIC, and of its peer. */
export const NIC_IPV4 = 0xc000_020a;
const PEER_IPV4 = 0xc633_6407;
const STRANGER_IPV4 = 0xcb00_7105;
export const NIC_IPV6 = 0x2001_0db8_0000_0000_0000_0000_0000_000an;
const PEER_IPV6 = 0x2001_0db8_0001_0000_0000_0000_0000_0007n;
const STRANGER_IPV6 = 0x2001_0db8_0002_0000_0000_0000_0000_0005n;
/** Ports of the NIC: that rules of a rehearsal deny, and that they deny at times. All others are open. */
export const SHUT_PORT = 9;
export const TURNING_PORT = 444;
const OPEN_PORT = 443;
const OUTBOUND_PORT = 445;
const UNKNOWN_PORT = 446;
/** A peer of which platform rules speak. */
export const PLATFORM_IPV4 = 0xa83f_8110;

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP_BYTES = 8;
const ECHO_BYTES = 8;
const HOP_LIMIT = 64;
const DATA = 8;
const VLAN = 7;
const FRAGMENT_HEADER = 44;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const DESTINATION = 60;
const NO_NEXT_HEADER = 59;
const ETHER_TYPE_VLAN = 0x8100;
const ETHER_TYPE_SERVICE_VLAN = 0x88a8;
const REDIRECT = 5;
const NEIGHBOR_SOLICITATION = 135;
const ESP = 50;
const MULTICAST_IPV4 = 0xe000_00fb;
const MULTICAST_IPV6 = (0xff02n << 112n) | 0xfbn;
/** Of the data of a first fragment. */
const FIRST_BYTES = 16;
/** Added to the identifications of datagrams that have two first fragments. */
const TWICE = 100;

export interface RehearsalFrame {
  readonly bytes: Uint8Array;
  readonly side: Side;
  /** Where the peer's port or an identification stands: another in every round, so that there are other flows. */
  readonly changing: readonly number[];
}

/** A header and what it carries, with the places of what changes. */
interface Part {
  readonly bytes: Uint8Array;
  readonly changing: readonly number[];
}

interface FragmentPlace {
  readonly identification: number;
  readonly offset: number;
  readonly hasMore: boolean;
}

/** What IPv4 headers may have: identification, flags and offset, bytes of options. */
interface Ipv4Fields {
  readonly identification?: number;
  readonly field?: number;
  readonly options?: number;
}

/** The packets of one family. */
interface Family {
  readonly etherType: number;
  readonly icmp: number;
  readonly echo: number;
  readonly echoReply: number;
  readonly unreachable: number;
  /** A packet from the peer to the NIC, or back. */
  readonly packet: (side: Side, protocol: number, upper: Part) => Part;
  /** A part of a datagram from the peer. */
  readonly fragment: (place: FragmentPlace, data: Part) => Part;
}

function part(
  length: number,
  fill: (view: DataView) => void,
  changing: readonly number[] = [],
): Part {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return { bytes, changing };
}

/** `inner` behind `outer`. */
function behind(outer: Part, inner: Part): Part {
  const bytes = new Uint8Array(outer.bytes.length + inner.bytes.length);
  bytes.set(outer.bytes);
  bytes.set(inner.bytes, outer.bytes.length);
  const moved = inner.changing.map((at) => at + outer.bytes.length);
  return { bytes, changing: [...outer.changing, ...moved] };
}

function frame(side: Side, etherType: number, inner: Part): RehearsalFrame {
  const header = part(ETHERNET_BYTES, (view) => {
    view.setUint8(0, 2);
    view.setUint8(6, 2);
    view.setUint16(12, etherType);
  });
  return { ...behind(header, inner), side };
}

function ipv4(
  [from, to]: readonly [number, number],
  protocol: number,
  upper: Part,
  { identification = 0, field = 0, options = 0 }: Ipv4Fields = {},
): Part {
  const length = IPV4_BYTES + options;
  const header = part(length, (view) => {
    view.setUint8(0, 0x40 | (length / 4));
    view.setUint16(2, length + upper.bytes.length);
    view.setUint16(4, identification);
    view.setUint16(6, field);
    view.setUint8(8, HOP_LIMIT);
    view.setUint8(9, protocol);
    view.setUint32(12, from);
    view.setUint32(16, to);
    // No operation, then router alert (RFC 2113), then the end.
    if (options > 0) view.setUint32(IPV4_BYTES, 0x0194_0400);
    view.setUint16(10, internetChecksum(view, 0, length, 0));
  });
  return behind(header, upper);
}

function ipv6(
  [from, to]: readonly [bigint, bigint],
  next: number,
  upper: Part,
  hopLimit = HOP_LIMIT,
): Part {
  const header = part(IPV6_BYTES, (view) => {
    view.setUint8(0, 0x60);
    view.setUint16(4, upper.bytes.length);
    view.setUint8(6, next);
    view.setUint8(7, hopLimit);
    for (const [at, address] of [
      [8, from],
      [24, to],
    ] as const) {
      view.setBigUint64(at, address >> 64n);
      view.setBigUint64(at + 8, address);
    }
  });
  return behind(header, upper);
}

/** Ports of a packet from the peer to the NIC, or back, and where the peer's stands. */
function ports(view: DataView, side: Side, port: number): void {
  view.setUint16(side === Outside ? 0 : 2, 0xffff);
  view.setUint16(side === Outside ? 2 : 0, port);
}

const changingPort = (side: Side): readonly number[] => [side === Outside ? 0 : 2];

function tcp(side: Side, flags: number, sequence: number, acknowledgment = 0, length = 0): Part {
  const fill = (view: DataView): void => {
    ports(view, side, OPEN_PORT);
    view.setUint32(4, sequence);
    view.setUint32(8, acknowledgment);
    view.setUint8(12, (TCP_BYTES / 4) << 4);
    view.setUint8(13, flags);
    view.setUint16(14, 0xffff);
  };
  return part(TCP_BYTES + length, fill, changingPort(side));
}

function udp(side: Side, port: number, length = DATA): Part {
  const fill = (view: DataView): void => {
    ports(view, side, port);
    view.setUint16(4, UDP_BYTES + length);
  };
  return part(UDP_BYTES + length, fill, changingPort(side));
}

/** ICMP or ICMPv6; of an echo, the identification changes. */
function icmp(type: number): Part {
  return part(ECHO_BYTES, (view) => view.setUint8(0, type), [4]);
}

/** What stands before the packet that an error is about. */
function error(type: number): Part {
  return { ...icmp(type), changing: [] };
}

/** A connection from its first segment to its last, begun again, and refused. */
const CONNECTION: readonly (readonly [Side, number, number, number?, number?])[] = [
  [Outside, Syn, 1000],
  [Inside, Syn | Ack, 5000, 1001],
  [Outside, Ack, 1001, 5001],
  [Outside, Psh | Ack, 1001, 5001, DATA],
  [Inside, Ack, 5001, 1001 + DATA],
  [Inside, Psh | Ack, 5001, 1001 + DATA, DATA],
  [Inside, Psh | Ack, 5001, 1001 + DATA, DATA],
  [Outside, Ack, 1001 + DATA, 5001 + DATA],
  [Outside, Rst, 77],
  [Inside, Fin | Ack, 5001 + DATA, 1001 + DATA],
  [Outside, Ack, 1001 + DATA, 5002 + DATA],
  [Outside, Fin | Ack, 1001 + DATA, 5002 + DATA],
  [Inside, Ack, 5002 + DATA, 1002 + DATA],
  [Outside, Syn, 900_000],
  [Outside, Syn | Urg, 900_000],
  [Inside, Rst | Ack, 0, 900_001],
  [Outside, Ack, 900_001, 7],
];

const inet: Family = {
  etherType: 0x0800,
  icmp: Icmp,
  echo: 8,
  echoReply: 0,
  unreachable: 3,
  packet: (side, protocol, upper) => ipv4(ipv4Ends(side), protocol, upper),
  fragment: ({ identification, offset, hasMore }, data) =>
    ipv4(ipv4Ends(Outside), Udp, data, {
      identification,
      field: (hasMore ? 0x2000 : 0) | (offset >> 3),
    }),
};

const inet6: Family = {
  etherType: 0x86dd,
  icmp: Icmpv6,
  echo: 128,
  echoReply: 129,
  unreachable: 1,
  packet: (side, protocol, upper) => ipv6(ipv6Ends(side), protocol, upper),
  fragment: ({ identification, offset, hasMore }, data) => {
    const header = part(8, (view) => {
      view.setUint8(0, Udp);
      view.setUint16(2, offset | (hasMore ? 1 : 0));
      view.setUint32(4, identification);
    });
    return ipv6(ipv6Ends(Outside), FRAGMENT_HEADER, behind(header, data));
  },
};

function ipv4Ends(side: Side): readonly [number, number] {
  return side === Outside ? [PEER_IPV4, NIC_IPV4] : [NIC_IPV4, PEER_IPV4];
}

function ipv6Ends(side: Side): readonly [bigint, bigint] {
  return side === Outside ? [PEER_IPV6, NIC_IPV6] : [NIC_IPV6, PEER_IPV6];
}

/** What either family has. */
function* familyFrames(family: Family): Generator<RehearsalFrame> {
  const { etherType, echo, echoReply, unreachable } = family;
  const of = (side: Side, protocol: number, upper: Part): RehearsalFrame =>
    frame(side, etherType, family.packet(side, protocol, upper));
  for (const [side, ...segment] of CONNECTION) yield of(side, Tcp, tcp(side, ...segment));
  yield of(Outside, Udp, udp(Outside, OPEN_PORT));
  yield of(Inside, Udp, udp(Inside, OPEN_PORT));
  yield of(Outside, Udp, udp(Outside, OPEN_PORT));
  yield of(Outside, Udp, udp(Outside, SHUT_PORT));
  yield of(Outside, Udp, udp(Outside, TURNING_PORT));
  yield of(Inside, Udp, udp(Inside, OUTBOUND_PORT));
  yield of(Outside, family.icmp, icmp(echo));
  yield of(Inside, family.icmp, icmp(echoReply));
  yield of(Outside, family.icmp, icmp(echoReply));
  // Errors about packets of the flows above, and of none.
  for (const [protocol, upper] of [
    [Udp, udp(Inside, OPEN_PORT)],
    [Tcp, tcp(Inside, Ack, 5001, 1001, DATA)],
    [family.icmp, icmp(echoReply)],
    [Udp, udp(Inside, UNKNOWN_PORT)],
  ] as const) {
    const quoted = family.packet(Inside, protocol, upper);
    yield of(Outside, family.icmp, behind(error(unreachable), quoted));
  }
  for (const [identification, port] of [OPEN_PORT, SHUT_PORT].entries()) {
    yield* fragments(family, identification, port);
  }
}

/** Fragments of a datagram: one before the first; all, after which it is forgotten; and of another, which has two firsts. */
function* fragments(
  family: Family,
  identification: number,
  port: number,
): Generator<RehearsalFrame> {
  const { bytes } = udp(Outside, port, 2 * DATA);
  const head = { bytes: bytes.subarray(0, FIRST_BYTES), changing: [] };
  const tail = { bytes: bytes.subarray(FIRST_BYTES), changing: [] };
  const of = (id: number, offset: number, data: Part): RehearsalFrame => {
    const place = { identification: id, offset, hasMore: offset === 0 };
    return frame(Outside, family.etherType, family.fragment(place, data));
  };
  for (const offset of [FIRST_BYTES, 0, FIRST_BYTES]) {
    yield of(identification, offset, offset === 0 ? head : tail);
  }
  for (const offset of [0, 0, FIRST_BYTES]) {
    yield of(TWICE + identification, offset, offset === 0 ? head : tail);
  }
}

/** What no wire, or not this one, should carry, and what platform rules speak of. */
function* strayFrames(): Generator<RehearsalFrame> {
  const stray = udp(Outside, OPEN_PORT);
  for (const [ends, upper] of [
    [[PEER_IPV4, STRANGER_IPV4], stray],
    [[PLATFORM_IPV4, NIC_IPV4], stray],
    [[NIC_IPV4, NIC_IPV4], stray],
    [[PEER_IPV4, MULTICAST_IPV4], stray],
    [[PEER_IPV4, NIC_IPV4], udp(Outside, 0)],
  ] as const) {
    yield frame(Outside, inet.etherType, ipv4(ends, Udp, upper));
  }
  for (const [ends, upper] of [
    [[PEER_IPV6, STRANGER_IPV6], stray],
    [[1n, NIC_IPV6], stray],
    [[PEER_IPV6, MULTICAST_IPV6], stray],
    [[PEER_IPV6, NIC_IPV6], udp(Outside, 0)],
  ] as const) {
    yield frame(Outside, inet6.etherType, ipv6(ends, Udp, upper));
  }
}

/** Options, extension headers, tags. */
function* headerFrames(): Generator<RehearsalFrame> {
  const stray = udp(Outside, OPEN_PORT);
  const plain = ipv4(ipv4Ends(Outside), Udp, stray);
  const optional = ipv4(ipv4Ends(Outside), Udp, stray, { options: 8 });
  yield frame(Outside, inet.etherType, optional);
  yield frame(Outside, ETHER_TYPE_VLAN, behind(tag(inet.etherType), plain));
  yield frame(
    Outside,
    ETHER_TYPE_SERVICE_VLAN,
    behind(tag(ETHER_TYPE_VLAN), behind(tag(inet.etherType), optional)),
  );
  const in6 = (next: number, upper: Part): RehearsalFrame =>
    frame(Outside, inet6.etherType, ipv6(ipv6Ends(Outside), next, upper));
  yield in6(NO_NEXT_HEADER, { bytes: new Uint8Array(), changing: [] });
  yield in6(HOP_BY_HOP, behind(extension(Udp), stray));
  const fragmented = (upper: Part): Part => behind(extension(Icmpv6, 0), upper);
  const routed = behind(extension(FRAGMENT_HEADER, 4), fragmented(icmp(inet6.echo)));
  yield in6(HOP_BY_HOP, behind(extension(DESTINATION), behind(extension(ROUTING), routed)));
  yield in6(FRAGMENT_HEADER, fragmented(icmp(NEIGHBOR_SOLICITATION)));
}

/** What hosts on a link say to each other, and what is no IP. */
function* linkFrames(): Generator<RehearsalFrame> {
  const none: Part = { bytes: new Uint8Array(2 * DATA), changing: [] };
  yield frame(Outside, inet.etherType, ipv4(ipv4Ends(Outside), ESP, none));
  yield frame(Outside, inet.etherType, ipv4(ipv4Ends(Outside), Icmp, icmp(REDIRECT)));
  for (const hopLimit of [255, HOP_LIMIT]) {
    const solicitation = ipv6(ipv6Ends(Outside), Icmpv6, icmp(NEIGHBOR_SOLICITATION), hopLimit);
    yield frame(Outside, inet6.etherType, solicitation);
  }
  const arp = part(28, (view) => {
    view.setUint32(0, 0x0001_0800);
    view.setUint32(4, 0x0604_0001);
  });
  yield frame(Outside, 0x0806, arp);
  yield frame(Outside, 0x88cc, none);
  const spanningTree = frame(Outside, 0x0027, none);
  spanningTree.bytes.set([0x01, 0x80, 0xc2, 0, 0, 0]);
  yield spanningTree;
}

/** An 802.1Q tag, with what comes after it. */
function tag(etherType: number): Part {
  return part(4, (view) => {
    view.setUint16(0, VLAN);
    view.setUint16(2, etherType);
  });
}

/** An extension header of 8 bytes: options that are padding, an atomic fragment, or the type of a routing header. */
function extension(next: number, type = 4): Part {
  return part(8, (view) => {
    view.setUint8(0, next);
    view.setUint8(2, type === 0 ? 0 : 1);
    view.setUint8(3, type);
  });
}

/** In the order in which a round judges them. */
export function rehearsalFrames(): RehearsalFrame[] {
  return [
    ...familyFrames(inet),
    ...familyFrames(inet6),
    ...strayFrames(),
    ...headerFrames(),
    ...linkFrames(),
  ];
}
