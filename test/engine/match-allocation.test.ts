/**
 * Matching allocates nothing: first look and from memory, IPv4 and IPv6, with and without a service table.
 */
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import { addressSet } from '../../src/engine/address-set.ts';
import { compileRules } from '../../src/engine/compile.ts';
import { matchRule } from '../../src/engine/match.ts';
import { RuleSet } from '../../src/engine/rule-set.ts';
import { Access, type Rule } from '../../src/engine/rule.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';

/** Hosts in the upper half of the address space, where unsigned numbers would be boxed. */
function hostRules(count: number, sourcePortCount: number): Rule[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `rule${index}`,
    priority: index,
    access: Access.Allow,
    protocol: { ipv4: 6, ipv6: 6 },
    source: addressSet(
      [[0xf000_0000 + index, 0xf000_0000 + index]],
      [[(0xfd00n << 112n) + BigInt(index), (0xfd00n << 112n) + BigInt(index)]],
    ),
    sourcePorts: [{ low: index % sourcePortCount, high: index % sourcePortCount }],
    destination: addressSet([[0, 0xffff_ffff]], [[0n, (1n << 128n) - 1n]]),
    destinationPorts: [{ low: index, high: index }],
  }));
}

describe('bytes per match', () => {
  test.each([
    ['short list, IPv4', 10, 2, 4],
    ['short list, IPv6', 10, 2, 6],
    ['list with a memo, IPv4', 1000, 2, 4],
    ['list with a memo, IPv6', 1000, 2, 6],
    ['list without a service table, IPv4', 1000, 1000, 4],
    ['list without a service table, IPv6', 1000, 1000, 6],
  ] as const)('%s', (_, count, sourcePortCount, version) => {
    const ruleSet = RuleSet.attach(compileRules(hostRules(count, sourcePortCount)), 0);
    const packet = new Packet();
    packet.ipVersion = version;
    packet.protocol = 6;
    packet.hasPorts = true;
    if (version === 6) packet.src0 = 0xfd00_0000 | 0;
    let matches = 0;
    const bytes = bytesPerCall((index) => {
      const rule = index % count;
      packet.src3 = version === 4 ? (0xf000_0000 + rule) | 0 : rule;
      packet.srcPort = rule % sourcePortCount;
      packet.dstPort = (index & 7) === 0 ? 65_535 : rule;
      if (matchRule(ruleSet, packet) === rule) matches++;
    });
    expect(matches).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(0.5);
  });
});
