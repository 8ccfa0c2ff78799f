/**
 * Rows 50 to 57 as far as they are about interfaces, processes and outputs: held by the tests that make such links.
 */
import type { Case, HeldCase } from './case.ts';

const SUPERVISOR = 'test/daemon/supervisor.test.ts';
const CAP = 'test/capture/live/cap.test.ts';
const AF_XDP = 'test/capture/live/af-xdp/live.test.ts';

/** `[row, attack, file, name of the test]` */
const held: readonly (readonly [number, string, string, string])[] = [
  [
    50,
    'offloads of both interfaces go off, and come back as they were',
    'test/daemon/native.test.ts',
    'offloads go off and come back as they were, one that was off stays off',
  ],
  [
    50,
    'with offloads: refuse it starts only when they are off',
    SUPERVISOR,
    'offloads: refuse starts only when they are off, and touches nothing',
  ],
  [
    50,
    'neighbours leave checksums to the hardware: what leaves has whole ones',
    'test/e2e/af-xdp.test.ts',
    'TCP passes both ways when the neighbours leave checksums to the hardware',
  ],
  [
    50,
    'a tag that the sender left beside the frame is in it again',
    AF_XDP,
    'a VLAN tag that the sender left beside the frame is in it again',
  ],
  [
    51,
    'different MTUs are waited out, with both named',
    SUPERVISOR,
    'different MTUs are waited out, with both named',
  ],
  [
    51,
    'a frame above the MTU of the other side is a failed send',
    CAP,
    'a frame above the MTU of the other side is a failed send, not a crash',
  ],
  [
    51,
    'jumbo frames are refused with the limit',
    AF_XDP,
    'jumbo frames are refused with the limit',
  ],
  [
    52,
    'every frame once, none comes back',
    CAP,
    'inline: ping passes both ways, every frame once, none comes back',
  ],
  [
    52,
    'what the host itself sends on an interface is not seen',
    CAP,
    'frames that the host itself sends on an interface are not seen',
  ],
  [54, 'links that flap', SUPERVISOR, 'links that flap are survived'],
  [
    54,
    'a link that is down is waited for',
    SUPERVISOR,
    'a link that goes down is waited for; forwarding resumes when it is up',
  ],
  [
    54,
    'an interface removed and made again',
    SUPERVISOR,
    'an interface removed and made again is found again, with its offloads off',
  ],
  [
    54,
    'carrier lost on the far side',
    SUPERVISOR,
    'carrier lost on the far side: it runs on and is not ready',
  ],
  [
    54,
    'af-xdp: an interface that is removed ends the wire and is named',
    AF_XDP,
    'an interface that is removed ends the wire and is named; made again, it opens',
  ],
  [
    56,
    'times of a capture that are absurd or go back',
    'test/daemon/replay.test.ts',
    'absurd times hurt nothing',
  ],
  [
    56,
    'a clock that goes back ages no flow',
    'test/flowtable/table.test.ts',
    'a clock that goes back ages nothing',
  ],
  [
    56,
    'counters stay exact far beyond 32 bits',
    'test/engine/counters.test.ts',
    'counts stay exact far beyond 32 bits',
  ],
  [
    57,
    'values keep their line and place in a log for people',
    'test/daemon/log.test.ts',
    'for people keeps every value on its line and in its place',
  ],
  [
    57,
    'labels of metrics come from closed sets',
    'test/engine/counters.test.ts',
    'every reason has a name, all different, fit for a label',
  ],
  [
    57,
    'nothing of a payload reaches the output of a replay',
    'test/hostile/injection.test.ts',
    'nothing that a packet carries is printed',
  ],
];

export const hostCases: readonly Case[] = held.map(([row, attack, file, test]): HeldCase => ({
  row,
  attack,
  file,
  test,
}));
