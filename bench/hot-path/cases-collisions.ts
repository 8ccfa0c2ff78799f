/**
 * The flow table under tuples that were chosen to collide, beside random ones: chosen by somebody who guesses the seed, who
 * must gain nothing, and by somebody who knows it, whom only the limit of a probe stops.
 *
 * One operation is what a packet costs the table: key, lookup, and where there is no flow, the insertion that is refused or not.
 */
import { Packet } from '../../src/capture/packet.ts';
import { hashKeyFrom, hashWords } from '../../src/flowtable/hash.ts';
import { PROBE_LIMIT } from '../../src/flowtable/hash-index.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import { NO_FLOW, packSlots } from '../../src/flowtable/record.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { track } from '../../src/flowtable/track.ts';
import { Random } from '../../test/helpers/random.ts';
import { type BenchCase, expectThat, type Workload } from './case.ts';

const NOW = 1000;
const SLOTS = packSlots(0, 1);
const UDP = 17;
const TUPLES = 20_000;
const MAX_FLOWS = 32_768;
/** Of the index: two for each flow. */
const INDEX_SLOTS = 2 * MAX_FLOWS;
/** Tuples collide that have their home in the first so many slots. One alone would take some 30 s of search. */
const HOMES = 16;
const SEEDS = [17, 4711] as const;
const GUESSED_SEEDS = [18, 4711] as const;
const MOST_TRIES = 1 << 28;

/** Remote ends: address and port of each tuple. */
interface Tuples {
  readonly addresses: Int32Array;
  readonly ports: Int32Array;
}

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

/** Random tuples, of which with seeds only those that collide under them are taken. */
function choose(seeds?: readonly [number, number]): Tuples {
  const random = new Random(1);
  const hashKey = seeds === undefined ? undefined : hashKeyFrom(...seeds);
  const addresses = new Int32Array(TUPLES);
  const ports = new Int32Array(TUPLES);
  const one = packet();
  const key = new FlowKey();
  let found = 0;
  for (let tries = 0; found < TUPLES && tries < MOST_TRIES; tries++) {
    one.src3 = random.uint32() | 0;
    one.srcPort = random.uint32() & 0xffff;
    if (hashKey !== undefined) {
      flowKey(one, 0, key);
      if ((hashWords(hashKey, key.words, 0) & (INDEX_SLOTS - 1)) >= HOMES) continue;
    }
    addresses[found] = one.src3;
    ports[found] = one.srcPort;
    found++;
  }
  expectThat(found === TUPLES, 'there are enough tuples');
  return { addresses, ports };
}

function workload(tuples: Tuples, probes: readonly [least: number, most: number]): Workload {
  const flows = FlowTable.create(new ArrayBuffer(FlowTable.bytesFor(MAX_FLOWS)), 0, {
    maxFlows: MAX_FLOWS,
    seeds: SEEDS,
  });
  const one = packet();
  const key = new FlowKey();
  const run = (operations: number): void => {
    let at = 0;
    for (let done = 0; done < operations; done++) {
      one.src3 = tuples.addresses[at] ?? 0;
      one.srcPort = tuples.ports[at] ?? 0;
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
  'random-20k': () => workload(choose(), RANDOM_PROBES),
  'seed-guessed-20k': () => workload(choose(GUESSED_SEEDS), RANDOM_PROBES),
  'seed-known-20k': () => workload(choose(SEEDS), [PROBE_LIMIT, PROBE_LIMIT]),
};

export const collisionCases: readonly BenchCase[] = Object.entries(MAKERS).map(
  ([name, prepare]) => ({ name: `collisions/${name}`, unit: 'packets', prepare }),
);
