/**
 * IPv6 (RFC 8200), fixed header of 40 bytes, then the extension headers (ipv6-extensions.ts).
 *
 *     0                        4                 6              7           8         24        40
 *     | version 4, class, flow | payload length  | next header  | hop limit | source  | dest    |
 */
import { IpProtocol, type Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';
import { classifyFragment } from './fragment.ts';
import { isLinkMessage } from './icmp-types.ts';
import { chain, HOP_BY_HOP, isExtension, walkExtensions } from './ipv6-extensions.ts';

const IP = DecodeCode.Ip;
const FRAME_TOO_SHORT = DecodeCode.FrameTooShort;
const TRUNCATED = DecodeCode.Truncated;
const MALFORMED = DecodeCode.MalformedIpv6;
const ICMPV6 = IpProtocol.Icmpv6;

export const IPV6_HEADER_LENGTH = 40;
const VERSION_6 = 6;
const PAYLOAD_LENGTH = 4;
const NEXT_HEADER = 6;
const HOP_LIMIT = 7;
const SOURCE = 8;
const DESTINATION = 24;

/** Fragment header: next header, reserved, offset 13 | reserved 2 | more 1, identification 32. */
const FRAGMENT_FIELD = 2;
const FRAGMENT_ID = 4;
const FRAGMENT_LENGTH = 8;
const OFFSET_MASK = 0xfff8;
const MORE_FRAGMENTS = 1;

/**
 * Reads the header at `packet.ipOffset` and the extension headers, and fills everything up to `l4Length`.
 *
 * On a later fragment `protocol` is what its own fragment header says, and only the first fragment's counts
 * (RFC 8200 section 4.5): a fragment is found by addresses and identification, not by protocol.
 * @param end first byte after the frame
 * @returns Ip, or the first fault found
 */
export function readIpv6(view: DataView, end: number, packet: Packet): DecodeCode {
  const at = packet.ipOffset;
  if (end - at < IPV6_HEADER_LENGTH) return FRAME_TOO_SHORT;
  if (view.getUint8(at) >>> 4 !== VERSION_6) return MALFORMED;
  const payloadLength = view.getUint16(at + PAYLOAD_LENGTH);
  const nextHeader = view.getUint8(at + NEXT_HEADER);
  packet.ipVersion = VERSION_6;
  packet.src0 = view.getInt32(at + SOURCE);
  packet.src1 = view.getInt32(at + SOURCE + 4);
  packet.src2 = view.getInt32(at + SOURCE + 8);
  packet.src3 = view.getInt32(at + SOURCE + 12);
  packet.dst0 = view.getInt32(at + DESTINATION);
  packet.dst1 = view.getInt32(at + DESTINATION + 4);
  packet.dst2 = view.getInt32(at + DESTINATION + 8);
  packet.dst3 = view.getInt32(at + DESTINATION + 12);
  packet.hopLimit = view.getUint8(at + HOP_LIMIT);
  packet.ipLength = IPV6_HEADER_LENGTH + payloadLength;
  if (packet.ipLength > end - at) return TRUNCATED;
  if (payloadLength === 0 && nextHeader === HOP_BY_HOP) return DecodeCode.Ipv6Jumbogram;

  packet.protocol = nextHeader;
  packet.l4Offset = at + IPV6_HEADER_LENGTH;
  packet.l4Length = payloadLength;
  return isExtension(nextHeader) ? readExtensions(view, packet) : IP;
}

/** Moves `protocol`, `l4Offset` and `l4Length` behind the extension headers. */
function readExtensions(view: DataView, packet: Packet): DecodeCode {
  const packetEnd = packet.l4Offset + packet.l4Length;
  const code = walkExtensions(view, packet.l4Offset, packetEnd, packet.protocol);
  packet.protocol = chain.protocol;
  packet.l4Offset = chain.offset;
  packet.l4Length = packetEnd - chain.offset;
  return chain.fragmentOffset < 0 ? code : readFragment(view, packet, code);
}

/** The fragment header that the walk found; `walked` is what the walk returned. */
function readFragment(view: DataView, packet: Packet, walked: DecodeCode): DecodeCode {
  const header = chain.fragmentOffset;
  const field = view.getUint16(header + FRAGMENT_FIELD);
  packet.fragmentId = view.getInt32(header + FRAGMENT_ID);
  packet.fragmentOffset = field & OFFSET_MASK;
  packet.hasMoreFragments = (field & MORE_FRAGMENTS) !== 0;
  if (walked !== IP) {
    return walked === MALFORMED && packet.hasMoreFragments ? DecodeCode.FragmentTiny : walked;
  }
  // Extension headers inside the fragmentable part are data of the fragment, where its length and end count.
  const data = header + FRAGMENT_LENGTH;
  const dataLength = packet.l4Offset + packet.l4Length - data;
  const unfragmentable = header - (packet.ipOffset + IPV6_HEADER_LENGTH);
  const code = classifyFragment(packet, dataLength, unfragmentable);
  if (code !== IP) return code;
  const isNeighborDiscovery =
    packet.protocol === ICMPV6 &&
    packet.fragmentOffset === 0 &&
    packet.l4Length > 0 &&
    isLinkMessage(view.getUint8(packet.l4Offset));
  return isNeighborDiscovery ? DecodeCode.FragmentNeighborDiscovery : IP;
}
