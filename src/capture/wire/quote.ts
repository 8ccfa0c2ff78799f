/**
 * The packet that an ICMP error quotes: as much of it as says which flow the error is about.
 *
 * A quote is cut wherever the sender liked, so its own length field is not checked against the bytes there are; and
 * it proves nothing: that it belongs to a live flow is for the flow table to find (RFC 5927).
 */
import { IpProtocol, type QuotedPacket } from '../packet.ts';
import { DecodeCode } from './code.ts';
import { isIcmpEcho, isIcmpError } from './icmp-types.ts';
import { chain, walkExtensions } from './ipv6-extensions.ts';

const IP = DecodeCode.Ip;
const TCP = IpProtocol.Tcp;
const UDP = IpProtocol.Udp;
const ICMP = IpProtocol.Icmp;
const ICMPV6 = IpProtocol.Icmpv6;

const IPV4_HEADER_LENGTH = 20;
const IPV4_FRAGMENT = 6;
const IPV4_OFFSET_MASK = 0x1fff;
const IPV4_PROTOCOL = 9;
const IPV4_SOURCE = 12;
const IPV4_DESTINATION = 16;
const IPV6_HEADER_LENGTH = 40;
const IPV6_NEXT_HEADER = 6;
const IPV6_SOURCE = 8;
const IPV6_DESTINATION = 24;
const FRAGMENT_FIELD = 2;
const FRAGMENT_OFFSET_MASK = 0xfff8;

/** Upper-layer bytes that every error quotes (RFC 792), and that hold what is read here. */
const MIN_UPPER_LENGTH = 8;
const TCP_SEQUENCE = 4;
const ICMP_IDENTIFIER = 4;
const NO_PROTOCOL = -1;

/**
 * Reads the quote in [offset, end) into `quoted`, which must be reset. `quoted.protocol` stays -1, and nothing else in
 * it counts, for a quote that is too short, malformed, of the other family, a later fragment, or an ICMP error itself.
 */
export function readQuote(
  view: DataView,
  offset: number,
  end: number,
  isIpv6: boolean,
  quoted: QuotedPacket,
): void {
  if (isIpv6) readQuotedIpv6(view, offset, end, quoted);
  else readQuotedIpv4(view, offset, end, quoted);
}

function readQuotedIpv4(view: DataView, at: number, end: number, quoted: QuotedPacket): void {
  if (end - at < IPV4_HEADER_LENGTH) return;
  const first = view.getUint8(at);
  const headerLength = (first & 0x0f) << 2;
  if (first >>> 4 !== 4 || headerLength < IPV4_HEADER_LENGTH) return;
  if ((view.getUint16(at + IPV4_FRAGMENT) & IPV4_OFFSET_MASK) !== 0) return;
  quoted.src3 = view.getInt32(at + IPV4_SOURCE);
  quoted.dst3 = view.getInt32(at + IPV4_DESTINATION);
  quoted.protocol = view.getUint8(at + IPV4_PROTOCOL);
  readUpper(view, at + headerLength, end, false, quoted);
}

function readQuotedIpv6(view: DataView, at: number, end: number, quoted: QuotedPacket): void {
  if (end - at < IPV6_HEADER_LENGTH || view.getUint8(at) >>> 4 !== 6) return;
  const nextHeader = view.getUint8(at + IPV6_NEXT_HEADER);
  if (walkExtensions(view, at + IPV6_HEADER_LENGTH, end, nextHeader) !== IP) return;
  if (chain.fragmentOffset >= 0) {
    const field = view.getUint16(chain.fragmentOffset + FRAGMENT_FIELD);
    if ((field & FRAGMENT_OFFSET_MASK) !== 0) return;
  }
  quoted.src0 = view.getInt32(at + IPV6_SOURCE);
  quoted.src1 = view.getInt32(at + IPV6_SOURCE + 4);
  quoted.src2 = view.getInt32(at + IPV6_SOURCE + 8);
  quoted.src3 = view.getInt32(at + IPV6_SOURCE + 12);
  quoted.dst0 = view.getInt32(at + IPV6_DESTINATION);
  quoted.dst1 = view.getInt32(at + IPV6_DESTINATION + 4);
  quoted.dst2 = view.getInt32(at + IPV6_DESTINATION + 8);
  quoted.dst3 = view.getInt32(at + IPV6_DESTINATION + 12);
  quoted.protocol = chain.protocol;
  readUpper(view, chain.offset, end, true, quoted);
}

/** Reads ports, echo identifier or type at `at`; takes `quoted.protocol` back to -1 when there is too little. */
function readUpper(
  view: DataView,
  at: number,
  end: number,
  isIpv6: boolean,
  quoted: QuotedPacket,
): void {
  const protocol = quoted.protocol;
  if (end - at < MIN_UPPER_LENGTH) {
    quoted.protocol = NO_PROTOCOL;
  } else if (protocol === TCP || protocol === UDP) {
    quoted.srcPort = view.getUint16(at);
    quoted.dstPort = view.getUint16(at + 2);
    if (protocol === TCP) quoted.tcpSequence = view.getInt32(at + TCP_SEQUENCE);
  } else if (protocol === (isIpv6 ? ICMPV6 : ICMP)) {
    const type = view.getUint8(at);
    quoted.icmpType = type;
    if (isIcmpError(type, isIpv6)) quoted.protocol = NO_PROTOCOL;
    if (!isIcmpEcho(type, isIpv6)) return;
    quoted.srcPort = view.getUint16(at + ICMP_IDENTIFIER);
    quoted.dstPort = quoted.srcPort;
  }
}
