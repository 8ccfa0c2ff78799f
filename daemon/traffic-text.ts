/**
 * Traffic as people write it, `10.0.0.0/24:80`, `Internet:443`, `[fd00::/64]:80`, and the parts of an answer as text.
 */
import { type AddressSet, ANY_ADDRESS, union } from '../src/engine/address-set.ts';
import type { Interval } from '../src/engine/intervals.ts';
import { NO_PORT } from '../src/engine/rule-set-layout.ts';
import { PORT_MAX, type PortMatch } from '../src/engine/rule.ts';
import { explainPrefixFault, formatAddressSet, parsePrefix, setOf } from '../src/policy/address.ts';
import { addressesOf, type Intervals } from '../src/policy/explain-box.ts';
import type { Address } from '../src/policy/explain.ts';
import type { TrafficPart } from '../src/policy/explain-parts.ts';
import { nameKey } from '../src/policy/names.ts';
import { formatProblem, quote } from '../src/policy/problem.ts';
import { formatProtocols, protocolTexts } from '../src/policy/regions/region.ts';
import type { ServiceTags } from '../src/policy/service-tags.ts';
import { CommandError, ExitCode } from './exit-code.ts';
import { parsePort } from './tuple.ts';

/** One side of a question. */
export interface EndpointSet {
  readonly addresses: AddressSet;
  /** True for `*` and `Any`. */
  readonly isAny: boolean;
  /** Undefined where no port was written. */
  readonly ports: PortMatch | undefined;
}

const TAG_NAME = /^[A-Za-z][\w.-]*$/;

function usage(message: string): CommandError {
  return new CommandError(ExitCode.Usage, message);
}

function isAnyWord(text: string): boolean {
  return text === '*' || nameKey(text) === 'any';
}

/** @throws CommandError (2) */
function parseAddresses(text: string, tags: ServiceTags): AddressSet {
  if (isAnyWord(text)) return ANY_ADDRESS;
  const prefix = parsePrefix(text);
  if (typeof prefix !== 'string') return setOf(text);
  if (!TAG_NAME.test(text)) {
    const fault = text.includes('/')
      ? explainPrefixFault(text, prefix)
      : 'is not an IPv4 or IPv6 address';
    throw usage(`${quote(text)} ${fault}`);
  }
  const tag = tags.find(text);
  if (tag.kind === 'addresses') return tag.addresses;
  if (tag.kind === 'licensing') {
    throw usage(`${tag.name} stands for TCP port 1688 at any address: write *:1688`);
  }
  throw usage(tag.kind === 'unknown' ? tag.message : tag.problems.map(formatProblem).join('\n'));
}

/** `*`, a port, or ranges of them: `80,8000-8010`. @throws CommandError (2) */
function parsePorts(text: string): PortMatch {
  if (text === '*') return 'any';
  return text.split(',').map((item) => {
    const [first = '', last = first, ...rest] = item.split('-');
    if (rest.length > 0 || [first, last].includes('*')) {
      throw usage(`port ${quote(item)}: use a number, a range or *`);
    }
    const range = { low: parsePort(first), high: parsePort(last) };
    if (range.low > range.high) throw usage(`port ${quote(item)}: the first is the larger`);
    return range;
  });
}

/** Addresses and ports apart. More than one colon without brackets is IPv6, which may have no port then. */
function splitEndpoint(text: string): { addresses: string; ports: string | undefined } {
  const bracketed = /^\[(?<addresses>[^\]]*)\](?::(?<ports>.*))?$/.exec(text)?.groups;
  if (bracketed !== undefined) {
    return { addresses: bracketed['addresses'] ?? '', ports: bracketed['ports'] };
  }
  const colon = text.indexOf(':');
  if (colon === -1 || text.indexOf(':', colon + 1) !== -1) {
    return { addresses: text, ports: undefined };
  }
  return { addresses: text.slice(0, colon), ports: text.slice(colon + 1) };
}

/** One address, its prefixes, tags, or `*`, with or without ports. @throws CommandError (2) */
export function parseEndpointSet(text: string, tags: ServiceTags): EndpointSet {
  const { addresses, ports } = splitEndpoint(text);
  const items = addresses.split(',');
  if (ports === undefined && items.some((item) => item.includes(':'))) {
    const isGood = items.every((item) => typeof parsePrefix(item) !== 'string');
    if (!isGood) throw usage(`${quote(text)}: write an IPv6 address with a port as [address]:port`);
  }
  return {
    addresses: union(items.map((item) => parseAddresses(item, tags))),
    isAny: items.some(isAnyWord),
    ports: ports === undefined ? undefined : parsePorts(ports),
  };
}

/** The one address that a set is, or undefined. */
export function singleAddress({ ipv4, ipv6 }: AddressSet): Address | undefined {
  const [first, ...others] = [...ipv4, ...ipv6];
  return first !== undefined && others.length === 0 && first[0] === first[1] ? first[0] : undefined;
}

/** The one port that a side is, or undefined. */
export function singlePort(ports: PortMatch): number | undefined {
  if (ports === 'any' || ports.length !== 1) return undefined;
  const [only] = ports;
  return only?.low === only?.high ? only?.low : undefined;
}

function rangeText([low, high]: Intervals[number]): string {
  return low === high ? String(low) : `${low}-${high}`;
}

function portTexts(ports: Intervals): string[] {
  return ports.flatMap((range) => {
    if (range[0] === NO_PORT) return [];
    return range[0] === 0 && range[1] >= PORT_MAX ? ['*'] : [rangeText(range)];
  });
}

/** An address stands without its mask. */
function addressTexts(set: AddressSet): string[] {
  return formatAddressSet(set).map((text) => text.replace(/^(.*\..*)\/32$|^(.*)\/128$/, '$1$2'));
}

/** The fields of a part as texts. */
export interface PartTexts {
  /** All protocols in one text: `* but Tcp,Udp` where nearly all are meant. */
  readonly protocol: string;
  readonly protocols: readonly string[];
  readonly local: readonly string[];
  /** Empty for protocols that have no ports; `*` for every port. */
  readonly localPorts: readonly string[];
  readonly remote: readonly string[];
  readonly remotePorts: readonly string[];
}

export function partTexts({ box }: TrafficPart): PartTexts {
  const protocols = box.protocols as readonly Interval<number>[];
  return {
    protocol: formatProtocols(protocols),
    protocols: protocolTexts(protocols),
    local: addressTexts(addressesOf(box, 'local')),
    localPorts: portTexts(box.localPorts),
    remote: addressTexts(addressesOf(box, 'remote')),
    remotePorts: portTexts(box.remotePorts),
  };
}
