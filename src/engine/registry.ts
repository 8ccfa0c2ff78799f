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
  /** Names by slot; a freed slot keeps its last owner's. */
  readonly #names: string[] = [];
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
      throw new RangeError(
        `${names.size} ${this.#what} on one wire; at most ${this.#limit} can be counted`,
      );
    }
    for (const [name, slot] of this.#slots) {
      if (names.has(name)) continue;
      this.#slots.delete(name);
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

  /** An independent copy: changes to one are not seen in the other. */
  copy(): SlotRegistry {
    const copy = new SlotRegistry(this.#limit, this.#what);
    for (const [name, slot] of this.#slots) copy.#slots.set(name, slot);
    copy.#names.push(...this.#names);
    copy.#freed.push(...this.#freed);
    return copy;
  }

  /** @returns -1 for a name that has none */
  slotOf(name: string): number {
    return this.#slots.get(name) ?? -1;
  }

  /** Names of the owners, or last owners, by slot. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Name of the owner, or of the last one: flow records may still point at a rule that is gone. */
  nameOf(slot: number): string | undefined {
    return this.#names[slot];
  }
}
