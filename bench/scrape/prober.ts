/**
 * Asks a server for pages in turn and measures each answer, connection included: the program beside main.ts, in the network
 * namespace of nsgd.
 *
 *     node dist/bench/scrape/prober.js '{"port": 9469, "seconds": 10, "pages": {"/metrics": 250, "/-/healthy": 50}}'
 *
 * Prints the milliseconds of every answer by page.
 */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProberArguments {
  readonly port: number;
  readonly seconds: number;
  /** Milliseconds from one request to the next, by page. */
  readonly pages: Readonly<Record<string, number>>;
}

/** Milliseconds of the answers, in order. */
export type ProberResult = Readonly<Record<string, readonly number[]>>;

const ANSWER_TIMEOUT_MS = 5000;

function answerTime(port: number, path: string): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - start);
        else reject(new Error(`${path}: status ${String(response.statusCode)}`));
      });
    });
    request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error(`${path}: no answer`)));
    request.on('error', reject);
  });
}

async function probe(port: number, path: string, pauseMs: number, end: number): Promise<number[]> {
  const times: number[] = [];
  while (performance.now() < end) {
    times.push(await answerTime(port, path));
    await sleep(pauseMs);
  }
  return times;
}

const { port, seconds, pages } = JSON.parse(process.argv[2] ?? '{}') as ProberArguments;
const end = performance.now() + seconds * 1000;
const results = await Promise.all(
  Object.entries(pages).map(
    async ([path, pauseMs]) => [path, await probe(port, path, pauseMs, end)] as const,
  ),
);
process.stdout.write(`${JSON.stringify(Object.fromEntries(results))}\n`);
