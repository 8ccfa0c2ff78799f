/**
 * The targets that are guided by coverage: an input that makes the code take what none before did joins those that others are
 * made of. A run begins with good inputs, some of them changed, and with what earlier runs found (test/fuzz/corpus/).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexBytes } from '../helpers/frames.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { Random } from '../helpers/random.ts';
import { CodeReached } from './code-reached.ts';
import { guidedInput, guidedInputs, takeGuided } from './guided-inputs.ts';
import { runGuided } from './jazzer.ts';
import type { FuzzTarget, GuidedInputs } from './target.ts';

/** Half of the inputs of a run are good ones with changes, the rest are made of what those reached; at most so many. */
const CHANGED_MOST = 8000;
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
    if (input.length > room || reached.take(() => takeGuided(inputs, input)) === 0) return false;
    room -= input.length;
    return true;
  });
  reached.close();
  inputs.close?.();
  return worth;
}

function guided(name: string, inputs: GuidedInputs, cases: number): FuzzTarget {
  return {
    name: `guided-${name}`,
    cases,
    run: async ({ cases: wanted, seed, progress, keep }) => {
      const kept = corpusOf(name);
      const changed = Math.min(CHANGED_MOST, Math.ceil(wanted / 2));
      const seeds = [...seedsOf(inputs, new Random(seed), changed), ...kept];
      const { seedEdges, edges, found } = await runGuided({
        ...{ name, inputs, seeds, cases: wanted, seed, progress },
      });
      if (keep) writeCorpus(name, worthKeeping(inputs, [...seeds, ...found]));
      return { seedEdges, edges, found: found.length };
    },
    again: (input) => takeGuided(inputs, input),
  };
}

/** Good inputs as they are. @param changed how many there are with changes besides */
export function seedsOf(inputs: GuidedInputs, random: Random, changed: number): Uint8Array[] {
  const good = inputs.seeds();
  const changes = (): number[] =>
    Array.from({ length: 1 + random.below(3) }, () => random.below(0x1_0000));
  return [
    ...good.map((bytes) => guidedInput([], bytes)),
    ...Array.from({ length: changed }, () => guidedInput(changes(), random.pick(good))),
  ];
}

export const guidedTargets: readonly FuzzTarget[] = [
  guided('frames', guidedInputs.frames, 200_000),
  guided('captures', guidedInputs.captures, 500_000),
  guided('configurations', guidedInputs.configurations, 50_000),
  guided('segments', guidedInputs.segments, 100_000),
];
