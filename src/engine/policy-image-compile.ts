/**
 * Policy to image. Cold: runs in the control process (and in the offline commands) beside the policy in force.
 */
import { type AddressWords, ipv6Words, isEmpty } from './address-set.ts';
import { compileRules } from './compile.ts';
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
  RULE_ALLOW,
  RULE_STATEFUL,
} from './policy-image-layout.ts';
import { MAX_NICS, MAX_RULE_SLOTS } from './counters.ts';
import {
  NO_RULE_LIST,
  type NicPolicy,
  type Policy,
  type PolicyRule,
  printedRuleName,
  type RuleList,
} from './policy.ts';
import { Access } from './rule.ts';
import { SlotRegistry } from './registry.ts';

/** Most addresses that the NICs of one wire can have together. */
export const MAX_ADDRESSES = 65_536;

/** Names of counters: they outlive the images compiled with them. */
export class PolicyRegistry {
  readonly rules: SlotRegistry;
  readonly nics: SlotRegistry;

  constructor(
    rules = new SlotRegistry(MAX_RULE_SLOTS, 'rules'),
    nics = new SlotRegistry(MAX_NICS, 'network interfaces'),
  ) {
    this.rules = rules;
    this.nics = nics;
  }

  /** For a policy that may yet be refused: the names of the one in force stay as they are. */
  copy(): PolicyRegistry {
    return new PolicyRegistry(this.rules.copy(), this.nics.copy());
  }
}

/**
 * Name of a rule in the registry, `NSG|Inbound|securityRules/x`: with its kind, because an author may name a rule as a
 * default rule, or an NSG `platform`. The parts cannot contain the separator (names are [A-Za-z0-9_.-]).
 */
export function ruleSlotName(list: RuleList, rule: PolicyRule): string {
  return `${list.owner}|${list.direction === 0 ? 'Inbound' : 'Outbound'}|${printedRuleName(rule)}`;
}

export interface CompiledImage {
  readonly buffer: ArrayBuffer;
  /** By index in the image: what the numbers of an `Evaluation` mean. */
  readonly lists: readonly RuleList[];
  readonly nics: readonly NicPolicy[];
  /** Names of the counters, those of this image included. */
  readonly registry: PolicyRegistry;
  /** Counter slots with a new owner; to be cleared before the image is put in force. */
  readonly newRuleSlots: readonly number[];
}

/** The address words of one IPv4 address as they stand in tables and flow keys: IPv4-mapped (RFC 4291 2.5.5.2). */
function ipv4Words(address: number): AddressWords {
  return [0, 0, 0xffff, address | 0];
}

/** Every single address of a NIC. @throws RangeError over `MAX_ADDRESSES` */
function* addressesOf(nic: NicPolicy): Generator<AddressWords> {
  for (const [low, high] of nic.addresses.ipv4) {
    if (high - low >= MAX_ADDRESSES)
      throw new RangeError(`${nic.name} has more than ${MAX_ADDRESSES} addresses`);
    for (let address = low; address <= high; address++) yield ipv4Words(address);
  }
  for (const [low, high] of nic.addresses.ipv6) {
    if (high - low >= BigInt(MAX_ADDRESSES)) {
      throw new RangeError(`${nic.name} has more than ${MAX_ADDRESSES} addresses`);
    }
    for (let address = low; address <= high; address++) yield ipv6Words(address);
  }
}

function addressTable(nics: readonly NicPolicy[]): {
  words: Int32Array;
  entries: number;
  longest: number;
} {
  const rows: [AddressWords, number][] = [];
  for (const [index, nic] of nics.entries()) {
    for (const words of addressesOf(nic)) rows.push([words, index]);
    if (rows.length > MAX_ADDRESSES)
      throw new RangeError(`more than ${MAX_ADDRESSES} addresses on one wire`);
  }
  let entries = 4;
  while (entries < rows.length * 2) entries *= 2;
  const table = new Int32Array(entries * ADDRESS_WORDS);
  let longest = 0;
  for (const [words, nic] of rows) {
    let probe = 0;
    let entry = addressHash(...words) & (entries - 1);
    while (table[entry * ADDRESS_WORDS + 4] !== 0) {
      entry = (entry + 1) & (entries - 1);
      probe++;
    }
    table.set([...words, nic + 1], entry * ADDRESS_WORDS);
    longest = Math.max(longest, probe);
  }
  return { words: table, entries, longest };
}

/** True when the wire has one NIC and that has no addresses. @throws RangeError when it shares the wire */
function takesEveryAddress(nics: readonly NicPolicy[]): boolean {
  const unaddressed = nics.find((nic) => isEmpty(nic.addresses));
  if (unaddressed === undefined) return false;
  if (nics.length > 1)
    throw new RangeError(`${unaddressed.name} has no addresses and shares its wire`);
  return true;
}

