import { describe, expect, test } from 'vitest';
import { TcpFlag } from '../../src/capture/packet.ts';
import { Field, FLOW_STATE_NAMES, FlowState, Word } from '../../src/flowtable/record.ts';
import { isNear, REOPEN, Segment, SEGMENT_OF_FLAGS, tcpStep } from '../../src/flowtable/tcp.ts';
import { track, TrackCode } from '../../src/flowtable/track.ts';
import { TcpRig, TELLINGS, tellTcpStory } from '../helpers/tcp-story.ts';

const HANDSHAKE = `> S SYN_SENT
  < SA SYN_RECV
  > A ESTABLISHED`;

const STORIES: Readonly<Record<string, string>> = {
  'handshake, data, the opener closes': `${HANDSHAKE}
    > PA ESTABLISHED len=100
    < A ESTABLISHED
    < PA ESTABLISHED len=1400
    > A ESTABLISHED
    > FA FIN_WAIT
    < A FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT`,
  'the other side closes': `${HANDSHAKE}
    < FA CLOSE_WAIT
    > A CLOSE_WAIT
    > FA LAST_ACK
    < A TIME_WAIT`,
  'FIN and ACK in one, the opener first': `${HANDSHAKE}
    > FA FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT`,
  'both close at once': `${HANDSHAKE}
    > FA FIN_WAIT
    < FA CLOSING ack-1
    > A TIME_WAIT
    < A TIME_WAIT`,
  'FIN with data': `${HANDSHAKE}
    > FPA FIN_WAIT len=10
    < A FIN_WAIT
    < FPA CLOSING len=10
    > A TIME_WAIT`,
  'half close: data one way as long as it likes': `${HANDSHAKE}
    > FA FIN_WAIT
    < A FIN_WAIT
    < PA FIN_WAIT len=1400
    > A FIN_WAIT
    < PA FIN_WAIT len=1400
    > A FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT`,
  'half close by the other side': `${HANDSHAKE}
    < FA CLOSE_WAIT
    > A CLOSE_WAIT
    > PA CLOSE_WAIT len=1400
    < A CLOSE_WAIT
    > FA LAST_ACK
    < A TIME_WAIT`,
  'retransmissions change nothing': `> S SYN_SENT
    > S SYN_SENT seq-1
    < SA SYN_RECV
    < SA SYN_RECV seq-1
    > A ESTABLISHED
    < SA ESTABLISHED seq-1
    > A ESTABLISHED
    > PA ESTABLISHED len=10
    > PA ESTABLISHED seq-10 len=10
    > FA FIN_WAIT
    > FA FIN_WAIT seq-1
    < FA CLOSING
    < FA CLOSING seq-1
    > A TIME_WAIT
    < FA TIME_WAIT seq-1
    > A TIME_WAIT`,
  'the last ACK of the handshake is lost, data follows': `> S SYN_SENT
    < SA SYN_RECV
    > A - lost
    > PA ESTABLISHED len=10`,
  'the last ACK of the handshake is lost, FIN follows': `> S SYN_SENT
    < SA SYN_RECV
    > A - lost
    > FA FIN_WAIT`,
  'the other side speaks and closes before the handshake is done': `> S SYN_SENT
    < SA SYN_RECV
    < PA SYN_RECV len=100
    < FA CLOSE_WAIT
    > A CLOSE_WAIT
    > FA LAST_ACK
    < A TIME_WAIT`,
  'data in the SYN and behind the SYN+ACK (RFC 7413)': `> S SYN_SENT len=1000
    < SA SYN_RECV
    < PA SYN_RECV len=1400
    > A ESTABLISHED
    < R CLOSED`,
  'simultaneous open (RFC 9293 figure 8)': `> S SYN_SENT
    < S SYN_SENT2
    > SA SYN_SENT2 seq-1
    < SA SYN_RECV seq-1
    > A ESTABLISHED
    < A ESTABLISHED`,
  'simultaneous open, the other order': `> S SYN_SENT
    < S SYN_SENT2
    < SA SYN_RECV seq-1
    > SA SYN_RECV seq-1
    > A ESTABLISHED
    < PA ESTABLISHED len=5`,
  refused: `> S SYN_SENT
    < RA CLOSED`,
  'refused, then tried again': `> S SYN_SENT
    < RA CLOSED
    > S REOPEN
    < SA SYN_RECV
    > A ESTABLISHED`,
  'aborted by the opener': `${HANDSHAKE}
    > PA ESTABLISHED len=10
    > RA CLOSED`,
  'aborted by the other side': `${HANDSHAKE}
    > PA ESTABLISHED len=10
    < R CLOSED`,
  'aborted while half closed': `${HANDSHAKE}
    > FA FIN_WAIT
    < A FIN_WAIT
    < RA CLOSED`,
  'a half-open connection is found out (RFC 9293 figure 9)': `${HANDSHAKE}
    > S ESTABLISHED seq=77
    < A ESTABLISHED
    > R CLOSED`,
  'TIME_WAIT, the opener comes again': `${HANDSHAKE}
    > FA FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT
    > S REOPEN
    < SA SYN_RECV
    > A ESTABLISHED`,
  'TIME_WAIT, the other side opens': `${HANDSHAKE}
    > FA FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT
    < S REOPEN
    > SA SYN_RECV
    < A ESTABLISHED`,
  'keep-alive: one byte before what is expected': `${HANDSHAKE}
    > A ESTABLISHED seq-1
    < A ESTABLISHED
    > R CLOSED`,
  'ECN: set up with ECE and CWR (RFC 3168)': `> SEC SYN_SENT
    < SAE SYN_RECV
    > A ESTABLISHED
    > PAC ESTABLISHED len=10
    < AE ESTABLISHED
    > FAC FIN_WAIT
    < FAE CLOSING
    > A TIME_WAIT`,
  'FIN overtakes data': `${HANDSHAKE}
    > PA - lost len=100
    > FA FIN_WAIT
    < A FIN_WAIT ack-101
    > PA FIN_WAIT seq-101 len=100
    < A FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT`,
};

