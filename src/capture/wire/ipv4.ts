/**
 * IPv4 (RFC 791), header of 20 to 60 bytes, read as five words:
 *
 *     word 0  version 4 | IHL 4 | traffic class 8 | total length 16
 *     word 1  identification 16 | reserved 1, don't fragment 1, more fragments 1 | fragment offset 13, in units of 8
 *     word 2  time to live 8 | protocol 8 | header checksum 16
 *     word 3  source address
 *     word 4  destination address
 *     then options up to IHL words
 */
import type { Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';
import { classifyFragment } from './fragment.ts';

const IP = DecodeCode.Ip;
const FRAME_TOO_SHORT = DecodeCode.FrameTooShort;
const TRUNCATED = DecodeCode.Truncated;
const MALFORMED = DecodeCode.MalformedIpv4;
const MALFORMED_OPTIONS = DecodeCode.MalformedIpv4Options;
const BAD_CHECKSUM = DecodeCode.BadIpv4Checksum;

export const IPV4_HEADER_LENGTH = 20;
const VERSION_4 = 4;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

/** Option types: the copied flag is part of the number (RFC 791 section 3.1). */
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_LSRR = 131;
const OPTION_SSRR = 137;

/**
 * Reads the header at `packet.ipOffset` and fills everything up to `l4Length`.
 * @param end first byte after the frame
 * @returns Ip, or the first fault found
 */
export function readIpv4(view: DataView, end: number, packet: Packet): DecodeCode {
  const at = packet.ipOffset;
  if (end - at < IPV4_HEADER_LENGTH) return FRAME_TOO_SHORT;
  const word0 = view.getInt32(at);
  const word1 = view.getInt32(at + 4);
  const word2 = view.getInt32(at + 8);
  const src = view.getInt32(at + 12);
  const dst = view.getInt32(at + 16);
  const headerLength = (word0 >>> 22) & 0x3c;
  const totalLength = word0 & 0xffff;
  if (word0 >>> 28 !== VERSION_4) return MALFORMED;
  if (headerLength < IPV4_HEADER_LENGTH || totalLength < headerLength) return MALFORMED;
  if (totalLength > end - at) return TRUNCATED;

  packet.ipVersion = VERSION_4;
  packet.src3 = src;
  packet.dst3 = dst;
  packet.ipLength = totalLength;
  packet.hopLimit = word2 >>> 24;
  packet.protocol = (word2 >>> 16) & 0xff;
  packet.l4Offset = at + headerLength;
  packet.l4Length = totalLength - headerLength;

  let sum = halves(word0) + halves(word1) + halves(word2) + halves(src) + halves(dst);
  if (headerLength > IPV4_HEADER_LENGTH) {
    for (let word = at + IPV4_HEADER_LENGTH; word < packet.l4Offset; word += 4) {
      sum += halves(view.getInt32(word));
    }
  }
  // Right when all halves, the checksum among them, sum to ones (RFC 1071). Of 30 halves one folding is enough.
  sum = (sum & 0xffff) + (sum >>> 16);
  if (sum !== 0xffff) return BAD_CHECKSUM;
  if (headerLength > IPV4_HEADER_LENGTH) {
    const code = checkOptions(view, at + IPV4_HEADER_LENGTH, packet.l4Offset);
    if (code !== IP) return code;
  }
  if ((word1 & (MORE_FRAGMENTS | OFFSET_MASK)) === 0) return IP;
  packet.fragmentId = word1 >>> 16;
  packet.fragmentOffset = (word1 & OFFSET_MASK) << 3;
  packet.hasMoreFragments = (word1 & MORE_FRAGMENTS) !== 0;
  return classifyFragment(packet, packet.l4Length, headerLength);
}

/** Walks the options in [at, end), at most 40 bytes. @returns Ip, MalformedIpv4Options or Ipv4SourceRoute */
function checkOptions(view: DataView, offset: number, end: number): DecodeCode {
  let at = offset;
  while (at < end) {
    const type = view.getUint8(at);
    if (type === OPTION_END) return IP;
    if (type === OPTION_NOP) {
      at++;
      continue;
    }
    if (type === OPTION_LSRR || type === OPTION_SSRR) return DecodeCode.Ipv4SourceRoute;
    if (at + 2 > end) return MALFORMED_OPTIONS;
    const length = view.getUint8(at + 1);
    if (length < 2 || at + length > end) return MALFORMED_OPTIONS;
    at += length;
  }
  return IP;
}

/** Sum of the two 16-bit halves of a word. */
function halves(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}
