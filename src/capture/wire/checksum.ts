/**
 * The Internet checksum (RFC 1071), and completing the checksums that an offload left to the hardware.
 *
 * A sender with checksum offload puts the sum of the pseudo-header in the checksum field, folded but not complemented,
 * and lets the device add the rest (Linux CHECKSUM_PARTIAL). Between virtual interfaces nobody ever does, because the
 * frame stays inside one kernel; a frame that leaves through nsgd may leave that kernel, so it is completed first.
 */
import { Fragment, IpProtocol, type Packet } from '../packet.ts';
import { TCP_CHECKSUM } from './tcp.ts';
import { UDP_CHECKSUM, UDP_LENGTH } from './udp.ts';

const NONE = Fragment.None;
const TCP = IpProtocol.Tcp;

/**
 * The complemented ones' complement sum of `length` bytes at `offset`, as big-endian 16-bit words; an odd last byte is
 * the high half of a word.
 * @param length 0 to 65535
 * @param initial sum to start from, 0 to 2^30: a pseudo-header's, or 0
 * @returns 0 to 0xffff: the value of the checksum field, given that the field was 0; or 0 when the field was right
 */
export function internetChecksum(
  view: DataView,
  offset: number,
  length: number,
  initial: number,
): number {
  const end = offset + length;
  const wordsEnd = offset + (length & ~3);
  // Two accumulators: each gets at most 16,384 halves, so both stay below 2^30 and the sum of all is folded in time.
  let high = 0;
  let low = 0;
  let at = offset;
  for (; at < wordsEnd; at += 4) {
    const word = view.getInt32(at);
    high += word >>> 16;
    low += word & 0xffff;
  }
  if (end - at >= 2) {
    high += view.getUint16(at);
    at += 2;
  }
  if (at < end) low += view.getUint8(at) << 8;
  return ~fold(fold(high) + fold(low) + fold(initial)) & 0xffff;
}

/**
 * Sum of the pseudo-header, folded (0 to 0xffff): RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6. One
 * function for both, because `Packet` keeps an IPv4 address in the last of four words, and zero words add nothing.
 * @param length bytes of the upper-layer header and data
 */
export function pseudoHeaderSum(packet: Packet, length: number): number {
  return fold(
    packet.protocol +
      length +
      halves(packet.src0) +
      halves(packet.src1) +
      halves(packet.src2) +
      halves(packet.src3) +
      halves(packet.dst0) +
      halves(packet.dst1) +
      halves(packet.dst2) +
      halves(packet.dst3),
  );
}

/**
 * Writes the whole checksum of a TCP segment or UDP datagram in place when its field holds only the pseudo-header sum;
 * else leaves the frame alone.
 *
 * One correct checksum in 65,536 equals the pseudo-header sum by accident. Completing it is still right: the result of
 * the full computation is the value of a correct checksum, so the same value is written again. (A damaged segment in
 * the same position gets a valid checksum, at 1/65,536 of the segments that were damaged on the way here.)
 *
 * Fragments are left alone: no sender leaves them partial, as the sum is over the whole datagram. So are IPv6 packets
 * with a routing header, whose pseudo-header has the last destination and so does not match.
 * @param view where `packet` was decoded from, unchanged since
 * @param packet for which `decode` returned Ip
 */
export function completePartialChecksum(view: DataView, packet: Packet): void {
  if (!packet.hasPorts || packet.fragment !== NONE) return;
  const isTcp = packet.protocol === TCP;
  const l4Offset = packet.l4Offset;
  const field = l4Offset + (isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  const length = isTcp ? packet.l4Length : view.getUint16(l4Offset + UDP_LENGTH);
  const pseudo = pseudoHeaderSum(packet, length);
  if (view.getUint16(field) !== pseudo) return;
  view.setUint16(field, 0);
  const checksum = internetChecksum(view, l4Offset, length, pseudo);
  // To UDP 0 means "no checksum"; the other zero of ones' complement stands for it (RFC 768).
  view.setUint16(field, checksum === 0 && !isTcp ? 0xffff : checksum);
}

/** Adds the carries back until the sum has 16 bits; `sum` is 0 to 2^31 - 1. */
function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Sum of the two 16-bit halves of a word. */
function halves(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}
