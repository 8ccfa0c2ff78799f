/**
 * Flows: what a reply may do without a rule, what a denied packet leaves behind, and when a flow is over.
 */
import { describe, expect, test } from 'vitest';
import { FlowState } from '../../src/flowtable/record.ts';
import type { FrameSpec } from '../helpers/frames.ts';
import {
  ALLOW_ALL,
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  tcp,
  TcpConversation,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';

const CLIENT = `${REMOTE}:50000`;
const SERVER = `${LOCAL}:80`;

describe('a reply needs no rule', () => {
  const outOnly = { nic: ['DenyIn 100 Inbound Deny * * * * *'] };
  const inOnly = {
    nic: ['AllowIn 100 Inbound Allow * * * * *', 'DenyOut 100 Outbound Deny * * * * *'],
  };
  type Row = readonly [name: string, first: FrameSpec, reply: FrameSpec];
  const outward: readonly Row[] = [
    [
      'TCP',
      tcp(`${LOCAL}:4000`, `${REMOTE}:443`, 'S', { sequence: 10 }),
      tcp(`${REMOTE}:443`, `${LOCAL}:4000`, 'SA', { sequence: 20, acknowledgment: 11 }),
    ],
    ['UDP', udp(`${LOCAL}:4000`, `${REMOTE}:53`), udp(`${REMOTE}:53`, `${LOCAL}:4000`)],
    [
      'UDP, IPv6',
      udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:53`),
      udp(`[${REMOTE6}]:53`, `[${LOCAL6}]:4000`),
    ],
    ['echo', icmp(LOCAL, REMOTE, 8, 7), icmp(REMOTE, LOCAL, 0, 7)],
    ['echo, IPv6', icmp(LOCAL6, REMOTE6, 128, 7), icmp(REMOTE6, LOCAL6, 129, 7)],
    [
      'GRE',
      { ip: { src: LOCAL, dst: REMOTE, protocol: 47 }, raw: [0, 0, 8, 0] },
      { ip: { src: REMOTE, dst: LOCAL, protocol: 47 }, raw: [0, 0, 8, 0] },
    ],
  ];
  test.each(outward)('%s: out, then in', (_name, first, reply) => {
    const rig = new PipelineRig(outOnly);
    expect(rig.inbound(reply)).not.toBe('flow');
    expect(rig.outbound(first)).toBe('rule');
    expect([rig.inbound(reply), rig.outbound(first), rig.inbound(reply)]).toEqual([
      'flow',
      'flow',
      'flow',
    ]);
    expect(rig.flows.size).toBe(1);
  });

  const inward: readonly Row[] = [
    [
      'TCP',
      tcp(CLIENT, SERVER, 'S', { sequence: 10 }),
      tcp(SERVER, CLIENT, 'SA', { sequence: 20, acknowledgment: 11 }),
    ],
    ['UDP', udp(CLIENT, `${LOCAL}:53`), udp(`${LOCAL}:53`, CLIENT)],
    ['echo', icmp(REMOTE, LOCAL, 8, 7), icmp(LOCAL, REMOTE, 0, 7)],
    ['echo, IPv6', icmp(REMOTE6, LOCAL6, 128, 7), icmp(LOCAL6, REMOTE6, 129, 7)],
  ];
  test.each(inward)('%s: in, then out', (_name, first, reply) => {
    const rig = new PipelineRig(inOnly);
    expect(rig.outbound(reply)).not.toBe('flow');
    expect(rig.inbound(first)).toBe('rule');
    expect([rig.outbound(reply), rig.inbound(first), rig.outbound(reply)]).toEqual([
      'flow',
      'flow',
      'flow',
    ]);
  });

  test('a reply from another port, another host or another protocol is no reply', () => {
    const rig = new PipelineRig(outOnly);
    expect(rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`))).toBe('rule');
    expect(rig.inbound(udp(`${REMOTE}:54`, `${LOCAL}:4000`))).toBe('rule_deny');
    expect(rig.inbound(udp('203.0.113.10:53', `${LOCAL}:4000`))).toBe('rule_deny');
    expect(rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:4001`))).toBe('rule_deny');
    expect(rig.inbound(tcp(`${REMOTE}:53`, `${LOCAL}:4000`, 'S'))).toBe('rule_deny');
  });

  test('a request in the wrong direction is not the reply it mirrors', () => {
    const rig = new PipelineRig(outOnly);
    expect(rig.outbound(icmp(LOCAL, REMOTE, 8, 7))).toBe('rule');
    expect(rig.inbound(icmp(REMOTE, LOCAL, 8, 7))).toBe('rule_deny');
    expect(rig.inbound(icmp(REMOTE, LOCAL, 0, 8))).toBe('icmp_no_flow');
  });
});

test('a whole connection passes, segment by segment', () => {
  const rig = new PipelineRig(WEB);
  const talk = new TcpConversation(CLIENT, SERVER);
  expect(rig.inbound(talk.client('S'))).toBe('rule');
  expect(rig.decidedBy()).toBe('NSG2/AllowHttp');
  const reasons = [
    rig.outbound(talk.server('SA')),
    rig.inbound(talk.client('A')),
    rig.inbound(talk.client('PA', 'GET / HTTP/1.1\r\n\r\n')),
    rig.outbound(talk.server('A')),
    rig.outbound(talk.server('PA', 'HTTP/1.1 200 OK\r\n\r\n')),
    rig.inbound(talk.client('A')),
    rig.outbound(talk.server('FA')),
    rig.inbound(talk.client('FA')),
    rig.outbound(talk.server('A')),
  ];
  expect(reasons).toEqual(reasons.map(() => 'flow'));
  expect(rig.decidedBy()).toBeUndefined();
  expect(rig.flows.state(rig.pipeline.flow)).toBe(FlowState.TimeWait);
});

describe('a denied packet leaves nothing', () => {
  test.each<readonly [string, FrameSpec]>([
    ['TCP', tcp(CLIENT, `${LOCAL}:22`, 'S')],
    ['UDP', udp(CLIENT, `${LOCAL}:161`)],
    ['ESP', { ip: { src: REMOTE, dst: LOCAL, protocol: 50 }, raw: [0, 0, 0, 1, 0, 0, 0, 1] }],
  ])('%s', (_name, frame) => {
    const rig = new PipelineRig(WEB);
    expect([rig.inbound(frame), rig.inbound(frame)]).toEqual(['rule_deny', 'rule_deny']);
    expect(rig.flows.size).toBe(0);
    expect(rig.pipeline.flow).toBe(-1);
  });

  test('and a packet that is denied does not touch the flow it resembles', () => {
    const rig = new PipelineRig(WEB);
    rig.inbound(tcp(CLIENT, SERVER, 'S', { sequence: 5 }));
    expect(rig.inbound(tcp(CLIENT, SERVER, 'FPU', { sequence: 6 }))).toBe('impossible_tcp_flags');
    expect(rig.flows.packets(rig.flows.flowAt(0), 0)).toBe(1);
  });
});

describe('TCP in the middle of a connection', () => {
  const ack = tcp(CLIENT, SERVER, 'A', { sequence: 100, acknowledgment: 200 });
  const loose = { settings: { tcp: { pickup: 'loose' } } };

  test.each<readonly [string, string | number, string]>([
    ['ACK', 'A', 'tcp_no_flow'],
    ['data', 'PA', 'tcp_no_flow'],
    ['SYN+ACK', 'SA', 'tcp_no_flow'],
    ['RST', 'R', 'tcp_no_flow'],
    ['RST+ACK', 'RA', 'tcp_no_flow'],
    ['FIN+ACK', 'FA', 'tcp_no_flow'],
    ['SYN with ECE and CWR', 'SEC', 'rule'],
    ['SYN with PSH', 'SP', 'rule'],
  ])('strict: %s without a flow', (_name, flags, reason) => {
    const rig = new PipelineRig(ALLOW_ALL);
    expect(rig.inbound(tcp(CLIENT, SERVER, flags))).toBe(reason);
    expect(rig.flows.size).toBe(reason === 'rule' ? 1 : 0);
  });

  test('loose: the rules judge it, and it starts a flow', () => {
    const rig = new PipelineRig({ ...WEB, ...loose });
    expect(rig.inbound(tcp(CLIENT, `${LOCAL}:22`, 'A'))).toBe('rule_deny');
    expect(rig.inbound(ack)).toBe('rule');
    expect(
      rig.outbound(tcp(SERVER, CLIENT, 'PA', { sequence: 200, acknowledgment: 100, payload: 'x' })),
    ).toBe('flow');
  });

  test.each(['SA', 'R', 'RA'])('loose: %s still starts nothing', (flags) => {
    const rig = new PipelineRig({ ...ALLOW_ALL, ...loose });
    expect(rig.inbound(tcp(CLIENT, SERVER, flags))).toBe('tcp_no_flow');
  });

  test('the window after a start: loose until then, strict from then on', () => {
    const rig = new PipelineRig(WEB);
    rig.pipeline.pickUpUntil(1030 * 1000);
    rig.at(29);
    expect(rig.inbound(tcp(CLIENT, `${LOCAL}:22`, 'A'))).toBe('rule_deny');
    expect(rig.inbound(ack)).toBe('rule');
    rig.at(30);
    expect(rig.inbound(tcp(`${REMOTE}:50001`, SERVER, 'A'))).toBe('tcp_no_flow');
    expect(rig.inbound(ack)).toBe('flow');
  });
});

describe('idle expiry, to the second', () => {
  test('an established flow lives while idle for its timeout, and not one second longer', () => {
    const rig = new PipelineRig({ nic: ['DenyIn 100 Inbound Deny * * * * *'] });
    const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`);
    const reply = udp(`${REMOTE}:53`, `${LOCAL}:4000`);
    rig.outbound(query);
    rig.inbound(reply);
    expect(rig.at(240).inbound(reply)).toBe('flow');
    expect(rig.at(480).inbound(reply)).toBe('flow');
    expect(rig.at(721).inbound(reply)).toBe('rule_deny');
    expect(rig.flows.size).toBe(0);
  });

  test('an unreplied flow lives for 30 seconds', () => {
    const rig = new PipelineRig({ nic: ['DenyIn 100 Inbound Deny * * * * *'] });
    rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
    rig.outbound(udp(`${LOCAL}:4001`, `${REMOTE}:53`));
    expect(rig.at(30).inbound(udp(`${REMOTE}:53`, `${LOCAL}:4000`))).toBe('flow');
    expect(rig.at(31).inbound(udp(`${REMOTE}:53`, `${LOCAL}:4001`))).toBe('rule_deny');
  });

  test('housekeep removes what nobody asks for, a bounded number per call', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    for (let port = 1; port <= 200; port++) rig.inbound(udp(CLIENT, `${LOCAL}:${port}`));
    expect(rig.flows.size).toBe(200);
    rig.at(30);
    expect(rig.pipeline.housekeep()).toBe(0);
    rig.at(31);
    const removed: number[] = [];
    while (removed.at(-1) !== 0) removed.push(rig.pipeline.housekeep());
    expect(removed).toEqual([64, 64, 64, 8, 0]);
    expect(rig.flows.size).toBe(0);
  });

  test('a SYN at the end of the timeout is judged anew', () => {
    const rig = new PipelineRig(WEB);
    rig.inbound(tcp(CLIENT, SERVER, 'S', { sequence: 1 }));
    expect(rig.at(30).inbound(tcp(CLIENT, SERVER, 'S', { sequence: 1 }))).toBe('flow');
    expect(rig.at(61).inbound(tcp(CLIENT, SERVER, 'S', { sequence: 1 }))).toBe('rule');
  });
});

