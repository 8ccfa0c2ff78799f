/**
 * How metrics get their values from the segments of the wires.
 */
import { HISTOGRAM_BUCKETS } from '../src/engine/counters.ts';
import { printedRuleName } from '../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../src/engine/reason.ts';
import { type ProcessUsage, processUsage } from './process-usage.ts';
import { type EventCounts, eventCounts } from './status.ts';
import { countedRules, interfacesOf, type WireView } from './wire-view.ts';

/** What the metrics are read from. */
export interface MetricsSource {
  readonly version: string;
  readonly startedAt: Date;
  readonly wires: readonly WireView[];
  readonly reloads: {
    readonly succeeded: number;
    readonly failed: number;
    /** Of the last one; 0 before it. */
    readonly lastSeconds: number;
  };
  readonly rulesHash: string;
  readonly isLastReloadSuccessful: boolean;
  readonly lastReloadSuccess: Date;
}

export type Labels = Readonly<Record<string, string>>;
/** @param suffix of a histogram's series: `_bucket`, `_sum`, `_count` */
export type Sample = readonly [labels: Labels, value: number, suffix?: string];

/**
 * Rules of one wire that have series of their own, in evaluation order. Those behind them are added up as `OTHER`, so
 * that no policy can make more series than Prometheus should hold.
 */
export const RULE_SERIES_MAX = 1000;
/** Likewise for the network interfaces of a wire. */
export const NIC_SERIES_MAX = 250;
/** A name that no resource of Azure can have. */
export const OTHER = '_other';

const DIRECTIONS = ['inbound', 'outbound'] as const;

export function* perWire(
  source: MetricsSource,
  value: (wire: WireView) => number,
): Iterable<Sample> {
  for (const wire of source.wires) yield [{ wire: wire.name }, value(wire)];
}

export function* perInterface(
  source: MetricsSource,
  /** undefined: no such series */
  value: (wire: WireView, side: 0 | 1) => number | undefined,
): Iterable<Sample> {
  for (const wire of source.wires) {
    for (const [side, name] of interfacesOf(wire)) {
      const known = value(wire, side);
      if (known !== undefined) yield [{ wire: wire.name, interface: name }, known];
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

/** Adds up the values of equal labels, in the order in which they come first. */
function* added(samples: Iterable<Sample>): Iterable<Sample> {
  const sums = new Map<string, { readonly labels: Labels; value: number }>();
  for (const [labels, value] of samples) {
    const key = JSON.stringify(labels);
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { labels, value });
    else sum.value += value;
  }
  for (const { labels, value } of sums.values()) yield [labels, value];
}

export function ruleCounter(counter: number): (source: MetricsSource) => Iterable<Sample> {
  function* read(wire: WireView): Iterable<Sample> {
    for (const [index, { list, rule, slot }] of countedRules(wire).entries()) {
      const isOwn = index < RULE_SERIES_MAX;
      yield [
        {
          wire: wire.name,
          network_security_group: isOwn ? list.owner : OTHER,
          direction: DIRECTIONS[list.direction],
          rule: isOwn ? printedRuleName(rule) : OTHER,
          access: rule.access === 1 ? 'allow' : 'deny',
        },
        wire.counters.rule(slot, counter),
      ];
    }
  }
  return function* readAll(source) {
    for (const wire of source.wires) yield* added(read(wire));
  };
}

export function nicCounter(isBytes: boolean): (source: MetricsSource) => Iterable<Sample> {
  function* read(wire: WireView): Iterable<Sample> {
    const { counters } = wire;
    for (const [number, nic] of wire.nics.entries()) {
      const index = wire.registry.nics.slotOf(nic.name);
      if (index < 0) continue;
      for (const [direction, directionName] of DIRECTIONS.entries()) {
        for (const access of [0, 1]) {
          yield [
            {
              wire: wire.name,
              network_interface: number < NIC_SERIES_MAX ? nic.name : OTHER,
              direction: directionName,
              access: access === 1 ? 'allow' : 'deny',
            },
            isBytes
              ? counters.nicBytes(index, direction, access)
              : counters.nicPackets(index, direction, access),
          ];
        }
      }
    }
  }
  return function* readAll(source) {
    for (const wire of source.wires) yield* added(read(wire));
  };
}

/**
 * A histogram of batches, as Prometheus wants it: every bucket counts those below it too.
 * @param histogram one of `BatchHistogram`
 * @param unit what a value of 1 is
 */
export function batchHistogram(
  histogram: number,
  unit: number,
): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const { name: wire, counters } of source.wires) {
      let count = 0;
      for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        count += counters.batchBucket(histogram, bucket);
        // The last one has no bound.
        const bound = bucket < HISTOGRAM_BUCKETS - 1 ? formatBound(2 ** bucket * unit) : '+Inf';
        yield [{ wire, le: bound }, count, '_bucket'];
      }
      yield [{ wire }, counters.batchSum(histogram) * unit, '_sum'];
      yield [{ wire }, count, '_count'];
    }
  };
}

/** Without the digits that a product of floating-point numbers has and its factors have not. */
function formatBound(bound: number): string {
  return String(Number(bound.toPrecision(6)));
}

/** Each kind of flow event. */
export function* perEvent(
  source: MetricsSource,
  value: (counts: EventCounts) => number,
): Iterable<Sample> {
  for (const wire of source.wires) {
    for (const counts of eventCounts(wire)) {
      yield [{ wire: wire.name, event: counts.event }, value(counts)];
    }
  }
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
