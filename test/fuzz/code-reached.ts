/**
 * What of our code inputs have taken so far, as V8 counts it: every stretch of code between two branches. For choosing, of many
 * inputs, the few that are worth keeping; V8's reading takes some milliseconds, too long for fuzzing with it.
 */
import { Session } from 'node:inspector';
import type { Profiler } from 'node:inspector';

export class CodeReached {
  readonly #session = new Session();
  /** By module: which characters of it have been run. */
  readonly #reached = new Map<string, Uint8Array>();
  readonly #isOurs: (url: string) => boolean;

  /** @param isOurs which modules count, by their URL */
  constructor(isOurs: (url: string) => boolean) {
    this.#isOurs = isOurs;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Runs something. @returns how many characters of code it took that nothing before took */
  take(run: () => void): number {
    run();
    let added = 0;
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error;
      for (const script of taken.result) if (this.#isOurs(script.url)) added += this.#add(script);
    });
    return added;
  }

  close(): void {
    this.#session.disconnect();
  }

  #add({ url, functions }: Profiler.ScriptCoverage): number {
    const end = Math.max(...functions.map(({ ranges }) => ranges[0]?.endOffset ?? 0));
    const now = new Uint8Array(end);
    // Of nested ranges the inner ones come later, and say what of the outer ones is otherwise.
    for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
      now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    }
    let before = this.#reached.get(url);
    if (before === undefined || before.length < end) {
      const longer = new Uint8Array(end);
      longer.set(before ?? []);
      before = longer;
      this.#reached.set(url, longer);
    }
    let added = 0;
    now.forEach((isTaken, at) => {
      if (isTaken === 0 || before[at] === 1) return;
      before[at] = 1;
      added++;
    });
    return added;
  }
}
