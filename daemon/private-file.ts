/**
 * Files of this user alone: policies, flows and counters hold who talks to whom, and what they say is believed.
 */
import { closeSync, constants, fchmodSync, fstatSync, openSync, renameSync, rmSync } from 'node:fs';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
const MODE = 0o600;
const FORBIDDEN_MODE_BITS = 0o077;

/**
 * Fills a new file under a temporary name, then gives it its name: nobody sees it half made.
 * @param fill gets the descriptor
 */
export function replacePrivateFile<T>(path: string, fill: (descriptor: number) => T): T {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const descriptor = openSync(temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, MODE);
  try {
    // Whatever the umask.
    fchmodSync(descriptor, MODE);
    const result = fill(descriptor);
    renameSync(temporary, path);
    return result;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** What is wrong with an open file that should be ours alone, as words that follow its name; undefined when it is. */
export function privateFileProblem(descriptor: number): string | undefined {
  const status = fstatSync(descriptor);
  const owner = process.geteuid?.() ?? 0;
  if (!status.isFile()) return 'is not a regular file';
  if (status.uid !== owner) return `belongs to user ${status.uid}, expected ${owner}`;
  if ((status.mode & FORBIDDEN_MODE_BITS) !== 0) {
    return 'is open to other users, expected mode 0600';
  }
  return undefined;
}
