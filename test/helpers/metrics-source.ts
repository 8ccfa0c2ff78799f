/**
 * What metrics are read from, without a daemon: one wire whose segments are plain memory.
 */
import { ControlPage } from '../../daemon/data-plane/control-page.ts';
import { NicNames } from '../../daemon/events/nic-names.ts';
import type { MetricsSource } from '../../daemon/metrics-readers.ts';
import { hashOfRules } from '../../daemon/rules-hash.ts';
import { countedRules, type WireView } from '../../daemon/wire-view.ts';
import { Counters } from '../../src/engine/counters.ts';
import { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import { FlowEvents } from '../../src/engine/flow-events.ts';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import type { Policy } from '../../src/engine/policy.ts';
import { newTable } from './flows.ts';

/** A wire that enforces one policy after another. */
export class MemoryWire implements WireView {
  readonly name = 'w0';
  readonly outside = 'out0';
  readonly inside = 'in0';
  readonly mode = 'inline';
  readonly backend = 'af-xdp';
  readonly onStop = 'closed';
  readonly ringSlots: readonly number[] = [8192, 8192];
  readonly isReady = true;
  readonly state = 'running';
  readonly page = ControlPage.create(new ArrayBuffer(ControlPage.bytes));
  readonly counters = new Counters(new ArrayBuffer(Counters.bytes));
  readonly flows = newTable();
  readonly events = emptyRing();
  readonly nicNames = new NicNames();
  readonly registry = new PolicyRegistry();
  lists: WireView['lists'] = [];
  nics: WireView['nics'] = [];

  enforce(policy: Policy): void {
    const { lists, nics } = compileImage(policy, policy.nics, 1, this.registry);
    this.lists = lists;
    this.nics = nics;
  }

  /** Counter slot of the first rule of that name. */
  slotOf(name: string): number {
    const found = countedRules(this).find(({ rule }) => rule.name === name);
    if (found === undefined) throw new Error(`no rule ${name}`);
    return found.slot;
  }
}

/** Events of which there were none. */
function emptyRing(): FlowEventReader {
  const buffer = new ArrayBuffer(FlowEvents.bytes);
  FlowEvents.create(buffer);
  return new FlowEventReader(buffer);
}

export function metricsSource(wire: MemoryWire, policy: Policy): MetricsSource {
  return {
    version: '1.2.3',
    startedAt: new Date(0),
    wires: [wire],
    reloads: {
      succeeded: 2,
      failed: 1,
      lastSeconds: 0.25,
      isLastSuccessful: true,
      lastSuccess: new Date(1000),
    },
    rulesHash: hashOfRules(policy),
    changedFiles: [],
    flowLogCounts: { written: 0, suppressed: 0, failed: 0 },
  };
}
