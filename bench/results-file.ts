/**
 * bench/results: one file of JSON for each benchmark, between the programs that measure and the report. Not tracked,
 * because its numbers are of one machine.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../test/helpers/project-root.ts';
import type { AcceptanceResults } from './acceptance/results.ts';
import type { DiffResults } from './diff/results.ts';
import type { HotPathResults } from './hot-path/results.ts';
import type { MatcherResults } from './matcher/results.ts';
import type { MemoryResults } from './memory/results.ts';
import type { OverloadResults } from './overload/results.ts';
import type { PauseResults } from './pauses/results.ts';
import type { PlanName } from './tcpreplay/plan.ts';
import type { InlineResults } from './tcpreplay/results.ts';

/** What each file has, by its name without the ending. */
type ResultsFiles = {
  readonly 'hot-path': HotPathResults;
  readonly matcher: MatcherResults;
  /** Of a part of the cases or sets, which must not stand for all of them in the report. */
  readonly 'hot-path-part': HotPathResults;
  readonly 'matcher-part': MatcherResults;
  readonly acceptance: AcceptanceResults;
  /** Of some of the checks, or with shorter loads. */
  readonly 'acceptance-part': AcceptanceResults;
  readonly diff: DiffResults;
  readonly memory: MemoryResults;
  readonly overload: OverloadResults;
  readonly pauses: PauseResults;
} & Readonly<Record<`inline-${PlanName}`, InlineResults>>;

const folder = join(projectRoot, 'bench/results');

/** Whole or not at all: a program that is stopped leaves the file as it was. */
export function writeResults<Name extends keyof ResultsFiles>(
  name: Name,
  results: ResultsFiles[Name],
): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  writeFileSync(`${path}.new`, `${JSON.stringify(results, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** undefined when that benchmark was not run. */
export function readResults<Name extends keyof ResultsFiles>(
  name: Name,
): ResultsFiles[Name] | undefined {
  const path = join(folder, `${name}.json`);
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')) as ResultsFiles[Name];
}
