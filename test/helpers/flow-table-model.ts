/**
 * The flow table as one would write it down: maps in order of last use, whole seconds, plain numbers. What the real one is
 * compared with.
 */
import {
  DEFAULT_TIMEOUTS,
  EVICTION_ORDER,
  EXPIRY_REASONS,
  FlowList,
} from '../../src/flowtable/expiry.ts';
import { FlowState, RemoveReason } from '../../src/flowtable/record.ts';

const TIMEOUTS = [
  DEFAULT_TIMEOUTS.unreplied,
  DEFAULT_TIMEOUTS.established,
  DEFAULT_TIMEOUTS.closing,
  DEFAULT_TIMEOUTS.closed,
];

export class ModelFlow {
  readonly id: number;
  readonly opener: number;
  generation: number;
  slots: number;
  state: number = FlowState.Unreplied;
  lastSeen: number;
  readonly packets: [number, number] = [0, 0];
  readonly bytes: [number, number] = [0, 0];

  constructor(id: number, opener: number, now: number, stamp: readonly [number, number]) {
    this.id = id;
    this.opener = opener;
    this.lastSeen = now;
    [this.generation, this.slots] = stamp;
  }

  get list(): number {
    const { state } = this;
    if (state === FlowState.Closed) return FlowList.Closed;
    if (state >= FlowState.Closing) return FlowList.Closing;
    return state >= FlowState.Established ? FlowList.Established : FlowList.Unreplied;
  }

  isExpired(now: number): boolean {
    return now - this.lastSeen > (TIMEOUTS[this.list] ?? 0);
  }
}

export class ModelTable {
  readonly maxFlows: number;
  readonly flows = new Map<number, ModelFlow>();
  /** By list: flows in order of last use, oldest first. */
  readonly lists: readonly Map<number, ModelFlow>[] = [new Map(), new Map(), new Map(), new Map()];
  /** `id reason` of every removal, in order. */
  readonly removals: string[] = [];
  refused = 0;

  constructor(maxFlows: number) {
    this.maxFlows = maxFlows;
  }

  find(id: number, now: number): ModelFlow | undefined {
    const flow = this.flows.get(id);
    if (flow === undefined || !flow.isExpired(now)) return flow;
    this.#expire(flow);
    return undefined;
  }

  insert(
    id: number,
    opener: number,
    now: number,
    stamp: readonly [number, number],
  ): ModelFlow | undefined {
    if (this.flows.size === this.maxFlows && !this.#makeRoom(now)) {
      this.refused++;
      return undefined;
    }
    const flow = new ModelFlow(id, opener, now, stamp);
    this.flows.set(id, flow);
    this.lists[flow.list]?.set(id, flow);
    return flow;
  }

  touch(flow: ModelFlow, direction: 0 | 1, bytes: number, now: number, state: number): void {
    flow.packets[direction] = (flow.packets[direction] + 1) % 2 ** 32;
    flow.bytes[direction] = (flow.bytes[direction] + bytes) % 2 ** 48;
    if (flow.state === state && flow.lastSeen === now) return;
    this.lists[flow.list]?.delete(flow.id);
    flow.state = state;
    flow.lastSeen = now;
    this.lists[flow.list]?.set(flow.id, flow);
  }

  remove(flow: ModelFlow, reason: number): void {
    this.removals.push(`${flow.id} ${reason}`);
    this.flows.delete(flow.id);
    this.lists[flow.list]?.delete(flow.id);
  }

  sweep(now: number, budget: number): number {
    let removed = 0;
    for (const list of this.lists) {
      for (const flow of list.values()) {
        if (removed === budget || !flow.isExpired(now)) break;
        this.#expire(flow);
        removed++;
      }
    }
    return removed;
  }

  #expire(flow: ModelFlow): void {
    this.remove(flow, EXPIRY_REASONS[flow.list] ?? -1);
  }

  #makeRoom(now: number): boolean {
    for (const list of EVICTION_ORDER) {
      const oldest = this.#oldest(list);
      if (oldest === undefined) continue;
      if (oldest.isExpired(now)) this.#expire(oldest);
      else this.remove(oldest, RemoveReason.Evicted);
      return true;
    }
    const established = this.#oldest(FlowList.Established);
    if (established === undefined || !established.isExpired(now)) return false;
    this.#expire(established);
    return true;
  }

  #oldest(list: number): ModelFlow | undefined {
    return this.lists[list]?.values().next().value;
  }
}
