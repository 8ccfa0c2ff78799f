/**
 * UDP (RFC 768), header of 8 bytes.
 *
 *     0          2          4        6
 *     | src port | dst port | length | checksum |
 *
 * A zero checksum passes on both families: on IPv6 it is for tunnels, whose ports are not known here, and RFC 6936
 * section 5 tells middleboxes to forward it.
 */
import { Fragment, type Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';

const IP = DecodeCode.Ip;
const FIRST = Fragment.First;
const FRAGMENT_TINY = DecodeCode.FragmentTiny;
const MALFORMED = DecodeCode.MalformedUdp;

const HEADER_LENGTH = 8;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;

/**
 * Reads the datagram at `packet.l4Offset`. Its length may be less than the IP payload (surplus bytes are not data),
 * and in a first fragment more: the rest follows.
 */
export function readUdp(view: DataView, packet: Packet): DecodeCode {
  const at = packet.l4Offset;
  if (packet.l4Length < HEADER_LENGTH) return packet.fragment === FIRST ? FRAGMENT_TINY : MALFORMED;
  const ports = view.getInt32(at);
  const length = view.getUint16(at + UDP_LENGTH);
  if (length < HEADER_LENGTH) return MALFORMED;
  if (length > packet.l4Length && packet.fragment !== FIRST) return MALFORMED;
  packet.hasPorts = true;
  packet.srcPort = ports >>> 16;
  packet.dstPort = ports & 0xffff;
  return IP;
}
