/**
 * How metrics get their values from the segments of the wires.
 */
import type { FlowLogCounts } from './flow-log/flow-log.ts';
import { HISTOGRAM_BUCKETS } from '../src/engine/counters.ts';
import { printedRuleName } from '../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../src/engine/reason.ts';
import type { Candidate } from './candidate.ts';
import { type ProcessUsage, processUsage } from './process-usage.ts';
import { type EventCounts, eventCounts } from './status.ts';
import { type CountedRule, countedRules, interfacesOf, type WireView } from './wire-view.ts';

export interface ReloadCounts {
  readonly succeeded: number;
  readonly failed: number;
  /** Of the last one; 0 before it. */
  readonly lastSeconds: number;
  readonly isLastSuccessful: boolean;
  readonly lastSuccess: Date;
}

/** What the metrics are read from. */
export interface MetricsSource {
  readonly version: string;
  readonly startedAt: Date;
  readonly wires: readonly WireView[];
  readonly reloads: ReloadCounts;
  readonly rulesHash: string;
  /** The policy in shadow; undefined when there is none. */
  readonly candidate?: Candidate | undefined;
  /** Of the configuration in force, those that are no longer on the disk as they were read. */
  readonly changedFiles: readonly string[];
  /** Of the flow log; zeros where none is written. */
  readonly flowLogCounts: FlowLogCounts;
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

/** A series of rules: its labels, and the counter slots that are added up in it; one, but for those named `OTHER`. */
interface RuleSeries {
  readonly labels: Labels;
  readonly slots: number[];
}

/** By the lists of a policy in force, which are the same from one reload to the next: a scrape reads numbers only. */
const ruleSeries = new WeakMap<WireView['lists'], readonly RuleSeries[]>();

function seriesOfRules(wire: WireView): readonly RuleSeries[] {
  const known = ruleSeries.get(wire.lists);
  if (known !== undefined) return known;
  const rules = countedRules(wire);
  const labelsOf = ({ list, rule }: CountedRule, isOwn: boolean): Labels => ({
    wire: wire.name,
    network_security_group: isOwn ? list.owner : OTHER,
    direction: DIRECTIONS[list.direction],
    rule: isOwn ? printedRuleName(rule) : OTHER,
    access: rule.access === 1 ? 'allow' : 'deny',
  });
  const own = rules
    .slice(0, RULE_SERIES_MAX)
    .map((each) => ({ labels: labelsOf(each, true), slots: [each.slot] }));
  const others = new Map<string, RuleSeries>();
  for (const each of rules.slice(RULE_SERIES_MAX)) {
    const key = `${each.list.direction} ${each.rule.access}`;
    const other = others.get(key);
    if (other === undefined) others.set(key, { labels: labelsOf(each, false), slots: [each.slot] });
    else other.slots.push(each.slot);
  }
  const series = [...own, ...others.values()];
  ruleSeries.set(wire.lists, series);
  return series;
}

export function ruleCounter(counter: number): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const wire of source.wires) {
      for (const { labels, slots } of seriesOfRules(wire)) {
        yield [labels, slots.reduce((sum, slot) => sum + wire.counters.rule(slot, counter), 0)];
      }
    }
  };
}

export function ruleCount(wire: WireView): number {
  return seriesOfRules(wire).reduce((sum, { slots }) => sum + slots.length, 0);
}

export function nicCounter(isBytes: boolean): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const wire of source.wires) {
      const { nics, registry, counters } = wire;
      const slots = nics.map(({ name }) => registry.nics.slotOf(name));
      const own = nics.slice(0, NIC_SERIES_MAX).map(({ name }, index) => [name, [slots[index]]]);
      const others = slots.slice(NIC_SERIES_MAX);
      const series = others.length === 0 ? own : [...own, [OTHER, others]];
      for (const [network_interface, summed] of series as [string, number[]][]) {
        for (const [direction, directionName] of DIRECTIONS.entries()) {
          for (const access of [0, 1]) {
            const value = (slot: number): number =>
              isBytes
                ? counters.nicBytes(slot, direction, access)
                : counters.nicPackets(slot, direction, access);
            yield [
              {
                wire: wire.name,
                network_interface,
                direction: directionName,
                access: access === 1 ? 'allow' : 'deny',
              },
              summed.reduce((sum, slot) => (slot < 0 ? sum : sum + value(slot)), 0),
            ];
          }
        }
      }
    }
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
