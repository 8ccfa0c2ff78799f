/**
 * Rows 10 to 16: headers of IPv6 and IPv4 that are too long, in the wrong order, or wrong about their lengths.
 */
import { type Extension, fragmentExtension, type FrameSpec } from '../../helpers/frames.ts';
import { ALLOW_ALL, LOCAL, type RigPolicy } from '../../helpers/pipeline-rig.ts';
import {
  alone,
  CLIENT,
  cut,
  inConnection,
  PORTS,
  SERVER,
  syn4,
  syn6,
  V4,
  V6,
} from './attackers.ts';
import { type Case, into } from './case.ts';
import { tcp, udp } from '../../helpers/pipeline-rig.ts';

const destination: Extension = { type: 60 };
const hopByHop: Extension = { type: 0 };
const chainOf = (length: number): FrameSpec => syn6(Array.from({ length }, () => destination));

const extensions: readonly Case[] = [
  ...alone(10, ALLOW_ALL, [
    ['no extension header', chainOf(0), 'rule', '+SYN_SENT'],
    ['eight extension headers', chainOf(8), 'rule', '+SYN_SENT'],
    ['nine extension headers', chainOf(9), 'extension_chain_too_long'],
    ['twenty extension headers', chainOf(20), 'extension_chain_too_long'],
    [
      'options of 264 bytes',
      syn6([{ type: 60, body: new Uint8Array(262) }]),
      'extension_chain_too_long',
    ],
    ['hop-by-hop behind another header', syn6([destination, hopByHop]), 'hop_by_hop_not_first'],
    ['hop-by-hop twice', syn6([hopByHop, hopByHop]), 'hop_by_hop_not_first'],
    ['a header longer than the packet', syn6([{ type: 60, length: 200 }]), 'malformed_ipv6'],
    [
      'a hop-by-hop option longer than its header',
      syn6([{ type: 0, body: [5, 99, 0, 0, 0, 0] }]),
      'malformed_ipv6',
    ],
    [
      'a first fragment without its whole chain (RFC 7112)',
      {
        ip: { ...V6, protocol: 6, extensions: [fragmentExtension(0, true)] },
        raw: new Uint8Array(16),
      },
      'fragment_tiny',
    ],
  ]),
  {
    row: 10,
    attack: 'an unknown next header is a protocol of its own, whatever looks like TCP behind it',
    policy: { nic: ['AllowTcp 100 Inbound Allow Tcp * * * *'] },
    steps: [
      into({ ip: { ...V6, protocol: 200 }, raw: new Uint8Array(20) }, 'rule_deny'),
      into(syn6([]), 'rule', '+SYN_SENT'),
    ],
  },
  ...alone(11, ALLOW_ALL, [
    ['routing header type 0', syn6([{ type: 43, body: [0, 1, 0, 0, 0, 0] }]), 'routing_type_0'],
    [
      'routing header type 4 is a header like others',
      syn6([{ type: 43, body: [4, 0, 0, 0, 0, 0] }]),
      'rule',
      '+SYN_SENT',
    ],
  ]),
];

const espAndAh: RigPolicy = {
  nic: ['AllowEsp 100 Inbound Allow Esp * * * *', 'AllowAh 110 Inbound Allow Ah * * * *'],
};
const raw24 = new Uint8Array(24);
const protocols: readonly Case[] = [
  {
    row: 12,
    attack: 'ESP, AH and no-next-header are judged by their own numbers',
    policy: espAndAh,
    steps: [
      into({ ip: { ...V4, protocol: 50 }, raw: raw24 }, 'rule', '+UNREPLIED'),
      into({ ip: { ...V4, protocol: 51 }, raw: raw24 }, 'rule', '+UNREPLIED'),
      into({ ip: { ...V6, protocol: 50 }, raw: raw24 }, 'rule', '+UNREPLIED'),
      into({ ip: { ...V6, protocol: 59 }, raw: raw24 }, 'rule_deny'),
    ],
  },
  ...alone(12, ALLOW_ALL, [
    [
      'no-next-header, where everything is allowed',
      { ip: { ...V6, protocol: 59 }, raw: raw24 },
      'rule',
      '+UNREPLIED',
    ],
    ['jumbo payload option', syn6([{ type: 0, body: [0xc2, 4, 0, 1, 0, 0] }]), 'ipv6_jumbogram'],
    [
      'payload length 0 with hop-by-hop',
      { ip: { ...V6, extensions: [hopByHop], payloadLength: 0 }, tcp: PORTS },
      'ipv6_jumbogram',
    ],
  ]),
];

const OPTIONS_CHOSEN =
  'a network security group says nothing of IP options, so all but source routes are judged as packets without them';
