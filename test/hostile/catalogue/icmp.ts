/**
 * Rows 35 to 39: ICMP errors about nothing, advice that steers a host, echo, and the messages of a link.
 */
import { fragmentExtension, type FrameSpec, type IpFields } from '../../helpers/frames.ts';
import {
  ALLOW_ALL,
  icmp,
  LOCAL,
  LOCAL6,
  REMOTE,
  REMOTE6,
  tcp,
  udp,
} from '../../helpers/pipeline-rig.ts';
import { alone, ANSWERS_ONLY, errorAbout, inConnection, SERVER, CLIENT } from './attackers.ts';
import { type Case, into, out, wait } from './case.ts';

const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`);
const query6 = udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:53`);
const OPEN = { ...ALLOW_ALL, neighbour: ['10.0.1.5'] };

/** About the flow of `query`, and wrong. */
const forged: readonly (readonly [string, Uint8Array])[] = [
  ['about another port', errorAbout(udp(`${LOCAL}:4001`, `${REMOTE}:53`))],
  ['about another protocol', errorAbout(tcp(`${LOCAL}:4000`, `${REMOTE}:53`, 'S'))],
  ['to another than the quoted sender (CVE-2019-5598)', errorAbout(query, { dst: '10.0.1.5' })],
  [
    'about a packet of the other direction',
    errorAbout(udp(`${REMOTE}:53`, `${LOCAL}:4000`), { dst: LOCAL }),
  ],
  ['about another VLAN', errorAbout(query, { vlans: [{ vid: 7 }] })],
  ['with a quote cut before the ports', errorAbout(query, { quotedLength: 24 })],
  ['without a quote', errorAbout(query, { quotedLength: 0 })],
  ['about an error', errorAbout(icmp(LOCAL, REMOTE, 3))],
];

const errors: readonly Case[] = [
  {
    row: 35,
    attack: 'an error about a live flow passes, about none it does not, and it keeps no flow alive',
    policy: ANSWERS_ONLY,
    steps: [
      into(errorAbout(query), 'icmp_no_flow'),
      out(query, 'rule', '+UNREPLIED'),
      into(errorAbout(query), 'related'),
      wait(20),
      into(errorAbout(query), 'related'),
      wait(11),
      into(errorAbout(query), 'icmp_no_flow', '-UNREPLIED'),
    ],
  },
  ...forged.map(([attack, error]) => ({
    row: 35,
    attack: `an error ${attack}`,
    policy: OPEN,
    steps: [out(query, 'rule', '+UNREPLIED'), into(error, 'icmp_no_flow')],
  })),
  {
    row: 35,
    attack: 'a quoted TCP number outside what was sent (RFC 5927)',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => [
      into(
        errorAbout(tcp(SERVER, CLIENT, 'A', { sequence: 0x3000_0000 }), { code: 3 }),
        'icmp_no_flow',
      ),
      into(errorAbout(tcp(SERVER, CLIENT, 'A', { sequence: 9000 }), { code: 3 }), 'related'),
      into(talk.client('PA', 'goes on'), 'flow'),
    ]),
  },
  ...[4, 5].map((type) => ({
    row: 36,
    attack: type === 4 ? 'source quench about a live flow' : 'redirect about a live flow',
    policy: ANSWERS_ONLY,
    steps: [
      out(query, 'rule', '+UNREPLIED'),
      into(errorAbout(query, { type, src: '10.0.1.1' }), 'rule_deny'),
    ],
  })),
  {
    row: 36,
    attack: 'timestamp and address mask, requests and replies: by the rules, without a flow',
    policy: ALLOW_ALL,
    steps: [13, 14, 17, 18].map((type) => into(icmp(REMOTE, LOCAL, type, 1), 'rule')),
  },
  {
    row: 36,
    attack: 'the same where no rule allows it',
    policy: ANSWERS_ONLY,
    steps: [13, 14, 17, 18].map((type) => into(icmp(REMOTE, LOCAL, type, 1), 'rule_deny')),
  },
  {
    row: 37,
    attack: 'fragmentation needed and packet too big reach the sender',
    policy: ANSWERS_ONLY,
    steps: [
      out(query, 'rule', '+UNREPLIED'),
      into(errorAbout(query, { code: 4, mtu: 1400 }), 'related'),
      into(errorAbout(query, { code: 4, mtu: 68 }), 'related'),
      into(errorAbout(query, { code: 4, mtu: 67 }), 'icmp_mtu_too_small'),
      out(query6, 'rule', '+UNREPLIED'),
      into(errorAbout(query6, { type: 2, mtu: 1280 }), 'related'),
      into(errorAbout(query6, { type: 2, mtu: 1279 }), 'icmp_mtu_too_small'),
    ],
  },
];

