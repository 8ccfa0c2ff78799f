/**
 * Fragments: the first is judged like a whole packet, the others follow its verdict, and what does not fit is dropped.
 */
import { describe, expect, test } from 'vitest';
import { buildFragments, buildFrame, buildIcmpError, type FrameSpec } from '../helpers/frames.ts';
import {
  ALLOW_ALL,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  tcp,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';

const PAYLOAD = new Uint8Array(3000);
const QUERY = udp(`${REMOTE}:5000`, `${LOCAL}:53`, { payload: PAYLOAD });
const QUERY6 = udp(`[${REMOTE6}]:5000`, `[${LOCAL6}]:53`, { payload: PAYLOAD });
const DENIED = udp(`${REMOTE}:5000`, `${LOCAL}:161`, { payload: PAYLOAD });

/** Fragments of 1,024 bytes: three of them. */
function three(spec: FrameSpec, id = 1): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const [first, second, third] = buildFragments(spec, 1024, id);
  if (first === undefined || second === undefined || third === undefined) throw new Error('three');
  return [first, second, third];
}

describe.each<readonly [string, FrameSpec]>([
  ['IPv4', QUERY],
  ['IPv6', QUERY6],
])('%s', (_name, query) => {
  test('the others follow an allowed first, in any order among them', () => {
    const rig = new PipelineRig(WEB);
    const [first, second, third] = three(query);
    expect([rig.inbound(first), rig.inbound(second), rig.inbound(third)]).toEqual([
      'rule',
      'fragment',
      'fragment',
    ]);
    const [again, middle, last] = three(query, 2);
    expect([rig.inbound(again), rig.inbound(last), rig.inbound(middle)]).toEqual([
      'flow',
      'fragment',
      'fragment',
    ]);
    expect(rig.flows.size).toBe(1);
  });

  test('before the first they are unknown', () => {
    const rig = new PipelineRig(WEB);
    const [first, second, third] = three(query);
    expect(rig.inbound(second)).toBe('fragment_unknown');
    expect(rig.inbound(first)).toBe('rule');
    expect(rig.inbound(third)).toBe('fragment');
  });

  test('the reply in fragments follows the flow', () => {
    const rig = new PipelineRig({
      nic: ['AllowIn 100 Inbound Allow * * * * *', 'DenyOut 100 Outbound Deny * * * * *'],
    });
    const ports = { srcPort: 53, dstPort: 5000 };
    const reply: FrameSpec = {
      ip: { src: query.ip?.dst ?? '', dst: query.ip?.src ?? '' },
      udp: ports,
      payload: PAYLOAD,
    };
    rig.inbound(
      query.ip?.src === REMOTE
        ? udp(`${REMOTE}:5000`, `${LOCAL}:53`)
        : udp(`[${REMOTE6}]:5000`, `[${LOCAL6}]:53`),
    );
    const reasons = three(reply, 7).map((frame) => rig.outbound(frame));
    expect(reasons).toEqual(['flow', 'fragment', 'fragment']);
  });
});

describe('verdicts that are followed', () => {
  test('a denied first', () => {
    const rig = new PipelineRig(WEB);
    const [first, second, third] = three(DENIED);
    expect([rig.inbound(first), rig.inbound(second), rig.inbound(third)]).toEqual([
      'rule_deny',
      'fragment_deny',
      'fragment_deny',
    ]);
    expect(rig.flows.size).toBe(0);
  });

  test('a first that has no flow and may not start one', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    const [first, second] = three(tcp(`${REMOTE}:5000`, `${LOCAL}:80`, 'A', { payload: PAYLOAD }));
    expect([rig.inbound(first), rig.inbound(second)]).toEqual(['tcp_no_flow', 'fragment_deny']);
  });

  test('a first for an address of no NIC, and one from a martian: the others are as lost', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    const strange = three(udp(`${REMOTE}:5000`, '10.0.1.99:53', { payload: PAYLOAD }));
    expect(strange.map((frame) => rig.inbound(frame))).toEqual([
      'unknown_address',
      'unknown_address',
      'unknown_address',
    ]);
    const land = three(udp(`${LOCAL}:5000`, `${LOCAL}:53`, { payload: PAYLOAD }));
    expect(land.map((frame) => rig.inbound(frame))).toEqual(['martian', 'martian', 'martian']);
    const zero = three(udp(`${REMOTE}:0`, `${LOCAL}:53`, { payload: PAYLOAD }));
    expect(zero.map((frame) => rig.inbound(frame))).toEqual([
      'port_zero',
      'fragment_unknown',
      'fragment_unknown',
    ]);
  });

  test('a policy change in the middle of a datagram does not tear it', () => {
    const rig = new PipelineRig(WEB);
    const [first, second, third] = three(QUERY);
    rig.inbound(first);
    rig.inbound(second);
    rig.reload({ nic: ['DenyIn 100 Inbound Deny * * * * *'] });
    expect(rig.inbound(third)).toBe('fragment');
  });
});

