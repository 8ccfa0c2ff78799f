/**
 * Names of link types, for the messages about captures that are not Ethernet.
 * Source: tcpdump.org/linktypes.html. Only those an operator is likely to meet are named.
 */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'BSD loopback (NULL)'],
  [1, 'Ethernet'],
  [6, 'Token Ring (IEEE 802.5)'],
  [7, 'ARCNET'],
  [8, 'SLIP'],
  [9, 'PPP'],
  [10, 'FDDI'],
  [12, 'raw IP (RAW)'],
  [14, 'raw IP (RAW)'],
  [50, 'PPP in HDLC framing'],
  [51, 'PPP over Ethernet'],
  [101, 'raw IP (RAW)'],
  [104, 'Cisco HDLC'],
  [105, 'IEEE 802.11'],
  [107, 'Frame Relay'],
  [108, 'OpenBSD loopback (LOOP)'],
  [113, 'Linux cooked capture (SLL)'],
  [117, 'OpenBSD pflog'],
  [119, 'IEEE 802.11 with Prism header'],
  [127, 'IEEE 802.11 with radiotap header'],
  [147, 'private use (USER0)'],
  [162, 'private use (USER15)'],
  [187, 'Bluetooth HCI (H4)'],
  [189, 'Linux USB'],
  [192, 'per-packet information (PPI)'],
  [195, 'IEEE 802.15.4'],
  [220, 'Linux USB with padding'],
  [227, 'SocketCAN'],
  [228, 'raw IPv4'],
  [229, 'raw IPv6'],
  [239, 'NFLOG'],
  [240, 'NetAnalyzer'],
  [253, 'netlink'],
  [258, 'Apple pktap'],
  [276, 'Linux cooked capture v2 (SLL2)'],
]);

/** For example `link type 113, Linux cooked capture (SLL)`; only the number where the name is not known. */
export function linkTypeName(linkType: number): string {
  const name = NAMES.get(linkType);
  return name === undefined ? `link type ${linkType}` : `link type ${linkType}, ${name}`;
}
