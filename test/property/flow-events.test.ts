/**
 * The ring of flow events against a queue: any mix of flows that open and end, denied packets, time, and reading that is
 * faster or slower than the writing, over several turns of the ring and the wrap of its positions.
 */
import { expect, test } from 'vitest';
import { EVENT_CAPACITY, EventHeader, EventKind } from '../../src/engine/event-record.ts';
import { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import { DENIED_BURST, FlowEvents } from '../../src/engine/flow-events.ts';
import { Packet } from '../../src/capture/packet.ts';
import { Reason } from '../../src/engine/reason.ts';
import { FlowKey } from '../../src/flowtable/key.ts';
import { type FlowIndex, NO_FLOW, RemoveReason } from '../../src/flowtable/record.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { keyOf, newTable } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const { Opened, Ended, Denied } = EventKind;
const MAX_FLOWS = 64;
const OPERATIONS = 200_000;
const DENIED_PER_MILLISECOND = 4;

/** What the ring should hold, and what should have been left out. */
class Model {
  /** Everything that was told; what waits to be read begins at `head`. */
  readonly told: string[] = [];
  head = 0;
  readonly written = [0, 0, 0, 0];
  readonly lost = [0, 0, 0, 0];
  now = 1000;
  credit = DENIED_BURST;

  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.credit = Math.min(DENIED_BURST, this.credit + milliseconds * DENIED_PER_MILLISECOND);
  }

  tell(kind: number, text: string): void {
    const limit = kind === Denied ? EVENT_CAPACITY / 2 : EVENT_CAPACITY;
    const isRefused = this.told.length - this.head >= limit || (kind === Denied && this.credit < 1);
    const counts = isRefused ? this.lost : this.written;
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (isRefused) return;
    if (kind === Denied) this.credit--;
    this.told.push(text);
  }
}

function textOf(reader: FlowEventReader): string {
  const ports = [reader.localPort, reader.remotePort, reader.protocol, reader.direction];
  return [reader.kind, reader.reason, reader.time, reader.flow, ...ports].join(' ');
}

class Trial {
  readonly random: Random;
  readonly model = new Model();
  readonly buffer = new ArrayBuffer(FlowEvents.bytes);
  readonly reader: FlowEventReader;
  readonly table: FlowTable = newTable({ maxFlows: MAX_FLOWS });
  readonly #key = new FlowKey();
  readonly #packet = new Packet();
  readonly #live: FlowIndex[] = [];
  #nextId = 0;
  #isShown = false;
  events: FlowEvents;

  constructor(random: Random, firstPosition: number) {
    this.random = random;
    FlowEvents.create(this.buffer);
    const header = new Int32Array(this.buffer);
    header[EventHeader.Written] = firstPosition;
    header[EventHeader.Read] = firstPosition;
    this.events = FlowEvents.attach(this.buffer);
    this.reader = new FlowEventReader(this.buffer);
    this.events.setTime(this.model.now);
  }

  step(reading: number): void {
    const choice = this.random.below(100);
    if (choice < 2) this.#pass();
    else if (choice < 30) this.#open();
    else if (choice < 58) this.#end();
    else this.#deny();
    for (let events = this.random.below(reading); events > 0; events--) this.read();
  }

  /** One event of both. The one that was read before has its place until now. @returns false when there is none */
  read(): boolean {
    const { model } = this;
    if (this.#isShown) model.head++;
    const expected = model.told[model.head];
    this.#isShown = this.reader.next();
    const text = this.#isShown ? textOf(this.reader) : undefined;
    // Not expect(): a million of them take their time.
    if (text !== expected) throw new Error(`${text} instead of ${expected}`);
    return this.#isShown;
  }

  #pass(): void {
    const milliseconds = this.random.below(50);
    this.model.pass(milliseconds);
    this.events.setTime(this.model.now);
  }

  #open(): void {
    if (this.#live.length === MAX_FLOWS) return;
    // Never one that the table has.
    const id = this.#nextId++;
    keyOf(id, this.#key);
    const flow = this.table.insert(this.#key, id & 1, 1, 1, 0);
    if (flow === NO_FLOW) return;
    this.#live.push(flow);
    this.events.opened(this.table, flow, this.#packet, Reason.Rule);
    this.model.tell(Opened, this.#flowText(Opened, Reason.Rule, flow));
  }

  #end(): void {
    const flow = this.#live.pop();
    if (flow === undefined) return;
    const reason = this.random.pick(Object.values(RemoveReason));
    this.events.ended(this.table, flow, reason);
    this.model.tell(Ended, this.#flowText(Ended, reason, flow));
    this.table.remove(flow, reason);
  }

  #deny(): void {
    const packet = this.#packet;
    const direction = this.random.below(2);
    const reason = 8 + this.random.below(16);
    packet.ipVersion = reason === Reason.Oversize ? 0 : 4;
    packet.protocol = 17;
    packet.hasPorts = true;
    packet.srcPort = this.random.below(65_536);
    packet.dstPort = this.random.below(65_536);
    this.events.denied(packet, direction, reason, -1, 1);
    const ports =
      direction === 0 ? [packet.dstPort, packet.srcPort] : [packet.srcPort, packet.dstPort];
    const key = packet.ipVersion === 0 ? [0, 0, 0] : [...ports, 17];
    this.model.tell(Denied, [Denied, reason, this.model.now, -1, ...key, direction].join(' '));
  }

  #flowText(kind: number, reason: number, flow: FlowIndex): string {
    const { table } = this;
    const ports = [table.localPort(flow), table.remotePort(flow), table.protocol(flow)];
    return [kind, reason, this.model.now, flow, ...ports, table.opener(flow)].join(' ');
  }
}

test.each<readonly [string, number, number]>([
  ['a reader that keeps up', 4, 0],
  ['a reader that is slower than the writer', 2, 0],
  ['a reader that hardly reads, as the positions wrap', 1, -40_000],
  ['a reader that keeps up, as the positions pass the middle of their range', 4, 0x7fff_fff0],
])('the ring is a bounded queue: %s', (_, reading, firstPosition) => {
  const random = new Random();
  const trial = new Trial(random, firstPosition);
  try {
    for (let step = 0; step < OPERATIONS; step++) {
      trial.step(reading === 1 ? (random.below(4) === 0 ? 2 : 1) : reading);
      // The writer is killed and replaced: its denied packets get a new burst.
      if (random.below(50_000) === 0) {
        trial.events = FlowEvents.attach(trial.buffer);
        trial.events.setTime(trial.model.now);
        trial.model.credit = DENIED_BURST;
      }
    }
    while (trial.read()) continue;
  } catch (error) {
    throw new Error(`seed ${random.seed}: ${(error as Error).message}`, { cause: error });
  }
  const { reader, model } = trial;
  for (const kind of [Opened, Ended, Denied]) {
    expect([kind, reader.written(kind), reader.lost(kind)]).toEqual([
      kind,
      model.written[kind],
      model.lost[kind],
    ]);
  }
  expect(reader.damaged).toBe(0);
  if (reading === 1) expect(model.lost[Opened]).toBeGreaterThan(0);
});
