/**
 * Counters: every slot is its own, and the numbers fit the names.
 */
import { describe, expect, test } from 'vitest';
import { decodeCodeNames } from '../../src/capture/decode.ts';
import {
  BatchHistogram,
  Counters,
  flowProtocolNames,
  HISTOGRAM_BUCKETS,
  InterfaceCounter,
  MAX_NICS,
  MAX_RULE_SLOTS,
  RuleCounter,
} from '../../src/engine/counters.ts';
import {
  FIRST_DROP,
  FIRST_MALFORMED,
  FIRST_UNFIT_CODE,
  Reason,
  REASON_LIMIT,
  reasonNames,
} from '../../src/engine/reason.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';

function fresh(): Counters {
  return new Counters(new ArrayBuffer(Counters.bytes));
}

describe('Counters', () => {
  test('no two counters share a slot', () => {
    const buffer = new ArrayBuffer(Counters.bytes);
    const counters = new Counters(buffer);
    let expected = 0;
    for (const side of [0, 1]) {
      for (const counter of Object.values(InterfaceCounter)) {
        counters.addInterface(side, counter, 1);
        expected++;
      }
      for (let reason = 0; reason < REASON_LIMIT; reason++) {
        counters.addReason(side, reason, 1);
        expected += 2;
      }
      for (const nic of [0, 1, MAX_NICS - 1]) {
        for (const access of [0, 1]) {
          counters.addNic(nic, side, access, 1);
          expected += 2;
        }
      }
    }
    for (const slot of [0, 1, MAX_RULE_SLOTS - 1]) {
      counters.addRuleHit(slot);
      counters.addRulePacket(slot, 1);
      expected += 3;
    }
    for (const histogram of Object.values(BatchHistogram)) {
      for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        // Only the bucket counts 1: the sums are told apart below.
        counters.addBatch(histogram, 2 ** bucket);
        expected++;
      }
    }
    for (const protocol of [1, 6, 17, 47, 58]) {
      counters.addFlow(protocol);
      expected++;
    }
    const values = new Float64Array(buffer);
    const all = 2 ** HISTOGRAM_BUCKETS - 1;
    expect(values.filter((value) => value === all).length).toBe(2);
    for (const [at, value] of values.entries()) if (value === all) values[at] = 0;
    expect(values.filter((value) => value === 1).length).toBe(expected);
    expect(values.reduce((sum, value) => sum + value, 0)).toBe(expected);
  });

  test.each([
    [0, 0],
    [1, 0],
    [1.5, 1],
    [2, 1],
    [2.1, 2],
    [3, 2],
    [4, 2],
    [5, 3],
    [64, 6],
    [65, 7],
    [8192, 13],
    [2 ** 14, 14],
    [2 ** 14 + 1, 15],
    [2 ** 31 - 1, 15],
  ])(
    'a batch of %d is in bucket %d: of at most 2 to that power, and in no other',
    (value, bucket) => {
      const counters = fresh();
      counters.addBatch(BatchHistogram.Waiting, value);
      const counts = Array.from({ length: HISTOGRAM_BUCKETS }, (_, n) =>
        counters.batchBucket(BatchHistogram.Waiting, n),
      );
      expect(counts).toEqual(counts.map((_, n) => (n === bucket ? 1 : 0)));
      expect(counters.batchSum(BatchHistogram.Waiting)).toBe(value);
      expect(counters.batchSum(BatchHistogram.Microseconds)).toBe(0);
    },
  );

  test.each([
    [6, 'tcp'],
    [17, 'udp'],
    [1, 'icmp'],
    [58, 'icmpv6'],
    [0, 'other'],
    [132, 'other'],
    [255, 'other'],
  ])('a flow of protocol %d counts as %s', (protocol, name) => {
    const counters = fresh();
    counters.addFlow(protocol);
    expect(flowProtocolNames.map((_, slot) => counters.flowsOpened(slot))).toEqual(
      flowProtocolNames.map((each) => (each === name ? 1 : 0)),
    );
  });

  test('what was added is what is read', () => {
    const counters = fresh();
    counters.addInterface(1, InterfaceCounter.BytesOut, 1500);
    counters.addInterface(1, InterfaceCounter.BytesOut, 60);
    counters.addReason(0, Reason.RuleDeny, 60);
    counters.addReason(0, Reason.RuleDeny, 40);
    counters.addNic(3, 1, 0, 99);
    counters.addRuleHit(7);
    counters.addRulePacket(7, 1000);
    counters.addRulePacket(7, 1000);
    expect(counters.interface(1, InterfaceCounter.BytesOut)).toBe(1560);
    expect([
      counters.reasonFrames(0, Reason.RuleDeny),
      counters.reasonBytes(0, Reason.RuleDeny),
    ]).toEqual([2, 100]);
    expect([
      counters.nicPackets(3, 1, 0),
      counters.nicBytes(3, 1, 0),
      counters.nicPackets(3, 1, 1),
    ]).toEqual([1, 99, 0]);
    expect(
      [RuleCounter.Hits, RuleCounter.Packets, RuleCounter.Bytes].map((counter) =>
        counters.rule(7, counter),
      ),
    ).toEqual([1, 2, 2000]);
  });

  test('clearing a rule clears that rule', () => {
    const counters = fresh();
    for (const slot of [6, 7, 8]) counters.addRulePacket(slot, 10);
    counters.clearRule(7);
    expect([6, 7, 8].map((slot) => counters.rule(slot, RuleCounter.Bytes))).toEqual([10, 0, 10]);
  });

  test('counts stay exact far beyond 32 bits', () => {
    const counters = fresh();
    counters.addInterface(0, InterfaceCounter.BytesIn, 2 ** 52);
    counters.addInterface(0, InterfaceCounter.BytesIn, 1);
    expect(counters.interface(0, InterfaceCounter.BytesIn)).toBe(2 ** 52 + 1);
  });

  test('another view of the segment reads the same numbers', () => {
    const buffer = new ArrayBuffer(Counters.bytes);
    new Counters(buffer).addReason(1, Reason.Flow, 7);
    expect(new Counters(buffer).reasonBytes(1, Reason.Flow)).toBe(7);
  });

  test('adding allocates nothing', () => {
    const counters = fresh();
    const bytes = bytesPerCall((i) => {
      counters.addReason(i & 1, i % 40, 1500);
      counters.addNic(i & 3, i & 1, 1, 1500);
      counters.addRulePacket(i & 255, 1500);
    }, 100_000);
    expect(bytes).toBeLessThan(0.5);
  });
});

describe('reasons', () => {
  test('every reason has a name, all different, fit for a label', () => {
    for (const [key, reason] of Object.entries(Reason)) {
      expect(reasonNames[reason]).toBe(
        key.replaceAll(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase(),
      );
    }
    expect(new Set(reasonNames).size).toBe(reasonNames.length);
    for (const name of reasonNames) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  });

  test('every decode code that is a fault has its reason', () => {
    for (let code = FIRST_UNFIT_CODE; code < decodeCodeNames.length; code++) {
      expect(reasonNames[FIRST_MALFORMED + code - FIRST_UNFIT_CODE]).toBe(decodeCodeNames[code]);
    }
    expect(reasonNames.length).toBeLessThanOrEqual(REASON_LIMIT);
  });

  test('forwarding reasons are those below FIRST_DROP', () => {
    const forwarding = Object.entries(Reason)
      .filter(([, reason]) => reason < FIRST_DROP)
      .map(([name]) => name);
    expect(forwarding).toEqual([
      'Flow',
      'Rule',
      'Platform',
      'Link',
      'Related',
      'Fragment',
      'EtherType',
      'LinkLocal',
    ]);
  });
});
