/**
 * Fuzzing of what outlives a process: flow segments, policy images, control pages and files of saved flows. Each is taken
 * or refused with its own error; what is taken does no harm when it is used.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPage, ControlPageError } from '../../daemon/data-plane/control-page.ts';
import { readSavedFlows, saveFlows, SavedFlowsError } from '../../daemon/saved-flows.ts';
import { Evaluation } from '../../src/engine/evaluate.ts';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { PolicyImage, PolicyImageError } from '../../src/engine/policy-image.ts';
import { FlowState, NO_SLOT } from '../../src/flowtable/record.ts';
import { putRows } from '../../src/flowtable/saved-flows.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { addFlow, inconsistencies, newTable } from '../helpers/flows.ts';
import { askEverything, ImageGuard, wholePolicy } from '../helpers/guarded-image.ts';
import { Random } from '../helpers/random.ts';
import { mutated } from './byte-mutations.ts';
import {
  FuzzFailure,
  type FuzzReport,
  type FuzzRun,
  type FuzzTarget,
  type GuidedInputs,
} from './target.ts';

const MAX_FLOWS = 32;
const NOW = 2000;
const PROGRESS = 200;
const DIGEST_BYTES = 32;
const CLOCKS = { wall: () => 1_800_000_000_000, monotonic: () => NOW, bootId: () => undefined };

/** What kind of bytes an input holds: its first byte. */
const KINDS = ['flows', 'image', 'page', 'saved'] as const;
type Kind = (typeof KINDS)[number];

function fuzzSegments({ cases, seed, progress }: FuzzRun): FuzzReport {
  const random = new Random(seed);
  const segments = new Segments();
  const taken = { flows: 0, image: 0, page: 0, saved: 0 };
  try {
    for (let number = 0; number < cases; number++) {
      const kind = random.pick(KINDS);
      const bytes = mutated(segments.seeds[kind], random, true);
      try {
        if (segments.take(kind, bytes)) taken[kind]++;
      } catch (error) {
        const input = inputOf(kind, bytes);
        throw new FuzzFailure(`seed ${seed}, ${kind} ${number}: ${String(error)}`, input, error);
      }
      if (number % PROGRESS === 0) progress?.(number);
    }
  } finally {
    segments.close();
  }
  return Object.fromEntries(KINDS.map((kind) => [`${kind}Taken`, taken[kind]]));
}

function inputOf(kind: Kind, bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([KINDS.indexOf(kind), ...bytes]);
}

function takeInput(segments: Segments, input: Uint8Array): void {
  segments.take(KINDS[input[0] ?? 0] ?? 'flows', input.slice(1));
}

/** One for all inputs: the policy takes long to compile. */
let segmentsOfAll: Segments | undefined;

export const segmentInputs: GuidedInputs = {
  code: ['src/flowtable', 'src/engine', 'daemon/saved-flows', 'daemon/data-plane/control-page'],
  seeds: () => {
    const segments = new Segments();
    segments.close();
    return KINDS.map((kind) => inputOf(kind, segments.seeds[kind]));
  },
  change: (input, random) => {
    const [kind = 0, ...bytes] = input;
    if (bytes.length === 0) return input;
    return Uint8Array.from([kind, ...mutated(Uint8Array.from(bytes), random, true)]);
  },
  take: (input) => {
    segmentsOfAll ??= new Segments();
    takeInput(segmentsOfAll, input);
  },
  close: () => {
    segmentsOfAll?.close();
    segmentsOfAll = undefined;
  },
};

export const segmentTarget: FuzzTarget = {
  name: 'segments',
  cases: 40_000,
  run: fuzzSegments,
  again: (input) => {
    const segments = new Segments();
    try {
      takeInput(segments, input);
    } finally {
      segments.close();
    }
  },
};

