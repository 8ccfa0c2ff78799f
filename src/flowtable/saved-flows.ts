/**
 * Saved flows: the rows of live flows taken out of one table and put into another, so that connections outlive a restart of
 * the whole daemon. A row is all of a record but its links (record.ts).
 *
 * What a row means depends on things that the next daemon does not share, so putting rows in translates them: last-seen
 * times to its clock, counter slots to its own, and the generation to none, so that a policy whose groups flush connections
 * judges each flow anew. Nothing else of a row is trusted here: `FlowTable.attach`, which the data plane calls next, frees
 * what makes no sense or has expired, and makes index and lists from the rest.
 */
import { FlowList, LIST_OF_STATE, MAX_TIMEOUT, ageSince } from './expiry.ts';
import { Field, NO_FLOW, NO_SLOT, RECORD_WORDS, SECONDS_MASK, Word, packSlots } from './record.ts';
import { Header } from './segment.ts';
import type { FlowTable } from './table.ts';
import type { FlowView } from './view.ts';

/** Words of one row, int32 each. */
export const ROW_WORDS = Word.Previous;
/** No policy has this generation: they start at 1. */
const NO_GENERATION = 0;

export interface RowTranslation {
  /** Seconds on the clock that the rows' last-seen times are of, when they were taken. */
  readonly savedAt: number;
  /** Seconds that went by since. 0 or more. */
  readonly elapsed: number;
  /** Seconds now, on the clock of the table that they are put into. */
  readonly now: number;
  /** The slot in which the rule of a saved slot is counted now; `NO_SLOT` where it is not. */
  readonly slotOf: (slot: number) => number;
}

/** Copies the rows of all live flows, `ROW_WORDS` words each. The table must be at rest. */
export function takeRows(view: FlowView): Int32Array {
  const rows = new Int32Array(view.recordLimit * ROW_WORDS);
  let at = 0;
  for (let record = 0; record < view.recordLimit; record++) {
    if (view.flowAt(record) === NO_FLOW) continue;
    const base = record * RECORD_WORDS;
    rows.set(view.words.subarray(base, base + ROW_WORDS), at);
    at += ROW_WORDS;
  }
  return rows.slice(0, at);
}

/**
 * Puts rows into a table that was just created and that no process uses yet. Of more than it can hold the established go
 * first, then the most recent. The table is not usable before `FlowTable.attach` has looked through it.
 * @param rows whole rows; any bytes do no harm
 * @returns how many were put in
 */
export function putRows(table: FlowTable, rows: Int32Array, translation: RowTranslation): number {
  const { words, header, maxFlows } = table;
  let record = 0;
  for (const order of chooseRows(rows, translation, maxFlows)) {
    const base = record * RECORD_WORDS;
    const row = order % UNIT;
    const age = Math.floor(order / UNIT) % UNIT;
    words.set(rows.subarray(row * ROW_WORDS, (row + 1) * ROW_WORDS), base);
    const state = words[base + Word.State] & 0xff;
    words[base + Word.State] = state | ((translation.now - age) << Field.LastSeenShift);
    words[base + Word.Slots] = translateSlots(words[base + Word.Slots], translation.slotOf);
    words[base + Word.Generation] = NO_GENERATION;
    record++;
  }
  header[Header.Fresh] = record;
  return record;
}

/** Rows and ages are below it. */
const UNIT = 2 ** 24;

/**
 * The rows to put in, as numbers that are less for what goes first: 1 bit that no connection is established, 24 bits of seconds
 * since the last packet, 24 bits of the row.
 */
function chooseRows(
  rows: Int32Array,
  { savedAt, elapsed }: RowTranslation,
  limit: number,
): Float64Array {
  const count = Math.min(UNIT, Math.floor(rows.length / ROW_WORDS));
  const chosen = new Float64Array(count);
  let found = 0;
  for (let row = 0; row < count; row++) {
    const word = rows[row * ROW_WORDS + Word.State] ?? 0;
    const age = ageSince(word >>> Field.LastSeenShift, savedAt & SECONDS_MASK) + elapsed;
    if (age > MAX_TIMEOUT) continue;
    const isEstablished = LIST_OF_STATE[word & Field.State] === FlowList.Established;
    chosen[found++] = ((isEstablished ? 0 : UNIT) + age) * UNIT + row;
  }
  const all = chosen.subarray(0, found);
  return found <= limit ? all : all.toSorted().subarray(0, limit);
}

function translateSlots(slots: number, slotOf: (slot: number) => number): number {
  const translate = (slot: number): number => (slot === NO_SLOT ? NO_SLOT : slotOf(slot));
  return packSlots(translate(slots >>> 16), translate(slots & 0xffff));
}
