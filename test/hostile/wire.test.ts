/**
 * The catalogue of hostile traffic, live: through the built daemon on af-xdp.
 */
import { describe, expect, test } from 'vitest';
import { liveObstacle } from '../helpers/live.ts';
import { catalogue } from './catalogue/catalogue.ts';
import { isPlayed } from './report.ts';
import { canGoThroughWire, runOnWire, type WireCase } from './wire.ts';
import { verdictOf } from './catalogue/play.ts';

describe.skipIf(liveObstacle !== undefined)(`on a wire (${liveObstacle ?? 'live'})`, () => {
  test('every frame comes out unchanged or not at all, and is counted by its reason', async () => {
    const entries = catalogue.filter(isPlayed).filter(canGoThroughWire);
    expect(entries.length).toBeGreaterThan(150);
    const { verdicts, counts, expectedCounts } = await runOnWire(entries);
    const text = (entry: WireCase, all: readonly string[]): string =>
      `${entry.row} ${entry.attack}: ${all.join(', ')}`;
    expect(entries.map((entry) => text(entry, verdicts.get(entry) ?? []))).toEqual(
      entries.map((entry) =>
        text(
          entry,
          entry.steps.map(({ reason }) => verdictOf(reason)),
        ),
      ),
    );
    expect(counts).toEqual(expectedCounts);
  }, 120_000);
});
