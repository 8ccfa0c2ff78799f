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

/**
 * How long a frame of nobody special may wait in a queue that stands, and after how long without being empty a queue is one, in
 * milliseconds: what fills a queue while the process waits for its processor is gone long before. As in CoDel (RFC 8289).
 */
const STANDING_MILLISECONDS = 10;
const INTERVAL_MILLISECONDS = 100;
/** Places that are for everybody however slow the others are judged. */
const OPEN_MIN = 256;
/** The time that counts when a queue's speed is taken: a pause of some milliseconds must not look like a slow queue. */
const WINDOW_MILLISECONDS = 100;
/** What a queue is taken for that was empty: a microsecond for each frame. */
const USUAL_MILLISECONDS = 20;
const USUAL_FRAMES = 20_000;
const FORGETTING = 1 / 16;

/** One receive queue. */
export class Admission {
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #openMax: number;
  /** So many frames left the queue in so much time, while others were waiting. */
  #milliseconds = USUAL_MILLISECONDS;
  #frames = USUAL_FRAMES;
  /** The batch before this one: when it began, and its frames, 0 when it left none waiting. */
  #batchStart = 0;
  #batchFrames = 0;
  /** When a batch last left no frame waiting. */
  #emptiedAt = 0;
  #counted = 0;

  /**
   * @param words of all queues of an interface
   * @param places of the receive ring of this queue
   */
  constructor(words: Int32Array, queue: number, places: number) {
    this.#words = words;
    this.#first = queue * QUEUE_WORDS;
    this.#openMax = places - reservesOf(places).reserve;
    this.grant(0, 0, 0);
  }

  /**
   * Lets as many in as there is room for. A queue that stands holds up those who get in: fewer places are open then, so that
   * whoever gets one does not wait long for its turn.
   * @param waiting frames in the ring now
   * @param count of these that are read next
   * @param now milliseconds
   */
  grant(waiting: number, count: number, now: number): void {
    this.#noteSpeed(now);
    this.#batchStart = now;
    this.#batchFrames = waiting > count ? count : 0;
    if (waiting <= count) this.#emptiedAt = now;
    const isStanding = now - this.#emptiedAt > INTERVAL_MILLISECONDS;
    const open = isStanding ? this.#openInTime() : this.#openMax;
    const words = this.#words;
    const admitted = Atomics.load(words, this.#first + Queue.Admitted);
    Atomics.store(words, this.#first + Queue.Limit, admitted + open - waiting);
  }

  /** As many places as are read in time. */
  #openInTime(): number {
    const inTime = (STANDING_MILLISECONDS * this.#frames) / this.#milliseconds;
    return Math.floor(Math.min(this.#openMax, Math.max(OPEN_MIN, inTime)));
  }

  #noteSpeed(now: number): void {
    if (this.#batchFrames === 0) {
      this.#milliseconds += (USUAL_MILLISECONDS - this.#milliseconds) * FORGETTING;
      this.#frames += (USUAL_FRAMES - this.#frames) * FORGETTING;
      return;
    }
    this.#milliseconds += now - this.#batchStart;
    this.#frames += this.#batchFrames;
    if (this.#milliseconds <= WINDOW_MILLISECONDS) return;
    this.#milliseconds /= 2;
    this.#frames /= 2;
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