const options: readonly Case[] = [
  ...alone(13, ALLOW_ALL, [
    ['loose source route', syn4({ options: [131, 7, 4, 1, 1, 1, 1, 0] }), 'ipv4_source_route'],
    ['strict source route', syn4({ options: [137, 7, 4, 1, 1, 1, 1, 0] }), 'ipv4_source_route'],
    [
      'source route behind padding',
      syn4({ options: [1, 1, 1, 131, 3, 4, 0, 0] }),
      'ipv4_source_route',
    ],
    ['option of length 0 ends the walk', syn4({ options: [7, 0, 0, 0] }), 'malformed_ipv4_options'],
    ['option of length 1', syn4({ options: [7, 1, 0, 0] }), 'malformed_ipv4_options'],
    ['option longer than the header', syn4({ options: [7, 40, 4, 0] }), 'malformed_ipv4_options'],
  ]),
  ...alone(13, ALLOW_ALL, [
    ['record route', syn4({ options: [7, 7, 4, 0, 0, 0, 0, 0] }), 'rule', '+SYN_SENT'],
    ['timestamp', syn4({ options: [68, 8, 5, 0, 0, 0, 0, 0] }), 'rule', '+SYN_SENT'],
  ]).map((entry) => ({ ...entry, chosen: OPTIONS_CHOSEN })),
];

const lengths: readonly Case[] = [
  ...alone(14, ALLOW_ALL, [
    ['IHL below 5', syn4({ ihl: 4 }), 'malformed_ipv4'],
    ['IHL beyond the total length', syn4({ ihl: 15 }), 'malformed_ipv4'],
    ['total length below the header', syn4({ totalLength: 19 }), 'malformed_ipv4'],
    ['total length beyond the frame', syn4({ totalLength: 41 }), 'truncated'],
    ['version 6 behind the EtherType of IPv4', syn4({ version: 6 }), 'malformed_ipv4'],
    [
      'version 5 behind the EtherType of IPv6',
      { ip: { ...V6, version: 5 }, tcp: PORTS },
      'malformed_ipv6',
    ],
    ['a frame that ends in the IP header', cut(syn4(), 30), 'frame_too_short'],
    ['a frame that ends in the Ethernet header', cut(syn4(), 13), 'frame_too_short'],
    [
      'padding is no payload (CVE-2020-35498)',
      { ip: { ...V4, totalLength: 24 }, raw: [0, 80, 0, 80] },
      'rule',
      '+UNREPLIED',
    ],
    [
      'a TCP header made of padding',
      { ip: { ...V4, totalLength: 30, protocol: 6 }, raw: new Uint8Array(20) },
      'malformed_tcp',
    ],
  ]),
  ...alone(15, ALLOW_ALL, [
    [
      'payload length beyond the frame',
      { ip: { ...V6, payloadLength: 21 }, tcp: PORTS },
      'truncated',
    ],
    [
      'payload length below the TCP header',
      { ip: { ...V6, payloadLength: 19 }, tcp: PORTS },
      'malformed_tcp',
    ],
    [
      'payload length 0 without a jumbo option: a packet without upper layer',
      { ip: { ...V6, payloadLength: 0 }, tcp: PORTS },
      'malformed_tcp',
    ],
  ]),
];

const SUMS_CHOSEN =
  'the sum of the upper layer is not verified: a frame of a local sender has a partial one, and the endpoint drops what is wrong';
const checksums: readonly Case[] = [
  ...alone(16, ALLOW_ALL, [
    ['wrong IPv4 header checksum', syn4({ checksum: 0x1234 }), 'bad_ipv4_checksum'],
    [
      'partial TCP checksum, as an offload leaves it',
      { ip: V4, tcp: { ...PORTS, checksum: 'partial' } },
      'rule',
      '+SYN_SENT',
    ],
  ]),
  {
    row: 16,
    attack: 'partial checksum inside a connection',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => {
      const segment = talk.client('PA', 'x');
      const fields = { srcPort: 50_000, dstPort: 80, ...segment.tcp };
      return [into({ ...segment, tcp: { ...fields, checksum: 'partial' } }, 'flow')];
    }),
  },
  {
    row: 16,
    attack: 'wrong checksums of TCP and UDP',
    policy: ALLOW_ALL,
    chosen: SUMS_CHOSEN,
    steps: [
      into(
        { ...tcp(CLIENT, SERVER, 'S'), tcp: { srcPort: 50_000, dstPort: 80, checksum: 0xbad } },
        'rule',
        '+SYN_SENT',
      ),
      into(
        { ...udp(CLIENT, `${LOCAL}:53`), udp: { srcPort: 50_000, dstPort: 53, checksum: 0xbad } },
        'rule',
        '+UNREPLIED',
      ),
    ],
  },
];

export const networkLayerCases: readonly Case[] = [
  ...extensions,
  ...protocols,
  ...options,
  ...lengths,
  ...checksums,
];
