/**
 * What the comparison of memory writes and the report reads.
 */
import type { Environment } from '../environment.ts';

export interface MemoryResults {
  readonly environment: Environment;
  readonly rows: readonly MemoryRow[];
}

/** Bytes. */
export interface MemoryRow {
  readonly flows: number;
  /** nsgd's table, made for that many flows and full. */
  readonly table: number;
  readonly lruCache: number;
}
