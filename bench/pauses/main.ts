/**
 * The longest pause that bookkeeping makes between two packets: a million flows expire at the same moment, and every call
 * that the packet loop makes to be rid of them is timed. Writes bench/results/pauses.json.
 *
 *     node dist/bench/pauses/main.js
 */
// oxlint-disable-next-line import/no-unassigned-import -- compiled as the data plane is
import '../../daemon/data-plane/compiler-limits.ts';
import { readEnvironment } from '../environment.ts';
import { fullTable } from '../hot-path/cases-pipeline.ts';
import { writeResults } from '../results-file.ts';
import { quantile, spread } from '../statistics.ts';
import type { PauseResults } from './results.ts';

const FLOWS = 1_048_576;
const REPEATS = 5;
/** Later than any timeout. */
const HOUR_MS = 3_600_000;
const MICROSECONDS = 1000;

/** Microseconds of each call. */
function expire(): number[] {
  const { pipeline, flows, now } = fullTable(FLOWS);
  const pauses: number[] = [];
  pipeline.setTime(now + HOUR_MS);
  while (flows.size > 0) {
    const start = performance.now();
    pipeline.housekeep();
    pauses.push((performance.now() - start) * MICROSECONDS);
  }
  return pauses;
}

function main(): void {
  const all = Array.from({ length: REPEATS }, expire);
  const results: PauseResults = {
    environment: readEnvironment(),
    repeats: REPEATS,
    flows: FLOWS,
    calls: all[0]?.length ?? 0,
    longest: spread(all.map((pauses) => quantile(pauses, 1))),
    typical: spread(all.map((pauses) => quantile(pauses, 0.5))),
  };
  writeResults('pauses', results);
  const { longest, typical, calls } = results;
  process.stdout.write(
    `${FLOWS} flows expire in ${calls} calls: median ${typical.median.toFixed(1)} us, longest ${longest.median.toFixed(0)} us ` +
      `(${longest.min.toFixed(0)} to ${longest.max.toFixed(0)} in ${REPEATS} repeats)\n`,
  );
}

main();
