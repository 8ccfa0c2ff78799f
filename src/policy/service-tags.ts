/**
 * Service tags: a name for a set of addresses. The special ones are built in, because Azure defines them by the
 * virtual network and the published file does not hold them (Azure page "Service tags"); custom ones come from the
 * configuration, the rest from the published file. Looked up in that order, without case.
 */
import type { AddressSet } from '../engine/address-set.ts';
import { ANY_ADDRESS, subtract, union } from '../engine/address-set.ts';
import { setOf } from './address.ts';
import { nameKey, nearestName } from './names.ts';
import type { Problem } from './problem.ts';
import { quote } from './problem.ts';
import type { ServiceTagFile, TagFacts } from './service-tags-file.ts';

/** The virtual address of the host: DHCP, DNS, WireServer and the health probes of the load balancer. */
export const PLATFORM_ADDRESS: AddressSet = setOf('168.63.129.16');
/** The instance metadata service. */
export const METADATA_ADDRESS: AddressSet = setOf('169.254.169.254');
/** TCP port of the Windows licence servers (KMS). */
export const KMS_PORT = 1688;

/** IPv4 that nobody on the Internet has. Documentation prefixes are not among them. */
const NOT_INTERNET = setOf(
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
);
const GLOBAL_UNICAST = setOf('2000::/3');

export const SpecialTag = Object.freeze({
  VirtualNetwork: 'VirtualNetwork',
  AzureLoadBalancer: 'AzureLoadBalancer',
  Internet: 'Internet',
  AzurePlatformDNS: 'AzurePlatformDNS',
  AzurePlatformIMDS: 'AzurePlatformIMDS',
  AzurePlatformLKM: 'AzurePlatformLKM',
} as const);
export type SpecialTag = (typeof SpecialTag)[keyof typeof SpecialTag];

/**
 * Names that a custom tag may not take besides the special ones: `Any` is not a tag but a match, and the others are
 * the spellings of the classic deployment model, which rules are refused for (nsg-rule-match.ts).
 */
const NOT_TAGS: ReadonlySet<string> = new Set(['any', 'virtual_network', 'azure_loadbalancer']);

/**
 * What a name stands for. `AzurePlatformLKM` is a service and not a set of addresses: Microsoft publishes no list of
 * its licence servers, so a rule that names it is a rule for their port at any address.
 */
export type TagLookup =
  | { readonly kind: 'addresses'; readonly name: string; readonly addresses: AddressSet }
  | { readonly kind: 'licensing'; readonly name: string; readonly addresses: AddressSet }
  | { readonly kind: 'unknown'; readonly message: string }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** A tag of the configuration. */
export interface CustomTag {
  readonly name: string;
  readonly addresses: AddressSet;
}

export interface ServiceTagSources {
  /** `addressSpace` and `connectedAddressSpaces` together. */
  readonly virtualNetwork: AddressSet;
  readonly custom: readonly CustomTag[];
  /**
   * Undefined when the configuration names no service tag file; `unreadable` when it does, and the reason why it
   * cannot be had is reported already: then no name is called unknown.
   */
  readonly file: ServiceTagFile | 'unreadable' | undefined;
  /** An earlier file, of which is told that it had a tag that is unknown now. */
  readonly earlier?: ServiceTagFile | undefined;
}

/** True for a name that a custom tag may not take. */
export function isReservedTagName(name: string): boolean {
  const key = nameKey(name);
  return NOT_TAGS.has(key) || Object.values(SpecialTag).some((tag) => nameKey(tag) === key);
}

function specialTags(virtualNetworkSpace: AddressSet): TagLookup[] {
  const virtualNetwork = union([virtualNetworkSpace, PLATFORM_ADDRESS]);
  const internetIpv4 = subtract({ ipv4: ANY_ADDRESS.ipv4, ipv6: [] }, NOT_INTERNET);
  const internet = subtract(union([internetIpv4, GLOBAL_UNICAST]), virtualNetwork);
  const addresses = (name: SpecialTag, set: AddressSet): TagLookup => ({
    kind: 'addresses',
    name,
    addresses: set,
  });
  return [
    addresses(SpecialTag.VirtualNetwork, virtualNetwork),
    addresses(SpecialTag.AzureLoadBalancer, PLATFORM_ADDRESS),
    addresses(SpecialTag.Internet, internet),
    addresses(SpecialTag.AzurePlatformDNS, PLATFORM_ADDRESS),
    addresses(SpecialTag.AzurePlatformIMDS, METADATA_ADDRESS),
    { kind: 'licensing', name: SpecialTag.AzurePlatformLKM, addresses: ANY_ADDRESS },
  ];
}

