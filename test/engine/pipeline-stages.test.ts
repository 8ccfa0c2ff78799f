/**
 * The rules of a packet without a flow: platform, then the two stages of its direction, all of which must allow.
 */
import { describe, expect, test } from 'vitest';
import {
  ALLOW_ALL,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  tcp,
  udp,
} from '../helpers/pipeline-rig.ts';
import type { FrameSpec } from '../helpers/frames.ts';

const allowIn = 'AllowIn 100 Inbound Allow Tcp * * * 80';
const denyIn = 'DenyIn 100 Inbound Deny Tcp * * * 80';
const allowOut = 'AllowOut 100 Outbound Allow Tcp * * * 443';
const denyOut = 'DenyOut 100 Outbound Deny Tcp * * * 443';
const syn = tcp(`${REMOTE}:50000`, `${LOCAL}:80`, 'S');
const synOut = tcp(`${LOCAL}:50000`, `${REMOTE}:443`, 'S');

type Row = readonly [
  name: string,
  policy: RigPolicy,
  direction: 'in' | 'out',
  frame: FrameSpec,
  reason: string,
  decidedBy: string | undefined,
];

function judged(rig: PipelineRig, direction: 'in' | 'out', frame: FrameSpec): string {
  return direction === 'in' ? rig.inbound(frame) : rig.outbound(frame);
}

describe('stages', () => {
  const rows: readonly Row[] = [
    ['no group', {}, 'in', syn, 'rule', undefined],
    ['no group, out', {}, 'out', synOut, 'rule', undefined],
    [
      'in: both allow, the NIC is asked last',
      { subnet: [allowIn], nic: [allowIn] },
      'in',
      syn,
      'rule',
      'NSG2/AllowIn',
    ],
    [
      'in: the subnet denies before the NIC is asked',
      { subnet: [denyIn], nic: [allowIn] },
      'in',
      syn,
      'rule_deny',
      'NSG1/DenyIn',
    ],
    [
      'in: the NIC denies what the subnet allows',
      { subnet: [allowIn], nic: [denyIn] },
      'in',
      syn,
      'rule_deny',
      'NSG2/DenyIn',
    ],
    [
      'in: both deny, the subnet is asked first',
      { subnet: [denyIn], nic: [denyIn] },
      'in',
      syn,
      'rule_deny',
      'NSG1/DenyIn',
    ],
    ['in: the subnet alone', { subnet: [allowIn] }, 'in', syn, 'rule', 'NSG1/AllowIn'],
    ['in: the NIC alone', { nic: [allowIn] }, 'in', syn, 'rule', 'NSG2/AllowIn'],
    [
      'in: default rules deny the Internet',
      { nic: [] },
      'in',
      syn,
      'rule_deny',
      'NSG2/DenyAllInBound',
    ],
    [
      'out: both allow, the subnet is asked last',
      { subnet: [allowOut], nic: [allowOut] },
      'out',
      synOut,
      'rule',
      'NSG1/AllowOut',
    ],
    [
      'out: the NIC denies before the subnet is asked',
      { subnet: [allowOut], nic: [denyOut] },
      'out',
      synOut,
      'rule_deny',
      'NSG2/DenyOut',
    ],
    [
      'out: the subnet denies what the NIC allows',
      { subnet: [denyOut], nic: [allowOut] },
      'out',
      synOut,
      'rule_deny',
      'NSG1/DenyOut',
    ],
    [
      'out: both deny, the NIC is asked first',
      { subnet: [denyOut], nic: [denyOut] },
      'out',
      synOut,
      'rule_deny',
      'NSG2/DenyOut',
    ],
    [
      'out: default rules allow the Internet',
      { nic: [] },
      'out',
      synOut,
      'rule',
      'NSG2/AllowInternetOutBound',
    ],
    [
      'in: default rules allow the virtual network',
      { nic: [] },
      'in',
      tcp('10.0.9.9:1', `${LOCAL}:22`, 'S'),
      'rule',
      'NSG2/AllowVnetInBound',
    ],
    [
      'in: the load balancer probes',
      { nic: [] },
      'in',
      tcp('168.63.129.16:5000', `${LOCAL}:80`, 'S'),
      'rule',
      'NSG2/AllowVnetInBound',
    ],
    [
      'IPv6 in, by the same rule',
      { nic: [allowIn] },
      'in',
      tcp(`[${REMOTE6}]:50000`, `[${LOCAL6}]:80`, 'S'),
      'rule',
      'NSG2/AllowIn',
    ],
    [
      'IPv6 in, default rules',
      { nic: [] },
      'in',
      tcp(`[${REMOTE6}]:50000`, `[${LOCAL6}]:80`, 'S'),
      'rule_deny',
      'NSG2/DenyAllInBound',
    ],
    [
      'an IPv4 any-prefix says nothing of IPv6',
      { nic: ['A 100 Inbound Allow Tcp 0.0.0.0/0 * * 80'] },
      'in',
      tcp(`[${REMOTE6}]:50000`, `[${LOCAL6}]:80`, 'S'),
      'rule_deny',
      'NSG2/DenyAllInBound',
    ],
  ];
  test.each(rows)('%s', (_name, policy, direction, frame, reason, decidedBy) => {
    const rig = new PipelineRig(policy);
    expect(judged(rig, direction, frame)).toBe(reason);
    expect(rig.decidedBy()).toBe(decidedBy);
  });

  test('the first match in priority order decides, not the order in the file', () => {
    const rig = new PipelineRig({
      nic: ['Later 200 Inbound Deny Tcp * * * 80', 'Sooner 150 Inbound Allow Tcp * * * 80'],
    });
    expect(rig.inbound(syn)).toBe('rule');
    expect(rig.decidedBy()).toBe('NSG2/Sooner');
  });

  test('a rule with ports does not match a protocol without ports', () => {
    const rig = new PipelineRig({ nic: ['A 100 Inbound Allow * * * * 80'] });
    expect(
      rig.inbound({
        ip: { src: REMOTE, dst: LOCAL, protocol: 132 },
        raw: [0, 80, 0, 80, 0, 0, 0, 0],
      }),
    ).toBe('rule_deny');
  });
});

