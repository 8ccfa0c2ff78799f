/**
 * SlotRegistry: stable numbers for names, so that counters and flow records mean the same thing after a reload.
 *
 * A rule that keeps its NSG, direction and name keeps its slot and its count; a NIC that keeps its name keeps its
 * index. A freed number is given out again only when no never-used one is left, oldest first, so a flow record that
 * still points at a removed rule is not counted for another. Cold path: the control process owns one per wire.
 */
export class SlotRegistry {
  readonly #limit: number;
  readonly #what: string;
  readonly #slots = new Map<string, number>();
  /** Names by slot; undefined for a slot without an owner. */
  readonly #names: (string | undefined)[] = [];
  readonly #freed: number[] = [];

  /**
   * @param limit slots are 0 to limit - 1
   * @param what plural noun for the error message
   */
  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  /**
   * Makes exactly `names` the owners: known names keep their slot, others get one, all the rest are freed.
   * @returns the slots that have a new owner, whose counters must start at zero
   * @throws RangeError when there are more names than slots; nothing is changed then
   */
  assign(names: ReadonlySet<string>): number[] {
    if (names.size > this.#limit) {
      throw new RangeError(`${names.size} ${this.#what} on one wire; at most ${this.#limit} can be counted`);
    }
    for (const [name, slot] of this.#slots) {
      if (names.has(name)) continue;
      this.#slots.delete(name);
      this.#names[slot] = undefined;
      this.#freed.push(slot);
    }
    const changed: number[] = [];
    for (const name of names) {
      if (this.#slots.has(name)) continue;
      const slot = this.#names.length < this.#limit ? this.#names.length : this.#freed.shift();
      if (slot === undefined) throw new RangeError('slot registry: no slot is free');
      this.#slots.set(name, slot);
      this.#names[slot] = name;
      changed.push(slot);
    }
    return changed;
  }

  /** @returns -1 for a name that has none */
  slotOf(name: string): number {
    return this.#slots.get(name) ?? -1;
  }

  nameOf(slot: number): string | undefined {
    return this.#names[slot];
  }

  /** Owners with their slots, in the order they came. */
  entries(): IterableIterator<[string, number]> {
    return this.#slots.entries();
  }
}
