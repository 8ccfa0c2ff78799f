/**
 * Benchmark: a load test as nsgd itself counts it. Offered is what arrived at the interfaces, whether read or dropped by
 * the kernel. Frames that a sender could not hand over are counted by the sender alone: bench/REPORT.md has those.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { quantileOf } from './data-plane.ts';
import { buildDashboard, INTERFACE, INTERFACE_VARIABLE, Uid, WIRE } from './dashboard.ts';
import { stat, timeseries } from './panels.ts';

const RATE = '$__rate_interval';
const NEVER = Number.NEGATIVE_INFINITY;

function rate(metric: string, matchers = INTERFACE): string {
  return `sum(rate(${metric}{${matchers}}[${RATE}]))`;
}
const OFFERED = `(${rate('nsgd_packets_received_total')} + ${rate('nsgd_kernel_drops_total')})`;
const LOST = `(${rate('nsgd_kernel_drops_total')} + ${rate('nsgd_send_errors_total')})`;

/** @param panel expressions are over the whole chosen time */
function increase(metric: string): string {
  return `sum(increase(${metric}{${INTERFACE}}[$__range]))`;
}

const summary = [
  stat({
    title: 'Peak forwarded',
    description:
      'The highest rate of frames sent, each point over the rate interval, in the chosen time.',
    unit: 'pps',
    width: 6,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `max_over_time(${rate('nsgd_packets_sent_total')}[$__range:$__interval])` }],
  }),
  stat({
    title: 'Offered',
    description: 'Frames that arrived in the chosen time, those that the kernel dropped included.',
    unit: 'short',
    width: 6,
    thresholds: [[NEVER, 'blue']],
    queries: [
      {
        expr: `${increase('nsgd_packets_received_total')} + ${increase('nsgd_kernel_drops_total')}`,
      },
    ],
  }),
  stat({
    title: 'Loss',
    description: 'Part of the offered frames that were lost, which is not the same as denied.',
    unit: 'percentunit',
    width: 6,
    decimals: 3,
    thresholds: [
      [NEVER, 'green'],
      [0.000001, 'orange'],
      [0.01, 'red'],
    ],
    queries: [
      {
        expr:
          `(${increase('nsgd_kernel_drops_total')} + ${increase('nsgd_send_errors_total')})` +
          ` / (${increase('nsgd_packets_received_total')} + ${increase('nsgd_kernel_drops_total')} > 0)`,
      },
    ],
  }),
  stat({
    title: 'Processor time of a frame',
    description:
      'Of all data planes, over the chosen time, idle time of a data plane that sleeps not included.',
    unit: 's',
    width: 6,
    thresholds: [[NEVER, 'blue']],
    queries: [
      {
        expr: `sum(increase(nsgd_data_plane_cpu_seconds_total{${WIRE}}[$__range])) / (${increase('nsgd_packets_received_total')} > 0)`,
      },
    ],
  }),
];

const throughput = [
  timeseries({
    title: 'Offered, forwarded, denied, lost',
    description:
      'Offered is forwarded plus dropped by a verdict plus lost. Where forwarded stays behind while offered rises, that is the limit.',
    unit: 'pps',
    width: 12,
    height: 10,
    min: 0,
    queries: [
      { expr: OFFERED, legend: 'offered' },
      { expr: rate('nsgd_packets_sent_total'), legend: 'forwarded' },
      { expr: rate('nsgd_packets_dropped_total', WIRE), legend: 'dropped by a verdict' },
      { expr: LOST, legend: 'lost' },
    ],
  }),
  timeseries({
    title: 'Loss',
    description: 'Part of the offered frames. A zero-loss rate is one that keeps this at 0.',
    unit: 'percentunit',
    width: 6,
    height: 10,
    min: 0,
    queries: [{ expr: `${LOST} / (${OFFERED} > 0)`, legend: 'loss' }],
  }),
  timeseries({
    title: 'Throughput',
    description:
      'Bits of the frames sent, without preamble, check sequence and gap: on a cable each frame takes 24 bytes more.',
    unit: 'bps',
    width: 6,
    height: 10,
    min: 0,
    queries: [{ expr: `${rate('nsgd_bytes_sent_total')} * 8`, legend: 'sent' }],
  }),
];

const cost = [
  timeseries({
    title: 'Processor time of a frame',
    description: 'What one frame costs, all included.',
    unit: 's',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum(rate(nsgd_data_plane_cpu_seconds_total{${WIRE}}[${RATE}])) / (${rate('nsgd_packets_received_total')} > 0)`,
        legend: 'per frame',
      },
    ],
  }),
  timeseries({
    title: 'Time of a batch',
    description: 'From reading it to having it sent. Resolution: a factor of two.',
    unit: 's',
    width: 8,
    min: 0,
    queries: [
      { expr: quantileOf(0.5, 'nsgd_batch_processing_seconds'), legend: '{{wire}} half' },
      { expr: quantileOf(0.99, 'nsgd_batch_processing_seconds'), legend: '{{wire}} 99 of 100' },
    ],
  }),
  timeseries({
    title: 'Frames in a batch, frames waiting',
    description:
      'At 64 in a batch the data plane is saturated; those that wait beyond are latency, then loss.',
    unit: 'short',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `${rate('nsgd_packets_received_total')} / (${rate('nsgd_batch_processing_seconds_count', WIRE)} > 0)`,
        legend: 'in a batch',
      },
      {
        expr: quantileOf(0.99, 'nsgd_receive_ring_waiting_frames'),
        legend: '{{wire}} waiting, 99 of 100',
      },
    ],
  }),
];

const table = [
  timeseries({
    title: 'New flows',
    description: 'Flows made in a second: what limits a load of new connections.',
    unit: 'cps',
    width: 12,
    min: 0,
    queries: [
      {
        expr: `sum by (protocol) (rate(nsgd_flows_opened_total{${WIRE}}[${RATE}]))`,
        legend: '{{protocol}}',
      },
    ],
  }),
  timeseries({
    title: 'Flows',
    description: 'Live ones.',
    unit: 'short',
    width: 12,
    min: 0,
    queries: [{ expr: `sum by (wire) (nsgd_flows{${WIRE}})`, legend: '{{wire}}' }],
  }),
];

export function benchmark(): Dashboard {
  return buildDashboard({
    uid: Uid.Benchmark,
    title: 'nsgd benchmark',
    description: 'A load test as nsgd counts it: offered, forwarded, lost, and what a frame costs.',
    variables: [INTERFACE_VARIABLE],
    from: 'now-15m',
    refresh: '5s',
    sections: [
      { title: 'Summary', panels: summary },
      { title: 'Throughput', panels: throughput },
      { title: 'Cost', panels: cost },
      { title: 'Flow table', panels: table },
    ],
  });
}
