/**
 * What `status`, `rules` and `flows` show, as plain data: the JSON of the control socket, version 1.
 */
import type { AddressWords } from '../src/engine/address-set.ts';
import { type Counters, InterfaceCounter, RuleCounter } from '../src/engine/counters.ts';
import { EVENT_KIND_NAMES } from '../src/engine/event-record.ts';
import { printedRuleName } from '../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../src/engine/reason.ts';
import { FLOW_STATE_NAMES, type FlowIndex, NO_FLOW, NO_SLOT } from '../src/flowtable/record.ts';
import { type DeviceState, deviceWarnings, readDeviceState } from './device-state.ts';
import type { CandidateStatus } from './candidate.ts';
import type { MetricsSource } from './metrics-readers.ts';
import type { Readiness } from './metrics-pages.ts';
import { formatEndpoint, formatWords, ipProtocolName } from './packet-text.ts';
import { type CountedPolicy, countedRules, interfacesOf, type WireView } from './wire-view.ts';

export interface InterfaceStatus {
  readonly name: string;
  readonly side: 'outside' | 'inside';
  readonly isUp: boolean;
  readonly framesIn: number;
  readonly bytesIn: number;
  readonly framesOut: number;
  readonly bytesOut: number;
  readonly sendErrors: number;
  readonly kernelDrops: number;
  /** Of the kernel's drops, those for which the receive ring had no room. */
  readonly receiveRingFull: number;
  readonly invalidDescriptors: number;
  /** Frames that the receive ring holds; null with the cap backend and before the first data plane. */
  readonly ringSlots: number | null;
  /** Null while there is no such interface. */
  readonly device: DeviceState | null;
}

export interface ReasonStatus {
  readonly reason: string;
  readonly access: 'Allow' | 'Deny';
  readonly inbound: number;
  readonly outbound: number;
}

export interface EventCounts {
  readonly event: string;
  readonly told: number;
  readonly lost: number;
}

export interface WireStatus {
  readonly name: string;
  readonly mode: string;
  readonly backend: string;
  readonly state: string;
  readonly isReady: boolean;
  /** Of the data plane; 0 before the first. */
  readonly processId: number;
  readonly restarts: number;
  readonly wantedGeneration: number;
  readonly activeGeneration: number;
  readonly flows: { readonly live: number; readonly limit: number };
  /** Flow events told to watchers and logs, and those that were left out. */
  readonly events: readonly EventCounts[];
  readonly interfaces: readonly InterfaceStatus[];
  /** Only reasons that occurred. */
  readonly reasons: readonly ReasonStatus[];
}

export interface DaemonStatus {
  readonly version: string;
  readonly processId: number;
  readonly uptimeSeconds: number;
  readonly configuration: string;
  readonly isReady: boolean;
  readonly notReadyReasons: readonly string[];
  /** What somebody should look at though it works. */
  readonly warnings: readonly string[];
  readonly isLastReloadSuccessful: boolean;
  readonly lastReloadSuccess: string;
  /** The policy in shadow; null when there is none. */
  readonly candidate: CandidateStatus | null;
  readonly wires: readonly WireStatus[];
}

/** What a rule did. */
export interface RuleCounts {
  readonly networkSecurityGroup: string;
  readonly direction: 'Inbound' | 'Outbound';
  readonly priority: number;
  readonly ruleName: string;
  readonly access: 'Allow' | 'Deny';
  readonly hits: number;
  readonly packets: number;
  readonly bytes: number;
}

export interface RuleStatus extends RuleCounts {
  readonly wire: string;
}

export interface FlowRule {
  readonly networkSecurityGroup: string;
  /** As Azure prints it: `securityRules/x`. */
  readonly ruleName: string;
}

export interface FlowStatus {
  readonly wire: string;
  readonly protocol: string;
  /** Of its first packet. */
  readonly direction: 'Inbound' | 'Outbound';
  readonly local: string;
  readonly remote: string;
  readonly vlans: readonly number[];
  readonly state: string;
  readonly idleSeconds: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly bytesIn: number;
  /** The rules that admitted it, stage by stage; also those that have left the policy since. */
  readonly rules: readonly FlowRule[];
  readonly generation: number;
}

