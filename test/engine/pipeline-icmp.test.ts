/**
 * ICMP: echo is a flow, an error is judged by the packet it quotes, and some advice is judged by the rules alone.
 */
import { describe, expect, test } from 'vitest';
import {
  buildFrame,
  buildIcmpError,
  type FrameSpec,
  type IcmpErrorSpec,
} from '../helpers/frames.ts';
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
} from '../helpers/pipeline-rig.ts';

const ROUTER = '198.51.100.1';
const ROUTER6 = '2001:db8:ffff::1';
const UNREACHABLE = 3;
const TIME_EXCEEDED = 11;

/** Nothing may come in by the rules; everything may go out. */
function outOnly(): PipelineRig {
  return new PipelineRig({ nic: ['DenyIn 100 Inbound Deny * * * * *'] });
}

/** An error of `type` about `quoted`, sent to the quoted packet's source unless `over` says otherwise. */
function errorAbout(quoted: FrameSpec, over: Partial<IcmpErrorSpec> = {}): Uint8Array {
  const isIpv6 = quoted.ip?.src.includes(':') === true;
  return buildIcmpError({
    src: isIpv6 ? ROUTER6 : ROUTER,
    dst: quoted.ip?.src ?? '',
    type: isIpv6 ? 1 : UNREACHABLE,
    quoted: buildFrame(quoted),
    ...over,
  });
}

describe('an error about a live flow passes without a rule', () => {
  const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`);
  const query6 = udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:53`);
  const rows: readonly (readonly [string, FrameSpec, Partial<IcmpErrorSpec>])[] = [
    ['port unreachable', query, { code: 3 }],
    ['host unreachable', query, { code: 1 }],
    ['fragmentation needed', query, { code: 4, mtu: 1400 }],
    ['fragmentation needed from a router before RFC 1191', query, { code: 4, mtu: 0 }],
    ['time exceeded', query, { type: TIME_EXCEEDED }],
    ['parameter problem', query, { type: 12 }],
    ['unreachable, IPv6', query6, { code: 4 }],
    ['packet too big', query6, { type: 2, mtu: 1280 }],
    ['time exceeded, IPv6', query6, { type: 3 }],
    ['parameter problem, IPv6', query6, { type: 4 }],
    ['about an echo request', icmp(LOCAL, REMOTE, 8, 7), { code: 1 }],
    ['about an echo request, IPv6', icmp(LOCAL6, REMOTE6, 128, 7), {}],
    [
      'about a protocol without ports',
      { ip: { src: LOCAL, dst: REMOTE, protocol: 47 }, raw: new Uint8Array(16) },
      { code: 2 },
    ],
    [
      'with all of the packet quoted',
      udp(`${LOCAL}:4000`, `${REMOTE}:53`, { payload: 'x'.repeat(400) }),
      { quotedLength: 428 },
    ],
  ];
  test.each(rows)('%s', (_name, first, over) => {
    const rig = outOnly();
    const error = errorAbout(first, over);
    expect(rig.inbound(error)).toBe('icmp_no_flow');
    expect(rig.outbound(first)).toBe('rule');
    expect(rig.inbound(error)).toBe('related');
    expect(rig.flows.size).toBe(1);
  });

  test('and leaves the flow as it is: no state, no counter, no time', () => {
    const rig = outOnly();
    rig.outbound(query);
    const flow = rig.pipeline.flow;
    const before = rig.flows.state(flow);
    rig.at(20).inbound(errorAbout(query));
    expect(rig.pipeline.flow).toBe(flow);
    expect(rig.flows.packets(flow, 0)).toBe(0);
    expect(rig.flows.idle(flow, 1020)).toBe(20);
    expect(rig.flows.state(flow)).toBe(before);
    expect(rig.at(31).inbound(errorAbout(query))).toBe('icmp_no_flow');
  });

  test('outbound: the workload reports that it has no such port', () => {
    const rig = new PipelineRig({
      nic: ['AllowIn 100 Inbound Allow Udp * * * *', 'DenyOut 100 Outbound Deny * * * * *'],
    });
    const request = udp(`${REMOTE}:5000`, `${LOCAL}:161`);
    const error = errorAbout(request, { src: LOCAL, code: 3 });
    expect(rig.outbound(error)).toBe('icmp_no_flow');
    expect(rig.inbound(request)).toBe('rule');
    expect(rig.outbound(error)).toBe('related');
  });
});

