/**
 * Recovery: makes a flow table's index, lists, free list and counts anew from its records.
 *
 * A process can be killed between any two stores, so none of the linked structures is trusted. Each record is on its own:
 * its state word is written last on insertion and cleared first on removal, so it is whole or free. Records that make no
 * sense (damaged memory), have expired or repeat a key are freed. The work is one pass and one sort.
 */
import { IpProtocol } from '../capture/packet.ts';
import { LIST_OF_STATE, ageSince } from './expiry.ts';
import type { HashIndex } from './hash-index.ts';
import { FlowKey } from './key.ts';
import type { FlowLists } from './lists.ts';
import { Field, FlowState, NO_FLOW, RECORD_WORDS, Word } from './record.ts';
import type { FlowIndex } from './record.ts';
import { Header, repairTimeouts } from './segment.ts';
import type { SegmentParts } from './segment.ts';

/** Of the records that were live: how many flows go on, and how many were expired, damaged or repeated. */
export interface Recovery {
  readonly kept: number;
  readonly dropped: number;
}

/** Above any record number, so that age and record number sort as one number. */
const RECORD_RANGE = 2 ** 25;

/** Rebuilds everything but records, statistics and timeouts. @param now seconds on the clock of the records */
export function recoverFlows(
  parts: SegmentParts,
  lookup: HashIndex,
  lists: FlowLists,
  now: number,
): Recovery {
  const { header, words } = parts;
  const maxFlows = words.length / RECORD_WORDS;
  repairTimeouts(header);
  lookup.clear();
  lists.clear();
  header[Header.Clock] = now;
  const fresh = header[Header.Fresh];
  const limit = fresh >= 0 && fresh <= maxFlows ? fresh : maxFlows;
  header[Header.Fresh] = limit;

  const ages = new Float64Array(limit);
  let candidates = 0;
  let live = 0;
  for (let record = 0; record < limit; record++) {
    const state = words[record * RECORD_WORDS + Word.State];
    if ((state & Field.State) === FlowState.Free) continue;
    live++;
    if (!isSound(words, record, header, now)) continue;
    ages[candidates++] = ageOf(state, now) * RECORD_RANGE + record;
  }
  // Youngest first: of two records with one key the more recent stays.
  const youngestFirst = ages.subarray(0, candidates).toSorted();
  const isKept = new Uint8Array(limit);
  const key = new FlowKey();
  let kept = 0;
  for (const entry of youngestFirst) {
    const flow = (entry % RECORD_RANGE) as FlowIndex;
    if (!keep(words, flow, key, lookup, now)) continue;
    lists.pushLast(flow, LIST_OF_STATE[words[flow * RECORD_WORDS + Word.State] & Field.State]);
    isKept[flow] = 1;
    kept++;
  }
  freeTheRest(header, words, isKept);
  return { kept, dropped: live - kept };
}

/** Enters a record in the index unless its key is there already; sets a last-seen time in the future to now. */
function keep(
  words: Int32Array,
  flow: FlowIndex,
  key: FlowKey,
  lookup: HashIndex,
  now: number,
): boolean {
  const base = flow * RECORD_WORDS;
  key.words.set(words.subarray(base, base + key.words.length));
  if (lookup.find(key) !== NO_FLOW) return false;
  if (lookup.add(flow) === 0) return false;
  const state = words[base + Word.State];
  if (ageOf(state, now) === 0) {
    words[base + Word.State] = (state & 0xff) | (now << Field.LastSeenShift);
  }
  return true;
}

/** Links every record that is not kept into the free list, lowest first. */
function freeTheRest(header: Int32Array, words: Int32Array, isKept: Uint8Array): void {
  let head: number = NO_FLOW;
  for (let record = isKept.length - 1; record >= 0; record--) {
    if (isKept[record] === 1) continue;
    words[record * RECORD_WORDS + Word.State] = 0;
    words[record * RECORD_WORDS + Word.Next] = head;
    head = record;
  }
  header[Header.FreeHead] = head;
}

/** True when a live record can be what this code wrote, and has not expired. */
function isSound(words: Int32Array, record: number, header: Int32Array, now: number): boolean {
  const base = record * RECORD_WORDS;
  const word = words[base + Word.State];
  const state = word & Field.State;
  if (state > FlowState.Closed) return false;
  const isTcp = (words[base + Word.Tag] & 0xff) === IpProtocol.Tcp;
  if (!isTcp && state !== FlowState.Unreplied && state !== FlowState.Established) return false;
  if ((word & Field.Ipv6) === 0 && !hasIpv4Addresses(words, base)) return false;
  return ageOf(word, now) <= header[Header.Timeouts + LIST_OF_STATE[state]];
}

function hasIpv4Addresses(words: Int32Array, base: number): boolean {
  const upper = words[base] | words[base + 1] | words[base + 2] | words[base + 4] | words[base + 5];
  return (upper | words[base + 6]) === 0;
}

function ageOf(stateWord: number, now: number): number {
  return ageSince(stateWord >>> Field.LastSeenShift, now);
}
