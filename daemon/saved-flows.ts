/**
 * The flows of one wire between two runs of the daemon: a file that a clean stop writes and the next start takes, and, where
 * the daemon was killed instead, the flow table that it left in memory.
 *
 * ```
 *   bytes 0-7      "NSGDFLOW"
 *         8-11     version, int32 in the byte order of the machine
 *         12-15    length of the header, int32, a multiple of 4
 *         ...      header, JSON padded with spaces: `SavedHeader`
 *         ...      rows of 20 int32 (src/flowtable/saved-flows.ts)
 *         last 32  SHA-256 of all bytes before
 * ```
 *
 * It holds addresses of who talked to whom, so its mode is 0600. A file that is damaged, cut short or of another version is
 * left out and says why; losing the flows costs connections, believing wrong ones would let strangers in.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ROW_WORDS, takeRows } from '../src/flowtable/saved-flows.ts';
import { FlowView } from '../src/flowtable/view.ts';
import { type SegmentPaths, segmentPaths } from './data-plane/segment-paths.ts';
import { privateFileProblem, replacePrivateFile } from './private-file.ts';
import { isMemoryFileSystem } from './supervisor-lock.ts';

const MAGIC = Buffer.from('NSGDFLOW', 'latin1');
/** Changes with every change of the file or of a row. */
const VERSION = 1;
const PREFIX_BYTES = 16;
const DIGEST_BYTES = 32;
const ROW_BYTES = ROW_WORDS * 4;
/** Names of 65,535 rules of 80 characters, and what JSON adds. */
const HEADER_BYTES_MAX = 16 * 1024 * 1024;

const headerSchema = z.object({
  /** Milliseconds since the epoch, and seconds of CLOCK_MONOTONIC, when it was saved. */
  wallClock: z.number().nonnegative(),
  seconds: z.int().nonnegative(),
  /** Of the machine's start at that time; absent where it was not known. */
  bootId: z.string().optional(),
  /** Names of rules by counter slot. */
  rules: z.array(z.string()),
});
type SavedHeader = z.infer<typeof headerSchema>;

const ruleNamesSchema = z.array(z.string());

/** Flows that an earlier run left. */
export interface SavedFlows {
  readonly rows: Int32Array;
  /** Seconds of CLOCK_MONOTONIC that the rows' times are of, when they were saved. */
  readonly savedAt: number;
  /** Seconds since then. */
  readonly elapsed: number;
  /** Names of rules by counter slot, as the earlier run counted. */
  readonly ruleNames: readonly string[];
}

/** What an earlier run left, and why some of it is not used. */
export interface FoundFlows {
  readonly flows: SavedFlows | undefined;
  /** For the operator. */
  readonly warning: string | undefined;
}

/** A saved file that cannot be used. */
export class SavedFlowsError extends Error {
  readonly code = 'SAVED_FLOWS_UNFIT';
}

/** The two clocks. The monotonic one goes on from process to process and starts anew with the machine. */
export interface Clocks {
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  /** Seconds of CLOCK_MONOTONIC. */
  readonly monotonic: () => number;
  /** What tells one start of the machine from another; undefined where that is not known. */
  readonly bootId: () => string | undefined;
}

export const machineClocks: Clocks = {
  wall: () => Date.now(),
  monotonic: () => process.hrtime()[0],
  bootId: readBootId,
};

/** The unit tells it, because it hides all of /proc but processes from the service. */
function readBootId(): string | undefined {
  const told = process.env['NSGD_BOOT_ID'];
  if (told !== undefined) return told;
  try {
    // As systemd writes it.
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '');
  } catch {
    return undefined;
  }
}

export function savedFlowsPath(stateDirectory: string, wire: string): string {
  return join(stateDirectory, `flows.${wire}`);
}

/**
 * Writes the live flows of a table that is at rest, in one step: the file is the old or the new one, whole.
 * @param ruleNames by counter slot
 * @throws Error of the file system (ENOSPC, EROFS, EACCES)
 */
export function saveFlows(
  path: string,
  view: FlowView,
  ruleNames: readonly string[],
  clocks: Clocks = machineClocks,
): number {
  const rows = takeRows(view);
  const header: SavedHeader = {
    wallClock: clocks.wall(),
    seconds: clocks.monotonic(),
    bootId: clocks.bootId(),
    rules: [...ruleNames],
  };
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  const headerBytes = Math.ceil(text.length / 4) * 4;
  const head = Buffer.alloc(PREFIX_BYTES + headerBytes, ' ');
  MAGIC.copy(head);
  new Int32Array(head.buffer, head.byteOffset + MAGIC.length, 2).set([VERSION, headerBytes]);
  text.copy(head, PREFIX_BYTES);
  const body = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
  const digest = createHash('sha256').update(head).update(body).digest();
  replaceFile(path, [head, body, digest]);
  return rows.length / ROW_WORDS;
}

function replaceFile(path: string, parts: readonly Buffer[]): void {
  replacePrivateFile(path, (descriptor) => {
    for (const part of parts) writeFileSync(descriptor, part);
    fsyncSync(descriptor);
  });
  syncDirectory(dirname(path));
}

