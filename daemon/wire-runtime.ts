/**
 * WireRuntime: one wire of the running daemon, seen from the control process: its segments, its supervised data
 * plane, the names of its counters, the policy in force on it, and its flows from one run to the next.
 */
import { rmSync } from 'node:fs';
import type { Logger } from 'pino';
import {
  type CompiledImage,
  compileImage,
  PolicyRegistry,
} from '../src/engine/policy-image-compile.ts';
import type { NicPolicy, Policy, RuleList } from '../src/engine/policy.ts';
import { NO_SLOT } from '../src/flowtable/record.ts';
import { putRows } from '../src/flowtable/saved-flows.ts';
import type { FlowView } from '../src/flowtable/view.ts';
import type { Wire } from '../src/policy/configuration-interfaces.ts';
import type { Counters } from '../src/engine/counters.ts';
import type { FlowEventReader } from '../src/engine/flow-event-reader.ts';
import type { ControlPage } from './data-plane/control-page.ts';
import { NicNames } from './events/nic-names.ts';
import { machineClocks, noteRuleNames, saveFlows, type SavedFlows } from './saved-flows.ts';
import { closeBypass, openBypass } from './host-mode/bypass.ts';
import { publishPolicy, type PublishOutcome, type WireSegments } from './supervisor-segments.ts';
import type { Supervisor, SupervisorState } from './supervisor.ts';
import type { WireView } from './wire-view.ts';

export interface WireRuntimeParts {
  readonly segments: WireSegments;
  readonly supervisor: Supervisor;
  /** What an earlier run left. */
  readonly savedFlows: SavedFlows | undefined;
  /** Where a stop leaves them. */
  readonly savedFlowsFile: string;
  readonly log: Logger;
}

/** A compiled policy of one wire that is not in force yet. */
export interface PreparedPolicy {
  readonly policy: Policy;
  readonly compiled: CompiledImage;
  readonly generation: number;
}

export class WireRuntime implements WireView {
  readonly wire: Wire;
  readonly page: ControlPage;
  readonly counters: Counters;
  readonly flows: FlowView;
  readonly events: FlowEventReader;
  readonly nicNames = new NicNames();
  readonly log: Logger;
  readonly #segments: WireSegments;
  readonly #supervisor: Supervisor;
  readonly #savedFlowsFile: string;
  #savedFlows: SavedFlows | undefined;
  #registry = new PolicyRegistry();
  #compiled: CompiledImage | undefined;
  #backend: string;
  #isStarted = false;
  #ringSlots: readonly number[] = [];

  constructor(wire: Wire, parts: WireRuntimeParts) {
    this.wire = wire;
    this.#backend = wire.backend;
    this.#segments = parts.segments;
    this.#supervisor = parts.supervisor;
    this.#savedFlows = parts.savedFlows;
    this.#savedFlowsFile = parts.savedFlowsFile;
    this.page = parts.segments.page;
    this.counters = parts.segments.counters;
    this.flows = parts.segments.flows;
    this.events = parts.segments.events;
    this.log = parts.log.child({ wire: wire.name });
    this.#logEvents();
  }

  get name(): string {
    return this.wire.name;
  }
  get outside(): string {
    return this.wire.outside;
  }
  get inside(): string {
    return this.wire.inside;
  }
  get mode(): string {
    return this.wire.mode;
  }
  get onStop(): 'closed' | 'open' {
    return this.wire.host?.onStop ?? 'closed';
  }
  /** The one in use; before the first start the one asked for. */
  get backend(): string {
    return this.#backend;
  }
  get ringSlots(): readonly number[] {
    return this.#ringSlots;
  }
  get registry(): PolicyRegistry {
    return this.#registry;
  }
  get lists(): readonly RuleList[] {
    return this.#compiled?.lists ?? [];
  }
  get nics(): readonly NicPolicy[] {
    return this.#compiled?.nics ?? [];
  }
  get isReady(): boolean {
    return this.#supervisor.isReady && this.page.activeGeneration === this.page.wantedGeneration;
  }
  get isAlive(): boolean {
    return this.#supervisor.isAlive;
  }
  get state(): string {
    const { state, detail } = this.#supervisor;
    return detail === '' ? state : `${state}: ${detail}`;
  }

