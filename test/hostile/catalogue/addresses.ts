/**
 * Rows 32 to 34, 48, 49, 53 and 58: addresses, ports and protocols that no packet may have, or that mean nothing special.
 */
import {
  ALLOW_ALL,
  LOCAL,
  LOCAL6,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  tcp,
  udp,
} from '../../helpers/pipeline-rig.ts';
import { alone, ANSWERS_ONLY, CLIENT, inConnection, SERVER, syn4, V4 } from './attackers.ts';
import { type Case, flood, into, out } from './case.ts';

const PORT_65535 = udp(`${REMOTE}:65535`, `${LOCAL}:65535`);
const raw16 = new Uint8Array(16);
const sctp = { ip: { ...V4, protocol: 132 }, raw: raw16 };
const ANY: RigPolicy = { ...ALLOW_ALL, addresses: [] };

const martians: readonly Case[] = [
  ...alone(32, ALLOW_ALL, [
    ['LAND', tcp(SERVER, SERVER, 'S'), 'martian'],
    ['LAND with two ports', tcp(`${LOCAL}:1`, SERVER, 'S'), 'martian'],
    ['LAND, IPv6', tcp(`[${LOCAL6}]:80`, `[${LOCAL6}]:80`, 'S'), 'martian'],
    ['multicast source', udp('224.1.1.1:1', SERVER), 'martian'],
    ['multicast source, IPv6', udp('[ff02::1]:1', `[${LOCAL6}]:80`), 'martian'],
    ['loopback source', udp('127.0.0.1:1', SERVER), 'martian'],
    ['loopback source, IPv6', udp('[::1]:1', `[${LOCAL6}]:80`), 'martian'],
    ['broadcast source', udp('255.255.255.255:1', SERVER), 'martian'],
    ['class E source', udp('250.1.1.1:1', SERVER), 'martian'],
    ['source in 0/8', udp('0.1.2.3:1', SERVER), 'martian'],
    ['source 0.0.0.0 that is no DHCP', udp('0.0.0.0:1', SERVER), 'martian'],
  ]),
  {
    row: 32,
    attack:
      'destinations in 0/8, 127/8 and class E, from inside, on a wire that takes every address',
    policy: ANY,
    steps: [
      out(udp(SERVER, '0.1.2.3:53'), 'martian'),
      out(udp(SERVER, '127.0.0.1:53'), 'martian'),
      out(udp(SERVER, '250.1.1.1:53'), 'martian'),
      out(udp(`[${LOCAL6}]:80`, '[::1]:53'), 'martian'),
    ],
  },
  {
    row: 32,
    attack: 'every other martian of both families, and the legal addresses beside them',
    file: 'test/engine/pipeline-link.test.ts',
    test: 'martians are dropped whatever the rules',
  },
];

const numbers: readonly Case[] = [
  ...alone(33, ALLOW_ALL, [
    ['from port 0', udp(`${REMOTE}:0`, SERVER), 'port_zero'],
    ['to port 0', udp(CLIENT, `${LOCAL}:0`), 'port_zero'],
    ['TCP to port 0', tcp(CLIENT, `${LOCAL}:0`, 'S'), 'port_zero'],
    ['port 65535 is a port', PORT_65535, 'rule', '+UNREPLIED'],
  ]),
  {
    row: 33,
    attack: 'a rule for port 65535 and one for 1 do not match port 0 or each other',
    policy: { nic: ['A 100 Inbound Allow * * * * 65535', 'B 110 Inbound Allow * * * * 1'] },
    steps: [
      into(PORT_65535, 'rule', '+UNREPLIED'),
      into(udp(CLIENT, `${LOCAL}:1`), 'rule', '+UNREPLIED'),
      into(udp(CLIENT, `${LOCAL}:0`), 'port_zero'),
      into(udp(CLIENT, `${LOCAL}:2`), 'rule_deny'),
    ],
  },
  {
    row: 34,
    attack: 'a rule with ports never matches a protocol without (CVE-2014-8160)',
    policy: { nic: ['A 100 Inbound Allow * * * * 1-65535'] },
    steps: [into(sctp, 'rule_deny'), into(udp(CLIENT, SERVER), 'rule', '+UNREPLIED')],
  },
  {
    row: 34,
    attack: 'protocols 0, 255, GRE and SCTP are not TCP',
    policy: { nic: ['A 100 Inbound Allow Tcp * * * *'] },
    steps: [0, 255, 47, 132].map((protocol) =>
      into({ ip: { ...V4, protocol }, raw: raw16 }, 'rule_deny'),
    ),
  },
  {
    row: 34,
    attack: 'a flow of protocol 0 lets nothing in but protocol 0 (CVE-2023-1668)',
    policy: ANSWERS_ONLY,
    steps: [
      out({ ip: { src: LOCAL, dst: REMOTE, protocol: 0 }, raw: raw16 }, 'rule', '+UNREPLIED'),
      into({ ip: { ...V4, protocol: 47 }, raw: raw16 }, 'rule_deny'),
      into({ ip: { ...V4, protocol: 255 }, raw: raw16 }, 'rule_deny'),
      into(udp(CLIENT, SERVER), 'rule_deny'),
      into({ ip: { ...V4, protocol: 0 }, raw: raw16 }, 'flow', 'UNREPLIED>ESTABLISHED'),
    ],
  },
  {
    row: 34,
    attack: 'all 256 protocols behind an IPv4 header of 20 bytes with 16 bytes of zeros',
    policy: { nic: ['A 100 Inbound Allow Esp * * * *'] },
    steps: [
      flood(
        'in',
        256,
        (protocol) => ({ ip: { ...V4, protocol }, raw: raw16 }),
        'icmp_no_flow 1, malformed_tcp 1, malformed_udp 1, rule 1, rule_deny 252; 1 flows, 0 datagrams',
      ),
    ],
  },
];

