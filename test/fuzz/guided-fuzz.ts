/**
 * The targets that are guided by coverage: of what changed bytes make the code take, what is new joins the bytes that others
 * are made of. What a run starts from besides good inputs is test/fuzz/corpus/, which earlier runs found.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexBytes } from '../helpers/frames.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { guidedInputs } from './guided-inputs.ts';
import { runGuided } from './jazzer.ts';
import type { FuzzTarget, GuidedInputs } from './target.ts';

const CORPUS = join(projectRoot, 'test/fuzz/corpus');

/** Inputs that earlier runs found and that were kept, a line of hexadecimal digits each. */
function corpusOf(name: string): Uint8Array[] {
  const file = join(CORPUS, `${name}.hex`);
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').trimEnd().split('\n').map(hexBytes);
}

function guided(name: string, inputs: GuidedInputs, cases: number): FuzzTarget {
  return {
    name: `guided-${name}`,
    cases,
    run: async ({ cases: wanted, seed, progress }) => {
      const kept = corpusOf(name);
      const { seedEdges, edges, found } = await runGuided({
        ...{ name, inputs, kept, cases: wanted, seed, progress },
      });
      return { seedEdges, edges, found: found.length };
    },
    again: (input) => inputs.take(input),
  };
}

export const guidedTargets: readonly FuzzTarget[] = [
  guided('frames', guidedInputs.frames, 500_000),
  guided('captures', guidedInputs.captures, 1_000_000),
  guided('configurations', guidedInputs.configurations, 100_000),
  guided('segments', guidedInputs.segments, 200_000),
];
