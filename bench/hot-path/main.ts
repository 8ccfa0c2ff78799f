/**
 * `make bench`: nanoseconds and heap bytes of every step of a packet's path, on one core. Every case runs in processes
 * of its own, since in a shared one the compiler serves the case before.
 *
 * Prints a table, writes bench/results/hot-path.json and says what is out of tolerance. It never fails because of a
 * number: a shared machine is no judge.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
// oxlint-disable-next-line import/no-unassigned-import -- compiled as the data plane is
import '../../daemon/data-plane/compiler-limits.ts';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { readEnvironment } from '../environment.ts';
import { perSecond } from '../numbers.ts';
import { writeResults } from '../results-file.ts';
import { outOfTolerance, readBaseline, writeBaseline } from './baseline.ts';
import type { BenchCase } from './case.ts';
import { CASES } from './cases.ts';
import { measure, type Measurement, type MeasureOptions } from './measure.ts';
import { type CaseResult, caseResult } from './result.ts';

const NODE_OPTIONS = ['--expose-gc', '--min-semi-space-size=16', '--max-old-space-size=4096'];
const NORMAL: MeasureOptions = { rounds: 5, roundMilliseconds: 100 };
const QUICK: MeasureOptions = { rounds: 3, roundMilliseconds: 30 };
/** A case that takes longer is stuck. */
const CASE_TIMEOUT_MS = 120_000;
const USAGE = `usage: node dist/bench/hot-path/main.js [--quick] [--processes N] [--save-baseline] [PART-OF-NAME ...]`;

/** What a child prints: the measurement, or why there is none. */
type ChildAnswer = Measurement | { readonly skipped: string };

function runInChild(name: string, isQuick: boolean): ChildAnswer {
  const file = fileURLToPath(import.meta.url);
  const args = [...NODE_OPTIONS, file, '--child', name, ...(isQuick ? ['--quick'] : [])];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: CASE_TIMEOUT_MS,
    cwd: projectRoot,
  });
  if (status !== 0) throw new Error(`${name} failed\n${stderr}`);
  return JSON.parse(stdout) as ChildAnswer;
}

function child(name: string, options: MeasureOptions): void {
  const found = CASES.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no case named ${name}`);
  const workload = found.prepare();
  const answer: ChildAnswer =
    typeof workload === 'string' ? { skipped: workload } : measure(workload, options);
  process.stdout.write(JSON.stringify(answer));
}

function row(columns: readonly string[]): void {
  const widths = [36, 10, 10, 10, 12, 8];
  const cells = columns.map((text, index) =>
    index === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[index] ?? 0),
  );
  process.stdout.write(`${cells.join(' ').trimEnd()}\n`);
}

function time(nanoseconds: number): string {
  if (nanoseconds < 1e4) return nanoseconds.toFixed(1);
  return nanoseconds < 1e6
    ? `${(nanoseconds / 1e3).toFixed(1)} us`
    : `${(nanoseconds / 1e6).toFixed(1)} ms`;
}

function measureCase(each: BenchCase, processes: number, isQuick: boolean): CaseResult | undefined {
  const measurements: Measurement[] = [];
  for (let index = 0; index < processes; index++) {
    const answer = runInChild(each.name, isQuick);
    if ('skipped' in answer) {
      row([each.name, `skipped: ${answer.skipped}`]);
      return undefined;
    }
    measurements.push(answer);
  }
  const result = caseResult(each.name, each.unit, measurements);
  const { median, min, max } = result.nanoseconds;
  const bytes =
    result.bytes < 1e6 ? result.bytes.toFixed(2) : `${(result.bytes / 1e6).toFixed(0)} MB`;
  row([each.name, time(median), time(min), time(max), perSecond(median), bytes]);
  return result;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      child: { type: 'string' },
      quick: { type: 'boolean', default: false },
      processes: { type: 'string' },
      'save-baseline': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  if (values.child !== undefined) {
    child(values.child, values.quick ? QUICK : NORMAL);
    return;
  }
  const processes = Number(values.processes ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(processes) || processes < 1) throw new Error(USAGE);
  const wanted = CASES.filter(
    ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
  );
  if (wanted.length === 0) throw new Error(`no case has ${positionals.join(' or ')} in its name`);

  const environment = readEnvironment();
  const { cpu, kernel, node, load } = environment;
  process.stdout.write(`${cpu}, kernel ${kernel}, Node ${node}, one core, load ${load}\n`);
  row(['case', 'median ns', 'min', 'max', 'per second', 'bytes']);
  const results = wanted.flatMap((each) => measureCase(each, processes, values.quick) ?? []);

  // A part of the cases must not stand for all of them in the report.
  const name = positionals.length === 0 ? 'hot-path' : 'hot-path-part';
  writeResults(name, { environment, isQuick: values.quick, processes, results });

  if (values['save-baseline']) {
    writeBaseline(cpu, results);
    return;
  }
  const baseline = readBaseline();
  if (baseline === undefined) return;
  if (baseline.cpu !== cpu || baseline.node !== node) {
    process.stdout.write(`\nthe baseline is of ${baseline.cpu}, Node ${baseline.node}\n`);
  }
  for (const result of results) {
    const finding = outOfTolerance(result, baseline);
    if (finding !== undefined)
      process.stdout.write(`out of tolerance: ${result.name}: ${finding}\n`);
  }
}

main();
