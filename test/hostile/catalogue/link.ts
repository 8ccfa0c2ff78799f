/**
 * Rows 40 to 44, 50 and 55 to 57: ARP, DHCP and multicast, VLANs, encapsulations, UDP lengths, control frames, clocks, and
 * what a packet says to whoever prints it.
 */
import { buildArp, buildFrame, type FrameSpec } from '../../helpers/frames.ts';
import { ALLOW_ALL, LOCAL, LOCAL6, REMOTE, tcp, udp } from '../../helpers/pipeline-rig.ts';
import {
  alone,
  ANSWERS_ONLY,
  CLIENT,
  cut,
  inConnection,
  PORTS,
  SERVER,
  V4,
  V6,
} from './attackers.ts';
import { type Case, into, out, wait } from './case.ts';

const DENY_ALL = { nic: ['In 100 Inbound Deny * * * * *', 'Out 100 Outbound Deny * * * * *'] };
const GATEWAY = '10.0.1.1';

const arpAndDhcp: readonly Case[] = [
  {
    row: 40,
    attack: 'ARP, gratuitous ARP and ARP in a VLAN pass with everything denied',
    policy: DENY_ALL,
    chosen: 'no rate limit and no static bindings: a wire leaves ARP to the hosts, as a cable does',
    steps: [
      into(buildArp({ sender: GATEWAY, target: LOCAL }), 'link'),
      out(buildArp({ operation: 2, sender: LOCAL, target: GATEWAY }), 'link'),
      into(buildArp({ sender: GATEWAY, target: GATEWAY }), 'link'),
      into(buildArp({ sender: GATEWAY, target: LOCAL, vlans: [{ vid: 5 }] }), 'link'),
    ],
  },
  ...alone(40, ALLOW_ALL, [
    [
      'ARP for addresses of 16 bytes',
      { etherType: 0x0806, raw: [0, 1, 8, 0, 6, 16, 0, 1, ...new Uint8Array(40)] },
      'malformed_arp',
    ],
    ['ARP cut short', buildArp({ sender: GATEWAY, target: LOCAL }).slice(0, 41), 'malformed_arp'],
  ]),
  {
    row: 41,
    attack: 'DHCP and DHCPv6 pass with everything denied, in the roles they have',
    policy: DENY_ALL,
    steps: [
      out(udp('0.0.0.0:68', '255.255.255.255:67'), 'link'),
      into(udp(`${GATEWAY}:67`, '255.255.255.255:68'), 'link'),
      out(udp('[fe80::4]:546', '[ff02::1:2]:547'), 'link'),
      into(udp('[fe80::1]:547', '[fe80::4]:546'), 'link'),
      out(udp(`${LOCAL}:67`, '255.255.255.255:68'), 'rule_deny'),
      into(udp('0.0.0.0:68', '255.255.255.255:67'), 'martian'),
    ],
  },
  {
    row: 41,
    attack: 'multicast needs a rule and makes no flow: IGMP, mDNS, VRRP, OSPF',
    policy: { nic: ['Mdns 100 Outbound Allow Udp * * * 5353', 'Out 110 Outbound Deny * * * * *'] },
    steps: [
      out(udp(`${LOCAL}:5353`, '224.0.0.251:5353'), 'rule'),
      out(
        { ip: { src: LOCAL, dst: '224.0.0.22', protocol: 2 }, raw: new Uint8Array(8) },
        'rule_deny',
      ),
      out(
        { ip: { src: LOCAL, dst: '224.0.0.18', protocol: 112 }, raw: new Uint8Array(8) },
        'rule_deny',
      ),
      out(
        { ip: { src: LOCAL, dst: '224.0.0.5', protocol: 89 }, raw: new Uint8Array(44) },
        'rule_deny',
      ),
    ],
  },
];

