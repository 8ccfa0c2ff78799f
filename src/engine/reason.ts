/**
 * Why a frame was passed or dropped: one small integer per cause. The pipeline counts them, the names are joined
 * at scrape time. Reasons below `FIRST_DROP` forward the frame, all others drop it.
 */
import { decodeCodeNames } from '../capture/decode.ts';

export const Reason = Object.freeze({
  /** Belongs to a live flow. */
  Flow: 0,
  /** Allowed by the rules of every stage (or there is no NSG); a flow was made unless the traffic is stateless. */
  Rule: 1,
  /** Allowed by a platform rule. */
  Platform: 2,
  /** What a link needs: ARP, neighbour discovery, MLD, DHCP. */
  Link: 3,
  /** An ICMP error about a live flow. */
  Related: 4,
  /** A later fragment of a datagram whose first was allowed. */
  Fragment: 5,
  /** Another EtherType, passed by `unknownEtherType: pass`. */
  EtherType: 6,
  /** A link-local control frame, passed by `forwardLinkLocal: true`. */
  LinkLocal: 7,

  /** Denied by a rule of an NSG. */
  RuleDeny: 8,
  /** Denied by a platform rule. */
  PlatformDeny: 9,
  /** The local address belongs to no NIC of the wire (anti-spoofing). */
  UnknownAddress: 10,
  /** Source or destination that no packet on a wire may have (RFC 1812 5.3.7, RFC 6890), or LAND. */
  Martian: 11,
  /** TCP or UDP port 0 (RFC 6335 section 6). */
  PortZero: 12,
  /** TCP without a flow that is not a plain SYN. */
  TcpNoFlow: 13,
  /** A TCP segment that its flow's state does not allow. */
  TcpInvalid: 14,
  /** An ICMP error that quotes no live flow, or an echo reply without a request. */
  IcmpNoFlow: 15,
  /** Neighbour discovery or MLD that fails its hop-limit check, or with another source (RFC 4861, RFC 2710). */
  NeighborInvalid: 16,
  /** The flow table is full of established flows. */
  TableFull: 17,
  /** A later fragment whose first was not seen. */
  FragmentUnknown: 18,
  /** A later fragment of a datagram whose first was denied. */
  FragmentDeny: 19,
  /** Overlapping fragments (RFC 5722), or more of them than are tracked. */
  FragmentInvalid: 20,
  /** Larger than the MTU of the wire: an offload is on somewhere. */
  Oversize: 21,
  /** EtherType that is neither IP nor ARP. */
  UnknownEtherType: 22,
  /** Link-local control frame: STP, LLDP, pause, 802.1X. */
  LinkLocalControl: 23,
  /** From a capture whose link type is not Ethernet. */
  UnsupportedLinkType: 24,
  /** Decode codes of unfit frames follow: `FIRST_MALFORMED` + (code - `FIRST_UNFIT_CODE`). */
} as const);

export const FIRST_DROP = 8;
export const FIRST_MALFORMED = 25;
/** The first decode code that means "unfit"; those below are kinds of good frames. */
export const FIRST_UNFIT_CODE = 4;
/** Bound of every reason; sizes the counters. */
export const REASON_LIMIT = 96;

const names = [
  'flow',
  'rule',
  'platform',
  'link',
  'related',
  'fragment',
  'ether_type',
  'link_local',
  'rule_deny',
  'platform_deny',
  'unknown_address',
  'martian',
  'port_zero',
  'tcp_no_flow',
  'tcp_invalid',
  'icmp_no_flow',
  'neighbor_invalid',
  'table_full',
  'fragment_unknown',
  'fragment_deny',
  'fragment_invalid',
  'oversize',
  'unknown_ether_type',
  'link_local_control',
  'unsupported_link_type',
];

/** Name of each reason, snake_case, by number: the closed set that labels metrics. */
export const reasonNames: readonly string[] = [
  ...names,
  ...decodeCodeNames.slice(FIRST_UNFIT_CODE),
];

if (names.length !== FIRST_MALFORMED || reasonNames.length > REASON_LIMIT) {
  throw new Error('reason.ts: names and numbers disagree');
}
