/**
 * The inline results by device and number of rules: what the tables and plots of the report are made of.
 */
import type { Findings } from '../tcpreplay/measures.ts';
import type { InlineResults, VisitResult } from '../tcpreplay/results.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { median, type Spread, spread } from '../statistics.ts';

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
  spread(
    cell: readonly VisitResult[],
    value: (found: Findings) => number | undefined,
  ): Spread | undefined {
    const values = cell.flatMap(({ found }) => value(found) ?? []);
    return values.length === 0 ? undefined : spread(values);
  }

  /** Loss against offered load, the median of each point over the repeats. */
  curve(cell: readonly VisitResult[]): { offered: number; received: number; loss: number }[] {
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
}
