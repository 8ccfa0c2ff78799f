/**
 * Rules: what each rule does, which do nothing, what is denied most.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { buildDashboard, Uid, type Variable, WIRE } from './dashboard.ts';
import { bars, stat, table, timeseries } from './panels.ts';

const RATE = '$__rate_interval';
const NEVER = Number.NEGATIVE_INFINITY;

/** Matchers of the chosen rules. */
const RULE = `${WIRE},network_security_group=~"$network_security_group",rule=~"$rule"`;
const BY_RULE = 'network_security_group, direction, rule';
const NAME = '{{network_security_group}} {{direction}} {{rule}}';

const variables: readonly Variable[] = [
  {
    name: 'network_security_group',
    label: 'Security group',
    query: `label_values(nsgd_rule_hits_total{${WIRE}}, network_security_group)`,
  },
  {
    name: 'rule',
    label: 'Rule',
    query: `label_values(nsgd_rule_hits_total{${WIRE},network_security_group=~"$network_security_group"}, rule)`,
  },
];

const summary = [
  stat({
    title: 'Rules in force',
    description: 'On all chosen wires, default and platform rules included.',
    unit: 'none',
    width: 4,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `sum(nsgd_rules{${WIRE}})` }],
  }),
  stat({
    title: 'Never hit',
    description:
      'Chosen rules that no packet has matched since the daemon started: candidates to be removed, or rules that an earlier one hides.',
    unit: 'none',
    width: 4,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `count(nsgd_rule_hits_total{${RULE}} == 0) or vector(0)` }],
  }),
  stat({
    title: 'First packets judged',
    description:
      'Packets without a flow that reached a rule. The others follow the verdict of their flow.',
    unit: 'pps',
    width: 4,
    hasGraph: true,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `sum(rate(nsgd_rule_hits_total{${RULE}}[${RATE}]))` }],
  }),
  stat({
    title: 'Denied by rules',
    description: 'Packets that rules of security groups denied.',
    unit: 'pps',
    width: 4,
    hasGraph: true,
    thresholds: [[NEVER, 'blue']],
    queries: [{ expr: `sum(rate(nsgd_rule_packets_total{${RULE},access="deny"}[${RATE}]))` }],
  }),
  stat({
    title: 'Denied by default rules',
    description:
      'Of those, the ones that no rule of yours speaks of. A step after a reload: the new policy forgot something.',
    unit: 'pps',
    width: 4,
    hasGraph: true,
    thresholds: [[NEVER, 'blue']],
    queries: [
      {
        expr: `sum(rate(nsgd_rule_packets_total{${WIRE},network_security_group=~"$network_security_group",rule=~"defaultSecurityRules/DenyAll.+"}[${RATE}]))`,
      },
    ],
  }),
  stat({
    title: 'Policy since',
    description: 'When the policy was last taken.',
    unit: 'dateTimeFromNow',
    width: 4,
    thresholds: [[NEVER, 'blue']],
    queries: [
      {
        expr: 'max(nsgd_config_last_reload_success_timestamp_seconds{job=~"$job",instance=~"$instance"}) * 1000',
      },
    ],
  }),
];

const rates = [
  timeseries({
    title: 'Hits, by rule',
    description: 'The ten rules that most packets without a flow matched first.',
    unit: 'pps',
    width: 12,
    min: 0,
    queries: [
      {
        expr: `topk(10, sum by (${BY_RULE}) (rate(nsgd_rule_hits_total{${RULE}}[${RATE}])) > 0)`,
        legend: NAME,
      },
    ],
  }),
  timeseries({
    title: 'Throughput, by rule',
    description:
      'Bits of the packets that a rule decided, those of the flows that it admitted included. The ten largest.',
    unit: 'bps',
    width: 12,
    min: 0,
    queries: [
      {
        expr: `topk(10, sum by (${BY_RULE}) (rate(nsgd_rule_bytes_total{${RULE}}[${RATE}])) > 0) * 8`,
        legend: NAME,
      },
    ],
  }),
];

const denials = [
  bars({
    title: 'Most denied',
    description: 'Rules that denied most in the chosen time. `nsgd monitor` shows the packets.',
    unit: 'short',
    width: 12,
    decimals: 0,
    thresholds: [[NEVER, 'red']],
    queries: [
      {
        expr: `topk(10, sum by (${BY_RULE}) (increase(nsgd_rule_packets_total{${RULE},access="deny"}[$__range])) > 0)`,
        legend: NAME,
      },
    ],
  }),
  timeseries({
    title: 'Verdicts of the rules',
    description: 'Packets that rules allowed and denied, by direction.',
    unit: 'pps',
    width: 12,
    isStacked: true,
    min: 0,
    queries: [
      {
        expr: `sum by (direction, access) (rate(nsgd_rule_packets_total{${RULE}}[${RATE}]))`,
        legend: '{{direction}} {{access}}',
      },
    ],
  }),
];

const labels = {
  wire: 'Wire',
  network_security_group: 'Security group',
  direction: 'Direction',
  rule: 'Rule',
  access: 'Access',
};
const BY_LABELS = Object.keys(labels).join(', ');

const lists = [
  table({
    title: 'All rules',
    description:
      'What each rule did in the chosen time. With more than 1,000 rules on a wire those behind stand together as _other.',
    unit: 'short',
    width: 14,
    height: 12,
    labels,
    values: [
      ['Hits', 'short'],
      ['Packets', 'short'],
      ['Bytes', 'bytes'],
    ],
    sortBy: 'Packets',
    queries: [
      { expr: `sum by (${BY_LABELS}) (increase(nsgd_rule_hits_total{${RULE}}[$__range]))` },
      { expr: `sum by (${BY_LABELS}) (increase(nsgd_rule_packets_total{${RULE}}[$__range]))` },
      { expr: `sum by (${BY_LABELS}) (increase(nsgd_rule_bytes_total{${RULE}}[$__range]))` },
    ],
  }),
  table({
    title: 'Never hit',
    description:
      'Rules that no packet has matched since the daemon started. `nsgd check` warns of those that an earlier rule hides.',
    unit: 'short',
    width: 10,
    height: 12,
    labels: { network_security_group: 'Security group', direction: 'Direction', rule: 'Rule' },
    values: [['Hits', 'short']],
    queries: [{ expr: `sum by (${BY_RULE}) (nsgd_rule_hits_total{${RULE}}) == 0` }],
  }),
];

export function rules(): Dashboard {
  return buildDashboard({
    uid: Uid.Rules,
    title: 'nsgd rules',
    description: 'What each rule does, which rules do nothing, what is denied most.',
    variables,
    sections: [
      { title: 'Summary', panels: summary },
      { title: 'Rates', panels: rates },
      { title: 'Denials', panels: denials },
      { title: 'Lists', panels: lists },
    ],
  });
}
