/**
 * The baseline: what each case is expected to take, and how far off it may be before it is worth a look. A tolerance and
 * not a record: a change that costs two percent is noise, one that costs half is not.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../test/helpers/project-root.ts';
import type { CaseResult } from './result.ts';

interface BaselineCase {
  readonly nanoseconds: number;
  /** Heap bytes of an operation. */
  readonly bytes: number;
  /** Times as slow as that is still no finding. */
  readonly tolerance: number;
}

export interface Baseline {
  /** Where it was measured. Elsewhere the comparison says little, and says so. */
  readonly cpu: string;
  readonly node: string;
  readonly cases: Readonly<Record<string, BaselineCase>>;
}

const FILE = join(projectRoot, 'bench/baseline.json');
const TOLERANCE = 1.25;
/** Cases that wait for memory, or run for a long time once, spread more. */
const WIDE_TOLERANCE = 1.5;
const WIDE = /1M|compile\//;
/** Heap bytes more than the baseline that are a finding. */
const BYTES_TOLERANCE = 1;

export function readBaseline(): Baseline | undefined {
  if (!existsSync(FILE)) return undefined;
  return JSON.parse(readFileSync(FILE, 'utf8')) as Baseline;
}

/** Writes the results as the new baseline; cases that were not run keep their old one. */
export function writeBaseline(cpu: string, results: readonly CaseResult[]): void {
  const cases: Record<string, BaselineCase> = { ...readBaseline()?.cases };
  for (const { name, nanoseconds, bytes } of results) {
    cases[name] = {
      nanoseconds: Number(nanoseconds.median.toPrecision(4)),
      bytes: Math.round(bytes),
      tolerance: cases[name]?.tolerance ?? (WIDE.test(name) ? WIDE_TOLERANCE : TOLERANCE),
    };
  }
  const baseline: Baseline = { cpu, node: process.version, cases };
  writeFileSync(FILE, `${JSON.stringify(baseline, null, 2)}\n`);
}

/** What is out of tolerance, in words; undefined when nothing is. */
export function outOfTolerance(result: CaseResult, baseline: Baseline): string | undefined {
  const expected = baseline.cases[result.name];
  if (expected === undefined) return 'not in the baseline';
  if (expected.bytes < 64 && result.bytes > expected.bytes + BYTES_TOLERANCE) {
    return `allocates ${result.bytes.toFixed(1)} bytes, baseline ${expected.bytes}`;
  }
  const ratio = result.nanoseconds.median / expected.nanoseconds;
  if (ratio > expected.tolerance) {
    return `${ratio.toFixed(2)} times the baseline, tolerance ${expected.tolerance}`;
  }
  return undefined;
}
