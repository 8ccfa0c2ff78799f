/**
 * Regions: traffic as people read it. A region is a product of protocols, ports and addresses; its two ends are of one
 * family, so that one region may speak of both.
 */
import { type AddressSet, intersect, isEmpty, NO_ADDRESS } from '../../engine/address-set.ts';
import type { Interval } from '../../engine/intervals.ts';
import { PORT_MAX, type PortRange, PROTOCOL_MAX } from '../../engine/rule.ts';
import { formatIpv4, formatIpv6, prefixesOfRange } from '../address.ts';
import type { Field, Range, Space } from './space.ts';

/** Traffic of one direction, seen from the NIC. No part is empty. */
export interface Region {
  /** IP protocol numbers. */
  readonly protocols: readonly Interval<number>[];
  /** `'any'` also where the protocols have none. */
  readonly localPorts: 'any' | readonly PortRange[];
  readonly remotePorts: 'any' | readonly PortRange[];
  readonly local: AddressSet;
  readonly remote: AddressSet;
}

function portsOf(ranges: readonly Range[]): 'any' | PortRange[] {
  const ports = ranges.map(([low, high]) => ({ low: Number(low), high: Number(high) }));
  const [first] = ports;
  return first?.low === 0 && first.high === PORT_MAX ? 'any' : ports;
}

/**
 * The region of a product of classes, one set for each level of the space, with only those local addresses; undefined
 * when none of them is in it.
 */
export function regionOf(
  space: Space,
  classes: readonly Int32Array[],
  local: AddressSet,
): Region | undefined {
  const ranges = new Map<Field, readonly Range[]>();
  for (const [index, level] of space.levels.entries()) {
    ranges.set(level.field, level.ranges(classes[index] ?? new Int32Array()));
  }
  const get = (field: Field): readonly Range[] => ranges.get(field) ?? [];
  const addresses = (field: Field): AddressSet => ({
    ...NO_ADDRESS,
    [space.scope.family]: get(field),
  });
  const ownLocal = intersect(addresses('local'), local);
  if (isEmpty(ownLocal)) return undefined;
  return {
    protocols: get('protocol') as readonly Interval<number>[],
    localPorts: portsOf(get('localPort')),
    remotePorts: portsOf(get('remotePort')),
    local: ownLocal,
    remote: addresses('remote'),
  };
}

/** True when the region speaks of IPv4. */
export function isIpv4(region: Region): boolean {
  return region.local.ipv4.length > 0;
}

/** What two regions must share to be one region of both families. */
export function serviceKey({ protocols, localPorts, remotePorts }: Region): string {
  return JSON.stringify([protocols, localPorts, remotePorts]);
}

const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'Icmp'],
  [6, 'Tcp'],
  [17, 'Udp'],
  [50, 'Esp'],
  [51, 'Ah'],
  [58, 'Icmpv6'],
]);

/** `*`, or protocols by name and the others by number, as ranges. */
export function protocolTexts(protocols: readonly Interval<number>[]): string[] {
  const texts: string[] = [];
  for (const [low, high] of protocols) {
    if (low === 0 && high === PROTOCOL_MAX) return ['*'];
    let from = low;
    for (let number = low; number <= high + 1; number++) {
      const name = PROTOCOL_NAMES.get(number);
      if (number <= high && name === undefined) continue;
      if (number > from) texts.push(from === number - 1 ? String(from) : `${from}-${number - 1}`);
      if (number <= high && name !== undefined) texts.push(name);
      from = number + 1;
    }
  }
  return texts;
}

/** The same for people: where nearly all are meant, `* but Tcp,Udp`. */
export function formatProtocols(protocols: readonly Interval<number>[]): string {
  const missing: Interval<number>[] = [];
  let next = 0;
  for (const [low, high] of protocols) {
    if (low > next) missing.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= PROTOCOL_MAX) missing.push([next, PROTOCOL_MAX]);
  const texts = protocolTexts(protocols);
  const exceptions = protocolTexts(missing);
  return exceptions.length > 0 && exceptions.length < texts.length
    ? `* but ${exceptions.join(',')}`
    : texts.join(',');
}

/** `*`, or ports and ranges as Azure writes them. */
export function portTexts(ports: Region['localPorts']): string[] {
  if (ports === 'any') return ['*'];
  return ports.map(({ low, high }) => (low === high ? String(low) : `${low}-${high}`));
}

/** One address without a mask, a prefix, or a range where one prefix is not enough. */
function rangeText<T extends number | bigint>(
  [low, high]: Interval<T>,
  prefixes: readonly string[],
  format: (address: T) => string,
): string {
  if (low === high) return format(low);
  const [only = ''] = prefixes;
  return prefixes.length === 1 ? only : `${format(low)}-${format(high)}`;
}

/** Addresses, prefixes and ranges, IPv4 first, in order. */
export function addressTexts({ ipv4, ipv6 }: AddressSet): string[] {
  return [
    ...ipv4.map((range) => rangeText(range, prefixesOfRange(range), formatIpv4)),
    ...ipv6.map((range) => rangeText(range, prefixesOfRange(range), formatIpv6)),
  ];
}
