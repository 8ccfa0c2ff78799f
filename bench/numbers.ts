/**
 * Numbers as the benchmarks print them and the report shows them.
 */
import type { Spread } from './statistics.ts';

/** `12.3 (11.9 to 14.0)`. */
export function withRange({ median, min, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)} to ${format(max)})`;
}

/** A ratio of which more is better. */
export function times(ratio: number): string {
  if (!Number.isFinite(ratio)) return '-';
  return ratio >= 100 ? `${ratio.toFixed(0)}x` : `${ratio.toPrecision(3)}x`;
}

/** How often a second what takes that long can be done. */
export function perSecond(nanoseconds: number): string {
  return rate(1e9 / nanoseconds);
}

/** 1234567 to `1.23 M`. */
export function rate(perSecondValue: number): string {
  if (perSecondValue >= 1e6) return `${(perSecondValue / 1e6).toPrecision(3)} M`;
  if (perSecondValue >= 1e3) return `${(perSecondValue / 1e3).toPrecision(3)} k`;
  return perSecondValue.toPrecision(3);
}

export function duration(nanoseconds: number): string {
  if (nanoseconds < 1e4) return `${nanoseconds.toFixed(1)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(1)} us`;
  return `${(nanoseconds / 1e6).toFixed(1)} ms`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
