/**
 * How long /metrics and /-/healthy take while the packet path is saturated: `make bench-scrape` (root).
 *
 *     node dist/bench/scrape/main.js [--seconds 20] [--rules 500]
 *
 * A generator sends as fast as it can through nsgd (af-xdp), so that generator and data plane take a processor each; the
 * control process and the one that asks have to find their time between them. Beside it the same without load.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { liveObstacle } from '../../test/helpers/live.ts';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { nsgd } from '../peers/nsgd.ts';
import { trialRules } from '../rules/trial-policy.ts';
import { establish, liveFrames } from '../tcpreplay/load.ts';
import { TestBed } from '../tcpreplay/test-bed.ts';
import { runTrial } from '../tcpreplay/trial.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { ProberArguments, ProberResult } from './prober.ts';

const PORT = 9469;
/** Longer than nsgd keeps a page for, so that each is made anew. */
const PAGES = { '/metrics': 250, '/-/healthy': 50 };
/** What is promised, in milliseconds. */
const TARGETS: Readonly<Record<string, number>> = { '/metrics': 200, '/-/healthy': 100 };
const TRAFFIC: Traffic = { kind: 'established', size: 64, family: 4, flows: 4096 };
/** The load begins before the questions and ends after them. */
const MARGIN_MS = 1000;

const run = promisify(execFile);

async function probe(bed: TestBed, seconds: number): Promise<ProberResult> {
  const program = join(projectRoot, 'dist/bench/scrape/prober.js');
  const request: ProberArguments = { port: PORT, seconds, pages: PAGES };
  const { stdout } = await run('ip', [
    ...['netns', 'exec', bed.device.name, process.execPath, program, JSON.stringify(request)],
  ]);
  return JSON.parse(stdout) as ProberResult;
}

function print(situation: string, result: ProberResult): void {
  for (const [page, times] of Object.entries(result)) {
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number): string =>
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
    const target = TARGETS[page] ?? 0;
    const late = times.filter((time) => time > target).length;
    process.stdout.write(
      `${situation.padEnd(10)} ${page.padEnd(11)} median ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms, ` +
        `${late} of ${times.length} over ${target} ms\n`,
    );
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '20' },
      rules: { type: 'string', default: '500' },
    },
  });
  const seconds = Number(values.seconds);
  const bed = new TestBed();
  try {
    const rules = trialRules(Number(values.rules), 4);
    const device = await nsgd('af-xdp').start(bed, { rules, family: 4 });
    await establish(bed, TRAFFIC);
    print('idle', await probe(bed, seconds));
    const load = runTrial(bed, device, {
      load: liveFrames,
      traffic: TRAFFIC,
      rate: undefined,
      seconds: seconds + (2 * MARGIN_MS) / 1000,
    });
    await sleep(MARGIN_MS);
    print('saturated', await probe(bed, seconds));
    const { offeredRate, receivedRate, loss } = await load;
    const kilo = (rate: number): string => `${Math.round(rate / 1000)} kpps`;
    process.stdout.write(
      `meanwhile  offered ${kilo(offeredRate)}, forwarded ${kilo(receivedRate)}, loss ${(loss * 100).toFixed(1)} %\n`,
    );
    await device.stop();
  } finally {
    await bed.close();
  }
}

if (liveObstacle === undefined) await main();
else process.stdout.write(`skipped: ${liveObstacle}\n`);
