/**
 * The command, run as users run it: a process of its own over the compiled tree.
 */
import { spawnSync } from 'node:child_process';
import { compiled } from './compiled.ts';
import { projectRoot } from './project-root.ts';

export interface NsgdResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MILLISECONDS = 30_000;

/** Runs `nsgd` with these arguments in the project's folder and waits for its end. @param input for stdin */
export function nsgd(args: readonly string[], input = ''): NsgdResult {
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [compiled('daemon/main.ts'), ...args],
    {
      cwd: projectRoot,
      encoding: 'utf8',
      input,
      timeout: TIMEOUT_MILLISECONDS,
      maxBuffer: 1 << 26,
    },
  );
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}
