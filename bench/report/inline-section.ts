/**
 * The part of the report about nsgd inline, beside its peers.
 */
import { rate, times, withRange } from '../numbers.ts';
import type { Spread } from '../statistics.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { inlineCommand } from './commands.ts';
import {
  type CurvePoint,
  DENIED,
  type Inline,
  OURS,
  SATURATED,
  SMALL,
  type Value,
  ZERO_LOSS,
} from './inline.ts';
import { measuredOn, table, when } from './markdown.ts';
import type { Chart, Series } from './svg.ts';

/** A comparison that stands in a table: more is better. */
export interface Comparison {
  readonly what: string;
  readonly peer: string;
  readonly ratio: number;
}

export interface InlineSection {
  readonly text: string;
  readonly charts: Readonly<Record<string, Chart>>;
  readonly comparisons: readonly Comparison[];
}

export function inlineSection(inline: Inline): InlineSection {
  const { environment, options, repeats, failures, continuations = [] } = inline.results;
  const comparisons: Comparison[] = [];
  const conditions =
    continuations.map((each) => `Continued ${when(each)}. `).join('') +
    `${repeats} repeats in turns (ABBA), median (least to greatest); trials of ${options.seconds} s; zero loss means a ` +
    `loss of at most ${options.lossTolerance}, found to ${options.resolution * 100}% of the highest rate; 8,192 flows, ` +
    'UDP, frames of 64 bytes as captured, one way; counted at the sink by the kernel.';
  const parts = [
    '## Inline: between a generator and a sink',
    measuredOn(environment, inlineCommand(inline.results), conditions),
    versionTable(inline),
    '### Throughput by number of rules',
    '![throughput by rules](plots/throughput-by-rules.svg)',
    'Frames a second that arrive while as many are sent as the generator makes (saturated), and without loss.',
    throughputTable(inline, 'saturated', SATURATED, comparisons),
    throughputTable(inline, 'zero loss', ZERO_LOSS, comparisons),
    '### Kinds of traffic at 1,000 rules',
    'Saturated. For denied traffic: frames a second that were looked at and dropped.',
    kindTable(inline, comparisons),
    '### Loss by offered load',
    '![received by offered load](plots/received-by-offered-load.svg)',
    '![loss by offered load](plots/loss-by-offered-load.svg)',
    overloadTable(inline),
    '### Latency',
    '![latency](plots/latency.svg)',
    'From the generator making a frame to the kernel receiving it at the sink, in microseconds.',
    latencyTable(inline, comparisons),
    '### CPU time, one TCP stream, tcpreplay',
    'CPU time of a frame at 100,000 a second by tcpreplay, over what the machine takes idle: all cores (tcpreplay included), ' +
      'and the core of the device. One TCP stream by iperf3, MTU 1500, every offload off on all interfaces. Last, what ' +
      'arrives of what tcpreplay sends at its top speed.',
    costTable(inline, comparisons),
    ...(failures.length === 0 ? [] : ['Not finished:', ...failures.map((each) => `- ${each}`)]),
  ];
  return { text: parts.join('\n\n'), charts: charts(inline), comparisons };
}

function versionTable(inline: Inline): string {
  const { versions, visits } = inline.results;
  const policies = { stateful: 'stateful', stateless: 'stateless', none: 'no rules, no state' };
  return table(
    ['device', 'version', 'policy'],
    Object.entries(versions).map(([device, version]) => {
      const policy = visits.find((visit) => visit.device === device)?.policy ?? 'none';
      return [device, version, policies[policy]];
    }),
  );
}

function cellText(value: Spread | undefined): string {
  return value === undefined ? '-' : withRange(value, rate);
}

