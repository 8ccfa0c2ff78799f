/**
 * PolicyImage: the data plane's view of a compiled policy (policy-image-layout.ts). Everything is checked once, while it
 * is attached; after that no lookup can leave the image.
 */
import type { Packet } from '../capture/packet.ts';
import {
  ADDRESS_WORDS,
  addressHash,
  Header,
  HEADER_WORDS,
  IMAGE_MAGIC,
  IMAGE_VERSION,
  LinkFlag,
  List,
  LIST_WORDS,
  Nic,
  NIC_WORDS,
  RULE_SLOT_MASK,
} from './policy-image-layout.ts';
import { MAX_NICS, MAX_RULE_SLOTS } from './counters.ts';
import { BrokenImageError } from './rule-set-check.ts';
import { RuleSet } from './rule-set.ts';
import { finish, type Steps } from './steps.ts';

/** Entries of the address table that one step of attaching looks at. */
const ADDRESSES_PER_STEP = 256;

/** No NIC of the wire has this address. */
export const NO_NIC = -1;

export class PolicyImageError extends Error {
  readonly code = 'POLICY_IMAGE_BROKEN';
}

export class PolicyImage {
  readonly words: Int32Array;
  readonly generation: number;
  readonly nicCount: number;
  readonly isUnknownEtherTypePassed: boolean;
  readonly isLinkLocalForwarded: boolean;
  readonly isTcpPickupLoose: boolean;
  readonly #ruleSets: RuleSet[] = [];
  /** Rule sets by list index. */
  readonly ruleSets: readonly RuleSet[] = this.#ruleSets;
  /** Offset in `words` of each list's rule words. */
  readonly ruleWordsAt: Int32Array;
  /** Offset in `words` of the NIC records. */
  readonly nicsAt: number;
  readonly #addressesAt: number;
  readonly #addressMask: number;
  readonly #longestProbe: number;
  readonly #anyAddressNic: number;

  /**
   * @param buffer as `compileImage` made it; may be longer
   * @throws PolicyImageError where the content is not an image of this version or reaches outside itself
   */
  static attach(buffer: ArrayBuffer): PolicyImage {
    return finish(PolicyImage.attachInSteps(buffer));
  }

  /** `attach`, a little at a time. The buffer must not change meanwhile, and never after. */
  static *attachInSteps(buffer: ArrayBuffer): Steps<PolicyImage> {
    const image = new PolicyImage(new Int32Array(buffer, 0, buffer.byteLength >> 2));
    yield* image.#load();
    return image;
  }

  /** Checks the header; the rest is `#load`'s. */
  private constructor(words: Int32Array) {
    const head = (index: number): number => words[index];
    check(words.length >= HEADER_WORDS && head(Header.Magic) === IMAGE_MAGIC, 'not a policy image');
    check(head(Header.Version) === IMAGE_VERSION, `version ${head(Header.Version)} is unknown`);
    const length = head(Header.Length);
    check(length >= HEADER_WORDS && length <= words.length, `${length} words do not fit`);
    const entries = head(Header.AddressEntries);
    this.nicCount = head(Header.NicCount);
    this.nicsAt = head(Header.NicsAt);
    this.#addressesAt = head(Header.AddressesAt);
    const listCount = head(Header.ListCount);
    check(this.nicCount >= 0 && this.nicCount <= MAX_NICS, 'NIC count');
    check(entries >= 4 && (entries & (entries - 1)) === 0, 'address entries');
    check(fits(this.nicsAt, this.nicCount * NIC_WORDS, length), 'NIC records');
    check(fits(this.#addressesAt, entries * ADDRESS_WORDS, length), 'address table');
    check(fits(head(Header.ListsAt), listCount * LIST_WORDS, length), 'rule lists');
    this.words = words;
    this.generation = head(Header.Generation);
    this.#addressMask = entries - 1;
    this.#longestProbe = Math.min(head(Header.LongestProbe), entries);
    this.#anyAddressNic = head(Header.AnyAddressNic);
    check(this.#anyAddressNic >= -1 && this.#anyAddressNic < this.nicCount, 'NIC of every address');
    const flags = head(Header.LinkFlags);
    this.isUnknownEtherTypePassed = (flags & LinkFlag.UnknownEtherTypePassed) !== 0;
    this.isLinkLocalForwarded = (flags & LinkFlag.LinkLocalForwarded) !== 0;
    this.isTcpPickupLoose = (flags & LinkFlag.TcpPickupLoose) !== 0;
    this.ruleWordsAt = new Int32Array(listCount);
  }

  *#load(): Steps<void> {
    const words = this.words;
    const listsAt = words[Header.ListsAt];
    const length = words[Header.Length];
    const listCount = this.ruleWordsAt.length;
    for (let list = 0; list < listCount; list++) {
      const row = listsAt + list * LIST_WORDS;
      const ruleCount = words[row + List.RuleCount];
      const ruleWordsAt = words[row + List.RuleWordsAt];
      check(fits(ruleWordsAt, ruleCount, length), `rule words of list ${list}`);
      this.#checkRuleWords(ruleWordsAt, ruleCount);
      this.ruleWordsAt[list] = ruleWordsAt;
      const ruleSet = yield* attachRuleSet(words, words[row + List.RuleSetAt]);
      check(ruleSet.ruleCount === ruleCount, `rule count of list ${list}`);
      this.#ruleSets.push(ruleSet);
      yield;
    }
    this.#checkNics(listCount);
    yield* this.#checkAddresses();
  }

  #checkRuleWords(at: number, count: number): void {
    for (let word = at; word < at + count; word++) {
      check((this.words[word] & RULE_SLOT_MASK) < MAX_RULE_SLOTS, `counter slot in word ${word}`);
    }
  }

  #checkNics(listCount: number): void {
    for (let nic = 0; nic < this.nicCount; nic++) {
      const at = this.nicsAt + nic * NIC_WORDS;
      const counterIndex = this.words[at + Nic.CounterIndex];
      check(counterIndex >= 0 && counterIndex < MAX_NICS, `counter index of NIC ${nic}`);
      for (let word = Nic.Platform; word < Nic.Platform + 6; word++) {
        const list = this.words[at + word];
        check(list >= -1 && list < listCount, `rule list of NIC ${nic}`);
      }
    }
  }

