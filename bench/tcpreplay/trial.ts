/**
 * One trial: a load for some seconds through a device, and where every frame of it went.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { allowedPart, type Traffic } from '../traffic/traffic.ts';
import { busySeconds, readCores, stolenPart } from './cpu.ts';
import type { RunningDevice } from './device.ts';
import type { Load } from './load.ts';
import type { BedCounts, TestBed } from './test-bed.ts';

export interface TrialOptions {
  readonly load: Load;
  readonly traffic: Traffic;
  /** Frames a second; undefined: as fast as the load can. */
  readonly rate: number | undefined;
  readonly seconds: number;
}

export interface Trial {
  /** Asked for; undefined for as fast as possible. */
  readonly rate: number | undefined;
  readonly seconds: number;
  /** Frames sent to the device, those among them that its receive ring had no room for, and those that came out. */
  readonly offered: number;
  readonly refused: number;
  readonly received: number;
  /** Of the offered ones, those that the policy allows. */
  readonly allowed: number;
  /** Frames a second. */
  readonly offeredRate: number;
  readonly receivedRate: number;
  /** Frames that the device's policy denied, by its own count; undefined where it does not count. */
  readonly denied: number | undefined;
  /** Part of the offered frames that neither arrived nor were denied. Where denials are not counted, by their share. */
  readonly loss: number;
  /** Frames that no counter explains; undefined where the device does not count. */
  readonly unaccounted: number | undefined;
  /** Frames that arrived beyond those that the policy allows. 0, or the device is no filter. */
  readonly leaked: number;
  /** Busy seconds of each core. */
  readonly cpu: readonly number[];
  /** Part of the cores' time that the host gave to other machines. */
  readonly stolen: number;
}

const SETTLE_STEP_MS = 50;
/** What is still under way after this is lost. */
const SETTLE_STEPS = 20;

/** New flows are none of those that a bed established, which begin at 0. */
let nextFlow = 1 << 20;

export async function runTrial(
  bed: TestBed,
  device: RunningDevice,
  { load, traffic, rate, seconds }: TrialOptions,
): Promise<Trial> {
  const firstFlow = traffic.kind === 'new' ? nextFlow : 0;
  const before = bed.counts();
  const deviceBefore = device.counts();
  const coresBefore = readCores();
  const sentFor = await load.send(bed, { traffic, rate, seconds, firstFlow });
  const coresAfter = readCores();
  const after = await settled(bed);
  await sleep(device.countsLag ?? 0);
  const deviceAfter = device.counts();

  const accepted = after.accepted - before.accepted;
  const refused = after.refused - before.refused;
  const received = after.received - before.received;
  const offered = accepted + refused;
  if (traffic.kind === 'new') nextFlow += offered;
  const denied = difference(deviceBefore.denied, deviceAfter.denied);
  const lost = difference(deviceBefore.lost, deviceAfter.lost);
  const allowed = Math.floor(offered * allowedPart(traffic.kind));
  const gone = offered - received - (denied ?? offered - allowed);
  return {
    rate,
    seconds: sentFor,
    offered,
    refused,
    received,
    allowed,
    offeredRate: offered / sentFor,
    receivedRate: received / sentFor,
    denied,
    loss: offered === 0 ? 0 : Math.max(0, gone) / offered,
    unaccounted:
      denied === undefined || lost === undefined ? undefined : accepted - received - denied - lost,
    leaked: Math.max(0, received - allowed - 1),
    cpu: busySeconds(coresBefore, coresAfter),
    stolen: stolenPart(coresBefore, coresAfter),
  };
}

function difference(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}

/** Counts once the last frame has arrived. */
async function settled(bed: TestBed): Promise<BedCounts> {
  let last = bed.counts();
  for (let step = 0; step < SETTLE_STEPS; step++) {
    // One look after another is the point.
    // oxlint-disable-next-line no-await-in-loop
    await sleep(SETTLE_STEP_MS);
    const now = bed.counts();
    if (now.received === last.received && now.accepted === last.accepted) return now;
    last = now;
  }
  return last;
}
