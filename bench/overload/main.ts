/**
 * Floods beside one established TCP transfer: what is left of the transfer, how long after the flood it is as before, and
 * whether every frame of the flood was counted with a reason. 1,000 rules, the transfer is admitted by one of the last.
 *
 *     node dist/bench/overload/main.js [--seconds 5] [--repeats 3] [--rates 100000,max] [--flood collide]
 *
 * The transfer is held to a rate, so that what is measured is what the flood takes away, not who is faster. Writes
 * bench/results/overload.json. Needs root.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { segmentPaths } from '../../daemon/data-plane/segment-paths.ts';
import { Segment } from '../../daemon/native/segment.ts';
import type { WireStatus } from '../../daemon/status.ts';
import { hostOf } from '../../test/helpers/network.ts';
import { waitFor } from '../../test/helpers/wait.ts';
import {
  type Bed,
  buildBed,
  inboundCounts,
  internet,
  memoryOf,
  RULES,
  startFlood,
} from '../bed-of-hosts.ts';
import { readEnvironment } from '../environment.ts';
import { writeResults } from '../results-file.ts';
import { ALLOWED_PORT, LOCAL } from '../rules/trial-policy.ts';
import { median } from '../statistics.ts';
import type { FloodLoadArguments } from './flood-load.ts';
import { COLLIDING, collidingFlood, FLOODS } from './floods.ts';
import type { FloodResult } from './results.ts';

/** Bytes a second of the transfer. */
const TRANSFER_RATE = 2_000_000;
const TRANSFER_BYTES = 2_000_000_000;
const BASELINE_MS = 2000;
/** The first of a flood is left out: queues fill. */
const SETTLE_MS = 500;
const WINDOW_MS = 250;
const RECOVERED_PART = 0.9;
const RECOVERY_TIMEOUT_MS = 60_000;
const KIBIBYTE = 1024;

async function progress(bed: Bed): Promise<number> {
  return (await internet(bed).call('downloadProgress', {})).bytes;
}

/** Bytes a second of the transfer over a time. */
async function transferRate(bed: Bed, milliseconds: number): Promise<number> {
  const start = performance.now();
  const before = await progress(bed);
  await sleep(milliseconds);
  return ((await progress(bed)) - before) / ((performance.now() - start) / 1000);
}

/** Reasons that have more drops than before. */
function newReasons(before: WireStatus, after: WireStatus): string[] {
  return after.reasons
    .filter(({ access }) => access === 'Deny')
    .filter(({ reason, inbound }) => {
      const earlier = before.reasons.find((each) => each.reason === reason)?.inbound ?? 0;
      return inbound > earlier;
    })
    .map(({ reason }) => reason);
}

async function measure(bed: Bed, load: Omit<FloodLoadArguments, 'device'>): Promise<FloodResult> {
  const { daemon } = bed;
  const { flood, rate, seconds } = load;
  const baseline = await transferRate(bed, BASELINE_MS);
  const before = daemon.wire();
  const memoryBefore = memoryOf(before.processId);
  const floodEnds = startFlood(bed, load);
  await sleep(SETTLE_MS);
  const during = await transferRate(bed, seconds * 1000 - SETTLE_MS);
  await floodEnds();
  const recovery = await recoveryTime(bed, baseline);
  // Nothing but the transfer goes on, and a stopped one would have nothing left to count: wait until the counts agree.
  const after = await waitFor('the counts to be of one moment', () => {
    const wire = daemon.wire();
    const [read, , judged] = inboundCounts(wire);
    return read === judged ? wire : undefined;
  });
  const [read, dropped, judged] = inboundCounts(after);
  const [readBefore, droppedBefore] = inboundCounts(before);
  return {
    flood,
    rate,
    read: (read - readBefore) / seconds,
    kernelDropped: (dropped - droppedBefore) / seconds,
    kept: during / baseline,
    recovery,
    unaccounted: read - judged,
    flows: after.flows.live,
    memory: [memoryBefore, memoryOf(after.processId)],
    reasons: newReasons(before, after),
  };
}

