/**
 * NicNames: which network interface of the policy a local address belongs to, for who reads flow events.
 *
 * Addresses of interfaces that left the policy stay known, because their flows may outlive them.
 */
import { type AddressWords, ipv6Words } from '../../src/engine/address-set.ts';
import type { NicPolicy } from '../../src/engine/policy.ts';

/** More addresses than this are left of former policies only when somebody renumbers all the time. */
const ADDRESSES_KEPT = 65_536;

export class NicNames {
  readonly #names = new Map<string, string>();
  /** Of the interface that takes every address of its wire. */
  #any: string | undefined;

  /** @param nics of the policy in force on a wire */
  update(nics: readonly NicPolicy[]): void {
    if (this.#names.size > ADDRESSES_KEPT) this.#names.clear();
    this.#any = undefined;
    for (const { name, addresses } of nics) {
      if (addresses.ipv4.length + addresses.ipv6.length === 0) this.#any = name;
      for (const [low, high] of addresses.ipv4) {
        for (let address = low; address <= high; address++) {
          this.#names.set(key(true, [0, 0, 0, address | 0]), name);
        }
      }
      for (const [low, high] of addresses.ipv6) {
        for (let address = low; address <= high; address++) {
          this.#names.set(key(false, ipv6Words(address)), name);
        }
      }
    }
  }

  /** @param local address as the four words of a flow record */
  nameOf(isIpv4: boolean, local: Readonly<AddressWords>): string | undefined {
    return this.#any ?? this.#names.get(key(isIpv4, local));
  }
}

function key(isIpv4: boolean, words: Readonly<AddressWords>): string {
  return isIpv4 ? String(words[3]) : words.join(',');
}
