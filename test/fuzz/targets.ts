/**
 * Every target of the fuzzer: what `make fuzz` and the short run of the tests go through.
 */
import { captureTarget } from './capture-fuzz.ts';
import { configurationTarget } from './configuration-fuzz.ts';
import { frameTarget } from './frame-fuzz.ts';
import { guidedTargets } from './guided-fuzz.ts';
import { requestTarget } from './request-fuzz.ts';
import { segmentTarget } from './segment-fuzz.ts';
import type { FuzzTarget } from './target.ts';

export const targets: readonly FuzzTarget[] = [
  frameTarget,
  captureTarget,
  configurationTarget,
  requestTarget,
  segmentTarget,
  ...guidedTargets,
];
