/**
 * What a number was measured on. Stands beside every one of them.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export interface Environment {
  readonly date: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly v8: string;
  /** `git describe` of the project; ends in `-dirty` when files had been changed. */
  readonly nsgd: string;
  /** Load average of the last minute before the run: what else the machine did. */
  readonly load: number;
}

export function readEnvironment(): Environment {
  return {
    date: new Date().toISOString(),
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    v8: process.versions.v8,
    nsgd: firstLineOf('git', 'describe', '--always', '--dirty') ?? 'unknown',
    load: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
  };
}

/** The first line that a program prints, on either output; undefined where it cannot be run. */
export function firstLineOf(program: string, ...args: readonly string[]): string | undefined {
  try {
    const text = execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return text.split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Version of an installed Debian package; undefined where it is not installed. */
export function packageVersion(name: string): string | undefined {
  const version = firstLineOf(
    'dpkg-query',
    '--show',
    '--showformat=${db:Status-Abbrev}${Version}',
    name,
  );
  return version?.startsWith('ii ') === true ? version.slice(3) : undefined;
}
