/**
 * Retention: hours of flow logs that are older than wanted are removed. Only folders that are named as the log names them
 * are entered, and no symbolic link is.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

const DAY_MILLISECONDS = 86_400_000;
const HOUR_MILLISECONDS = 3_600_000;
/** `resourceId=` and the parts of the identifier, then year, month and day. */
const DEEPEST = 16;
const TIME_FOLDERS = [/^y=(\d{4})$/, /^m=(\d{2})$/, /^d=(\d{2})$/, /^h=(\d{2})$/] as const;

/**
 * Removes the hours that ended more than `days` days before `now`.
 * @param containers folders of logs, absolute; those that are not there are skipped
 * @param now milliseconds since the epoch
 * @returns how many hours were removed
 */
export async function removeOldHours(
  containers: readonly string[],
  days: number,
  now: number,
): Promise<number> {
  const before = now - days * DAY_MILLISECONDS - HOUR_MILLISECONDS;
  let removed = 0;
  for (const container of containers) {
    // One folder after another, so that a large log does not keep the disk busy.
    // oxlint-disable-next-line no-await-in-loop
    removed += await sweep(container, [], before, DEEPEST);
  }
  return removed;
}

/** @param time parts of the time that the folder's path has so far: year, month, day */
async function sweep(
  folder: string,
  time: readonly number[],
  before: number,
  depth: number,
): Promise<number> {
  if (depth === 0) return 0;
  let removed = 0;
  for (const name of await foldersIn(folder)) {
    const path = join(folder, name);
    const part = TIME_FOLDERS[time.length]?.exec(name)?.[1];
    if (part === undefined && time.length > 0) continue;
    const next = part === undefined ? [] : [...time, Number(part)];
    // oxlint-disable no-await-in-loop -- one after another, as above
    if (next.length < TIME_FOLDERS.length) {
      removed += await sweep(path, next, before, depth - 1);
    } else if (hourOf(next) < before) {
      await rm(path, { recursive: true, force: true });
      removed++;
    }
    // oxlint-enable no-await-in-loop
  }
  // Days and months that are empty now; those that are not refuse.
  if (removed > 0) await rmdir(folder).catch(() => undefined);
  return removed;
}

function hourOf([year = 0, month = 1, day = 1, hour = 0]: readonly number[]): number {
  return Date.UTC(year, month - 1, day, hour);
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    // Not there, or removed meanwhile.
    return [];
  }
}
