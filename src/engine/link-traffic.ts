/**
 * What a link needs to work, and what no link should carry: judged before any rule, without state.
 */
import { IpProtocol, type Packet } from '../capture/packet.ts';
import { Reason } from './reason.ts';

const ICMPV6 = IpProtocol.Icmpv6;
const UDP = IpProtocol.Udp;
const LINK = Reason.Link;
const MARTIAN = Reason.Martian;
const PORT_ZERO = Reason.PortZero;
const NEIGHBOR_INVALID = Reason.NeighborInvalid;

/** Nothing special: the packet goes on to the rules. */
export const ORDINARY = -1;

/** 127.0.0.0/8 and 0.0.0.0/8 by their first byte; class E is 240 to 255. */
const LOOPBACK_BYTE = 127;
const CLASS_E_FIRST_BYTE = 240;
const MULTICAST_FIRST_BYTE = 224;

/** ND message types but redirect, which the rules judge as they do IPv4's (RFC 4861 section 4), and the hop limit that proves the sender is on the link. */
const ND_FIRST = 133;
const ND_LAST = 136;
const ND_HOP_LIMIT = 255;
/** MLD (RFC 2710 section 3, RFC 3810 section 5): hop limit 1, link-local or unspecified source. */
const MLD_FIRST = 130;
const MLD_LAST = 132;
const MLD_V2_REPORT = 143;
const MLD_HOP_LIMIT = 1;
/** RFC 792. */
const ICMP_SOURCE_QUENCH = 4;
const ICMP_REDIRECT = 5;

/**
 * ND, MLD and DHCP.
 * @param direction 0 inbound, 1 outbound
 * @returns `Reason.Link`, `Reason.NeighborInvalid`, or `ORDINARY`
 */
export function linkTraffic(packet: Packet, direction: number): number {
  if (packet.protocol === ICMPV6 && packet.ipVersion === 6) {
    const type = packet.icmpType;
    if (type >= ND_FIRST && type <= ND_LAST) {
      return packet.hopLimit === ND_HOP_LIMIT && packet.icmpCode === 0 ? LINK : NEIGHBOR_INVALID;
    }
    if ((type >= MLD_FIRST && type <= MLD_LAST) || type === MLD_V2_REPORT) {
      const isLinkSource = isLinkLocal6(packet.src0) || isUnspecified(packet);
      return packet.hopLimit === MLD_HOP_LIMIT && isLinkSource ? LINK : NEIGHBOR_INVALID;
    }
    return ORDINARY;
  }
  return packet.protocol === UDP && packet.hasPorts && isBroadcastDhcp(packet, direction)
    ? LINK
    : ORDINARY;
}

/**
 * DHCP between a client that has no address yet, or a broadcast, and any server (RFC 2131 section 4.1), and DHCPv6,
 * which is always link-local on the client's side (RFC 8415 section 13.1). Unicast renewals go through the rules,
 * where a platform rule allows them.
 */
function isBroadcastDhcp(packet: Packet, direction: number): boolean {
  const clientPort = direction === 0 ? packet.dstPort : packet.srcPort;
  const serverPort = direction === 0 ? packet.srcPort : packet.dstPort;
  if (packet.ipVersion === 4) {
    if (clientPort !== 68 || serverPort !== 67) return false;
    return direction === 0 ? packet.dst3 === -1 : packet.src3 === 0 && packet.dst3 === -1;
  }
  if (clientPort !== 546 || serverPort !== 547) return false;
  return isLinkLocal6(direction === 0 ? packet.dst0 : packet.src0);
}

/**
 * ICMP redirect and source quench: messages in the form of errors that report nothing but tell a host where and how fast
 * to send. A live flow is no reason to pass them (RFC 1812 section 5.2.7.2, RFC 6633); the rules are.
 */
export function isHostAdvice(packet: Packet): boolean {
  if (packet.ipVersion !== 4) return false;
  return packet.icmpType === ICMP_REDIRECT || packet.icmpType === ICMP_SOURCE_QUENCH;
}

/**
 * Addresses and ports that no packet may have on a wire (RFC 1812 section 5.3.7, RFC 6890, RFC 4291 section 2.7;
 * IPv4-mapped IPv6 addresses would alias IPv4 flows).
 * @returns `Reason.Martian`, `Reason.PortZero` or `ORDINARY`
 */
export function sanity(packet: Packet): number {
  if (packet.ipVersion === 4) {
    if (isMartianSource4(packet.src3, packet.dst3) || isMartianDestination4(packet.dst3))
      return MARTIAN;
  } else if (isMartian6(packet)) return MARTIAN;
  if (packet.hasPorts && (packet.srcPort === 0 || packet.dstPort === 0)) return PORT_ZERO;
  return ORDINARY;
}

/** `destination` for LAND: the same address on both ends. */
function isMartianSource4(address: number, destination: number): boolean {
  const first = address >>> 24;
  return (
    first === 0 ||
    first === LOOPBACK_BYTE ||
    first >= MULTICAST_FIRST_BYTE ||
    address === destination
  );
}

/** 255.255.255.255 is the limited broadcast and legal; the rest of class E is not. */
function isMartianDestination4(address: number): boolean {
  const first = address >>> 24;
  return first === 0 || first === LOOPBACK_BYTE || (first >= CLASS_E_FIRST_BYTE && address !== -1);
}

function isMartian6(packet: Packet): boolean {
  if (packet.src0 >>> 24 === 0xff) return true;
  const isSame =
    packet.src3 === packet.dst3 &&
    packet.src2 === packet.dst2 &&
    packet.src1 === packet.dst1 &&
    packet.src0 === packet.dst0;
  if (isSame) return true;
  return (
    isReserved6(packet.src0, packet.src1, packet.src2, packet.src3) ||
    isReserved6(packet.dst0, packet.dst1, packet.dst2, packet.dst3)
  );
}

/** ::, ::1 and ::ffff:0:0/96. */
function isReserved6(w0: number, w1: number, w2: number, w3: number): boolean {
  if ((w0 | w1) !== 0) return false;
  return w2 === 0xffff || (w2 === 0 && (w3 === 0 || w3 === 1));
}

function isLinkLocal6(w0: number): boolean {
  return (w0 & 0xffc0_0000) === (0xfe80_0000 | 0);
}

function isUnspecified(packet: Packet): boolean {
  return (packet.src0 | packet.src1 | packet.src2 | packet.src3) === 0;
}
