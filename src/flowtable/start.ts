/**
 * What a packet without a flow may do: start one, pass by the rules alone, or nothing.
 */
import { IpProtocol } from '../capture/packet.ts';
import type { Packet } from '../capture/packet.ts';
import { isEcho, isEchoRequest } from './key.ts';
import { SEGMENT_OF_FLAGS, Segment } from './tcp.ts';

const TCP = IpProtocol.Tcp;
const ICMP = IpProtocol.Icmp;
const ICMPV6 = IpProtocol.Icmpv6;
const IPV6 = 6;
const SYN = Segment.Syn;
const ACK = Segment.Ack;
const FIN = Segment.Fin;

export const StartKind = Object.freeze({
  /** Judge by the rules; if allowed, make a flow. TCP SYN, UDP, echo requests, protocols without ports. */
  Stateful: 0,
  /**
   * Judge by the rules, every time, and never make a flow: multicast and broadcast destinations, whose answers come
   * from another tuple, and ICMP that asks nothing (neighbour discovery, redirects, router advertisements) or is of the
   * other address family.
   */
  Stateless: 1,
  /** Drop: SYN+ACK, RST, illegal TCP flags, echo replies; ICMP errors, unless the packet they quote is in a flow. */
  NeedsFlow: 2,
  /**
   * A TCP segment from the middle of a connection, ACK or FIN+ACK. Strict: drop, as `NeedsFlow`. Loose (`tcp.pickup`):
   * as `Stateful`; `track` then starts the flow in the middle.
   */
  PickUp: 3,
} as const);
export type StartKind = (typeof StartKind)[keyof typeof StartKind];

const STATEFUL = StartKind.Stateful;
const STATELESS = StartKind.Stateless;
const NEEDS_FLOW = StartKind.NeedsFlow;
const PICK_UP = StartKind.PickUp;

/** The lower six bits: ECE and CWR say nothing about a connection (CVE-2001-0183). */
const CLASS_FLAGS = 0x3f;

/** @param packet IP, and not a later fragment. */
export function startKind(packet: Packet): StartKind {
  const protocol = packet.protocol;
  if (packet.isIcmpError) return NEEDS_FLOW;
  if (isMulticast(packet)) return STATELESS;
  if (protocol === TCP) return tcpStartKind(packet.tcpFlags);
  if (protocol === (packet.ipVersion === IPV6 ? ICMPV6 : ICMP)) {
    if (isEchoRequest(protocol, packet.icmpType)) return STATEFUL;
    return isEcho(protocol, packet.icmpType) ? NEEDS_FLOW : STATELESS;
  }
  // In a packet of the other family neither is read, so neither has messages that could answer each other.
  return protocol === ICMP || protocol === ICMPV6 ? STATELESS : STATEFUL;
}

function tcpStartKind(flags: number): StartKind {
  const segment = SEGMENT_OF_FLAGS[flags & CLASS_FLAGS];
  if (segment === SYN) return STATEFUL;
  return segment === ACK || segment === FIN ? PICK_UP : NEEDS_FLOW;
}

/** 224.0.0.0/4 and 255.255.255.255 (RFC 1112, RFC 919), ff00::/8 (RFC 4291 section 2.7). */
function isMulticast(packet: Packet): boolean {
  if (packet.ipVersion === 4) return packet.dst3 >>> 28 === 0xe || packet.dst3 === -1;
  return packet.dst0 >>> 24 === 0xff;
}
