/**
 * decode: the bytes of one Ethernet frame to a `Packet` and a code. Pure, without allocation, never throws.
 *
 *     ethernet, VLAN tags ─┬─ ARP ───────────────────────────────────────────── Arp
 *                          ├─ IPv4, options ─────────┬─ TCP, UDP, ICMP(v6) ──── Ip
 *                          ├─ IPv6, extension chain ─┴─ others by number ────── Ip
 *                          └─ LinkLocal, UnknownEtherType            a fault in any of them: its code
 *
 * Checksums of the upper layer are not verified: the kernel hands over frames whose sum an offload has yet to fill
 * (wire/checksum.ts), and the endpoint verifies. Segments are not reassembled: what two retransmissions with different
 * data say is not seen here.
 */
import { Fragment, IpProtocol, type Packet, type QuotedPacket } from './packet.ts';
import { checkArp } from './wire/arp.ts';
import { DecodeCode, decodeCodeNames } from './wire/code.ts';
import { readEthernet } from './wire/ethernet.ts';
import { readIcmp } from './wire/icmp.ts';
import { readIpv4 } from './wire/ipv4.ts';
import { readIpv6 } from './wire/ipv6.ts';
import { readTcp } from './wire/tcp.ts';
import { readUdp } from './wire/udp.ts';

export { DecodeCode, decodeCodeNames };

const IP = DecodeCode.Ip;
const UNKNOWN_ETHER_TYPE = DecodeCode.UnknownEtherType;
const LATER = Fragment.Later;
const TCP = IpProtocol.Tcp;
const UDP = IpProtocol.Udp;
const ICMP = IpProtocol.Icmp;
const ICMPV6 = IpProtocol.Icmpv6;
const IPV4 = 4;

const ETHER_TYPE_IPV4 = 0x0800;
const ETHER_TYPE_ARP = 0x0806;
const ETHER_TYPE_IPV6 = 0x86dd;

/**
 * Decodes one frame into `packet`, every field of which is set anew.
 *
 * The work is bounded by the headers: 2 tags, 40 bytes of IPv4 options, 8 IPv6 extension headers (twice, when an ICMPv6
 * error quotes as many). No byte outside [offset, offset + length) is read.
 * @param view over the whole buffer; the frame must lie inside it
 * @param offset of the frame's first byte in the view
 * @param length bytes of the frame as captured; may exceed the IP packet (Ethernet padding), which is then ignored
 * @param packet filled wholly when the code is Ip; for another kind of good frame the link fields; for an unfit one
 *   what was read before the fault, fit for a message only
 */
export function decode(view: DataView, offset: number, length: number, packet: Packet): DecodeCode {
  reset(packet, length);
  const linkCode = readEthernet(view, offset, length, packet);
  if (linkCode !== IP) return linkCode;
  const end = offset + length;
  const etherType = packet.etherType;
  let code: DecodeCode;
  if (etherType === ETHER_TYPE_IPV4) code = readIpv4(view, end, packet);
  else if (etherType === ETHER_TYPE_IPV6) code = readIpv6(view, end, packet);
  else if (etherType === ETHER_TYPE_ARP)
    return checkArp(view, packet.ipOffset, end - packet.ipOffset);
  else return UNKNOWN_ETHER_TYPE;
  if (code !== IP || packet.fragment === LATER) return code;

  const protocol = packet.protocol;
  if (protocol === TCP) return readTcp(view, packet);
  if (protocol === UDP) return readUdp(view, packet);
  if (protocol === (packet.ipVersion === IPV4 ? ICMP : ICMPV6)) return readIcmp(view, packet);
  return IP;
}

/** Nothing of the frame before may be left. `quoted` is touched only by ICMP errors, so only after one. */
function reset(packet: Packet, frameLength: number): void {
  packet.frameLength = frameLength;
  packet.vlanCount = 0;
  packet.vlanOuter = 0;
  packet.vlanInner = 0;
  packet.etherType = 0;
  packet.ipVersion = 0;
  packet.src0 = 0;
  packet.src1 = 0;
  packet.src2 = 0;
  packet.src3 = 0;
  packet.dst0 = 0;
  packet.dst1 = 0;
  packet.dst2 = 0;
  packet.dst3 = 0;
  packet.ipOffset = 0;
  packet.ipLength = 0;
  packet.hopLimit = 0;
  packet.protocol = 0;
  packet.l4Offset = 0;
  packet.l4Length = 0;
  resetUpper(packet);
}

function resetUpper(packet: Packet): void {
  packet.fragment = 0;
  packet.fragmentId = 0;
  packet.fragmentOffset = 0;
  packet.fragmentLength = 0;
  packet.hasMoreFragments = false;
  packet.hasPorts = false;
  packet.srcPort = 0;
  packet.dstPort = 0;
  packet.tcpFlags = 0;
  packet.tcpSequence = 0;
  packet.tcpAcknowledgment = 0;
  packet.tcpWindow = 0;
  packet.tcpPayloadLength = 0;
  packet.icmpType = 0;
  packet.icmpCode = 0;
  packet.icmpId = 0;
  if (packet.isIcmpError) resetQuoted(packet.quoted);
  packet.isIcmpError = false;
}

function resetQuoted(quoted: QuotedPacket): void {
  quoted.protocol = -1;
  quoted.src0 = 0;
  quoted.src1 = 0;
  quoted.src2 = 0;
  quoted.src3 = 0;
  quoted.dst0 = 0;
  quoted.dst1 = 0;
  quoted.dst2 = 0;
  quoted.dst3 = 0;
  quoted.srcPort = 0;
  quoted.dstPort = 0;
  quoted.icmpType = 0;
  quoted.tcpSequence = 0;
}
