/**
 * What bench/pauses writes and the report reads.
 */
import type { Environment } from '../environment.ts';
import type { Spread } from '../statistics.ts';

export interface PauseResults {
  readonly environment: Environment;
  readonly repeats: number;
  /** Flows that all expire at the same moment. */
  readonly flows: number;
  /** Calls of `housekeep` that it takes until they are gone. */
  readonly calls: number;
  /** Microseconds of the longest call of each repeat, and of the median one. */
  readonly longest: Spread;
  readonly typical: Spread;
  /** A new policy with service tags; undefined where they are missing. */
  readonly newPolicy:
    | {
        readonly imageBytes: number;
        /** Microseconds of the longest tick of each repeat: of the first large policy of a process, and of the fifth. */
        readonly first: Spread;
        readonly last: Spread;
      }
    | undefined;
  /** Microseconds of the longest pause of a loop that does nothing, on the same machine at the same time. */
  readonly emptyLoop: Spread;
}
