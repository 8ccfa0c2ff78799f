/**
 * The six scenarios that netfilter tests its connection tracking with (Linux, tools/testing/selftests/net/netfilter/
 * packetdrill/conntrack_*.pkt), told through the pipeline. Where netfilter calls a segment INVALID and nsgd lets it pass
 * without believing it, the entry says so; what matters to both is the state after it.
 */
import { ALLOW_ALL } from '../../helpers/pipeline-rig.ts';
import type { Case } from './case.ts';
import { segments } from './segments.ts';

const NOT_BELIEVED =
  'passes for the endpoint to judge (RFC 5961), which knows its window; the flow is not touched by it';

/** 46 segments of 1,460 bytes, each acknowledged. */
const download = Array.from({ length: 46 }, (_, index) => {
  const sequence = 1 + index * 1460;
  return `> PA ${sequence}(1460) ack 1 | flow\n< A 1 ack ${sequence + 1460} | flow`;
}).join('\n');

export const conntrackCases: readonly Case[] = [
  {
    row: 23,
    attack: 'ack_loss_stall: data that was acknowledged long ago is sent again',
    policy: ALLOW_ALL,
    steps: segments(
      'in',
      `> S 0 | rule +SYN_SENT
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED
       ${download}
       > PA 1(1460) ack 1 | flow
       < A 1 ack 67161 | flow`,
    ),
  },
  {
    row: 21,
    attack: 'inexact_rst: one side aborts after the FIN of the other; a late RST changes nothing',
    policy: ALLOW_ALL,
    steps: segments(
      'out',
      `> S 0 | rule +SYN_SENT
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED
       < A 1(1000) ack 1 | flow
       < A 1001(1000) ack 1 | flow
       < A 2001(1000) ack 1 | flow
       > A 1 ack 3001 | flow
       > PA 1(1000) ack 3001 | flow
       < FA 3001 ack 1001 | flow ESTABLISHED>CLOSE_WAIT
       > A 1001 ack 3002 | flow
       > RA 1001 ack 3002 | flow CLOSE_WAIT>CLOSED
       < R 2001 | flow`,
    ),
  },
  {
    row: 21,
    attack: 'rst_invalid: only the RST with exactly the next number ends the connection',
    policy: ALLOW_ALL,
    chosen: NOT_BELIEVED,
    steps: segments(
      'out',
      `> S 0 | rule +SYN_SENT
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED
       < A 1(1000) ack 1 | flow
       < A 1001(1000) ack 1 | flow
       < A 2001(1000) ack 1 | flow
       > A 1 ack 3001 | flow
       < R 0 | flow
       < R 1000000 | flow
       < R 42 | flow
       > PA 1(1000) ack 3001 | flow
       < A 3001 ack 1001 | flow
       < RA 3000 ack 1001 | flow
       < RA 3001 ack 1001 | flow ESTABLISHED>CLOSED`,
    ),
  },
  {
    row: 22,
    attack: 'syn_challenge_ack: the server still has the old connection, and says so',
    policy: ALLOW_ALL,
    steps: segments(
      'out',
      `> S 0 | rule +SYN_SENT
       < A 145824453 ack 643160523 | flow
       > R 643160523 | flow
       > S 0 | flow
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED`,
    ),
  },
  {
    row: 27,
    attack: 'synack_old: a SYN+ACK for an earlier connection comes before the right one',
    policy: ALLOW_ALL,
    chosen: NOT_BELIEVED,
    steps: segments(
      'out',
      `> S 0 | rule +SYN_SENT
       < SA 145824453 ack 643160523 | flow
       > S 0 | flow
       < SA 145758918 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 145758919 | flow SYN_RECV>ESTABLISHED
       > PA 1(1) ack 145758919 | flow`,
    ),
  },
  {
    row: 26,
    attack: 'synack_reuse: a new SYN in a live connection, challenge ACK, RST, and the SYN again',
    policy: ALLOW_ALL,
    steps: segments(
      'in',
      `> S 0 | rule +SYN_SENT
       < SA 0 ack 1 | flow SYN_SENT>SYN_RECV
       > A 1 ack 1 | flow SYN_RECV>ESTABLISHED
       > PA 1(100) ack 1 | flow
       < A 1 ack 101 | flow
       > S 2000 | flow
       < A 1 ack 101 | flow
       > RA 101 ack 1 | flow ESTABLISHED>CLOSED
       > S 2000 | rule -CLOSED +SYN_SENT
       < SA 0 ack 2001 | flow SYN_SENT>SYN_RECV`,
    ),
  },
];
