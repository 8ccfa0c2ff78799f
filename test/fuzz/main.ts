/**
 * `make fuzz`: mutated frames, capture files, configurations, control requests and saved segments, for as long as wanted; then
 * most of them again, guided by the branches that they take (`guided-`, with Jazzer.js).
 *
 *     make fuzz                                     every target, its whole number of cases
 *     make fuzz FUZZ="frames captures"              these targets
 *     make fuzz FUZZ="frames --cases 1000000 --seed 7"
 *     make fuzz FUZZ="guided-captures --cases 10000000 --keep"
 *     make fuzz FUZZ="--seconds 3600"               each target again and again with other seeds, for an hour in all
 *
 * With `--keep` what guided targets found stays in test/fuzz/corpus/, as far as it takes code that nothing there takes: they
 * begin with it the next time, and the tests run it.
 *
 * What fails is written to test/fuzz/regressions/, where the tests run it ever after. Ends with 1 then.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../helpers/project-root.ts';
import { nodeForJazzer } from './jazzer.ts';
import { FuzzFailure, type FuzzReport, type FuzzRun, type FuzzTarget } from './target.ts';
import { targets } from './targets.ts';

/** Those that are left out where Jazzer.js cannot be loaded. */
const isGuided = ({ name }: FuzzTarget): boolean => name.startsWith('guided-');
const REGRESSIONS = join(projectRoot, 'test/fuzz/regressions');
/** Cases in one turn when the time counts. */
const TURN_DIVISOR = 20;

function whole(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,12}$/.test(text)) throw new Error(`--${name} is a number, not "${text}"`);
  return Number(text);
}

/** @returns false when it failed */
async function fuzz(
  target: FuzzTarget,
  { cases, seed, keep }: Pick<FuzzRun, 'cases' | 'seed' | 'keep'>,
): Promise<boolean> {
  const start = performance.now();
  const progress = (done: number): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r${target.name}: ${done} of ${cases} `);
  };
  try {
    const report = await target.run({ cases, seed, progress, keep: keep ?? false });
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${target.name}: ${cases} cases, seed ${seed}, ${seconds} s${figures(report)}`);
    return true;
  } catch (error) {
    console.log(`${target.name}: seed ${seed}: ${String(error)}`);
    if (!(error instanceof FuzzFailure)) throw error;
    mkdirSync(REGRESSIONS, { recursive: true });
    const file = join(REGRESSIONS, `${target.name}-${seed}.input`);
    writeFileSync(file, error.input);
    console.log(`${target.name}: written to ${file}`);
    return false;
  }
}

/** What is no list: lists are for `--json`. */
function figures(report: FuzzReport): string {
  return Object.entries(report)
    .filter(([, value]) => typeof value !== 'object')
    .map(([name, value]) => `; ${name} ${String(value)}`)
    .join('');
}

interface Options {
  readonly chosen: readonly FuzzTarget[];
  readonly cases: number | undefined;
  readonly seed: number | undefined;
  readonly seconds: number | undefined;
  readonly keep: boolean;
}

/** @throws Error that says what is wrong with the command line */
function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cases: { type: 'string' },
      seed: { type: 'string' },
      seconds: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const names = targets.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no target "${unknown}"; there are ${names.join(', ')}`);
  }
  return {
    chosen: targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    cases: whole(values.cases, 'cases'),
    seed: whole(values.seed, 'seed'),
    seconds: whole(values.seconds, 'seconds'),
    keep: values.keep,
  };
}

async function main(options: Options): Promise<number> {
  const { cases, seconds } = options;
  const chosen = options.chosen.filter((each) => nodeForJazzer !== undefined || !isGuided(each));
  for (const { name } of options.chosen.filter((each) => !chosen.includes(each)))
    console.log(`${name}: LEFT OUT, Jazzer.js cannot be loaded (scripts/setup)`);
  let seed = options.seed ?? Math.floor(Math.random() * 0x1_0000_0000);
  const end = performance.now() + (seconds ?? 0) * 1000;
  let isGood = true;
  do {
    for (const target of chosen) {
      const turn = seconds === undefined ? target.cases : Math.ceil(target.cases / TURN_DIVISOR);
      // oxlint-disable-next-line no-await-in-loop -- one after another: times are measured
      isGood = (await fuzz(target, { cases: cases ?? turn, seed, keep: options.keep })) && isGood;
    }
    seed++;
  } while (performance.now() < end);
  return isGood ? 0 : 1;
}

let options: Options | undefined;
try {
  options = readOptions();
} catch (error) {
  console.error(`fuzz: ${(error as Error).message}`);
}
process.exitCode = options === undefined ? 2 : await main(options);