/** The lists that the NICs use, and the index in the image of each index in the policy. */
function usedLists(
  policy: Policy,
  nics: readonly NicPolicy[],
): { lists: RuleList[]; indexes: Map<number, number> } {
  const lists: RuleList[] = [];
  const indexes = new Map<number, number>([[NO_RULE_LIST, NO_RULE_LIST]]);
  for (const nic of nics) {
    for (const chain of [nic.inbound, nic.outbound]) {
      for (const index of [chain.platform, ...chain.stages]) {
        if (indexes.has(index)) continue;
        const list = policy.ruleLists[index];
        if (list === undefined) throw new RangeError(`${nic.name}: there is no rule list ${index}`);
        indexes.set(index, lists.length);
        lists.push(list);
      }
    }
  }
  return { lists, indexes };
}

function nicWords(
  nics: readonly NicPolicy[],
  indexes: ReadonlyMap<number, number>,
  registry: PolicyRegistry,
): Int32Array {
  const words = new Int32Array(nics.length * NIC_WORDS);
  const listIndex = (index: number): number => indexes.get(index) ?? NO_RULE_LIST;
  for (const [row, nic] of nics.entries()) {
    const at = row * NIC_WORDS;
    words[at + Nic.CounterIndex] = registry.nics.slotOf(nic.name);
    words[at + Nic.IsFlushing] = nic.isFlushing ? 1 : 0;
    for (const [chain, shift] of [
      [nic.inbound, 0],
      [nic.outbound, Nic.OutboundShift],
    ] as const) {
      words[at + shift + Nic.Platform] = listIndex(chain.platform);
      words[at + shift + Nic.Stage0] = listIndex(chain.stages[0]);
      words[at + shift + Nic.Stage1] = listIndex(chain.stages[1]);
    }
  }
  return words;
}

function ruleWords(list: RuleList, registry: PolicyRegistry): Int32Array {
  return Int32Array.from(list.rules, (rule) => {
    const slot = registry.rules.slotOf(ruleSlotName(list, rule));
    return (
      slot | (rule.access === Access.Allow ? RULE_ALLOW : 0) | (rule.isStateful ? RULE_STATEFUL : 0)
    );
  });
}

function linkFlags(policy: Policy): number {
  return (
    (policy.link.isUnknownEtherTypePassed ? LinkFlag.UnknownEtherTypePassed : 0) |
    (policy.link.isLinkLocalForwarded ? LinkFlag.LinkLocalForwarded : 0) |
    (policy.link.isTcpPickupLoose ? LinkFlag.TcpPickupLoose : 0)
  );
}

/**
 * Compiles the part of a policy that concerns some NICs: those of one wire, or one that a command asks about.
 * @param generation number of this image; a flow carries the one that admitted it
 * @param registry gives the counter slots; is changed to the names of this policy
 * @throws RangeError over a documented bound (NICs, addresses, rules)
 */
export function compileImage(
  policy: Policy,
  nics: readonly NicPolicy[],
  generation: number,
  registry: PolicyRegistry,
): CompiledImage {
  const { lists, indexes } = usedLists(policy, nics);
  registry.nics.assign(new Set(nics.map((nic) => nic.name)));
  const newRuleSlots = registry.rules.assign(
    new Set(lists.flatMap((list) => list.rules.map((rule) => ruleSlotName(list, rule)))),
  );
  const table = addressTable(nics);
  const parts = [
    new Int32Array(HEADER_WORDS),
    nicWords(nics, indexes, registry),
    table.words,
    new Int32Array(lists.length * LIST_WORDS),
  ] as const;
  const [header, nicPart, addressPart, listPart] = parts;
  const tail: Int32Array[] = [];
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  for (const [index, list] of lists.entries()) {
    const rules = ruleWords(list, registry);
    const ruleSet = compileRules(list.rules);
    listPart[index * LIST_WORDS + List.RuleWordsAt] = length;
    listPart[index * LIST_WORDS + List.RuleCount] = rules.length;
    listPart[index * LIST_WORDS + List.RuleSetAt] = length + rules.length;
    length += rules.length + ruleSet.length;
    tail.push(rules, ruleSet);
  }
  header[Header.Magic] = IMAGE_MAGIC;
  header[Header.Version] = IMAGE_VERSION;
  header[Header.Length] = length;
  header[Header.Generation] = generation;
  header[Header.LinkFlags] = linkFlags(policy);
  header[Header.NicCount] = nics.length;
  header[Header.NicsAt] = HEADER_WORDS;
  header[Header.AddressEntries] = table.entries;
  header[Header.AddressesAt] = HEADER_WORDS + nicPart.length;
  header[Header.LongestProbe] = table.longest;
  header[Header.ListCount] = lists.length;
  header[Header.ListsAt] = HEADER_WORDS + nicPart.length + addressPart.length;
  header[Header.AnyAddressNic] = takesEveryAddress(nics) ? 0 : -1;
  const image = new Int32Array(length);
  let at = 0;
  for (const part of [...parts, ...tail]) {
    image.set(part, at);
    at += part.length;
  }
  return { buffer: image.buffer, lists, nics, registry, newRuleSlots };
}
