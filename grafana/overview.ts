/**
 * Overview: what to look at first. The top row says whether all is well; below it traffic, what is dropped and why, flows.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { buildDashboard, DAEMON, INTERFACE, INTERFACE_VARIABLE, Uid, WIRE } from './dashboard.ts';
import { bars, stat, table, timeseries, words } from './panels.ts';

const RATE = '$__rate_interval';
const NEVER = Number.NEGATIVE_INFINITY;

const health = [
  stat({
    title: 'nsgd',
    description:
      'Whether Prometheus can scrape every chosen daemon. While nsgd does not run, nothing passes its wires. See the runbook: NsgdDown.',
    unit: 'none',
    width: 3,
    mappings: words([0, 'DOWN', 'red'], [1, 'UP', 'green']),
    queries: [{ expr: `min(up{${DAEMON}})` }],
  }),
  stat({
    title: 'Wires',
    description:
      'READY while every wire forwards and enforces the wanted policy. `nsgd status` names the reason when one does not.',
    unit: 'none',
    width: 3,
    mappings: words([0, 'NOT READY', 'red'], [1, 'READY', 'green']),
    queries: [{ expr: `min(nsgd_wire_ready{${WIRE}})` }],
  }),
  stat({
    title: 'Links',
    description: 'Whether every interface of every wire has carrier.',
    unit: 'none',
    width: 3,
    mappings: words([0, 'DOWN', 'red'], [1, 'UP', 'green']),
    queries: [{ expr: `min(nsgd_interface_up{${INTERFACE}})` }],
  }),
  stat({
    title: 'Last reload',
    description:
      'REFUSED: the configuration has errors and the policy before it stays in force. `nsgd check` prints every error with its place.',
    unit: 'none',
    width: 3,
    mappings: words([0, 'REFUSED', 'red'], [1, 'TAKEN', 'green']),
    queries: [{ expr: `min(nsgd_config_last_reload_successful{${DAEMON}})` }],
  }),
  stat({
    title: 'Alerts',
    description:
      'Alerts of nsgd that fire now. Needs prometheus/nsgd.rules.yaml; docs/RUNBOOK.md says what each means.',
    unit: 'none',
    width: 3,
    thresholds: [
      [NEVER, 'green'],
      [1, 'red'],
    ],
    queries: [
      { expr: `count(ALERTS{alertname=~"Nsgd.+",alertstate="firing",${DAEMON}}) or vector(0)` },
    ],
  }),
  stat({
    title: 'Lost',
    description:
      'Frames lost in the chosen time without a verdict or after one: dropped by the kernel because the data plane was late, or refused when they were to be sent.',
    unit: 'short',
    width: 3,
    decimals: 0,
    thresholds: [
      [NEVER, 'green'],
      [1, 'orange'],
    ],
    more: Uid.DataPlane,
    queries: [
      {
        expr: `sum(increase(nsgd_kernel_drops_total{${INTERFACE}}[$__range])) + sum(increase(nsgd_send_errors_total{${INTERFACE}}[$__range]))`,
      },
    ],
  }),
  stat({
    title: 'Flow table',
    description:
      'The fullest flow table. When it is full, flows without an answer are evicted, then new ones are refused.',
    unit: 'percentunit',
    width: 3,
    decimals: 1,
    thresholds: [
      [NEVER, 'green'],
      [0.85, 'orange'],
      [0.95, 'red'],
    ],
    queries: [{ expr: `max(nsgd_flows{${WIRE}} / nsgd_flows_limit{${WIRE}})` }],
  }),
  stat({
    title: 'Started',
    description: 'Of the daemon that started last. Nothing passes from an end to the next start.',
    unit: 'dateTimeFromNow',
    width: 3,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `max(process_start_time_seconds{${DAEMON}}) * 1000` }],
  }),
];

const traffic = [
  timeseries({
    title: 'Packets',
    description: 'Frames received, and what became of them. Received is forwarded plus dropped.',
    unit: 'pps',
    width: 8,
    min: 0,
    queries: [
      {
        expr: `sum by (wire) (rate(nsgd_packets_received_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{wire}} received',
      },
      {
        expr: `sum by (wire) (rate(nsgd_packets_forwarded_total{${WIRE}}[${RATE}]))`,
        legend: '{{wire}} forwarded',
      },
      {
        expr: `sum by (wire) (rate(nsgd_packets_dropped_total{${WIRE}}[${RATE}]))`,
        legend: '{{wire}} dropped',
      },
    ],
  }),
  timeseries({
    title: 'Throughput',
    description: 'Bits read from each interface, and below the line those sent to it.',
    unit: 'bps',
    width: 8,
    queries: [
      {
        expr: `sum by (interface) (rate(nsgd_bytes_received_total{${INTERFACE}}[${RATE}])) * 8`,
        legend: '{{interface}} in',
      },
      {
        expr: `-8 * sum by (interface) (rate(nsgd_bytes_sent_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} out',
      },
    ],
  }),
  timeseries({
    title: 'Forwarded, by reason',
    description:
      'Why frames passed: flow, they belong to a live flow; rule, a rule allowed them; link, what a link needs, such as ARP.',
    unit: 'pps',
    width: 8,
    isStacked: true,
    min: 0,
    queries: [
      {
        expr: `sum by (reason) (rate(nsgd_packets_forwarded_total{${WIRE}}[${RATE}])) > 0`,
        legend: '{{reason}}',
      },
    ],
  }),
];

const drops = [
  timeseries({
    title: 'Dropped, by reason',
    description:
      'rule_deny is the policy at work. table_full and oversize are faults to mend; martian and unknown_address are forged, or a network interface that the policy lacks.',
    unit: 'pps',
    width: 10,
    isStacked: true,
    min: 0,
    more: Uid.Rules,
    queries: [
      {
        expr: `sum by (direction, reason) (rate(nsgd_packets_dropped_total{${WIRE}}[${RATE}])) > 0`,
        legend: '{{direction}} {{reason}}',
      },
    ],
  }),
  bars({
    title: 'Dropped in the chosen time',
    description: 'The ten most frequent reasons. docs/METRICS.md and `nsgd status` know them all.',
    unit: 'short',
    width: 6,
    decimals: 0,
    queries: [
      {
        expr: `topk(10, sum by (reason) (increase(nsgd_packets_dropped_total{${WIRE}}[$__range])) > 0)`,
        legend: '{{reason}}',
      },
    ],
  }),
  timeseries({
    title: 'Lost',
    description:
      'Not by a verdict: kernel drops are frames that the data plane did not read in time, send errors frames that were allowed and that the kernel refused. Both should be 0.',
    unit: 'pps',
    width: 8,
    min: 0,
    more: Uid.DataPlane,
    queries: [
      {
        expr: `sum by (interface) (rate(nsgd_kernel_drops_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} kernel drops',
      },
      {
        expr: `sum by (interface) (rate(nsgd_send_errors_total{${INTERFACE}}[${RATE}]))`,
        legend: '{{interface}} send errors',
      },
    ],
  }),
];

const flows = [
  timeseries({
    title: 'Flows',
    description: 'Live flows. The top row says how much of the table they take.',
    unit: 'short',
    width: 6,
    min: 0,
    queries: [{ expr: `sum by (wire) (nsgd_flows{${WIRE}})`, legend: '{{wire}}' }],
  }),
  timeseries({
    title: 'New flows, by protocol',
    description: 'A peak of one protocol is often a scan or a flood.',
    unit: 'cps',
    width: 6,
    isStacked: true,
    min: 0,
    queries: [
      {
        expr: `sum by (protocol) (rate(nsgd_flows_opened_total{${WIRE}}[${RATE}]))`,
        legend: '{{protocol}}',
      },
    ],
  }),
  timeseries({
    title: 'Ended flows, by reason',
    description:
      'timeout, fin and rst are ordinary. evicted: the table was full. flushed: a new policy no longer allows them.',
    unit: 'cps',
    width: 6,
    isStacked: true,
    min: 0,
    queries: [
      {
        expr: `sum by (reason) (rate(nsgd_flows_closed_total{${WIRE}}[${RATE}]))`,
        legend: '{{reason}}',
      },
    ],
  }),
  timeseries({
    title: 'Lookups that found a flow',
    description:
      'Of all lookups in the flow table. Low for long: most packets are new flows, or are denied.',
    unit: 'percentunit',
    width: 6,
    min: 0,
    max: 1,
    queries: [
      {
        expr: `sum by (wire) (rate(nsgd_flow_hits_total{${WIRE}}[${RATE}])) / (sum by (wire) (rate(nsgd_flow_lookups_total{${WIRE}}[${RATE}])) > 0)`,
        legend: '{{wire}}',
      },
    ],
  }),
];

const machines = [
  timeseries({
    title: 'Network interfaces of the policy',
    description: 'Packets of the ten busiest, allowed and denied.',
    unit: 'pps',
    width: 12,
    min: 0,
    queries: [
      {
        expr: `topk(10, sum by (network_interface, direction, access) (rate(nsgd_network_interface_packets_total{${WIRE}}[${RATE}])) > 0)`,
        legend: '{{network_interface}} {{direction}} {{access}}',
      },
    ],
  }),
  table({
    title: 'What runs',
    description:
      'Versions and rules. Machines with the same hash enforce the same rules, resolved addresses included.',
    unit: 'none',
    width: 12,
    height: 8,
    labels: { instance: 'Instance', version: 'nsgd', node_version: 'Node', hash: 'Rules hash' },
    values: [['Uptime', 's']],
    queries: [
      {
        expr:
          `(time() - process_start_time_seconds{${DAEMON}})` +
          ` * on (job, instance) group_left (version, node_version) nsgd_build_info{${DAEMON}}` +
          ` * on (job, instance) group_left (hash) nsgd_ruleset_info{${DAEMON}}`,
      },
    ],
  }),
];

export function overview(): Dashboard {
  return buildDashboard({
    uid: Uid.Overview,
    title: 'nsgd overview',
    description: 'Is it healthy, what passes, what is dropped and why, how many flows there are.',
    variables: [INTERFACE_VARIABLE],
    sections: [
      { title: 'Health', panels: health },
      { title: 'Traffic', panels: traffic },
      { title: 'Drops', panels: drops },
      { title: 'Flows', panels: flows },
      { title: 'Machines', panels: machines },
    ],
  });
}
