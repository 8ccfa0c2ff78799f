/**
 * Debian's Prometheus: installed, or where scripts/setup unpacks it. Tests that need it are left out without it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

const unpacked = join(projectRoot, '.prometheus/usr/bin');

function find(program: string): string | undefined {
  const local = join(unpacked, program);
  if (existsSync(local)) return local;
  return spawnSync(program, ['--version']).status === 0 ? program : undefined;
}

export const promtool = find('promtool');
export const prometheus = find('prometheus');

/** What `promtool` says to these arguments. */
export function runPromtool(
  args: readonly string[],
  input = '',
): { status: number | null; output: string } {
  if (promtool === undefined) throw new Error('there is no promtool');
  const { status, stdout, stderr } = spawnSync(promtool, args, {
    cwd: projectRoot,
    encoding: 'utf8',
    input,
  });
  return { status, output: stdout + stderr };
}
