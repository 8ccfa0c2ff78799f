/**
 * ListNumbers: lists of integers, each kept once, so that equal lists have equal numbers. A hash table over one array of
 * integers: lists as strings in a Map took most of the time of a diff, and half of that in the collector of garbage.
 *
 * The lists come from a policy, not from packets, so the hash has no seed.
 */
const EMPTY = -1;
/** Slots of a new table; a power of two, as ever after. */
const SLOTS_MIN = 64;

export class ListNumbers {
  /** Per slot the number of a list; at most half of them are taken. */
  #slots = new Int32Array(SLOTS_MIN).fill(EMPTY);
  #hashes = new Int32Array(SLOTS_MIN / 2);
  /** Where each list begins in `values`; one more than there are lists. */
  #starts = new Int32Array(SLOTS_MIN / 2 + 1);
  #values = new Int32Array(SLOTS_MIN);
  #count = 0;

  /** How many lists there are; their numbers are those below. */
  get size(): number {
    return this.#count;
  }

  /**
   * The number of the first `length` values; that of a list that was not there is the `size` there was.
   * @param values signed 32-bit integers
   */
  numberOf(values: ArrayLike<number>, length = values.length): number {
    const hash = hashOf(values, length);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const number = this.#slots[slot] ?? EMPTY;
      if (number === EMPTY) break;
      if (this.#hashes[number] === hash && this.#isAt(number, values, length)) return number;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.#count;
    return this.#append(hash, values, length);
  }

  #isAt(number: number, values: ArrayLike<number>, length: number): boolean {
    const start = this.#starts[number] ?? 0;
    if ((this.#starts[number + 1] ?? 0) - start !== length) return false;
    const own = this.#values;
    for (let i = 0; i < length; i++) if (own[start + i] !== values[i]) return false;
    return true;
  }

  #append(hash: number, values: ArrayLike<number>, length: number): number {
    const number = this.#count++;
    const start = this.#starts[number] ?? 0;
    if (start + length > this.#values.length) {
      this.#values = grown(this.#values, Math.max(start + length, 2 * this.#values.length));
    }
    for (let i = 0; i < length; i++) this.#values[start + i] = values[i] ?? 0;
    this.#hashes[number] = hash;
    this.#starts[number + 1] = start + length;
    if (this.#count === this.#hashes.length) this.#grow();
    return number;
  }

  #grow(): void {
    const room = 2 * this.#hashes.length;
    this.#hashes = grown(this.#hashes, room);
    this.#starts = grown(this.#starts, room + 1);
    this.#slots = new Int32Array(2 * room).fill(EMPTY);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = (this.#hashes[number] ?? 0) & mask;
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = number;
    }
  }
}

/** FNV-1a over 32-bit values, its bits mixed once more: neighbouring numbers must not share their low bits. */
function hashOf(values: ArrayLike<number>, length: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (values[i] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(array);
  return larger;
}
