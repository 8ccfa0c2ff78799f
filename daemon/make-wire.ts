/**
 * Makes a wire of the daemon as it is configured: its segments, its data plane under supervision, and what an earlier run
 * left of its flows. Nothing runs yet.
 */
import type { Logger } from 'pino';
import { DEFAULT_TIMEOUTS } from '../src/flowtable/expiry.ts';
import type { Wire } from '../src/policy/configuration-interfaces.ts';
import type { Configuration } from '../src/policy/configuration.ts';
import { findFlows, savedFlowsPath } from './saved-flows.ts';
import { randomSeeds } from './seeds.ts';
import { createWireSegments } from './supervisor-segments.ts';
import { OffloadPolicy } from './supervisor-wire.ts';
import { Supervisor } from './supervisor.ts';
import { WireRuntime } from './wire-runtime.ts';

/** Kernel buffer per interface of the cap backend. A slot is about 1,600 bytes, so it holds some 42,000 frames. */
const RING_BYTES = 64 * 1024 * 1024;
/** How long TCP may be picked up mid-stream when the daemon starts without saved flows. */
const PICK_UP_SECONDS = 30;
/** The same when host mode begins: longer, because the operator's other sessions may be idle. */
const ATTACH_PICK_UP_SECONDS = 120;

export interface WireFolders {
  /** Of the segments. */
  readonly runtime: string;
  /** Of what outlives a restart; may be the same. */
  readonly state: string;
}

/** @throws RuntimeDirectoryError where memory does not suffice, SystemCallError */
export function makeWire(
  wire: Wire,
  { flowTable }: Configuration,
  folders: WireFolders,
  log: Logger,
): WireRuntime {
  // Before the segments of an earlier run are replaced: its flows may be in them.
  const { flows: savedFlows, warning } = findFlows(folders.state, folders.runtime, wire.name);
  if (warning !== undefined) log.warn({ wire: wire.name, detail: warning }, 'saved flows not used');
  const segments = createWireSegments(folders.runtime, wire.name, {
    maxFlows: flowTable.maxFlows,
    seeds: randomSeeds(),
    timeouts: { ...DEFAULT_TIMEOUTS, established: flowTable.idleTimeout },
  });
  const supervisor = new Supervisor(
    {
      start: {
        runtimeDirectory: folders.runtime,
        wire: wire.name,
        outside: wire.outside,
        inside: wire.inside,
        mode: wire.mode,
        backend: wire.backend,
        ringBytes: RING_BYTES,
        busyPoll: wire.busyPoll,
        cpu: wire.cpu,
        pickUpSeconds: savedFlows === undefined ? PICK_UP_SECONDS : 0,
      },
      offloads: OffloadPolicy.Disable,
      ...(wire.host === undefined ? {} : { pickUpOnArrivalSeconds: ATTACH_PICK_UP_SECONDS }),
    },
    segments,
  );
  const savedFlowsFile = savedFlowsPath(folders.state, wire.name);
  return new WireRuntime(wire, { segments, supervisor, savedFlows, savedFlowsFile, log });
}
