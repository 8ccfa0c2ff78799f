/**
 * The packet that a probe sends and what answers it, as Ethernet frames, so that the decoder of the packet path reads
 * both: a TCP SYN, a UDP datagram or an echo request (RFC 9293, RFC 768, RFC 792, RFC 4443).
 */
import { decode, DecodeCode } from '../../src/capture/decode.ts';
import { IpProtocol, Packet, TcpFlag } from '../../src/capture/packet.ts';
import { internetChecksum, pseudoHeaderSum } from '../../src/capture/wire/checksum.ts';
import { ipv6Words } from '../../src/engine/address-set.ts';
import { parseIpv6 } from '../../src/policy/address.ts';
import type { Address } from '../../src/policy/explain.ts';
import { packetEndpoints } from '../packet-text.ts';

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP_BYTES = 8;
const ICMP_BYTES = 8;
const ETHER_TYPE_IPV4 = 0x0800;
const ETHER_TYPE_IPV6 = 0x86dd;
const HOP_LIMIT = 64;
const TCP_WINDOW = 1024;
const ECHO = 8;
const ECHO_REPLY = 0;
const ECHO_IPV6 = 128;
const ECHO_REPLY_IPV6 = 129;
/** What a UDP datagram and an echo request carry, so that who finds one in a capture knows what it is. */
const PAYLOAD = new TextEncoder().encode('nsgd probe\n');

const { Tcp, Udp, Icmp } = IpProtocol;

export interface ProbeTuple {
  /** TCP, UDP, ICMP or ICMPv6. */
  readonly protocol: number;
  readonly from: Address;
  readonly to: Address;
  /** Without ports, the echo identifier and 0. */
  readonly fromPort: number;
  readonly toPort: number;
  /** Of a TCP SYN. */
  readonly sequence: number;
}

/** What came back for a probe. */
export interface Answer {
  readonly kind: 'SYN+ACK' | 'RST' | 'datagram' | 'echo reply' | 'ICMP error';
  /** Who sent it: `address:port`, or the address alone. */
  readonly from: string;
  /** Of an ICMP error. */
  readonly icmpType?: number;
  readonly icmpCode?: number;
}

/** The bytes to give to a raw socket: for IPv4 with the IP header, for IPv6 without. */
export function probePacket(tuple: ProbeTuple): Uint8Array {
  const frame = probeFrame(tuple);
  const isIpv4 = typeof tuple.to === 'number';
  return frame.subarray(isIpv4 ? ETHERNET_BYTES : ETHERNET_BYTES + IPV6_BYTES);
}

/** The whole frame, with link addresses of zeros. */
export function probeFrame(tuple: ProbeTuple): Uint8Array {
  const upper = upperOf(tuple);
  const frame = frameOf(tuple.protocol, tuple.from, tuple.to, upper);
  const view = new DataView(frame.buffer);
  const packet = new Packet();
  decode(view, 0, frame.length, packet);
  const { l4Offset } = packet;
  // RFC 792: of ICMP the sum has no pseudo-header.
  const initial = tuple.protocol === Icmp ? 0 : pseudoHeaderSum(packet, upper.length);
  const sum = internetChecksum(view, l4Offset, upper.length, initial);
  const at = tuple.protocol === Tcp ? 16 : tuple.protocol === Udp ? 6 : 2;
  // RFC 768: a sum of 0 says that there is none.
  view.setUint16(l4Offset + at, tuple.protocol === Udp && sum === 0 ? 0xffff : sum);
  return frame;
}

/**
 * What a packet from a raw socket is to the probe; undefined when it has to do with something else.
 * @param message as a raw socket gives it
 * @param protocol of that socket
 * @param source who sent it, which an IPv6 socket tells beside the message
 */
export function answerOf(
  tuple: ProbeTuple,
  message: Uint8Array,
  protocol: number,
  source: string,
): Answer | undefined {
  const packet = new Packet();
  const frame =
    typeof tuple.to === 'number'
      ? ethernetFrame(ETHER_TYPE_IPV4, message)
      : frameOf(protocol, parseIpv6(source.replace(/%.*/, '')) ?? 0n, tuple.from, message);
  if (decode(new DataView(frame.buffer), 0, frame.length, packet) !== DecodeCode.Ip)
    return undefined;
  const from = packetEndpoints(packet).source;
  if (packet.isIcmpError) {
    if (!quotes(packet, tuple)) return undefined;
    return { kind: 'ICMP error', from, icmpType: packet.icmpType, icmpCode: packet.icmpCode };
  }
  const kind = isReply(packet, tuple) ? replyKind(packet) : undefined;
  return kind === undefined ? undefined : { kind, from };
}

