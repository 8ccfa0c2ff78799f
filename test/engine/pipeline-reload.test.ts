/**
 * Reload: a new policy between two frames. Flows go on as they were admitted, new ones meet the new rules, and
 * `flushConnection` judges the live ones again.
 */
import { describe, expect, test } from 'vitest';
import { buildFrame, buildIcmpError, type FrameSpec } from '../helpers/frames.ts';
import {
  LOCAL,
  PipelineRig,
  REMOTE,
  type RigPolicy,
  tcp,
  TcpConversation,
  udp,
  configurationText,
} from '../helpers/pipeline-rig.ts';
import { RuleCounter } from '../../src/engine/counters.ts';
import { compileImage, ruleSlotName } from '../../src/engine/policy-image-compile.ts';
import { loadGood } from '../helpers/load-text.ts';

const CLIENT = `${REMOTE}:50000`;
const SERVER = `${LOCAL}:80`;
const ALLOW_HTTP = 'AllowHttp 100 Inbound Allow Tcp * * * 80';
const ALLOW_SSH = 'AllowSsh 110 Inbound Allow Tcp * * * 22';
const ALLOW_DNS = 'AllowDns 120 Inbound Allow Udp * * * 53';
const DENY_OUT = 'DenyOut 100 Outbound Deny * * * * *';

function connected(policy: RigPolicy): { rig: PipelineRig; talk: TcpConversation } {
  const rig = new PipelineRig(policy);
  const talk = new TcpConversation(CLIENT, SERVER);
  expect(rig.inbound(talk.client('S'))).toBe('rule');
  expect(rig.outbound(talk.server('SA'))).toBe('flow');
  expect(rig.inbound(talk.client('A'))).toBe('flow');
  return { rig, talk };
}

describe('without flushConnection', () => {
  test('the rule removed: the connection goes on both ways, a new one is refused', () => {
    const { rig, talk } = connected({ nic: [ALLOW_HTTP] });
    rig.reload({ nic: [DENY_OUT] });
    expect(rig.inbound(talk.client('PA', 'more'))).toBe('flow');
    expect(rig.outbound(talk.server('PA', 'and more'))).toBe('flow');
    expect(rig.inbound(tcp(`${REMOTE}:50001`, SERVER, 'S'))).toBe('rule_deny');
  });

  test('the connection outlives many policies', () => {
    const { rig, talk } = connected({ nic: [ALLOW_HTTP] });
    for (let i = 0; i < 20; i++) {
      rig.reload({ nic: i % 2 === 0 ? [] : [ALLOW_SSH] });
      expect(rig.inbound(talk.client('PA', 'x'))).toBe('flow');
    }
  });

  test('once over, the same tuple meets the new rules', () => {
    const { rig, talk } = connected({ nic: [ALLOW_HTTP] });
    rig.reload({ nic: [] });
    expect(rig.inbound(talk.client('R'))).toBe('flow');
    expect(rig.inbound(tcp(CLIENT, SERVER, 'S', { sequence: 5 }))).toBe('rule_deny');
    expect(rig.flows.size).toBe(0);
  });

  test('a NIC that is gone takes its flows with it', () => {
    const { rig, talk } = connected({ nic: [ALLOW_HTTP], neighbour: ['10.0.1.5'] });
    rig.reload({ nic: [ALLOW_HTTP], addresses: ['10.0.1.5'] });
    expect(rig.inbound(talk.client('PA', 'x'))).toBe('unknown_address');
  });

  test('link settings are those of the new policy', () => {
    const rig = new PipelineRig({ nic: [ALLOW_HTTP] });
    expect(rig.inbound(tcp(CLIENT, SERVER, 'A'))).toBe('tcp_no_flow');
    rig.reload({ nic: [ALLOW_HTTP], settings: { tcp: { pickup: 'loose' } } });
    expect(rig.inbound(tcp(CLIENT, SERVER, 'A'))).toBe('rule');
  });
});

