/**
 * Fuzzing of the readers of capture files: whatever is done to a file, reading it ends, delivers frames that lie in memory that
 * was read, claims no more of it than a block may take, and throws nothing but `CaptureFileError` with a place in the file.
 */
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import { readCapture } from '../../src/capture/capture-file.ts';
import { frameOf } from '../../src/capture/frame-sink.ts';
import { concat, pcapngOf, PcapngBlocks, pcapOf } from '../helpers/capture-bytes.ts';
import { Random } from '../helpers/random.ts';
import { mutated } from './byte-mutations.ts';
import {
  FuzzFailure,
  type FuzzReport,
  type FuzzRun,
  type FuzzTarget,
  type GuidedInputs,
} from './target.ts';

const FRAMES = [60, 0, 7, 300].map((length) => frameOf(new Uint8Array(length).fill(length), 1000));
const WINDOWS = [1, 40, 1 << 16];
/** The largest block that is read: ByteWindow's limit. */
const MAX_CLAIM = 1 << 24;
/** The shortest frame of any format takes that many bytes of the file. */
const MIN_RECORD = 16;
const PROGRESS = 1000;

const little = new PcapngBlocks(true);
const big = new PcapngBlocks(false);

function mixed(blocks: PcapngBlocks, isLittle: boolean): Uint8Array {
  return concat([
    pcapngOf(FRAMES, isLittle),
    blocks.section(),
    blocks.interface(1, 64, blocks.timeResolution(9)),
    blocks.interface(113, 0, blocks.timeOffset(-5n)),
    blocks.packet(1, 7n, new Uint8Array(9)),
    blocks.block(0x0bad, new Uint8Array(50)),
    blocks.simple(64, new Uint8Array(64)),
  ]);
}

const SEEDS: readonly { readonly bytes: Uint8Array; readonly isLittle: boolean }[] = [
  { bytes: pcapOf(FRAMES), isLittle: true },
  { bytes: pcapOf(FRAMES, { littleEndian: false }), isLittle: false },
  { bytes: pcapOf(FRAMES, { nanoseconds: true, minor: 3 }), isLittle: true },
  { bytes: mixed(little, true), isLittle: true },
  { bytes: mixed(big, false), isLittle: false },
];

interface Totals {
  frames: number;
  refused: number;
  largestClaim: number;
}

function fuzzCaptures({ cases, seed, progress }: FuzzRun): FuzzReport {
  const random = new Random(seed);
  const totals: Totals = { frames: 0, refused: 0, largestClaim: 0 };
  for (let number = 0; number < cases; number++) {
    const { bytes, isLittle } = random.pick(SEEDS);
    const input = mutated(bytes, random, isLittle);
    try {
      readAll(input, random.pick(WINDOWS), totals);
    } catch (error) {
      throw new FuzzFailure(`seed ${seed}, file ${number}: ${String(error)}`, input, error);
    }
    if (number % PROGRESS === 0) progress?.(number);
  }
  const largestResidentMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  return { ...totals, largestResidentMiB };
}

/** Reads to the end, checking every frame on the way. */
function readAll(bytes: Uint8Array, windowBytes: number, totals: Totals): void {
  let frames = 0;
  try {
    const source = readCapture(bytes, 'x', windowBytes);
    while (source.next()) {
      const { offset, length, originalLength, timestamp, view } = source;
      const isInside = offset >= 0 && length >= 0 && offset + length <= view.byteLength;
      if (!isInside) throw new Error(`frame at ${offset}, ${length} bytes, of ${view.byteLength}`);
      if (originalLength < length) throw new Error(`${length} bytes of ${originalLength}`);
      if (!Number.isFinite(timestamp)) throw new Error(`time ${timestamp}`);
      if (++frames > bytes.length / MIN_RECORD) throw new Error(`${frames} frames`);
      totals.largestClaim = Math.max(totals.largestClaim, view.byteLength);
    }
    source.close();
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    if (error.offset < 0 || error.offset > bytes.length) throw new Error('place', { cause: error });
    totals.refused++;
  }
  if (totals.largestClaim > MAX_CLAIM) throw new Error(`${totals.largestClaim} bytes claimed`);
  totals.frames += frames;
}

/** A file, read through every window. */
function takeFile(bytes: Uint8Array): void {
  for (const window of WINDOWS) readAll(bytes, window, { frames: 0, refused: 0, largestClaim: 0 });
}

export const captureInputs: GuidedInputs = {
  code: ['src/capture'],
  seeds: () => SEEDS.map(({ bytes }) => bytes),
  change: (bytes, random) => mutated(bytes, random, random.below(2) === 0),
  take: takeFile,
};

export const captureTarget: FuzzTarget = {
  name: 'captures',
  cases: 100_000,
  run: fuzzCaptures,
  again: takeFile,
};
