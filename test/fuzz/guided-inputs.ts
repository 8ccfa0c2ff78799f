/**
 * What Jazzer.js loads and calls, by name: each takes the bytes of one input and throws what no input may make it throw.
 *
 * Jazzer.js changes bytes and knows nothing of what they mean. So an input is a number of changes, a seed of two bytes for each,
 * and the bytes that they are made to by who does know: a new seed is another change, and those that lead somewhere are kept.
 *
 * Control requests are not among them: what reads their bytes is Node's own, which is not instrumented.
 */
import { Random } from '../helpers/random.ts';
import { captureInputs } from './capture-fuzz.ts';
import { configurationInputs } from './configuration-fuzz.ts';
import { frameInputs } from './guided-frames.ts';
import { segmentInputs } from './segment-fuzz.ts';
import type { GuidedInputs } from './target.ts';

export const guidedInputs = {
  frames: frameInputs,
  captures: captureInputs,
  configurations: configurationInputs,
  segments: segmentInputs,
} as const satisfies Readonly<Record<string, GuidedInputs>>;

/** Longest input after a change, in bytes. */
const MAX_BYTES = 65_536;
const MAX_CHANGES = 7;
const SEED_BYTES = 2;

/** @param changes the seed of each, 16 bits, at most seven */
export function guidedInput(changes: readonly number[], bytes: Uint8Array): Uint8Array {
  const seeds = changes.flatMap((seed) => [seed >>> 8, seed & 0xff]);
  const input = new Uint8Array(1 + seeds.length + bytes.length);
  input.set([changes.length, ...seeds]);
  input.set(bytes, 1 + seeds.length);
  return input;
}

/** Makes the changes that an input asks for, and takes what comes of it. */
export function takeGuided({ change, take }: GuidedInputs, input: Uint8Array): void {
  const count = (input[0] ?? 0) & MAX_CHANGES;
  const at = 1 + count * SEED_BYTES;
  let bytes = Uint8Array.from(input.subarray(at));
  for (let index = 1; index < at; index += SEED_BYTES) {
    const seed = ((input[index] ?? 0) << 8) | (input[index + 1] ?? 0);
    if (bytes.length > 0) bytes = Uint8Array.from(change(bytes, new Random(seed)));
    bytes = bytes.subarray(0, MAX_BYTES);
  }
  take(bytes.slice());
}

export const frames = (input: Uint8Array): void => takeGuided(frameInputs, input);
export const captures = (input: Uint8Array): void => takeGuided(captureInputs, input);
export const configurations = (input: Uint8Array): void => takeGuided(configurationInputs, input);
export const segments = (input: Uint8Array): void => takeGuided(segmentInputs, input);
