/**
 * Admission: the packet loop's part in who gets into a receive queue that is filling up. The other part is a program in
 * the kernel (daemon/native/xdp-admission.ts), which says what this is for; the words between them are described here.
 *
 * ```
 *   word  0      frames that the program has let in             written by the program, wraps
 *         2, 3   frames that it has dropped, uint64             written by the program
 *        16      how far word 0 may go for anybody's frames     written by the packet loop, wraps
 * ```
 */

export const Queue = Object.freeze({ Admitted: 0, Refused: 2, Limit: 16 } as const);

/** Words of a queue: two cache lines, so that neither side's writing takes the other's reading. */
export const QUEUE_WORDS = 32;

/** The last places of a queue, as a part of it: for established flows, and of these those that link traffic may have. */
const RESERVED_PART = 1 / 8;
const LINK_PART = 1 / 16;

const WORD_VALUES = 2 ** 32;

/** Places of a queue of so many that are not for everybody. */
export function reservesOf(places: number): {
  readonly reserve: number;
  readonly linkReserve: number;
} {
  return { reserve: places * RESERVED_PART, linkReserve: places * LINK_PART };
}

/** How a packet of an established flow is known; a `FlowTable` is one of these. */
export interface EstablishedFlows {
  /** Secret multipliers of the flow hash. */
  readonly hashKey: Int32Array;
  /** Buckets of marks that are wanted, a power of two, and 32-bit words of each. */
  readonly markBuckets: number;
  readonly bucketWords: number;
  /** Takes the memory of the marks, which is zero, and keeps it true from then on. */
  useMarks(words: Int32Array): void;
}

export class Admission {
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #open: number;
  #counted = 0;

  /**
   * @param words of all queues of an interface
   * @param places of the receive ring of this queue
   */
  constructor(words: Int32Array, queue: number, places: number) {
    this.#words = words;
    this.#first = queue * QUEUE_WORDS;
    this.#open = places - reservesOf(places).reserve;
    this.grant(0);
  }

  /** Lets as many in as there is room for. @param waiting frames in the ring now */
  grant(waiting: number): void {
    const words = this.#words;
    const admitted = Atomics.load(words, this.#first + Queue.Admitted);
    Atomics.store(words, this.#first + Queue.Limit, admitted + this.#open - waiting);
  }

  /** Frames dropped since the last call. */
  takeRefused(): number {
    const at = this.#first + Queue.Refused;
    // Read a second time where the upper half moved on between.
    let high = 0;
    let low = 0;
    do {
      high = Atomics.load(this.#words, at + 1);
      low = Atomics.load(this.#words, at);
    } while (high !== Atomics.load(this.#words, at + 1));
    const refused = (high >>> 0) * WORD_VALUES + (low >>> 0);
    const fresh = refused - this.#counted;
    this.#counted = refused;
    return fresh;
  }
}
