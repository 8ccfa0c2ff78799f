/**
 * What the hot-path benchmark writes and the report reads.
 */
import type { Environment } from '../environment.ts';
import type { CaseResult } from './result.ts';

export interface HotPathResults {
  readonly environment: Environment;
  /** Processes of each case. */
  readonly processes: number;
  readonly results: readonly CaseResult[];
}
