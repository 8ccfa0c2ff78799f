/**
 * A real Prometheus beside an nsgd, in its network namespace: nothing else can reach it, and it reaches nothing else. Its
 * data is in the lab's folder and goes with it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { projectRoot } from './project-root.ts';
import { prometheus } from './prometheus.ts';
import { waitFor } from './wait.ts';

export interface PrometheusOptions {
  readonly scrapeIntervalMs: number;
  /** With prometheus/nsgd.rules.yaml, evaluated as often as is scraped. */
  readonly hasRules: boolean;
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Of an instant query. */
  readonly value?: readonly [time: number, value: string];
  /** Of a range query. */
  readonly values?: readonly (readonly [time: number, value: string])[];
}

interface Answer {
  readonly status: 'success' | 'error';
  readonly error?: string;
  readonly data: unknown;
}

const PORT = 9090;
/** Where nsgd serves /metrics unless told otherwise. */
const TARGET = '127.0.0.1:9469';
const START_TIMEOUT_MS = 20_000;

export class PrometheusServer {
  readonly #namespace: NetworkNamespace;

  private constructor(namespace: NetworkNamespace) {
    this.#namespace = namespace;
  }

  /** Starts it and waits until it has scraped nsgd once. */
  static async start(
    lab: Lab,
    namespace: NetworkNamespace,
    { scrapeIntervalMs, hasRules }: PrometheusOptions,
  ): Promise<PrometheusServer> {
    if (prometheus === undefined) throw new Error('there is no prometheus');
    const configuration = join(lab.directory, 'prometheus.json');
    const interval = `${scrapeIntervalMs}ms`;
    // YAML that is JSON.
    writeFileSync(
      configuration,
      JSON.stringify({
        global: {
          scrape_interval: interval,
          scrape_timeout: interval,
          evaluation_interval: interval,
        },
        rule_files: hasRules ? [join(projectRoot, 'prometheus/nsgd.rules.yaml')] : [],
        scrape_configs: [{ job_name: 'nsgd', static_configs: [{ targets: [TARGET] }] }],
      }),
    );
    const server = new PrometheusServer(namespace);
    const started = lab.spawn(namespace, 'prometheus', [
      prometheus,
      `--config.file=${configuration}`,
      `--storage.tsdb.path=${join(lab.directory, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${PORT}`,
      '--log.level=warn',
    ]);
    await waitFor(
      'Prometheus to scrape nsgd',
      () => {
        if (!started.isRunning) throw new Error(`prometheus ended: ${started.stderr}`);
        try {
          return server.query('up{job="nsgd"} == 1').length === 1 ? true : undefined;
        } catch {
          // Not listening yet.
          return undefined;
        }
      },
      START_TIMEOUT_MS,
    );
    return server;
  }

  /** @param time seconds since the epoch; now unless given. @throws Error with Prometheus' words */
  query(expr: string, time?: number): Series[] {
    const at = time === undefined ? {} : { time: String(time) };
    return (this.#ask('query', { query: expr, ...at }) as { result: Series[] }).result;
  }

  /** @param start seconds since the epoch, as `end`. @param step seconds */
  queryRange(expr: string, start: number, end: number, step: number): Series[] {
    return (
      this.#ask('query_range', {
        query: expr,
        start: String(start),
        end: String(end),
        step: String(step),
      }) as { result: Series[] }
    ).result;
  }

  /** As Grafana asks for `label_values(series, label)`. */
  labelValues(label: string, series: string): string[] {
    return this.#ask(`label/${label}/values`, { 'match[]': series }) as string[];
  }

  /** Rules that Prometheus cannot evaluate, with its words. */
  ruleErrors(): string[] {
    const { groups } = this.#ask('rules', {}) as {
      groups: { rules: { name: string; lastError?: string; health: string }[] }[];
    };
    return groups.flatMap(({ rules }) =>
      rules
        .filter(({ health }) => health !== 'ok')
        .map(({ name, health, lastError = '' }) => `${name}: ${health} ${lastError}`),
    );
  }

  /** @returns `data` of the answer, whose shape depends on the path */
  #ask(path: string, parameters: Readonly<Record<string, string>>): unknown {
    const data = Object.entries(parameters).flatMap(([name, value]) => [
      '--data-urlencode',
      `${name}=${value}`,
    ]);
    const url = `http://127.0.0.1:${PORT}/api/v1/${path}`;
    const text = this.#namespace.run('curl', '-sS', '--max-time', '10', '--get', ...data, url);
    const answer = JSON.parse(text) as Answer;
    if (answer.status !== 'success') throw new Error(answer.error ?? text);
    return answer.data;
  }
}
