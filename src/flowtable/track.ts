/**
 * track: what one packet does to its flow. State, counters, place in the lists.
 *
 * TCP keeps, per direction, the next sequence number the receiver expects, as far as the segments that passed tell
 * (RFC 9293 RCV.NXT). It serves one purpose: that segments an outsider can forge do not end or advance a connection. A
 * segment that is not believed still passes, for the endpoint to judge (RFC 5961), but leaves the state alone.
 *
 * - RST ends a flow only when its sequence number is exactly the expected one (RFC 5961 section 3.2); before a SYN+ACK
 *   was seen only when it acknowledges the SYN (RFC 9293 section 3.10.7.3).
 * - Until the handshake is done, a segment counts only when it acknowledges what the other side has sent. So a blind ACK
 *   does not turn a half-open flow into an established one, which a flood cannot push out.
 * - After it, a segment counts only when its sequence number is near the expected one, and its acknowledgment only
 *   when it goes forward by less than a window; otherwise a forged ACK could prepare for a forged RST, and two forged
 *   FINs could end a flow.
 */
import { IpProtocol, TcpFlag } from '../capture/packet.ts';
import type { Packet } from '../capture/packet.ts';
import { Field, FlowState, RECORD_WORDS, Word } from './record.ts';
import type { FlowIndex } from './record.ts';
import type { FlowTable } from './table.ts';
import { REOPEN, SEGMENT_OF_FLAGS, Segment, isNear, tcpStep } from './tcp.ts';

const TCP = IpProtocol.Tcp;
const ACK_FLAG = TcpFlag.Ack;
const STATE = Word.State;
const EXPECTED = Word.Expected;
const STATE_MASK = Field.State;
const OPENER_SHIFT = Field.OpenerShift;
const EXPECTED_SHIFT = Field.ExpectedShift;
const ESTABLISHED = FlowState.Established;
const SYN_SENT = FlowState.SynSent;
const SYN_SENT_2 = FlowState.SynSent2;
const SYN_RECEIVED = FlowState.SynReceived;
const CLOSED = FlowState.Closed;
const SYN = Segment.Syn;
const SYN_ACK = Segment.SynAck;
const ACK = Segment.Ack;
const RST = Segment.Rst;
const ILLEGAL = Segment.Illegal;

/** The lower six bits of the flags: what `SEGMENT_OF_FLAGS` is indexed by. */
const CLASS_FLAGS = 0x3f;

/** How far an acknowledgment of the handshake may be off: data in a SYN or behind a SYN+ACK (RFC 7413). */
const HANDSHAKE_REACH = 0xffff;
/** How far a segment may be from the expected number: 16 MiB, beyond the receive windows that systems grant unasked. */
const WINDOW_REACH = 0xff_ffff;

export const TrackCode = Object.freeze({
  Pass: 0,
  /**
   * A SYN on a connection that is over: nothing was counted. Remove the flow (`RemoveReason.Reopened`) and judge the
   * packet as a new one, in its own direction.
   */
  Reopen: 1,
  /** TCP flags that no TCP sends: nothing was counted. Drop. */
  IllegalTcpFlags: 2,
} as const);
export type TrackCode = (typeof TrackCode)[keyof typeof TrackCode];

const PASS = TrackCode.Pass;
const REOPENED = TrackCode.Reopen;
const ILLEGAL_TCP_FLAGS = TrackCode.IllegalTcpFlags;

/**
 * Updates a flow with one of its packets, the first one included: right after `insert` it starts the state machine.
 * Counts `packet.ipLength` bytes.
 * @param flow from `find` or `insert` with this packet's key
 * @param direction of the packet, 0 inbound, 1 outbound
 * @param now monotonic seconds
 */
export function track(
  table: FlowTable,
  flow: FlowIndex,
  packet: Packet,
  direction: number,
  now: number,
): TrackCode {
  const words = table.words;
  const base = flow * RECORD_WORDS;
  const word = words[base + STATE];
  const side = direction ^ ((word >>> OPENER_SHIFT) & 1);
  let state = word & STATE_MASK;
  if (packet.protocol !== TCP) {
    if (side === 1) state = ESTABLISHED;
  } else {
    const segment = SEGMENT_OF_FLAGS[packet.tcpFlags & CLASS_FLAGS];
    if (segment === ILLEGAL) return ILLEGAL_TCP_FLAGS;
    state = tcpState(words, base, packet, direction, segment);
    if (state === REOPEN) return REOPENED;
  }
  table.touch(flow, direction, packet.ipLength, now, state);
  return PASS;
}

