/**
 * How many heap bytes one call allocates.
 *
 * Needs `--expose-gc --min-semi-space-size=16` (vitest.config.ts sets both): without the large young generation a
 * scavenge between the two readings hides the garbage. The minimum of several rounds, because the heap also moves
 * for reasons that are not the call's.
 */
export function bytesPerCall(call: (index: number) => void, calls = 20_000, rounds = 7): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run with --expose-gc');
  for (let index = 0; index < calls; index++) call(index);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < calls; index++) call(index);
    const after = process.memoryUsage().heapUsed;
    best = Math.min(best, (after - before) / calls);
  }
  return best;
}
