/**
 * Checks on fragments that hold for both families, and what kind of fragment a packet is.
 */
import { Fragment, IpProtocol, type Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';

const IP = DecodeCode.Ip;
const FIRST = Fragment.First;
const LATER = Fragment.Later;
const TCP = IpProtocol.Tcp;

/** Largest IPv4 datagram and largest IPv6 payload. */
const MAX_DATAGRAM = 65_535;
/** Every fragment but the last is a multiple of this, and offsets count it. */
const UNIT_MASK = 7;
/** Offset of the second unit: a TCP fragment there overwrites the flags, at byte 13. */
const TCP_FLAGS_UNIT = 8;

/**
 * Sets `fragment` from `fragmentOffset` and `hasMoreFragments`, sets `fragmentLength`, and checks the fragment's place
 * in its datagram. Needs `protocol`.
 * @param length bytes of the fragment's data
 * @param unfragmentable bytes of the reassembled datagram before its fragmentable part that count towards 65535: the
 *   IPv4 header, or the IPv6 extension headers before the fragment header
 */
export function classifyFragment(
  packet: Packet,
  length: number,
  unfragmentable: number,
): DecodeCode {
  const fragmentOffset = packet.fragmentOffset;
  if (fragmentOffset === 0 && !packet.hasMoreFragments) return IP;
  packet.fragment = fragmentOffset === 0 ? FIRST : LATER;
  packet.fragmentLength = length;
  if (length === 0) return DecodeCode.FragmentLength;
  if (packet.hasMoreFragments && (length & UNIT_MASK) !== 0) return DecodeCode.FragmentLength;
  if (unfragmentable + fragmentOffset + length > MAX_DATAGRAM) return DecodeCode.FragmentOversize;
  if (packet.protocol === TCP && fragmentOffset === TCP_FLAGS_UNIT) {
    return DecodeCode.FragmentTcpHeader;
  }
  return IP;
}
