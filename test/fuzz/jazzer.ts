/**
 * Jazzer.js (libFuzzer for Node): instruments our modules as they are loaded, and keeps every input that makes them take a
 * branch, or compare values, as none before did. It runs in a process of its own, with a folder of its own for what it finds.
 *
 * Its native part needs glibc 2.38. Debian 12 has 2.36, so scripts/setup unpacks a newer one into .glibc/ there, and Node is
 * started with that for this and nothing else. Where there is neither, what needs Jazzer.js is left out.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../helpers/project-root.ts';
import { FuzzFailure, type GuidedInputs } from './target.ts';

const PROGRAM = join(projectRoot, 'node_modules/@jazzer.js/core/dist/cli.js');
const ENTRIES = join(projectRoot, 'dist/test/fuzz/guided-inputs.js');
const NEWER_GLIBC = join(projectRoot, '.glibc');
const GLIBC_MINOR = 38;
/** Longest input, in bytes. */
const MAX_INPUT = 65_536;
/** What one input may take before it is a failure. */
const TIMEOUT_MS = 20_000;
/** Detectors of Jazzer.js. */
const NOT_LOOKED_FOR = ['command-injection', 'path-traversal', 'remote-code', 'ssrf'];
/** Lines of Jazzer.js that a failure shows, those of its events left out. */
const LAST_LINES = 40;

/** A line such as `#1000	DONE   cov: 59 ft: 70 corp: 5/28b`: inputs so far, event, branches taken. */
const EVENT = /^#(\d+)\s+(\w+)\s+cov: (\d+) /;

export interface GuidedRun {
  /** Of the targets in guided-inputs.ts. */
  readonly name: string;
  readonly inputs: GuidedInputs;
  /** What it begins with. */
  readonly seeds: readonly Uint8Array[];
  readonly cases: number;
  readonly seed: number;
  readonly progress?: ((cases: number) => void) | undefined;
}

export interface GuidedResult {
  /** Branches that the seeds take, and those that all inputs took. */
  readonly seedEdges: number;
  readonly edges: number;
  /** Inputs that took one, or took it another number of times, as none before. */
  readonly found: readonly Uint8Array[];
}

/** How Node is started so that it can load Jazzer.js; undefined where it cannot. */
export const nodeForJazzer = findNode();

function findNode(): readonly string[] | undefined {
  if (!existsSync(PROGRAM)) return undefined;
  const [major = 0, minor = 0] = glibcVersion().split('.').map(Number);
  if (major > 2 || (major === 2 && minor >= GLIBC_MINOR)) return [process.execPath];
  if (!existsSync(NEWER_GLIBC)) return undefined;
  const loader = readdirSync(NEWER_GLIBC).find((file) => file.startsWith('ld-linux-'));
  if (loader === undefined) return undefined;
  return [join(NEWER_GLIBC, loader), '--library-path', NEWER_GLIBC, process.execPath];
}

/** `2.36`; empty where C programs have another library. */
function glibcVersion(): string {
  const { header } = process.report.getReport() as {
    readonly header: { readonly glibcVersionRuntime?: string };
  };
  return header.glibcVersionRuntime ?? '';
}

/** @throws FuzzFailure with the input that Jazzer.js stopped at */
export async function runGuided(run: GuidedRun): Promise<GuidedResult> {
  if (nodeForJazzer === undefined) throw new Error('Jazzer.js cannot be loaded here');
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-fuzz-'));
  const [found, seeds] = [join(folder, 'found'), join(folder, 'seeds')];
  try {
    for (const each of [found, seeds]) mkdirSync(each);
    run.seeds.forEach((seed, index) => writeFileSync(join(seeds, `${index}`), seed));
    const { status, edges, lines } = await runJazzer(nodeForJazzer, run, folder);
    const [atStart, atEnd] = [edges.get('INITED'), edges.get('DONE')];
    if (status !== 0 || atStart === undefined || atEnd === undefined)
      throw failureOf(run, folder, lines);
    const inputs = readdirSync(found).map(
      (file) => new Uint8Array(readFileSync(join(found, file))),
    );
    return { seedEdges: atStart, edges: atEnd, found: inputs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function argumentsOf({ name, inputs, cases, seed }: GuidedRun, folder: string): string[] {
  const words = join(folder, 'words');
  writeFileSync(words, (inputs.words ?? []).map(dictionaryLine).join(''));
  return [
    ...[PROGRAM, ENTRIES, '--sync', '--fuzzEntryPoint', name, '--timeout', `${TIMEOUT_MS}`],
    // Looked for besides: text that changes a prototype. Commands, addresses and code are not made of these inputs.
    ...NOT_LOOKED_FOR.flatMap((detector) => ['--disableBugDetectors', detector]),
    ...inputs.code.flatMap((code) => ['--includes', join(projectRoot, 'dist', code)]),
    ...[join(folder, 'found'), join(folder, 'seeds'), '--'],
    `-runs=${cases}`,
    // 0 would be another each time.
    `-seed=${(seed % 0x7fff_ffff) + 1}`,
    `-max_len=${MAX_INPUT}`,
    `-dict=${words}`,
    `-artifact_prefix=${folder}/failed-`,
  ];
}

/** As libFuzzer reads it: every byte escaped. */
function dictionaryLine(word: string): string {
  const bytes = [...Buffer.from(word)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
  return `"${bytes.join('')}"\n`;
}

interface Outcome {
  readonly status: number | null;
  /** Branches that were taken until the last event of each name. */
  readonly edges: ReadonlyMap<string, number>;
  readonly lines: readonly string[];
}

function runJazzer(node: readonly string[], run: GuidedRun, folder: string): Promise<Outcome> {
  const [command = '', ...before] = node;
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...before, ...argumentsOf(run, folder)], {
      cwd: projectRoot,
      stdio: ['ignore', 'ignore', 'pipe'],
      // What the target writes goes when the folder goes.
      env: { ...process.env, TMPDIR: folder },
    });
    const edges = new Map<string, number>();
    const lines: string[] = [];
    createInterface(child.stderr).on('line', (line) => {
      const [, count, event = '', covered] = EVENT.exec(line) ?? [];
      if (count === undefined) {
        lines.push(line);
        if (lines.length > LAST_LINES) lines.shift();
      } else {
        run.progress?.(Number(count));
        edges.set(event, Number(covered));
      }
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, edges, lines }));
  });
}

function failureOf({ name, seed }: GuidedRun, folder: string, lines: readonly string[]): Error {
  const message = `${name}, seed ${seed}:\n${lines.join('\n')}`;
  const input = readdirSync(folder).find((file) => file.startsWith('failed-'));
  if (input === undefined) return new Error(message);
  return new FuzzFailure(message, new Uint8Array(readFileSync(join(folder, input))));
}
