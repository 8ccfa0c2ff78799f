/**
 * Rows 17 to 27 and 45 to 47: TCP flags that no TCP sends, segments without a connection, and forgeries inside one.
 */
import { ALLOW_ALL, LOCAL, REMOTE, tcp } from '../../helpers/pipeline-rig.ts';
import { alone, CLIENT, handshake, inConnection, PORTS, SERVER, V4 } from './attackers.ts';
import { type Case, flood, into, out, type Step, wait } from './case.ts';
import { segments } from './segments.ts';

const from = `${REMOTE}:1`;

const flags: readonly Case[] = [
  ...alone(17, ALLOW_ALL, [
    ['SYN+FIN', tcp(from, SERVER, 'SF'), 'impossible_tcp_flags'],
    ['SYN+RST', tcp(from, SERVER, 'SR'), 'impossible_tcp_flags'],
    ['RST+FIN', tcp(from, SERVER, 'RF'), 'impossible_tcp_flags'],
    ['NULL scan', tcp(from, SERVER, 0), 'impossible_tcp_flags'],
    ['FIN scan', tcp(from, SERVER, 'F'), 'impossible_tcp_flags'],
    ['Xmas scan', tcp(from, SERVER, 'FPU'), 'impossible_tcp_flags'],
    [
      'ECE alone is not "established" (CVE-2001-0183)',
      tcp(from, SERVER, 'E'),
      'impossible_tcp_flags',
    ],
    ['SYN with ECE and CWR is a SYN (RFC 3168)', tcp(from, SERVER, 'SEC'), 'rule', '+SYN_SENT'],
  ]),
  {
    row: 17,
    attack: 'all 256 values of the flags byte, each from its own port: only a SYN opens',
    policy: ALLOW_ALL,
    steps: [
      flood(
        'in',
        256,
        (bits) => tcp(`${REMOTE}:${1000 + bits}`, SERVER, bits),
        'impossible_tcp_flags 160, rule 16, tcp_no_flow 80; 16 flows, 0 datagrams',
      ),
    ],
  },
  ...alone(18, ALLOW_ALL, [
    ['ACK scan', tcp(from, SERVER, 'A'), 'tcp_no_flow'],
    ['Maimon scan', tcp(from, SERVER, 'FA'), 'tcp_no_flow'],
    ['a stray RST', tcp(from, SERVER, 'R'), 'tcp_no_flow'],
    ['data without a connection', tcp(from, SERVER, 'PA', { payload: 'x' }), 'tcp_no_flow'],
  ]),
  ...alone(19, ALLOW_ALL, [
    ['a SYN+ACK nobody asked for', tcp(`${REMOTE}:80`, `${LOCAL}:40000`, 'SA'), 'tcp_no_flow'],
  ]),
  ...alone(20, ALLOW_ALL, [
    ['data in a SYN (RFC 7413)', tcp(from, SERVER, 'S', { payload: 'GET /' }), 'rule', '+SYN_SENT'],
  ]),
];

const NOT_BELIEVED =
  'passes for the endpoint to judge, which knows its window (RFC 5961); the flow is not touched by it';
