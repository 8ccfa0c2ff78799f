/**
 * Prometheus metrics, filled from the segments when somebody scrapes. Names follow prometheus.io/docs/practices/naming;
 * labels come from closed sets: configured names, directions, reasons. Nothing a packet carries becomes a label.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { InterfaceCounter, RuleCounter } from '../src/engine/counters.ts';
import { REMOVE_REASON_NAMES } from '../src/flowtable/record.ts';
import { FlowStat } from '../src/flowtable/segment.ts';
import {
  interfaceCounter,
  type MetricsSource,
  nicCounter,
  perDataPlane,
  perInterface,
  perWire,
  reasons,
  ruleCounter,
  type Sample,
} from './metrics-readers.ts';
import { openDescriptors } from './process-usage.ts';

const MICROSECONDS = 1e6;
const NANOSECONDS = 1e9;

export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  read(source: MetricsSource): Iterable<Sample>;
}

const eventLoopDelay = monitorEventLoopDelay({ resolution: 20 });
eventLoopDelay.enable();

const WIRE = ['wire'];
const INTERFACE = ['wire', 'interface'];
const REASON = ['wire', 'direction', 'reason'];
const RULE = ['wire', 'network_security_group', 'direction', 'rule', 'access'];
const NIC = ['wire', 'network_interface', 'direction', 'access'];

function define(
  name: string,
  type: MetricDefinition['type'],
  help: string,
  labels: readonly string[],
  read: MetricDefinition['read'],
): MetricDefinition {
  return { name: `nsgd_${name}`, type, help, labels, read };
}

/** Those that every exporter has, under the names that Prometheus' own client libraries use. */
function standard(
  name: string,
  type: MetricDefinition['type'],
  help: string,
  value: (source: MetricsSource) => number,
): MetricDefinition {
  return {
    name: `process_${name}`,
    type,
    help,
    labels: [],
    *read(source) {
      yield [{}, value(source)];
    },
  };
}

const trafficMetrics: readonly MetricDefinition[] = [
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

const flowMetrics: readonly MetricDefinition[] = [
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

const processMetrics: readonly MetricDefinition[] = [
  define(
    'build_info',
    'gauge',
    'Always 1; the version is in the labels.',
    ['version', 'node_version'],
    function* read(source) {
      yield [{ version: source.version, node_version: process.versions.node }, 1];
    },
  ),
  standard(
    'start_time_seconds',
    'gauge',
    'When the daemon started, in seconds since the epoch.',
    (source) => source.startedAt.getTime() / 1000,
  ),
  standard('cpu_seconds_total', 'counter', 'Processor time of the control process.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / MICROSECONDS;
  }),
  standard('resident_memory_bytes', 'gauge', 'Resident memory of the control process.', () =>
    process.memoryUsage.rss(),
  ),
  standard('open_fds', 'gauge', 'Open file descriptors of the control process.', openDescriptors),
  define(
    'control_event_loop_delay_seconds',
    'gauge',
    'Longest delay of the control process since the scrape before. Packets do not wait for it, answers do.',
    [],
    function* read() {
      // Before the first sample there is no maximum.
      yield [{}, eventLoopDelay.count === 0 ? 0 : eventLoopDelay.max / NANOSECONDS];
      eventLoopDelay.reset();
    },
  ),
  define(
    'data_plane_cpu_seconds_total',
    'counter',
    'Processor time of the data plane; begins anew when it is started again.',
    WIRE,
    (source) => perDataPlane(source, (usage) => usage.cpuSeconds),
  ),
  define(
    'data_plane_resident_memory_bytes',
    'gauge',
    'Resident memory of the data plane, the segments that it shares with the control process included.',
    WIRE,
    (source) => perDataPlane(source, (usage) => usage.residentBytes),
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

/** Every metric, in the order of the page. */
export const METRICS: readonly MetricDefinition[] = [
  ...trafficMetrics,
  ...flowMetrics,
  ...processMetrics,
];