const sides: readonly Case[] = [
  {
    row: 48,
    attack: 'segments of a connection from the wrong side are forged',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => [
      into(talk.server('PA', 'from outside'), 'unknown_address'),
      out(talk.client('PA', 'from inside'), 'unknown_address'),
    ]),
  },
  {
    row: 48,
    attack: 'on a wire that takes every address: another key, so no flow',
    policy: ANY,
    steps: inConnection((talk) => [
      into(talk.server('PA', 'from outside'), 'tcp_no_flow'),
      out(talk.client('PA', 'from inside'), 'tcp_no_flow'),
    ]),
  },
  {
    row: 48,
    attack: 'a workload that sends from an address it does not have',
    policy: ALLOW_ALL,
    steps: [out(udp('10.0.1.77:53', CLIENT), 'unknown_address')],
  },
  {
    row: 49,
    attack: 'what an FTP client says in its connection opens no port',
    policy: { nic: ['Ftp 100 Inbound Allow Tcp * * * 80', 'No 110 Inbound Deny * * * * *'] },
    steps: inConnection((talk) => [
      into(talk.client('PA', 'PASV\r\n'), 'flow'),
      out(talk.server('PA', '227 Entering Passive Mode (10,0,1,4,19,137)\r\n'), 'flow'),
      into(tcp(`${REMOTE}:50001`, `${LOCAL}:5001`, 'S'), 'rule_deny'),
    ]),
  },
  {
    row: 49,
    attack: 'what a workload says on IRC opens no port (CVE-2002-0060)',
    policy: ANSWERS_ONLY,
    steps: [
      out(tcp(`${LOCAL}:40000`, `${REMOTE}:6667`, 'S'), 'rule', '+SYN_SENT'),
      out(
        tcp(`${LOCAL}:40000`, `${REMOTE}:6667`, 'PA', {
          sequence: 1,
          payload: 'PRIVMSG x :\u0001DCC SEND f 167772420 5000 1\u0001\r\n',
        }),
        'flow',
      ),
      into(tcp(`${REMOTE}:50001`, `${LOCAL}:5000`, 'S'), 'rule_deny'),
    ],
  },
  {
    row: 53,
    attack: 'frames to another MAC address: the IP address picks the workload',
    policy: ALLOW_ALL,
    chosen:
      'a wire is a bump in the cable, so the link address is not judged; a host drops what is for another (PACKET_OTHERHOST)',
    steps: [
      into({ ...syn4(), dstMac: '02:00:00:00:00:77' }, 'rule', '+SYN_SENT'),
      into({ ...udp(CLIENT, '10.0.1.77:80'), dstMac: '02:00:00:00:00:77' }, 'unknown_address'),
    ],
  },
];

const v6 = (src: string, dst = LOCAL6) => udp(`[${src}]:1000`, `[${dst}]:2000`);
const families: readonly Case[] = [
  ...alone(58, ANY, [
    ['IPv4-mapped source', v6('::ffff:203.0.113.9'), 'martian'],
    ['IPv4-mapped destination', v6(REMOTE6, '::ffff:10.0.1.4'), 'martian'],
    ['NAT64 is IPv6 like other', v6('64:ff9b::cb00:7109'), 'rule', '+UNREPLIED'],
    ['6to4 is IPv6 like other', v6('2002:cb00:7109::1'), 'rule', '+UNREPLIED'],
    ['Teredo is IPv6 like other', v6('2001:0:cb00:7109::1'), 'rule', '+UNREPLIED'],
  ]),
  {
    row: 58,
    attack: 'a rule for an IPv4 address matches no spelling of it in IPv6',
    policy: { nic: ['A 100 Inbound Allow Udp 203.0.113.9 * * *'], addresses: [] },
    steps: [
      into(v6('64:ff9b::cb00:7109'), 'rule_deny'),
      into(v6('2002:cb00:7109::1'), 'rule_deny'),
      into(v6('::cb00:7109'), 'rule_deny'),
      into(udp(CLIENT, SERVER), 'rule', '+UNREPLIED'),
    ],
  },
  {
    row: 58,
    attack: 'a flow of 10.0.1.4 is no flow of ::a00:104',
    policy: { ...ANSWERS_ONLY, addresses: [] },
    steps: [
      out(udp(`${LOCAL}:4000`, `${REMOTE}:53`), 'rule', '+UNREPLIED'),
      into(udp('[::cb00:7109]:53', '[::a00:104]:4000'), 'rule_deny'),
    ],
  },
];

export const addressCases: readonly Case[] = [...martians, ...numbers, ...sides, ...families];
