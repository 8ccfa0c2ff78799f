/**
 * What bench/acceptance finds: for each aim of a check what was seen. A whole run is kept beside this program
 * (result.json), because docs/RELIABILITY.md has its figures.
 */
import type { Environment } from '../environment.ts';

export interface Finding {
  /** Number of the check in docs/RELIABILITY.md. */
  readonly check: number;
  readonly aim: string;
  readonly found: string;
  /** What the kernel's bridge, which judges nothing, did with the same load before and after. */
  readonly bridge?: string;
  readonly isHeld: boolean;
}

export interface AcceptanceResults {
  readonly environment: Environment;
  /** Of each load. */
  readonly seconds: number;
  readonly findings: readonly Finding[];
}