/** Sound bytes of each kind, and what takes them as the process that finds them does. */
class Segments {
  readonly seeds: Readonly<Record<Kind, Uint8Array>>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'nsgd-fuzz-'));
  readonly #file = join(this.#folder, 'flows.wire0');
  readonly #policy = wholePolicy();

  constructor() {
    const table = fullTable();
    saveFlows(this.#file, table, ['rule a', 'rule b'], CLOCKS);
    const page = new ArrayBuffer(ControlPage.bytes);
    ControlPage.create(page);
    const { buffer } = compileImage(this.#policy, this.#policy.nics, 7, new PolicyRegistry());
    this.seeds = {
      flows: segmentOf(table),
      image: new Uint8Array(buffer),
      page: new Uint8Array(page),
      saved: new Uint8Array(readFileSync(this.#file)),
    };
  }

  /** @returns false when the bytes are refused @throws Error when they do harm */
  take(kind: Kind, bytes: Uint8Array): boolean {
    if (kind === 'flows') return takeFlows(bytes);
    if (kind === 'image') return takeImage(bytes);
    return kind === 'page' ? takePage(bytes) : this.#takeSaved(bytes);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Half of them with a right digest, or nothing would come past it. */
  #takeSaved(bytes: Uint8Array): boolean {
    const input = bytes.slice();
    const end = input.length - DIGEST_BYTES;
    if (end > 0 && (input[0] ?? 0) + ((input[end - 1] ?? 0) % 2) !== 0) {
      input.set(createHash('sha256').update(input.subarray(0, end)).digest(), end);
    }
    writeFileSync(this.#file, input, { mode: 0o600 });
    return refusedWith(SavedFlowsError, () => {
      const saved = readSavedFlows(this.#file, CLOCKS);
      if (saved === undefined) throw new Error('the file is there');
      const table = newTable({ maxFlows: MAX_FLOWS });
      const { rows, savedAt, elapsed } = saved;
      putRows(table, rows, { savedAt, elapsed, now: NOW, slotOf: () => NO_SLOT });
      if (!takeFlows(segmentOf(table))) throw new Error('a table made of rows is refused');
    });
  }
}

/** @returns true when `take` succeeds, false when it throws such an error; any other passes through */
function refusedWith(refusal: abstract new (...args: never[]) => Error, take: () => void): boolean {
  try {
    take();
    return true;
  } catch (error) {
    if (error instanceof refusal) return false;
    throw error;
  }
}

/** A flow in every state. */
function fullTable(): FlowTable {
  const table = newTable({ maxFlows: MAX_FLOWS });
  const states = Object.values(FlowState).filter((state) => state !== FlowState.Free);
  states.forEach((state, index) => addFlow(table, index * 2 + 1, NOW, state));
  return table;
}

function segmentOf({ header }: FlowTable): Uint8Array {
  return new Uint8Array(header.buffer.slice(header.byteOffset));
}

/** A table that was recovered agrees with itself, expires what it holds and takes new flows. */
function takeFlows(bytes: Uint8Array): boolean {
  const result = FlowTable.attach(bytes.slice().buffer, 0, NOW);
  if (!result.ok) return false;
  const { table } = result;
  const problems = inconsistencies(table, NOW);
  if (problems.length > 0) throw new Error(problems.join('; '));
  for (let number = 1001; number < 1001 + 2 * MAX_FLOWS; number++) addFlow(table, number, NOW);
  for (let round = 0; round < 4; round++) table.sweep(NOW + 100, MAX_FLOWS);
  const after = inconsistencies(table, NOW + 100);
  if (after.length > 0) throw new Error(`in use: ${after.join('; ')}`);
  return true;
}

function takeImage(bytes: Uint8Array): boolean {
  return refusedWith(PolicyImageError, () => {
    const guard = new ImageGuard();
    askEverything(guard.watch(PolicyImage.attach(bytes.slice().buffer)), guard, new Evaluation());
  });
}

function takePage(bytes: Uint8Array): boolean {
  return refusedWith(ControlPageError, () => {
    const page = ControlPage.attach(bytes.slice().buffer);
    page.beat();
    if (!Number.isInteger(page.wantedGeneration + page.activeGeneration + page.phase)) {
      throw new Error('a page whose words are no numbers');
    }
  });
}