const DIRECTIONS = ['Inbound', 'Outbound'] as const;

function interfaceStatuses(wire: WireView): InterfaceStatus[] {
  const { counters } = wire;
  return interfacesOf(wire).map(([side, name]) => ({
    name,
    side: side === 0 ? 'outside' : 'inside',
    isUp: wire.page.isLinkRunning(side),
    framesIn: counters.interface(side, InterfaceCounter.FramesIn),
    bytesIn: counters.interface(side, InterfaceCounter.BytesIn),
    framesOut: counters.interface(side, InterfaceCounter.FramesOut),
    bytesOut: counters.interface(side, InterfaceCounter.BytesOut),
    sendErrors: counters.interface(side, InterfaceCounter.SendErrors),
    kernelDrops: counters.interface(side, InterfaceCounter.KernelDrops),
    receiveRingFull: counters.interface(side, InterfaceCounter.ReceiveRingFull),
    invalidDescriptors: counters.interface(side, InterfaceCounter.InvalidDescriptors),
    ringSlots: wire.ringSlots[side] ?? null,
    device: readDeviceState(name) ?? null,
  }));
}

/** Only reasons that occurred. */
export function reasonStatuses(counters: Counters): ReasonStatus[] {
  return reasonNames.flatMap((reason, number) => {
    const inbound = counters.reasonFrames(0, number);
    const outbound = counters.reasonFrames(1, number);
    if (inbound + outbound === 0) return [];
    return [{ reason, access: number < FIRST_DROP ? 'Allow' : 'Deny', inbound, outbound } as const];
  });
}

/** By kind of event. */
export function eventCounts({ events }: WireView): EventCounts[] {
  return EVENT_KIND_NAMES.flatMap((event, kind) =>
    event === '' ? [] : [{ event, told: events.written(kind), lost: events.lost(kind) }],
  );
}

function wireStatus(wire: WireView): WireStatus {
  return {
    name: wire.name,
    mode: wire.mode,
    backend: wire.backend,
    state: wire.state,
    isReady: wire.isReady,
    processId: wire.page.processId,
    restarts: wire.page.restarts,
    wantedGeneration: wire.page.wantedGeneration,
    activeGeneration: wire.page.activeGeneration,
    flows: { live: wire.flows.size, limit: wire.flows.maxFlows },
    events: eventCounts(wire),
    interfaces: interfaceStatuses(wire),
    reasons: reasonStatuses(wire.counters),
  };
}

export function daemonStatus(
  source: MetricsSource,
  configuration: string,
  readiness: Readiness,
): DaemonStatus {
  const wires = source.wires.map(wireStatus);
  const reload = source.reloads.isLastSuccessful
    ? []
    : ['the last reload failed: the policy before it is in force'];
  return {
    version: source.version,
    processId: process.pid,
    uptimeSeconds: (Date.now() - source.startedAt.getTime()) / 1000,
    configuration,
    isReady: readiness.isReady,
    notReadyReasons: readiness.reasons,
    warnings: [
      ...reload,
      ...source.wires
        .filter(({ onStop }) => onStop === 'open')
        .map(
          ({ name }) =>
            `wire ${name}: everything passes unfiltered while nsgd does not run (onStop: open)`,
        ),
      ...source.changedFiles.map(
        (file) => `${file} changed after it was read; nsgd reload reads it again`,
      ),
      ...(source.candidate?.isWatched === false
        ? ['the candidate has errors and is not watched']
        : []),
      ...wires.flatMap(({ interfaces }) => deviceWarnings(interfaces)),
    ],
    isLastReloadSuccessful: source.reloads.isLastSuccessful,
    lastReloadSuccess: source.reloads.lastSuccess.toISOString(),
    candidate: source.candidate?.status() ?? null,
    wires,
  };
}

/** Every rule of the lists, in evaluation order. */
export function ruleCounts(policy: CountedPolicy, counters: Counters): RuleCounts[] {
  return countedRules(policy).map(({ list, rule, slot }) => ({
    networkSecurityGroup: list.owner,
    direction: DIRECTIONS[list.direction],
    priority: rule.priority,
    ruleName: printedRuleName(rule),
    access: rule.access === 1 ? 'Allow' : 'Deny',
    hits: counters.rule(slot, RuleCounter.Hits),
    packets: counters.rule(slot, RuleCounter.Packets),
    bytes: counters.rule(slot, RuleCounter.Bytes),
  }));
}