/**
 * False when the TCP segment that an ICMP error quotes lies outside what has been sent in its flow (RFC 5927 section
 * 4.1): forged by one who guessed the ports but not the sequence number. True for other protocols.
 * @param flow found with `quotedFlowKey`
 * @param direction of the error
 */
export function isQuotePlausible(
  table: FlowTable,
  flow: FlowIndex,
  packet: Packet,
  direction: number,
): boolean {
  if (packet.quoted.protocol !== TCP) return true;
  const quotedDirection = 1 - direction;
  const base = flow * RECORD_WORDS;
  if (!isExpectedKnown(table.words[base + STATE], quotedDirection)) return true;
  const expected = table.words[base + EXPECTED + quotedDirection];
  return isNear(packet.quoted.tcpSequence, expected, WINDOW_REACH);
}

/** The state after a segment, one of `FlowState` or `REOPEN`; notes the expected numbers. */
function tcpState(
  words: Int32Array,
  base: number,
  packet: Packet,
  direction: number,
  segment: number,
): number {
  const word = words[base + STATE];
  const state = word & STATE_MASK;
  const side = direction ^ ((word >>> OPENER_SHIFT) & 1);
  if (segment === RST) return isResetBelieved(words, base, packet, direction) ? CLOSED : state;
  if (segment === SYN) {
    const next = tcpStep(state, side, SYN);
    // The latest SYN of an attempt counts: a new attempt on the same ports has another initial number.
    if (next === SYN_SENT || next === SYN_SENT_2) {
      setExpected(words, base, direction, packet.tcpSequence + 1);
    }
    return next;
  }
  if (state >= SYN_SENT && state <= SYN_RECEIVED) {
    const reverse = 1 - direction;
    if (!isExpectedKnown(word, reverse)) return state;
    const expected = words[base + EXPECTED + reverse];
    if (!isNear(packet.tcpAcknowledgment, expected, HANDSHAKE_REACH)) return state;
    // It acknowledges the SYN, so it is genuine; the SYN that its side seems to have sent before may have been forged.
    if (state === SYN_SENT_2 && segment === SYN_ACK) {
      setExpected(words, base, direction, packet.tcpSequence + 1);
    }
  }
  return noteSequence(words, base, packet, direction, segment)
    ? tcpStep(state, side, segment)
    : state;
}

/** Whether an RST ends the flow. */
function isResetBelieved(
  words: Int32Array,
  base: number,
  packet: Packet,
  direction: number,
): boolean {
  const word = words[base + STATE];
  const state = word & STATE_MASK;
  const opener = (word >>> OPENER_SHIFT) & 1;
  if ((state === SYN_SENT || state === SYN_SENT_2) && direction !== opener) {
    if ((packet.tcpFlags & ACK_FLAG) === 0) return false;
    const expected = words[base + EXPECTED + opener];
    return isNear(packet.tcpAcknowledgment, expected, HANDSHAKE_REACH);
  }
  if (!isExpectedKnown(word, direction)) return false;
  return packet.tcpSequence === words[base + EXPECTED + direction];
}

/**
 * Notes what a segment with ACK says of both expected numbers. The receiver of an in-order segment will expect its end,
 * so an RST right behind the last data is exact too.
 * @returns false when the segment is implausible, and nothing is noted
 */
function noteSequence(
  words: Int32Array,
  base: number,
  packet: Packet,
  direction: number,
  segment: number,
): boolean {
  const word = words[base + STATE];
  const sequence = packet.tcpSequence;
  const isKnown = isExpectedKnown(word, direction);
  const expected = words[base + EXPECTED + direction];
  if (isKnown && !isNear(sequence, expected, WINDOW_REACH)) return false;
  if (!isKnown || sequence === expected) {
    // SYN and FIN take one number each (RFC 9293 section 3.4).
    const length = packet.tcpPayloadLength + (segment === ACK ? 0 : 1);
    setExpected(words, base, direction, sequence + length);
  }
  const reverse = 1 - direction;
  const acknowledgment = packet.tcpAcknowledgment;
  if (isExpectedKnown(word, reverse)) {
    const forward = (acknowledgment - words[base + EXPECTED + reverse]) | 0;
    if (forward > 0 && forward <= WINDOW_REACH) words[base + EXPECTED + reverse] = acknowledgment;
  } else {
    setExpected(words, base, reverse, acknowledgment);
  }
  return true;
}

function isExpectedKnown(stateWord: number, direction: number): boolean {
  return ((stateWord >>> (EXPECTED_SHIFT + direction)) & 1) === 1;
}

function setExpected(words: Int32Array, base: number, direction: number, sequence: number): void {
  words[base + EXPECTED + direction] = sequence | 0;
  words[base + STATE] |= 1 << (EXPECTED_SHIFT + direction);
}