describe('whole connections', () => {
  describe.each(TELLINGS)('opener $opener, IPv$version, $first', (telling) => {
    test.each(Object.entries(STORIES))('%s', (_name, story) => {
      const { actual, expected, rig } = tellTcpStory(story, telling);
      expect(actual).toEqual(expected);
      expect(rig.table.size).toBe(1);
    });
  });
});

const STATES = Object.values(FlowState).filter((state) => state !== FlowState.Free);
const SEGMENT_NAMES = Object.keys(Segment);
const nameOf = (state: number): string =>
  state === REOPEN ? 'REOPEN' : (FLOW_STATE_NAMES[state] ?? `state ${state}`);

describe('the step table', () => {
  test('as reviewed against RFC 9293', () => {
    const rows = STATES.flatMap((state) =>
      ['opener', 'other'].map((sideName, side) => {
        const cells = SEGMENT_NAMES.slice(0, Segment.Illegal).map((name, segment) => {
          const next = tcpStep(state, side, segment);
          return `${name} ${next === state ? '-' : nameOf(next)}`.padEnd(18);
        });
        return `${nameOf(state).padEnd(12)}${sideName.padEnd(8)}${cells.join('')}`.trimEnd();
      }),
    );
    expect(`\n${rows.join('\n')}\n`).toMatchSnapshot();
  });

  test('no step leads out of the states, and a free record stays free', () => {
    for (const side of [0, 1]) {
      for (let segment = 0; segment < Segment.Illegal; segment++) {
        expect(tcpStep(FlowState.Free, side, segment)).toBe(FlowState.Free);
        for (const state of STATES) {
          const next = tcpStep(state, side, segment);
          expect(next === REOPEN || STATES.some((known) => known === next)).toBe(true);
        }
      }
    }
  });

  /** How far a connection has come. */
  const PROGRESS: Readonly<Record<number, number>> = {
    [FlowState.Unreplied]: 0,
    [FlowState.SynSent]: 1,
    [FlowState.SynSent2]: 2,
    [FlowState.SynReceived]: 3,
    [FlowState.Established]: 4,
    [FlowState.FinWait]: 5,
    [FlowState.CloseWait]: 5,
    [FlowState.Closing]: 6,
    [FlowState.LastAck]: 6,
    [FlowState.TimeWait]: 7,
    [FlowState.Closed]: 8,
  };
  test('a connection never goes back, but for a SYN after its end', () => {
    for (const state of STATES) {
      for (const side of [0, 1]) {
        for (let segment = 0; segment < Segment.Illegal; segment++) {
          const next = tcpStep(state, side, segment);
          if (next === REOPEN) {
            expect(segment).toBe(Segment.Syn);
            expect([FlowState.TimeWait, FlowState.Closed]).toContain(state);
          } else if (next !== state) {
            expect(PROGRESS[next]).toBeGreaterThan(PROGRESS[state] ?? 99);
          }
        }
      }
    }
  });

  test('SYN and SYN+ACK change no connection that is established or closing (RFC 5961 section 4)', () => {
    for (const state of STATES) {
      if ((PROGRESS[state] ?? 0) < 4) continue;
      for (const side of [0, 1]) {
        expect(tcpStep(state, side, Segment.SynAck)).toBe(state);
        if ((PROGRESS[state] ?? 0) < 7) expect(tcpStep(state, side, Segment.Syn)).toBe(state);
      }
    }
  });

  test('established takes a word of both sides', () => {
    for (let segment = 0; segment < Segment.Rst; segment++) {
      expect(tcpStep(FlowState.SynSent, 0, segment)).toBe(FlowState.SynSent);
      expect(tcpStep(FlowState.SynSent, 1, segment)).toBeLessThan(FlowState.Established);
      expect(tcpStep(FlowState.Unreplied, 0, segment)).toBeLessThan(FlowState.SynReceived);
    }
    expect(tcpStep(FlowState.SynReceived, 1, Segment.Ack)).toBe(FlowState.SynReceived);
  });
});

