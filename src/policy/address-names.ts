/**
 * Names for sets of addresses: `Internet` in place of its sixteen ranges, where both policies that are compared mean the
 * same by it.
 */
import {
  type AddressSet,
  ANY_ADDRESS,
  areEqual,
  isEmpty,
  subtract,
} from '../engine/address-set.ts';
import type { LoadedConfiguration } from './load.ts';
import { nameKey } from './names.ts';
import { addressTexts } from './regions/region.ts';
import { SpecialTag } from './service-tags.ts';

/** More exceptions than this are harder to read than the addresses. */
const EXCEPTIONS_MAX = 3;

interface NamedSet {
  readonly name: string;
  readonly addresses: AddressSet;
}

function rangeCount({ ipv4, ipv6 }: AddressSet): number {
  return ipv4.length + ipv6.length;
}

/** The tags that the rules of a configuration name, and the special ones. */
function tagNames({ configuration }: LoadedConfiguration): string[] {
  const sides = configuration.networkSecurityGroups.flatMap((group) =>
    group.rules.flatMap((rule) => [rule.source, rule.destination]),
  );
  return [
    SpecialTag.Internet,
    SpecialTag.VirtualNetwork,
    ...sides.flatMap((side) => (side.kind === 'tag' ? [side.tag] : [])),
  ];
}

/** The tag as both know it; undefined where they mean different addresses by it. */
function commonTag(name: string, loaded: readonly LoadedConfiguration[]): NamedSet | undefined {
  const tags = loaded.map(({ tags: known }) => known.find(name));
  const [first] = tags;
  if (first?.kind !== 'addresses' || isEmpty(first.addresses)) return undefined;
  const isCommon = tags.every(
    (tag) => tag.kind === 'addresses' && areEqual(tag.addresses, first.addresses),
  );
  return isCommon ? { name: first.name, addresses: first.addresses } : undefined;
}

/**
 * The part of a named set that is of the families of `of`, which may be one. A name says which, unless the traffic that
 * is spoken of has no other.
 */
function familiesOf(of: AddressSet, all: AddressSet, { name, addresses }: NamedSet): NamedSet[] {
  const part: AddressSet = {
    ipv4: of.ipv4.length > 0 ? addresses.ipv4 : [],
    ipv6: of.ipv6.length > 0 ? addresses.ipv6 : [],
  };
  if (isEmpty(part)) return [];
  const isWhole =
    part.ipv4.length > 0 === all.ipv4.length > 0 && part.ipv6.length > 0 === all.ipv6.length > 0;
  if (isWhole || areEqual(part, addresses)) return [{ name, addresses: part }];
  return [{ name: `${name} (${part.ipv4.length > 0 ? 'IPv4' : 'IPv6'})`, addresses: part }];
}

export class AddressNames {
  readonly #named: readonly NamedSet[];

  /** @param loaded the configurations whose names are meant */
  constructor(loaded: readonly LoadedConfiguration[]) {
    const names = new Map(loaded.flatMap(tagNames).map((name) => [nameKey(name), name]));
    this.#named = [
      { name: '*', addresses: ANY_ADDRESS },
      ...[...names.values()].flatMap((name) => commonTag(name, loaded) ?? []),
    ];
  }

  /** Addresses of a NIC whose own are `all`: `*` stands for all of them. */
  localTexts(addresses: AddressSet, all: AddressSet): string[] {
    return textsOf(addresses, all, [{ name: '*', addresses: all }, ...this.#named]);
  }

  /** Addresses that a NIC whose own are `all` talks to: a name, or a name and few exceptions, or the addresses. */
  remoteTexts(addresses: AddressSet, all: AddressSet): string[] {
    return textsOf(addresses, all, this.#named);
  }
}

function isWithin(inner: AddressSet, outer: AddressSet): boolean {
  return isEmpty(subtract(inner, outer));
}

/** Names of sets that are wholly in the addresses, then what is left of them. */
function parts(addresses: AddressSet, named: readonly NamedSet[]): string[] {
  const texts: string[] = [];
  let rest = addresses;
  for (const { name, addresses: part } of named) {
    if (rangeCount(rest) < 2 || !isWithin(part, rest)) continue;
    texts.push(name);
    rest = subtract(rest, part);
  }
  return [...texts, ...addressTexts(rest)];
}

function textsOf(addresses: AddressSet, all: AddressSet, named: readonly NamedSet[]): string[] {
  const candidates = named.flatMap((candidate) => familiesOf(addresses, all, candidate));
  const exact = candidates.find((candidate) => areEqual(candidate.addresses, addresses));
  if (exact !== undefined) return [exact.name];
  let best = parts(addresses, candidates);
  for (const { name, addresses: whole } of candidates) {
    if (!isWithin(addresses, whole)) continue;
    const exceptions = parts(subtract(whole, addresses), candidates);
    if (exceptions.length > EXCEPTIONS_MAX || exceptions.length >= best.length) continue;
    best = [`${name} but ${exceptions.join(',')}`];
  }
  return best;
}
