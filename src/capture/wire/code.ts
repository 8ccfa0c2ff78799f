/**
 * DecodeCode: what the decoder says of a frame. Exported to the rest through `../decode.ts`; it stands here because
 * every header file returns it.
 *
 * Codes below 4 are kinds of good frames; from 4 up, one code per way a frame is unfit, and such a frame is dropped.
 */
export const DecodeCode = Object.freeze({
  /** An IP packet fit to be judged. */
  Ip: 0,
  /** ARP for IPv4 over Ethernet with the right lengths (RFC 826). */
  Arp: 1,
  /** Destination 01:80:c2:00:00:00 to 0f, never forwarded by a bridge (IEEE 802.1Q 8.6.3): STP, LLDP, pause, EAPOL. */
  LinkLocal: 2,
  /** Neither IP nor ARP; also an IEEE 802.3 length where the EtherType stands. */
  UnknownEtherType: 3,

  /** Ends inside the Ethernet header, a VLAN tag or the fixed part of the IP header. */
  FrameTooShort: 4,
  /** The IP length field claims more bytes than the frame has. */
  Truncated: 5,
  /** More than two VLAN tags. */
  VlanTooDeep: 6,
  /** ARP with other address types or lengths than Ethernet and IPv4, or cut short. */
  MalformedArp: 7,
  /** Version, IHL, or total length below the header length (RFC 791). */
  MalformedIpv4: 8,
  /** An IPv4 option with length 0 or 1, or beyond the header. */
  MalformedIpv4Options: 9,
  /** Loose or strict source route (RFC 7126 sections 4.3 and 4.4). */
  Ipv4SourceRoute: 10,
  /** Wrong IPv4 header checksum (RFC 1812 section 5.2.2). */
  BadIpv4Checksum: 11,
  /** Version, or an extension header or hop-by-hop option beyond the payload length (RFC 8200). */
  MalformedIpv6: 12,
  /** Jumbo payload option, or payload length 0 with a hop-by-hop header (RFC 2675). */
  Ipv6Jumbogram: 13,
  /** More than 8 extension headers, or an options header above 256 bytes (RFC 9288 and RFC 8504 allow limits). */
  ExtensionChainTooLong: 14,
  /** A hop-by-hop header that is not the first extension header (RFC 8200 section 4.1). */
  HopByHopNotFirst: 15,
  /** Routing header type 0 (RFC 5095). */
  RoutingType0: 16,
  /** More than one fragment header (CVE-2023-4809). */
  SeveralFragmentHeaders: 17,
  /** First fragment without the whole header chain and upper-layer header (RFC 1858 section 3, RFC 7112). */
  FragmentTiny: 18,
  /** TCP fragment at offset 8, which would overwrite the flags (RFC 1858 section 4, RFC 3128). */
  FragmentTcpHeader: 19,
  /** Fragment that ends beyond the largest datagram, 65535 bytes. */
  FragmentOversize: 20,
  /** No data, or not the last and no multiple of 8 bytes (RFC 791, RFC 8200 section 4.5). */
  FragmentLength: 21,
  /** Neighbour discovery, SEND or MLD with a fragment header, atomic or not (RFC 6980 section 5). */
  FragmentNeighborDiscovery: 22,
  /** TCP data offset below 5 or beyond the segment, or a segment below 20 bytes. */
  MalformedTcp: 23,
  /** Flags that no TCP sends: SYN with FIN or RST, RST with FIN, none of SYN, RST and ACK (RFC 9293 section 3.10.7). */
  ImpossibleTcpFlags: 24,
  /** UDP length below 8 or beyond the IP payload (RFC 768). */
  MalformedUdp: 25,
  /** ICMP or ICMPv6 below 8 bytes. */
  MalformedIcmp: 26,
  /** Fragmentation needed with an MTU of 1 to 67, packet too big below 1280 (RFC 791, RFC 8201 section 4). */
  IcmpMtuTooSmall: 27,
} as const);
export type DecodeCode = (typeof DecodeCode)[keyof typeof DecodeCode];

/** Name of each code, snake_case, by number: a closed set, fit for metric labels. */
export const decodeCodeNames: readonly string[] = Object.freeze([
  'ip',
  'arp',
  'link_local',
  'unknown_ether_type',
  'frame_too_short',
  'truncated',
  'vlan_too_deep',
  'malformed_arp',
  'malformed_ipv4',
  'malformed_ipv4_options',
  'ipv4_source_route',
  'bad_ipv4_checksum',
  'malformed_ipv6',
  'ipv6_jumbogram',
  'extension_chain_too_long',
  'hop_by_hop_not_first',
  'routing_type_0',
  'several_fragment_headers',
  'fragment_tiny',
  'fragment_tcp_header',
  'fragment_oversize',
  'fragment_length',
  'fragment_neighbor_discovery',
  'malformed_tcp',
  'impossible_tcp_flags',
  'malformed_udp',
  'malformed_icmp',
  'icmp_mtu_too_small',
]);
