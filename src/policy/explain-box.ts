/**
 * Boxes of traffic: the packets of one address family whose five fields lie in five sets, so that a question about a prefix, a
 * tag or any protocol is a few boxes, and a rule cuts each into what it takes and what it leaves.
 *
 * Addresses and ports are local and remote, as the network interface sees them. A packet without ports has the port NO_PORT
 * on both sides: a rule with ports leaves it, a rule with `*` takes it (rule.ts).
 */
import type { AddressSet } from '../engine/address-set.ts';
import {
  type Bound,
  type Interval,
  intersectIntervals,
  mergeIntervals,
  subtractIntervals,
} from '../engine/intervals.ts';
import type { PolicyRule } from '../engine/policy.ts';
import { NO_PORT } from '../engine/rule-set-layout.ts';
import { ANY_PROTOCOL, Direction, type PortMatch, PROTOCOL_MAX } from '../engine/rule.ts';

/** Of a field: addresses of IPv6 are bigints, all else numbers. */
export type Intervals = readonly Interval<Bound>[];

/** The fields, those first that are quickest to tell apart. */
export const FIELDS = ['protocols', 'localPorts', 'remotePorts', 'local', 'remote'] as const;
export type Field = (typeof FIELDS)[number];

export interface Box extends Readonly<Record<Field, Intervals>> {
  readonly family: 4 | 6;
}

/** @param any what `any` stands for */
export function portIntervals(ports: PortMatch, any: Intervals): Intervals {
  return ports === 'any' ? any : mergeIntervals(ports.map(({ low, high }) => [low, high]));
}

/** What each field of a rule of that direction takes of a family. A field that takes nothing is empty. */
export function boxOfRule(rule: PolicyRule, direction: Direction, family: 4 | 6): Box {
  const key = family === 4 ? 'ipv4' : 'ipv6';
  const isInbound = direction === Direction.Inbound;
  const [source, destination] = [rule.source[key], rule.destination[key]];
  const [sourcePorts, destinationPorts] = [rule.sourcePorts, rule.destinationPorts].map((ports) =>
    portIntervals(ports, [[0, NO_PORT]]),
  );
  const protocol = rule.protocol[key];
  return {
    family,
    protocols: protocol === ANY_PROTOCOL ? [[0, PROTOCOL_MAX]] : [[protocol, protocol]],
    local: isInbound ? destination : source,
    remote: isInbound ? source : destination,
    localPorts: (isInbound ? destinationPorts : sourcePorts) ?? [],
    remotePorts: (isInbound ? sourcePorts : destinationPorts) ?? [],
  };
}

/** The part of `box` that `rule` takes, or undefined when it takes none. Both of one family. */
export function intersectBox(box: Box, rule: Box): Box | undefined {
  const common: Record<Field, Intervals> = { ...box };
  for (const field of FIELDS) {
    common[field] = intersectIntervals(box[field], rule[field]);
    if (common[field].length === 0) return undefined;
  }
  return { family: box.family, ...common };
}

/** What `rule` leaves of `box`: at most one box for each field, which share nothing. */
export function subtractBox(box: Box, rule: Box): Box[] {
  const rest: Box[] = [];
  let inside: Box = box;
  for (const field of FIELDS) {
    const outside = subtractIntervals(inside[field], rule[field]);
    if (outside.length > 0) rest.push({ ...inside, [field]: outside });
    const common = intersectIntervals(inside[field], rule[field]);
    if (common.length === 0) break;
    inside = { ...inside, [field]: common };
  }
  return rest;
}

function textOf(intervals: Intervals): string {
  return intervals.map(([low, high]) => `${low}-${high}`).join(' ');
}

/** The same packets in fewer boxes: those that differ in one field become one, as long as there are such. */
export function mergeBoxes(boxes: readonly Box[]): Box[] {
  let merged = [...boxes];
  for (let count = 0; count !== merged.length;) {
    count = merged.length;
    for (const field of FIELDS) {
      const byOthers = new Map<string, Box>();
      for (const box of merged) {
        const others = FIELDS.map((other) => (other === field ? '' : textOf(box[other])));
        const key = `${box.family}|${others.join('|')}`;
        const found = byOthers.get(key);
        const joined =
          found === undefined
            ? box
            : { ...found, [field]: mergeIntervals([...found[field], ...box[field]]) };
        byOthers.set(key, joined);
      }
      merged = [...byOthers.values()];
    }
  }
  return merged;
}

/** The addresses of a box as a set of both families, for printing. */
export function addressesOf(box: Box, field: 'local' | 'remote'): AddressSet {
  const intervals = box[field];
  return box.family === 4
    ? { ipv4: intervals as AddressSet['ipv4'], ipv6: [] }
    : { ipv4: [], ipv6: intervals as AddressSet['ipv6'] };
}
