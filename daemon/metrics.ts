/**
 * Prometheus metrics, filled from the segments when somebody scrapes. Names follow prometheus.io/docs/practices/naming;
 * labels come from closed sets: configured names, directions, reasons. Nothing a packet carries becomes a label.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { InterfaceCounter, RuleCounter } from '../src/engine/counters.ts';
import { printedRuleName } from '../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../src/engine/reason.ts';
import { REMOVE_REASON_NAMES } from '../src/flowtable/record.ts';
import { FlowStat } from '../src/flowtable/segment.ts';
import { countedRules, interfacesOf, type WireView } from './wire-view.ts';

/** What the metrics are read from. */
export interface MetricsSource {
  readonly version: string;
  readonly startedAt: Date;
  readonly wires: readonly WireView[];
  readonly reloads: { readonly succeeded: number; readonly failed: number };
  readonly isLastReloadSuccessful: boolean;
  readonly lastReloadSuccess: Date;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

interface Definition {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  read(source: MetricsSource): Iterable<Sample>;
}

const DIRECTIONS = ['inbound', 'outbound'] as const;

function* perWire(source: MetricsSource, value: (wire: WireView) => number): Iterable<Sample> {
  for (const wire of source.wires) yield [{ wire: wire.name }, value(wire)];
}

function* perInterface(
  source: MetricsSource,
  value: (wire: WireView, side: 0 | 1) => number,
): Iterable<Sample> {
  for (const wire of source.wires) {
    for (const [side, name] of interfacesOf(wire)) {
      yield [{ wire: wire.name, interface: name }, value(wire, side)];
    }
  }
}

function interfaceCounter(counter: number): (source: MetricsSource) => Iterable<Sample> {
  return (source) => perInterface(source, (wire, side) => wire.counters.interface(side, counter));
}

/** Every reason of one kind, also those that never happened: a rate must see its first event. */
function* reasons(source: MetricsSource, isDrop: boolean, isBytes: boolean): Iterable<Sample> {
  for (const wire of source.wires) {
    for (const [direction, directionName] of DIRECTIONS.entries()) {
      for (const [reason, reasonName] of reasonNames.entries()) {
        if (reason >= FIRST_DROP !== isDrop) continue;
        const { counters } = wire;
        const value = isBytes
          ? counters.reasonBytes(direction, reason)
          : counters.reasonFrames(direction, reason);
        yield [{ wire: wire.name, direction: directionName, reason: reasonName }, value];
      }
    }
  }
}

function ruleCounter(counter: number): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const wire of source.wires) {
      for (const { list, rule, slot } of countedRules(wire)) {
        yield [
          {
            wire: wire.name,
            network_security_group: list.owner,
            direction: DIRECTIONS[list.direction],
            rule: printedRuleName(rule),
            access: rule.access === 1 ? 'allow' : 'deny',
          },
          wire.counters.rule(slot, counter),
        ];
      }
    }
  };
}

function nicCounter(isBytes: boolean): (source: MetricsSource) => Iterable<Sample> {
  return function* read(source) {
    for (const wire of source.wires) {
      for (const nic of wire.nics) {
        const index = wire.registry.nics.slotOf(nic.name);
        if (index < 0) continue;
        for (const [direction, directionName] of DIRECTIONS.entries()) {
          for (const access of [0, 1]) {
            const { counters } = wire;
            const value = isBytes
              ? counters.nicBytes(index, direction, access)
              : counters.nicPackets(index, direction, access);
            yield [
              {
                wire: wire.name,
                network_interface: nic.name,
                direction: directionName,
                access: access === 1 ? 'allow' : 'deny',
              },
              value,
            ];
          }
        }
      }
    }
  };
}

const WIRE = ['wire'];
const INTERFACE = ['wire', 'interface'];
const REASON = ['wire', 'direction', 'reason'];
const RULE = ['wire', 'network_security_group', 'direction', 'rule', 'access'];
const NIC = ['wire', 'network_interface', 'direction', 'access'];

