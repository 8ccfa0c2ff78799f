/**
 * WireView: what the control process can see of one wire without asking the data plane: the segments both have
 * mapped, and the names of the numbers in them. Metrics, `status`, `rules` and `flows` all read here.
 */
import type { Counters } from '../src/engine/counters.ts';
import type { FlowEventReader } from '../src/engine/flow-event-reader.ts';
import { type PolicyRegistry, ruleSlotName } from '../src/engine/policy-image-compile.ts';
import type { NicPolicy, PolicyRule, RuleList } from '../src/engine/policy.ts';
import type { FlowView } from '../src/flowtable/view.ts';
import type { ControlPage } from './data-plane/control-page.ts';
import type { NicNames } from './events/nic-names.ts';

/** A compiled policy with the names of its counters. */
export interface CountedPolicy {
  readonly registry: PolicyRegistry;
  readonly lists: readonly RuleList[];
}

/** `lists` are of the policy in force. */
export interface WireView extends CountedPolicy {
  readonly name: string;
  readonly outside: string;
  readonly inside: string;
  readonly mode: string;
  readonly backend: string;
  /** What becomes of traffic while the daemon does not run: it stops, or passes unfiltered. */
  readonly onStop: 'closed' | 'open';
  /** Frames that a receive ring of each interface holds, by side; empty with the cap backend. */
  readonly ringSlots: readonly number[];
  readonly page: ControlPage;
  readonly counters: Counters;
  readonly flows: FlowView;
  readonly events: FlowEventReader;
  /** Of the policy in force. */
  readonly nics: readonly NicPolicy[];
  /** By local address. */
  readonly nicNames: NicNames;
  /** True while a data plane runs, both links are up and it enforces the wanted policy. */
  readonly isReady: boolean;
  /** For people: `running`, `waiting for link: eth1`, `restarting`. */
  readonly state: string;
}

/** Both interfaces of a wire, with their side. */
export function interfacesOf(wire: WireView): readonly (readonly [side: 0 | 1, name: string])[] {
  return [
    [0, wire.outside],
    [1, wire.inside],
  ];
}

/** A rule in force and where it is counted. */
export interface CountedRule {
  readonly list: RuleList;
  readonly rule: PolicyRule;
  readonly slot: number;
}

/**
 * The rules in force in evaluation order, each counter once: NICs with different platform rules share the counters of
 * those that they have in common.
 */
export function countedRules({ lists, registry }: CountedPolicy): CountedRule[] {
  const seen = new Set<number>();
  return lists.flatMap((list) =>
    list.rules.flatMap((rule) => {
      const slot = registry.rules.slotOf(ruleSlotName(list, rule));
      if (slot < 0 || seen.has(slot)) return [];
      seen.add(slot);
      return [{ list, rule, slot }];
    }),
  );
}
