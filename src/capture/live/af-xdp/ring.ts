/**
 * The rings of an AF_XDP socket (Documentation/networking/af_xdp.rst): arrays in memory shared with the kernel, one
 * side producing and the other consuming.
 *
 *   consumer index ---> [ entries not read yet ] <--- producer index        both count up and wrap at 2^32
 *
 * An index is stored as a 32-bit word and lives here as int32: only differences matter, and they are right as long as
 * they are taken with `| 0`. Entry n is at slot n & (entries - 1). Each index has one writer; it is loaded and stored
 * atomically, which orders the entries written before it. Everything is in units of 32-bit words, host byte order.
 */

/** Where the parts of a ring are. */
export interface RingMemory {
  /** Over the whole mapping. */
  readonly words: Int32Array;
  /** Word of each index and of the flags. */
  readonly producer: number;
  readonly consumer: number;
  readonly flags: number;
  /** Word of the first entry. */
  readonly entriesAt: number;
  /** Number of entries, a power of two. */
  readonly entries: number;
  /** Words of one entry, a power of two. */
  readonly entryWords: number;
}

/** Words of an entry in the receive and send rings: struct xdp_desc { u64 addr; u32 len; u32 options }. */
export const DESCRIPTOR_WORDS = 4;
export const DESCRIPTOR_LENGTH = 2;
/** Words of an entry in the fill and completion rings: a u64 address. */
export const ADDRESS_WORDS = 2;

/** The kernel asks to be called before it goes on (XDP_RING_NEED_WAKEUP). */
const NEED_WAKEUP = 1;

/** A ring the kernel writes and we read: received frames, or frames whose sending is complete. */
export class ConsumerRing {
  readonly words: Int32Array;
  readonly #producer: number;
  readonly #consumer: number;
  readonly #entriesAt: number;
  readonly #mask: number;
  readonly #shift: number;
  #next: number;

  constructor(memory: RingMemory) {
    this.words = memory.words;
    this.#producer = memory.producer;
    this.#consumer = memory.consumer;
    this.#entriesAt = memory.entriesAt;
    this.#mask = memory.entries - 1;
    this.#shift = Math.log2(memory.entryWords);
    this.#next = Atomics.load(memory.words, memory.consumer);
  }

  /** Entries that can be read. */
  ready(): number {
    return (Atomics.load(this.words, this.#producer) - this.#next) | 0;
  }

  /** Word of the n-th entry that can be read; 0 <= n < ready(). */
  at(n: number): number {
    return this.#entriesAt + (((this.#next + n) & this.#mask) << this.#shift);
  }

  /** Gives the first `count` entries back to the kernel. */
  release(count: number): void {
    this.#next = (this.#next + count) | 0;
    Atomics.store(this.words, this.#consumer, this.#next);
  }
}

/** A ring we write and the kernel reads: free frames for it to receive into, or frames to send. */
export class ProducerRing {
  readonly words: Int32Array;
  readonly #producer: number;
  readonly #consumer: number;
  readonly #flags: number;
  readonly #entriesAt: number;
  readonly #entries: number;
  readonly #mask: number;
  readonly #shift: number;
  #next: number;
  #published: number;
  /** First entry whose consumption was not acknowledged. */
  #oldest: number;

  constructor(memory: RingMemory) {
    this.words = memory.words;
    this.#producer = memory.producer;
    this.#consumer = memory.consumer;
    this.#flags = memory.flags;
    this.#entriesAt = memory.entriesAt;
    this.#entries = memory.entries;
    this.#mask = memory.entries - 1;
    this.#shift = Math.log2(memory.entryWords);
    this.#next = Atomics.load(memory.words, memory.producer);
    this.#published = this.#next;
    this.#oldest = Atomics.load(memory.words, memory.consumer);
  }

  /** Entries that can be written before another `acknowledge`. */
  room(): number {
    return this.#entries - ((this.#next - this.#oldest) | 0);
  }

  /** Word of the next entry, which counts as written from now on. Only while `room()` is positive. */
  push(): number {
    const at = this.#entriesAt + ((this.#next & this.#mask) << this.#shift);
    this.#next = (this.#next + 1) | 0;
    return at;
  }

  /** Lets the kernel see what was written. */
  publish(): void {
    this.#published = this.#next;
    Atomics.store(this.words, this.#producer, this.#next);
  }

  hasUnpublished(): boolean {
    return this.#published !== this.#next;
  }

  /** Entries the kernel has read that were not acknowledged. Their words are as they were written. */
  consumed(): number {
    return (Atomics.load(this.words, this.#consumer) - this.#oldest) | 0;
  }

  /** Word of the n-th entry that is not acknowledged; 0 <= n < outstanding(). */
  at(n: number): number {
    return this.#entriesAt + (((this.#oldest + n) & this.#mask) << this.#shift);
  }

  /** Makes room by `count` entries, at most `consumed()`. */
  acknowledge(count: number): void {
    this.#oldest = (this.#oldest + count) | 0;
  }

  /** Entries written and not acknowledged, published or not. */
  outstanding(): number {
    return (this.#next - this.#oldest) | 0;
  }

  needsWakeup(): boolean {
    return (Atomics.load(this.words, this.#flags) & NEED_WAKEUP) !== 0;
  }
}
