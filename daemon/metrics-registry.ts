/**
 * The metrics as prom-client knows them: nothing is counted here, every value is read when somebody scrapes.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { METRICS } from './metrics.ts';
import type { MetricsSource } from './metrics-readers.ts';

/** A registry whose values are read from `source` at every scrape. */
export function createMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  for (const definition of METRICS) {
    const options = {
      name: definition.name,
      help: definition.help,
      labelNames: [...definition.labels],
      registers: [registry],
    };
    if (definition.type === 'counter') {
      const counter: Counter = new Counter({
        ...options,
        collect() {
          counter.reset();
          for (const [labels, value] of definition.read(source)) counter.inc(labels, value);
        },
      });
    } else {
      const gauge: Gauge = new Gauge({
        ...options,
        collect() {
          gauge.reset();
          for (const [labels, value] of definition.read(source)) gauge.set(labels, value);
        },
      });
    }
  }
  return registry;
}
