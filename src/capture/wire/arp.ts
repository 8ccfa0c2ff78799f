/**
 * ARP (RFC 826). Only the shape is checked: who may claim which address is not the decoder's matter.
 *
 *     0       2       4      5      6        8
 *     | htype | ptype | hlen | plen | opcode | sender MAC, IPv4 | target MAC, IPv4 |   28 bytes
 */
import { DecodeCode } from './code.ts';

const LENGTH = 28;
/** Hardware type 1 (Ethernet) and protocol type 0x0800 (IPv4), then lengths 6 and 4. */
const TYPES = 0x0001_0800;
const LENGTHS = 0x0604;

/** Arp when `length` bytes at `offset` begin with an ARP message for IPv4 over Ethernet, else MalformedArp. */
export function checkArp(view: DataView, offset: number, length: number): DecodeCode {
  if (length < LENGTH) return DecodeCode.MalformedArp;
  return view.getInt32(offset) === TYPES && view.getUint16(offset + 4) === LENGTHS
    ? DecodeCode.Arp
    : DecodeCode.MalformedArp;
}
