/**
 * The generated rule sets as files, made when first asked for: the benchmark of our matcher and `dpdk-test-acl` read
 * the same ones.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { generateSet, type SetKind } from './classbench.ts';

export interface RuleSetFiles {
  readonly name: string;
  readonly rules: string;
  readonly trace: string;
}

const SETS: Readonly<Record<string, readonly [kind: SetKind, rules: number]>> = {
  'acl-1k': ['acl', 1000],
  'fw-1k': ['fw', 1000],
  'ipc-1k': ['ipc', 1000],
  'acl-10k': ['acl', 10_000],
  'fw-10k': ['fw', 10_000],
  'ipc-10k': ['ipc', 10_000],
};
const PACKETS = 20_000;
/** In the name of the folder: another generator makes other files. */
const VERSION = 2;

export const generatedSetNames: readonly string[] = Object.keys(SETS);

/** The files of a generated set. */
export function generatedSet(name: string): RuleSetFiles {
  const set = SETS[name];
  if (set === undefined) throw new RangeError(`no generated set ${name}`);
  const folder = join(projectRoot, 'bench/results/sets', `v${VERSION}`);
  const files = { name, rules: join(folder, name), trace: join(folder, `${name}_trace`) };
  if (!existsSync(files.trace)) {
    mkdirSync(folder, { recursive: true });
    const [kind, count] = set;
    const { rules, trace } = generateSet(kind, count, PACKETS, name.length * 1009 + count);
    writeWhole(files.rules, rules);
    writeWhole(files.trace, trace);
  }
  return files;
}

/** A run that is interrupted leaves no half file under the final name. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}
