/**
 * How many heap bytes one call allocates.
 *
 * Needs `--expose-gc --min-semi-space-size=16` (vitest.config.ts sets both): without the large young generation a
 * scavenge between the two readings hides the garbage. The minimum of several rounds, because the heap also moves
 * for reasons that are not the call's, and because V8 compiles beside the program: on a busy machine the code that
 * allocates nothing may be ready only after many rounds. Code that does allocate does so in every one of them.
 */

/** A round below this allocates nothing by itself: there is no need for another. */
const NOTHING = 0.1;

/** @param rounds at most so many */
export function bytesPerCall(call: (index: number) => void, calls = 20_000, rounds = 40): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run with --expose-gc');
  for (let index = 0; index < calls; index++) call(index);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds && best > NOTHING; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < calls; index++) call(index);
    const after = process.memoryUsage().heapUsed;
    best = Math.min(best, (after - before) / calls);
  }
  return best;
}
