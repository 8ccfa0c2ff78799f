/**
 * Asks a server for pages in turn and measures each answer, connection included: the program beside main.ts, in the network
 * namespace of nsgd.
 *
 *     node dist/bench/scrape/prober.js '{"port": 9469, "socket": "/run/nsgd/control.sock", "seconds": 10,
 *                                        "questions": [{"page": "/metrics", "pauseMs": 250}]}'
 *
 * Prints the milliseconds of every answer by page.
 */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Question {
  readonly page: string;
  /** Milliseconds from an answer to the next request. */
  readonly pauseMs: number;
  /** Asked at the control socket, not at the port. */
  readonly isControl?: boolean;
}

export interface ProberArguments {
  readonly port: number;
  /** The control socket. */
  readonly socket: string;
  readonly seconds: number;
  readonly questions: readonly Question[];
}

/** Milliseconds of the answers, in order. */
export type ProberResult = Readonly<Record<string, readonly number[]>>;

const ANSWER_TIMEOUT_MS = 5000;

const { port, socket, seconds, questions } = JSON.parse(process.argv[2] ?? '{}') as ProberArguments;

function answerTime({ page, isControl }: Question): Promise<number> {
  const place = isControl === true ? { socketPath: socket } : { host: '127.0.0.1', port };
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = get({ ...place, path: page, agent: false }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - start);
        else reject(new Error(`${page}: status ${String(response.statusCode)}`));
      });
    });
    request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error(`${page}: no answer`)));
    request.on('error', reject);
  });
}

async function probe(question: Question, end: number): Promise<number[]> {
  const times: number[] = [];
  while (performance.now() < end) {
    times.push(await answerTime(question));
    await sleep(question.pauseMs);
  }
  return times;
}

const end = performance.now() + seconds * 1000;
const results = await Promise.all(
  questions.map(async (question) => [question.page, await probe(question, end)] as const),
);
process.stdout.write(`${JSON.stringify(Object.fromEntries(results))}\n`);