const dns = udp(`${REMOTE}:1`, `${LOCAL}:2`);
const vlans: readonly Case[] = [
  ...alone(42, ALLOW_ALL, [
    ['two tags', { ...dns, vlans: [{ vid: 1, tpid: 0x88a8 }, { vid: 2 }] }, 'rule', '+UNREPLIED'],
    ['a priority tag, VLAN 0', { ...dns, vlans: [{ vid: 0, priority: 5 }] }, 'rule', '+UNREPLIED'],
    ['three tags', { ...dns, vlans: [{ vid: 1 }, { vid: 2 }, { vid: 3 }] }, 'vlan_too_deep'],
    [
      'a frame that ends in a tag',
      cut({ vlans: [{ vid: 1 }], etherType: 0x0800 }, 17),
      'frame_too_short',
    ],
  ]),
  {
    row: 42,
    attack: 'a reply from another VLAN is no reply',
    policy: ANSWERS_ONLY,
    steps: [
      out({ ...udp(`${LOCAL}:4000`, `${REMOTE}:53`), vlans: [{ vid: 5 }] }, 'rule', '+UNREPLIED'),
      into({ ...udp(`${REMOTE}:53`, `${LOCAL}:4000`), vlans: [{ vid: 6 }] }, 'rule_deny'),
      into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'rule_deny'),
      into(
        { ...udp(`${REMOTE}:53`, `${LOCAL}:4000`), vlans: [{ vid: 5 }, { vid: 5 }] },
        'rule_deny',
      ),
      into(
        { ...udp(`${REMOTE}:53`, `${LOCAL}:4000`), vlans: [{ vid: 5, priority: 7 }] },
        'flow',
        'UNREPLIED>ESTABLISHED',
      ),
    ],
  },
];

const hidden = buildFrame(tcp(CLIENT, SERVER, 'S'));
const hidden6 = buildFrame(tcp('[2001:db8::9]:1', `[${LOCAL6}]:80`, 'S')).subarray(14);
const encapsulations: readonly Case[] = [
  ...alone(43, ALLOW_ALL, [
    [
      'MPLS',
      { etherType: 0x8847, raw: [0, 0, 1, 64, ...hidden.subarray(14)] },
      'unknown_ether_type',
    ],
    [
      'PPPoE session',
      { etherType: 0x8864, raw: [0x11, 0, 0, 1, 0, 42, 0, 0x21, ...hidden.subarray(14)] },
      'unknown_ether_type',
    ],
    [
      'LLC/SNAP around IPv4',
      { etherType: 48, raw: [0xaa, 0xaa, 3, 0, 0, 0, 8, 0, ...hidden.subarray(14)] },
      'unknown_ether_type',
    ],
  ]),
  {
    row: 43,
    attack: 'an allowed TCP connection inside IPIP, 6in4, GRE, VXLAN or GTP is none',
    policy: { nic: ['Tcp 100 Inbound Allow Tcp * * * *', 'No 110 Inbound Deny Udp * * * *'] },
    steps: [
      into({ ip: { ...V4, protocol: 4 }, raw: hidden.subarray(14) }, 'rule_deny'),
      into({ ip: { ...V4, protocol: 41 }, raw: hidden6 }, 'rule_deny'),
      into({ ip: { ...V6, protocol: 41 }, raw: hidden6 }, 'rule_deny'),
      into({ ip: { ...V4, protocol: 47 }, raw: [0, 0, 8, 0, ...hidden.subarray(14)] }, 'rule_deny'),
      into(udp(CLIENT, `${LOCAL}:4789`, { payload: hidden }), 'rule_deny'),
      into(udp(CLIENT, `${LOCAL}:2152`, { payload: hidden.subarray(14) }), 'rule_deny'),
    ],
  },
];

const ZERO_CHOSEN =
  'on IPv6 it is for tunnels, whose ports a filter does not know; RFC 6936 section 5 tells it to forward them';
