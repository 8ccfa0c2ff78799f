/**
 * The whole path in memory, frame to verdict: what `src/engine/pipeline.ts` does for a backend, without a backend.
 */
import { BATCH_FRAMES, FrameBatch } from '../../src/capture/frame.ts';
import { Counters } from '../../src/engine/counters.ts';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { EVENT_CAPACITY, EVENT_HEADER_WORDS, EventHeader } from '../../src/engine/event-record.ts';
import { DENIED_PER_MILLISECOND, FlowEvents } from '../../src/engine/flow-events.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import { Pipeline } from '../../src/engine/pipeline.ts';
import { Reason } from '../../src/engine/reason.ts';
import { FragmentTable } from '../../src/flowtable/fragments.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import type { FrameSpec } from '../../test/helpers/frames.ts';
import { loadGood } from '../../test/helpers/load-text.ts';
import {
  ALLOWED_PORT,
  DENIED_PORT,
  type Family,
  LOCAL,
  nsgdConfiguration,
  REMOTE,
  trialRules,
} from '../rules/trial-policy.ts';
import { type FramePool, framePool, shuffled } from '../traffic/frame-pool.ts';
import { type BenchCase, expectThat, type Workload } from './case.ts';

const OUTSIDE = 0;
const INSIDE = 1;
const NOW_MS = 1_000_000;
/** Frames between two calls of what surrounds a batch. */
const BATCH = BATCH_FRAMES;
const SEEDS = [17, 4711] as const;

interface Rig {
  readonly pipeline: Pipeline;
  readonly flows: FlowTable;
  /** The header of the ring of flow events, which nobody reads. */
  readonly events: Int32Array;
}

function rig(ruleCount: number, maxFlows: number, family: Family, flowMemory?: ArrayBuffer): Rig {
  const { policy } = loadGood(nsgdConfiguration(trialRules(ruleCount, family)));
  const { buffer } = compileImage(policy, policy.nics, 1, new PolicyRegistry());
  const memory = flowMemory ?? new ArrayBuffer(FlowTable.bytesFor(maxFlows));
  const flows = FlowTable.create(memory, 0, { maxFlows, seeds: SEEDS });
  const ring = new ArrayBuffer(FlowEvents.bytes);
  const pipeline = new Pipeline(
    { maxFrameLength: 1522 },
    {
      image: PolicyImage.attach(buffer),
      flows,
      fragments: new FragmentTable(SEEDS),
      counters: new Counters(new ArrayBuffer(Counters.bytes)),
      events: FlowEvents.create(ring),
    },
  );
  pipeline.setTime(NOW_MS);
  return { pipeline, flows, events: new Int32Array(ring, 0, EVENT_HEADER_WORDS) };
}

/** Whether flow events are told: all of them to a reader that is never late, or none because the ring is full. */
type Telling = 'read' | 'full';

function setEvents(events: Int32Array, telling: Telling): void {
  const written = events[EventHeader.Written] ?? 0;
  events[EventHeader.Read] = telling === 'read' ? written : written - EVENT_CAPACITY;
}

function udp(family: Family, port: number): FrameSpec {
  return {
    ip: { src: REMOTE[family], dst: LOCAL[family] },
    udp: { srcPort: 4000, dstPort: port },
  };
}

const batch = new FrameBatch();

/** How a backend hands over frames: af-xdp a batch, whose flows are read ahead; pcap and memory one by one. */
type Order = 'batches' | 'single frames';

function judge(
  pipeline: Pipeline,
  pool: FramePool,
  side: number,
  from: number,
  order: Order,
): number {
  const { view, stride, length, count } = pool;
  let at = from;
  for (let index = 0; index < BATCH; index++) {
    batch.offsets[index] = at * stride;
    batch.lengths[index] = length;
    if (++at === count) at = 0;
  }
  batch.count = BATCH;
  if (order === 'batches') pipeline.lookAhead(view, batch, side);
  for (let index = 0; index < BATCH; index++) {
    pipeline.judge(view, batch.offsets[index] ?? 0, length, side);
  }
  return at;
}

function judgeAll({ pipeline }: Rig, pool: FramePool, side: number, reason: number): void {
  for (let index = 0; index < pool.count; index++) {
    pipeline.judge(pool.view, index * pool.stride, pool.length, side);
    expectThat(
      pipeline.reason === reason,
      `frame ${index}: reason ${pipeline.reason}, not ${reason}`,
    );
  }
}

