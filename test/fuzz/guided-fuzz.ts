/**
 * The targets that are guided by coverage: an input that makes the code take what none before did joins those that others are
 * made of. A run begins with good inputs, with what earlier runs found (test/fuzz/corpus/), and with some that are changed by
 * who knows what the bytes mean, for Jazzer.js knows nothing of it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexBytes } from '../helpers/frames.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { Random } from '../helpers/random.ts';
import { CodeReached } from './code-reached.ts';
import { guidedInputs } from './guided-inputs.ts';
import { runGuided } from './jazzer.ts';
import type { FuzzTarget, GuidedInputs } from './target.ts';

/** Of the inputs of a run, those that come from the fuzzer that knows what the bytes mean. */
const CHANGED_SHARE = 0.05;
/** Of all inputs that are kept of a target. */
const CORPUS_BYTES = 32_768;
const CORPUS = join(projectRoot, 'test/fuzz/corpus');

/** Inputs that earlier runs found and that were kept, a line of hexadecimal digits each. */
export function corpusOf(name: string): Uint8Array[] {
  const file = join(CORPUS, `${name}.hex`);
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').trimEnd().split('\n').map(hexBytes);
}

function writeCorpus(name: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(CORPUS, { recursive: true });
  const lines = inputs.map((input) => `${Buffer.from(input).toString('hex')}\n`);
  writeFileSync(join(CORPUS, `${name}.hex`), lines.join(''));
}

/** The few that take code which neither the seeds nor a shorter one of them takes, as far as there is room. */
function worthKeeping(inputs: GuidedInputs, found: readonly Uint8Array[]): Uint8Array[] {
  const reached = new CodeReached((url) =>
    inputs.code.some((code) => url.includes(`/dist/${code}`)),
  );
  for (const seed of inputs.seeds()) reached.take(() => inputs.take(seed));
  const shortestFirst = found.toSorted((a, b) => a.length - b.length);
  let room = CORPUS_BYTES;
  const worth = shortestFirst.filter((input) => {
    if (input.length > room || reached.take(() => inputs.take(input)) === 0) return false;
    room -= input.length;
    return true;
  });
  reached.close();
  return worth;
}

function guided(name: string, inputs: GuidedInputs, cases: number): FuzzTarget {
  return {
    name: `guided-${name}`,
    cases,
    run: async ({ cases: wanted, seed, progress, keep }) => {
      const kept = corpusOf(name);
      const changed = inputs.changes(new Random(seed));
      const seeds = [
        ...inputs.seeds(),
        ...kept,
        ...Array.from({ length: Math.ceil(wanted * CHANGED_SHARE) }, changed),
      ];
      const { seedEdges, edges, found } = await runGuided({
        ...{ name, inputs, seeds, cases: wanted, seed, progress },
      });
      if (keep) writeCorpus(name, worthKeeping(inputs, [...seeds, ...found]));
      return { seedEdges, edges, found: found.length };
    },
    again: (input) => inputs.take(input),
  };
}

export const guidedTargets: readonly FuzzTarget[] = [
  guided('frames', guidedInputs.frames, 200_000),
  guided('captures', guidedInputs.captures, 500_000),
  guided('configurations', guidedInputs.configurations, 50_000),
  guided('segments', guidedInputs.segments, 100_000),
];