  /**
   * Compiles the wire's part of a policy beside the one in force.
   * @throws RangeError over a documented bound
   */
  prepare(policy: Policy, generation: number): PreparedPolicy {
    const nics = policy.nics.filter((nic) => nic.wire === this.name);
    const registry = this.#registry.copy();
    return { policy, compiled: compileImage(policy, nics, generation, registry), generation };
  }

  /** Puts a prepared policy in force. The one before stays when the data plane rejects it. */
  async enforce(prepared: PreparedPolicy): Promise<PublishOutcome> {
    const { compiled, generation } = prepared;
    for (const slot of compiled.newRuleSlots) this.counters.clearRule(slot);
    // Before a flow can point at one of them.
    noteRuleNames(this.#segments.paths, compiled.registry.rules.names);
    const outcome = await publishPolicy(this.#segments, compiled.buffer, generation);
    if (outcome.status !== 'rejected') {
      this.#compiled = compiled;
      this.nicNames.update(compiled.nics);
      this.#registry = compiled.registry;
    }
    return outcome;
  }

  /** Tells of every change of the data plane's state. */
  onState(listener: (state: SupervisorState, detail: string) => void): void {
    this.#supervisor.on('state', listener);
  }

  /** Takes over the flows of an earlier run. Once the first policy is in force, before `start`. */
  restoreFlows(): void {
    const saved = this.#savedFlows;
    if (saved === undefined) return;
    this.#savedFlows = undefined;
    const { rules } = this.#registry;
    const slots = saved.ruleNames.map((name) => rules.slotOf(name));
    const slotOf = (slot: number): number => {
      const found = slots[slot] ?? -1;
      return found < 0 ? NO_SLOT : found;
    };
    const { savedAt, elapsed } = saved;
    const now = machineClocks.monotonic();
    const flows = putRows(this.#segments.flows, saved.rows, { savedAt, elapsed, now, slotOf });
    this.log.info({ flows, seconds: elapsed }, 'flows restored');
    // From here on the flow table is what a start after a kill would find.
    rmSync(this.#savedFlowsFile, { force: true });
  }

  /** @throws SystemCallError where the way around cannot be closed: nothing starts then */
  start(): void {
    const wasOpen = closeBypass(this.wire);
    if (wasOpen) this.log.warn('traffic passed unfiltered while nsgd did not run (onStop: open)');
    this.#isStarted = true;
    this.#supervisor.start(wasOpen);
  }

  /**
   * Ends the data plane, saves its flows and takes the segments away. They stay where the flows cannot be saved: the
   * next start may find them there.
   */
  async stop(): Promise<void> {
    await this.#supervisor.stop();
    // Not by a daemon that never began: the next line of the service does it then.
    if (this.#isStarted && openBypass(this.wire)) {
      this.log.warn('traffic passes unfiltered until nsgd runs again (onStop: open)');
    }
    if (!this.#isStarted || this.#saveFlows()) this.#segments.remove();
  }

  /** @returns whether they are safe */
  #saveFlows(): boolean {
    const path = this.#savedFlowsFile;
    try {
      const flows = saveFlows(path, this.flows, this.#registry.rules.names);
      this.log.info({ flows }, 'flows saved');
      return true;
    } catch (error) {
      this.log.error({ path, detail: (error as Error).message }, 'flows not saved');
      return false;
    }
  }

  #logEvents(): void {
    const { log } = this;
    this.#supervisor.on('state', (state, detail) => {
      if (state === 'waiting' || state === 'backing-off' || detail !== '')
        log.warn({ state, detail }, 'data plane');
      else log.info({ state }, 'data plane');
    });
    this.#supervisor.on('exit', ({ code, signal, isLinkDown, detail }) => {
      const level = isLinkDown || (code === 0 && signal === null) ? 'info' : 'error';
      log[level]({ code, signal, isLinkDown, detail }, 'data plane ended');
    });
    this.#supervisor.on('message', (message) => {
      if (message.type === 'running') {
        this.#backend = message.backend;
        this.#ringSlots = message.ringSlots;
        log.info(
          {
            backend: message.backend,
            detail: message.detail,
            generation: message.generation,
            flowsKept: message.flowsKept,
            flowsDropped: message.flowsDropped,
          },
          'forwarding',
        );
      }
      if (message.type === 'policy-rejected') {
        log.error({ generation: message.generation, detail: message.message }, 'policy rejected');
      }
    });
  }
}