const udpLengths: readonly Case[] = [
  ...alone(44, ALLOW_ALL, [
    ['length below 8', { ip: V4, udp: { ...PORTS, length: 7 } }, 'malformed_udp'],
    ['length beyond the packet', { ip: V4, udp: { ...PORTS, length: 9 } }, 'malformed_udp'],
    ['cut short', { ip: { ...V4, protocol: 17 }, raw: new Uint8Array(7) }, 'malformed_udp'],
    ['no checksum, IPv4', { ip: V4, udp: { ...PORTS, checksum: 0 } }, 'rule', '+UNREPLIED'],
  ]),
  ...alone(44, ALLOW_ALL, [
    ['no checksum, IPv6', { ip: V6, udp: { ...PORTS, checksum: 0 } }, 'rule', '+UNREPLIED'],
  ]).map((entry) => ({ ...entry, chosen: ZERO_CHOSEN })),
];

const control = (last: number, etherType: number, raw: readonly number[] = []): FrameSpec => ({
  dstMac: `01:80:c2:00:00:${last.toString(16).padStart(2, '0')}`,
  etherType,
  raw: [...raw, ...new Uint8Array(46 - raw.length)],
});
const controlFrames: readonly Case[] = [
  ...alone(55, ALLOW_ALL, [
    ['STP', control(0, 0x26, [0x42, 0x42, 3]), 'link_local_control'],
    ['pause', control(1, 0x8808), 'link_local_control'],
    ['802.1X', control(3, 0x888e), 'link_local_control'],
    ['LLDP', control(14, 0x88cc, [2, 7, 4]), 'link_local_control'],
    [
      'IPv4 inside a control frame',
      { ...tcp(CLIENT, SERVER, 'S'), dstMac: '01:80:c2:00:00:0f' },
      'link_local_control',
    ],
    [
      'the address behind the last is ordinary',
      { ...tcp(CLIENT, SERVER, 'S'), dstMac: '01:80:c2:00:00:10' },
      'rule',
      '+SYN_SENT',
    ],
  ]),
  {
    row: 55,
    attack: 'with forwardLinkLocal they pass',
    policy: { settings: { link: { forwardLinkLocal: true } } },
    steps: [
      into(control(0, 0x26, [0x42, 0x42, 3]), 'link_local'),
      out(control(14, 0x88cc), 'link_local'),
    ],
  },
];

const ESCAPES = '\u001b[2J\u001b]0;owned\u0007\r\n# HELP x{y="z"} 1\n${jndi:ldap://x}';
const rest: readonly Case[] = [
  ...alone(50, ALLOW_ALL, [
    [
      'a super-frame that an offload made',
      udp(`${REMOTE}:1`, `${LOCAL}:2`, { payload: new Uint8Array(65_000) }),
      'oversize',
    ],
    [
      'a frame of one byte above the MTU of the wire',
      udp(`${REMOTE}:1`, `${LOCAL}:2`, { payload: new Uint8Array(1519 - 42) }),
      'oversize',
    ],
  ]),
  {
    row: 56,
    attack: 'a clock that goes back a day ends no flow, and makes none immortal',
    policy: ANSWERS_ONLY,
    steps: [
      out(udp(`${LOCAL}:4000`, `${REMOTE}:53`), 'rule', '+UNREPLIED'),
      into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'flow', 'UNREPLIED>ESTABLISHED'),
      wait(-500),
      into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'flow'),
      wait(241),
      into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'rule_deny', '-ESTABLISHED'),
    ],
  },
  {
    row: 56,
    attack: 'a jump ahead expires what was idle for too long, at once',
    policy: ANSWERS_ONLY,
    steps: inConnectionOut(),
  },
  {
    row: 57,
    attack: 'escape sequences and metric syntax in a payload are data',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => [
      into(talk.client('PA', ESCAPES), 'flow'),
      into(udp(CLIENT, `${LOCAL}:514`, { payload: ESCAPES }), 'rule', '+UNREPLIED'),
    ]),
  },
];

function inConnectionOut() {
  return [
    out(udp(`${LOCAL}:4000`, `${REMOTE}:53`), 'rule', '+UNREPLIED'),
    into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'flow', 'UNREPLIED>ESTABLISHED'),
    wait(86_400),
    into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'rule_deny', '-ESTABLISHED'),
  ];
}

export const linkCases: readonly Case[] = [
  ...arpAndDhcp,
  ...vlans,
  ...encapsulations,
  ...udpLengths,
  ...controlFrames,
  ...rest,
];