describe('platform rules come before the stages', () => {
  const denyAllOut = { nic: ['DenyOut 100 Outbound Deny * * * * *'] };
  const dns = udp(`${LOCAL}:5353`, '168.63.129.16:53');
  const metadata = tcp(`${LOCAL}:5353`, '169.254.169.254:80', 'S');
  const smtp = tcp(`${LOCAL}:5353`, `${REMOTE}:25`, 'S');
  const rows: readonly Row[] = [
    [
      'platform DNS passes a deny-all',
      denyAllOut,
      'out',
      dns,
      'platform',
      'platform/AllowAzureDns',
    ],
    [
      'instance metadata passes a deny-all',
      denyAllOut,
      'out',
      metadata,
      'platform',
      'platform/AllowAzureInstanceMetadata',
    ],
    [
      'profile none: rules decide',
      { ...denyAllOut, settings: { platform: { profile: 'none' } } },
      'out',
      dns,
      'rule_deny',
      'NSG2/DenyOut',
    ],
    [
      'a deny rule with the tag takes it back',
      { nic: ['NoDns 100 Outbound Deny * * * AzurePlatformDNS *'] },
      'out',
      dns,
      'rule_deny',
      'NSG2/NoDns',
    ],
    [
      'port 25 is denied to a free trial',
      { ...ALLOW_ALL, settings: { subscription: { type: 'FreeTrial' } } },
      'out',
      smtp,
      'platform_deny',
      'platform/DenySmtpOutBound',
    ],
    [
      'port 25 is allowed when the subscription is unknown',
      ALLOW_ALL,
      'out',
      smtp,
      'rule',
      'NSG2/AllowOut',
    ],
    [
      'unicast DHCP renewal',
      denyAllOut,
      'out',
      udp(`${LOCAL}:68`, '10.0.1.1:67'),
      'platform',
      'platform/AllowDhcp',
    ],
  ];
  test.each(rows)('%s', (_name, policy, direction, frame, reason, decidedBy) => {
    const rig = new PipelineRig(policy);
    expect(judged(rig, direction, frame)).toBe(reason);
    expect(rig.decidedBy()).toBe(decidedBy);
  });

  test('the answer to a platform service needs no rule', () => {
    const rig = new PipelineRig({
      nic: ['DenyIn 100 Inbound Deny * * * * *', 'DenyOut 100 Outbound Deny * * * * *'],
    });
    expect(rig.outbound(dns)).toBe('platform');
    expect(rig.inbound(udp('168.63.129.16:53', `${LOCAL}:5353`))).toBe('flow');
    expect(rig.inbound(udp('168.63.129.16:53', `${LOCAL}:5354`))).toBe('rule_deny');
  });

  test('DHCP leaves no flow', () => {
    const rig = new PipelineRig(denyAllOut);
    expect(rig.outbound(udp(`${LOCAL}:68`, '10.0.1.1:67'))).toBe('platform');
    expect(rig.flows.size).toBe(0);
  });
});

