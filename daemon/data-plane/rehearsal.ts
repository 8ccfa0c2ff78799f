/**
 * The rehearsal of the packet path: before the wire opens, made-up frames go through a pipeline of their own, so that V8 has
 * seen every way through it.
 *
 * V8 compiles what runs often, for what it has seen so far. Where compiled code comes to a place that it never was at, it is
 * thrown away, and everything around it is interpreted, some ten times slower, until it is compiled anew: with the path of
 * a packet that takes hundreds of milliseconds, at the first fragment, the first flow that expires, and when the table is full
 * for the first time. So each of these happens here, a few times, which is enough to be known and too little to be compiled.
 *
 * Nothing of it is seen outside: tables, counters, events and policies are made here, and forgotten afterwards.
 */
import { BATCH_FRAMES, FrameBatch, Side } from '../../src/capture/frame.ts';
import { completePartialChecksum } from '../../src/capture/wire/checksum.ts';
import { Counters } from '../../src/engine/counters.ts';
import { EVENT_CAPACITY, EventHeader } from '../../src/engine/event-record.ts';
import { DENIED_BURST, FlowEvents } from '../../src/engine/flow-events.ts';
import { Pipeline } from '../../src/engine/pipeline.ts';
import { FragmentTable } from '../../src/flowtable/fragments.ts';
import { FlowKey } from '../../src/flowtable/key.ts';
import { FlowState, NO_SLOT, packSlots, Word } from '../../src/flowtable/record.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { randomSeeds } from '../seeds.ts';
import { type RehearsalFrame, rehearsalFrames } from './rehearsal-frames.ts';
import { rehearsalPolicy } from './rehearsal-policy.ts';

/** More than look-ahead.ts calls small, and as many as leave the fewest slots of the index free: some lie far from their place. */
const MAX_FLOWS = 1536;
/**
 * Rounds in a full table, after all in it expired, and in one whose flows make way. V8 takes notes of a function from its eighth
 * call on; most are called more than once in a round.
 */
const FULL_ROUNDS = 2;
const EXPIRY_ROUNDS = 8;
const EVICTION_ROUNDS = 8;
/** Rounds that have one policy, a power of two. */
const POLICY_ROUNDS = 2;
/** Ports of the peer; with the same as before a flow is found that expired. */
const PORTS = 8;
const FIRST_PORT = 1024;
/** Longer than every timeout. */
const LONG_MILLISECONDS = 10_000_000;
const MAX_FRAME_BYTES = 1522;
/** Of a frame, before what a wrong bit changes anything of. */
const ADDRESS_BYTES = 12;
const FORWARD = 1;
const NOT_IP = 0;

/** A frame in the memory of all of them. */
interface Placed {
  readonly offset: number;
  readonly length: number;
  readonly side: Side;
  /** Offsets of what is another in every round. */
  readonly changing: readonly number[];
}

