/**
 * The series of a page: which there are, that they are bounded whatever the policy, and that they go when their rule goes.
 */
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../daemon/metrics-registry.ts';
import { NIC_SERIES_MAX, OTHER, RULE_SERIES_MAX } from '../../daemon/metrics-readers.ts';
import { hashOfRules } from '../../daemon/rules-hash.ts';
import { countedRules } from '../../daemon/wire-view.ts';
import { BatchHistogram } from '../../src/engine/counters.ts';
import type { Policy } from '../../src/engine/policy.ts';
import {
  addresses,
  allow,
  deny,
  engineNic,
  enginePolicy,
  NO_CHAIN,
  ruleList,
} from '../helpers/engine-policy.ts';
import { MemoryWire, metricsSource } from '../helpers/metrics-source.ts';
import { promtool, runPromtool } from '../helpers/prometheus.ts';

/** Both directions have so many rules each; outbound ones deny. */
function policyOf(rules: number, nics = 1): Policy {
  const names = Array.from({ length: rules }, (_, n) => `r${n}`);
  const chain = (list: number) => ({ ...NO_CHAIN, stages: [list, -1] as const });
  return enginePolicy(
    Array.from({ length: nics }, (_, n) =>
      engineNic(`vm${n}`, {
        addresses: addresses([0x0a00_0001 + n]),
        inbound: chain(0),
        outbound: chain(1),
      }),
    ),
    [
      ruleList(
        'nsg',
        0,
        names.map((name) => allow(`${name}in`)),
      ),
      ruleList(
        'nsg',
        1,
        names.map((name) => deny(`${name}out`)),
      ),
    ],
  );
}

/** A page, and its samples by name and labels as printed. */
async function scrape(
  wire: MemoryWire,
  policy: Policy,
): Promise<{ text: string; samples: Map<string, number> }> {
  const text = await createMetrics(metricsSource(wire, policy)).metrics();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const samples = new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
  expect(samples.size).toBe(lines.length);
  return { text, samples };
}

function enforced(policy: Policy): MemoryWire {
  const wire = new MemoryWire();
  wire.enforce(policy);
  return wire;
}

