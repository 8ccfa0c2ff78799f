/**
 * The highest rate without loss, by binary search (RFC 2544 section 26.1), and loss against offered load.
 *
 * A trial passes when its loss is within the tolerance. The search ends when the step is within the resolution; it is
 * bounded whatever the trials say.
 */
import type { Trial } from './trial.ts';

export interface SearchOptions {
  /** Part of the frames that may be lost in a trial that passes. */
  readonly lossTolerance: number;
  /** Part of the highest rate that the search distinguishes. */
  readonly resolution: number;
  /** Frames a second of the first, highest trial. */
  readonly highest: number;
}

export interface SearchResult {
  /** Frames a second that arrived in the best trial that passed; 0 when none did. */
  readonly rate: number;
  readonly trials: readonly Trial[];
}

const STEPS_MAX = 16;

/** @param attempt runs a trial at a rate */
export async function zeroLossRate(
  { lossTolerance, resolution, highest }: SearchOptions,
  attempt: (rate: number) => Promise<Trial>,
): Promise<SearchResult> {
  const trials: Trial[] = [];
  let best = 0;
  let low = 0;
  let high = highest;
  let rate = highest;
  for (let step = 0; step < STEPS_MAX; step++) {
    // Each trial depends on the one before.
    // oxlint-disable-next-line no-await-in-loop
    const trial = await attempt(rate);
    trials.push(trial);
    if (trial.loss <= lossTolerance) {
      best = Math.max(best, trial.offeredRate);
      low = rate;
    } else {
      high = rate;
    }
    if (high - low <= resolution * highest) break;
    rate = (low + high) / 2;
  }
  return { rate: best, trials };
}
