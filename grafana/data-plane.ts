/**
 * Data plane: how near the packet loops are to their limit, what they lose, and the processes around them.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { buildDashboard, DAEMON, INTERFACE, INTERFACE_VARIABLE, Uid, WIRE } from './dashboard.ts';
import { heatmap, stat, table, timeseries } from './panels.ts';

const RATE = '$__rate_interval';
const NEVER = Number.NEGATIVE_INFINITY;

/** @param quantile 0 to 1 */
export function quantileOf(quantile: number, histogram: string): string {
  return `histogram_quantile(${quantile}, sum by (wire, le) (rate(${histogram}_bucket{${WIRE}}[${RATE}])))`;
}

const summary = [
  stat({
    title: 'Processor',
    description:
      'Of the busiest data plane; 100 % is a whole processor. With busyPoll it is always 100 %: then the receive ring tells.',
    unit: 'percentunit',
    width: 4,
    hasGraph: true,
    thresholds: [
      [NEVER, 'green'],
      [0.8, 'orange'],
      [0.95, 'red'],
    ],
    queries: [{ expr: `max(rate(nsgd_data_plane_cpu_seconds_total{${WIRE}}[${RATE}]))` }],
  }),
  stat({
    title: 'Kernel drops',
    description:
      'Frames in the chosen time that the kernel dropped because no data plane read them in time.',
    unit: 'short',
    width: 4,
    decimals: 0,
    thresholds: [
      [NEVER, 'green'],
      [1, 'orange'],
    ],
    queries: [{ expr: `sum(increase(nsgd_kernel_drops_total{${INTERFACE}}[$__range]))` }],
  }),
  stat({
    title: 'Restarts',
    description:
      'Times that a data plane was started again in the chosen time. Flows are kept; packets of that moment are lost.',
    unit: 'short',
    width: 4,
    decimals: 0,
    thresholds: [
      [NEVER, 'green'],
      [1, 'orange'],
      [3, 'red'],
    ],
    queries: [{ expr: `sum(increase(nsgd_data_plane_restarts_total{${WIRE}}[$__range]))` }],
  }),
  stat({
    title: 'Receive ring',
    description:
      'How full the ring is when a batch is read, for 99 of 100 batches. At 100 % the kernel drops.',
    unit: 'percentunit',
    width: 4,
    hasGraph: true,
    decimals: 1,
    thresholds: [
      [NEVER, 'green'],
      [0.5, 'orange'],
      [0.9, 'red'],
    ],
    queries: [
      {
        expr: `max(${quantileOf(0.99, 'nsgd_receive_ring_waiting_frames')} / on (wire) group_left () min by (wire) (nsgd_receive_ring_slots{${INTERFACE}}))`,
      },
    ],
  }),
  stat({
    title: 'Frames in a batch',
    description:
      'On average. Near 64 the data plane is saturated; near 1 every frame is handled as soon as it comes.',
    unit: 'short',
    width: 4,
    hasGraph: true,
    decimals: 1,
    thresholds: [[NEVER, 'blue']],
    queries: [
      {
        expr: `sum(rate(nsgd_packets_received_total{${WIRE}}[${RATE}])) / (sum(rate(nsgd_batch_processing_seconds_count{${WIRE}}[${RATE}])) > 0)`,
      },
    ],
  }),
  stat({
    title: 'Memory',
    description: 'Resident memory of the largest data plane, shared segments included.',
    unit: 'bytes',
    width: 4,
    hasGraph: true,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `max(nsgd_data_plane_resident_memory_bytes{${WIRE}})` }],
  }),
];

