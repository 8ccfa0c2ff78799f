/**
 * The inline benchmark: nsgd and its peers between a generator and a sink, in network namespaces. Needs root.
 *
 *     node dist/bench/tcpreplay/main.js [--plan quick|compare|matrix|reload] [--devices nsgd,bridge] [--repeats N] [--seconds S]
 *                                       [--loss-tolerance 0] [--resolution 0.02] [--list] [--continue]
 *
 * `--devices` chooses by parts of names, or "all", which is the default; of the plan matrix the default is nsgd af-xdp.
 * `--continue` keeps what bench/results/inline-matrix.json has of the plan matrix and measures what is missing.
 * `--list` says what would be measured.
 *
 * Devices take turns, and every other repeat in the opposite order (ABBA), so that what the machine does over time
 * meets all of them. Writes bench/results/inline-PLAN.json after every visit: a run that is stopped is not lost.
 */
import { parseArgs } from 'node:util';
import { liveObstacle } from '../../test/helpers/live.ts';
import { readEnvironment } from '../environment.ts';
import { readResults, writeResults } from '../results-file.ts';
import { trialRules } from '../rules/trial-policy.ts';
import { continued, missingVisits, obstaclesToContinue } from './continuation.ts';
import { establish } from './load.ts';
import { type Findings, Measurer, type MeasureOptions } from './measures.ts';
import {
  devicesMatching,
  PLAN_NAMES,
  type PlanName,
  type Visit,
  visitName,
  visitsOf,
} from './plan.ts';
import type { InlineResults, VisitResult } from './results.ts';
import { TestBed } from './test-bed.ts';

