/**
 * Starting programs as devices: where they are, whose core they get, when they are ready.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Keeps every thread of a process on one core. */
export function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' });
}

const SYSTEM_PATHS = ['/usr/sbin', '/sbin'];

/** Full path of a program; undefined where it is not installed. */
export function programPath(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_PATHS];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** What is missing of some programs, as a line that says which Debian package has it; undefined when nothing is. */
export function missingProgram(programs: Readonly<Record<string, string>>): string | undefined {
  const missing = Object.entries(programs).find(([name]) => programPath(name) === undefined);
  return missing === undefined
    ? undefined
    : `needs ${missing[0]} (Debian package ${missing[1]}); make bench-setup installs it`;
}

/** Whether a kernel module or built-in feature can be used: a command that would fail without it. */
export function succeeds(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
