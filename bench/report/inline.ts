/**
 * The inline results by device and number of rules, and what is looked up in them: what the tables and plots of the
 * report are made of.
 */
import type { Findings } from '../tcpreplay/measures.ts';
import type { InlineResults, VisitResult } from '../tcpreplay/results.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { median, type Spread, spread } from '../statistics.ts';

export const OURS = 'nsgd af-xdp';
/** The traffic that most is measured with. */
export const SMALL: Partial<Traffic> = { kind: 'established', size: 64, family: 4 };

/** A number of a visit; undefined where it was not measured. */
export type Value = (found: Findings) => number | undefined;

export const SATURATED: Value = ({ saturated }) => saturated?.receivedRate;
export const ZERO_LOSS: Value = ({ zeroLoss }) => zeroLoss?.rate;
/** What was taken in and not lost for want of time; a device that does not count its denials has no such number. */
export const DENIED: Value = ({ saturated }) =>
  saturated?.denied === undefined ? undefined : saturated.denied / saturated.seconds;

/** The median of some repeats, at one offered load. Frames a second, and part lost. */
export interface CurvePoint {
  readonly offered: number;
  readonly received: number;
  readonly loss: number;
}

/** How a device bears more than it can forward. */
export interface Overload {
  /** The most frames a second that arrived at any load. */
  readonly best: number;
  /** At the highest load. */
  readonly last: CurvePoint;
}

export class Inline {
  readonly results: InlineResults;

  constructor(results: InlineResults) {
    this.results = results;
  }

  /** In the order of the run. */
  get devices(): string[] {
    return [...new Set(this.results.visits.map(({ device }) => device))];
  }

  /** Numbers of rules that devices with rules were measured at. */
  get ruleCounts(): number[] {
    const counts = this.results.visits.map(({ rules }) => rules).filter((rules) => rules > 0);
    return [...new Set(counts)].toSorted((a, b) => a - b);
  }

  hasRules(device: string): boolean {
    return this.results.visits.some((visit) => visit.device === device && visit.rules > 0);
  }

  /** Every repeat of one cell. A device without rules answers for any number of them. */
  cell(device: string, rules: number, traffic: Partial<Traffic>): VisitResult[] {
    const wanted = this.hasRules(device) ? rules : 0;
    return this.results.visits.filter(
      (visit) =>
        visit.device === device &&
        visit.rules === wanted &&
        Object.entries(traffic).every(
          ([key, value]) => visit.traffic[key as keyof Traffic] === value,
        ),
    );
  }

  /** Median, least and greatest of a number over the repeats; undefined where it was not measured. */
  spread(cell: readonly VisitResult[], value: Value): Spread | undefined {
    const values = cell.flatMap(({ found }) => value(found) ?? []);
    return values.length === 0 ? undefined : spread(values);
  }

  /** Loss against offered load, the median of each point over the repeats. */
  curve(cell: readonly VisitResult[]): CurvePoint[] {
    const curves = cell.flatMap(({ found }) => (found.curve === undefined ? [] : [found.curve]));
    const points = Math.min(...curves.map((curve) => curve.length));
    if (!Number.isFinite(points)) return [];
    return Array.from({ length: points }, (_, point) => {
      const trials = curves.flatMap((curve) => curve[point] ?? []);
      return {
        offered: median(trials.map(({ offeredRate }) => offeredRate)),
        received: median(trials.map(({ receivedRate }) => receivedRate)),
        loss: median(trials.map(({ loss }) => loss)),
      };
    });
  }

  /** undefined where loss by offered load was not measured. */
  overload(cell: readonly VisitResult[]): Overload | undefined {
    const curve = this.curve(cell);
    const last = curve.at(-1);
    if (last === undefined) return undefined;
    return { best: Math.max(...curve.map(({ received }) => received)), last };
  }
}