describe('what the flags make of a segment', () => {
  const { Fin, Syn, Rst, Psh, Ack, Urg } = TcpFlag;
  test('all 64 combinations of the lower six bits', () => {
    const letters = (flags: number): string =>
      'FSRPAU'.replaceAll(/./g, (letter, bit: number) =>
        ((flags >>> bit) & 1) === 1 ? letter : '.',
      );
    const rows = Array.from(SEGMENT_OF_FLAGS, (segment, flags) => {
      return `${letters(flags)} ${SEGMENT_NAMES[segment]}`;
    });
    expect(rows).toHaveLength(64);
    expect(`\n${rows.join('\n')}\n`).toMatchSnapshot();
  });

  test.each([
    ['nothing', 0],
    ['FIN alone', Fin],
    ['Xmas', Fin | Psh | Urg],
    ['PSH alone', Psh],
    ['URG alone', Urg],
    ['SYN+FIN', Syn | Fin],
    ['SYN+FIN+ACK', Syn | Fin | Ack],
    ['SYN+RST', Syn | Rst],
    ['SYN+RST+ACK', Syn | Rst | Ack],
    ['FIN+RST', Fin | Rst],
    ['FIN+RST+ACK', Fin | Rst | Ack],
    ['everything', 0x3f],
  ])('illegal: %s', (_name, flags) => {
    expect(SEGMENT_OF_FLAGS[flags]).toBe(Segment.Illegal);
  });

  describe.each([0, 1] as const)('opener %i', (opener) => {
    test.each(STATES.map((state) => [nameOf(state), state] as const))(
      '%s, both sides, all 256 values of the byte: what the table says, or nothing',
      (_name, state) => {
        const rig = inState(opener, state);
        const memory = new Uint8Array(rig.table.words.buffer);
        const start = memory.slice();
        for (const side of [0, 1] as const) {
          const packet = rig.packet(side, { ...EXACT[side], flags: 'A' });
          for (let flags = 0; flags < 256; flags++) {
            packet.tcpFlags = flags;
            memory.set(start);
            const code = track(rig.table, rig.flow, packet, side ^ opener, rig.now);
            const name = `side ${side}, flags ${flags}`;
            expect(`${name} ${code} ${rig.state}`).toBe(
              `${name} ${expectedStep(state, side, flags)}`,
            );
            if (code !== TrackCode.Pass) expect(Buffer.compare(memory, start), name).toBe(0);
          }
        }
      },
    );
  });
});

/** Code and state after a segment whose numbers are exactly right. ECE and CWR say nothing (CVE-2001-0183). */
function expectedStep(state: number, side: 0 | 1, flags: number): string {
  const segment = SEGMENT_OF_FLAGS[flags & 0x3f] ?? Segment.Illegal;
  if (segment === Segment.Illegal) return `${TrackCode.IllegalTcpFlags} ${nameOf(state)}`;
  // Before a SYN+ACK only an RST that acknowledges the SYN is one (RFC 9293 section 3.10.7.3).
  const isBareReset = segment === Segment.Rst && (flags & TcpFlag.Ack) === 0;
  const isSynSent = state === FlowState.SynSent || state === FlowState.SynSent2;
  const isRefused = isSynSent && side === 1 && isBareReset;
  const next = isRefused ? state : tcpStep(state, side, segment);
  return next === REOPEN
    ? `${TrackCode.Reopen} ${nameOf(state)}`
    : `${TrackCode.Pass} ${nameOf(next)}`;
}

/** What each side of `inState` would send. */
const EXACT = [
  { sequence: 5001, acknowledgment: 7001 },
  { sequence: 7001, acknowledgment: 5001 },
] as const;

/** A flow in that state, in which each side's numbers are those of `EXACT`. */
function inState(opener: 0 | 1, state: number): TcpRig {
  const rig = new TcpRig(opener);
  rig.send(0, { flags: 'S', sequence: 5000 });
  const { table, flow } = rig;
  table.words[Word.Expected + opener] = EXACT[0].sequence;
  table.words[Word.Expected + 1 - opener] = EXACT[1].sequence;
  table.words[Word.State] = (table.words[Word.State] ?? 0) | (3 << Field.ExpectedShift);
  table.touch(flow, opener, 0, rig.now, state);
  return rig;
}

describe('isNear', () => {
  test.each([
    [0, 0, 0, true],
    [1, 0, 0, false],
    [0xffff_ffff, 0, 0, false],
    [10, 5, 5, true],
    [11, 5, 5, false],
    [0, 5, 5, true],
    [-1, 5, 5, false],
    [3, 0xffff_fffe, 5, true],
    [4, 0xffff_fffe, 5, false],
    [0xffff_fffe, 3, 5, true],
    [0xffff_fffd, 3, 5, false],
    [0x7fff_ffff, -0x8000_0000, 1, true],
    [0x8000_0001, 0x7fff_ffff, 2, true],
    [0x8000_0000, 0, 0x7fff_ffff, false],
    [0x7fff_ffff, 0, 0x7fff_ffff, true],
  ])('%i to %i within %i: %s', (sequence, reference, reach, near) => {
    expect(isNear(sequence, reference, reach)).toBe(near);
    expect(isNear(sequence | 0, reference | 0, reach)).toBe(near);
  });
});