function throughputTable(
  inline: Inline,
  what: string,
  value: Value,
  comparisons: Comparison[],
): string {
  const { devices, ruleCounts } = inline;
  const most = ruleCounts.at(-1) ?? 0;
  const rows = devices.map((device) => {
    const cells = ruleCounts.map((rules) =>
      inline.spread(inline.cell(device, rules, SMALL), value),
    );
    const ratios = ruleCounts.map((rules, index) => {
      const ours = inline.spread(inline.cell(OURS, rules, SMALL), value);
      const theirs = cells[index];
      if (ours === undefined || theirs === undefined || device === OURS) return undefined;
      const ratio = ours.median / theirs.median;
      comparisons.push({ what: `${what}, ${rules} rules`, peer: device, ratio });
      return ratio;
    });
    const atMost = ratios.at(-1);
    return [device, ...cells.map(cellText), atMost === undefined ? '-' : times(atMost)];
  });
  return table(
    [what, ...ruleCounts.map((rules) => `${rules} rules`), `nsgd at ${most} rules`],
    rows,
  );
}

function kindTable(inline: Inline, comparisons: Comparison[]): string {
  const most = inline.ruleCounts.at(-1) ?? 0;
  const kinds: readonly [string, Partial<Traffic>, Value][] = [
    ['established', SMALL, SATURATED],
    ['new flows', { ...SMALL, kind: 'new' }, SATURATED],
    ['denied', { ...SMALL, kind: 'denied' }, DENIED],
  ];
  const rows = inline.devices
    .filter((device) => inline.hasRules(device))
    .map((device) => [
      device,
      ...kinds.map(([what, traffic, value]) => {
        const theirs = inline.spread(inline.cell(device, most, traffic), value);
        const ours = inline.spread(inline.cell(OURS, most, traffic), value);
        if (theirs === undefined) return '-';
        if (ours !== undefined && device !== OURS && what !== 'established') {
          comparisons.push({ what, peer: device, ratio: ours.median / theirs.median });
        }
        return cellText(theirs);
      }),
    ]);
  return table(['frames a second', ...kinds.map(([what]) => what)], rows);
}

function overloadTable(inline: Inline): string {
  const most = inline.ruleCounts.at(-1) ?? 0;
  const rows = inline.devices.flatMap((device) => {
    const overload = inline.overload(inline.cell(device, most, SMALL));
    if (overload === undefined) return [];
    const { best, last } = overload;
    return [
      [
        device,
        rate(best),
        `${rate(last.received)} of ${rate(last.offered)}`,
        percent(last.received / best),
      ],
    ];
  });
  return table(['overload', 'best', 'at the highest load', 'of the best'], rows);
}

function percent(part: number): string {
  return `${(part * 100).toFixed(0)}%`;
}

function latencyTable(inline: Inline, comparisons: Comparison[]): string {
  const most = inline.ruleCounts.at(-1) ?? 0;
  const columns = ['p50', 'p99', 'p999'] as const;
  const places = [0, 1] as const;
  const rows = inline.devices.flatMap((device) => {
    const cell = inline.cell(device, most, SMALL);
    const cells = places.flatMap((place) =>
      columns.map((column) => inline.spread(cell, ({ latency }) => latency?.[place]?.[column])),
    );
    if (cells.every((each) => each === undefined)) return [];
    for (const [index, column] of columns.entries()) {
      const value: Value = ({ latency }) => latency?.[0]?.[column];
      const ours = inline.spread(inline.cell(OURS, most, SMALL), value);
      const theirs = cells[index];
      if (ours === undefined || theirs === undefined || device === OURS) continue;
      const ratio = theirs.median / ours.median;
      comparisons.push({ what: `latency ${column} at 10 kpps`, peer: device, ratio });
    }
    const half = inline.spread(cell, ({ latency }) => latency?.[1]?.rate);
    return [
      [
        device,
        ...cells.map((each) => (each === undefined ? '-' : each.median.toFixed(0))),
        half === undefined ? '-' : rate(half.median),
      ],
    ];
  });
  const head = [
    'latency',
    'p50 at 10 kpps',
    'p99',
    'p99.9',
    'p50 at half of zero loss',
    'p99',
    'p99.9',
  ];
  return table([...head, 'which is'], rows);
}

