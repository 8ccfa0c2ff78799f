/**
 * The runtime directory: where it is, whether it is fit, and that only one daemon uses it.
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

/** A runtime directory that cannot be used; the message says what to change. */
export class RuntimeDirectoryError extends Error {
  readonly code: 'RUNTIME_DIRECTORY_UNFIT' | 'RUNTIME_DIRECTORY_IN_USE';

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
  try {
    mkdirSync(path, { recursive: true, mode: 0o750 });
  } catch (error) {
    throw unfit(`cannot make ${path}`, error);
  }
  checkDirectory(path);
  const { type } = statfsSync(path);
  const isMemory = type === TMPFS_MAGIC || type === RAMFS_MAGIC;
  const warning = `${path} is not on tmpfs: the flow table and the counters will be written to its disk`;
  return { path, warnings: isMemory ? [] : [warning] };
}

function checkDirectory(path: string): void {
  const status = lstatSync(path);
  const owner = process.geteuid?.() ?? 0;
  if (!status.isDirectory()) throw unfit(`${path} is not a directory`);
  if (status.uid !== owner) throw unfit(`${path} belongs to user ${status.uid}, not to ${owner}`);
  if ((status.mode & GROUP_AND_OTHER_WRITE) !== 0) {
    throw unfit(`${path} can be written by others; chmod go-w it`);
  }
}

function unfit(message: string, cause?: unknown): RuntimeDirectoryError {
  const suffix = cause === undefined ? '' : ` (${codeOf(cause)})`;
  return new RuntimeDirectoryError(
    'RUNTIME_DIRECTORY_UNFIT',
    `runtime directory: ${message}${suffix}`,
    { cause },
  );
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
