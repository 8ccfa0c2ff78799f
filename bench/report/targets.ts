/**
 * The first table of the report: what the project set out to reach, and what this run says of it.
 */
import type { HotPathResults } from '../hot-path/results.ts';
import type { MatcherResults } from '../matcher/results.ts';
import type { MemoryResults } from '../memory/results.ts';
import { duration, rate, times } from '../numbers.ts';
import type { PauseResults } from '../pauses/results.ts';
import type { InlineResults } from '../tcpreplay/results.ts';
import type { Spread } from '../statistics.ts';
import { DENIED, type Inline, OURS, SATURATED, SMALL, ZERO_LOSS } from './inline.ts';
import { table } from './markdown.ts';

export interface TargetSources {
  readonly inline: Inline | undefined;
  readonly hotPath: HotPathResults | undefined;
  readonly matcher: MatcherResults | undefined;
  readonly memory: MemoryResults | undefined;
  readonly reload: InlineResults | undefined;
  readonly pauses: PauseResults | undefined;
}

/** What, what was to be reached, what was measured, whether it was. */
type Row = readonly [what: string, target: string, measured: string, isReached: boolean];

const MOST_RULES = 1000;
const MILLISECOND_US = 1000;

export function targetSection(sources: TargetSources): string {
  const rows = [
    ...matcherTargets(sources),
    ...hotPathTargets(sources),
    ...inlineTargets(sources.inline),
    ...conservation(sources),
    ...pauseTargets(sources),
    ...reloadTargets(sources),
  ];
  return [
    '## Targets',
    table(
      ['what', 'to reach', 'measured', 'reached'],
      rows.map(([what, target, measured, isReached]) => [
        what,
        target,
        measured,
        isReached ? 'yes' : '**no**',
      ]),
    ),
  ].join('\n\n');
}

function matcherTargets({ matcher }: TargetSources): Row[] {
  if (matcher === undefined) return [];
  const { results } = matcher;
  const worst = (
    isWanted: (set: string) => boolean,
    peer: 'scalar' | 'default',
  ): { ratio: number; set: string } | undefined =>
    results
      .filter(({ set }) => isWanted(set))
      .flatMap((result) => {
        const theirs = result[peer];
        return theirs === undefined
          ? []
          : [{ ratio: theirs.median / result.nsgd.median, set: result.set }];
      })
      .toSorted((a, b) => a.ratio - b.ratio)[0];
  const row = (what: string, sets: (set: string) => boolean, peer: 'scalar' | 'default'): Row[] => {
    const found = worst(sets, peer);
    if (found === undefined) return [];
    const { ratio, set } = found;
    return [[what, `1x dpdk-test-acl ${peer}`, `at least ${times(ratio)} (${set})`, ratio >= 1]];
  };
  const published =
    (size: string) =>
    (set: string): boolean =>
      set.startsWith('classbench-') && set.endsWith(size);
  const families = results.flatMap(({ set, nsgd }) => {
    const other = results.find((each) => each.set === set.replace('_v6_', '_'));
    return set.includes('_v6_') && other !== undefined
      ? [{ set, ratio: nsgd.median / other.nsgd.median }]
      : [];
  });
  const slowest = families.toSorted((a, b) => b.ratio - a.ratio)[0];
  const memories = results.flatMap(({ set, nsgdBytes, dpdkBytes }) =>
    published('_10k')(set) && dpdkBytes !== undefined
      ? [{ set, ratio: nsgdBytes / dpdkBytes }]
      : [],
  );
  const heaviest = memories.toSorted((a, b) => b.ratio - a.ratio)[0];
  return [
    ...row('matcher, ClassBench 1k sets', published('_1k'), 'scalar'),
    ...row('matcher, ClassBench 1k sets (aim)', published('_1k'), 'default'),
    ...row('matcher, ClassBench 10k sets', published('_10k'), 'scalar'),
    ...(slowest === undefined
      ? []
      : [
          [
            'matcher, time of IPv6 to that of IPv4',
            'at most 1.5x',
            `at most ${times(slowest.ratio)} (${slowest.set})`,
            slowest.ratio <= 1.5,
          ] satisfies Row,
        ]),
    ...(heaviest === undefined
      ? []
      : [
          [
            'matcher memory, ClassBench 10k sets',
            'less than DPDK',
            `at most ${times(heaviest.ratio)} (${heaviest.set})`,
            heaviest.ratio < 1,
          ] satisfies Row,
        ]),
  ];
}