describe('with flushConnection', () => {
  const before: RigPolicy = { nic: [ALLOW_HTTP, ALLOW_DNS], flush: true };

  test('the rule removed: an ICMP error about the flow does not pass either', () => {
    const rig = new PipelineRig(before);
    const query = udp(`${REMOTE}:5000`, `${LOCAL}:53`);
    const unreachable = buildIcmpError({
      src: LOCAL,
      dst: REMOTE,
      type: 3,
      code: 3,
      quoted: buildFrame(query),
    });
    rig.inbound(query);
    expect(rig.outbound(unreachable)).toBe('related');
    rig.reload({ nic: [], flush: true });
    expect(rig.outbound(unreachable)).toBe('icmp_no_flow');
    expect(rig.flows.size).toBe(0);
  });

  test('the rule removed: the next packet of the connection is refused, whichever side sends it', () => {
    for (const side of ['client', 'server'] as const) {
      const { rig, talk } = connected(before);
      rig.reload({ nic: [], flush: true });
      const reason =
        side === 'client'
          ? rig.inbound(talk.client('PA', 'x'))
          : rig.outbound(talk.server('PA', 'x'));
      expect(reason).toBe('tcp_no_flow');
      expect(rig.flows.size).toBe(0);
    }
  });

  test('UDP: the reply is judged as what it then is, a packet of its own direction', () => {
    const rig = new PipelineRig(before);
    const reply: FrameSpec = udp(`${LOCAL}:53`, CLIENT);
    rig.inbound(udp(CLIENT, `${LOCAL}:53`));
    rig.reload({ nic: [DENY_OUT], flush: true });
    expect(rig.outbound(reply)).toBe('rule_deny');
    rig.reload({ nic: [], flush: true });
    expect(rig.outbound(reply)).toBe('rule');
    expect(rig.flows.opener(rig.pipeline.flow)).toBe(1);
  });

  test('still allowed: the connection goes on, also when its reply comes first', () => {
    const { rig, talk } = connected(before);
    rig.reload({ nic: [ALLOW_SSH, ALLOW_HTTP, DENY_OUT], flush: true });
    expect(rig.outbound(talk.server('PA', 'x'))).toBe('flow');
    expect(rig.flows.generation(rig.pipeline.flow)).toBe(2);
    expect(rig.inbound(talk.client('A'))).toBe('flow');
  });

  test('its packets count for the rule that admits it now', () => {
    const { rig, talk } = connected(before);
    const slot = rig.registry.rules.slotOf('NSG2|Inbound|securityRules/AllowHttp');
    const packets = (): number => rig.counters.rule(slot, RuleCounter.Packets);
    const counted = packets();
    rig.reload({ nic: ['AllowWeb 100 Inbound Allow Tcp * * * 80-90'], flush: true });
    expect(rig.inbound(talk.client('PA', 'x'))).toBe('flow');
    expect(rig.rule('NSG2|Inbound|securityRules/AllowWeb')).toMatchObject({ hits: 0, packets: 1 });
    expect([counted, packets()]).toEqual([3, 3]);
  });

  test('it is the new policy that says whether to flush', () => {
    const on = connected({ nic: [ALLOW_HTTP] });
    on.rig.reload({ nic: [], flush: true });
    expect(on.rig.inbound(on.talk.client('PA', 'x'))).toBe('tcp_no_flow');
    const off = connected(before);
    off.rig.reload({ nic: [] });
    expect(off.rig.inbound(off.talk.client('PA', 'x'))).toBe('flow');
  });

  test('a stage that is added is asked too', () => {
    const { rig, talk } = connected(before);
    rig.reload({ ...before, subnet: [] });
    expect(rig.inbound(talk.client('PA', 'x'))).toBe('tcp_no_flow');
  });
});

