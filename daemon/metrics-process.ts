/**
 * Metrics of the processes and of the configuration: versions, processor time, memory, readiness, reloads.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { define, type MetricDefinition, single, standard } from './metrics-definition.ts';
import { perDataPlane, perInterface, perWire, ruleCount } from './metrics-readers.ts';
import { openDescriptors, openDescriptorsLimit } from './process-usage.ts';

const MICROSECONDS = 1e6;
const NANOSECONDS = 1e9;

const WIRE = ['wire'];
const INTERFACE = ['wire', 'interface'];

/** It wakes the process up so often: milliseconds. A delay of any length is found by the next look. */
const LOOK_MILLISECONDS = 100;
const eventLoopDelay = monitorEventLoopDelay({ resolution: LOOK_MILLISECONDS });
eventLoopDelay.enable();

const controlMetrics: readonly MetricDefinition[] = [
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
  standard(
    'max_fds',
    'gauge',
    'File descriptors that the control process may open.',
    openDescriptorsLimit,
  ),
  single(
    'control_event_loop_delay_seconds',
    'gauge',
    'Longest delay of the control process since the scrape before. Packets do not wait for it, answers do.',
    () => {
      // Before the first sample there is no maximum.
      const longest = eventLoopDelay.count === 0 ? 0 : eventLoopDelay.max / NANOSECONDS;
      eventLoopDelay.reset();
      return longest;
    },
  ),
];

const dataPlaneMetrics: readonly MetricDefinition[] = [
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
    'data_plane_longest_gc_pause_seconds',
    'gauge',
    'Longest pause of the garbage collector since the data plane started; packets wait for it in the receive ring.',
    WIRE,
    (source) => perWire(source, (wire) => wire.page.longestCollectionMicroseconds / MICROSECONDS),
  ),
  define(
    'data_plane_restarts_total',
    'counter',
    'Times the data plane was started again.',
    WIRE,
    (source) => perWire(source, (wire) => wire.page.restarts),
  ),
  define(
    'wire_info',
    'gauge',
    'Always 1; how the wire is set up is in the labels.',
    ['wire', 'mode', 'backend', 'outside', 'inside'],
    function* read(source) {
      for (const { name, mode, backend, outside, inside } of source.wires) {
        yield [{ wire: name, mode, backend, outside, inside }, 1];
      }
    },
  ),
  define(
    'wire_open_on_stop',
    'gauge',
    '1 where everything passes unfiltered while nsgd does not run (onStop: open).',
    WIRE,
    (source) => perWire(source, ({ onStop }) => (onStop === 'open' ? 1 : 0)),
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
];

const configurationMetrics: readonly MetricDefinition[] = [
  define(
    'policy_generation',
    'gauge',
    'Generation of the policy that the data plane enforces; 0 while none runs.',
    WIRE,
    (source) => perWire(source, (wire) => wire.page.activeGeneration),
  ),
  define('rules', 'gauge', 'Rules in force, default and platform rules included.', WIRE, (source) =>
    perWire(source, ruleCount),
  ),
  define(
    'ruleset_info',
    'gauge',
    'Always 1; the hash is the same on two machines when their rules are, names and resolved addresses included.',
    ['hash'],
    function* read(source) {
      yield [{ hash: source.rulesHash }, 1];
    },
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
  single(
    'config_last_reload_successful',
    'gauge',
    '1 when the last reload succeeded.',
    ({ reloads }) => (reloads.isLastSuccessful ? 1 : 0),
  ),
  single(
    'config_changed_files',
    'gauge',
    'Files of the configuration that changed on the disk after they were read: a reload would take them.',
    ({ changedFiles }) => changedFiles.length,
  ),
  single(
    'config_last_reload_success_timestamp_seconds',
    'gauge',
    'When the configuration was last taken, in seconds since the epoch.',
    ({ reloads }) => reloads.lastSuccess.getTime() / 1000,
  ),
  single(
    'config_last_reload_duration_seconds',
    'gauge',
    'How long the last reload took, until every data plane enforced the new policy; 0 before the first.',
    ({ reloads }) => reloads.lastSeconds,
  ),
];

export const processMetrics: readonly MetricDefinition[] = [
  ...controlMetrics,
  ...dataPlaneMetrics,
  ...configurationMetrics,
];
