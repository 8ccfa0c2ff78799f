/**
 * What a metric is here: a name, what it means, and a function that reads its values when somebody scrapes.
 */
import type { MetricsSource, Sample } from './metrics-readers.ts';

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labels: readonly string[];
  read(source: MetricsSource): Iterable<Sample>;
}

export function define(
  name: string,
  type: MetricType,
  help: string,
  labels: readonly string[],
  read: MetricDefinition['read'],
): MetricDefinition {
  return { name: `nsgd_${name}`, type, help, labels, read };
}

/** Of the whole daemon, without labels. */
export function single(
  name: string,
  type: MetricType,
  help: string,
  value: (source: MetricsSource) => number,
): MetricDefinition {
  return define(name, type, help, [], function* read(source) {
    yield [{}, value(source)];
  });
}

/** Those that every exporter has, under the names that Prometheus' own client libraries use. */
export function standard(
  name: string,
  type: MetricType,
  help: string,
  value: (source: MetricsSource) => number,
): MetricDefinition {
  return { ...single(name, type, help, value), name: `process_${name}` };
}
