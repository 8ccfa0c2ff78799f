/**
 * EstablishedMarks: which flows are established, as a set of their hashes in memory that the kernel's program reads too.
 *
 * The program, which sees a frame before nsgd does, must tell in some nanoseconds whether it is of an established flow;
 * the flow table itself is not for it to read. So the hash of each flow in the table's list of established ones is here,
 * from the moment it enters that list until it leaves it.
 *
 * ```
 *   bucket (upper bits of the hash)   hash | 1, hash | 1, hash | 1, hash | 1        0: no mark
 * ```
 *
 * A mark says that a packet may use the last places of a queue, nothing else: every packet is judged. So a mark may be
 * wrong. Two flows with the same hash share one (2^-31, whoever chose them: the hash is seeded), and a fifth flow in a
 * bucket takes the place of another, which goes without.
 */

export const BUCKET_MARKS = 4;

const MIN_BUCKETS = 256;
const MAX_BUCKETS = 2 ** 20;

/** Buckets for a table of so many flows, a power of two: a mark for each when all of them are established, up to 4 Mi. */
export function bucketsFor(maxFlows: number): number {
  const buckets = 2 ** Math.ceil(Math.log2(maxFlows / BUCKET_MARKS));
  return Math.min(MAX_BUCKETS, Math.max(MIN_BUCKETS, buckets));
}

export class EstablishedMarks {
  readonly #words: Int32Array;
  readonly #shift: number;

  /**
   * @param words of `BUCKET_MARKS` for each bucket, zero
   * @throws RangeError unless the number of buckets is a power of two, 2 or more
   */
  constructor(words: Int32Array) {
    const bits = Math.log2(words.length / BUCKET_MARKS);
    if (!Number.isInteger(bits) || bits < 1) throw new RangeError(`${words.length} words`);
    this.#words = words;
    this.#shift = 32 - bits;
  }

  /** @param hash of a flow, from `hashWords` */
  mark(hash: number): void {
    const words = this.#words;
    const first = this.#bucket(hash);
    for (let place = first; place < first + BUCKET_MARKS; place++) {
      if (words[place] === 0) {
        words[place] = hash | 1;
        return;
      }
    }
    words[first + (hash & (BUCKET_MARKS - 1))] = hash | 1;
  }

  /** Takes one mark of this hash away, if there is one. */
  unmark(hash: number): void {
    const words = this.#words;
    const first = this.#bucket(hash);
    for (let place = first; place < first + BUCKET_MARKS; place++) {
      if (words[place] === (hash | 1)) {
        words[place] = 0;
        return;
      }
    }
  }

  isMarked(hash: number): boolean {
    const first = this.#bucket(hash);
    return this.#words.subarray(first, first + BUCKET_MARKS).includes(hash | 1);
  }

  #bucket(hash: number): number {
    return (hash >>> this.#shift) * BUCKET_MARKS;
  }
}
