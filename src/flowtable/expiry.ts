/**
 * When an idle flow ends: the lists a flow can be in, one timeout for each, in one table.
 *
 * One timeout per list keeps each list sorted: whatever is touched moves to the head, so the tail is always both the
 * least recently used flow and the first to expire. Expiry and eviction look at tails only.
 */
import { FlowState, RemoveReason, SECONDS_MASK } from './record.ts';

/** The lists, as indexes. */
export const FlowList = Object.freeze({
  /** Half-open: only one side has spoken, or the TCP handshake is not complete. What a flood of new tuples fills. */
  Unreplied: 0,
  /** Both sides have spoken; also half-closed TCP, in which data may still go one way for hours. */
  Established: 1,
  /** TCP with FIN from both sides. */
  Closing: 2,
  /** TCP ended by RST. */
  Closed: 3,
} as const);

export const FLOW_LISTS = 4;

/**
 * Idle seconds per list: a flow is alive while it has been idle for at most that long, to the second.
 * 1 to `MAX_TIMEOUT`.
 */
export interface FlowTimeouts {
  readonly unreplied: number;
  readonly established: number;
  readonly closing: number;
  readonly closed: number;
}

/** Half the range of the seconds in a record (97 days), so that an age is never mistaken for a clock going back. */
export const MAX_TIMEOUT = SECONDS_MASK >>> 1;

/**
 * Established: Azure's 4 minutes (`flowTimeoutInMinutes` 4 to 30). Closing: the 60 s that Linux keeps TIME_WAIT.
 * Unreplied (30 s) and closed (10 s) as in Linux conntrack; RST only shortens the time, since it may be forged.
 */
export const DEFAULT_TIMEOUTS: FlowTimeouts = Object.freeze({
  unreplied: 30,
  established: 240,
  closing: 60,
  closed: 10,
});

/** The list of each state; `Free` has none and reads as 0. */
export const LIST_OF_STATE: Uint8Array = listsByState();

/** Why a flow that expired in a list is gone. */
export const EXPIRY_REASONS: readonly number[] = Object.freeze([
  RemoveReason.Timeout,
  RemoveReason.Timeout,
  RemoveReason.Fin,
  RemoveReason.Rst,
]);

/** What a full table gives up for a new flow, in this order. Never an established flow that is not expired. */
export const EVICTION_ORDER: readonly number[] = Object.freeze([
  FlowList.Closed,
  FlowList.Closing,
  FlowList.Unreplied,
]);

/** Seconds from `lastSeen` to `now`, both modulo 2^24; 0 when the clock went back. */
export function ageSince(lastSeen: number, now: number): number {
  const age = (now - lastSeen) & SECONDS_MASK;
  return age > MAX_TIMEOUT ? 0 : age;
}

function listsByState(): Uint8Array {
  const lists = new Uint8Array(16);
  lists.fill(FlowList.Unreplied);
  lists[FlowState.Established] = FlowList.Established;
  lists[FlowState.FinWait] = FlowList.Established;
  lists[FlowState.CloseWait] = FlowList.Established;
  lists[FlowState.Closing] = FlowList.Closing;
  lists[FlowState.LastAck] = FlowList.Closing;
  lists[FlowState.TimeWait] = FlowList.Closing;
  lists[FlowState.Closed] = FlowList.Closed;
  return lists;
}
