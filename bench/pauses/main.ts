/**
 * The longest pauses between two packets: a million flows expire at the same moment, and every call that the packet loop
 * makes to be rid of them is timed; so is every tick while a large policy takes the place of a small one
 * (new-policy.ts). Writes bench/results/pauses.json.
 *
 *     node dist/bench/pauses/main.js
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
// oxlint-disable-next-line import/no-unassigned-import -- compiled as the data plane is
import '../../daemon/data-plane/compiler-limits.ts';
import { readEnvironment } from '../environment.ts';
import { fullTable } from '../hot-path/cases-pipeline.ts';
import { writeResults } from '../results-file.ts';
import { quantile, type Spread, spread } from '../statistics.ts';
import { changePolicies, type LongestTicks, removePolicies, writePolicies } from './new-policy.ts';
import type { PauseResults } from './results.ts';

const FLOWS = 1_048_576;
const REPEATS = 5;
/** Later than any timeout. */
const HOUR_MS = 3_600_000;
const MICROSECONDS = 1000;
/** About as long as all of the flows take. */
const EMPTY_LOOP_MS = 200;
const CHILD = '--new-policy';

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

/** Microseconds of the longest pause of a loop that does nothing: the machine's own, which is in every other figure. */
function emptyLoop(): number {
  let longest = 0;
  const end = performance.now() + EMPTY_LOOP_MS;
  for (let before = performance.now(); before < end;) {
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
  }
  return longest * MICROSECONDS;
}

/** The longest ticks of each repeat. undefined without service tags. */
function newPolicy(): PauseResults['newPolicy'] {
  const policies = writePolicies();
  if (policies === undefined) return undefined;
  const { folder, bytes } = policies;
  try {
    const repeats = Array.from({ length: REPEATS }, () => {
      const args = [fileURLToPath(import.meta.url), CHILD, folder];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`a new policy failed\n${stderr}`);
      return JSON.parse(stdout) as LongestTicks;
    });
    return {
      imageBytes: bytes,
      first: spread(repeats.map(({ first }) => first)),
      last: spread(repeats.map(({ last }) => last)),
    };
  } finally {
    removePolicies(folder);
  }
}

function inRepeats({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} us (${min.toFixed(0)} to ${max.toFixed(0)} in ${REPEATS} repeats)`;
}

function main(): void {
  const [mode, folder] = process.argv.slice(2);
  if (mode === CHILD && folder !== undefined) {
    process.stdout.write(JSON.stringify(changePolicies(folder)));
    return;
  }
  const all = Array.from({ length: REPEATS }, expire);
  const results: PauseResults = {
    environment: readEnvironment(),
    repeats: REPEATS,
    flows: FLOWS,
    calls: all[0]?.length ?? 0,
    longest: spread(all.map((pauses) => quantile(pauses, 1))),
    typical: spread(all.map((pauses) => quantile(pauses, 0.5))),
    newPolicy: newPolicy(),
    emptyLoop: spread(Array.from({ length: REPEATS }, emptyLoop)),
  };
  writeResults('pauses', results);
  const { longest, typical, calls } = results;
  process.stdout.write(
    `${FLOWS} flows expire in ${calls} calls: median ${typical.median.toFixed(1)} us, longest ${inRepeats(longest)}\n`,
  );
  process.stdout.write(`a loop that does nothing: longest ${inRepeats(results.emptyLoop)}\n`);
  const loaded = results.newPolicy;
  process.stdout.write(
    loaded === undefined
      ? 'a new policy: skipped, needs ../shared/data: the published service tags\n'
      : `a new policy of ${loaded.imageBytes} bytes: longest ${inRepeats(loaded.last)}, the first of a process ${inRepeats(loaded.first)}\n`,
  );
}

main();