describe('opening again after the end', () => {
  function closed(): { rig: PipelineRig; talk: TcpConversation } {
    const rig = new PipelineRig(WEB);
    const talk = new TcpConversation(CLIENT, SERVER);
    rig.inbound(talk.client('S'));
    rig.outbound(talk.server('SA'));
    rig.inbound(talk.client('A'));
    return { rig, talk };
  }

  test('a SYN after FIN from both sides is judged by the rules and starts another flow', () => {
    const { rig, talk } = closed();
    rig.outbound(talk.server('FA'));
    rig.inbound(talk.client('FA'));
    rig.outbound(talk.server('A'));
    expect(rig.inbound(tcp(CLIENT, SERVER, 'S', { sequence: 777_777 }))).toBe('rule');
    expect(rig.flows.size).toBe(1);
    expect(rig.flows.state(rig.pipeline.flow)).toBe(FlowState.SynSent);
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp').hits).toBe(2);
  });

  test('a SYN after RST too', () => {
    const { rig, talk } = closed();
    expect(rig.inbound(talk.client('R'))).toBe('flow');
    expect(rig.inbound(tcp(CLIENT, SERVER, 'S', { sequence: 777_777 }))).toBe('rule');
  });

  test('from the other side it needs a rule of that direction', () => {
    const rig = new PipelineRig({ nic: [...(WEB.nic ?? []), 'NoOut 100 Outbound Deny * * * * *'] });
    const talk = new TcpConversation(CLIENT, SERVER);
    rig.inbound(talk.client('S'));
    rig.outbound(talk.server('SA'));
    rig.inbound(talk.client('A'));
    expect(rig.inbound(talk.client('R'))).toBe('flow');
    expect(rig.outbound(tcp(SERVER, CLIENT, 'S', { sequence: 5 }))).toBe('rule_deny');
    expect(rig.flows.size).toBe(0);
  });

  test('a SYN on a live connection changes nothing', () => {
    const { rig } = closed();
    const flow = rig.pipeline.flow;
    expect(rig.inbound(tcp(CLIENT, SERVER, 'S', { sequence: 777_777 }))).toBe('flow');
    expect(rig.flows.state(flow)).toBe(FlowState.Established);
    expect(rig.rule('NSG2|Inbound|securityRules/AllowHttp').hits).toBe(1);
  });
});

