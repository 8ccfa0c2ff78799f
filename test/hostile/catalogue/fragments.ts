/**
 * Rows 1 to 9: fragments that hide ports and flags, overlap, never complete, or are too many.
 */
import { buildFragments, fragmentExtension, type FrameSpec } from '../../helpers/frames.ts';
import { ALLOW_ALL, LOCAL, tcp, udp } from '../../helpers/pipeline-rig.ts';
import { alone, CLIENT, firstPart, part, SERVER, syn6, V6 } from './attackers.ts';
import { type Case, flood, type Frame, into, wait } from './case.ts';

/** Three fragments of one datagram, 1024 bytes each. */
function three(spec: FrameSpec): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const [first, second, third] = buildFragments(spec, 1024, 0x1234);
  if (first === undefined || second === undefined || third === undefined) {
    throw new Error('a datagram of three fragments, please');
  }
  return [first, second, third];
}

const big4 = udp(CLIENT, `${LOCAL}:53`, { payload: new Uint8Array(3000) });
const big6: FrameSpec = {
  ip: V6,
  udp: { srcPort: 40_000, dstPort: 53 },
  payload: new Uint8Array(3000),
};
const [first4, second4, third4] = three(big4);
const [first6, second6, third6] = three(big6);
const over4: Frame = part({ protocol: 17, offset: 1016, more: true, bytes: 64, id: 0x1234 });
const over6: Frame = {
  ip: { ...V6, protocol: 17, extensions: [fragmentExtension(1016, true)] },
  raw: new Uint8Array(64),
};
/** The first fragment again, to another port. */
const other4: Frame = firstPart(22, 1024, 0x1234);

const tiny: readonly Case[] = [
  ...alone(1, ALLOW_ALL, [
    [
      'TCP without its flags',
      part({ protocol: 6, offset: 0, more: true, bytes: 8 }),
      'fragment_tiny',
    ],
    ['TCP of 16 bytes', part({ protocol: 6, offset: 0, more: true, bytes: 16 }), 'fragment_tiny'],
    [
      'UDP behind an extension header that is in the next fragment, IPv6',
      {
        ip: { ...V6, protocol: 17, extensions: [fragmentExtension(0, true), { type: 60 }] },
        raw: [],
      },
      'fragment_tiny',
    ],
  ]),
  {
    row: 1,
    attack: 'the rest of a tiny first fragment',
    policy: ALLOW_ALL,
    steps: [
      into(part({ protocol: 6, offset: 0, more: true, bytes: 8 }), 'fragment_tiny'),
      into(part({ protocol: 6, offset: 16, bytes: 40 }), 'fragment_unknown'),
    ],
  },
  ...alone(2, ALLOW_ALL, [
    [
      'a fragment at offset 8 over the TCP flags',
      part({ protocol: 6, offset: 8, bytes: 24 }),
      'fragment_tcp_header',
    ],
    [
      'the same with more to come (RFC 3128)',
      part({ protocol: 6, offset: 8, more: true, bytes: 24 }),
      'fragment_tcp_header',
    ],
  ]),
];

