/**
 * What `make fuzz` and the short run of the tests know of a target.
 */
import type { Random } from '../helpers/random.ts';

export interface FuzzRun {
  readonly cases: number;
  readonly seed: number;
  /** What was found joins test/fuzz/corpus/, as far as it takes code that nothing there takes; of guided targets. */
  readonly keep?: boolean;
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

/** What inputs are to a fuzzer that changes bytes and is guided by the branches that they make the code take. */
export interface GuidedInputs {
  /** Folders of the program whose branches guide it. */
  readonly code: readonly string[];
  /** Good inputs, to begin with. */
  readonly seeds: () => readonly Uint8Array[];
  /** A changed copy of an input that is not empty, by who knows what its bytes mean. */
  readonly change: (input: Uint8Array, random: Random) => Uint8Array;
  /** Words that inputs are made of, where they are text. */
  readonly words?: readonly string[];
  /** @throws what no input may make it throw */
  readonly take: (input: Uint8Array) => void;
  /** Removes what `take` made. */
  readonly close?: () => void;
}

/** An input that was not taken as it has to be. */
export class FuzzFailure extends Error {
  readonly input: Uint8Array;

  constructor(message: string, input: Uint8Array | string, cause?: unknown) {
    super(message, { cause });
    this.input = typeof input === 'string' ? new TextEncoder().encode(input) : input;
  }
}