describe('counters over a reload', () => {
  test('a rule that keeps its group, direction and name keeps its count, wherever it moves', () => {
    const { rig, talk } = connected({ nic: [ALLOW_HTTP] });
    const before = rig.rule('NSG2|Inbound|securityRules/AllowHttp');
    expect(before).toMatchObject({ hits: 1, packets: 3 });
    rig.reload({
      nic: [ALLOW_DNS, ALLOW_HTTP.replace('100', '900'), ALLOW_SSH.replace('110', '105')],
    });
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp')).toEqual(before);
    rig.inbound(talk.client('PA', 'x'));
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp').packets).toBe(4);
    expect(rig.rule('NSG2|Inbound|securityRules/AllowSsh')).toEqual({
      hits: 0,
      packets: 0,
      bytes: 0,
    });
  });

  test('a rule of the same name in another group has a count of its own', () => {
    const rig = new PipelineRig({
      subnet: [ALLOW_HTTP],
      nic: [ALLOW_HTTP, 'AllowOut 100 Outbound Allow * * * * *'],
    });
    rig.inbound(tcp(CLIENT, SERVER, 'S'));
    expect(rig.rule('NSG1|Inbound|securityRules/AllowHttp').hits).toBe(1);
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp').hits).toBe(1);
    expect(rig.rule('NSG2|Outbound|securityRules/AllowOut').hits).toBe(0);
  });

  test('a rule named as a default rule does not count for it', () => {
    const rig = new PipelineRig({ nic: [ALLOW_HTTP.replace('AllowHttp', 'DenyAllInBound')] });
    rig.inbound(tcp(CLIENT, SERVER, 'S'));
    rig.inbound(tcp(CLIENT, `${LOCAL}:22`, 'S'));
    rig.inbound(tcp(CLIENT, `${LOCAL}:23`, 'S'));
    expect(rig.rule('NSG2|Inbound|securityRules/DenyAllInBound').hits).toBe(1);
    expect(rig.rule('NSG2|Inbound|defaultSecurityRules/DenyAllInBound').hits).toBe(2);
  });

  test('flows of a removed rule do not count for another', () => {
    const { rig, talk } = connected({ nic: [ALLOW_HTTP] });
    rig.reload({ nic: [ALLOW_SSH, ALLOW_DNS] });
    rig.inbound(talk.client('PA', 'x'));
    for (const list of rig.compiled.lists) {
      for (const rule of list.rules) {
        const name = ruleSlotName(list, rule);
        expect([name, rig.rule(name).packets]).toEqual([name, 0]);
      }
    }
  });

  test('compiling with a copy of the registry leaves the one in force alone', () => {
    const rig = new PipelineRig({ nic: [ALLOW_HTTP] });
    const { policy } = loadGood(configurationText({ nic: [ALLOW_SSH] }));
    compileImage(policy, policy.nics, 2, rig.registry.copy());
    expect(rig.registry.rules.slotOf('NSG2|Inbound|securityRules/AllowSsh')).toBe(-1);
    expect(
      rig.registry.rules.slotOf('NSG2|Inbound|securityRules/AllowHttp'),
    ).toBeGreaterThanOrEqual(0);
  });
});

describe('what is counted', () => {
  test('a hit for every stage that was asked; packets and bytes for the rule that decided', () => {
    const rig = new PipelineRig({ subnet: [ALLOW_HTTP], nic: [ALLOW_HTTP] });
    const talk = new TcpConversation(CLIENT, SERVER);
    rig.inbound(talk.client('S'));
    rig.outbound(talk.server('SA'));
    rig.inbound(talk.client('PA', 'hello'));
    expect(rig.rule('NSG1|Inbound|securityRules/AllowHttp')).toEqual({
      hits: 1,
      packets: 0,
      bytes: 0,
    });
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp')).toEqual({
      hits: 1,
      packets: 3,
      bytes: 54 + 54 + 59,
    });
  });

  test('a denial counts for the rule that denied, and the stage behind it is not asked', () => {
    const rig = new PipelineRig({ subnet: [], nic: [ALLOW_HTTP] });
    rig.inbound(tcp(CLIENT, SERVER, 'S'));
    rig.inbound(tcp(CLIENT, SERVER, 'S'));
    expect(rig.rule('NSG1|Inbound|defaultSecurityRules/DenyAllInBound')).toEqual({
      hits: 2,
      packets: 2,
      bytes: 108,
    });
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp').hits).toBe(0);
  });

  test('a platform rule too', () => {
    const rig = new PipelineRig({ nic: [DENY_OUT] });
    rig.outbound(udp(`${LOCAL}:5000`, '168.63.129.16:53'));
    rig.inbound(udp('168.63.129.16:53', `${LOCAL}:5000`));
    expect(rig.rule('platform|Outbound|platformRules/AllowAzureDns')).toMatchObject({
      hits: 1,
      packets: 2,
    });
  });

  test('NICs and interfaces: packets and bytes, by direction and access', () => {
    const rig = new PipelineRig({ nic: [ALLOW_HTTP] });
    rig.inbound(tcp(CLIENT, SERVER, 'S'));
    rig.inbound(tcp(CLIENT, `${LOCAL}:22`, 'S'));
    rig.inbound(tcp(CLIENT, '10.0.1.77:22', 'S'));
    rig.outbound(udp(`${LOCAL}:5000`, `${REMOTE}:53`, { payload: '' }));
    const { counters } = rig;
    expect([counters.nicPackets(0, 0, 1), counters.nicBytes(0, 0, 1)]).toEqual([1, 54]);
    expect([counters.nicPackets(0, 0, 0), counters.nicBytes(0, 0, 0)]).toEqual([1, 54]);
    expect([counters.nicPackets(0, 1, 1), counters.nicBytes(0, 1, 1)]).toEqual([1, 42]);
    expect([counters.interface(0, 0), counters.interface(0, 1)]).toEqual([3, 162]);
    expect([counters.interface(1, 0), counters.interface(1, 1)]).toEqual([1, 42]);
  });
});
