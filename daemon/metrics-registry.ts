/**
 * The metrics as prom-client prints them: nothing is counted here, every value is read when somebody scrapes.
 */
import { type Metric, Registry } from 'prom-client';
import { METRICS } from './metrics.ts';
import type { MetricDefinition } from './metrics-definition.ts';
import type { MetricsSource } from './metrics-readers.ts';

/** A registry whose values are read from `source` at every scrape. */
export function createMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  for (const definition of METRICS) registry.registerMetric(readMetric(definition, source));
  return registry;
}

/**
 * What a registry asks of a metric: its name and its series. prom-client's own kinds keep values, and a histogram of
 * theirs takes one observation at a time, where ours are counted by another process.
 */
function readMetric(definition: MetricDefinition, source: MetricsSource): Metric {
  const { name, help, type } = definition;
  const metric = {
    name,
    get: () =>
      Promise.resolve({
        name,
        help,
        type,
        aggregator: 'sum' as const,
        values: [...definition.read(source)].map(([labels, value, suffix = '']) => ({
          metricName: name + suffix,
          labels: {},
          // Their text is kept as long as the object is: those of rules are the same in every scrape.
          sharedLabels: labels,
          value,
        })),
      }),
  };
  // The type lists the kinds of prom-client's own classes; the registry calls `get` of whatever it was given.
  return metric as unknown as Metric;
}