const blind: readonly Case[] = [
  {
    row: 21,
    attack: 'blind RST, in the window and outside, from both sides',
    policy: ALLOW_ALL,
    chosen: NOT_BELIEVED,
    steps: inConnection((talk) => [
      into(tcp(CLIENT, SERVER, 'R', { sequence: 1500 }), 'flow'),
      into(tcp(CLIENT, SERVER, 'R', { sequence: 0x7000_0000 }), 'flow'),
      out(tcp(SERVER, CLIENT, 'RA', { sequence: 1, acknowledgment: 1 }), 'flow'),
      into(talk.client('PA', 'goes on'), 'flow'),
      out(talk.server('A'), 'flow'),
    ]),
  },
  {
    row: 22,
    attack: 'blind SYN in a connection, and the challenge ACK it elicits',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => [
      into(tcp(CLIENT, SERVER, 'S', { sequence: 0x7000_0000 }), 'flow'),
      out(talk.server('A'), 'flow'),
      into(talk.client('PA', 'x'), 'flow'),
    ]),
  },
  {
    row: 23,
    attack: 'blind data far outside the window, which prepares a blind RST',
    policy: ALLOW_ALL,
    chosen: NOT_BELIEVED,
    steps: inConnection((talk) => [
      into(tcp(CLIENT, SERVER, 'PA', { sequence: 0x4000_0000, payload: 'x' }), 'flow'),
      into(tcp(CLIENT, SERVER, 'R', { sequence: 0x4000_0001 }), 'flow'),
      into(talk.client('PA', 'goes on'), 'flow'),
    ]),
  },
  {
    row: 23,
    attack: 'blind FINs from both sides do not close it',
    policy: ALLOW_ALL,
    chosen: NOT_BELIEVED,
    steps: inConnection((talk) => [
      into(tcp(CLIENT, SERVER, 'FA', { sequence: 0x4000_0000, acknowledgment: 9001 }), 'flow'),
      out(tcp(SERVER, CLIENT, 'FA', { sequence: 0x5000_0000, acknowledgment: 1001 }), 'flow'),
      out(talk.server('PA', 'goes on'), 'flow'),
    ]),
  },
  {
    row: 24,
    attack:
      'a forged RST with the right number only shortens the life of the flow, to 10 idle seconds',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => [
      into(talk.client('R'), 'flow', 'ESTABLISHED>CLOSED'),
      wait(10),
      out(talk.server('PA', 'still there'), 'flow'),
      wait(11),
      out(talk.server('A'), 'tcp_no_flow', '-CLOSED'),
    ]),
  },
  {
    row: 24,
    attack: 'the same with a wrong checksum and an option that no TCP knows',
    policy: ALLOW_ALL,
    chosen:
      'neither checksum nor options are looked at: what they could forge is bounded by the timer',
    steps: inConnection((talk) => {
      const { ip, tcp: fields = PORTS } = talk.client('R');
      return [
        into(
          { ...(ip && { ip }), tcp: { ...fields, checksum: 0xbad, options: [253, 4, 0, 0] } },
          'flow',
          'ESTABLISHED>CLOSED',
        ),
        out(talk.server('PA', 'still there'), 'flow'),
      ];
    }),
  },
];

/** A half-closed connection that is idle for almost its timeout again and again. */
const hours: readonly Step[] = inConnection((talk) => [
  into(talk.client('FA'), 'flow', 'ESTABLISHED>FIN_WAIT'),
  ...Array.from({ length: 10 }, () => [
    wait(240),
    out(talk.server('PA', 'data for hours'), 'flow'),
  ]).flat(),
]);