function costTable(inline: Inline, comparisons: Comparison[]): string {
  const most = inline.ruleCounts.at(-1) ?? 0;
  const columns: readonly [string, Value, (value: number) => string, boolean][] = [
    ['CPU of all cores', ({ cpu }) => cpu?.allCores, nanosecondsText, false],
    ['of its core', ({ cpu }) => cpu?.deviceCore, nanosecondsText, false],
    ['one TCP stream', ({ stream }) => stream, (bits) => `${(bits / 1e9).toFixed(2)} Gb/s`, true],
    ['tcpreplay', ({ tcpreplay }) => tcpreplay?.receivedRate, rate, true],
  ];
  const rows = inline.devices.flatMap((device) => {
    const cell = inline.cell(device, most, SMALL);
    const cells = columns.map(([what, value, format, isMoreBetter]) => {
      const theirs = inline.spread(cell, value);
      const ours = inline.spread(inline.cell(OURS, most, SMALL), value);
      if (theirs === undefined) return '-';
      if (ours !== undefined && device !== OURS) {
        const ratio = isMoreBetter ? ours.median / theirs.median : theirs.median / ours.median;
        comparisons.push({ what, peer: device, ratio });
      }
      return format(theirs.median);
    });
    return cells.every((each) => each === '-') ? [] : [[device, ...cells]];
  });
  return table(['', ...columns.map(([what]) => what)], rows);
}

function nanosecondsText(value: number): string {
  return `${value.toFixed(0)} ns`;
}

function charts(inline: Inline): Record<string, Chart> {
  const { devices, ruleCounts } = inline;
  const most = ruleCounts.at(-1) ?? 0;
  const series = (points: (device: string) => Series['points']): Series[] =>
    devices
      .map((name) => ({ name, points: points(name), isOurs: name === OURS }))
      .filter((each) => each.points.length > 0);
  const curve = (device: string): CurvePoint[] => inline.curve(inline.cell(device, most, SMALL));
  return {
    'throughput-by-rules': {
      title: 'Throughput by number of rules, 64-byte frames, saturated',
      xLabel: 'rules',
      yLabel: 'frames a second at the sink',
      xScale: 'log',
      yScale: 'linear',
      series: series((device) =>
        ruleCounts.flatMap((rules) => {
          const value = inline.spread(inline.cell(device, rules, SMALL), SATURATED);
          return value === undefined
            ? []
            : [{ x: rules, y: value.median, low: value.min, high: value.max }];
        }),
      ),
    },
    'received-by-offered-load': {
      title: `Frames that arrive by offered load, ${most} rules, 64-byte frames`,
      xLabel: 'frames a second offered',
      yLabel: 'frames a second at the sink',
      xScale: 'linear',
      yScale: 'linear',
      series: series((device) =>
        curve(device).map(({ offered, received }) => ({ x: offered, y: received })),
      ),
    },
    'loss-by-offered-load': {
      title: `Loss by offered load, ${most} rules, 64-byte frames`,
      xLabel: 'frames a second offered',
      yLabel: 'part lost',
      xScale: 'linear',
      yScale: 'linear',
      series: series((device) =>
        curve(device).map(({ offered, loss }) => ({ x: offered, y: loss })),
      ),
    },
    latency: {
      title: `Latency at 10,000 frames a second, ${most} rules`,
      xLabel: 'percentile',
      yLabel: 'microseconds',
      xScale: 'linear',
      yScale: 'log',
      xTicks: PERCENTILES.map(([name, part]) => ({ at: nines(part), label: name })),
      series: series((device) => latencyPoints(inline, device, most)),
    },
  };
}

const PERCENTILES = [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p999', 0.999],
] as const;

/** Where a percentile is on the axis: p90 is as far from p99 as that from p99.9. */
function nines(part: number): number {
  return -Math.log10(1 - part);
}

function latencyPoints(inline: Inline, device: string, rules: number): Series['points'] {
  const cell = inline.cell(device, rules, SMALL);
  return PERCENTILES.flatMap(([column, part]) => {
    const value = inline.spread(cell, ({ latency }) => latency?.[0]?.[column]);
    return value === undefined ? [] : [{ x: nines(part), y: value.median }];
  });
}