/** Every rule in force on every wire. */
export function ruleStatuses(wires: readonly WireView[]): RuleStatus[] {
  return wires.flatMap((wire) =>
    ruleCounts(wire, wire.counters).map((counts) => ({ wire: wire.name, ...counts })),
  );
}

function wordsOf(read: (word: number) => number): AddressWords {
  return [read(0), read(1), read(2), read(3)];
}

/** One flow as `flows` shows it. */
export function flowStatus(wire: WireView, flow: FlowIndex): FlowStatus {
  const { flows } = wire;
  const isIpv4 = flows.ipVersion(flow) === 4;
  const local = wordsOf((word) => flows.local(flow, word));
  const remote = wordsOf((word) => flows.remote(flow, word));
  const protocol = flows.protocol(flow);
  const hasPorts = protocol === 6 || protocol === 17;
  return {
    wire: wire.name,
    protocol: ipProtocolName(protocol),
    direction: flows.opener(flow) === 0 ? 'Inbound' : 'Outbound',
    local: formatEndpoint(formatWords(isIpv4, local), hasPorts ? flows.localPort(flow) : undefined),
    remote: formatEndpoint(
      formatWords(isIpv4, remote),
      hasPorts ? flows.remotePort(flow) : undefined,
    ),
    vlans: [flows.vlanOuter(flow), flows.vlanInner(flow)].filter((vlan) => vlan !== 0),
    state: FLOW_STATE_NAMES[flows.state(flow)] ?? 'UNKNOWN',
    idleSeconds: flows.idle(flow, wire.page.clockSeconds),
    packetsOut: flows.packets(flow, 1),
    bytesOut: flows.bytes(flow, 1),
    packetsIn: flows.packets(flow, 0),
    bytesIn: flows.bytes(flow, 0),
    rules: flowRules(wire, [flows.slot0(flow), flows.slot1(flow)]),
    generation: flows.generation(flow),
  };
}

/**
 * The rules of counter slots, `NO_SLOT` left out. Those that left the policy since are still named: their slot is kept
 * while numbers last.
 */
export function flowRules(wire: CountedPolicy, slots: readonly number[]): FlowRule[] {
  return slots.flatMap((slot) => {
    const name = slot === NO_SLOT ? undefined : wire.registry.rules.nameOf(slot);
    return name === undefined ? [] : [flowRule(name)];
  });
}

/** @param slotName from `ruleSlotName` */
function flowRule(slotName: string): FlowRule {
  const [networkSecurityGroup = '', , ruleName = ''] = slotName.split('|');
  return { networkSecurityGroup, ruleName };
}

/** At most `limit` flows of all wires, in no order. Rows may be torn while the data plane changes them. */
export function* flowStatuses(wires: readonly WireView[], limit: number): Generator<FlowStatus> {
  let left = limit;
  for (const wire of wires) {
    for (let record = 0; record < wire.flows.recordLimit && left > 0; record++) {
      const flow = wire.flows.flowAt(record);
      if (flow === NO_FLOW) continue;
      yield flowStatus(wire, flow);
      left--;
    }
  }
}

interface SizedFlow {
  readonly wire: WireView;
  readonly flow: FlowIndex;
  readonly bytes: number;
}

function* sizedFlows(wires: readonly WireView[]): Generator<SizedFlow> {
  for (const wire of wires) {
    const { flows } = wire;
    for (let record = 0; record < flows.recordLimit; record++) {
      const flow = flows.flowAt(record);
      if (flow === NO_FLOW) continue;
      yield { wire, flow, bytes: flows.bytes(flow, 0) + flows.bytes(flow, 1) };
    }
  }
}

/** The flows with the most bytes, the largest first. Sorts them all: some 100 ms for a few hundred thousand. */
export function largestFlows(wires: readonly WireView[], limit: number): FlowStatus[] {
  return [...sizedFlows(wires)]
    .toSorted((a, b) => b.bytes - a.bytes)
    .slice(0, limit)
    .map(({ wire, flow }) => flowStatus(wire, flow));
}
