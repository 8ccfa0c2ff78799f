/**
 * Curves over time: axes, lines or stacked areas, and the legend with mean, maximum and last value under them.
 */
import { escapeHtml, formatValue } from './format.ts';
import type { Period } from './answers.ts';

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [time: number, value: number])[];
}

export interface LinesOptions {
  readonly width: number;
  readonly height: number;
  readonly period: Period;
  readonly unit: string;
  readonly decimals: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly isStacked: boolean;
}

/** Grafana's "palette-classic". */
export const PALETTE = [
  '#73bf69',
  '#f2cc0c',
  '#5794f2',
  '#ff780a',
  '#f2495c',
  '#b877d9',
  '#8ab8ff',
  '#96d98d',
  '#fade2a',
  '#ff9830',
];
export const LEFT = 66;
const RIGHT = 10;
const TOP = 6;
export const BOTTOM = 20;
const LEGEND_LINE = 14;
const LEGEND_LINES_MAX = 8;
const TICKS = 4;

/** A round number of which about four make the span. */
function tickStep(span: number): number {
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((each) => each * power >= rough) ?? 10;
  return factor * power;
}

export function timeLabel(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 19);
}

/** Labels of the time axis, at whole multiples of a step that leaves room for them. */
export function timeAxis(
  period: Period,
  x: (time: number) => number,
  y: number,
  width: number,
): string {
  const span = period.end - period.start;
  const wanted = span / Math.max(2, Math.floor(width / 90));
  const step = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600].find((each) => each >= wanted) ?? 600;
  const labels: string[] = [];
  for (let time = Math.ceil(period.start / step) * step; time <= period.end; time += step) {
    if (x(time) < LEFT + 20 || x(time) > LEFT + width - 20) continue;
    labels.push(
      `<text x="${x(time).toFixed(1)}" y="${y}" text-anchor="middle" fill="#8e8e9c">${timeLabel(time)}</text>`,
    );
  }
  return labels.join('');
}

/** Points of one line; a gap where a point is missing. */
function path(
  points: readonly (readonly [number, number])[],
  step: number,
  place: (time: number, value: number) => string,
): string {
  let text = '';
  let last = Number.NEGATIVE_INFINITY;
  for (const [time, value] of points) {
    if (!Number.isFinite(value)) continue;
    text += `${time - last > step * 1.5 ? 'M' : 'L'}${place(time, value)}`;
    last = time;
  }
  return text;
}

/** Each curve on top of those before it; a missing point is 0. */
function stacked(curves: readonly Curve[]): { base: Map<number, number>; curve: Curve }[] {
  const sums = new Map<number, number>();
  return curves.map((curve) => {
    const base = new Map(sums);
    const points = curve.points.map(([time, value]) => {
      const sum = (sums.get(time) ?? 0) + (Number.isFinite(value) ? value : 0);
      sums.set(time, sum);
      return [time, sum] as const;
    });
    return { base, curve: { name: curve.name, points } };
  });
}

function legend(curves: readonly Curve[], { unit, decimals }: LinesOptions): string {
  const rows = curves.slice(0, LEGEND_LINES_MAX).map(({ name, points }, index) => {
    const values = points.map(([, value]) => value).filter(Number.isFinite);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    // The one that is farthest from zero: what is sent is drawn below it.
    const max = values.reduce(
      (most, value) => (Math.abs(value) > Math.abs(most) ? value : most),
      0,
    );
    const texts = [mean, max, values.at(-1) ?? Number.NaN].map((value) =>
      formatValue(value, unit, 0, decimals),
    );
    const color = PALETTE[index % PALETTE.length] ?? '';
    const cells = texts.map((text) => `<td class="number">${escapeHtml(text)}</td>`).join('');
    return `<tr><td><span class="key" style="background:${color}"></span>${escapeHtml(name)}</td>${cells}</tr>`;
  });
  return `<div class="legend"><table><tr><th></th><th class="number">Mean</th><th class="number">Max</th><th class="number">Last</th></tr>${rows.join('')}</table></div>`;
}