/** So that the new name outlives a power failure. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads a saved file.
 * @returns undefined where there is none
 * @throws SavedFlowsError for one that is not whole, not of this version, or not ours; Error of the file system
 */
export function readSavedFlows(
  path: string,
  clocks: Clocks = machineClocks,
): SavedFlows | undefined {
  const bytes = readOwnFile(path);
  if (bytes === undefined) return undefined;
  const rest = bytes.length - PREFIX_BYTES - DIGEST_BYTES;
  if (rest < 0) throw new SavedFlowsError(`${path}: cut short`);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new SavedFlowsError(`${path}: not a file of saved flows`);
  }
  const [version = 0, headerBytes = 0] = new Int32Array(bytes.buffer, MAGIC.length, 2);
  if (version !== VERSION) {
    throw new SavedFlowsError(`${path}: version ${version}, expected ${VERSION}`);
  }
  const end = bytes.length - DIGEST_BYTES;
  const digest = createHash('sha256').update(bytes.subarray(0, end)).digest();
  if (!digest.equals(bytes.subarray(end))) throw new SavedFlowsError(`${path}: damaged`);
  const isSound = headerBytes >= 0 && headerBytes % 4 === 0 && headerBytes <= HEADER_BYTES_MAX;
  if (!isSound || headerBytes > rest || (rest - headerBytes) % ROW_BYTES !== 0) {
    throw new SavedFlowsError(`${path}: lengths that do not fit`);
  }
  const start = PREFIX_BYTES + headerBytes;
  const header = parseHeader(bytes.subarray(PREFIX_BYTES, start), path);
  return {
    rows: new Int32Array(bytes.buffer, start, (end - start) / 4),
    savedAt: header.seconds,
    elapsed: elapsedSince(header, clocks),
    ruleNames: header.rules,
  };
}

/** Its bytes at the start of an ArrayBuffer of their own. */
function readOwnFile(path: string): Buffer<ArrayBuffer> | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const problem = privateFileProblem(descriptor);
    if (problem !== undefined) throw new SavedFlowsError(`${path} ${problem}`);
    const bytes = readFileSync(descriptor);
    return Buffer.from(new Uint8Array(bytes).buffer);
  } finally {
    closeSync(descriptor);
  }
}

function parseHeader(bytes: Buffer, path: string): SavedHeader {
  try {
    return headerSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new SavedFlowsError(`${path}: a header that makes no sense`, { cause: error });
  }
}

/**
 * Whole seconds since a file was saved. The monotonic clock is right while the machine runs on, wherever the other is set
 * meanwhile. Where the machine may have started anew, and that clock with it, the greater of what the two say: a wrong answer
 * is then too long, and flows are lost.
 */
function elapsedSince(header: SavedHeader, clocks: Clocks): number {
  const { wallClock, seconds, bootId } = header;
  const isSameBoot = bootId !== undefined && bootId === clocks.bootId();
  if (isSameBoot) return Math.max(0, clocks.monotonic() - seconds);
  const byWall = Math.ceil((clocks.wall() - wallClock) / 1000);
  return Math.max(0, clocks.monotonic() - seconds, byWall);
}

/** Notes beside the flow table by what names its slots are counted, for a start after a kill. */
export function noteRuleNames(paths: SegmentPaths, ruleNames: readonly string[]): void {
  replaceFile(paths.ruleNames, [Buffer.from(JSON.stringify(ruleNames), 'utf8')]);
}

/**
 * The flows of a daemon that was killed: its flow table, still in memory. Not where the runtime directory is a disk: the
 * table could be of before the machine was started, on another clock.
 * @returns undefined where there are none
 */
export function leftoverFlows(
  runtimeDirectory: string,
  wire: string,
  clocks: Clocks = machineClocks,
): SavedFlows | undefined {
  if (!isMemoryFileSystem(statfsSync(runtimeDirectory).type)) return undefined;
  const paths = segmentPaths(runtimeDirectory, wire);
  const bytes = readOwnFile(paths.flows);
  if (bytes === undefined) return undefined;
  const opened = FlowView.open(bytes.buffer, 0);
  if (!opened.ok) throw new SavedFlowsError(`${paths.flows}: ${opened.problem}`);
  return {
    rows: takeRows(opened.view),
    savedAt: clocks.monotonic(),
    elapsed: 0,
    ruleNames: readRuleNames(paths.ruleNames),
  };
}

/** Without them the flows go on, and their packets are counted for no rule. */
function readRuleNames(path: string): readonly string[] {
  try {
    const bytes = readOwnFile(path);
    return bytes === undefined ? [] : ruleNamesSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return [];
  }
}

/** What an earlier run left of a wire: the file of a clean stop, else the memory of a killed daemon. */
export function findFlows(
  stateDirectory: string,
  runtimeDirectory: string,
  wire: string,
): FoundFlows {
  try {
    const saved = readSavedFlows(savedFlowsPath(stateDirectory, wire));
    return { flows: saved ?? leftoverFlows(runtimeDirectory, wire), warning: undefined };
  } catch (error) {
    return { flows: undefined, warning: (error as Error).message };
  }
}