describe('the series of a page', () => {
  test.skipIf(promtool === undefined)('promtool has no complaint', async () => {
    const policy = policyOf(3);
    const { text } = await scrape(enforced(policy), policy);
    expect(runPromtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
  });

  test('every rule has its own, up to the bound', async () => {
    const policy = policyOf(RULE_SERIES_MAX / 2);
    const { samples } = await scrape(enforced(policy), policy);
    const rules = [...samples.keys()].filter((series) =>
      series.startsWith('nsgd_rule_hits_total{'),
    );
    expect(rules).toHaveLength(RULE_SERIES_MAX);
    expect(rules.some((series) => series.includes(OTHER))).toBe(false);
  });

  test('rules beyond the bound are added up by direction and access', async () => {
    const beyond = 700;
    const policy = policyOf((RULE_SERIES_MAX + beyond) / 2);
    const wire = enforced(policy);
    for (const { slot } of countedRules(wire)) wire.counters.addRulePacket(slot, 100);
    const { samples } = await scrape(wire, policy);
    const rules = [...samples].filter(([series]) => series.startsWith('nsgd_rule_packets_total{'));
    expect(rules).toHaveLength(RULE_SERIES_MAX + 1);
    const other = `nsgd_rule_packets_total{wire="w0",network_security_group="${OTHER}",direction="outbound",rule="${OTHER}",access="deny"}`;
    expect(samples.get(other)).toBe(beyond);
    expect(samples.get(other.replace('packets', 'bytes'))).toBe(beyond * 100);
    expect(rules.reduce((sum, [, value]) => sum + value, 0)).toBe(RULE_SERIES_MAX + beyond);
  });

  test('network interfaces beyond the bound are added up', async () => {
    const policy = policyOf(1, NIC_SERIES_MAX + 50);
    const wire = enforced(policy);
    for (let nic = 0; nic < NIC_SERIES_MAX + 50; nic++) wire.counters.addNic(nic, 0, 1, 60);
    const { samples } = await scrape(wire, policy);
    const nics = [...samples.keys()].filter((series) =>
      series.startsWith('nsgd_network_interface_packets_total{'),
    );
    expect(nics).toHaveLength((NIC_SERIES_MAX + 1) * 4);
    expect(
      samples.get(
        `nsgd_network_interface_packets_total{wire="w0",network_interface="${OTHER}",direction="inbound",access="allow"}`,
      ),
    ).toBe(50);
  });

  test('those of a rule go with it, and the others keep their values', async () => {
    const wire = enforced(policyOf(3));
    wire.counters.addRuleHit(wire.slotOf('r0in'));
    wire.counters.addRuleHit(wire.slotOf('r2in'));
    const less = policyOf(2);
    wire.enforce(less);
    const { text, samples } = await scrape(wire, less);
    expect(text).not.toContain('securityRules/r2in');
    expect(
      samples.get(
        'nsgd_rule_hits_total{wire="w0",network_security_group="nsg",direction="inbound",rule="securityRules/r0in",access="allow"}',
      ),
    ).toBe(1);
    expect(samples.get('nsgd_rules{wire="w0"}')).toBe(4);
  });

  test('a histogram counts what is at most its bound, in base units', async () => {
    const policy = policyOf(1);
    const wire = enforced(policy);
    for (const frames of [1, 3, 64, 8000]) wire.counters.addBatch(BatchHistogram.Waiting, frames);
    for (const microseconds of [0.4, 3.5, 40_000]) {
      wire.counters.addBatch(BatchHistogram.Microseconds, microseconds);
    }
    const { samples } = await scrape(wire, policy);
    const bucket = (name: string, le: string) =>
      samples.get(`${name}_bucket{wire="w0",le="${le}"}`);
    const waiting = 'nsgd_receive_ring_waiting_frames';
    const bounds = ['1', '2', '4', '32', '64', '4096', '8192', '16384', '+Inf'];
    expect(bounds.map((le) => bucket(waiting, le))).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 4]);
    expect(samples.get(`${waiting}_count{wire="w0"}`)).toBe(4);
    expect(samples.get(`${waiting}_sum{wire="w0"}`)).toBe(8068);
    const seconds = 'nsgd_batch_processing_seconds';
    expect(
      ['0.000001', '0.000002', '0.000004', '0.016384', '+Inf'].map((le) => bucket(seconds, le)),
    ).toEqual([1, 1, 2, 2, 3]);
    expect(samples.get(`${seconds}_sum{wire="w0"}`)).toBeCloseTo(0.0400039, 7);
  });

  test('flows that were made are told apart by protocol', async () => {
    const policy = policyOf(1);
    const wire = enforced(policy);
    for (const protocol of [6, 6, 17, 132]) wire.counters.addFlow(protocol);
    const { samples } = await scrape(wire, policy);
    const opened = ['tcp', 'udp', 'icmp', 'icmpv6', 'other'].map((protocol) =>
      samples.get(`nsgd_flows_opened_total{wire="w0",protocol="${protocol}"}`),
    );
    expect(opened).toEqual([2, 1, 0, 0, 1]);
  });

  test('a backend without receive rings has no series of them', async () => {
    const policy = policyOf(1);
    const wire = Object.assign(enforced(policy), { ringSlots: [] });
    const { samples } = await scrape(wire, policy);
    expect([...samples.keys()].filter((series) => series.includes('ring_slots'))).toEqual([]);
  });
});

describe('the hash of the rules', () => {
  test('is that of equal rules on other machines, and of no others', () => {
    const hash = hashOfRules(policyOf(2));
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(hashOfRules(policyOf(2, 7))).toBe(hash);
    const [first, second] = policyOf(2).ruleLists;
    if (first === undefined || second === undefined) throw new Error('two lists are expected');
    const others = [
      policyOf(3),
      enginePolicy([], [second, first]),
      enginePolicy([], [{ ...first, rules: first.rules.toReversed() }, second]),
      enginePolicy([], [{ ...first, rules: [deny('r0in'), ...first.rules.slice(1)] }, second]),
      enginePolicy(
        [],
        [
          {
            ...first,
            rules: [allow('r0in', { source: addresses([], [1n << 64n]) }), ...first.rules.slice(1)],
          },
          second,
        ],
      ),
    ];
    expect(new Set([hash, ...others.map(hashOfRules)]).size).toBe(others.length + 1);
  });
});