function define(
  name: string,
  type: Definition['type'],
  help: string,
  labels: readonly string[],
  read: Definition['read'],
): Definition {
  return { name: `nsgd_${name}`, type, help, labels, read };
}

const trafficMetrics: readonly Definition[] = [
  define(
    'packets_received_total',
    'counter',
    'Frames read from an interface.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.FramesIn),
  ),
  define(
    'bytes_received_total',
    'counter',
    'Bytes of the frames read from an interface.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.BytesIn),
  ),
  define(
    'packets_sent_total',
    'counter',
    'Frames handed to an interface.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.FramesOut),
  ),
  define(
    'bytes_sent_total',
    'counter',
    'Bytes of the frames handed to an interface.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.BytesOut),
  ),
  define(
    'send_errors_total',
    'counter',
    'Frames that were to be forwarded and that the kernel refused.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.SendErrors),
  ),
  define(
    'kernel_drops_total',
    'counter',
    'Frames that the kernel dropped because the data plane did not read them in time.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.KernelDrops),
  ),
  define(
    'receive_ring_full_total',
    'counter',
    'Of the frames that the kernel dropped, those for which the receive ring had no room (af-xdp).',
    INTERFACE,
    interfaceCounter(InterfaceCounter.ReceiveRingFull),
  ),
  define(
    'invalid_descriptors_total',
    'counter',
    'Ring entries that the kernel would not take (af-xdp). Always 0, or nsgd has a fault.',
    INTERFACE,
    interfaceCounter(InterfaceCounter.InvalidDescriptors),
  ),
  define(
    'packets_forwarded_total',
    'counter',
    'Frames judged to be forwarded, by reason.',
    REASON,
    (source) => reasons(source, false, false),
  ),
  define(
    'bytes_forwarded_total',
    'counter',
    'Bytes of the frames judged to be forwarded, by reason.',
    REASON,
    (source) => reasons(source, false, true),
  ),
  define(
    'packets_dropped_total',
    'counter',
    'Frames judged to be dropped, by reason.',
    REASON,
    (source) => reasons(source, true, false),
  ),
  define(
    'bytes_dropped_total',
    'counter',
    'Bytes of the frames judged to be dropped, by reason.',
    REASON,
    (source) => reasons(source, true, true),
  ),
  define(
    'rule_hits_total',
    'counter',
    'Packets without a flow whose first match in a stage was this rule.',
    RULE,
    ruleCounter(RuleCounter.Hits),
  ),
  define(
    'rule_packets_total',
    'counter',
    'Packets this rule decided, those of the flows it admitted included.',
    RULE,
    ruleCounter(RuleCounter.Packets),
  ),
  define(
    'rule_bytes_total',
    'counter',
    'Bytes of the packets this rule decided.',
    RULE,
    ruleCounter(RuleCounter.Bytes),
  ),
  define(
    'network_interface_packets_total',
    'counter',
    'Packets of a network interface of the policy.',
    NIC,
    nicCounter(false),
  ),
  define(
    'network_interface_bytes_total',
    'counter',
    'Bytes of the packets of a network interface of the policy.',
    NIC,
    nicCounter(true),
  ),
];

