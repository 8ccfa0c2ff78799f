/**
 * Packet: the one record that the decoder fills, again for every frame.
 *
 * Addresses are four signed int32 words in host order, most significant word first. An IPv4 address sits in word 3
 * and words 0 to 2 are 0; `ipVersion` is what tells the families apart, so an IPv4 rule can never match an IPv6
 * packet. Signed int32 because V8 keeps those unboxed wherever they are stored.
 *
 * Everything here is overwritten by the next `decode`; nothing may keep a reference to it.
 */

/** What `Packet.fragment` holds. */
export const Fragment = Object.freeze({
  /** A whole datagram (also an IPv6 atomic fragment, RFC 6946). */
  None: 0,
  /** Offset 0 with more to come: has the upper-layer header, so it is judged like a whole packet. */
  First: 1,
  /** Offset > 0: has no ports; follows the verdict of its first fragment. */
  Later: 2,
} as const);

/** TCP flag bits as they stand in byte 13 of the header (RFC 9293 section 3.1). */
export const TcpFlag = Object.freeze({
  Fin: 0x01,
  Syn: 0x02,
  Rst: 0x04,
  Psh: 0x08,
  Ack: 0x10,
  Urg: 0x20,
  Ece: 0x40,
  Cwr: 0x80,
} as const);

/** IP protocol numbers (IANA) that the code names. */
export const IpProtocol = Object.freeze({
  Icmp: 1,
  Igmp: 2,
  Tcp: 6,
  Udp: 17,
  Esp: 50,
  Ah: 51,
  Icmpv6: 58,
  NoNextHeader: 59,
} as const);

/**
 * The packet that an ICMP error quotes (RFC 792, RFC 4443): as much of it as decides which flow it belongs to.
 * Valid only while `Packet.isIcmpError` is true.
 */
export class QuotedPacket {
  /** Upper-layer protocol of the quoted packet; -1 when the quote is too short or is a later fragment. */
  protocol = -1;
  src0 = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
  /** TCP and UDP ports; for a quoted echo message both hold the echo identifier; else 0. */
  srcPort = 0;
  dstPort = 0;
  /** ICMP type of a quoted ICMP or ICMPv6 message, else 0. */
  icmpType = 0;
  /** Sequence number of a quoted TCP segment (int32), else 0. */
  tcpSequence = 0;
}

export class Packet {
  /** Bytes of the frame, link header included, as captured. */
  frameLength = 0;
  /** Number of VLAN tags, 0 to 2. */
  vlanCount = 0;
  /** VLAN identifier (12 bits) of the outer and of the inner tag; 0 when absent. */
  vlanOuter = 0;
  vlanInner = 0;
  /** EtherType after the tags. */
  etherType = 0;

  /** 4 or 6; 0 when the frame carries no IP packet, and then nothing below is valid. */
  ipVersion = 0;
  src0 = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
  /** Absolute offset in the view of the IP header. */
  ipOffset = 0;
  /** Bytes of the IP packet by its own length field, header included (never the frame's length: padding is not data). */
  ipLength = 0;
  /** TTL or hop limit. */
  hopLimit = 0;
  /** Upper-layer protocol number after all extension headers. An unknown next header is its own number. */
  protocol = 0;
  /** Absolute offset and bytes of the upper-layer header and payload. On a later fragment: of its data. */
  l4Offset = 0;
  l4Length = 0;

  /** One of `Fragment`. */
  fragment = 0;
  /** Identification (16 bits IPv4, 32 bits IPv6 as int32). Valid unless `fragment` is None. */
  fragmentId = 0;
  /** Offset in bytes of this fragment's data in the datagram's fragmentable part. */
  fragmentOffset = 0;
  /**
   * Bytes of this fragment's data, IPv6 extension headers inside the fragmentable part included, so in a first fragment
   * it can be more than `l4Length`. Valid unless `fragment` is None.
   */
  fragmentLength = 0;
  /** True when this is not the datagram's last fragment. */
  hasMoreFragments = false;

  /** True for TCP and UDP with a whole header: only then are the ports valid. */
  hasPorts = false;
  /** Ports, 0 to 65535; 0 when `hasPorts` is false. */
  srcPort = 0;
  dstPort = 0;

  /** Valid for TCP with `hasPorts`. */
  tcpFlags = 0;
  tcpSequence = 0;
  tcpAcknowledgment = 0;
  tcpWindow = 0;
  /** Bytes of TCP payload. */
  tcpPayloadLength = 0;

  /** Valid for ICMP and ICMPv6 (not on a later fragment); else 0. */
  icmpType = 0;
  icmpCode = 0;
  /** Identifier of an echo request or reply, else 0. */
  icmpId = 0;
  /** True for an ICMP or ICMPv6 error message; `quoted` is then filled. */
  isIcmpError = false;
  readonly quoted = new QuotedPacket();
}
