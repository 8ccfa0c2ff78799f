/**
 * The lists of flows, most recently used first, doubly linked through the records. Every operation is constant work.
 */
import { FLOW_LISTS } from './expiry.ts';
import { NO_FLOW, RECORD_WORDS, Word } from './record.ts';
import type { FlowIndex } from './record.ts';
import { Header } from './segment.ts';

const HEADS = Header.Heads;
const TAILS = Header.Tails;
const COUNTS = Header.Counts;
const PREVIOUS = Word.Previous;
const NEXT = Word.Next;

export class FlowLists {
  readonly #header: Int32Array;
  readonly #words: Int32Array;

  /** @param header and @param words of the segment; heads and tails valid, or `clear` is called next */
  constructor(header: Int32Array, words: Int32Array) {
    this.#header = header;
    this.#words = words;
  }

  /** Empties every list, without reading a record. */
  clear(): void {
    for (let list = 0; list < FLOW_LISTS; list++) {
      this.#header[HEADS + list] = NO_FLOW;
      this.#header[TAILS + list] = NO_FLOW;
      this.#header[COUNTS + list] = 0;
    }
  }

  /** The least recently used flow of a list, or `NO_FLOW`. */
  oldest(list: number): FlowIndex {
    return this.#header[TAILS + list] as FlowIndex;
  }

  /** Puts a flow that is in no list first. */
  pushFirst(flow: FlowIndex, list: number): void {
    const header = this.#header;
    const words = this.#words;
    const base = flow * RECORD_WORDS;
    const head = header[HEADS + list];
    words[base + PREVIOUS] = NO_FLOW;
    words[base + NEXT] = head;
    if (head === NO_FLOW) header[TAILS + list] = flow;
    else words[head * RECORD_WORDS + PREVIOUS] = flow;
    header[HEADS + list] = flow;
    header[COUNTS + list]++;
  }

  /** Puts a flow that is in no list last. */
  pushLast(flow: FlowIndex, list: number): void {
    const header = this.#header;
    const words = this.#words;
    const base = flow * RECORD_WORDS;
    const tail = header[TAILS + list];
    words[base + PREVIOUS] = tail;
    words[base + NEXT] = NO_FLOW;
    if (tail === NO_FLOW) header[HEADS + list] = flow;
    else words[tail * RECORD_WORDS + NEXT] = flow;
    header[TAILS + list] = flow;
    header[COUNTS + list]++;
  }

  /** Takes a flow out of the list it is in. */
  remove(flow: FlowIndex, list: number): void {
    const header = this.#header;
    const words = this.#words;
    const base = flow * RECORD_WORDS;
    const previous = words[base + PREVIOUS];
    const next = words[base + NEXT];
    if (previous === NO_FLOW) header[HEADS + list] = next;
    else words[previous * RECORD_WORDS + NEXT] = next;
    if (next === NO_FLOW) header[TAILS + list] = previous;
    else words[next * RECORD_WORDS + PREVIOUS] = previous;
    header[COUNTS + list]--;
  }

  /** Moves a flow from the list it is in to the head of a list, which may be the same. */
  moveFirst(flow: FlowIndex, from: number, to: number): void {
    if (from === to && this.#header[HEADS + from] === flow) return;
    this.remove(flow, from);
    this.pushFirst(flow, to);
  }
}
