/**
 * Entry of the data-plane process: one wire, started by the supervisor with one message. It ends when it is told to,
 * when its parent ends, and when it cannot work; it never decides to go on with less.
 */
// oxlint-disable-next-line import/no-unassigned-import -- its effect is the point
import '../no-inspector.ts';
// oxlint-disable-next-line import/no-unassigned-import -- likewise
import './compiler-limits.ts';

import { PerformanceObserver } from 'node:perf_hooks';

import { Counters } from '../../src/engine/counters.ts';
import { FlowEvents } from '../../src/engine/flow-events.ts';
import { Pipeline } from '../../src/engine/pipeline.ts';
import { finish } from '../../src/engine/steps.ts';
import { FragmentTable } from '../../src/flowtable/fragments.ts';
import type { Recovery } from '../../src/flowtable/recover.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { randomSeeds } from '../seeds.ts';
import { loadLibc, SystemCallError } from '../native/libc.ts';
import { readNetworkDevice } from '../native/network-device.ts';
import { Segment } from '../native/segment.ts';
import { ControlPage, Phase } from './control-page.ts';
import { DataPlane, type LoadedPolicy, loadPolicyFile } from './data-plane.ts';
import {
  type DataPlaneMessage,
  FLOW_TABLE_UNFIT,
  isStartMessage,
  type StartMessage,
} from './messages.ts';
import { openWire } from './open-wire.ts';
import { rehearse } from './rehearsal.ts';
import { policyPath, type SegmentPaths, segmentPaths } from './segment-paths.ts';

/** Between ticks of an idle data plane, and while one of them has work left. */
const TICK_MILLISECONDS = 100;
const WANTED_TICK_MILLISECONDS = 2;
/** Ethernet header and two VLAN tags. */
const LINK_HEADER_BYTES = 14 + 8;
const FAILED_EXIT_CODE = 1;

/** Milliseconds of CLOCK_MONOTONIC: the same clock in every process, so that flow times outlive a restart. */
function monotonicClock(): () => number {
  const [seconds, nanoseconds] = process.hrtime();
  // performance.now() runs on the same clock from another zero, and allocates less.
  const offset = seconds * 1000 + nanoseconds / 1e6 - performance.now();
  return () => performance.now() + offset;
}

function tellParent(message: DataPlaneMessage): void {
  process.send?.(message);
}

/** The policy to start with. The one wanted may change, and its file go, while this looks. */
function loadWantedPolicy(page: ControlPage, paths: SegmentPaths): LoadedPolicy {
  for (;;) {
    const generation = page.wantedGeneration;
    try {
      return finish(loadPolicyFile(policyPath(paths, generation), generation));
    } catch (error) {
      if (page.wantedGeneration !== generation) continue;
      page.rejectedGeneration = generation;
      throw error;
    }
  }
}

/** Bytes of the longest frame of the wire. The supervisor checked that both sides have the same MTU. */
function maxFrameLength(start: StartMessage): number {
  const device = readNetworkDevice(start.outside);
  if (device === undefined) throw new Error(`there is no interface ${start.outside}`);
  return device.mtu + LINK_HEADER_BYTES;
}

/** A flow table that was not made by this version, or whose sizes were overwritten. */
class FlowTableError extends Error {
  readonly code = FLOW_TABLE_UNFIT;
}

function attachFlows(path: string, now: number): { table: FlowTable; recovery: Recovery } {
  const result = FlowTable.attach(Segment.open(path).buffer, 0, now);
  if (!result.ok) throw new FlowTableError(`flow table ${path}: ${result.problem}`);
  return result;
}

function run(start: StartMessage): void {
  const paths = segmentPaths(start.runtimeDirectory, start.wire);
  const page = ControlPage.attach(Segment.open(paths.control).buffer);
  page.processId = process.pid;
  page.phase = Phase.Starting;
  const counters = new Counters(Segment.open(paths.counters).buffer);
  const events = FlowEvents.attach(Segment.open(paths.events).buffer);
  const clock = monotonicClock();
  const now = Math.floor(clock() / 1000);
  const { table, recovery } = attachFlows(paths.flows, now);
  // Connections that are open wait for the wire.
  if (recovery.kept === 0) rehearse();
  const policy = loadWantedPolicy(page, paths);
  const fragments = new FragmentTable(randomSeeds());
  const pipeline = new Pipeline(
    { maxFrameLength: maxFrameLength(start) },
    { image: policy.image, flows: table, fragments, counters, events },
  );
  if (page.looseUntilSeconds === 0) page.looseUntilSeconds = now + start.pickUpSeconds;
  pipeline.pickUpUntil(page.looseUntilSeconds * 1000);

  const tick = (): void => {
    dataPlane.tick();
    setTimeout(tick, dataPlane.isTickWanted ? WANTED_TICK_MILLISECONDS : TICK_MILLISECONDS);
  };
  const dataPlane = new DataPlane({
    page,
    counters,
    pipeline,
    policy,
    clock,
    loadPolicy: (generation) => loadPolicyFile(policyPath(paths, generation), generation),
    events: {
      policyActive: (generation) => tellParent({ type: 'policy', generation }),
      policyRejected: (generation, error) =>
        tellParent({ type: 'policy-rejected', generation, message: messageOf(error) }),
      stopped: () => {
        // Not at once: this may be called from inside the backend's packet loop.
        setImmediate(() => process.exit(0));
      },
    },
  });
  process.on('SIGTERM', () => dataPlane.stop());
  if (start.cpu !== undefined) keepToProcessor(start.cpu);
  const { wire, backend, detail, ringSlots } = openWire(start, {
    handler: dataPlane,
    flows: table,
    lost: fail,
  });
  // All that needs a capability is open. Whoever takes over this process through a packet finds none.
  loadLibc().dropCapabilities();
  dataPlane.run(wire);
  watchCollector(page);
  tick();
  tellParent({
    type: 'running',
    generation: policy.image.generation,
    backend,
    detail,
    ringSlots,
    flowsKept: recovery.kept,
    flowsDropped: recovery.dropped,
  });
}

function keepToProcessor(processor: number): void {
  try {
    loadLibc().pinToProcessor(processor);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'EPERM') throw error;
    throw new Error(
      `${error.message}; under systemd wires[].cpu needs the drop-in systemd/pin-processor.conf`,
      { cause: error },
    );
  }
}

/** Packets wait while the garbage collector works. Told a moment later, from the event loop: it costs the packets nothing. */
function watchCollector(page: ControlPage): void {
  page.longestCollectionMicroseconds = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      const microseconds = Math.ceil(duration * 1000);
      if (microseconds > page.longestCollectionMicroseconds) {
        page.longestCollectionMicroseconds = microseconds;
      }
    }
  }).observe({ entryTypes: ['gc'] });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fail(error: unknown): void {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'INTERNAL';
  const message: DataPlaneMessage = { type: 'failed', code, message: messageOf(error) };
  if (process.send === undefined) process.exit(FAILED_EXIT_CODE);
  process.send(message, () => process.exit(FAILED_EXIT_CODE));
}

function main(): void {
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole process group; the supervisor decides.
  process.on('SIGINT', () => undefined);
  process.once('message', (message) => {
    try {
      if (!isStartMessage(message)) throw new Error('the first message was not an order to start');
      run(message);
    } catch (error) {
      fail(error);
    }
  });
  try {
    const libc = loadLibc();
    const parent = process.ppid;
    libc.dieWithParent();
    libc.forbidCoreDump();
    // The parent may have ended before the kernel knew that it matters.
    if (process.ppid !== parent) process.exit(0);
  } catch (error) {
    fail(error);
  }
}

main();
