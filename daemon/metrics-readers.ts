/**
 * How metrics get their values from the segments of the wires.
 */
import { printedRuleName } from '../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../src/engine/reason.ts';
import { type ProcessUsage, processUsage } from './process-usage.ts';
import { countedRules, interfacesOf, type WireView } from './wire-view.ts';

/** What the metrics are read from. */
export interface MetricsSource {
  readonly version: string;
  readonly startedAt: Date;
  readonly wires: readonly WireView[];
  readonly reloads: { readonly succeeded: number; readonly failed: number };
  readonly isLastReloadSuccessful: boolean;
  readonly lastReloadSuccess: Date;
}

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

const DIRECTIONS = ['inbound', 'outbound'] as const;

export function* perWire(
  source: MetricsSource,
  value: (wire: WireView) => number,
): Iterable<Sample> {
  for (const wire of source.wires) yield [{ wire: wire.name }, value(wire)];
}

export function* perInterface(
  source: MetricsSource,
  value: (wire: WireView, side: 0 | 1) => number,
): Iterable<Sample> {
  for (const wire of source.wires) {
    for (const [side, name] of interfacesOf(wire)) {
      yield [{ wire: wire.name, interface: name }, value(wire, side)];
    }
  }
}

export function interfaceCounter(counter: number): (source: MetricsSource) => Iterable<Sample> {
  return (source) => perInterface(source, (wire, side) => wire.counters.interface(side, counter));
}

/** Every reason of one kind, also those that never happened: a rate must see its first event. */
export function* reasons(
  source: MetricsSource,
  isDrop: boolean,
  isBytes: boolean,
): Iterable<Sample> {
  for (const wire of source.wires) {
    for (const [direction, directionName] of DIRECTIONS.entries()) {
      for (const [reason, reasonName] of reasonNames.entries()) {
        if (reason >= FIRST_DROP !== isDrop) continue;
        const { counters } = wire;
        const value = isBytes
          ? counters.reasonBytes(direction, reason)
          : counters.reasonFrames(direction, reason);
        yield [{ wire: wire.name, direction: directionName, reason: reasonName }, value];
      }
    }
  }
}

export function ruleCounter(counter: number): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const wire of source.wires) {
      for (const { list, rule, slot } of countedRules(wire)) {
        yield [
          {
            wire: wire.name,
            network_security_group: list.owner,
            direction: DIRECTIONS[list.direction],
            rule: printedRuleName(rule),
            access: rule.access === 1 ? 'allow' : 'deny',
          },
          wire.counters.rule(slot, counter),
        ];
      }
    }
  };
}

export function nicCounter(isBytes: boolean): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const wire of source.wires) {
      for (const nic of wire.nics) {
        const index = wire.registry.nics.slotOf(nic.name);
        if (index < 0) continue;
        for (const [direction, directionName] of DIRECTIONS.entries()) {
          for (const access of [0, 1]) {
            const { counters } = wire;
            const value = isBytes
              ? counters.nicBytes(index, direction, access)
              : counters.nicPackets(index, direction, access);
            yield [
              {
                wire: wire.name,
                network_interface: nic.name,
                direction: directionName,
                access: access === 1 ? 'allow' : 'deny',
              },
              value,
            ];
          }
        }
      }
    }
  };
}

/** Wires without a data plane have no sample. */
export function* perDataPlane(
  source: MetricsSource,
  value: (usage: ProcessUsage) => number,
): Iterable<Sample> {
  for (const wire of source.wires) {
    const usage = processUsage(wire.page.processId);
    if (usage !== undefined) yield [{ wire: wire.name }, value(usage)];
  }
}