  *#checkAddresses(): Steps<void> {
    for (let entry = 0; entry <= this.#addressMask; entry++) {
      const nic = this.words[this.#addressesAt + entry * ADDRESS_WORDS + 4] - 1;
      check(nic >= -1 && nic < this.nicCount, `address entry ${entry}`);
      if (entry % ADDRESSES_PER_STEP === 0) yield;
    }
  }

  /**
   * The NIC whose address is the packet's local one: destination inbound, source outbound. What comes in for a
   * group has no local address: the only NIC of a wire takes it (and its rules judge it); where several share a
   * wire no one NIC's rules can speak for the others, so it has none.
   * @returns its index, or `NO_NIC`. Bounded by the longest probe of the table.
   */
  nicOf(packet: Packet, direction: number): number {
    if (this.#anyAddressNic >= 0) return this.#anyAddressNic;
    const isInbound = direction === 0;
    const w0 = isInbound ? packet.dst0 : packet.src0;
    const w1 = isInbound ? packet.dst1 : packet.src1;
    const w2 = packet.ipVersion === 4 ? 0xffff : isInbound ? packet.dst2 : packet.src2;
    const w3 = isInbound ? packet.dst3 : packet.src3;
    const words = this.words;
    const mask = this.#addressMask;
    let entry = addressHash(w0, w1, w2, w3) & mask;
    for (let probe = this.#longestProbe; probe >= 0; probe--) {
      const at = this.#addressesAt + entry * ADDRESS_WORDS;
      const nic = words[at + 4];
      if (nic === 0) break;
      if (
        words[at + 3] === w3 &&
        words[at + 2] === w2 &&
        words[at + 1] === w1 &&
        words[at] === w0
      ) {
        return nic - 1;
      }
      entry = (entry + 1) & mask;
    }
    return isInbound && this.nicCount === 1 && isGroupAddress(packet) ? 0 : NO_NIC;
  }

  /** Index of the NIC in the counters: stable over reloads. */
  counterIndex(nic: number): number {
    return this.words[this.nicsAt + nic * NIC_WORDS + Nic.CounterIndex];
  }

  /** True when the NIC's flows are judged anew after a policy change. */
  isFlushing(nic: number): boolean {
    return this.words[this.nicsAt + nic * NIC_WORDS + Nic.IsFlushing] !== 0;
  }
}

/** Multicast, or the limited broadcast (RFC 1112 section 4, RFC 919 section 7, RFC 4291 section 2.7). */
function isGroupAddress(packet: Packet): boolean {
  if (packet.ipVersion === 6) return packet.dst0 >>> 24 === 0xff;
  return packet.dst3 >>> 28 === 0xe || packet.dst3 === -1;
}

/** @throws PolicyImageError where there is no sound rule set */
function* attachRuleSet(words: Int32Array, at: number): Steps<RuleSet> {
  try {
    return yield* RuleSet.attachInSteps(words, at);
  } catch (error) {
    if (!(error instanceof BrokenImageError)) throw error;
    throw new PolicyImageError(`policy image: ${error.message}`, { cause: error });
  }
}

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new PolicyImageError(`policy image: ${what}`);
}

function fits(at: number, words: number, length: number): boolean {
  return at >= HEADER_WORDS && words >= 0 && at + words <= length;
}