describe('what a flow is bound to', () => {
  test('the VLAN: the same tuple in another one is another flow', () => {
    const rig = new PipelineRig({ nic: ['DenyIn 100 Inbound Deny * * * * *'] });
    const query = (vlans: FrameSpec['vlans']): FrameSpec =>
      udp(`${LOCAL}:4000`, `${REMOTE}:53`, { vlans });
    const reply = (vlans: FrameSpec['vlans']): FrameSpec =>
      udp(`${REMOTE}:53`, `${LOCAL}:4000`, { vlans });
    expect(rig.outbound(query([{ vid: 10 }]))).toBe('rule');
    expect(rig.inbound(reply([]))).toBe('rule_deny');
    expect(rig.inbound(reply([{ vid: 11 }]))).toBe('rule_deny');
    expect(rig.inbound(reply([{ vid: 10 }, { vid: 10 }]))).toBe('rule_deny');
    expect(rig.inbound(reply([{ vid: 10 }]))).toBe('flow');
    expect(rig.outbound(query([{ vid: 10, tpid: 0x88a8 }, { vid: 20 }]))).toBe('rule');
    expect(rig.inbound(reply([{ vid: 20, tpid: 0x88a8 }, { vid: 10 }]))).toBe('rule_deny');
    expect(rig.inbound(reply([{ vid: 10, tpid: 0x88a8 }, { vid: 20 }]))).toBe('flow');
  });

  test('the side: a packet of a live flow that comes from the other one is spoofed', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    const talk = new TcpConversation(CLIENT, SERVER);
    const syn = talk.client('S');
    rig.inbound(syn);
    const answer = talk.server('SA');
    expect(rig.outbound(syn)).toBe('unknown_address');
    expect(rig.inbound(answer)).toBe('unknown_address');
    expect(rig.outbound(answer)).toBe('flow');
  });

  test('the side, on a NIC without addresses: another key, so no flow and a verdict of its own', () => {
    const rig = new PipelineRig({ ...WEB, addresses: [] });
    const talk = new TcpConversation(CLIENT, SERVER);
    rig.inbound(talk.client('S'));
    expect(rig.inbound(talk.server('SA'))).toBe('tcp_no_flow');
  });

  test('the family: ::a00:104 is not 10.0.1.4', () => {
    const rig = new PipelineRig({ nic: ['DenyIn 100 Inbound Deny * * * * *'], addresses: [] });
    expect(rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`))).toBe('rule');
    expect(rig.inbound(udp('[::cb00:7109]:53', '[::a00:104]:4000'))).toBe('rule_deny');
  });
});

describe('a full table', () => {
  test('a SYN flood takes no established flow, and no more room than there is', () => {
    const rig = new PipelineRig(WEB, { maxFlows: 64 });
    const talks = Array.from(
      { length: 32 },
      (_, i) => new TcpConversation(`198.51.100.7:${1000 + i}`, SERVER),
    );
    for (const talk of talks) {
      rig.inbound(talk.client('S'));
      rig.outbound(talk.server('SA'));
      rig.inbound(talk.client('A'));
    }
    for (let i = 0; i < 2000; i++) {
      const spoofed = `203.0.113.${1 + (i % 250)}:${1024 + i}`;
      expect(rig.inbound(tcp(spoofed, SERVER, 'S', { sequence: i }))).toBe('rule');
    }
    expect(rig.flows.size).toBe(64);
    for (const talk of talks) expect(rig.inbound(talk.client('PA', 'still here'))).toBe('flow');
  });

  test('full of established flows: new ones are refused, live ones go on, and room comes back', () => {
    const rig = new PipelineRig(ALLOW_ALL, { maxFlows: 8 });
    for (let i = 0; i < 8; i++) {
      rig.outbound(udp(`${LOCAL}:${4000 + i}`, `${REMOTE}:53`));
      rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:${4000 + i}`));
    }
    expect(rig.outbound(udp(`${LOCAL}:5000`, `${REMOTE}:53`))).toBe('table_full');
    expect(rig.pipeline.flow).toBe(-1);
    expect(rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:4003`))).toBe('flow');
    expect(rig.at(241).outbound(udp(`${LOCAL}:5000`, `${REMOTE}:53`))).toBe('rule');
  });
});
