/**
 * Steps: long work that the packet loop does a little of at a time. A generator that yields after some tens of
 * microseconds; whoever has nothing else to do finishes it at once.
 */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Does what is left of the work. @throws what the work throws */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const result = steps.next();
    if (result.done === true) return result.value;
  }
}