const overlaps: readonly Case[] = [
  {
    row: 3,
    attack: 'overlap in the middle (teardrop): nothing of the datagram passes any more',
    policy: ALLOW_ALL,
    steps: [
      into(first4, 'rule', '+UNREPLIED'),
      into(second4, 'fragment'),
      into(over4, 'fragment_invalid'),
      into(third4, 'fragment_invalid'),
    ],
  },
  {
    row: 3,
    attack: 'overlap in the middle, IPv6 (RFC 5722)',
    policy: ALLOW_ALL,
    steps: [
      into(first6, 'rule', '+UNREPLIED'),
      into(second6, 'fragment'),
      into(over6, 'fragment_invalid'),
      into(third6, 'fragment_invalid'),
    ],
  },
  {
    row: 3,
    attack: 'the same fragment twice is dropped once, the datagram goes on',
    policy: ALLOW_ALL,
    steps: [
      into(first4, 'rule', '+UNREPLIED'),
      into(second4, 'fragment'),
      into(second4, 'fragment_invalid'),
      into(third4, 'fragment'),
    ],
  },
  {
    row: 3,
    attack: 'a second first fragment with another port',
    policy: { nic: ['AllowDns 100 Inbound Allow Udp * * * 53'] },
    steps: [
      into(first4, 'rule', '+UNREPLIED'),
      into(other4, 'fragment_invalid'),
      into(second4, 'fragment_invalid'),
    ],
  },
  {
    row: 3,
    attack: 'a last fragment that ends before what was seen (Rose)',
    policy: ALLOW_ALL,
    steps: [
      into(first4, 'rule', '+UNREPLIED'),
      into(part({ protocol: 17, offset: 2048, more: true, bytes: 512, id: 0x1234 }), 'fragment'),
      into(part({ protocol: 17, offset: 1024, bytes: 512, id: 0x1234 }), 'fragment_invalid'),
      into(second4, 'fragment_invalid'),
    ],
  },
  ...alone(4, ALLOW_ALL, [
    [
      'a later fragment alone',
      part({ protocol: 17, offset: 1480, bytes: 100 }),
      'fragment_unknown',
    ],
    [
      'a later fragment alone, IPv6',
      {
        ip: { ...V6, protocol: 17, extensions: [fragmentExtension(1480, false)] },
        raw: new Uint8Array(40),
      },
      'fragment_unknown',
    ],
  ]),
  {
    row: 4,
    attack: 'out of order: what comes before the first is lost, not held',
    policy: ALLOW_ALL,
    steps: [
      into(third4, 'fragment_unknown'),
      into(first4, 'rule', '+UNREPLIED'),
      into(third4, 'fragment'),
      into(second4, 'fragment'),
      // Every byte was seen once: the identification is free again.
      into(second4, 'fragment_unknown'),
    ],
  },
  {
    row: 4,
    attack: 'later fragments of a denied first',
    policy: { nic: ['AllowDns 100 Inbound Allow Udp * * * 5353'] },
    steps: [into(first4, 'rule_deny'), into(second4, 'fragment_deny')],
  },
];

const floods: readonly Case[] = [
  {
    row: 5,
    attack: 'later fragments of 5,000 datagrams leave nothing',
    policy: ALLOW_ALL,
    steps: [
      flood(
        'in',
        5000,
        (id) => part({ protocol: 17, offset: 1480, bytes: 64, id: id & 0xffff }),
        'fragment_unknown 5000; 0 flows, 0 datagrams',
      ),
    ],
  },
  {
    row: 5,
    attack: 'first fragments of 6,000 datagrams that never complete: 4,096 are remembered',
    policy: ALLOW_ALL,
    chosen:
      'no quota for each source: forged sources have none; the datagram used least recently makes room',
    steps: [
      flood(
        'in',
        6000,
        (id) => firstPart(53, 64, id),
        'flow 5999, rule 1; 1 flows, 4096 datagrams',
      ),
      into(part({ protocol: 17, offset: 64, bytes: 64, id: 5999 }), 'fragment'),
      into(part({ protocol: 17, offset: 64, bytes: 64, id: 10 }), 'fragment_unknown'),
    ],
  },
  {
    row: 5,
    attack: 'a datagram that does not complete is forgotten after 30 s',
    policy: ALLOW_ALL,
    steps: [
      into(first4, 'rule', '+UNREPLIED'),
      wait(29),
      into(second4, 'fragment'),
      wait(1),
      into(third4, 'fragment_unknown'),
    ],
  },
  {
    row: 5,
    attack: 'IPv6: after 60 s',
    policy: ALLOW_ALL,
    steps: [
      into(first6, 'rule', '+UNREPLIED'),
      wait(59),
      into(second6, 'fragment'),
      wait(1),
      into(third6, 'fragment_unknown'),
    ],
  },
  {
    row: 5,
    attack: 'one datagram of more fragments than are tracked',
    policy: ALLOW_ALL,
    steps: [
      into(firstPart(53, 64), 'rule', '+UNREPLIED'),
      flood(
        'in',
        200,
        (index) => part({ protocol: 17, offset: 64 + index * 8, more: true, bytes: 8 }),
        'fragment 127, fragment_invalid 73; 1 flows, 1 datagrams',
      ),
    ],
  },
];

