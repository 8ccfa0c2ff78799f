/**
 * Prometheus metrics, filled from the segments when somebody scrapes. Names follow prometheus.io/docs/practices/naming;
 * labels come from closed sets: configured names, directions, reasons. Nothing a packet carries becomes a label.
 */
import { BatchHistogram, InterfaceCounter, RuleCounter } from '../src/engine/counters.ts';
import { flowProtocolNames } from '../src/engine/counters.ts';
import { REMOVE_REASON_NAMES } from '../src/flowtable/record.ts';
import { FlowStat } from '../src/flowtable/segment.ts';
import { define, type MetricDefinition } from './metrics-definition.ts';
import { candidateMetrics } from './metrics-candidate.ts';
import { flowLogMetrics } from './metrics-flow-log.ts';
import { processMetrics } from './metrics-process.ts';
import {
  batchHistogram,
  interfaceCounter,
  nicCounter,
  perEvent,
  perInterface,
  perWire,
  reasons,
  ruleCounter,
} from './metrics-readers.ts';

const MICROSECOND = 1e-6;

const WIRE = ['wire'];
const INTERFACE = ['wire', 'interface'];
const REASON = ['wire', 'direction', 'reason'];
const EVENT = ['wire', 'event'];
const RULE = ['wire', 'network_security_group', 'direction', 'rule', 'access'];
const NIC = ['wire', 'network_interface', 'direction', 'access'];

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
    'Of the frames that the kernel dropped, those for which the receive ring had no room, or none but for established flows (af-xdp).',
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
    'receive_ring_slots',
    'gauge',
    'Frames that a receive ring of the interface holds; there is one for each queue (af-xdp).',
    INTERFACE,
    (source) => perInterface(source, (wire, side) => wire.ringSlots[side]),
  ),
  define(
    'receive_ring_waiting_frames',
    'histogram',
    'Frames that waited in a receive ring when a batch of at most 64 was read from it (af-xdp).',
    WIRE,
    batchHistogram(BatchHistogram.Waiting, 1),
  ),
  define(
    'batch_processing_seconds',
    'histogram',
    'From reading a batch of frames to having it sent; measured for every batch, for no single frame (af-xdp).',
    WIRE,
    batchHistogram(BatchHistogram.Microseconds, MICROSECOND),
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
  define(
    'flows_opened_total',
    'counter',
    'Flows that were made, by protocol.',
    ['wire', 'protocol'],
    function* read(source) {
      for (const { name, counters } of source.wires) {
        for (const [slot, protocol] of flowProtocolNames.entries()) {
          yield [{ wire: name, protocol }, counters.flowsOpened(slot)];
        }
      }
    },
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
    'flow_events_total',
    'counter',
    'Events of flows that were opened or ended and of packets that were denied, told to watchers and logs.',
    EVENT,
    (source) => perEvent(source, ({ told }) => told),
  ),
  define(
    'flow_events_lost_total',
    'counter',
    'Such events that were left out: the control process was late, or more packets were denied than are told.',
    EVENT,
    (source) => perEvent(source, ({ lost }) => lost),
  ),
  define(
    'flow_events_damaged_total',
    'counter',
    'Such events that could not be read. Always 0, or a data plane has a fault.',
    WIRE,
    (source) => perWire(source, (wire) => wire.events.damaged),
  ),
  define(
    'flow_table_longest_probe',
    'gauge',
    'Longest probe sequence of the flow table so far, in slots.',
    WIRE,
    (source) => perWire(source, (wire) => wire.flows.stat(FlowStat.LongestProbe)),
  ),
];

/** Every metric, in the order of the page. */
export const METRICS: readonly MetricDefinition[] = [
  ...trafficMetrics,
  ...flowMetrics,
  ...candidateMetrics,
  ...flowLogMetrics,
  ...processMetrics,
];
