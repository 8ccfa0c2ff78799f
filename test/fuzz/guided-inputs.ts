/**
 * What Jazzer.js loads and calls, by name: each takes the bytes of one input and throws what no input may make it throw.
 *
 * Control requests are not among them: what reads their bytes is Node's own, which is not instrumented.
 */
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

/** A copy, in an array of its own: what Jazzer.js hands over is a Buffer. */
const plain = (input: Uint8Array): Uint8Array => Uint8Array.from(input);

export const frames = (input: Uint8Array): void => frameInputs.take(plain(input));
export const captures = (input: Uint8Array): void => captureInputs.take(plain(input));
export const configurations = (input: Uint8Array): void => configurationInputs.take(plain(input));
export const segments = (input: Uint8Array): void => segmentInputs.take(plain(input));