function hotPathTargets({ hotPath, memory }: TargetSources): Row[] {
  const rows: Row[] = [];
  const find = (name: string): { nanoseconds: Spread; bytes: number } | undefined =>
    hotPath?.results.find((result) => result.name === name);
  const atLeast = (name: string, what: string, target: number): void => {
    const found = find(name);
    if (found === undefined) return;
    const reached = 1e9 / found.nanoseconds.median;
    rows.push([what, `${rate(target)}/s`, `${rate(reached)}/s`, reached >= target]);
  };
  atLeast('pipeline/hit-10k', 'flow hit in memory, 10,000 flows', 8e6);
  atLeast('pipeline/hit-1M-random', 'flow hit in memory, 1,000,000 flows at random', 3e6);
  atLeast('pipeline/new-1k-rules', 'new flows in memory, 1,000 rules', 1.5e6);
  const bytes = (name: string, what: string, most: number): void => {
    const found = find(name);
    if (found === undefined) return;
    rows.push([
      what,
      most === 0 ? '0' : `under ${most}`,
      found.bytes.toFixed(2),
      most === 0 ? found.bytes < 0.005 : found.bytes < most,
    ]);
  };
  bytes('pipeline/hit-10k', 'heap bytes of a packet, hit', 0);
  bytes('pipeline/new-1k-rules', 'heap bytes of a packet, miss', 1);
  const largest = memory?.rows.at(-1);
  if (largest !== undefined) {
    const each = largest.table / largest.flows;
    rows.push([
      'memory of a flow',
      'at most 96 bytes',
      `${each.toFixed(1)} bytes`,
      Math.round(each) <= 96,
    ]);
  }
  for (const name of [
    'compile/reload-1k-rules-service-tags',
    'compile/image-1k-rules-service-tags',
  ]) {
    const found = find(name);
    if (found === undefined) continue;
    const { median } = found.nanoseconds;
    rows.push([
      `${name.slice('compile/'.length)} (published file)`,
      '200 ms',
      duration(median),
      median <= 200e6,
    ]);
  }
  return rows;
}

