import { describe, expect, test } from 'vitest';

import { type Sample, topPage } from '../../daemon/commands/top.ts';
import type { DaemonStatus, FlowStatus, RuleStatus } from '../../daemon/status.ts';

const flow = (local: string, bytesIn: number, state = 'ESTABLISHED'): FlowStatus => ({
  wire: 'w',
  protocol: 'TCP',
  direction: 'Inbound',
  local,
  remote: '203.0.113.9:4000',
  vlans: [],
  state,
  idleSeconds: 0,
  packetsOut: 0,
  bytesOut: 0,
  packetsIn: 1,
  bytesIn,
  rules: [],
  generation: 1,
});

const rule = (ruleName: string, packets: number): RuleStatus => ({
  wire: 'w',
  networkSecurityGroup: 'NSG1',
  direction: 'Inbound',
  priority: 100,
  ruleName,
  access: 'Allow',
  hits: packets,
  packets,
  bytes: packets * 100,
});

function sample(at: number, framesIn: number, more: Partial<Sample> = {}): Sample {
  const counters = { bytesIn: framesIn * 1000, framesOut: 0, bytesOut: 0, sendErrors: 0 };
  const zeros = { kernelDrops: 0, receiveRingFull: 0, invalidDescriptors: 0 };
  const unknown = { ringSlots: null, device: null };
  const status: DaemonStatus = {
    version: '1',
    processId: 1,
    uptimeSeconds: 12.5,
    configuration: 'x',
    isReady: true,
    notReadyReasons: [],
    warnings: [],
    isLastReloadSuccessful: true,
    lastReloadSuccess: '',
    candidate: null,
    wires: [
      {
        name: 'w',
        mode: 'inline',
        backend: 'af-xdp',
        state: 'running',
        isReady: true,
        processId: 2,
        restarts: 0,
        wantedGeneration: 1,
        activeGeneration: 1,
        flows: { live: 7, limit: 100 },
        events: [],
        interfaces: [
          {
            name: 'eth0',
            side: 'outside',
            isUp: true,
            framesIn,
            ...counters,
            ...zeros,
            ...unknown,
          },
        ],
        reasons: [
          { reason: 'rule_deny', access: 'Deny', inbound: framesIn / 10, outbound: 0 },
          { reason: 'martian', access: 'Deny', inbound: 5, outbound: 0 },
        ],
      },
    ],
  };
  return { at, status, rules: [], flows: [], ...more };
}

describe('a page', () => {
  test('shows what happened between two samples, per second', () => {
    const page = topPage(sample(1000, 1000), sample(3000, 5000));
    expect(page.slice(0, 4)).toEqual([
      'nsgd 1, up 12 s, ready',
      '',
      'wire w (inline, af-xdp): running, generation 1, 7 of 100 flows',
      'INTERFACE  SIDE     LINK  IN/S   BIT/S  OUT/S  BIT/S  KERNEL DROPS/S',
    ]);
    expect(page[4]).toMatch(/^eth0 {7}outside {2}up {4}2\.00k {2}16\.0M {2}0 {6}0 {6}0$/);
    // Of the reasons only the one that counted up.
    expect(page.filter((line) => /rule_deny|martian/.test(line))).toEqual([
      'rule_deny  Deny    200        0',
    ]);
  });

  test('has the busiest ten rules and flows first, and no idle ones', () => {
    const numbers = Array.from({ length: 30 }, (_, index) => index);
    const before = sample(0, 0, {
      rules: numbers.map((n) => rule(`r${n}`, 0)),
      flows: numbers.map((n) => flow(`10.0.0.${n}:80`, 1000)),
    });
    const now = sample(1000, 0, {
      rules: numbers.map((n) => rule(`r${n}`, n < 20 ? n : 0)),
      flows: numbers.map((n) => flow(`10.0.0.${n}:80`, 1000 + n * 125)),
    });
    const page = topPage(before, now);
    const rules = page.flatMap((line) => /NSG1 .* (r\d+) /.exec(line)?.[1] ?? []);
    expect(rules).toEqual([19, 18, 17, 16, 15, 14, 13, 12, 11, 10].map((n) => `r${n}`));
    const flows = page.flatMap((line) => /10\.0\.0\.(\d+):80/.exec(line)?.[1] ?? []);
    expect(flows).toEqual(['29', '28', '27', '26', '25', '24', '23', '22', '21', '20']);
    expect(page.find((line) => line.includes('10.0.0.29:80'))).toMatch(/ 4\.63k {2}29\.0k$/);
  });

  test('a counter that went back, as after a restart, counts from nothing', () => {
    expect(topPage(sample(0, 1_000_000), sample(1000, 500))[4]).toMatch(/ 500 /);
  });

  test('of a flow that it sees for the first time it knows no rate', () => {
    const now = sample(1000, 0, { flows: [flow('10.0.0.4:80', 10_000)] });
    expect(topPage(sample(0, 0), now).join('\n')).not.toContain('10.0.0.4:80');
  });

  test('nothing in it moves the cursor', () => {
    const wires = sample(0, 0).status.wires.map((wire) => ({ ...wire, state: 'failed \u001b[2J' }));
    const now = sample(1000, 0);
    const page = topPage(sample(0, 0), { ...now, status: { ...now.status, wires } });
    // oxlint-disable-next-line no-control-regex -- that there are none
    expect(page.join('')).not.toMatch(/[\u0000-\u001f]/);
  });
});