describe('an error is dropped, though the rules allow everything', () => {
  const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`);
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ['about another port', errorAbout(udp(`${LOCAL}:4001`, `${REMOTE}:53`)), 'icmp_no_flow'],
    [
      'about another protocol',
      errorAbout(tcp(`${LOCAL}:4000`, `${REMOTE}:53`, 'S')),
      'icmp_no_flow',
    ],
    [
      'addressed to another than the quoted sender (CVE-2019-5598)',
      errorAbout(query, { dst: '10.0.1.5' }),
      'icmp_no_flow',
    ],
    [
      'about a packet of the other direction',
      errorAbout(udp(`${REMOTE}:53`, `${LOCAL}:4000`), { dst: LOCAL }),
      'icmp_no_flow',
    ],
    ['about another VLAN', errorAbout(query, { vlans: [{ vid: 7 }] }), 'icmp_no_flow'],
    ['quote cut before the ports', errorAbout(query, { quotedLength: 24 }), 'icmp_no_flow'],
    ['no quote at all', errorAbout(query, { quotedLength: 0 }), 'icmp_no_flow'],
    ['about an error', errorAbout(icmp(LOCAL, REMOTE, UNREACHABLE)), 'icmp_no_flow'],
    [
      'about a later fragment',
      errorAbout({ ...query, ip: { src: LOCAL, dst: REMOTE, fragmentOffset: 64 } }),
      'icmp_no_flow',
    ],
    ['about a reply nobody asked for', errorAbout(icmp(LOCAL, REMOTE, 0, 7)), 'icmp_no_flow'],
    ['with an MTU below 68', errorAbout(query, { code: 4, mtu: 67 }), 'icmp_mtu_too_small'],
    [
      'packet too big below 1280',
      errorAbout(udp(`[${LOCAL6}]:1`, `[${REMOTE6}]:2`), { type: 2, mtu: 1279 }),
      'icmp_mtu_too_small',
    ],
  ];
  test.each(rows)('%s', (_name, error, reason) => {
    const rig = new PipelineRig({ ...ALLOW_ALL, neighbour: ['10.0.1.5'] });
    expect(rig.outbound(query)).toBe('rule');
    expect(rig.inbound(error)).toBe(reason);
  });

  test('a TCP quote must lie within what has been sent (RFC 5927)', () => {
    const rig = outOnly();
    const talk = new TcpConversation(`${LOCAL}:4000`, `${REMOTE}:443`, [1000, 0x4000_0000]);
    const syn = talk.client('S');
    rig.outbound(syn);
    rig.inbound(talk.server('SA'));
    rig.outbound(talk.client('A'));
    const forged = tcp(`${LOCAL}:4000`, `${REMOTE}:443`, 'A', { sequence: 0x3000_0000 });
    expect(rig.inbound(errorAbout(forged, { code: 3 }))).toBe('icmp_no_flow');
    expect(rig.inbound(errorAbout(syn, { code: 3 }))).toBe('related');
    expect(rig.inbound(talk.server('PA', 'goes on'))).toBe('flow');
  });
});

describe('advice that may steer a host is judged by the rules, with a live flow and without (RFC 1812, RFC 6633)', () => {
  const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`);
  const rows: readonly (readonly [string, FrameSpec | Uint8Array])[] = [
    ['redirect', errorAbout(query, { type: 5, code: 1 })],
    ['source quench', errorAbout(query, { type: 4 })],
    ['timestamp request', icmp(REMOTE, LOCAL, 13, 1)],
    ['timestamp reply', icmp(REMOTE, LOCAL, 14, 1)],
    ['address mask request', icmp(REMOTE, LOCAL, 17, 1)],
    ['address mask reply', icmp(REMOTE, LOCAL, 18, 1)],
    ['router advertisement', icmp(REMOTE, LOCAL, 9)],
  ];
  test.each(rows)('%s', (_name, frame) => {
    const closed = outOnly();
    closed.outbound(query);
    expect(closed.inbound(frame)).toBe('rule_deny');
    const open = new PipelineRig(ALLOW_ALL);
    expect(open.inbound(frame)).toBe('rule');
    expect(open.flows.size).toBe(0);
  });
});

describe('echo', () => {
  test('the identifier is part of the flow', () => {
    const rig = outOnly();
    rig.outbound(icmp(LOCAL, REMOTE, 8, 1));
    expect(rig.inbound(icmp(REMOTE, LOCAL, 0, 2))).toBe('icmp_no_flow');
    expect(rig.inbound(icmp(REMOTE, LOCAL, 0, 1))).toBe('flow');
  });

  test('identifier 0 is a value, not "any", and neighbour discovery has none (CVE-2024-6640)', () => {
    const rig = outOnly();
    const solicitation = {
      ip: { src: 'fe80::4', dst: REMOTE6, hopLimit: 255 },
      icmp: { type: 135 },
      payload: new Uint8Array(24),
    };
    expect(rig.outbound(solicitation)).toBe('link');
    expect(rig.inbound(icmp(REMOTE6, LOCAL6, 129, 0))).toBe('icmp_no_flow');
    expect(rig.inbound(icmp(REMOTE6, LOCAL6, 128, 0))).toBe('rule_deny');
    rig.outbound(icmp(LOCAL6, REMOTE6, 128, 0));
    expect(rig.inbound(icmp(REMOTE6, LOCAL6, 129, 5))).toBe('icmp_no_flow');
    expect(rig.inbound(icmp(REMOTE6, LOCAL6, 129, 0))).toBe('flow');
  });

  test('both ends may ping each other with one identifier', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    expect(rig.outbound(icmp(LOCAL, REMOTE, 8, 1))).toBe('rule');
    expect(rig.inbound(icmp(REMOTE, LOCAL, 8, 1))).toBe('rule');
    expect(rig.inbound(icmp(REMOTE, LOCAL, 0, 1))).toBe('flow');
    expect(rig.outbound(icmp(LOCAL, REMOTE, 0, 1))).toBe('flow');
    expect(rig.flows.size).toBe(2);
  });
});
