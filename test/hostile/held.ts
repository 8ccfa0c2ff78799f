/**
 * Runs the tests that hold entries of the catalogue elsewhere, all in one process of vitest, and tells what became of each.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { projectRoot } from '../helpers/project-root.ts';
import type { Held } from './advisories.ts';
import { HOLDS, SKIPPED } from './report.ts';

interface Assertion {
  readonly fullName: string;
  readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo';
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly Assertion[];
  }[];
}

const TIMEOUT_MS = 900_000;

/** @returns of a test: `HOLDS`, `SKIPPED`, `fails` or `no such test` */
export function runHeld(tests: readonly Held[]): (held: Held) => string {
  const directory = mkdtempSync(join(tmpdir(), 'nsgd-hostile-'));
  const output = join(directory, 'vitest.json');
  const files = [...new Set(tests.map(({ file }) => file))];
  const names = [...new Set(tests.map(({ test }) => escape(test)))].join('|');
  const vitest = join(projectRoot, 'node_modules/vitest/vitest.mjs');
  spawnSync(
    process.execPath,
    [vitest, 'run', ...files, '-t', names, '--reporter=json', `--outputFile=${output}`],
    { cwd: projectRoot, stdio: 'ignore', timeout: TIMEOUT_MS },
  );
  const report = JSON.parse(readFileSync(output, 'utf8')) as VitestReport;
  rmSync(directory, { recursive: true });
  return (held) => outcomeOf(report, held);
}

function outcomeOf(report: VitestReport, { file, test }: Held): string {
  const results = report.testResults.find(({ name }) => relative(projectRoot, name) === file);
  const found = results?.assertionResults.filter(({ fullName }) => fullName.includes(test)) ?? [];
  if (found.length === 0) return 'no such test';
  if (found.some(({ status }) => status === 'failed')) return 'fails';
  return found.some(({ status }) => status === 'passed') ? HOLDS : SKIPPED;
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
