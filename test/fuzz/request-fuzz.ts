/**
 * Fuzzing of the control socket: mutated HTTP requests, several at a time. Each gets an answer of HTTP or a closed connection,
 * never an internal error, and after all of them the server answers a good one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { callControl } from '../../daemon/control/client.ts';
import { ControlServer } from '../../daemon/control/server.ts';
import { MetricsPages } from '../../daemon/metrics-pages.ts';
import { liveVerify } from '../../daemon/verify-request.ts';
import { loadGood } from '../helpers/load-text.ts';
import { configurationText, WEB } from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';
import { mutated } from './byte-mutations.ts';
import { FuzzFailure, type FuzzReport, type FuzzRun, type FuzzTarget } from './target.ts';

/** Below the server's limit of connections. */
const AT_ONCE = 8;
/** A request that is not complete gets no answer; its client goes away after this. */
const PATIENCE_MS = 250;
const INTERNAL_ERROR = 500;

const VERIFY = JSON.stringify({
  direction: 'Inbound',
  protocol: 'Tcp',
  local: '10.0.1.4:80',
  remote: '203.0.113.9:50000',
});
const TARGETS = [
  'GET /v1/status',
  'GET /v1/rules',
  'GET /v1/flows?limit=10',
  'GET /v1/flows?limit=5&sort=bytes',
  'POST /v1/reload',
  'GET /v1/events?type=flow-opened&rate=1',
  'GET /v1/events?rate=-1',
  'GET /metrics',
  'GET /-/healthy',
  'GET /-/ready',
  'HEAD /metrics',
  'GET //',
  'GET /v1/../../etc/passwd',
  'GET http://[',
  'DELETE /v1/flows',
  'OPTIONS *',
  'GET /v1/flows?limit=-1',
  'GET /v1/flows?sort=x',
  'GET /%00',
  'CONNECT nsgd:80',
  'GET /v1/flows?limit=99999999999',
] as const;
const BODIES = [
  VERIFY,
  '{}',
  '[]',
  'null',
  '"x"',
  '{',
  '{"local":1}',
  '['.repeat(5000),
  '{"nic":"\u001b[2J"}',
  '9'.repeat(70_000),
] as const;

function request(random: Random): Uint8Array {
  const isVerify = random.below(3) === 0;
  const body = isVerify ? random.pick(BODIES) : '';
  const target = isVerify ? 'POST /v1/verify' : random.pick(TARGETS);
  const length = random.below(8) === 0 ? random.below(100_000) : Buffer.byteLength(body);
  const text = `${target} HTTP/1.1\r\nHost: nsgd\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${body}`;
  const bytes = new TextEncoder().encode(text);
  return random.below(3) === 0 ? bytes : mutated(bytes, random, false);
}

interface Service {
  readonly path: string;
  close(): Promise<void>;
}

async function serve(): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-fuzz-'));
  const path = join(folder, 'control.sock');
  const loaded = loadGood(configurationText(WEB));
  const handler = {
    status: () => ({ version: 'x' }),
    rules: () => [],
    flows: (limit: number) => Array.from({ length: Math.min(limit, 100) }, (_, id) => ({ id })),
    verify: (body: unknown) => liveVerify(loaded, body),
    watch: () => () => undefined,
    reload: () => Promise.resolve({ ok: true, generation: 1, problems: [], changes: [] }),
  };
  const readiness = () => ({ isReady: true, reasons: [] });
  const server = new ControlServer(
    { path, group: undefined, isReadOnly: false },
    handler,
    new MetricsPages(new Registry(), readiness, () => 0),
  );
  await server.listen();
  return {
    path,
    close: async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Sends bytes and waits for the end. @returns the status of the answer, 0 when there was none */
function ask(path: string, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(path, () => socket.write(bytes));
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.setEncoding('latin1').on('data', (text: string) => {
      if (answer.length < 100) answer += text;
    });
    // The server may close while the request is still being written.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (answer === '') return resolve(0);
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? Number.NaN);
      if (Number.isNaN(status)) return reject(new Error(`no HTTP: ${JSON.stringify(answer)}`));
      return status === INTERNAL_ERROR ? reject(new Error('internal error')) : resolve(status);
    });
  });
}

async function fuzzRequests({ cases, seed, progress }: FuzzRun): Promise<FuzzReport> {
  const random = new Random(seed);
  const service = await serve();
  const answers = new Map<number, number>();
  try {
    for (let number = 0; number < cases; number += AT_ONCE) {
      const inputs = Array.from({ length: AT_ONCE }, () => request(random));
      // oxlint-disable-next-line no-await-in-loop -- so many at once and no more
      await Promise.all(
        inputs.map(async (input) => {
          const status = await ask(service.path, input).catch((error: unknown) => {
            throw new FuzzFailure(
              `seed ${seed}, request ${number}: ${String(error)}`,
              input,
              error,
            );
          });
          answers.set(status, (answers.get(status) ?? 0) + 1);
        }),
      );
      progress?.(number);
    }
    const { status } = await callControl(service.path, { method: 'GET', target: '/v1/status' });
    if (status !== 200) throw new FuzzFailure(`afterwards status ${status}`, '');
  } finally {
    await service.close();
  }
  const sorted = [...answers].toSorted(([a], [b]) => a - b);
  return Object.fromEntries(sorted.map(([status, count]) => [`status${status}`, count]));
}

export const requestTarget: FuzzTarget = {
  name: 'requests',
  cases: 10_000,
  run: fuzzRequests,
  again: async (input) => {
    const service = await serve();
    try {
      await ask(service.path, input);
    } finally {
      await service.close();
    }
  },
};
