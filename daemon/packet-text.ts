/**
 * Packet fields as text, for the outputs that show single packets. Numbers only: nothing a packet carries is
 * printed as it came.
 */
import { IpProtocol, type Packet } from '../src/capture/packet.ts';
import { type AddressWords, ipv6OfWords } from '../src/engine/address-set.ts';
import { formatIpv4, formatIpv6 } from '../src/policy/address.ts';

const NAMES: ReadonlyMap<number, string> = new Map([
  [IpProtocol.Icmp, 'ICMP'],
  [IpProtocol.Igmp, 'IGMP'],
  [IpProtocol.Tcp, 'TCP'],
  [IpProtocol.Udp, 'UDP'],
  [IpProtocol.Esp, 'ESP'],
  [IpProtocol.Ah, 'AH'],
  [IpProtocol.Icmpv6, 'ICMPv6'],
]);

/** Name of an IP protocol number, or the number. */
export function ipProtocolName(protocol: number): string {
  return NAMES.get(protocol) ?? String(protocol);
}

/** One address from its four words; `isIpv4` says that only the last counts. */
export function formatWords(isIpv4: boolean, words: Readonly<AddressWords>): string {
  return isIpv4 ? formatIpv4(words[3] >>> 0) : formatIpv6(ipv6OfWords(words));
}

/** `10.0.1.4:80`, `[fd00::4]:80`, or the address alone. */
export function formatEndpoint(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function packetEndpoints(packet: Packet): { source: string; destination: string } {
  const isIpv4 = packet.ipVersion === 4;
  const source = formatWords(isIpv4, [packet.src0, packet.src1, packet.src2, packet.src3]);
  const destination = formatWords(isIpv4, [packet.dst0, packet.dst1, packet.dst2, packet.dst3]);
  return {
    source: formatEndpoint(source, packet.hasPorts ? packet.srcPort : undefined),
    destination: formatEndpoint(destination, packet.hasPorts ? packet.dstPort : undefined),
  };
}
