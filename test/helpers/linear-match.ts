/**
 * The oracle of the matcher: try every rule in order. As simple as it can be, so that it can be believed.
 */
import { hasIpv4, hasIpv6, type AddressSet } from '../../src/engine/address-set.ts';
import { ANY_PROTOCOL, type PortMatch, type Rule } from '../../src/engine/rule.ts';
import type { Packet } from '../../src/capture/packet.ts';

function hasAddress(set: AddressSet, version: number, words: readonly number[]): boolean {
  if (version === 4) return hasIpv4(set, (words[3] ?? 0) >>> 0);
  const address = words.reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n);
  return hasIpv6(set, address);
}

function hasPort(ports: PortMatch, packet: Packet, port: number): boolean {
  if (ports === 'any') return true;
  return packet.hasPorts && ports.some(({ low, high }) => low <= port && port <= high);
}

/** True when the packet, which must be an IP packet, satisfies every condition of the rule. */
export function matchesRule(rule: Rule, packet: Packet): boolean {
  const protocol = packet.ipVersion === 4 ? rule.protocol.ipv4 : rule.protocol.ipv6;
  return (
    (protocol === ANY_PROTOCOL || protocol === packet.protocol) &&
    hasPort(rule.sourcePorts, packet, packet.srcPort) &&
    hasPort(rule.destinationPorts, packet, packet.dstPort) &&
    hasAddress(rule.source, packet.ipVersion, [
      packet.src0,
      packet.src1,
      packet.src2,
      packet.src3,
    ]) &&
    hasAddress(rule.destination, packet.ipVersion, [
      packet.dst0,
      packet.dst1,
      packet.dst2,
      packet.dst3,
    ])
  );
}

/** Index of the first rule that the packet matches, or -1. */
export function linearMatch(rules: readonly Rule[], packet: Packet): number {
  if (packet.ipVersion === 0) return -1;
  return rules.findIndex((rule) => matchesRule(rule, packet));
}