/** Judges `pool` over and over. */
function steady(
  { pipeline }: Rig,
  pool: FramePool,
  facts: Workload['facts'],
  order: Order = 'batches',
): Workload {
  return {
    batch: BATCH,
    facts: { frameBytes: pool.length, ...facts },
    run(operations) {
      let at = 0;
      for (let done = 0; done < operations; done += BATCH) {
        at = judge(pipeline, pool, OUTSIDE, at, order);
        pipeline.setTime(NOW_MS);
        pipeline.housekeep();
      }
    },
  };
}

function udpHit(count: number, family: Family, order: Order): Workload {
  const made = rig(1000, count, family);
  const opening = framePool({ template: udp(family, ALLOWED_PORT), remote: 'source', count });
  judgeAll(made, opening, OUTSIDE, Reason.Rule);
  const answer: FrameSpec = {
    ip: { src: LOCAL[family], dst: REMOTE[family] },
    udp: { srcPort: ALLOWED_PORT, dstPort: 4000 },
  };
  const answers = framePool({ template: answer, remote: 'destination', count });
  judgeAll(made, answers, INSIDE, Reason.Flow);
  const flows = shuffled(count);
  const template = udp(family, ALLOWED_PORT);
  const pool = framePool({ template, remote: 'source', count, flows });
  judgeAll(made, pool, OUTSIDE, Reason.Flow);
  return steady(made, pool, { rules: 1000, flows: count }, order);
}

/** Established TCP: the acknowledgment of data, over and over. */
function tcpHit(count: number): Workload {
  const { policy } = loadGood(
    nsgdConfiguration([
      { name: 'AllowTcp', access: 'Allow', protocol: 'Tcp', source: '*', ports: [80, 80] },
    ]),
  );
  const made = rig(1, count, 4);
  const { buffer } = compileImage(policy, policy.nics, 1, new PolicyRegistry());
  made.pipeline.usePolicy(PolicyImage.attach(buffer));
  const [client, server] = [REMOTE[4], LOCAL[4]];
  const up = { ip: { src: client, dst: server } };
  const down = { ip: { src: server, dst: client } };
  const ports = { srcPort: 4000, dstPort: 80 };
  const back = { srcPort: 80, dstPort: 4000 };
  const flows = shuffled(count);
  const segment = (spec: FrameSpec, remote: 'source' | 'destination'): FramePool =>
    framePool({ template: spec, remote, count, flows });
  const syn = segment({ ...up, tcp: { ...ports, flags: 'S', sequence: 99 } }, 'source');
  const synAck = segment(
    { ...down, tcp: { ...back, flags: 'SA', sequence: 499, acknowledgment: 100 } },
    'destination',
  );
  const ack = segment(
    { ...up, tcp: { ...ports, flags: 'A', sequence: 100, acknowledgment: 500 } },
    'source',
  );
  judgeAll(made, syn, OUTSIDE, Reason.Rule);
  judgeAll(made, synAck, INSIDE, Reason.Flow);
  judgeAll(made, ack, OUTSIDE, Reason.Flow);
  return steady(made, ack, { rules: 1, flows: count }, 'single frames');
}

/** Every frame opens a flow: from an empty table to a full one. */
function newFlows(count: number, ruleCount: number, family: Family, telling?: Telling): Workload {
  const memory = new ArrayBuffer(FlowTable.bytesFor(count));
  const pool = framePool({ template: udp(family, ALLOWED_PORT), remote: 'source', count });
  let made = rig(ruleCount, count, family, memory);
  return {
    operations: count,
    facts: { rules: ruleCount, flows: count },
    reset() {
      expectThat(made.flows.size === 0 || made.flows.stats[2] !== 0, 'flows were inserted');
      made = rig(ruleCount, count, family, memory);
    },
    run(operations) {
      let at = 0;
      for (let done = 0; done < operations; done += BATCH) {
        if (telling !== undefined) setEvents(made.events, telling);
        at = judge(made.pipeline, pool, OUTSIDE, at, 'batches');
        made.pipeline.housekeep();
      }
    },
  };
}

/** Every frame is denied by the default rule behind all others. */
function denied(ruleCount: number, family: Family): Workload {
  const made = rig(ruleCount, 1024, family);
  const pool = framePool({
    template: udp(family, DENIED_PORT),
    remote: 'source',
    count: 65_536,
    flows: shuffled(65_536),
  });
  judgeAll(made, pool, OUTSIDE, Reason.RuleDeny);
  return steady(made, pool, { rules: ruleCount, flows: 0 });
}

