/**
 * What a link needs, what no link should carry, and what no packet may look like: judged before any rule.
 */
import { describe, expect, test } from 'vitest';
import { buildArp, buildFrame, type FrameSpec, type IpFields } from '../helpers/frames.ts';
import {
  ALLOW_ALL,
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  tcp,
  udp,
} from '../helpers/pipeline-rig.ts';

/** Nothing may pass but what passes without a rule. */
const DENY_ALL: RigPolicy = {
  nic: ['DenyIn 100 Inbound Deny * * * * *', 'DenyOut 100 Outbound Deny * * * * *'],
};
const LINK6 = 'fe80::4';
const ROUTER6 = 'fe80::1';
const GROUP6 = 'ff02::1:ff00:4';

type Row = readonly [
  name: string,
  direction: 'in' | 'out',
  frame: FrameSpec | Uint8Array,
  reason: string,
];

function judged(rig: PipelineRig, direction: 'in' | 'out', frame: FrameSpec | Uint8Array): string {
  return direction === 'in' ? rig.inbound(frame) : rig.outbound(frame);
}

function nd(type: number, ip: Partial<IpFields> = {}, code = 0): FrameSpec {
  return {
    ip: { src: ROUTER6, dst: GROUP6, hopLimit: 255, ...ip },
    icmp: { type, code },
    payload: new Uint8Array(24),
  };
}

function mld(type: number, ip: Partial<IpFields> = {}): FrameSpec {
  return {
    ip: { src: ROUTER6, dst: 'ff02::1', hopLimit: 1, ...ip },
    icmp: { type },
    payload: new Uint8Array(16),
  };
}

describe('link traffic passes a policy that denies everything', () => {
  const rows: readonly Row[] = [
    ['ARP request in', 'in', buildArp({ sender: '10.0.1.1', target: LOCAL }), 'link'],
    ['ARP reply out', 'out', buildArp({ operation: 2, sender: LOCAL, target: '10.0.1.1' }), 'link'],
    ['gratuitous ARP', 'in', buildArp({ sender: '10.0.1.1', target: '10.0.1.1' }), 'link'],
    [
      'ARP in a VLAN',
      'in',
      buildArp({ sender: '10.0.1.1', target: LOCAL, vlans: [{ vid: 5 }] }),
      'link',
    ],
    ['router solicitation', 'out', nd(133, { src: LINK6, dst: 'ff02::2' }), 'link'],
    ['router advertisement', 'in', nd(134, { dst: 'ff02::1' }), 'link'],
    ['neighbour solicitation', 'in', nd(135), 'link'],
    ['neighbour solicitation for an address not had yet', 'out', nd(135, { src: '::' }), 'link'],
    ['neighbour advertisement', 'out', nd(136, { src: LINK6, dst: ROUTER6 }), 'link'],
    ['MLD query', 'in', mld(130), 'link'],
    ['MLD report', 'out', mld(131, { src: LINK6 }), 'link'],
    ['MLD done', 'out', mld(132, { src: LINK6 }), 'link'],
    ['MLDv2 report', 'out', mld(143, { src: LINK6, dst: 'ff02::16' }), 'link'],
    [
      'MLDv2 report before there is an address',
      'out',
      mld(143, { src: '::', dst: 'ff02::16' }),
      'link',
    ],
    ['DHCP discover', 'out', udp('0.0.0.0:68', '255.255.255.255:67'), 'link'],
    ['DHCP offer by broadcast', 'in', udp('10.0.1.1:67', '255.255.255.255:68'), 'link'],
    ['DHCPv6 solicit', 'out', udp(`[${LINK6}]:546`, '[ff02::1:2]:547'), 'link'],
    ['DHCPv6 advertise', 'in', udp(`[${ROUTER6}]:547`, `[${LINK6}]:546`), 'link'],
  ];
  test.each(rows)('%s', (_name, direction, frame, reason) => {
    const rig = new PipelineRig(DENY_ALL);
    expect(judged(rig, direction, frame)).toBe(reason);
    expect(rig.flows.size).toBe(0);
  });
});

