/**
 * The TCP state step: (state, side, segment class) to state. Pure, one table, no numbers of any connection.
 *
 * It follows RFC 9293 as a middlebox sees it: what both endpoints can have concluded from the segments that passed, as
 * Linux conntrack and gVisor do, named from the opener's side. Whether a segment is believed at all (RFC 5961) is decided
 * before the step, in track.ts, where the sequence numbers are.
 */
import { TcpFlag } from '../capture/packet.ts';
import { FlowState } from './record.ts';

const SYN = TcpFlag.Syn;
const ACK = TcpFlag.Ack;
const RST = TcpFlag.Rst;
const FIN = TcpFlag.Fin;

/** What a segment is by its flags. PSH, URG, ECE and CWR do not matter (CVE-2001-0183), but see `Illegal`. */
export const Segment = Object.freeze({
  Syn: 0,
  SynAck: 1,
  /** ACK without SYN, FIN or RST: data, acknowledgment, keep-alive. */
  Ack: 2,
  /** FIN with ACK. */
  Fin: 3,
  /** RST, with ACK or not. */
  Rst: 4,
  /** A combination no TCP sends: none of the above, SYN with FIN or RST, FIN without ACK, FIN with RST. */
  Illegal: 5,
} as const);

/** Segment class by the lower six flag bits: index with `flags & 0x3f`. */
export const SEGMENT_OF_FLAGS: Uint8Array = segmentsByFlags();

/** Of a step: a SYN on a connection that is over. The flow must be removed and the SYN judged as a new one. */
export const REOPEN = 15;

const STATES = 12;
const SIDES = 2;

// The columns of NEXT_STATES.
const fr = FlowState.Free;
const un = FlowState.Unreplied;
const s1 = FlowState.SynSent;
const s2 = FlowState.SynSent2;
const sr = FlowState.SynReceived;
const es = FlowState.Established;
const fw = FlowState.FinWait;
const cw = FlowState.CloseWait;
const cg = FlowState.Closing;
const la = FlowState.LastAck;
const tw = FlowState.TimeWait;
const cl = FlowState.Closed;
const re = REOPEN;

/**
 * Segment class by side (0 the opener, 1 the other) by state. Notes:
 *
 * - `Unreplied` is a flow just made, or one picked up in the middle. The opener's SYN starts the handshake there; a
 *   segment from the other side makes the picked-up flow `Established`.
 * - SYN: from the other side in `SynSent` it is a simultaneous open (RFC 9293 figure 8). In a synchronised state it
 *   changes nothing: the endpoint answers with a challenge ACK (RFC 5961 section 4). After the end it reopens.
 * - SYN+ACK: only the other side's counts, and only while the handshake lasts. (In a simultaneous open both send one.)
 * - ACK: the opener's completes the handshake; in `SynSent2` either side's does, since both have sent a SYN and it
 *   acknowledges the other's. From the other side in `SynSent` it is a challenge ACK for an old connection and changes
 *   nothing. The last ACK of a close leads to `TimeWait`.
 * - FIN: one side's makes the flow half-closed for as long as it likes; the other's then ends it. A FIN before the
 *   handshake has got anywhere changes nothing.
 * - RST: only those that track.ts believes get here.
 */
const NEXT_STATES: Readonly<Record<string, readonly (readonly number[])[]>> = {
  //         fr  un  s1  s2  sr  es  fw  cw  cg  la  tw  cl
  syn: [
    /*opener*/ [fr, s1, s1, s2, sr, es, fw, cw, cg, la, re, re],
    /*other*/ [fr, un, s2, s2, sr, es, fw, cw, cg, la, re, re],
  ],
  synAck: [
    /*opener*/ [fr, un, s1, s2, sr, es, fw, cw, cg, la, tw, cl],
    /*other*/ [fr, un, sr, sr, sr, es, fw, cw, cg, la, tw, cl],
  ],
  ack: [
    /*opener*/ [fr, un, s1, es, es, es, fw, cw, tw, la, tw, cl],
    /*other*/ [fr, es, s1, es, sr, es, fw, cw, cg, tw, tw, cl],
  ],
  fin: [
    /*opener*/ [fr, un, s1, fw, fw, fw, fw, la, cg, la, tw, cl],
    /*other*/ [fr, cw, s1, cw, cw, cw, cg, cw, cg, la, tw, cl],
  ],
  rst: [
    /*opener*/ [fr, cl, cl, cl, cl, cl, cl, cl, cl, cl, cl, cl],
    /*other*/ [fr, cl, cl, cl, cl, cl, cl, cl, cl, cl, cl, cl],
  ],
};

const STEPS: Uint8Array = flattened(['syn', 'synAck', 'ack', 'fin', 'rst']);

/**
 * The state after a believed segment.
 * @param state one of `FlowState`
 * @param side 0 when the flow's opener sent the segment, 1 when the other side did
 * @param segment one of `Segment` but `Illegal`
 * @returns one of `FlowState`, or `REOPEN`
 */
export function tcpStep(state: number, side: number, segment: number): number {
  return STEPS[(segment * SIDES + side) * STATES + state];
}

/**
 * True when a sequence number lies within `reach` of another, either way, modulo 2^32.
 * @param reach below 2^31
 */
export function isNear(sequence: number, reference: number, reach: number): boolean {
  return (sequence - reference + reach) >>> 0 <= reach * 2;
}

function segmentsByFlags(): Uint8Array {
  const segments = new Uint8Array(64);
  for (let flags = 0; flags < segments.length; flags++) segments[flags] = segmentOf(flags);
  return segments;
}

function segmentOf(flags: number): number {
  switch (flags & (SYN | ACK | RST | FIN)) {
    case SYN:
      return Segment.Syn;
    case SYN | ACK:
      return Segment.SynAck;
    case ACK:
      return Segment.Ack;
    case FIN | ACK:
      return Segment.Fin;
    case RST:
    case RST | ACK:
      return Segment.Rst;
    default:
      return Segment.Illegal;
  }
}

function flattened(order: readonly string[]): Uint8Array {
  const steps = new Uint8Array(order.length * SIDES * STATES);
  order.forEach((name, segment) => {
    NEXT_STATES[name]?.forEach((row, side) => steps.set(row, (segment * SIDES + side) * STATES));
  });
  return steps;
}
