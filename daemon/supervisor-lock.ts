/**
 * The folders of the daemon: where they are, whether they are fit, and that only one daemon uses the runtime directory.
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { loadLibc } from './native/libc.ts';

/** statfs(2) f_type of tmpfs and ramfs. */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;
const GROUP_AND_OTHER_WRITE = 0o022;

/** A folder that cannot be used; the message says what to change. */
export class RuntimeDirectoryError extends Error {
  readonly code: 'RUNTIME_DIRECTORY_UNFIT' | 'RUNTIME_DIRECTORY_IN_USE' | 'RUNTIME_DIRECTORY_FULL';

  constructor(code: RuntimeDirectoryError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface RuntimeDirectory {
  readonly path: string;
  /** For the operator: it is not memory. */
  readonly warnings: readonly string[];
}

/**
 * Makes the runtime directory and checks it.
 * @throws RuntimeDirectoryError where it cannot be made, or others may write to it
 */
export function prepareRuntimeDirectory(path: string): RuntimeDirectory {
  makeDirectory('runtime directory', path, 0o750);
  checkDirectory('runtime directory', path);
  const isMemory = isMemoryFileSystem(statfsSync(path).type);
  const warning = `${path} is not on tmpfs: the flow table and the counters will be written to its disk`;
  return { path, warnings: isMemory ? [] : [warning] };
}

/**
 * Makes the state directory and checks it.
 * @returns the path
 * @throws RuntimeDirectoryError where it cannot be made, or others may write to it
 */
export function prepareStateDirectory(path: string): string {
  makeDirectory('state directory', path, 0o700);
  checkDirectory('state directory', path);
  return path;
}

/** @param type `f_type` of statfs(2) */
export function isMemoryFileSystem(type: number): boolean {
  return type === TMPFS_MAGIC || type === RAMFS_MAGIC;
}

function makeDirectory(what: string, path: string, mode: number): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw unfit(what, `cannot make ${path}`, error);
  }
}

function checkDirectory(what: string, path: string): void {
  const status = lstatSync(path);
  const owner = process.geteuid?.() ?? 0;
  if (!status.isDirectory()) throw unfit(what, `${path} is not a directory`);
  if (status.uid !== owner)
    throw unfit(what, `${path} belongs to user ${status.uid}, not to ${owner}`);
  if ((status.mode & GROUP_AND_OTHER_WRITE) !== 0) {
    throw unfit(what, `${path} can be written by others; chmod go-w it`);
  }
}

function unfit(what: string, message: string, cause?: unknown): RuntimeDirectoryError {
  const suffix = cause === undefined ? '' : ` (${codeOf(cause)})`;
  return new RuntimeDirectoryError('RUNTIME_DIRECTORY_UNFIT', `${what}: ${message}${suffix}`, {
    cause,
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Held while a daemon uses a runtime directory. The kernel drops it with the process, whatever ends that. */
export class RuntimeLock {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** @throws RuntimeDirectoryError when another process holds it */
  static take(directory: string): RuntimeLock {
    const path = join(directory, 'lock');
    const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
    const descriptor = openSync(path, O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
    try {
      if (!loadLibc().tryLock(descriptor)) {
        const holder = readFileSync(path, 'latin1').trim();
        throw new RuntimeDirectoryError(
          'RUNTIME_DIRECTORY_IN_USE',
          `another nsgd (process ${holder || 'unknown'}) uses ${directory}`,
        );
      }
      ftruncateSync(descriptor);
      writeSync(descriptor, `${process.pid}\n`, 0);
      return new RuntimeLock(descriptor);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  release(): void {
    closeSync(this.#descriptor);
  }
}