describe('what a fragment belongs to', () => {
  test.each<
    readonly [
      string,
      (rig: PipelineRig, frames: readonly [Uint8Array, Uint8Array, Uint8Array]) => string,
    ]
  >([
    ['another identification', (rig) => rig.inbound(three(QUERY, 2)[1])],
    [
      'another source',
      (rig) => rig.inbound(three(udp('203.0.113.10:5000', `${LOCAL}:53`, { payload: PAYLOAD }))[1]),
    ],
    [
      'another destination',
      (rig) => rig.inbound(three(udp(`${REMOTE}:5000`, '10.0.1.5:53', { payload: PAYLOAD }))[1]),
    ],
    [
      'another protocol (CVE-2017-7177)',
      (rig) =>
        rig.inbound(three({ ip: { src: REMOTE, dst: LOCAL, protocol: 132 }, raw: PAYLOAD })[1]),
    ],
    [
      'another VLAN (CVE-2024-37151)',
      (rig) => rig.inbound(three({ ...QUERY, vlans: [{ vid: 9 }] })[1]),
    ],
    ['another side', (rig, [, second]) => rig.outbound(second)],
  ])('%s is not of the datagram', (_name, send) => {
    const rig = new PipelineRig({ ...ALLOW_ALL, addresses: [] });
    const frames = three(QUERY);
    expect(rig.inbound(frames[0])).toBe('rule');
    expect(send(rig, frames)).toBe('fragment_unknown');
    expect(rig.inbound(frames[1])).toBe('fragment');
  });

  test('time: a datagram whose rest comes too late is unknown', () => {
    const rig = new PipelineRig(WEB);
    const [first, second, third] = three(QUERY);
    rig.inbound(first);
    expect(rig.at(10).inbound(second)).toBe('fragment');
    expect(rig.at(120).inbound(third)).toBe('fragment_unknown');
  });
});

describe('overlaps', () => {
  const over = (offset: number, bytes: number, more = true): FrameSpec => ({
    ip: {
      src: REMOTE,
      dst: LOCAL,
      protocol: 17,
      id: 1,
      fragmentOffset: offset,
      moreFragments: more,
    },
    raw: new Uint8Array(bytes),
  });

  test.each<readonly [string, number, number]>([
    ['over the end of the first', 1016, 16],
    ['over the start of the second', 1000, 32],
    ['inside the first', 512, 64],
    ['over both', 512, 1200],
  ])('%s: the datagram is over', (_name, offset, bytes) => {
    const rig = new PipelineRig(ALLOW_ALL);
    const [first, second, third] = three(QUERY);
    rig.inbound(first);
    expect(rig.inbound(second)).toBe('fragment');
    expect(rig.inbound(over(offset, bytes))).toBe('fragment_invalid');
    expect(rig.inbound(third)).toBe('fragment_invalid');
  });

  test('a second first with other ports does not get the verdict of the first one', () => {
    const rig = new PipelineRig(WEB);
    const [first, second] = three(QUERY);
    const [other] = three(DENIED);
    expect(rig.inbound(first)).toBe('rule');
    expect(rig.inbound(other)).not.toBe('rule');
    expect(rig.inbound(second)).not.toBe('fragment');
  });

  test('a denied first may not be made good by an allowed one with its identification', () => {
    const rig = new PipelineRig(WEB);
    const [first] = three(QUERY);
    const [denied, second] = three(DENIED);
    expect(rig.inbound(denied)).toBe('rule_deny');
    rig.inbound(first);
    expect(rig.inbound(second)).not.toBe('fragment');
  });

  test('a frame that overlaps leaves no flow', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    const [first, second] = three(QUERY);
    rig.inbound(first);
    rig.inbound(second);
    const flows = rig.flows.size;
    const [other] = three(udp(`${REMOTE}:6000`, `${LOCAL}:53`, { payload: PAYLOAD }));
    expect(rig.inbound(other)).toBe('fragment_invalid');
    expect(rig.flows.size).toBe(flows);
  });
});

test('an ICMP error in fragments follows its first', () => {
  const rig = new PipelineRig({ nic: ['DenyIn 100 Inbound Deny * * * * *'] });
  const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`, { payload: new Uint8Array(1200) });
  rig.outbound(query);
  const spec: FrameSpec = {
    ip: { src: '198.51.100.1', dst: LOCAL },
    icmp: { type: 3, code: 3 },
    payload: buildIcmpError({
      src: '198.51.100.1',
      dst: LOCAL,
      type: 3,
      quoted: buildFrame(query),
      quotedLength: 1228,
    }).slice(42),
  };
  const reasons = buildFragments(spec, 1024, 5).map((frame) => rig.inbound(frame));
  expect(reasons).toEqual(['related', 'fragment']);
});