const load = [
  timeseries({
    title: 'Processor time',
    description: 'Of each data plane and of the control process, in processors.',
    unit: 'percentunit',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum by (wire) (rate(nsgd_data_plane_cpu_seconds_total{${WIRE}}[${RATE}]))`,
        legend: '{{wire}}',
      },
      {
        expr: `sum(rate(process_cpu_seconds_total{${DAEMON}}[${RATE}]))`,
        legend: 'control process',
      },
    ],
  }),
  timeseries({
    title: 'Processor time of a frame',
    description:
      'Falls as load rises, because frames share system calls. A step up means that each costs more: a larger policy, a colder cache.',
    unit: 's',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum by (wire) (rate(nsgd_data_plane_cpu_seconds_total{${WIRE}}[${RATE}])) / (sum by (wire) (rate(nsgd_packets_received_total{${WIRE}}[${RATE}])) > 0)`,
        legend: '{{wire}}',
      },
    ],
  }),
  timeseries({
    title: 'Resident memory',
    description: 'A line that only rises is a leak. Node takes its own time to give memory back.',
    unit: 'bytes',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum by (wire) (nsgd_data_plane_resident_memory_bytes{${WIRE}})`,
        legend: '{{wire}}',
      },
      { expr: `sum(process_resident_memory_bytes{${DAEMON}})`, legend: 'control process' },
    ],
  }),
];

const ring = [
  heatmap({
    title: 'Frames waiting in the receive ring',
    description:
      'How many frames waited when a batch was read. What lies above 64 did not fit into one batch: the data plane is behind.',
    unit: 'short',
    width: 12,
    queries: [
      {
        expr: `sum by (le) (rate(nsgd_receive_ring_waiting_frames_bucket{${WIRE}}[${RATE}]))`,
        legend: '{{le}}',
      },
    ],
  }),
  heatmap({
    title: 'Time of a batch',
    description:
      'From reading a batch to having its frames sent: what the data plane itself adds to the latency of a packet.',
    unit: 's',
    width: 12,
    queries: [
      {
        expr: `sum by (le) (rate(nsgd_batch_processing_seconds_bucket{${WIRE}}[${RATE}]))`,
        legend: '{{le}}',
      },
    ],
  }),
  timeseries({
    title: 'Time of a batch, quantiles',
    description: 'Half of the batches, and 99 of 100, took no longer. Resolution: a factor of two.',
    unit: 's',
    width: 8,
    min: 0,
    queries: [
      { expr: quantileOf(0.5, 'nsgd_batch_processing_seconds'), legend: '{{wire}} half' },
      { expr: quantileOf(0.99, 'nsgd_batch_processing_seconds'), legend: '{{wire}} 99 of 100' },
    ],
  }),
  timeseries({
    title: 'Batches',
    description: 'Read in a second.',
    unit: 'cps',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum by (wire) (rate(nsgd_batch_processing_seconds_count{${WIRE}}[${RATE}]))`,
        legend: '{{wire}}',
      },
    ],
  }),
  timeseries({
    title: 'Lost and refused',
    description:
      'Kernel drops, those of them for which the ring was full, frames that the kernel refused to send, and ring entries that it would not take (always 0, or nsgd has a fault).',
    unit: 'pps',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum by (interface) (rate(nsgd_kernel_drops_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} kernel drops',
      },
      {
        expr: `sum by (interface) (rate(nsgd_receive_ring_full_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} ring full',
      },
      {
        expr: `sum by (interface) (rate(nsgd_send_errors_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} send errors',
      },
      {
        expr: `sum by (interface) (rate(nsgd_invalid_descriptors_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} invalid entries',
      },
    ],
  }),
];

const processes = [
  timeseries({
    title: 'Generation of the policy',
    description:
      'In force on each wire; a step is a reload, 0 a wire without a data plane. Wires that differ for long: one has not taken the policy.',
    unit: 'none',
    width: 6,
    min: 0,
    queries: [
      {
        expr: `max by (instance, wire) (nsgd_policy_generation{${WIRE}})`,
        legend: '{{instance}} {{wire}}',
      },
    ],
  }),
  timeseries({
    title: 'Delay of the control process',
    description:
      'Longest wait of its event loop between two scrapes. Packets do not wait for it; commands, reloads and scrapes do.',
    unit: 's',
    width: 6,
    min: 0,
    queries: [
      {
        expr: `max by (instance) (nsgd_control_event_loop_delay_seconds{${DAEMON}})`,
        legend: '{{instance}} delay',
      },
      {
        expr: `max by (instance) (nsgd_config_last_reload_duration_seconds{${DAEMON}})`,
        legend: '{{instance}} last reload',
      },
    ],
  }),
  timeseries({
    title: 'File descriptors',
    description: 'Open ones of the control process. A line that only rises is a leak.',
    unit: 'short',
    width: 6,
    min: 0,
    queries: [{ expr: `max by (instance) (process_open_fds{${DAEMON}})`, legend: '{{instance}}' }],
  }),
  timeseries({
    title: 'Longest probe',
    description:
      'Slots that one insertion into the flow table looked at, at most so far. Ordinarily below 40; hundreds would mean that somebody makes keys collide.',
    unit: 'short',
    width: 6,
    min: 0,
    queries: [
      { expr: `max by (wire) (nsgd_flow_table_longest_probe{${WIRE}})`, legend: '{{wire}}' },
    ],
  }),
  table({
    title: 'Wires',
    description: 'How each wire is set up.',
    unit: 'none',
    width: 24,
    height: 6,
    labels: {
      instance: 'Instance',
      wire: 'Wire',
      mode: 'Mode',
      backend: 'Backend',
      outside: 'Outside',
      inside: 'Inside',
    },
    values: [['Ready', 'none']],
    queries: [
      {
        expr: `nsgd_wire_ready{${WIRE}} * on (job, instance, wire) group_left (mode, backend, outside, inside) nsgd_wire_info{${WIRE}}`,
      },
    ],
  }),
];

export function dataPlane(): Dashboard {
  return buildDashboard({
    uid: Uid.DataPlane,
    title: 'nsgd data plane',
    description:
      'How near the packet loops are to their limit, what they lose, and the processes around them.',
    variables: [INTERFACE_VARIABLE],
    sections: [
      { title: 'Summary', panels: summary },
      { title: 'Load', panels: load },
      { title: 'Rings and batches', panels: ring },
      { title: 'Processes', panels: processes },
    ],
  });
}