function inlineTargets(inline: Inline | undefined): Row[] {
  if (inline === undefined) return [];
  const rows: Row[] = [];
  const at = (device: string, rules: number, traffic = SMALL): ReturnType<Inline['cell']> =>
    inline.cell(device, rules, traffic);
  const saturated = (device: string, rules: number): number | undefined =>
    inline.spread(at(device, rules), SATURATED)?.median;
  const zeroLoss = (device: string, rules: number): number | undefined =>
    inline.spread(at(device, rules), ZERO_LOSS)?.median;
  const ratio = (
    what: string,
    ours: number | undefined,
    theirs: number | undefined,
    target: number,
  ): void => {
    if (ours === undefined || theirs === undefined) return;
    rows.push([what, times(target), times(ours / theirs), ours / theirs >= target]);
  };
  for (const peer of ['testpmd af_xdp', 'Open vSwitch AF_XDP', 'kernel bridge']) {
    ratio(
      `saturated, 1,000 rules, to ${peer}`,
      saturated(OURS, MOST_RULES),
      saturated(peer, MOST_RULES),
      1,
    );
    ratio(
      `zero loss, 1,000 rules, to ${peer}`,
      zeroLoss(OURS, MOST_RULES),
      zeroLoss(peer, MOST_RULES),
      1,
    );
  }
  const linear = 'bridge + nftables linear';
  ratio(`saturated, 100 rules, to ${linear}`, saturated(OURS, 100), saturated(linear, 100), 4);
  ratio(
    `saturated, 1,000 rules, to ${linear}`,
    saturated(OURS, MOST_RULES),
    saturated(linear, MOST_RULES),
    25,
  );
  ratio('saturated, 1,000 rules, to 1 rule', saturated(OURS, MOST_RULES), saturated(OURS, 1), 0.95);
  const overload = inline.overload(at(OURS, MOST_RULES));
  if (overload !== undefined) {
    const { best, last } = overload;
    ratio(`overload (${rate(last.offered)}/s offered), to the best rate`, last.received, best, 0.9);
  }
  const denied = inline.spread(at(OURS, MOST_RULES, { ...SMALL, kind: 'denied' }), DENIED);
  if (denied !== undefined) {
    rows.push([
      'denied traffic dropped',
      '2 M/s',
      `${rate(denied.median)}/s`,
      denied.median >= 2e6,
    ]);
  }
  for (const [column, most] of [
    ['p50', 100],
    ['p99', 1000],
  ] as const) {
    const found = inline.spread(at(OURS, MOST_RULES), ({ latency }) => latency?.[0]?.[column]);
    if (found === undefined) continue;
    rows.push([
      `latency at 10 kpps, ${column}`,
      `at most ${most} us`,
      `${found.median.toFixed(0)} us`,
      found.median <= most,
    ]);
  }
  const stream = (device: string): number | undefined =>
    inline.spread(at(device, MOST_RULES), (found) => found.stream)?.median;
  ratio('one TCP stream, to kernel bridge', stream(OURS), stream('kernel bridge'), 1);
  return rows;
}

/** Of every trial of a device that counts: what came in, less what went out and what has a reason. */
function conservation({ inline }: TargetSources): Row[] {
  const trials = (inline?.results.visits ?? [])
    .filter(({ device }) => device === OURS)
    .flatMap(({ found }) => [
      found.saturated,
      found.tcpreplay,
      ...(found.zeroLoss?.trials ?? []),
      ...(found.curve ?? []),
    ])
    .filter((trial) => trial?.unaccounted !== undefined);
  if (trials.length === 0) return [];
  const wrong = trials.filter((trial) => trial?.unaccounted !== 0).length;
  return [
    [
      `trials of ${OURS} in which every frame has an account`,
      `all ${trials.length}`,
      String(trials.length - wrong),
      wrong === 0,
    ],
  ];
}

function pauseTargets({ pauses }: TargetSources): Row[] {
  if (pauses === undefined) return [];
  const { longest, flows, newPolicy, emptyLoop } = pauses;
  const row = (what: string, pause: Spread): Row => [
    what,
    'under 1 ms',
    `${microseconds(pause)}; an empty loop ${microseconds(emptyLoop)}`,
    pause.median < MILLISECOND_US,
  ];
  const rows = [
    row(`longest pause of expiry, ${flows.toLocaleString('en')} flows at once`, longest),
  ];
  if (newPolicy !== undefined) {
    const megabytes = (newPolicy.imageBytes / 1e6).toFixed(1);
    const what = `longest pause of a new policy, 1,000 rules with service tags (${megabytes} MB)`;
    rows.push(row(what, newPolicy.last), row(`${what}, the first of a process`, newPolicy.first));
  }
  return rows;
}

function microseconds({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} us (${min.toFixed(0)} to ${max.toFixed(0)})`;
}

function reloadTargets({ reload }: TargetSources): Row[] {
  return (reload?.visits ?? []).flatMap(({ device, found }): Row[] => {
    if (found.reload === undefined || device !== OURS) return [];
    const { reloads, seconds, trial } = found.reload;
    const lost = trial.offered - trial.received;
    return [
      [
        `frames lost in ${reloads} reloads in ${seconds.toFixed(0)} s at ${rate(trial.offeredRate)}/s`,
        '0',
        String(lost),
        lost === 0,
      ],
    ];
  });
}
