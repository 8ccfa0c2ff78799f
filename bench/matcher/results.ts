/**
 * What the comparison of matchers writes and the report reads.
 */
import type { Environment } from '../environment.ts';
import type { Spread } from '../statistics.ts';

export interface MatcherResult {
  readonly set: string;
  readonly rules: number;
  /** Nanoseconds of a lookup. */
  readonly nsgd: Spread;
  readonly scalar?: Spread;
  readonly default?: Spread;
  /** Bytes that lookups need. */
  readonly nsgdBytes: number;
  readonly dpdkBytes?: number;
}

export interface MatcherResults {
  readonly environment: Environment;
  readonly dpdk: string | undefined;
  readonly repeats: number;
  readonly results: readonly MatcherResult[];
}
