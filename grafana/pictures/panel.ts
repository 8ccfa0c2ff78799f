/**
 * One panel: stat, time series, bars, table or heatmap, from the answers to its queries.
 */
import { MappingType, type Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { dataquery as Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import type { AnswerSeries, Period } from './answers.ts';
import { drawHeatmap } from './heatmap.ts';
import { escapeHtml, formatValue } from './format.ts';
import { type Curve, drawLines, sparkline } from './lines.ts';

export interface Space {
  readonly width: number;
  readonly height: number;
  readonly period: Period;
}

/** Of Grafana's dark theme. */
const COLOURS: Readonly<Record<string, string>> = {
  green: '#1a7f4b',
  blue: '#1f4e9c',
  orange: '#c4660c',
  red: '#b3222c',
};
const BAR_COLOURS: Readonly<Record<string, string>> = {
  ...COLOURS,
  blue: '#5794f2',
  red: '#f2495c',
};
const TITLE_HEIGHT = 24;

function targetsOf(panel: Panel): Dataquery[] {
  return (panel.targets ?? []) as Dataquery[];
}

interface Answer {
  readonly series: AnswerSeries;
  readonly name: string;
  /** refId: A, B, ... */
  readonly query: string;
}

function named(panel: Panel, answers: readonly (readonly AnswerSeries[])[]): Answer[] {
  return targetsOf(panel).flatMap(({ legendFormat, refId }, index) =>
    (answers[index] ?? []).map((series) => ({
      series,
      query: refId,
      name: (legendFormat ?? '').replaceAll(
        /\{\{(\w+)\}\}/g,
        (_, label: string) => series.metric[label] ?? '',
      ),
    })),
  );
}

function numbersOf({ value, values = [] }: AnswerSeries): [time: number, value: number][] {
  const pairs = value === undefined ? values : [value];
  return pairs.map(([time, text]) => [time, Number(text)]);
}

function lastOf(series: AnswerSeries): number {
  return numbersOf(series).findLast(([, value]) => !Number.isNaN(value))?.[1] ?? Number.NaN;
}

/** Colour of the last threshold that the value has reached. */
function colorOf(panel: Panel, value: number): string {
  const steps = panel.fieldConfig?.defaults.thresholds?.steps ?? [];
  return steps.findLast((step) => step.value === null || value >= step.value)?.color ?? 'green';
}

function heading(panel: Panel): string {
  return `<h2>${escapeHtml(panel.title ?? '')}</h2>`;
}

/** Pixels with which a text fits on one line. */
function fontSize(text: string, width: number): number {
  return Math.min(27, Math.floor((width - 16) / (text.length * 0.62)));
}

function drawStat(panel: Panel, answers: readonly Answer[], space: Space): string {
  const [answer] = answers;
  const { unit = 'none', decimals, mappings = [] } = panel.fieldConfig?.defaults ?? {};
  const value = answer === undefined ? Number.NaN : lastOf(answer.series);
  const words = mappings.flatMap((mapping) =>
    mapping.type === MappingType.ValueToText ? [mapping.options[String(value)]] : [],
  );
  const word = words.find((each) => each !== undefined);
  const text = word?.text ?? formatValue(value, unit, space.period.end * 1000, decimals);
  const color = COLOURS[word?.color ?? colorOf(panel, value)] ?? '#444';
  const line =
    answer?.series.values === undefined
      ? ''
      : sparkline(numbersOf(answer.series), space.width, space.height / 2);
  return `<div class="stat" style="background:${color}">${heading(panel)}${line}<span style="font-size:${fontSize(text, space.width)}px">${escapeHtml(text)}</span></div>`;
}

function drawTimeseries(panel: Panel, answers: readonly Answer[], space: Space): string {
  const defaults = panel.fieldConfig?.defaults;
  const curves: Curve[] = answers.map(({ name, series }) => ({ name, points: numbersOf(series) }));
  const custom = defaults?.custom as { stacking?: { mode?: string } } | undefined;
  return (
    heading(panel) +
    drawLines(curves, {
      ...space,
      height: space.height - TITLE_HEIGHT,
      unit: defaults?.unit ?? 'none',
      decimals: defaults?.decimals,
      min: defaults?.min ?? undefined,
      max: defaults?.max ?? undefined,
      isStacked: custom?.stacking?.mode === 'normal',
    })
  );
}

function drawBars(panel: Panel, answers: readonly Answer[], space: Space): string {
  const { unit = 'none', decimals } = panel.fieldConfig?.defaults ?? {};
  const bars = answers
    .map(({ name, series }) => ({ name, value: lastOf(series) }))
    .filter(({ value }) => Number.isFinite(value))
    .toSorted((a, b) => b.value - a.value);
  const most = Math.max(...bars.map(({ value }) => value), 1e-9);
  const height = Math.min(34, (space.height - TITLE_HEIGHT - 8) / Math.max(1, bars.length));
  const nameWidth = Math.min(
    space.width * 0.6,
    Math.max(0, ...bars.map(({ name }) => name.length)) * 7.2 + 12,
  );
  const room = space.width - nameWidth - 90;
  const rows = bars.map(({ name, value }, index) => {
    const y = index * height;
    const middle = y + height / 2 + 4;
    const color = BAR_COLOURS[colorOf(panel, value)] ?? '#5794f2';
    const width = (value / most) * room;
    return (
      `<text x="${nameWidth - 6}" y="${middle}" text-anchor="end" fill="#ccccdc">${escapeHtml(name)}</text>` +
      `<rect x="${nameWidth}" y="${y + 3}" width="${room}" height="${height - 6}" fill="#22252b"/>` +
      `<rect x="${nameWidth}" y="${y + 3}" width="${width.toFixed(1)}" height="${height - 6}" fill="${color}"/>` +
      `<text x="${nameWidth + room + 8}" y="${middle}" fill="${color}">${escapeHtml(formatValue(value, unit, 0, decimals))}</text>`
    );
  });
  return `${heading(panel)}<svg width="${space.width}" height="${space.height - TITLE_HEIGHT}" font-size="11.5">${rows.join('')}</svg>`;
}

interface Transformation {
  readonly id: string;
  readonly options: {
    readonly indexByName?: Readonly<Record<string, number>>;
    readonly renameByName?: Readonly<Record<string, string>>;
  };
}

function isNumber(column: string): boolean {
  return column.startsWith('Value');
}

function cell(tag: 'td' | 'th', column: string, text: string): string {
  return `<${tag}${isNumber(column) ? ' class="number"' : ''}>${escapeHtml(text)}</${tag}>`;
}

/** As the transformations merge, choose, order and rename the columns. */
function drawTable(panel: Panel, answers: readonly Answer[], space: Space): string {
  const transformations = (panel.transformations ?? []) as readonly Transformation[];
  const organize = transformations.find(({ id }) => id === 'organize')?.options;
  const names = Object.entries(organize?.indexByName ?? {})
    .toSorted(([, a], [, b]) => a - b)
    .map(([name]) => name);
  const headings = names.map((name) => organize?.renameByName?.[name] ?? name);
  const rows = new Map<string, Record<string, string | number>>();
  const queries = targetsOf(panel).length;
  for (const { series, query } of answers) {
    const key = JSON.stringify(series.metric);
    const row = rows.get(key) ?? { ...series.metric };
    row[queries === 1 ? 'Value' : `Value #${query}`] = lastOf(series);
    rows.set(key, row);
  }
  const sortBy = (panel.options as { sortBy?: { displayName: string }[] } | undefined)?.sortBy?.[0];
  const sortName = names[headings.indexOf(sortBy?.displayName ?? '')];
  const sorted = [...rows.values()].toSorted((a, b) =>
    sortName === undefined ? 0 : Number(b[sortName]) - Number(a[sortName]),
  );
  const units = new Map(
    (panel.fieldConfig?.overrides ?? []).map(({ matcher, properties }) => [
      String(matcher.options),
      String(properties.find(({ id }) => id === 'unit')?.value ?? 'none'),
    ]),
  );
  const head = names.map((name, index) => cell('th', name, headings[index] ?? '')).join('');
  const body = sorted.map((row) => {
    const cells = names.map((name, index) => {
      const value = row[name] ?? '';
      const unit = units.get(headings[index] ?? '') ?? 'none';
      const text = typeof value === 'number' ? formatValue(value, unit, 0) : value;
      return cell('td', name, text);
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `${heading(panel)}<div style="height:${space.height - TITLE_HEIGHT}px;overflow:hidden"><table><tr>${head}</tr>${body.join('')}</table></div>`;
}

function drawBuckets(panel: Panel, answers: readonly Answer[], space: Space): string {
  const rows = answers
    .map(({ series }) => ({
      bound: series.metric['le'] === '+Inf' ? Infinity : Number(series.metric['le']),
      points: numbersOf(series),
    }))
    .toSorted((a, b) => a.bound - b.bound);
  const options = panel.options as { yAxis?: { unit?: string } } | undefined;
  return (
    heading(panel) +
    drawHeatmap(rows, {
      ...space,
      height: space.height - TITLE_HEIGHT,
      unit: options?.yAxis?.unit ?? 'short',
    })
  );
}

/** HTML of the inside of a panel. @throws Error for a kind that is not drawn */
export function drawPanel(
  panel: Panel,
  answers: readonly (readonly AnswerSeries[])[],
  space: Space,
): string {
  const known = named(panel, answers);
  switch (panel.type) {
    case 'stat':
      return drawStat(panel, known, space);
    case 'timeseries':
      return drawTimeseries(panel, known, space);
    case 'bargauge':
      return drawBars(panel, known, space);
    case 'table':
      return drawTable(panel, known, space);
    case 'heatmap':
      return drawBuckets(panel, known, space);
    default:
      throw new Error(`panels of type ${panel.type} are not drawn`);
  }
}
