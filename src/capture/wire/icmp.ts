/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443), header of 8 bytes.
 *
 *     0      1      2          4                                  8
 *     | type | code | checksum | echo: identifier 16, sequence 16 | echo data
 *                              | error: unused, or MTU            | quoted packet
 */
import { Fragment, type Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';
import { isIcmpEcho, isIcmpError } from './icmp-types.ts';
import { readQuote } from './quote.ts';

const IP = DecodeCode.Ip;
const FIRST = Fragment.First;
const MTU_TOO_SMALL = DecodeCode.IcmpMtuTooSmall;
const IPV6 = 6;

const HEADER_LENGTH = 8;
const IDENTIFIER = 4;
const MTU = 4;

const UNREACHABLE = 3;
const FRAGMENTATION_NEEDED = 4;
const PACKET_TOO_BIG = 2;
const MIN_MTU_IPV4 = 68;
const MIN_MTU_IPV6 = 1280;

/** Reads the message at `packet.l4Offset`; for an error also the packet it quotes, into `packet.quoted`. */
export function readIcmp(view: DataView, packet: Packet): DecodeCode {
  const at = packet.l4Offset;
  if (packet.l4Length < HEADER_LENGTH) {
    return packet.fragment === FIRST ? DecodeCode.FragmentTiny : DecodeCode.MalformedIcmp;
  }
  const isIpv6 = packet.ipVersion === IPV6;
  const type = view.getUint8(at);
  const code = view.getUint8(at + 1);
  packet.icmpType = type;
  packet.icmpCode = code;
  if (isIcmpEcho(type, isIpv6)) packet.icmpId = view.getUint16(at + IDENTIFIER);
  if (!isIcmpError(type, isIpv6)) return IP;
  packet.isIcmpError = true;
  const end = at + packet.l4Length;
  readQuote(view, at + HEADER_LENGTH, end, isIpv6, packet.quoted);
  return hasTooSmallMtu(view, packet, isIpv6) ? MTU_TOO_SMALL : IP;
}

/** An MTU below the family's minimum; 0 on IPv4 is how routers before RFC 1191 say that they do not know. */
function hasTooSmallMtu(view: DataView, packet: Packet, isIpv6: boolean): boolean {
  const mtu = view.getUint32(packet.l4Offset + MTU);
  if (isIpv6) return packet.icmpType === PACKET_TOO_BIG && mtu < MIN_MTU_IPV6;
  if (packet.icmpType !== UNREACHABLE || packet.icmpCode !== FRAGMENTATION_NEEDED) return false;
  return (mtu & 0xffff) !== 0 && (mtu & 0xffff) < MIN_MTU_IPV4;
}
