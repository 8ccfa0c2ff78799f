/**
 * What is known of a case after its processes have run.
 */
import { type Spread, spread } from '../statistics.ts';
import type { Measurement } from './measure.ts';

export interface CaseResult {
  readonly name: string;
  readonly unit: string;
  /** Of one operation, over all rounds of all processes. */
  readonly nanoseconds: Spread;
  /** Heap bytes of one operation. */
  readonly bytes: number;
  readonly rounds: number;
  readonly facts: Readonly<Record<string, number | string>>;
}

export function caseResult(
  name: string,
  unit: string,
  measurements: readonly Measurement[],
): CaseResult {
  const rounds = measurements.flatMap(({ nanoseconds }) => nanoseconds);
  return {
    name,
    unit,
    nanoseconds: spread(rounds),
    bytes: Math.min(...measurements.map(({ bytes }) => bytes)),
    rounds: rounds.length,
    facts: measurements[0]?.facts ?? {},
  };
}