/** Frames one after another, as the memory of a wire has them. */
function place(frames: readonly RehearsalFrame[]): { view: DataView; placed: Placed[] } {
  const memory = new Uint8Array(frames.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let offset = 0;
  const placed = frames.map(({ bytes, side, changing }) => {
    memory.set(bytes, offset);
    const start = offset;
    offset += bytes.length;
    return {
      offset: start,
      length: bytes.length,
      side,
      changing: changing.map((at) => start + at),
    };
  });
  return { view: new DataView(memory.buffer), placed };
}

function inBatches(frames: readonly Placed[]): Placed[][] {
  const batches: Placed[][] = [];
  for (let first = 0; first < frames.length; first += BATCH_FRAMES) {
    batches.push(frames.slice(first, first + BATCH_FRAMES));
  }
  return batches;
}

class Rehearsal {
  readonly counters = new Counters(new ArrayBuffer(Counters.bytes));
  readonly #flows = FlowTable.create(new ArrayBuffer(FlowTable.bytesFor(MAX_FLOWS)), 0, {
    maxFlows: MAX_FLOWS,
    seeds: randomSeeds(),
  });
  readonly #images = [rehearsalPolicy(false), rehearsalPolicy(true)] as const;
  readonly #eventWords: Int32Array;
  readonly #events: FlowEvents;
  readonly #pipeline: Pipeline;
  readonly #view: DataView;
  readonly #batches: readonly (readonly Placed[])[];
  readonly #ahead = new FrameBatch();
  readonly #key = new FlowKey();
  #milliseconds = 0;
  #filled = 0;

  constructor() {
    const flows = this.#flows;
    flows.useMarks(new Int32Array(flows.markBuckets * flows.bucketWords));
    const events = new ArrayBuffer(FlowEvents.bytes);
    this.#eventWords = new Int32Array(events);
    this.#events = FlowEvents.create(events);
    this.#pipeline = new Pipeline(
      { maxFrameLength: MAX_FRAME_BYTES },
      {
        image: this.#images[0],
        flows,
        fragments: new FragmentTable(randomSeeds()),
        counters: this.counters,
        events: this.#events,
      },
    );
    const { view, placed } = place(rehearsalFrames());
    this.#view = view;
    this.#batches = inBatches(placed);
  }

  run(): void {
    // No room for another flow, and none for another event.
    this.#fill(FlowState.Established);
    this.#leaveEvents(EVENT_CAPACITY);
    this.#rounds(FULL_ROUNDS);
    this.#leaveEvents(0);
    this.#tellTooMuch();
    // All have expired, and take their leave when they are looked at, when their place is wanted, or by and by.
    this.#wait();
    this.#rounds(EXPIRY_ROUNDS, true);
    // None of them was answered: they make way.
    this.#wait();
    this.#fill(FlowState.Unreplied);
    this.#rounds(EVICTION_ROUNDS);
    this.#wait();
    this.#rounds(1);
  }

  /** @param hasWrong whether wrong frames come too */
  #rounds(count: number, hasWrong = false): void {
    for (let round = 0; round < count; round++) {
      this.#pipeline.usePolicy(this.#images[(round & POLICY_ROUNDS) === 0 ? 0 : 1]);
      for (const batch of this.#batches) this.#judgeBatch(batch, FIRST_PORT + (round % PORTS));
      if (hasWrong) this.#wrong(round);
      this.#pipeline.housekeep();
    }
  }

  #wait(): void {
    this.#milliseconds += LONG_MILLISECONDS;
    this.#pipeline.setTime(this.#milliseconds);
  }

  /** Leaves no record free. */
  #fill(state: number): void {
    const flows = this.#flows;
    const { words } = this.#key;
    const seconds = this.#milliseconds / 1000;
    while (flows.size < MAX_FLOWS) {
      words[Word.Remote + 3] = this.#filled++;
      const flow = flows.insert(this.#key, Side.Outside, seconds, 1, packSlots(NO_SLOT, NO_SLOT));
      flows.touch(flow, Side.Inside, 0, seconds, state);
    }
  }

  /** More denied packets than are told. */
  #tellTooMuch(): void {
    const { packet, reason } = this.#pipeline;
    for (let denied = 0; denied <= DENIED_BURST; denied++) {
      this.#events.denied(packet, Side.Outside, reason, 0, 0);
    }
  }

  /** @param waiting events that the reader has not read yet */
  #leaveEvents(waiting: number): void {
    const written = this.#eventWords[EventHeader.Written] ?? 0;
    this.#eventWords[EventHeader.Read] = written - waiting;
  }

  #judgeBatch(batch: readonly Placed[], port: number): void {
    const view = this.#view;
    const ahead = this.#ahead;
    for (const [n, { offset, length, changing }] of batch.entries()) {
      for (const at of changing) view.setUint16(at, port);
      ahead.offsets[n] = offset;
      ahead.lengths[n] = length;
    }
    ahead.count = batch.length;
    this.#pipeline.lookAhead(view, ahead, Side.Outside);
    for (const { offset, length, side } of batch) this.#judge(offset, length, side);
  }

  /** As the data plane judges. */
  #judge(offset: number, length: number, side: Side): void {
    const { packet } = this.#pipeline;
    const access = this.#pipeline.judge(this.#view, offset, length, side);
    if (access === FORWARD && packet.ipVersion !== NOT_IP) {
      completePartialChecksum(this.#view, packet);
    }
  }

  /** Every frame cut short, or with a wrong bit: in every round elsewhere. */
  #wrong(round: number): void {
    const view = this.#view;
    for (const [n, { offset, length, side }] of this.#batches.flat().entries()) {
      const turn = round + n;
      if ((turn & 1) === 0) {
        this.#judge(offset, (turn * 7) % length, side);
        continue;
      }
      const at = offset + ADDRESS_BYTES + ((turn * 5) % (length - ADDRESS_BYTES));
      const right = view.getUint8(at);
      view.setUint8(at, right ^ (1 << ((turn >> 1) & 7)));
      this.#judge(offset, length, side);
      view.setUint8(at, right);
    }
  }
}

/** Takes 0.2 s, on a busy machine more: not while connections wait. @returns what it counted */
export function rehearse(): Counters {
  const rehearsal = new Rehearsal();
  rehearsal.run();
  return rehearsal.counters;
}
