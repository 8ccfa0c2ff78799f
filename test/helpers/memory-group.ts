/**
 * A control group with a memory limit (cgroup v1 or v2) for the programs of a test, as a service manager makes one for
 * MemoryMax=. In v1 it is below the group of this process; in v2, where a group with processes has no groups below it that
 * share out memory, beside it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';
const REMOVE_TRIES = 50;
const EXHAUST_TIMEOUT_MS = 20_000;

interface Files {
  readonly parent: string;
  readonly limit: string;
  readonly peak: string;
  /** Holds a line `oom_kill NUMBER`. */
  readonly events: string;
}

function findFiles(): Files | undefined {
  const groups = readFileSync('/proc/self/cgroup', 'utf8');
  const v1 = /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(.*)$/m.exec(groups)?.[1];
  if (v1 !== undefined && existsSync(join(V1, v1, 'memory.limit_in_bytes'))) {
    return {
      parent: join(V1, v1),
      limit: 'memory.limit_in_bytes',
      peak: 'memory.max_usage_in_bytes',
      events: 'memory.oom_control',
    };
  }
  const v2 = /^0::(.*)$/m.exec(groups)?.[1];
  if (v2 === undefined || !existsSync(join(V2, v2, 'memory.peak'))) return undefined;
  const parent = dirname(join(V2, v2));
  return { parent, limit: 'memory.max', peak: 'memory.peak', events: 'memory.events' };
}

/** Why no such group can be made here; undefined when it can. */
export function memoryGroupObstacle(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  if (findFiles() === undefined) return 'needs a memory controller (cgroup v1, or v2 since 5.19)';
  try {
    new MemoryGroup('probe', 1 << 30).removeNow();
    return undefined;
  } catch (error) {
    return `needs control groups that can be made: ${(error as Error).message}`;
  }
}

export class MemoryGroup {
  readonly #path: string;
  readonly #files: Files;
  readonly #onExit = (): void => this.removeNow();

  /** @param bytes that its programs, and what they keep in memory file systems, may take */
  constructor(name: string, bytes: number) {
    const files = findFiles();
    if (files === undefined) throw new Error('there is no memory controller');
    this.#files = files;
    this.#path = join(files.parent, `nsgd-t-${process.pid}-${name}`);
    mkdirSync(this.#path);
    process.once('exit', this.#onExit);
    writeFileSync(join(this.#path, files.limit), String(bytes));
  }

  /**
   * A command that enters the group and becomes the command behind it. The path leads through this process, because a program
   * in a network namespace of `ip netns` has a /sys of its own.
   */
  get wrapper(): readonly string[] {
    const processes = `/proc/${process.pid}/root${this.#path}/cgroup.procs`;
    return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', processes];
  }

  /** The most bytes it had at once. */
  get peak(): number {
    return Number(this.#read(this.#files.peak));
  }

  /** Programs that the kernel killed for want of memory. */
  get kills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(this.#files.events))?.[1]);
  }

  /**
   * Runs a program in it that takes memory until the kernel kills it.
   * @returns how it ended
   */
  async exhaust(): Promise<string> {
    const [shell = 'sh', ...rest] = this.wrapper;
    // Before any other that did not ask for it.
    const program = `require('fs').writeFileSync('/proc/self/oom_score_adj', '500');
      const kept = []; for (;;) kept.push(Buffer.alloc(4 << 20, 1))`;
    const child = spawn(shell, [...rest, process.execPath, '-e', program], {
      stdio: 'ignore',
      timeout: EXHAUST_TIMEOUT_MS,
      killSignal: 'SIGTERM',
    });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return signal ?? `exit ${code}`;
  }

  /** Once its programs have ended. */
  async remove(): Promise<void> {
    for (let tries = 0; tries < REMOVE_TRIES && existsSync(this.#path); tries++) {
      this.removeNow();
      await sleep(50);
    }
  }

  /** Without waiting: it stays where one of its programs is still about to end. */
  removeNow(): void {
    try {
      rmdirSync(this.#path);
      process.off('exit', this.#onExit);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    }
  }

  #read(file: string): string {
    return readFileSync(join(this.#path, file), 'utf8').trim();
  }
}
