/**
 * A short run of every target of the fuzzer, with another seed each time, and every input that once failed or reached something
 * of its own. `make fuzz` is the long run.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';
import { Random } from '../helpers/random.ts';
import { frameTarget } from './frame-fuzz.ts';
import { corpusOf, seedsOf } from './guided-fuzz.ts';
import { guidedInputs, takeGuided } from './guided-inputs.ts';
import { nodeForJazzer, runGuided } from './jazzer.ts';
import type { FuzzTarget, GuidedInputs } from './target.ts';
import { targets } from './targets.ts';

const REGRESSIONS = join(projectRoot, 'test/fuzz/regressions');
/** Cases of a short run: a few seconds each. */
const CASES: Readonly<Record<string, number>> = {
  frames: 120_000,
  captures: 4000,
  configurations: 120,
  requests: 160,
  segments: 1000,
};
describe('a short run', () => {
  const random = new Random();
  const chosen = targets
    .filter(({ name }) => name in CASES)
    .map((target) => [target.name, target] as const);
  test.each(chosen)('%s', async (name, target) => {
    const report = await target.run({ cases: CASES[name] ?? 0, seed: random.seed });
    expect(report, `seed ${random.seed}`).toBeDefined();
  });

  // One that starts soon, from good files alone. Left out where Jazzer.js cannot be loaded: jazzer.ts says when.
  test.skipIf(nodeForJazzer === undefined)(
    'guided by coverage, captures take branches that good ones do not',
    async () => {
      const { captures: inputs } = guidedInputs;
      const run = { name: 'captures', inputs, seeds: seedsOf(inputs, random, 20), cases: 1500 };
      const { seedEdges, edges } = await runGuided({ ...run, seed: random.seed });
      expect(edges, `seed ${random.seed}`).toBeGreaterThan(seedEdges);
    },
  );

  test('frames reach the reasons that frames can have', async () => {
    const { reasons } = await frameTarget.run({ cases: 30_000, seed: 1 });
    expect(reasons).toEqual(
      expect.arrayContaining(['flow', 'rule', 'related', 'fragment', 'rule_deny', 'tcp_no_flow']),
    );
    expect((reasons as readonly string[]).length).toBeGreaterThan(35);
  });
});

test.each(Object.entries<GuidedInputs>(guidedInputs))(
  'what guided runs found: %s',
  (name, inputs) => {
    onTestFinished(() => inputs.close?.());
    const kept = corpusOf(name);
    expect(kept.length).toBeGreaterThan(0);
    for (const input of kept) takeGuided(inputs, input);
  },
);

describe('inputs that were kept', () => {
  const kept = readdirSync(REGRESSIONS).map((file) => {
    const target = targets.find(({ name }) => file.startsWith(`${name}-`));
    if (target === undefined) throw new Error(`${file} is of no target`);
    return [file, target] as readonly [string, FuzzTarget];
  });
  test.each(kept)('%s', async (file, target) => {
    const input = readFileSync(join(REGRESSIONS, file));
    expect(input.length).toBeGreaterThan(0);
    await target.again(new Uint8Array(input));
  });
});