/** Spares most of 3,000 edit distances: names that differ more in length are not near (names.ts). */
function isOfSimilarLength(name: string): (candidate: string) => boolean {
  const slack = Math.max(1, Math.floor(name.length / 3));
  return (candidate) => Math.abs(candidate.length - name.length) <= slack;
}

/** One tag by name, and where it comes from. */
export interface TagEntry {
  readonly name: string;
  readonly source: 'special' | 'custom' | 'file';
  /** Only of a tag from the file. */
  readonly facts: TagFacts | undefined;
}

/** The tags of one configuration. The same name always gives the same `AddressSet` object. */
export class ServiceTags {
  readonly #known = new Map<string, TagLookup>();
  readonly #custom: readonly string[];
  readonly #file: ServiceTagFile | 'unreadable' | undefined;
  readonly #earlier: ServiceTagFile | undefined;

  constructor(sources: ServiceTagSources) {
    this.#file = sources.file;
    this.#earlier = sources.earlier;
    this.#custom = sources.custom.map(({ name }) => name);
    for (const { name, addresses } of sources.custom) {
      this.#known.set(nameKey(name), { kind: 'addresses', name, addresses });
    }
    for (const tag of specialTags(sources.virtualNetwork)) {
      if (tag.kind === 'addresses' || tag.kind === 'licensing') {
        this.#known.set(nameKey(tag.name), tag);
      }
    }
  }

  /** What `name` stands for, any letter case. The message of an unknown name says what was probably meant. */
  find(name: string): TagLookup {
    const key = nameKey(name);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const lookup = this.#findInFile(name);
    this.#known.set(key, lookup);
    return lookup;
  }

  /** Every tag that a rule may name: special, custom, then those of the file, in their order. */
  entries(): TagEntry[] {
    const own = (tags: readonly string[], source: TagEntry['source']): TagEntry[] =>
      tags.map((name) => ({ name, source, facts: undefined }));
    const file = this.#file === 'unreadable' ? undefined : this.#file;
    const custom = new Set(this.#custom.map(nameKey));
    const published = (file?.names ?? []).filter((name) => !custom.has(nameKey(name)));
    return [
      ...own(Object.values(SpecialTag), 'special'),
      ...own(this.#custom, 'custom'),
      ...published.map((name) => ({
        name,
        source: 'file' as const,
        facts: file?.factsOf(name),
      })),
    ];
  }

  /** The addresses of a special tag; throws on a name that is none. */
  special(name: SpecialTag): AddressSet {
    const tag = this.find(name);
    if (tag.kind !== 'addresses' && tag.kind !== 'licensing') {
      throw new TypeError(`${name} is no special tag`);
    }
    return tag.addresses;
  }

  #findInFile(name: string): TagLookup {
    if (this.#file === 'unreadable') return { kind: 'invalid', problems: [] };
    const found = this.#file?.find(name);
    if (found === undefined) {
      return { kind: 'unknown', message: this.#explainUnknown(name, this.#file) };
    }
    if (!found.ok) return { kind: 'invalid', problems: found.problems };
    return { kind: 'addresses', name: found.name, addresses: found.addresses };
  }

  #explainUnknown(name: string, file: ServiceTagFile | undefined): string {
    const names = [
      ...[...this.#known.values()].flatMap((tag) => ('name' in tag ? [tag.name] : [])),
      ...(file?.names ?? []),
    ];
    const nearest = nearestName(name, names.filter(isOfSimilarLength(name)));
    const where =
      file === undefined
        ? 'no service tag file is configured (serviceTags.file), so only the special and custom tags are known'
        : `${file.file} has no such service tag`;
    const had = this.#earlier?.has(name) === true ? `; ${this.#earlier.file} had it` : '';
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    return `${quote(name)} is no address, prefix or known service tag: ${where}${had}${hint}`;
  }
}
