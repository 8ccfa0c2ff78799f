/**
 * A histogram over time: a row for each bucket, darker where more values fell. Prometheus counts a value in every bucket that
 * it fits; here each row is what fell into that bucket alone.
 */
import { escapeHtml, formatValue } from './format.ts';
import { BOTTOM, LEFT, timeAxis } from './lines.ts';
import type { Period } from './answers.ts';

export interface Bucket {
  /** Upper bound; Infinity for the last. */
  readonly bound: number;
  readonly points: readonly (readonly [time: number, rate: number])[];
}

export interface HeatmapOptions {
  readonly width: number;
  readonly height: number;
  readonly period: Period;
  readonly unit: string;
}

const RIGHT = 10;
const TOP = 6;

/** From dark to bright orange. @param part 0 to 1 */
function shade(part: number): string {
  const from = [60, 30, 18];
  const to = [255, 180, 90];
  const mixed = from.map((value, n) =>
    Math.round(value + ((to[n] ?? 0) - value) * Math.sqrt(part)),
  );
  return `rgb(${mixed.join(',')})`;
}

export function drawHeatmap(buckets: readonly Bucket[], options: HeatmapOptions): string {
  const { width, height, period, unit } = options;
  const plotWidth = width - LEFT - RIGHT;
  const plotHeight = height - TOP - BOTTOM;
  const own = buckets.map(({ bound, points }, index) => {
    const below = new Map(buckets[index - 1]?.points ?? []);
    return {
      bound,
      points: points.map(
        ([time, rate]) => [time, Math.max(0, rate - (below.get(time) ?? 0))] as const,
      ),
    };
  });
  const used = own.map(({ points }) => points.some(([, rate]) => rate > 0));
  const first = Math.max(0, used.indexOf(true) - 1);
  const last = Math.min(own.length - 1, used.lastIndexOf(true) + 1);
  const rows = own.slice(first, last + 1);
  const most = Math.max(...rows.flatMap(({ points }) => points.map(([, rate]) => rate)), 1e-12);
  const rowHeight = plotHeight / rows.length;
  const x = (time: number): number =>
    LEFT + ((time - period.start) / (period.end - period.start)) * plotWidth;
  const cellWidth = (period.step / (period.end - period.start)) * plotWidth;
  const every = Math.max(1, Math.ceil(14 / rowHeight));
  const drawn = rows.map(({ bound, points }, index) => {
    const top = TOP + plotHeight - (index + 1) * rowHeight;
    const cells = points
      .filter(([time, rate]) => rate > 0 && x(time) - cellWidth >= LEFT - 1)
      .map(
        ([time, rate]) =>
          `<rect x="${(x(time) - cellWidth).toFixed(1)}" y="${top.toFixed(1)}" width="${Math.max(1, cellWidth - 0.5).toFixed(1)}" height="${(rowHeight - 1).toFixed(1)}" fill="${shade(rate / most)}"/>`,
      );
    const text = bound === Infinity ? '+Inf' : formatValue(bound, unit, 0);
    const label =
      index % every === 0
        ? `<text x="${LEFT - 6}" y="${(top + 4).toFixed(1)}" text-anchor="end" fill="#8e8e9c">${escapeHtml(text)}</text>`
        : '';
    return label + cells.join('');
  });
  return `<svg width="${width}" height="${height}" font-size="10.5">${drawn.join('')}${timeAxis(period, x, height - 6, plotWidth)}</svg>`;
}