/** Likewise, and each of them is told: the time goes on as fast as that many may be. */
function deniedAndTold(ruleCount: number): Workload {
  const count = 65_536;
  const made = rig(ruleCount, 1024, 4);
  const flows = shuffled(count);
  const pool = framePool({ template: udp(4, DENIED_PORT), remote: 'source', count, flows });
  let now = NOW_MS;
  return {
    batch: BATCH,
    facts: { rules: ruleCount, flows: 0 },
    run(operations) {
      const before = made.events[EventHeader.Written] ?? 0;
      let at = 0;
      for (let done = 0; done < operations; done += BATCH) {
        setEvents(made.events, 'read');
        now += BATCH / DENIED_PER_MILLISECOND;
        made.pipeline.setTime(now);
        at = judge(made.pipeline, pool, OUTSIDE, at, 'batches');
        made.pipeline.housekeep();
      }
      const told = ((made.events[EventHeader.Written] ?? 0) - before) | 0;
      expectThat(told === operations, `${told} of ${operations} denied packets were told`);
    },
  };
}

/** A flood of new flows against a full table: each pushes out the oldest unreplied one. */
function flood(count: number, ruleCount: number): Workload {
  const made = rig(ruleCount, count, 4);
  const template = udp(4, ALLOWED_PORT);
  const pool = framePool({ template, remote: 'source', count: 2 * count });
  judgeAll(made, pool, OUTSIDE, Reason.Rule);
  return steady(made, pool, { rules: ruleCount, flows: count });
}

/** A pipeline whose table is full of unreplied flows, last seen at `now` (milliseconds). */
export function fullTable(count: number): Rig & { readonly now: number } {
  const made = rig(1, count, 4);
  const pool = framePool({ template: udp(4, ALLOWED_PORT), remote: 'source', count });
  judgeAll(made, pool, OUTSIDE, Reason.Rule);
  expectThat(made.flows.size === count, 'the table is full');
  return { ...made, now: NOW_MS };
}

/** Microseconds of each packet of a full table's flows in random order, frame to verdict, the clock's own time included. */
export function hitTimes(count: number): Float64Array {
  const { pipeline } = fullTable(count);
  const flows = shuffled(count);
  const template = udp(4, ALLOWED_PORT);
  const { view, stride, length } = framePool({ template, remote: 'source', count, flows });
  const times = new Float64Array(count);
  // The first round compiles.
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < count; index++) {
      const start = performance.now();
      pipeline.judge(view, index * stride, length, OUTSIDE);
      times[index] = (performance.now() - start) * 1000;
      expectThat(pipeline.reason === Reason.Flow, `packet ${index} is of a flow`);
    }
  }
  return times;
}

const MAKERS: Readonly<Record<string, () => Workload>> = {
  'hit-10k': () => udpHit(10_000, 4, 'single frames'),
  'hit-10k-batches': () => udpHit(10_000, 4, 'batches'),
  'hit-1M-random': () => udpHit(1_000_000, 4, 'batches'),
  'hit-1M-random-single-frames': () => udpHit(1_000_000, 4, 'single frames'),
  'hit-10k-ipv6': () => udpHit(10_000, 6, 'single frames'),
  'hit-1M-random-ipv6': () => udpHit(1_000_000, 6, 'batches'),
  'hit-tcp-10k': () => tcpHit(10_000),
  'new-1k-rules': () => newFlows(65_536, 1000, 4),
  'new-1k-rules-1M-flows': () => newFlows(1_048_576, 1000, 4),
  'new-1k-rules-ipv6': () => newFlows(65_536, 1000, 6),
  'new-1k-rules-events-read': () => newFlows(65_536, 1000, 4, 'read'),
  'new-1k-rules-events-full': () => newFlows(65_536, 1000, 4, 'full'),
  'new-1-rule': () => newFlows(65_536, 1, 4),
  'denied-1k-rules': () => denied(1000, 4),
  'denied-1k-rules-events-read': () => deniedAndTold(1000),
  'denied-1k-rules-ipv6': () => denied(1000, 6),
  'flood-full-table': () => flood(262_144, 1000),
};

export const pipelineCases: readonly BenchCase[] = Object.entries(MAKERS).map(
  ([name, prepare]) => ({ name: `pipeline/${name}`, unit: 'packets', prepare }),
);
