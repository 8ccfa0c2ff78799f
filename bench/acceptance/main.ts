/**
 * The checks of docs/RELIABILITY.md that take a load, each with the rate and the time that it asks for: `make
 * bench-acceptance` (root). Sixteen minutes.
 *
 *     node dist/bench/acceptance/main.js [--checks 1,3,24] [--seconds 5]
 *
 * Generator and bookkeeping have one processor, the packet path another, as in bench/tcpreplay. Prints what was found beside
 * each aim, exit code 1 where one is not held. Writes bench/results/acceptance.json, and a whole run with the asked time also
 * bench/acceptance/result.json.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
// oxlint-disable-next-line import/no-unassigned-import -- compiled as the data plane is
import '../../daemon/data-plane/compiler-limits.ts';
import { liveObstacle } from '../../test/helpers/live.ts';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { readEnvironment } from '../environment.ts';
import { writeResults } from '../results-file.ts';
import { manyFlows, newFlows } from './flow-checks.ts';
import { bitRates, fragmentFlood, manyRules, oneFlow, reloads } from './load-checks.ts';
import type { AcceptanceResults, Finding } from './results.ts';
import { answers, latency } from './time-checks.ts';
import { TrialRun } from './trial-run.ts';

const CHECKS: ReadonlyMap<number, (trials: TrialRun) => Promise<Finding[]>> = new Map([
  [1, oneFlow],
  [2, bitRates],
  [3, manyRules],
  [4, manyFlows],
  [5, newFlows],
  [6, latency],
  [8, answers],
  [24, reloads],
  [36, fragmentFlood],
]);
/** What the checks ask for. */
const SECONDS = 60;
const PAUSE_MS = 20;

/** What every bed of the run adds to. */
function totalFindings({ totals }: TrialRun): Finding[] {
  const { beds, frames, unaccounted, longestPause } = totals;
  return [
    {
      check: 6,
      aim: `no pause of the garbage collector above ${PAUSE_MS} ms`,
      found: `longest ${longestPause.toFixed(2)} ms, in all of these loads`,
      isHeld: longestPause < PAUSE_MS,
    },
    {
      check: 7,
      aim: 'sent = forwarded + dropped + kernel drops + send errors, exactly',
      found: `${unaccounted} of ${frames} frames unaccounted for, ${beds} wires`,
      isHeld: unaccounted === 0 && frames > 0,
    },
  ];
}

function print({ check, aim, found, bridge, isHeld }: Finding): void {
  const number = String(check).padStart(2);
  process.stdout.write(
    `${number}  ${isHeld ? 'held    ' : 'NOT HELD'}  ${aim}\n    found     ${found}\n` +
      (bridge === undefined ? '' : `    bridge    ${bridge}\n`),
  );
}

function wantedChecks(text: string | undefined): number[] {
  if (text === undefined) return [...CHECKS.keys()];
  const numbers = text.split(',').map(Number);
  const unknown = numbers.filter((number) => !CHECKS.has(number));
  if (unknown.length > 0) {
    const known = [...CHECKS.keys()].join(', ');
    throw new Error(`--checks ${text}: there are ${known}; 7 comes with each of them`);
  }
  return numbers;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { checks: { type: 'string' }, seconds: { type: 'string', default: String(SECONDS) } },
  });
  const numbers = wantedChecks(values.checks);
  const seconds = Number(values.seconds);
  if (liveObstacle !== undefined) {
    process.stdout.write(`skipped: ${liveObstacle}\n`);
    return;
  }
  const environment = readEnvironment();
  const trials = new TrialRun(seconds);
  const findings: Finding[] = [];
  const add = (more: readonly Finding[]): void => {
    for (const finding of more) print(finding);
    findings.push(...more);
  };
  for (const number of numbers) {
    // One load at a time.
    // oxlint-disable-next-line no-await-in-loop
    add((await CHECKS.get(number)?.(trials)) ?? []);
  }
  add(totalFindings(trials));
  const results: AcceptanceResults = { environment, seconds, findings };
  const isWhole = values.checks === undefined && seconds >= SECONDS;
  writeResults(isWhole ? 'acceptance' : 'acceptance-part', results);
  if (isWhole) {
    const path = join(projectRoot, 'bench/acceptance/result.json');
    writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
  }
  if (findings.some(({ isHeld }) => !isHeld)) process.exitCode = 1;
}

await main();
