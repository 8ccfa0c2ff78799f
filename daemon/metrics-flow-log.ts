/**
 * Metrics of the flow log; zeros where none is written.
 */
import { type MetricDefinition, single } from './metrics-definition.ts';

export const flowLogMetrics: readonly MetricDefinition[] = [
  single(
    'flow_log_records_total',
    'counter',
    'Records written to the flow log.',
    ({ flowLogCounts }) => flowLogCounts.written,
  ),
  single(
    'flow_log_suppressed_packets_total',
    'counter',
    'Denied packets that the flow log has no record of: more than are told, or more than it gathers in a minute.',
    ({ flowLogCounts }) => flowLogCounts.suppressed,
  ),
  single(
    'flow_log_failed_records_total',
    'counter',
    'Records that could not be written to the flow log.',
    ({ flowLogCounts }) => flowLogCounts.failed,
  ),
];
