/**
 * What the hot-path benchmark writes and the report reads.
 */
import type { Environment } from '../environment.ts';
import type { CaseResult } from './result.ts';

export interface HotPathResults {
  readonly environment: Environment;
  /** Fewer and shorter rounds (`--quick`); undefined in results from before this was recorded. */
  readonly isQuick?: boolean;
  /** Processes of each case. */
  readonly processes: number;
  readonly results: readonly CaseResult[];
}
