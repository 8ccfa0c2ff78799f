/**
 * Line charts as SVG text, for the report: a title, two axes, a legend, one line per series.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Least and greatest measurement, drawn as a bar; absent: none. */
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Drawn thicker than the others. */
  readonly isOurs: boolean;
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xScale: 'linear' | 'log';
  readonly yScale: 'linear' | 'log';
  readonly series: readonly Series[];
  /** Ticks of the horizontal axis, in place of those of its scale. */
  readonly xTicks?: readonly { readonly at: number; readonly label: string }[];
}

const WIDTH = 860;
const HEIGHT = 440;
const LEFT = 78;
const RIGHT = 230;
const TOP = 44;
const BOTTOM = 56;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
/** Told apart also by those who do not see all colours (Okabe and Ito). */
const COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#7f7f7f',
  '#a6761d',
  '#332288',
  '#000000',
];
const DASHES = ['', '6 3', '2 3'];
const TICKS = 5;

interface Axis {
  /** Position from 0 to 1. */
  place(value: number): number;
  readonly ticks: readonly number[];
}

function linearAxis(values: readonly number[]): Axis {
  const most = Math.max(...values, 1e-9);
  const rough = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  const size = step ?? rough;
  const count = Math.ceil(most / size);
  const ticks = Array.from({ length: count + 1 }, (_, index) => index * size);
  return { place: (value) => value / (count * size), ticks };
}

function logAxis(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0);
  const first = Math.floor(Math.log10(Math.min(...positive, 1)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive, 1))));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  const place = (value: number): number =>
    (Math.log10(Math.max(value, 10 ** first)) - first) / (last - first);
  return { place, ticks };
}

/** 1234567 to `1.23M`. */
function shortNumber(value: number): string {
  const units: [number, string][] = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ];
  for (const [size, unit] of units) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  }
  return String(Number(value.toPrecision(3)));
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function text(
  x: number,
  y: number,
  content: string,
  attributes: Readonly<Record<string, string | number>> = {},
): string {
  const more = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${more.join('')}>${escaped(content)}</text>`;
}

export function lineChart(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const axisOf = (scale: Chart['xScale'], values: readonly number[]): Axis =>
    scale === 'log' ? logAxis(values) : linearAxis(values);
  const xAxis = axisOf(
    chart.xScale,
    points.map(({ x }) => x),
  );
  const yAxis = axisOf(
    chart.yScale,
    points.flatMap(({ y, high = y }) => [y, high]),
  );
  const x = (value: number): number => LEFT + xAxis.place(value) * PLOT_WIDTH;
  const y = (value: number): number => TOP + PLOT_HEIGHT - yAxis.place(value) * PLOT_HEIGHT;
  const grid = [
    ...yAxis.ticks.flatMap((tick) => [
      `<path d="M${LEFT} ${y(tick).toFixed(1)}h${PLOT_WIDTH}" stroke="#dddddd"/>`,
      text(LEFT - 8, y(tick) + 4, shortNumber(tick), { 'text-anchor': 'end' }),
    ]),
    ...(chart.xTicks ?? xAxis.ticks.map((at) => ({ at, label: shortNumber(at) }))).flatMap(
      ({ at, label }) => [
        `<path d="M${x(at).toFixed(1)} ${TOP}v${PLOT_HEIGHT}" stroke="#eeeeee"/>`,
        text(x(at), HEIGHT - BOTTOM + 18, label, { 'text-anchor': 'middle' }),
      ],
    ),
  ];
  const lines = chart.series.map((series, index) => drawSeries(series, index, x, y));
  const legend = chart.series.map(({ name, isOurs }, index) => {
    const at = TOP + 10 + index * 22;
    const line = `<path d="M${WIDTH - RIGHT + 16} ${at}h26" ${stroke(index, isOurs)}/>`;
    return line + text(WIDTH - RIGHT + 50, at + 4, name, isOurs ? { 'font-weight': 'bold' } : {});
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 24, chart.title, { 'font-size': 15, 'font-weight': 'bold' }),
    ...grid,
    text(LEFT + PLOT_WIDTH / 2, HEIGHT - 14, chart.xLabel, { 'text-anchor': 'middle' }),
    text(0, 0, chart.yLabel, {
      'text-anchor': 'middle',
      transform: `translate(18 ${TOP + PLOT_HEIGHT / 2}) rotate(-90)`,
    }),
    ...lines,
    ...legend,
    '</svg>\n',
  ].join('\n');
}

function stroke(index: number, isOurs: boolean): string {
  const colour = COLOURS[index % COLOURS.length] ?? '#000000';
  const dash = isOurs ? '' : (DASHES[Math.floor(index / 4) % DASHES.length] ?? '');
  return `fill="none" stroke="${colour}" stroke-width="${isOurs ? 3.2 : 1.6}" stroke-dasharray="${dash}"`;
}

function drawSeries(
  series: Series,
  index: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const places = series.points.map((point) => `${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`);
  const bars = series.points.flatMap(({ x: at, y: value, low = value, high = value }) =>
    low === high
      ? []
      : [
          `<path d="M${x(at).toFixed(1)} ${y(low).toFixed(1)}V${y(high).toFixed(1)}" ${stroke(index, false)}/>`,
        ],
  );
  const dots = series.points.map(
    (point) =>
      `<circle cx="${x(point.x).toFixed(1)}" cy="${y(point.y).toFixed(1)}" r="${series.isOurs ? 3.5 : 2.5}" fill="${COLOURS[index % COLOURS.length] ?? '#000000'}"/>`,
  );
  return [
    `<path d="M${places.join('L')}" ${stroke(index, series.isOurs)}/>`,
    ...bars,
    ...dots,
  ].join('');
}
