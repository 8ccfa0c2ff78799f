/**
 * The flow table equals its model, for a million random operations: what is found, what leaves and why, sizes, counters,
 * and which flow a full table gives up. The clock passes the point where the seconds of a record wrap.
 */
import { describe, expect, test } from 'vitest';
import { IpProtocol, Packet } from '../../src/capture/packet.ts';
import { FLOW_LISTS } from '../../src/flowtable/expiry.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import {
  type FlowIndex,
  FlowState,
  NO_FLOW,
  RemoveReason,
  SECONDS_MASK,
} from '../../src/flowtable/record.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import type { FlowTable } from '../../src/flowtable/table.ts';
import { track, TrackCode } from '../../src/flowtable/track.ts';
import { type ModelFlow, ModelTable } from '../helpers/flow-table-model.ts';
import { fillPacket, inconsistencies, keyIn, keyOf, keyText, newTable } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const OPERATIONS = 250_000;
const SAMPLE = 8192;
const TCP_STATES = Object.values(FlowState).filter((state) => state !== FlowState.Free);
const REASONS = Object.values(RemoveReason);

/** The table and its model, told the same. Every third flow is TCP; odd ones are IPv6 (`keyOf`). */
class Pair {
  readonly table: FlowTable;
  readonly model: ModelTable;
  readonly random: Random;
  readonly removals: string[] = [];
  readonly #ids = new Map<string, number>();
  readonly #records = new Map<number, FlowIndex>();
  readonly #key = new FlowKey();
  readonly #packet = new Packet();
  readonly #idCount: number;
  now = SECONDS_MASK - 3000;

  constructor(maxFlows: number, random: Random) {
    this.random = random;
    this.table = newTable({ maxFlows, seeds: [random.uint32(), random.uint32()] });
    this.model = new ModelTable(maxFlows);
    // Enough for a full table and for a stranger now and then.
    this.#idCount = maxFlows * 2 + 2;
    for (let id = 0; id < this.#idCount; id++) {
      this.#ids.set(keyText(keyOf(id, this.#key, protocolOf(id))), id);
    }
    this.table.listener = {
      ended: (_, flow, reason) => {
        const id = this.#ids.get(keyText(keyIn(this.table, flow)));
        this.removals.push(`${id} ${reason}`);
      },
    };
  }

