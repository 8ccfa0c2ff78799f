/**
 * Rows 28 to 31: what fills the flow table, or makes it and the rules slow.
 */
import { ALLOW_ALL, icmp, LOCAL, REMOTE, tcp, udp } from '../../helpers/pipeline-rig.ts';
import { CLIENT, inConnection, SERVER } from './attackers.ts';
import { type Case, flood, into, out } from './case.ts';

const stranger = (index: number): string => `198.51.100.${1 + (index % 200)}`;
const SMALL = { maxFlows: 32 };
const NO_QUOTA =
  'no quota for each source: forged sources have none; the oldest half-open flow makes room, an established one never';

/** 1,000 rules of which only the last matches. */
const thousand = Array.from({ length: 1000 }, (_, index) =>
  index === 999
    ? 'Last 1199 Inbound Allow Tcp * * * 80'
    : `R${index} ${100 + index} Inbound Deny Tcp 192.0.2.${index % 256} ${1 + index}-${2 + index} * ${2000 + index}`,
);

export const tableCases: readonly Case[] = [
  {
    row: 28,
    attack: 'SYN flood from forged sources: a live connection goes on, a new one gets in',
    policy: ALLOW_ALL,
    options: SMALL,
    chosen: NO_QUOTA,
    steps: inConnection((talk) => [
      flood(
        'in',
        1000,
        (index) => tcp(`${stranger(index)}:${1024 + index}`, SERVER, 'S'),
        'rule 1000; 32 flows, 0 datagrams',
      ),
      into(talk.client('PA', 'x'), 'flow'),
      into(tcp('192.0.2.1:99', SERVER, 'S'), 'rule', '-SYN_SENT +SYN_SENT'),
    ]),
  },
  {
    row: 28,
    attack: 'SYN flood with blind ACKs behind it makes nothing established',
    policy: ALLOW_ALL,
    options: SMALL,
    chosen: NO_QUOTA,
    steps: inConnection((talk) => [
      flood(
        'in',
        1000,
        (index) => {
          const source = `${stranger(index >> 1)}:${1024 + (index >> 1)}`;
          return index % 2 === 0
            ? tcp(source, SERVER, 'S', { sequence: 1 })
            : tcp(source, SERVER, 'A', { sequence: 2, acknowledgment: 12_345 });
        },
        'flow 500, rule 500; 32 flows, 0 datagrams',
      ),
      into(tcp('192.0.2.1:99', SERVER, 'S'), 'rule', '-SYN_SENT +SYN_SENT'),
      into(talk.client('PA', 'x'), 'flow'),
    ]),
  },
  {
    row: 28,
    attack: 'a table full of established connections refuses new ones and keeps those',
    policy: ALLOW_ALL,
    options: { maxFlows: 1 },
    steps: inConnection((talk) => [
      into(tcp('192.0.2.1:99', SERVER, 'S'), 'table_full'),
      into(talk.client('PA', 'x'), 'flow'),
    ]),
  },
  {
    row: 29,
    attack: 'UDP and ping flood from forged sources: an answered flow stays',
    policy: ALLOW_ALL,
    options: SMALL,
    chosen: NO_QUOTA,
    steps: [
      out(udp(`${LOCAL}:4000`, `${REMOTE}:53`), 'rule', '+UNREPLIED'),
      into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'flow', 'UNREPLIED>ESTABLISHED'),
      flood(
        'in',
        1000,
        (index) => udp(`${stranger(index)}:${1024 + index}`, SERVER),
        'rule 1000; 32 flows, 0 datagrams',
      ),
      flood(
        'in',
        1000,
        (index) => icmp(stranger(index), LOCAL, 8, index),
        'rule 1000; 32 flows, 0 datagrams',
      ),
      into(udp(`${REMOTE}:53`, `${LOCAL}:4000`), 'flow'),
    ],
  },
  {
    row: 30,
    attack: 'tuples in arithmetic sequence, as a weak hash would put into one place',
    policy: ALLOW_ALL,
    options: { maxFlows: 8192 },
    steps: [
      flood(
        'in',
        6000,
        (index) => udp(`198.51.100.${(index >> 8) & 255}:${1024 + ((index & 255) << 6)}`, SERVER),
        'rule 6000; 6000 flows, 0 datagrams',
      ),
      into(udp(CLIENT, SERVER), 'rule', '+UNREPLIED'),
    ],
  },
  {
    row: 30,
    attack: 'no seed makes chosen tuples collide',
    file: 'test/flowtable/hash.test.ts',
    test: 'over a million seeds',
  },
  {
    row: 30,
    attack: 'an insertion looks at a bounded number of slots, whatever the tuples',
    file: 'test/flowtable/table.test.ts',
    test: 'the index against chosen keys',
  },
  {
    row: 31,
    attack: '1,000 rules of which only the last matches',
    policy: { nic: thousand },
    steps: [
      into(tcp(CLIENT, SERVER, 'S'), 'rule', '+SYN_SENT'),
      into(tcp(CLIENT, `${LOCAL}:81`, 'S'), 'rule_deny'),
    ],
  },
  {
    row: 31,
    attack: 'the matcher finds what a linear scan finds, on lists of every shape',
    file: 'test/property/match.test.ts',
    test: 'matchRule equals the linear scan',
  },
];
