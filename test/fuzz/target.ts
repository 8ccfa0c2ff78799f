/**
 * What `make fuzz` and the short run of the tests know of a target.
 */
export interface FuzzRun {
  readonly cases: number;
  readonly seed: number;
  /** Is told now and then how many cases are done. */
  readonly progress?: (cases: number) => void;
}

/** Figures of a run, by name. */
export type FuzzReport = Readonly<Record<string, number | string | readonly string[]>>;

export interface FuzzTarget {
  readonly name: string;
  /** Cases of a long run. */
  readonly cases: number;
  /** @throws FuzzFailure */
  readonly run: (run: FuzzRun) => FuzzReport | Promise<FuzzReport>;
  /** Runs one kept input. @throws FuzzFailure, or what the code under test throws */
  readonly again: (input: Uint8Array) => void | Promise<void>;
}

/** An input that was not taken as it has to be. */
export class FuzzFailure extends Error {
  readonly input: Uint8Array;

  constructor(message: string, input: Uint8Array | string, cause?: unknown) {
    super(message, { cause });
    this.input = typeof input === 'string' ? new TextEncoder().encode(input) : input;
  }
}