describe('local addresses', () => {
  const syn1 = tcp(`${REMOTE}:50000`, `${LOCAL}:80`, 'S');
  test('an unknown local address is dropped in both directions, whatever the rules', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    expect(rig.inbound(tcp(`${REMOTE}:50000`, '10.0.1.5:80', 'S'))).toBe('unknown_address');
    expect(rig.outbound(tcp('10.0.1.5:50000', `${REMOTE}:80`, 'S'))).toBe('unknown_address');
    expect(rig.outbound(tcp(`${REMOTE}:50000`, `${LOCAL}:80`, 'S'))).toBe('unknown_address');
    expect(rig.inbound(tcp(`[${REMOTE6}]:50000`, '[fd00:db8:1::5]:80', 'S'))).toBe(
      'unknown_address',
    );
    expect(rig.pipeline.nic).toBe(-1);
    expect(rig.flows.size).toBe(0);
  });

  test('the local address picks the NIC, and its rules', () => {
    const rig = new PipelineRig({ nic: [], neighbour: ['10.0.1.5'] });
    expect(rig.inbound(syn1)).toBe('rule_deny');
    expect(rig.inbound(tcp(`${REMOTE}:50000`, '10.0.1.5:80', 'S'))).toBe('rule');
    expect(rig.counters.nicPackets(0, 0, 0)).toBe(1);
    expect(rig.counters.nicPackets(1, 0, 1)).toBe(1);
  });

  test('the only NIC of a wire, without addresses, takes every address', () => {
    const rig = new PipelineRig({ ...ALLOW_ALL, addresses: [] });
    expect(rig.inbound(tcp(`${REMOTE}:50000`, '10.9.9.9:80', 'S'))).toBe('rule');
    expect(rig.outbound(tcp('192.0.2.77:1', `${REMOTE}:80`, 'S'))).toBe('rule');
    expect(rig.inbound(tcp(`[${REMOTE6}]:50000`, '[2001:db8::77]:80', 'S'))).toBe('rule');
  });

  const groups: readonly (readonly [string, string, string])[] = [
    ['multicast', REMOTE, '224.0.0.251'],
    ['limited broadcast', '10.0.1.9', '255.255.255.255'],
    ['IPv6 multicast', REMOTE6, 'ff02::fb'],
  ];
  test.each(groups)(
    '%s inbound: the rules of the only NIC judge it, and it makes no flow',
    (_name, src, dst) => {
      const frame: FrameSpec = { ip: { src, dst }, udp: { srcPort: 5353, dstPort: 5353 } };
      const open = new PipelineRig(ALLOW_ALL);
      expect(open.inbound(frame)).toBe('rule');
      expect(open.flows.size).toBe(0);
      expect(new PipelineRig({ nic: ['No 100 Inbound Deny * * * * *'] }).inbound(frame)).toBe(
        'rule_deny',
      );
    },
  );

  test.each(groups)('%s inbound on a shared wire belongs to nobody', (_name, src, dst) => {
    const rig = new PipelineRig({ ...ALLOW_ALL, neighbour: ['10.0.1.5'] });
    expect(rig.inbound({ ip: { src, dst }, udp: { srcPort: 5353, dstPort: 5353 } })).toBe(
      'unknown_address',
    );
  });

  test('multicast outbound is judged by the rules and makes no flow', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    expect(rig.outbound(udp(`${LOCAL}:5353`, '224.0.0.251:5353'))).toBe('rule');
    expect(rig.flows.size).toBe(0);
    expect(rig.inbound(udp('224.0.0.251:5353', `${LOCAL}:5353`))).toBe('martian');
  });
});
