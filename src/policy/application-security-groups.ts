/**
 * Application security groups: names for sets of network interfaces. A group has no list of members; it is the
 * addresses of the interfaces that list it (Azure page "Application security groups").
 *
 * That also gives Azure's rule that a rule naming a group applies only to its members: on its own side such a rule
 * matches the members' addresses and so no other interface of the subnet.
 */
import type { AddressSet } from '../engine/address-set.ts';
import { isEmpty, union } from '../engine/address-set.ts';
import { nameKey } from './names.ts';

/** What of an interface matters to groups. */
export interface GroupMember {
  readonly addresses: AddressSet;
  readonly applicationSecurityGroups: readonly string[];
}

export class ApplicationSecurityGroups {
  /** Keyed by name without case. Groups without members are here with the empty set. */
  readonly #addresses: ReadonlyMap<string, AddressSet>;

  constructor(names: readonly string[], members: readonly GroupMember[]) {
    const sets = new Map<string, AddressSet[]>(names.map((name) => [nameKey(name), []]));
    for (const member of members) {
      for (const group of member.applicationSecurityGroups) {
        sets.get(nameKey(group))?.push(member.addresses);
      }
    }
    this.#addresses = new Map([...sets].map(([key, addresses]) => [key, union(addresses)]));
  }

  has(name: string): boolean {
    return this.#addresses.has(nameKey(name));
  }

  /** True for a group without an address: a rule that names only such groups matches nothing. */
  isEmpty(name: string): boolean {
    return isEmpty(this.addressesOf([name]));
  }

  /** The addresses of the members of all `names`; unknown names add none. */
  addressesOf(names: readonly string[]): AddressSet {
    return union(names.flatMap((name) => this.#addresses.get(nameKey(name)) ?? []));
  }
}
