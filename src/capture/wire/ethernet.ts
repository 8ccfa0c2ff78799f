/**
 * Ethernet II with up to two VLAN tags (IEEE 802.1Q, 802.1ad).
 *
 *     0         6        12      14
 *     | dst MAC | src MAC | type |                            untagged
 *     | dst MAC | src MAC | TPID | TCI | type |               one tag; two tags repeat TPID and TCI
 *     TCI: priority 3 bits, drop eligible 1 bit, VLAN identifier 12 bits
 */
import type { Packet } from '../packet.ts';
import { DecodeCode } from './code.ts';

const IP = DecodeCode.Ip;
const FRAME_TOO_SHORT = DecodeCode.FrameTooShort;
const VLAN_TOO_DEEP = DecodeCode.VlanTooDeep;
const LINK_LOCAL = DecodeCode.LinkLocal;

const HEADER_LENGTH = 14;
const ETHER_TYPE = 12;
const TAG_LENGTH = 4;
const MAX_TAGS = 2;
const VLAN_ID_MASK = 0x0fff;
/** The first four and the last two bytes of 01:80:c2:00:00:0x. */
const LINK_LOCAL_HIGH = 0x0180c200;
const LINK_LOCAL_LOW_MAX = 0x000f;

/**
 * Reads the link header: tags, EtherType, and `ipOffset`, which here means the first byte after the header.
 * @returns Ip when a payload follows, whatever its EtherType; else LinkLocal, FrameTooShort or VlanTooDeep
 */
export function readEthernet(
  view: DataView,
  offset: number,
  length: number,
  packet: Packet,
): DecodeCode {
  if (length < HEADER_LENGTH) return FRAME_TOO_SHORT;
  const end = offset + length;
  let at = offset + ETHER_TYPE;
  let etherType = view.getUint16(at);
  if (
    view.getInt32(offset) === LINK_LOCAL_HIGH &&
    view.getUint16(offset + 4) <= LINK_LOCAL_LOW_MAX
  ) {
    packet.etherType = etherType;
    return LINK_LOCAL;
  }
  while (isTag(etherType)) {
    if (packet.vlanCount === MAX_TAGS) return VLAN_TOO_DEEP;
    if (at + TAG_LENGTH + 2 > end) return FRAME_TOO_SHORT;
    const vlan = view.getUint16(at + 2) & VLAN_ID_MASK;
    if (packet.vlanCount === 0) packet.vlanOuter = vlan;
    else packet.vlanInner = vlan;
    packet.vlanCount++;
    at += TAG_LENGTH;
    etherType = view.getUint16(at);
  }
  packet.etherType = etherType;
  packet.ipOffset = at + 2;
  return IP;
}

/** 802.1Q, 802.1ad, and the number that older equipment uses for the outer tag. */
function isTag(etherType: number): boolean {
  return etherType === 0x8100 || etherType === 0x88a8 || etherType === 0x9100;
}