function upperOf({ protocol, fromPort, toPort, sequence }: ProbeTuple): Uint8Array {
  const head = protocol === Tcp ? TCP_BYTES : protocol === Udp ? UDP_BYTES : ICMP_BYTES;
  const payload = protocol === Tcp ? new Uint8Array() : PAYLOAD;
  const bytes = new Uint8Array(head + payload.length);
  bytes.set(payload, head);
  const view = new DataView(bytes.buffer);
  if (protocol === Tcp) {
    view.setUint16(0, fromPort);
    view.setUint16(2, toPort);
    view.setUint32(4, sequence);
    view.setUint8(12, (TCP_BYTES / 4) << 4);
    view.setUint8(13, TcpFlag.Syn);
    view.setUint16(14, TCP_WINDOW);
  } else if (protocol === Udp) {
    view.setUint16(0, fromPort);
    view.setUint16(2, toPort);
    view.setUint16(4, bytes.length);
  } else {
    view.setUint8(0, protocol === Icmp ? ECHO : ECHO_IPV6);
    view.setUint16(4, fromPort);
    view.setUint16(6, 1);
  }
  return bytes;
}

function frameOf(protocol: number, from: Address, to: Address, upper: Uint8Array): Uint8Array {
  if (typeof from === 'number' && typeof to === 'number') {
    return ethernetFrame(ETHER_TYPE_IPV4, ipv4Packet(protocol, from, to, upper));
  }
  return ethernetFrame(ETHER_TYPE_IPV6, ipv6Packet(protocol, BigInt(from), BigInt(to), upper));
}

/** The kernel fills in identification and checksum (raw(7), IP_HDRINCL); the sum is right already. */
function ipv4Packet(protocol: number, from: number, to: number, upper: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(IPV4_BYTES + upper.length);
  bytes.set(upper, IPV4_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes.length);
  view.setUint8(8, HOP_LIMIT);
  view.setUint8(9, protocol);
  view.setUint32(12, from);
  view.setUint32(16, to);
  view.setUint16(10, internetChecksum(view, 0, IPV4_BYTES, 0));
  return bytes;
}

function ipv6Packet(protocol: number, from: bigint, to: bigint, upper: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(IPV6_BYTES + upper.length);
  bytes.set(upper, IPV6_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x60);
  view.setUint16(4, upper.length);
  view.setUint8(6, protocol);
  view.setUint8(7, HOP_LIMIT);
  for (const [index, word] of [...ipv6Words(from), ...ipv6Words(to)].entries()) {
    view.setInt32(8 + index * 4, word);
  }
  return bytes;
}

function ethernetFrame(etherType: number, packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + packet.length);
  new DataView(frame.buffer).setUint16(12, etherType);
  frame.set(packet, ETHERNET_BYTES);
  return frame;
}

/** From where the probe went, to where it came from. */
function isReply(packet: Packet, tuple: ProbeTuple): boolean {
  if (packet.protocol !== tuple.protocol) return false;
  const source = [packet.src0, packet.src1, packet.src2, packet.src3];
  if (!isAddress(source, tuple.to)) return false;
  return packet.hasPorts
    ? packet.srcPort === tuple.toPort && packet.dstPort === tuple.fromPort
    : packet.icmpId === tuple.fromPort;
}

function replyKind(packet: Packet): Answer['kind'] | undefined {
  const { protocol, tcpFlags, icmpType } = packet;
  if (protocol === Udp) return 'datagram';
  if (protocol === Tcp) {
    if ((tcpFlags & TcpFlag.Rst) !== 0) return 'RST';
    return (tcpFlags & TcpFlag.Syn) !== 0 ? 'SYN+ACK' : undefined;
  }
  return icmpType === ECHO_REPLY || icmpType === ECHO_REPLY_IPV6 ? 'echo reply' : undefined;
}

/** Whether an ICMP error is about the probe. */
function quotes({ quoted }: Packet, tuple: ProbeTuple): boolean {
  if (quoted.protocol !== tuple.protocol) return false;
  if (!isAddress([quoted.dst0, quoted.dst1, quoted.dst2, quoted.dst3], tuple.to)) return false;
  if (quoted.srcPort !== tuple.fromPort) return false;
  const hasPorts = tuple.protocol === Tcp || tuple.protocol === Udp;
  return !hasPorts || quoted.dstPort === tuple.toPort;
}

function isAddress(words: readonly number[], address: Address): boolean {
  if (typeof address === 'number') return (words[3] ?? 0) >>> 0 === address;
  return ipv6Words(address).every((word, index) => word === words[index]);
}