  /** One operation. @returns what differs, or undefined */
  step(): string | undefined {
    const { random } = this;
    if (random.below(30 + this.model.maxFlows / 2) === 0)
      this.now += random.pick([1, 1, 1, 2, 5, 11, 31, 61, 250]);
    const choice = random.below(100);
    if (choice < 3) return this.#sweep();
    const id = random.below(this.#idCount);
    const direction = random.below(2) as 0 | 1;
    const found = this.table.find(keyOf(id, this.#key, protocolOf(id)), this.now);
    const flow = this.model.find(id, this.now);
    if (flow === undefined) {
      if (found !== NO_FLOW) return `flow ${id} is found`;
      return choice < 60 ? this.#insert(id, direction) : undefined;
    }
    if (found !== this.#records.get(id)) return `flow ${id} is found as ${found}`;
    if (choice < 80) return this.#packetOf(flow, found, direction);
    if (choice < 90) this.#restamp(flow, found);
    else if (choice < 97) this.#remove(flow, found);
    return undefined;
  }

  #sweep(): string | undefined {
    const budget = this.random.below(20);
    const removed = this.table.sweep(this.now, budget);
    const expected = this.model.sweep(this.now, budget);
    return removed === expected ? undefined : `${removed} swept, expected ${expected}`;
  }

  #insert(id: number, direction: 0 | 1): string | undefined {
    const stamp = [this.random.uint32() | 0, this.random.uint32() | 0] as const;
    const record = this.table.insert(this.#key, direction, this.now, ...stamp);
    const flow = this.model.insert(id, direction, this.now, stamp);
    if ((record === NO_FLOW) !== (flow === undefined)) return `insert gives ${record}`;
    if (flow === undefined) return undefined;
    this.#records.set(id, record);
    return this.#packetOf(flow, record, direction);
  }

  /** By `track` for UDP, which knows who has spoken; by `touch` with any state for TCP. */
  #packetOf(flow: ModelFlow, record: FlowIndex, direction: 0 | 1): string | undefined {
    const { table, model, random, now } = this;
    const bytes = random.below(65_576);
    if (protocolOf(flow.id) === IpProtocol.Tcp) {
      const state = random.pick(TCP_STATES);
      table.touch(record, direction, bytes, now, state);
      model.touch(flow, direction, bytes, now, state);
      return undefined;
    }
    const packet = fillPacket(this.#packet, flow.id, direction);
    packet.ipLength = bytes;
    flowKey(packet, direction, this.#key);
    const code = track(table, record, packet, direction, now);
    const state = direction === flow.opener ? flow.state : FlowState.Established;
    model.touch(flow, direction, bytes, now, state);
    if (table.find(this.#key, now) !== record) return `the packet of ${flow.id} has another key`;
    return code === TrackCode.Pass ? undefined : `track gives ${code}`;
  }

  #restamp(flow: ModelFlow, record: FlowIndex): void {
    flow.generation = this.random.uint32() | 0;
    flow.slots = this.random.uint32() | 0;
    this.table.restamp(record, flow.generation, flow.slots);
  }

  #remove(flow: ModelFlow, record: FlowIndex): void {
    const reason = this.random.pick(REASONS);
    this.table.remove(record, reason);
    this.model.remove(flow, reason);
  }

  /** Everything, flow by flow and list by list. */
  compare(): void {
    const { table, model, now } = this;
    expect(inconsistencies(table, now)).toEqual([]);
    for (let list = 0; list < FLOW_LISTS; list++) {
      expect(table.sizeOf(list)).toBe(model.lists[list]?.size);
    }
    expect(table.stat(FlowStat.TableFull)).toBe(model.refused);
    expect(table.stat(FlowStat.ProbeLimit)).toBe(0);
    const removed = REASONS.map((reason) => table.stat(FlowStat.Removed + reason));
    expect(removed.reduce((sum, count) => sum + count, 0)).toBe(model.removals.length);
    expect(table.stat(FlowStat.Inserts)).toBe(model.removals.length + model.flows.size);
    for (const flow of model.flows.values()) {
      expect(this.#rowOf(this.#records.get(flow.id) as FlowIndex)).toEqual([
        ...[flow.id, flow.state, flow.opener, now - flow.lastSeen, flow.generation, flow.slots | 0],
        ...[...flow.packets, ...flow.bytes],
      ]);
    }
  }

  #rowOf(record: FlowIndex): (number | undefined)[] {
    const { table, now } = this;
    return [
      this.#ids.get(keyText(keyIn(table, record))),
      table.state(record),
      table.opener(record),
      table.idle(record, now),
      table.generation(record),
      (table.slot0(record) << 16) | table.slot1(record),
      table.packets(record, 0),
      table.packets(record, 1),
      table.bytes(record, 0),
      table.bytes(record, 1),
    ];
  }
}

function protocolOf(id: number): number {
  return id % 3 === 0 ? IpProtocol.Tcp : IpProtocol.Udp;
}

describe(`${OPERATIONS} operations`, () => {
  test.each([2, 11, 100, 1024])('a table of %i flows', (maxFlows) => {
    const random = new Random();
    const pair = new Pair(maxFlows, random);
    const { model, removals } = pair;
    for (let operation = 0; operation < OPERATIONS; operation++) {
      const name = `seed ${random.seed}, operation ${operation}`;
      const known = removals.length;
      const difference = pair.step();
      if (difference !== undefined) throw new Error(`${name}: ${difference}`);
      if (removals.length !== model.removals.length) throw new Error(`${name}: removals differ`);
      for (let at = known; at < removals.length; at++) {
        if (removals[at] !== model.removals[at]) {
          throw new Error(`${name}: ${removals[at]} left, expected ${model.removals[at]}`);
        }
      }
      if (operation % SAMPLE === 0) pair.compare();
    }
    pair.compare();
    // The run was worth it: every reason, refusals, and the wrap of the clock.
    for (const reason of REASONS) {
      expect(pair.table.stat(FlowStat.Removed + reason), `reason ${reason}`).toBeGreaterThan(100);
    }
    expect(pair.now).toBeGreaterThan(SECONDS_MASK);
  });
});