function bounds(curves: readonly Curve[], { min, max }: LinesOptions): [low: number, high: number] {
  const values = curves
    .flatMap(({ points }) => points.map(([, value]) => value))
    .filter(Number.isFinite);
  const low = min ?? Math.min(0, ...values);
  const high = max ?? Math.max(...values, low);
  return high > low ? [low, high] : [low, low + 1];
}

export function drawLines(curves: readonly Curve[], options: LinesOptions): string {
  const { width, period, unit, decimals, isStacked } = options;
  const legendHeight = (Math.min(curves.length, LEGEND_LINES_MAX) + 1) * LEGEND_LINE + 6;
  const height = options.height - legendHeight;
  const plotWidth = width - LEFT - RIGHT;
  const plotHeight = height - TOP - BOTTOM;
  const layers = isStacked
    ? stacked(curves)
    : curves.map((curve) => ({ base: new Map<number, number>(), curve }));
  const [low, high] = bounds(
    layers.map(({ curve }) => curve),
    options,
  );
  const step = tickStep(high - low);
  const x = (time: number): number =>
    LEFT + ((time - period.start) / (period.end - period.start)) * plotWidth;
  const y = (value: number): number => TOP + (1 - (value - low) / (high - low)) * plotHeight;
  const place = (time: number, value: number): string =>
    `${x(time).toFixed(1)} ${y(value).toFixed(1)}`;

  let grid = '';
  for (let value = Math.ceil(low / step) * step; value <= high * 1.0001; value += step) {
    const at = y(value).toFixed(1);
    grid +=
      `<line x1="${LEFT}" x2="${width - RIGHT}" y1="${at}" y2="${at}" stroke="#2c2e33"/>` +
      `<text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end" fill="#8e8e9c">${escapeHtml(formatValue(Number(value.toPrecision(6)), unit, 0, decimals))}</text>`;
  }
  const drawn = layers.map(({ base, curve }, index) => {
    const color = PALETTE[index % PALETTE.length] ?? '';
    const line = path(curve.points, period.step, place);
    const [first] = curve.points;
    const last = curve.points.at(-1);
    if (first === undefined || last === undefined || line === '') return '';
    const below = curve.points
      .toReversed()
      .map(([time]) => `L${place(time, Math.max(low, base.get(time) ?? Math.max(0, low)))}`)
      .join('');
    const isWhole = !line.slice(1).includes('M');
    const area = isWhole
      ? `<path d="${line}${below}Z" fill="${color}" opacity="${isStacked ? 0.4 : 0.1}"/>`
      : '';
    return `${area}<path d="${line}" fill="none" stroke="${color}" stroke-width="1.3"/>`;
  });
  const axis = timeAxis(period, x, height - 6, plotWidth);
  return `<svg width="${width}" height="${height}" font-size="10.5">${grid}${axis}${drawn.join('')}</svg>${legend(curves, options)}`;
}

/** The curve behind a number. */
export function sparkline(
  points: readonly (readonly [time: number, value: number])[],
  width: number,
  height: number,
): string {
  const known = points.filter(([, value]) => Number.isFinite(value));
  const [first] = known;
  const last = known.at(-1);
  if (first === undefined || last === undefined || last[0] === first[0]) return '';
  const most = Math.max(...known.map(([, value]) => value), 1e-12);
  const x = (time: number): number => ((time - first[0]) / (last[0] - first[0])) * width;
  const line = known.map(
    ([time, value]) =>
      `L${x(time).toFixed(1)} ${(height - (value / most) * (height - 2)).toFixed(1)}`,
  );
  return `<svg width="${width}" height="${height}"><path d="M0 ${height}${line.join('')}L${width} ${height}Z" fill="#fff" opacity="0.18"/></svg>`;
}
