/**
 * The oracle of the matcher: try every rule in order. As simple as it can be, so that it can be believed.
 */
import type { Packet } from '../../src/capture/packet.ts';
import { hasIpv4, hasIpv6 } from '../../src/engine/address-set.ts';
import { ANY_PROTOCOL, type PortMatch, type Rule } from '../../src/engine/rule.ts';

function ipv6Address(words: readonly number[]): bigint {
  return words.reduce((address, word) => (address << 32n) | BigInt(word >>> 0), 0n);
}

function hasPort(ports: PortMatch, packet: Packet, port: number): boolean {
  if (ports === 'any') return true;
  return packet.hasPorts && ports.some(({ low, high }) => low <= port && port <= high);
}

function hasService(rule: Rule, protocol: number, packet: Packet): boolean {
  return (
    (protocol === ANY_PROTOCOL || protocol === packet.protocol) &&
    hasPort(rule.sourcePorts, packet, packet.srcPort) &&
    hasPort(rule.destinationPorts, packet, packet.dstPort)
  );
}

/** Index of the first rule that the packet matches, or -1. */
export function linearMatch(rules: readonly Rule[], packet: Packet): number {
  if (packet.ipVersion === 4) {
    return rules.findIndex(
      (rule) =>
        hasService(rule, rule.protocol.ipv4, packet) &&
        hasIpv4(rule.source, packet.src3 >>> 0) &&
        hasIpv4(rule.destination, packet.dst3 >>> 0),
    );
  }
  if (packet.ipVersion === 6) {
    const source = ipv6Address([packet.src0, packet.src1, packet.src2, packet.src3]);
    const destination = ipv6Address([packet.dst0, packet.dst1, packet.dst2, packet.dst3]);
    return rules.findIndex(
      (rule) =>
        hasService(rule, rule.protocol.ipv6, packet) &&
        hasIpv6(rule.source, source) &&
        hasIpv6(rule.destination, destination),
    );
  }
  return -1;
}