const identity: readonly Case[] = [
  {
    row: 6,
    attack: 'the same identification with another protocol, VLAN, number, or from the other side',
    policy: ALLOW_ALL,
    steps: [
      into(firstPart(53, 1480, 77), 'rule', '+UNREPLIED'),
      into(part({ protocol: 132, offset: 1480, bytes: 64, id: 77 }), 'fragment_unknown'),
      into(
        { ...part({ protocol: 17, offset: 1480, bytes: 64, id: 77 }), vlans: [{ vid: 3 }] },
        'fragment_unknown',
      ),
      into(part({ protocol: 17, offset: 1480, bytes: 64, id: 78 }), 'fragment_unknown'),
      into(
        part({ protocol: 17, offset: 1480, bytes: 64, id: 77, ip: { src: '203.0.113.10' } }),
        'fragment_unknown',
      ),
      into(part({ protocol: 17, offset: 1480, bytes: 64, id: 77 }), 'fragment'),
    ],
  },
  ...alone(7, ALLOW_ALL, [
    [
      'an atomic fragment is a whole packet',
      syn6([fragmentExtension(0, false)]),
      'rule',
      '+SYN_SENT',
    ],
  ]),
  {
    row: 7,
    attack: 'atomic fragments of one identification have nothing to do with each other',
    policy: ALLOW_ALL,
    steps: [
      into(syn6([fragmentExtension(0, false, 5)]), 'rule', '+SYN_SENT'),
      into(syn6([fragmentExtension(0, false, 5)]), 'flow'),
      into(
        {
          ip: { ...V6, protocol: 6, extensions: [fragmentExtension(64, false, 5)] },
          raw: new Uint8Array(64),
        },
        'fragment_unknown',
      ),
    ],
  },
  ...alone(8, ALLOW_ALL, [
    [
      'two atomic fragment headers (CVE-2023-4809)',
      syn6([fragmentExtension(0, false), fragmentExtension(0, false)]),
      'several_fragment_headers',
    ],
    [
      'an atomic header before that of a later fragment',
      syn6([fragmentExtension(0, false), fragmentExtension(64, false)]),
      'several_fragment_headers',
    ],
    [
      'a first fragment before an atomic header',
      syn6([fragmentExtension(0, true), { type: 60 }, fragmentExtension(0, false)]),
      'several_fragment_headers',
    ],
  ]),
  ...alone(9, ALLOW_ALL, [
    ['ping of death', part({ protocol: 1, offset: 65_528, bytes: 100 }), 'fragment_oversize'],
    [
      'ping of death, IPv6',
      {
        ip: { ...V6, protocol: 58, extensions: [fragmentExtension(65_528, false)] },
        raw: new Uint8Array(100),
      },
      'fragment_oversize',
    ],
    [
      'a fragment without data',
      part({ protocol: 17, offset: 800, more: true, bytes: 0 }),
      'fragment_length',
    ],
    [
      'a fragment of 7 bytes that is not the last',
      part({ protocol: 17, offset: 800, more: true, bytes: 7 }),
      'fragment_length',
    ],
  ]),
  {
    row: 2,
    attack: 'the flags rewritten under an allowed SYN',
    policy: ALLOW_ALL,
    steps: [
      into(
        {
          ...part({ protocol: 6, offset: 0, more: true, bytes: 24 }),
          raw: tcpHeader(),
        },
        'rule',
        '+SYN_SENT',
      ),
      into(part({ protocol: 6, offset: 8, bytes: 24 }), 'fragment_tcp_header'),
    ],
  },
];

/** 24 bytes: a SYN from CLIENT to SERVER and some data. */
function tcpHeader(): Uint8Array {
  const [fragment] = buildFragments(
    { ...tcp(CLIENT, SERVER, 'S'), payload: new Uint8Array(80) },
    24,
  );
  if (fragment === undefined) throw new Error('no fragment');
  return fragment.slice(34);
}

export const fragmentCases: readonly Case[] = [...tiny, ...overlaps, ...floods, ...identity];
