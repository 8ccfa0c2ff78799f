/**
 * Every case of the hot-path benchmark, in the order in which a packet meets what they measure.
 */
import type { BenchCase } from './case.ts';
import { collisionCases } from './cases-collisions.ts';
import { compileCases } from './cases-compile.ts';
import { decodeCases } from './cases-decode.ts';
import { flowTableCases, lruCacheCases } from './cases-flow-table.ts';
import { matchCases } from './cases-match.ts';
import { pipelineCases } from './cases-pipeline.ts';

export const CASES: readonly BenchCase[] = [
  ...decodeCases,
  ...flowTableCases,
  ...collisionCases,
  ...lruCacheCases,
  ...matchCases,
  ...pipelineCases,
  ...compileCases,
];