const lives: readonly Case[] = [
  {
    row: 25,
    attack: 'simultaneous open',
    policy: ALLOW_ALL,
    steps: segments(
      'in',
      `> S 100 | rule +SYN_SENT
       < S 500 | flow SYN_SENT>SYN_SENT2
       > SA 100 ack 501 | flow
       < SA 500 ack 101 | flow SYN_SENT2>SYN_RECV
       > A 101 ack 501 | flow SYN_RECV>ESTABLISHED`,
    ),
  },
  { row: 25, attack: 'half-close: data one way for 40 minutes', policy: ALLOW_ALL, steps: hours },
  {
    row: 25,
    attack: 'close in four steps, then an RST',
    policy: ALLOW_ALL,
    steps: inConnection((talk) => [
      into(talk.client('FA'), 'flow', 'ESTABLISHED>FIN_WAIT'),
      out(talk.server('A'), 'flow'),
      out(talk.server('FA'), 'flow', 'FIN_WAIT>CLOSING'),
      into(talk.client('A'), 'flow', 'CLOSING>TIME_WAIT'),
      into(talk.client('R'), 'flow', 'TIME_WAIT>CLOSED'),
    ]),
  },
  {
    row: 26,
    attack: 'a SYN on a tuple in TIME_WAIT is judged anew',
    policy: ALLOW_ALL,
    steps: segments(
      'in',
      `> S 0 | rule +SYN_SENT
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED
       > FA 1 ack 1 | flow ESTABLISHED>FIN_WAIT
       < FA 1 ack 2 | flow FIN_WAIT>CLOSING
       > A 2 ack 2 | flow CLOSING>TIME_WAIT
       > S 99999 | rule -TIME_WAIT +SYN_SENT
       < SA 7 ack 100000 | flow SYN_SENT>SYN_RECV
       > A 100000 ack 8 | flow SYN_RECV>ESTABLISHED`,
    ),
  },
  {
    row: 26,
    attack: 'from the other side it is judged by the rules of that direction',
    policy: { nic: ['In 100 Inbound Allow * * * * *', 'No 100 Outbound Deny * * * * *'] },
    steps: segments(
      'in',
      `> S 0 | rule +SYN_SENT
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED
       > R 1 | flow ESTABLISHED>CLOSED
       < S 5000 | rule_deny -CLOSED`,
    ),
  },
  {
    row: 27,
    attack: 'a SYN again with another number: the answer to the old one completes nothing',
    policy: ALLOW_ALL,
    steps: segments(
      'in',
      `> S 100 | rule +SYN_SENT
       > S 70000000 | flow
       < SA 1 ack 101 | flow
       < SA 1 ack 70000001 | flow SYN_SENT>SYN_RECV`,
    ),
  },
];

const again = handshake();
const header: readonly Case[] = [
  ...alone(45, ALLOW_ALL, [
    ['data offset 4', { ip: V4, tcp: { ...PORTS, dataOffset: 4 } }, 'malformed_tcp'],
    [
      'data offset beyond the segment',
      { ip: V4, tcp: { ...PORTS, dataOffset: 6 } },
      'malformed_tcp',
    ],
    [
      'a segment of 19 bytes',
      { ip: { ...V4, protocol: 6 }, raw: new Uint8Array(19) },
      'malformed_tcp',
    ],
  ]),
  ...alone(45, ALLOW_ALL, [
    [
      'option of length 0',
      { ip: V4, tcp: { ...PORTS, options: [2, 0, 0, 0] } },
      'rule',
      '+SYN_SENT',
    ],
  ]).map((entry) => ({
    ...entry,
    chosen: 'options are not read, so none can make the filter loop',
  })),
  {
    row: 46,
    attack: 'the same bytes sent again with other data, and an urgent pointer',
    policy: ALLOW_ALL,
    chosen:
      'segments are not reassembled: rules look at tuples, not at data (capture/decode.ts says so)',
    steps: [
      ...again.steps,
      into(
        tcp(CLIENT, SERVER, 'PA', { sequence: 1001, acknowledgment: 9001, payload: 'good' }),
        'flow',
      ),
      into(
        tcp(CLIENT, SERVER, 'PA', { sequence: 1001, acknowledgment: 9001, payload: 'evil' }),
        'flow',
      ),
      into(
        tcp(CLIENT, SERVER, 'PAU', { sequence: 1005, acknowledgment: 9001, payload: 'u' }),
        'flow',
      ),
    ],
  },
  {
    row: 47,
    attack: 'an RST whose hop limit does not reach the server',
    policy: ALLOW_ALL,
    chosen:
      'no hop limit is remembered: as every RST it only shortens the timer, which traffic restarts',
    steps: inConnection((talk) => {
      const reset = talk.client('R');
      return [
        into({ ...reset, ip: { ...V4, hopLimit: 1 } }, 'flow', 'ESTABLISHED>CLOSED'),
        wait(9),
        into(talk.client('PA', 'goes on'), 'flow'),
        wait(9),
        out(talk.server('A'), 'flow'),
      ];
    }),
  },
];

export const tcpCases: readonly Case[] = [...flags, ...blind, ...lives, ...header];