/** Its memory. */
function flowTable({ daemon }: Bed): ArrayBuffer {
  return Segment.open(segmentPaths(dirname(daemon.socket), daemon.wire().name).flows).buffer;
}

/** Seconds until the transfer has its rate again. */
async function recoveryTime(bed: Bed, baseline: number): Promise<number> {
  const start = performance.now();
  await waitFor(
    'the transfer to be as before',
    async () =>
      (await transferRate(bed, WINDOW_MS)) >= baseline * RECOVERED_PART ? true : undefined,
    RECOVERY_TIMEOUT_MS,
  );
  return (performance.now() - start - WINDOW_MS) / 1000;
}

function middle(results: readonly FloodResult[]): FloodResult {
  const kept = median(results.map((each) => each.kept));
  const [nearest] = results.toSorted((a, b) => Math.abs(a.kept - kept) - Math.abs(b.kept - kept));
  if (nearest === undefined) throw new RangeError('of no results');
  return nearest;
}

function line(each: FloodResult): string {
  const { flood, rate, read, kernelDropped, kept, recovery, unaccounted, flows, memory } = each;
  const thousands = (value: number): string => `${Math.round(value / 1000)}k`;
  const grown = Math.round((memory[1] - memory[0]) / KIBIBYTE / KIBIBYTE);
  return [
    flood.padEnd(54),
    (rate === undefined ? 'max' : thousands(rate)).padStart(6),
    thousands(read).padStart(7),
    thousands(kernelDropped).padStart(8),
    `${Math.round(kept * 100)}%`.padStart(6),
    `${recovery.toFixed(1)} s`.padStart(8),
    String(unaccounted).padStart(6),
    String(flows).padStart(9),
    `${grown} MB`.padStart(7),
    `  ${each.reasons.join(', ')}`,
  ].join(' ');
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    repeats: { type: 'string', default: '3' },
    rates: { type: 'string', default: '100000,max' },
    flood: { type: 'string', default: '' },
  },
});
const seconds = Number(values.seconds);
const repeats = Number(values.repeats);
const rates = values.rates.split(',').map((text) => (text === 'max' ? undefined : Number(text)));
const wanted = FLOODS.filter((name) => name.includes(values.flood));
const environment = readEnvironment();
const bed = await buildBed();
const floods: FloodResult[] = [];
try {
  // Takes seconds, so it is done once, and before anything is measured.
  const numbers = wanted.includes(COLLIDING) ? collidingFlood(flowTable(bed)) : [];
  await hostOf(bed.network, 'vm1').peer.call('serveHttp', { port: ALLOWED_PORT, text: '' });
  const transfer = internet(bed).call('download', {
    address: LOCAL[4],
    port: ALLOWED_PORT,
    bytes: TRANSFER_BYTES,
    rate: TRANSFER_RATE,
    timeoutMs: 3_600_000,
  });
  // It is not waited for: the bed is taken away under it.
  transfer.catch(() => undefined);
  await sleep(SETTLE_MS);
  console.log(
    'flood'.padEnd(54),
    'offer   read/s  kernel/s  kept  recovery  lost    flows  memory  dropped as',
  );
  for (const rate of rates) {
    for (const flood of wanted) {
      const load = {
        flood,
        seconds,
        ...(rate === undefined ? {} : { rate }),
        ...(flood === COLLIDING ? { numbers } : {}),
      };
      const results: FloodResult[] = [];
      for (let repeat = 0; repeat < repeats; repeat++) {
        results.push(await measure(bed, load));
      }
      const result = middle(results);
      floods.push(result);
      console.log(line(result));
    }
  }
} finally {
  await bed.lab.close();
}
writeResults('overload', {
  environment,
  repeats,
  rules: RULES,
  transfer: TRANSFER_RATE,
  floods,
});
