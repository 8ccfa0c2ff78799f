/**
 * The flow table under tuples that were chosen to collide, beside random ones: chosen by somebody who guesses the seed, who
 * must gain nothing, and by somebody who knows it, whom only the limit of a probe stops.
 *
 * One operation is what a packet costs the table: key, lookup, and where there is no flow, the insertion that is refused or not.
 */
import { Packet } from '../../src/capture/packet.ts';
import { hashKeyFrom } from '../../src/flowtable/hash.ts';
import { PROBE_LIMIT } from '../../src/flowtable/hash-index.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import { NO_FLOW, packSlots } from '../../src/flowtable/record.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { track } from '../../src/flowtable/track.ts';
import { collidingNumbers } from '../traffic/colliding-numbers.ts';
import { type BenchCase, expectThat, type Workload } from './case.ts';

const NOW = 1000;
const SLOTS = packSlots(0, 1);
const UDP = 17;
const TUPLES = 20_000;
const MAX_FLOWS = 32_768;
/** Of the index: two for each flow. */
const INDEX_SLOTS = 2 * MAX_FLOWS;
const SEEDS = [17, 4711] as const;
const GUESSED_SEEDS = [18, 4711] as const;
/** Odd, so that different numbers stay different. */
const SCATTER = 2654435761 | 0;
const PORT_SHIFT = 11;

function packet(): Packet {
  const made = new Packet();
  made.ipVersion = 4;
  made.dst3 = 0x0a00_0104;
  made.dstPort = 53;
  made.hasPorts = true;
  made.protocol = UDP;
  made.ipLength = 46;
  return made;
}

/** The remote ends of the numbers are scattered over all there are. */
function setRemote(of: Packet, number: number): void {
  of.src3 = Math.imul(number, SCATTER);
  of.srcPort = (of.src3 >>> PORT_SHIFT) & 0xffff;
}

const random = (): Uint32Array => Uint32Array.from({ length: TUPLES }, (_, number) => number);

function colliding(seeds: readonly [number, number]): Uint32Array {
  const hashKey = hashKeyFrom(...seeds);
  return collidingNumbers({
    count: TUPLES,
    hashKey,
    indexSlots: INDEX_SLOTS,
    packet: packet(),
    setRemote,
  });
}

function workload(numbers: Uint32Array, probes: readonly [least: number, most: number]): Workload {
  const flows = FlowTable.create(new ArrayBuffer(FlowTable.bytesFor(MAX_FLOWS)), 0, {
    maxFlows: MAX_FLOWS,
    seeds: SEEDS,
  });
  const one = packet();
  const key = new FlowKey();
  const run = (operations: number): void => {
    let at = 0;
    for (let done = 0; done < operations; done++) {
      setRemote(one, numbers[at] ?? 0);
      flowKey(one, 0, key);
      let flow = flows.find(key, NOW);
      if (flow === NO_FLOW) flow = flows.insert(key, 0, NOW, 1, SLOTS);
      if (flow !== NO_FLOW) track(flows, flow, one, 0, NOW);
      if (++at === TUPLES) at = 0;
    }
  };
  run(TUPLES);
  const longestProbe = flows.stats[FlowStat.LongestProbe] ?? 0;
  const [least, most] = probes;
  expectThat(longestProbe >= least && longestProbe <= most, `${longestProbe} slots were probed`);
  return { facts: { tuples: TUPLES, flows: flows.size, longestProbe }, run };
}

const RANDOM_PROBES = [1, 64] as const;

const MAKERS: Readonly<Record<string, () => Workload>> = {
  'random-20k': () => workload(random(), RANDOM_PROBES),
  'seed-guessed-20k': () => workload(colliding(GUESSED_SEEDS), RANDOM_PROBES),
  'seed-known-20k': () => workload(colliding(SEEDS), [PROBE_LIMIT, PROBE_LIMIT]),
};

export const collisionCases: readonly BenchCase[] = Object.entries(MAKERS).map(
  ([name, prepare]) => ({ name: `collisions/${name}`, unit: 'packets', prepare }),
);
