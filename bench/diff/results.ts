/**
 * What `make bench-diff` writes.
 */
import type { Environment } from '../environment.ts';
import type { Spread } from '../statistics.ts';

export interface DiffRow {
  readonly name: string;
  /** Of the first repeat; undefined where the comparison was given up as too complex. */
  readonly regions: number | undefined;
  readonly milliseconds: Spread;
  readonly cpuMilliseconds: Spread;
}

export interface DiffResults {
  readonly environment: Environment;
  /** In each of the two policies. */
  readonly rules: number;
  readonly rows: readonly DiffRow[];
}
