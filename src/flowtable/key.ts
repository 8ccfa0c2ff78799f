/**
 * FlowKey: which flow a packet belongs to.
 *
 * A key is seen from the protected side: local and remote, not source and destination. A packet's direction says which
 * is which (inbound: local is the destination), so both directions of a flow give one key without sorting, and a packet
 * that comes from the wrong side gives another key and finds nothing (CVE-2004-1799).
 *
 * What a field cannot be is never read as "any": protocol 0, VLAN 0 and port 0 are values. The address family is part
 * of the key, so an IPv6 packet between ::ffff:a.b.c.d addresses is not in an IPv4 flow.
 */
import { IpProtocol } from '../capture/packet.ts';
import type { Packet, QuotedPacket } from '../capture/packet.ts';
import { Field, Word } from './record.ts';

const ICMP = IpProtocol.Icmp;
const ICMPV6 = IpProtocol.Icmpv6;
const TCP = IpProtocol.Tcp;
const UDP = IpProtocol.Udp;
const IPV6 = Field.Ipv6;
const LOCAL = Word.Local;
const REMOTE = Word.Remote;
const PORTS = Word.Ports;
const TAG = Word.Tag;
const STATE = Word.State;

/** What `echoKind` says of an ICMP or ICMPv6 type. */
const NO_ECHO = 0;
const ECHO_REQUEST = 1;
const ECHO_REPLY = 2;

/** The lower half of the ports word for echo: the (ICMP) type of the messages that the local side sends. */
const LOCAL_SENDS_REQUESTS = 8;
const LOCAL_SENDS_REPLIES = 0;
/** For any other ICMP: a value that no echo flow has, whatever its identifier (CVE-2024-6640). */
const NO_ECHO_PORTS = 0xffff;

/** A reused scratch: `flowKey` and `quotedFlowKey` overwrite all of it. */
export class FlowKey {
  /**
   * Words 0 to 9 as in a record (record.ts), and word 10 with the IPv6 bit alone.
   */
  readonly words = new Int32Array(Word.State + 1);
}

/**
 * The key of the flow that `packet` belongs to.
 * @param packet with `ipVersion` 4 or 6 and not a later fragment, which has no ports
 * @param direction 0 inbound, 1 outbound
 * @param key is overwritten
 */
export function flowKey(packet: Packet, direction: number, key: FlowKey): void {
  const words = key.words;
  const source = direction === 0 ? REMOTE : LOCAL;
  const destination = direction === 0 ? LOCAL : REMOTE;
  words[source] = packet.src0;
  words[source + 1] = packet.src1;
  words[source + 2] = packet.src2;
  words[source + 3] = packet.src3;
  words[destination] = packet.dst0;
  words[destination + 1] = packet.dst1;
  words[destination + 2] = packet.dst2;
  words[destination + 3] = packet.dst3;
  const protocol = packet.protocol;
  if (packet.hasPorts) {
    words[PORTS] = portsWord(packet.srcPort, packet.dstPort, direction);
  } else if (protocol === ICMP || protocol === ICMPV6) {
    words[PORTS] = echoPortsWord(packet.icmpId, echoKind(protocol, packet.icmpType), direction);
  } else {
    words[PORTS] = 0;
  }
  words[TAG] = (packet.vlanOuter << 20) | (packet.vlanInner << 8) | protocol;
  words[STATE] = packet.ipVersion === 6 ? IPV6 : 0;
}

/**
 * The key of the flow whose packet an ICMP error quotes (RFC 792, RFC 4443, RFC 5927). The quoted packet went the other
 * way, so an inbound error quotes what the local side sent, and the error must be addressed to that sender
 * (CVE-2019-5598).
 * @param packet with `isIcmpError`
 * @param direction of the error
 * @param key is overwritten
 * @returns 1 when the key is filled; 0 when the quote cannot be of a flow: cut short, a later fragment, another sender
 *   than the error's destination, or an ICMP message that is no echo. The caller still has to find the flow.
 */
export function quotedFlowKey(packet: Packet, direction: number, key: FlowKey): 0 | 1 {
  const quoted = packet.quoted;
  const protocol = quoted.protocol;
  if (protocol < 0 || !isSentByDestination(packet, quoted)) return 0;
  const words = key.words;
  const quotedDirection = 1 - direction;
  const source = quotedDirection === 0 ? REMOTE : LOCAL;
  const destination = quotedDirection === 0 ? LOCAL : REMOTE;
  words[source] = quoted.src0;
  words[source + 1] = quoted.src1;
  words[source + 2] = quoted.src2;
  words[source + 3] = quoted.src3;
  words[destination] = quoted.dst0;
  words[destination + 1] = quoted.dst1;
  words[destination + 2] = quoted.dst2;
  words[destination + 3] = quoted.dst3;
  if (protocol === ICMP || protocol === ICMPV6) {
    const echo = echoKind(protocol, quoted.icmpType);
    if (echo === NO_ECHO) return 0;
    words[PORTS] = echoPortsWord(quoted.srcPort, echo, quotedDirection);
  } else if (protocol === TCP || protocol === UDP) {
    words[PORTS] = portsWord(quoted.srcPort, quoted.dstPort, quotedDirection);
  } else {
    words[PORTS] = 0;
  }
  words[TAG] = (packet.vlanOuter << 20) | (packet.vlanInner << 8) | protocol;
  words[STATE] = packet.ipVersion === 6 ? IPV6 : 0;
  return 1;
}

function isSentByDestination(packet: Packet, quoted: QuotedPacket): boolean {
  return (
    packet.dst3 === quoted.src3 &&
    packet.dst2 === quoted.src2 &&
    packet.dst1 === quoted.src1 &&
    packet.dst0 === quoted.src0
  );
}

/** True for an echo request or reply, the only ICMP and ICMPv6 messages that flows are made of. */
export function isEcho(protocol: number, icmpType: number): boolean {
  return echoKind(protocol, icmpType) !== NO_ECHO;
}

/** True for an echo request (ICMP type 8, ICMPv6 type 128). */
export function isEchoRequest(protocol: number, icmpType: number): boolean {
  return echoKind(protocol, icmpType) === ECHO_REQUEST;
}

/** RFC 792: echo 8, echo reply 0. RFC 4443: 128 and 129. */
function echoKind(protocol: number, icmpType: number): number {
  if (protocol === ICMP) {
    return icmpType === 8 ? ECHO_REQUEST : icmpType === 0 ? ECHO_REPLY : NO_ECHO;
  }
  if (protocol !== ICMPV6) return NO_ECHO;
  return icmpType === 128 ? ECHO_REQUEST : icmpType === 129 ? ECHO_REPLY : NO_ECHO;
}

/** Local port in the upper 16 bits, remote port in the lower: the same for both directions of a flow. */
export function portsWord(srcPort: number, dstPort: number, direction: number): number {
  return direction === 0 ? (dstPort << 16) | srcPort : (srcPort << 16) | dstPort;
}

/** The requester is local when a request goes out or a reply comes in; that is one flow, the mirrored case another. */
function echoPortsWord(identifier: number, echo: number, direction: number): number {
  if (echo === NO_ECHO) return NO_ECHO_PORTS;
  const isLocalRequester = (echo === ECHO_REQUEST) === (direction === 1);
  return (identifier << 16) | (isLocalRequester ? LOCAL_SENDS_REQUESTS : LOCAL_SENDS_REPLIES);
}