const flowMetrics: readonly Definition[] = [
  define('flows', 'gauge', 'Flows in the flow table.', WIRE, (source) =>
    perWire(source, (wire) => wire.flows.size),
  ),
  define('flows_limit', 'gauge', 'Flows that the flow table can hold.', WIRE, (source) =>
    perWire(source, (wire) => wire.flows.maxFlows),
  ),
  define('flows_opened_total', 'counter', 'Flows that were made.', WIRE, (source) =>
    perWire(source, (wire) => wire.flows.stat(FlowStat.Inserts)),
  ),
  define(
    'flows_closed_total',
    'counter',
    'Flows that ended, by reason.',
    ['wire', 'reason'],
    function* read(source) {
      for (const wire of source.wires) {
        for (const [reason, name] of REMOVE_REASON_NAMES.entries()) {
          yield [{ wire: wire.name, reason: name }, wire.flows.stat(FlowStat.Removed + reason)];
        }
      }
    },
  ),
  define('flow_lookups_total', 'counter', 'Flow table lookups.', WIRE, (source) =>
    perWire(source, (wire) => wire.flows.lookups),
  ),
  define('flow_hits_total', 'counter', 'Flow table lookups that found a flow.', WIRE, (source) =>
    perWire(source, (wire) => wire.flows.stat(FlowStat.Hits)),
  ),
  define(
    'flow_table_longest_probe',
    'gauge',
    'Longest probe sequence of the flow table so far, in slots.',
    WIRE,
    (source) => perWire(source, (wire) => wire.flows.stat(FlowStat.LongestProbe)),
  ),
];

const processMetrics: readonly Definition[] = [
  define(
    'build_info',
    'gauge',
    'Always 1; the version is in the labels.',
    ['version', 'node_version'],
    function* read(source) {
      yield [{ version: source.version, node_version: process.versions.node }, 1];
    },
  ),
  define(
    'start_time_seconds',
    'gauge',
    'When the daemon started, in seconds since the epoch.',
    [],
    function* read(source) {
      yield [{}, source.startedAt.getTime() / 1000];
    },
  ),
  define(
    'resident_memory_bytes',
    'gauge',
    'Resident memory of the control process.',
    [],
    function* read() {
      yield [{}, process.memoryUsage.rss()];
    },
  ),
  define(
    'wire_ready',
    'gauge',
    '1 while the wire forwards and enforces the wanted policy.',
    WIRE,
    (source) => perWire(source, (wire) => (wire.isReady ? 1 : 0)),
  ),
  define('interface_up', 'gauge', '1 while the interface has carrier.', INTERFACE, (source) =>
    perInterface(source, (wire, side) => (wire.page.isLinkRunning(side) ? 1 : 0)),
  ),
  define(
    'data_plane_restarts_total',
    'counter',
    'Times the data plane was started again.',
    WIRE,
    (source) => perWire(source, (wire) => wire.page.restarts),
  ),
  define(
    'policy_generation',
    'gauge',
    'Generation of the policy that the data plane enforces; 0 while none runs.',
    WIRE,
    (source) => perWire(source, (wire) => wire.page.activeGeneration),
  ),
  define(
    'config_reloads_total',
    'counter',
    'Reloads of the configuration, by result.',
    ['result'],
    function* read(source) {
      yield [{ result: 'success' }, source.reloads.succeeded];
      yield [{ result: 'failure' }, source.reloads.failed];
    },
  ),
  define(
    'config_last_reload_successful',
    'gauge',
    '1 when the last reload succeeded.',
    [],
    function* read(source) {
      yield [{}, source.isLastReloadSuccessful ? 1 : 0];
    },
  ),
  define(
    'config_last_reload_success_timestamp_seconds',
    'gauge',
    'When the configuration was last taken, in seconds since the epoch.',
    [],
    function* read(source) {
      yield [{}, source.lastReloadSuccess.getTime() / 1000];
    },
  ),
];

/** A registry whose values are read from `source` at every scrape. */
export function createMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  for (const definition of [...trafficMetrics, ...flowMetrics, ...processMetrics]) {
    const options = {
      name: definition.name,
      help: definition.help,
      labelNames: [...definition.labels],
      registers: [registry],
    };
    if (definition.type === 'counter') {
      const counter: Counter = new Counter({
        ...options,
        collect() {
          counter.reset();
          for (const [labels, value] of definition.read(source)) counter.inc(labels, value);
        },
      });
    } else {
      const gauge: Gauge = new Gauge({
        ...options,
        collect() {
          gauge.reset();
          for (const [labels, value] of definition.read(source)) gauge.set(labels, value);
        },
      });
    }
  }
  return registry;
}