const DEVICE_WORDS: Readonly<Record<PlanName, string>> = {
  quick: 'all',
  compare: 'all',
  matrix: 'nsgd af-xdp',
  reload: 'all',
};
const REPEATS: Readonly<Record<PlanName, number>> = { quick: 1, compare: 5, matrix: 1, reload: 1 };
const SECONDS: Readonly<Record<PlanName, number>> = { quick: 1, compare: 3, matrix: 2, reload: 2 };

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function summary(found: Findings): string {
  const { saturated, zeroLoss, latency, cpu } = found;
  const kilo = (rate: number): string => `${Math.round(rate / 1000)} kpps`;
  return [
    saturated === undefined
      ? ''
      : `saturated ${kilo(saturated.receivedRate)} of ${kilo(saturated.offeredRate)}`,
    zeroLoss === undefined ? '' : `zero loss ${kilo(zeroLoss.rate)}`,
    ...(latency ?? []).map(
      ({ rate, p50, p99 }) => `p50 ${p50.toFixed(0)} p99 ${p99.toFixed(0)} us at ${kilo(rate)}`,
    ),
    cpu === undefined ? '' : `${cpu.allCores.toFixed(0)} ns of CPU`,
    found.stream === undefined ? '' : `one TCP stream ${(found.stream / 1e9).toFixed(2)} Gb/s`,
    found.reload === undefined
      ? ''
      : `${found.reload.reloads} reloads in ${found.reload.seconds.toFixed(0)} s, loss ${found.reload.trial.loss}`,
    found.saturated?.unaccounted === undefined ? '' : `unaccounted ${found.saturated.unaccounted}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

async function runVisit(
  visit: Visit,
  repeat: number,
  options: MeasureOptions,
): Promise<VisitResult[]> {
  const { device, rules, family, parts } = visit;
  const bed = new TestBed();
  try {
    const running = await device.start(bed, {
      rules: trialRules(Math.max(1, rules), family),
      family,
    });
    const measurer = new Measurer(bed, running, options);
    const results: VisitResult[] = [];
    for (const part of parts) {
      const { traffic } = part;
      // One traffic after another through the same device.
      // oxlint-disable-next-line no-await-in-loop
      await establish(bed, traffic);
      // oxlint-disable-next-line no-await-in-loop
      const found = await measurer.run(traffic, part.measures);
      results.push({ device: device.name, policy: device.policy, rules, traffic, repeat, found });
      say(
        `${device.name.padEnd(24)} ${String(rules).padStart(4)} rules, ${traffic.kind}, ` +
          `${traffic.size} bytes, IPv${family}: ${summary(found)}`,
      );
    }
    await running.stop();
    return results;
  } finally {
    await bed.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      plan: { type: 'string', default: 'quick' },
      devices: { type: 'string' },
      repeats: { type: 'string' },
      seconds: { type: 'string' },
      'loss-tolerance': { type: 'string', default: '0' },
      resolution: { type: 'string', default: '0.02' },
      list: { type: 'boolean', default: false },
      continue: { type: 'boolean', default: false },
    },
  });
  const name = values.plan as PlanName;
  if (!PLAN_NAMES.includes(name))
    throw new Error(`there is no plan ${name}: ${PLAN_NAMES.join(', ')}`);
  if (values.continue && name !== 'matrix')
    throw new Error('only the plan matrix can be continued: the others compare devices in turns');
  if (liveObstacle !== undefined) {
    say(`skipped: ${liveObstacle}`);
    return;
  }
  const words = (values.devices ?? DEVICE_WORDS[name]).split(',');
  const usable = devicesMatching(words).filter((device) => {
    const obstacle = device.obstacle();
    if (obstacle !== undefined) say(`${device.name}: skipped: ${obstacle}`);
    return obstacle === undefined;
  });
  if (usable.length === 0)
    throw new Error(`no device to measure is named like ${words.join(', ')}`);
  const visits = visitsOf(name, usable);
  const repeats = Number(values.repeats ?? REPEATS[name]);
  const options: MeasureOptions = {
    seconds: Number(values.seconds ?? SECONDS[name]),
    lossTolerance: Number(values['loss-tolerance']),
    resolution: Number(values.resolution),
  };
  const fresh: InlineResults = {
    environment: readEnvironment(),
    plan: name,
    repeats,
    options,
    devices: words,
    versions: Object.fromEntries(
      [...new Set(visits.map(({ device }) => device))].map((device) => [
        device.name,
        device.version() ?? 'unknown',
      ]),
    ),
    visits: [],
    failures: [],
  };
  const earlier = values.continue ? readResults(`inline-${name}`) : undefined;
  const obstacles = earlier === undefined ? [] : obstaclesToContinue(earlier, fresh);
  if (obstacles.length > 0) {
    process.stderr.write(
      `bench/results/inline-${name}.json cannot be continued:\n- ${obstacles.join('\n- ')}\n` +
        'Run without --continue to measure everything anew; that overwrites it.\n',
    );
    process.exitCode = 1;
    return;
  }
  const turns = Array.from({ length: repeats }, (_, repeat) =>
    missingVisits(visits, repeat, earlier?.visits ?? []),
  );
  if (earlier !== undefined) {
    const missing = turns.flat().flatMap(({ parts }) => parts).length;
    say(`${earlier.visits.length} combinations are there, ${missing} are missing`);
    if (missing === 0) return;
  }
  if (values.list) {
    for (const visit of values.continue ? turns.flat() : visits) {
      say(`${visitName(visit)}: ${visit.parts.length} traffics`);
    }
    return;
  }
  const results = earlier === undefined ? fresh : continued(earlier, fresh, turns.flat());
  for (const [repeat, turn] of turns.entries()) {
    for (const visit of repeat % 2 === 0 ? turn : turn.toReversed()) {
      try {
        // One device at a time.
        // oxlint-disable-next-line no-await-in-loop
        results.visits.push(...(await runVisit(visit, repeat, options)));
      } catch (error) {
        // The other devices are still worth measuring.
        const failure = `${visitName(visit)}: ${(error as Error).message}`;
        results.failures.push(failure);
        say(`failed: ${failure}`);
      }
      writeResults(`inline-${name}`, results);
    }
  }
}

await main();
