/**
 * Waiting with a bound: every wait in a live test says what it waits for and gives up in time.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;

/**
 * Calls `probe` until it answers something other than undefined, and returns that.
 * @throws Error naming `what` when `timeoutMs` have passed
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    // One probe after another is the point.
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(POLL_MS);
  }
}

/**
 * The promise, or an error naming `what` when it takes longer than `timeoutMs`.
 */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const timeout = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited ${timeoutMs} ms for ${what}`);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    timer.abort();
    timeout.catch(() => undefined);
  }
}