describe('what only looks like link traffic is dropped or judged', () => {
  const rows: readonly Row[] = [
    ['ND from beyond a router', 'in', nd(135, { hopLimit: 254 }), 'neighbor_invalid'],
    [
      'router advertisement from beyond a router',
      'in',
      nd(134, { src: REMOTE6, hopLimit: 64 }),
      'neighbor_invalid',
    ],
    ['ND with a code', 'in', nd(135, {}, 1), 'neighbor_invalid'],
    ['MLD from beyond a router', 'in', mld(130, { hopLimit: 2 }), 'neighbor_invalid'],
    ['MLD with a global source', 'in', mld(130, { src: REMOTE6 }), 'neighbor_invalid'],
    [
      'DHCP server port, but not to the client port',
      'in',
      udp('10.0.1.1:67', '255.255.255.255:69'),
      'rule_deny',
    ],
    ['DHCP answer to another host', 'in', udp('10.0.1.1:67', '10.0.1.5:68'), 'unknown_address'],
    ['discover from outside', 'in', udp('0.0.0.0:68', '255.255.255.255:67'), 'martian'],
    [
      'offer from inside: a workload is no DHCP server',
      'out',
      udp(`${LOCAL}:67`, '255.255.255.255:68'),
      'rule_deny',
    ],
    [
      'DHCPv6 to a global address',
      'in',
      udp(`[${REMOTE6}]:547`, '[fd00:db8:1::99]:546'),
      'unknown_address',
    ],
    [
      'ICMPv6 with a number that ND has, on IPv4',
      'in',
      {
        ip: { src: REMOTE, dst: LOCAL, protocol: 58, hopLimit: 255 },
        raw: [135, 0, 0, 0, 0, 0, 0, 0],
      },
      'rule_deny',
    ],
    ['ARP of another shape', 'in', { etherType: 0x0806, raw: new Uint8Array(28) }, 'malformed_arp'],
    [
      'ARP cut short',
      'in',
      buildArp({ sender: '10.0.1.1', target: LOCAL }).slice(0, 41),
      'malformed_arp',
    ],
  ];
  test.each(rows)('%s', (_name, direction, frame, reason) => {
    expect(judged(new PipelineRig(DENY_ALL), direction, frame)).toBe(reason);
  });
});

describe('EtherTypes and control frames, by setting', () => {
  const lldp = buildFrame({ dstMac: '01:80:c2:00:00:0e', etherType: 0x88cc, raw: [2, 7, 4] });
  const stp = buildFrame({
    dstMac: '01:80:c2:00:00:00',
    etherType: 0x0026,
    raw: new Uint8Array(38),
  });
  const pppoe = buildFrame({ etherType: 0x8864, raw: new Uint8Array(46) });
  const mpls = buildFrame({ etherType: 0x8847, raw: new Uint8Array(46) });
  const llc = buildFrame({ etherType: 46, raw: new Uint8Array(46) });
  const pass: RigPolicy = { settings: { link: { unknownEtherType: 'pass' } } };
  const forward: RigPolicy = { settings: { link: { forwardLinkLocal: true } } };
  const rows: readonly (readonly [string, RigPolicy, Uint8Array, string])[] = [
    ['LLDP', {}, lldp, 'link_local_control'],
    ['STP', {}, stp, 'link_local_control'],
    ['STP, unknownEtherType: pass', pass, stp, 'link_local_control'],
    ['LLDP, forwardLinkLocal', forward, lldp, 'link_local'],
    ['STP, forwardLinkLocal', forward, stp, 'link_local'],
    ['PPPoE', {}, pppoe, 'unknown_ether_type'],
    ['MPLS', {}, mpls, 'unknown_ether_type'],
    ['802.3 with LLC', {}, llc, 'unknown_ether_type'],
    ['PPPoE, forwardLinkLocal', forward, pppoe, 'unknown_ether_type'],
    ['PPPoE, unknownEtherType: pass', pass, pppoe, 'ether_type'],
    ['MPLS, unknownEtherType: pass', pass, mpls, 'ether_type'],
    ['802.3 with LLC, unknownEtherType: pass', pass, llc, 'ether_type'],
  ];
  test.each(rows)('%s', (_name, policy, frame, reason) => {
    const rig = new PipelineRig(policy);
    expect([rig.inbound(frame), rig.outbound(frame)]).toEqual([reason, reason]);
  });

  test('"pass" is not for an IP packet behind the wrong EtherType', () => {
    const rig = new PipelineRig({ ...DENY_ALL, ...pass });
    expect(rig.inbound({ ...tcp(`${REMOTE}:1`, `${LOCAL}:80`, 'S'), etherType: 0x86dd })).toBe(
      'malformed_ipv6',
    );
    expect(
      rig.inbound({ ...tcp(`[${REMOTE6}]:1`, `[${LOCAL6}]:80`, 'S'), etherType: 0x0800 }),
    ).toBe('malformed_ipv4');
  });
});

