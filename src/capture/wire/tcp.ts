/**
 * TCP (RFC 9293 section 3.1), header of 20 to 60 bytes.
 *
 *     0          2          4          8          12                                 14       16         18
 *     | src port | dst port | sequence | ack      | data offset 4, reserved 4, flags | window | checksum | urgent |
 */
import { Fragment, TcpFlag, type Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';

const IP = DecodeCode.Ip;
const FIRST = Fragment.First;
const FRAGMENT_TINY = DecodeCode.FragmentTiny;
const MALFORMED = DecodeCode.MalformedTcp;
const IMPOSSIBLE_FLAGS = DecodeCode.ImpossibleTcpFlags;

const HEADER_LENGTH = 20;
const SEQUENCE = 4;
const ACKNOWLEDGMENT = 8;
const OFFSET_AND_FLAGS = 12;
export const TCP_CHECKSUM = 16;

const SYN_FIN = TcpFlag.Syn | TcpFlag.Fin;
const SYN_RST = TcpFlag.Syn | TcpFlag.Rst;
const RST_FIN = TcpFlag.Rst | TcpFlag.Fin;
const SYN_RST_ACK = TcpFlag.Syn | TcpFlag.Rst | TcpFlag.Ack;

/** Reads the segment at `packet.l4Offset`. The whole header must be there, in a first fragment too (RFC 1858). */
export function readTcp(view: DataView, packet: Packet): DecodeCode {
  const at = packet.l4Offset;
  const length = packet.l4Length;
  if (length < HEADER_LENGTH) return packet.fragment === FIRST ? FRAGMENT_TINY : MALFORMED;
  const ports = view.getInt32(at);
  const word3 = view.getInt32(at + OFFSET_AND_FLAGS);
  const headerLength = (word3 >>> 26) & 0x3c;
  const flags = (word3 >>> 16) & 0xff;
  if (headerLength < HEADER_LENGTH) return MALFORMED;
  if (headerLength > length) return packet.fragment === FIRST ? FRAGMENT_TINY : MALFORMED;
  packet.tcpFlags = flags;
  if (!arePossible(flags)) return IMPOSSIBLE_FLAGS;
  packet.hasPorts = true;
  packet.srcPort = ports >>> 16;
  packet.dstPort = ports & 0xffff;
  packet.tcpSequence = view.getInt32(at + SEQUENCE);
  packet.tcpAcknowledgment = view.getInt32(at + ACKNOWLEDGMENT);
  packet.tcpWindow = word3 & 0xffff;
  packet.tcpPayloadLength = length - headerLength;
  return IP;
}

/** PSH, URG, ECE and CWR say nothing here; neither do the four reserved bits (CVE-2001-0183 is about the contrary). */
function arePossible(flags: number): boolean {
  return (
    (flags & SYN_FIN) !== SYN_FIN &&
    (flags & SYN_RST) !== SYN_RST &&
    (flags & RST_FIN) !== RST_FIN &&
    (flags & SYN_RST_ACK) !== 0
  );
}
