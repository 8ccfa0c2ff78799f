/**
 * The control process's side of the segments of one wire: making them, and publishing policies through them.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { Counters } from '../src/engine/counters.ts';
import { FlowEventReader } from '../src/engine/flow-event-reader.ts';
import { FlowEvents } from '../src/engine/flow-events.ts';
import { FlowTable, type FlowTableOptions } from '../src/flowtable/table.ts';
import { ControlPage, NO_GENERATION, Phase } from './data-plane/control-page.ts';
import {
  policyGeneration,
  policyPath,
  type SegmentPaths,
  segmentPaths,
} from './data-plane/segment-paths.ts';
import { SystemCallError } from './native/libc.ts';
import { Segment } from './native/segment.ts';
import { RuntimeDirectoryError } from './supervisor-lock.ts';

/** A full file system, a quota, a limit of the process. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'ENOMEM']);
const MEBIBYTE = 1024 * 1024;

const POLL_MILLISECONDS = 5;
export const DEFAULT_PUBLISH_TIMEOUT_MILLISECONDS = 5_000;

/** What became of a published policy. */
export type PublishOutcome =
  /** The data plane enforces it. */
  | { readonly status: 'active' }
  /** No data plane runs; the next one to start loads it. */
  | { readonly status: 'pending' }
  /** The data plane could not load it and enforces the one before. The file is removed. */
  | { readonly status: 'rejected' }
  /** The data plane runs and did not answer in time; it will load it when it turns to it. */
  | { readonly status: 'late' };

/** The mapped segments of a wire. They live as long as the process. */
export class WireSegments {
  readonly paths: SegmentPaths;
  readonly page: ControlPage;
  readonly counters: Counters;
  readonly events: FlowEventReader;
  readonly #flowBuffer: ArrayBuffer;
  readonly #flowOptions: FlowTableOptions;
  #flows: FlowTable;

  constructor(
    paths: SegmentPaths,
    page: ControlPage,
    counters: Counters,
    events: FlowEventReader,
    flows: { readonly buffer: ArrayBuffer; readonly options: FlowTableOptions },
  ) {
    this.paths = paths;
    this.page = page;
    this.counters = counters;
    this.events = events;
    this.#flowBuffer = flows.buffer;
    this.#flowOptions = flows.options;
    this.#flows = FlowTable.create(flows.buffer, 0, flows.options);
  }

  /** The flow table, to be read only: it is owned by the data plane, which changes it all the time. */
  get flows(): FlowTable {
    return this.#flows;
  }

  /** Forgets every flow. Only while no data plane runs: for a table that it could not use. */
  resetFlows(): void {
    this.#flows = FlowTable.create(this.#flowBuffer, 0, this.#flowOptions);
  }

  /** Takes the names away. Whoever has the segments mapped keeps them. */
  remove(): void {
    rmSync(this.paths.directory, { recursive: true, force: true });
  }
}

/**
 * Makes the segments of a wire, empty, in place of those an earlier run left behind. Only the record of offloads to be
 * restored stays. The caller holds the runtime directory's lock, so no other process uses them.
 * @throws RuntimeDirectoryError where memory does not suffice, SystemCallError
 */
export function createWireSegments(
  runtimeDirectory: string,
  wire: string,
  options: FlowTableOptions,
): WireSegments {
  const paths = segmentPaths(runtimeDirectory, wire);
  mkdirSync(dirname(paths.directory), { recursive: true, mode: 0o700 });
  mkdirSync(paths.directory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(paths.directory)) {
    const path = join(paths.directory, name);
    if (path !== paths.savedOffloads) rmSync(path, { recursive: true, force: true });
  }
  try {
    return fillDirectory(paths, options);
  } catch (error) {
    if (!(error instanceof SystemCallError) || !NO_ROOM.has(error.code)) throw error;
    const mebibytes = Math.ceil(bytesOf(options.maxFlows) / MEBIBYTE);
    throw new RuntimeDirectoryError(
      'RUNTIME_DIRECTORY_FULL',
      `${runtimeDirectory} has no room for wire ${wire}, which takes ${mebibytes} MiB with ` +
        `${options.maxFlows} flows: make its file system larger, or flowTable.maxFlows smaller (${error.message})`,
      { cause: error },
    );
  }
}

/** Of the segments of a wire, without its policy. */
function bytesOf(maxFlows: number): number {
  return ControlPage.bytes + Counters.bytes + FlowTable.bytesFor(maxFlows) + FlowEvents.bytes;
}

function fillDirectory(paths: SegmentPaths, options: FlowTableOptions): WireSegments {
  const page = ControlPage.create(Segment.create(paths.control, ControlPage.bytes).buffer);
  const counters = new Counters(Segment.create(paths.counters, Counters.bytes).buffer);
  const flows = Segment.create(paths.flows, FlowTable.bytesFor(options.maxFlows));
  const ring = Segment.create(paths.events, FlowEvents.bytes).buffer;
  FlowEvents.create(ring);
  const events = new FlowEventReader(ring);
  return new WireSegments(paths, page, counters, events, { buffer: flows.buffer, options });
}

/**
 * Puts a policy in force: writes its file, sets the one word that names it, and waits until the data plane has changed
 * over. Older files are removed then. Calls for one wire must not overlap.
 * @param image as `compileImage` made it, with this generation in it
 * @param generation greater than every one before, 1 to 2^31 - 1
 */
export async function publishPolicy(
  segments: WireSegments,
  image: ArrayBuffer,
  generation: number,
  timeoutMilliseconds: number = DEFAULT_PUBLISH_TIMEOUT_MILLISECONDS,
): Promise<PublishOutcome> {
  const { page, paths } = segments;
  const previous = page.wantedGeneration;
  const last = Math.max(previous, page.rejectedGeneration);
  if (!Number.isInteger(generation) || generation <= last || generation > 0x7fff_ffff) {
    throw new RangeError(`generation ${generation} does not follow ${last}`);
  }
  Segment.write(policyPath(paths, generation), new Uint8Array(image));
  page.wantedGeneration = generation;
  const outcome = await waitForChange(page, generation, timeoutMilliseconds);
  if (outcome.status === 'rejected') {
    page.wantedGeneration = previous;
    removePolicies(paths, previous);
  } else if (outcome.status !== 'late') removePolicies(paths, generation);
  return outcome;
}

async function waitForChange(
  page: ControlPage,
  generation: number,
  timeoutMilliseconds: number,
): Promise<PublishOutcome> {
  const deadline = performance.now() + timeoutMilliseconds;
  for (;;) {
    if (page.activeGeneration === generation) return { status: 'active' };
    if (page.rejectedGeneration === generation) return { status: 'rejected' };
    if (page.activeGeneration === NO_GENERATION && page.phase !== Phase.Starting) {
      return { status: 'pending' };
    }
    if (performance.now() >= deadline) return { status: 'late' };
    // oxlint-disable-next-line no-await-in-loop -- polls; there is nothing to run in parallel
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

/** Removes the policy files of every generation but `kept`. */
function removePolicies(paths: SegmentPaths, kept: number): void {
  for (const name of readdirSync(paths.directory)) {
    const generation = policyGeneration(name);
    if (generation !== undefined && generation !== kept) {
      rmSync(join(paths.directory, name), { force: true });
    }
  }
}