describe('martians are dropped whatever the rules', () => {
  const any: RigPolicy = { ...ALLOW_ALL, addresses: [] };
  const v4 = (src: string, dst: string): FrameSpec => udp(`${src}:1000`, `${dst}:2000`);
  const v6 = (src: string, dst: string): FrameSpec => udp(`[${src}]:1000`, `[${dst}]:2000`);
  const rows: readonly Row[] = [
    ['source 0.0.0.0', 'out', v4('0.0.0.0', REMOTE), 'martian'],
    ['source in 0/8', 'in', v4('0.1.2.3', LOCAL), 'martian'],
    ['source in 127/8', 'in', v4('127.0.0.1', LOCAL), 'martian'],
    ['source multicast', 'in', v4('224.0.0.1', LOCAL), 'martian'],
    ['source class E', 'in', v4('240.0.0.1', LOCAL), 'martian'],
    ['source broadcast', 'in', v4('255.255.255.255', LOCAL), 'martian'],
    ['destination 0.0.0.0', 'out', v4(LOCAL, '0.0.0.0'), 'martian'],
    ['destination in 0/8', 'out', v4(LOCAL, '0.1.2.3'), 'martian'],
    ['destination in 127/8', 'in', v4(REMOTE, '127.0.0.1'), 'martian'],
    ['destination class E', 'out', v4(LOCAL, '250.1.1.1'), 'martian'],
    ['LAND', 'in', v4(LOCAL, LOCAL), 'martian'],
    ['source ::', 'out', v6('::', REMOTE6), 'martian'],
    ['source ::1', 'in', v6('::1', LOCAL6), 'martian'],
    ['source multicast, IPv6', 'in', v6('ff02::1', LOCAL6), 'martian'],
    ['destination ::', 'out', v6(LOCAL6, '::'), 'martian'],
    ['destination ::1', 'in', v6(REMOTE6, '::1'), 'martian'],
    ['source IPv4-mapped', 'in', v6('::ffff:203.0.113.9', LOCAL6), 'martian'],
    ['destination IPv4-mapped', 'in', v6(REMOTE6, '::ffff:10.0.1.4'), 'martian'],
    ['LAND, IPv6', 'in', v6(LOCAL6, LOCAL6), 'martian'],
    ['source port 0', 'in', udp(`${REMOTE}:0`, `${LOCAL}:53`), 'port_zero'],
    ['destination port 0', 'in', udp(`${REMOTE}:53`, `${LOCAL}:0`), 'port_zero'],
    ['TCP to port 0', 'in', tcp(`${REMOTE}:53`, `${LOCAL}:0`, 'S'), 'port_zero'],
    ['IPv6 from port 0', 'in', udp(`[${REMOTE6}]:0`, `[${LOCAL6}]:53`), 'port_zero'],
    // Close to the ranges, and legal.
    ['source 1.0.0.0', 'in', v4('1.0.0.0', LOCAL), 'rule'],
    ['source 126.255.255.255', 'in', v4('126.255.255.255', LOCAL), 'rule'],
    ['source 128.0.0.1', 'in', v4('128.0.0.1', LOCAL), 'rule'],
    ['source 223.255.255.255', 'in', v4('223.255.255.255', LOCAL), 'rule'],
    ['destination 239.255.255.255', 'out', v4(LOCAL, '239.255.255.255'), 'rule'],
    ['destination broadcast', 'out', v4(LOCAL, '255.255.255.255'), 'rule'],
    ['port 65535', 'in', udp(`${REMOTE}:65535`, `${LOCAL}:65535`), 'rule'],
    ['NAT64', 'in', v6('64:ff9b::c000:221', LOCAL6), 'rule'],
  ];
  test.each(rows)('%s', (_name, direction, frame, reason) => {
    expect(judged(new PipelineRig(any), direction, frame)).toBe(reason);
  });
});

describe('size', () => {
  test('a frame over the limit of the wire is dropped, one at the limit is not', () => {
    const rig = new PipelineRig(ALLOW_ALL, { maxFrameLength: 1518 });
    const frame = (length: number): Uint8Array =>
      buildFrame(udp(`${REMOTE}:1`, `${LOCAL}:2`, { payload: new Uint8Array(length - 42) }));
    expect(rig.inbound(frame(1518))).toBe('rule');
    expect(rig.inbound(frame(1519))).toBe('oversize');
    expect(rig.inbound(frame(60_000))).toBe('oversize');
    expect(rig.flows.size).toBe(1);
  });

  test('oversize is told before the bytes are looked at', () => {
    const rig = new PipelineRig(ALLOW_ALL, { maxFrameLength: 64 });
    expect(rig.inbound(new Uint8Array(65))).toBe('oversize');
    expect(rig.inbound(new Uint8Array(0))).toBe('frame_too_short');
  });
});

describe('ICMP that asks nothing', () => {
  test('is judged by the rules each time and makes no flow', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    expect(rig.inbound(icmp(REMOTE, LOCAL, 13))).toBe('rule');
    expect(rig.inbound(icmp(REMOTE, LOCAL, 17))).toBe('rule');
    expect(rig.flows.size).toBe(0);
    expect(new PipelineRig({ nic: [] }).inbound(icmp(REMOTE, LOCAL, 13))).toBe('rule_deny');
  });
});
