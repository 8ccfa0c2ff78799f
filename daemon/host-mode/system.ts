/**
 * What host mode asks of the machine: `ip` and `bridge` of iproute2, interface settings under /proc/sys/net, offloads.
 *
 * Programs are run by absolute path with fixed words and no shell; every name in a command has passed `isDeviceName` or
 * came out of `ip` itself. A batch is one process for many changes, so that a move takes milliseconds.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

import {
  disableOffloads,
  readOffloads,
  restoreOffloads,
  type SavedOffloads,
} from '../native/offloads.ts';

export type Family = 4 | 6;

/** Where distributions have iproute2. */
const FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
/** A dump of a large routing table. */
const OUTPUT_BYTES_MAX = 256 * 2 ** 20;
const TIMEOUT_MILLISECONDS = 30_000;
/** /proc/sys/net, not a mount of sysfs: it always shows the namespace of who reads. */
const SETTINGS = '/proc/sys/net';
/** A mistake of a batch, as iproute2 reports it after the kernel's own words. */
const BATCH_FAILURE = /^Command failed -:(\d+)$/m;

/** A change of an interface that failed; the message has the command and the kernel's answer. */
export class HostCommandError extends Error {
  readonly code = 'HOST_COMMAND';
}

export interface HostSystem {
  /** What `ip -j` prints for these words. */
  ipJson(words: readonly string[]): unknown[];
  /**
   * Commands of `ip`, one a line, in order.
   * @throws HostCommandError at the first that fails
   */
  ipBatch(family: Family, lines: readonly string[]): void;
  /** Likewise, but goes on after a failure. @returns what failed, in words */
  ipBatchForced(family: Family, lines: readonly string[]): string[];
  bridge(words: readonly string[]): void;
  /** Names below a folder of /proc/sys/net, as `ipv4/conf/eth0`; none where the kernel has none. */
  settingNames(folder: string): string[];
  /** Undefined where there is none, or none that can be read. */
  readSetting(path: string): string | undefined;
  writeSetting(path: string, value: string): void;
  readOffloads(device: string): SavedOffloads;
  disableOffloads(device: string): void;
  restoreOffloads(saved: SavedOffloads): void;
}

function programPath(name: string): string {
  const found = FOLDERS.map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
  if (found === undefined) {
    throw new HostCommandError(`host mode needs ${name}: install iproute2`);
  }
  return found;
}

function run(program: string, words: readonly string[], input = ''): string {
  try {
    return execFileSync(programPath(program), words, {
      input,
      encoding: 'utf8',
      env: { LC_ALL: 'C' },
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout: TIMEOUT_MILLISECONDS,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    throw new HostCommandError(failureOf(program, words, input, error), { cause: error });
  }
}

/** The command that failed and what was said of it. */
function failureOf(
  program: string,
  words: readonly string[],
  input: string,
  error: unknown,
): string {
  const said = standardErrorOf(error);
  const [, number] = BATCH_FAILURE.exec(said) ?? [];
  const line = number === undefined ? undefined : input.split('\n')[Number(number) - 1];
  const command = line === undefined ? words.join(' ') : line;
  const answer = said.replace(BATCH_FAILURE, '').trim() || (error as Error).message;
  return `${program} ${command}: ${answer}`;
}

function standardErrorOf(error: unknown): string {
  const { stderr } = error as { readonly stderr?: unknown };
  return typeof stderr === 'string' ? stderr : '';
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

export const hostSystem: HostSystem = {
  ipJson(words) {
    const output = run('ip', ['-j', ...words]);
    return output.trim() === '' ? [] : (JSON.parse(output) as unknown[]);
  },

  ipBatch(family, lines) {
    if (lines.length > 0) run('ip', [`-${family}`, '-batch', '-'], text(lines));
  },

  ipBatchForced(family, lines) {
    if (lines.length === 0) return [];
    try {
      run('ip', [`-${family}`, '-force', '-batch', '-'], text(lines));
      return [];
    } catch (error) {
      if (!(error instanceof HostCommandError)) throw error;
      return [error.message];
    }
  },

  bridge(words) {
    run('bridge', words);
  },

  settingNames(folder) {
    const path = `${SETTINGS}/${folder}`;
    return existsSync(path) ? readdirSync(path) : [];
  },

  readSetting(path) {
    try {
      return readFileSync(`${SETTINGS}/${path}`, 'latin1').trim();
    } catch {
      return undefined;
    }
  },

  writeSetting(path, value) {
    try {
      writeFileSync(`${SETTINGS}/${path}`, `${value}\n`);
    } catch (error) {
      const { message } = error as Error;
      throw new HostCommandError(`cannot set ${path} to ${value}: ${message}`, { cause: error });
    }
  },

  readOffloads,
  disableOffloads,
  restoreOffloads,
};