const solicitation = (ip: Partial<IpFields> = {}, type = 135): FrameSpec => ({
  ip: { src: 'fe80::4', dst: REMOTE6, hopLimit: 255, ...ip },
  icmp: { type },
  payload: new Uint8Array(24),
});

const echo: readonly Case[] = [
  {
    row: 38,
    attack: 'only the reply to a request passes: its identifier, its family, its direction',
    policy: ANSWERS_ONLY,
    steps: [
      into(icmp(REMOTE, LOCAL, 0, 1), 'icmp_no_flow'),
      out(icmp(LOCAL, REMOTE, 8, 1), 'rule', '+UNREPLIED'),
      into(icmp(REMOTE, LOCAL, 0, 2), 'icmp_no_flow'),
      into(icmp(REMOTE, LOCAL, 8, 1), 'rule_deny'),
      into(icmp(REMOTE, LOCAL, 0, 1), 'flow', 'UNREPLIED>ESTABLISHED'),
    ],
  },
  {
    row: 38,
    attack:
      'neighbour discovery makes no flow that an echo with identifier 0 could use (CVE-2024-6640)',
    policy: ANSWERS_ONLY,
    steps: [
      out(solicitation(), 'link'),
      into(icmp(REMOTE6, LOCAL6, 129, 0), 'icmp_no_flow'),
      into(icmp(REMOTE6, LOCAL6, 128, 0), 'rule_deny'),
      out(icmp(LOCAL6, REMOTE6, 128, 0), 'rule', '+UNREPLIED'),
      into(icmp(REMOTE6, LOCAL6, 129, 5), 'icmp_no_flow'),
      into(icmp(REMOTE6, LOCAL6, 129, 0), 'flow', 'UNREPLIED>ESTABLISHED'),
    ],
  },
  {
    row: 38,
    attack:
      'ICMPv6 in an IPv4 packet, and the contrary, is no echo: the rules judge it, and it makes no flow',
    policy: ANSWERS_ONLY,
    steps: [
      out(icmp(LOCAL, REMOTE, 8, 1), 'rule', '+UNREPLIED'),
      into(
        { ip: { src: REMOTE, dst: LOCAL, protocol: 58 }, raw: [129, 0, 0, 0, 0, 1, 0, 1] },
        'rule_deny',
      ),
      into(
        { ip: { src: REMOTE6, dst: LOCAL6, protocol: 1 }, raw: [0, 0, 0, 0, 0, 1, 0, 1] },
        'rule_deny',
      ),
      out(
        { ip: { src: LOCAL6, dst: REMOTE6, protocol: 1 }, raw: [8, 0, 0, 0, 0, 1, 0, 1] },
        'rule',
      ),
      into(
        { ip: { src: REMOTE6, dst: LOCAL6, protocol: 1 }, raw: [0, 0, 0, 0, 0, 1, 0, 1] },
        'rule_deny',
      ),
    ],
  },
];

const onLink = { src: 'fe80::1', dst: 'ff02::1' } as const;
const RA_CHOSEN =
  'the outside of a wire is the provider’s link, so a router advertisement with hop limit 255 passes; there is no option';
const link: readonly Case[] = [
  {
    row: 39,
    attack: 'neighbour and router discovery and MLD pass with everything else denied',
    policy: { nic: ['In 100 Inbound Deny * * * * *', 'Out 100 Outbound Deny * * * * *'] },
    chosen: RA_CHOSEN,
    steps: [
      ...[134, 135, 136].map((type) => into(solicitation(onLink, type), 'link')),
      out(solicitation({ src: 'fe80::4', dst: 'ff02::2' }, 133), 'link'),
      into({ ...solicitation({ ...onLink, hopLimit: 1 }, 130) }, 'link'),
    ],
  },
  ...alone(39, ALLOW_ALL, [
    [
      'router advertisement from beyond the link',
      solicitation({ ...onLink, hopLimit: 64 }, 134),
      'neighbor_invalid',
    ],
    [
      'neighbour solicitation with hop limit 254',
      solicitation({ hopLimit: 254 }),
      'neighbor_invalid',
    ],
    [
      'MLD from a global address',
      solicitation({ src: REMOTE6, hopLimit: 1 }, 130),
      'neighbor_invalid',
    ],
    [
      'fragmented neighbour discovery (RFC 6980)',
      solicitation({ ...onLink, extensions: [fragmentExtension(0, false)] }),
      'fragment_neighbor_discovery',
    ],
    [
      'a fragmented router advertisement in two parts',
      solicitation({ ...onLink, extensions: [fragmentExtension(0, true)] }, 134),
      'fragment_neighbor_discovery',
    ],
  ]),
];

export const icmpCases: readonly Case[] = [...errors, ...echo, ...link];
