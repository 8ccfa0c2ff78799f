/**
 * The matcher beside DPDK's ACL library, on the same rule sets and traces: generated ones, and the published ones where
 * the data is there.
 *
 *     node dist/bench/matcher/main.js [--repeats 5] [PART-OF-NAME ...]
 *
 * The three take turns, every other time in the opposite order. Writes bench/results/matcher.json.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { packageVersion, readEnvironment } from '../environment.ts';
import { publishedSets } from '../hot-path/cases-match.ts';
import type { Measurement } from '../hot-path/measure.ts';
import { dpdkAclObstacle, measureDpdkAcl } from '../peers/dpdk-acl.ts';
import { writeResults } from '../results-file.ts';
import { generatedSet, generatedSetNames, type RuleSetFiles } from '../rules/set-files.ts';
import { median, type Spread, spread } from '../statistics.ts';
import type { MatcherResult } from './results.ts';

const NODE_OPTIONS = ['--expose-gc', '--min-semi-space-size=16'];
const CASE_TIMEOUT_MS = 120_000;

/** The same as `make bench` does for one case, in one process. */
function measureNsgd(name: string): Measurement {
  const program = join(projectRoot, 'dist/bench/hot-path/main.js');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...NODE_OPTIONS, program, '--child', `match/${name}`],
    { encoding: 'utf8', timeout: CASE_TIMEOUT_MS, cwd: projectRoot },
  );
  if (status !== 0) throw new Error(`match/${name} failed\n${stderr}`);
  return JSON.parse(stdout) as Measurement;
}

function compare(name: string, files: RuleSetFiles, repeats: number): MatcherResult {
  const hasPeer = dpdkAclObstacle() === undefined;
  const times = { nsgd: [] as number[], scalar: [] as number[], default: [] as number[] };
  let facts: Measurement['facts'] = {};
  let dpdkBytes: number | undefined;
  const turns = ['nsgd', ...(hasPeer ? (['scalar', 'default'] as const) : [])] as const;
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const turn of repeat % 2 === 0 ? turns : turns.toReversed()) {
      if (turn === 'nsgd') {
        const measurement = measureNsgd(name);
        facts = measurement.facts;
        times.nsgd.push(median(measurement.nanoseconds));
      } else {
        const { nanoseconds, memoryBytes } = measureDpdkAcl(files, turn);
        dpdkBytes = memoryBytes ?? dpdkBytes;
        times[turn].push(nanoseconds);
      }
    }
  }
  return {
    set: name,
    rules: Number(facts['rules']),
    nsgd: spread(times.nsgd),
    ...(hasPeer ? { scalar: spread(times.scalar), default: spread(times.default) } : {}),
    nsgdBytes: Number(facts['imageBytes']) + Number(facts['memoBytes']),
    ...(dpdkBytes === undefined ? {} : { dpdkBytes }),
  };
}

function line({ set, rules, nsgd, scalar, default: vector }: MatcherResult): string {
  const ratio = (peer: Spread | undefined): string =>
    peer === undefined ? '-' : (peer.median / nsgd.median).toFixed(2);
  return [
    set.padEnd(26),
    String(rules).padStart(6),
    `${nsgd.median.toFixed(1)} ns`.padStart(10),
    ratio(scalar).padStart(10),
    ratio(vector).padStart(10),
  ].join(' ');
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { repeats: { type: 'string', default: '5' } },
  });
  const repeats = Number(values.repeats);
  const obstacle = dpdkAclObstacle();
  if (obstacle !== undefined) process.stdout.write(`dpdk-test-acl: skipped: ${obstacle}\n`);
  const sets: [string, RuleSetFiles][] = [
    ...generatedSetNames.map((name): [string, RuleSetFiles] => [name, generatedSet(name)]),
    ...publishedSets().map((files): [string, RuleSetFiles] => [`classbench-${files.name}`, files]),
  ];
  const wanted = sets.filter(
    ([name]) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
  );
  process.stdout.write('set, rules, nsgd, times as fast as dpdk-test-acl scalar and default\n');
  const results = wanted.map(([name, files]) => {
    const result = compare(name, files, repeats);
    process.stdout.write(`${line(result)}\n`);
    return result;
  });
  writeResults(positionals.length === 0 ? 'matcher' : 'matcher-part', {
    environment: readEnvironment(),
    dpdk: packageVersion('dpdk-dev'),
    repeats,
    results,
  });
}

main();
