/**
 * The control socket as somebody who means no good sees it: who may connect, what may be asked, and where it ends.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callControl } from '../../daemon/control/client.ts';
import { type ControlHandler, ControlServer } from '../../daemon/control/server.ts';
import { MetricsPages } from '../../daemon/metrics-pages.ts';
import type { ControlSocket } from '../../src/policy/settings.ts';
import { waitFor } from '../helpers/wait.ts';

/** No answer of the server takes so long. */
const PATIENCE_MS = 10_000;

let folder: string;
let servers: ControlServer[];
let reloads: number;

const handler = {
  status: () => ({ isReady: true }),
  rules: () => [],
  flows: () => [],
  verify: (request: unknown) => ({ request }),
  reload: () => {
    reloads++;
    return Promise.resolve({ ok: true, generation: 2, problems: [], changes: [] });
  },
} as unknown as ControlHandler;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
  servers = [];
  reloads = 0;
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function serve(socket: Partial<ControlSocket> = {}): Promise<string> {
  const path = join(folder, `${servers.length}.sock`);
  const pages = new MetricsPages(
    new Registry(),
    () => ({ isReady: true, reasons: [] }),
    () => 0,
  );
  const server = new ControlServer(
    { path, group: undefined, isReadOnly: false, ...socket },
    handler,
    pages,
  );
  await server.listen();
  servers.push(server);
  return path;
}

const mode = (path: string): number => statSync(path).mode & 0o777;

/** Sends bytes as they are. @returns all that comes back until the other end closes */
function raw(path: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = '';
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
    socket.setTimeout(PATIENCE_MS, () => reject(new Error('the server keeps the connection')));
    socket.on('close', () => resolve(answer));
    // Closed by the server while we write: what came back says why.
    socket.on('error', () => undefined);
    socket.write(bytes);
  });
}

describe('who may connect', () => {
  test('owner and group, from the first instant on', async () => {
    expect(mode(await serve())).toBe(0o660);
  });

  test.runIf(process.geteuid?.() === 0)('the group that the configuration names', async () => {
    const line = readFileSync('/etc/group', 'utf8').match(/^(daemon):[^:]*:(\d+):/m);
    const path = await serve({ group: line?.[1] });
    expect(statSync(path).gid).toBe(Number(line?.[2]));
    expect(mode(path)).toBe(0o660);
    chmodSync(folder, 0o755);
    const ask = (gid: number): Promise<string> =>
      promisify(execFile)('curl', ['-sS', '--unix-socket', path, 'http://nsgd/v1/status'], {
        uid: 65_534,
        gid,
        timeout: PATIENCE_MS,
      }).then(
        ({ stdout }) => stdout,
        (error: { readonly stderr?: string }) => String(error.stderr),
      );
    expect(await ask(Number(line?.[2]))).toContain('"isReady":true');
    expect(await ask(65_534)).toMatch(/connect/i);
  });

  test('a group that there is not is an error that names it', async () => {
    await expect(serve({ group: 'no-such-group' })).rejects.toThrow(
      'there is no group no-such-group',
    );
  });

  test('neither a file nor a link at its place is replaced', async () => {
    writeFileSync(join(folder, '0.sock'), 'precious');
    await expect(serve()).rejects.toThrow('is no socket');
    rmSync(join(folder, '0.sock'));
    symlinkSync(join(folder, 'target'), join(folder, '0.sock'));
    await expect(serve()).rejects.toThrow('is no socket');
  });
});

describe('what may be asked', () => {
  test('the second socket answers questions and takes no orders', async () => {
    const path = await serve({ isReadOnly: true });
    const call = (method: 'GET' | 'POST', target: string, body?: unknown) =>
      callControl(path, { method, target, ...(body === undefined ? {} : { body }) });
    for (const target of ['/v1/status', '/v1/rules', '/v1/flows', '/-/healthy', '/metrics']) {
      expect((await call('GET', target)).status, target).toBe(200);
    }
    expect((await call('POST', '/v1/verify', { a: 1 })).status).toBe(200);
    const refused = await call('POST', '/v1/reload');
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('this socket takes no orders');
    expect(reloads).toBe(0);
    expect(
      (await callControl(await serve(), { method: 'POST', target: '/v1/reload' })).status,
    ).toBe(200);
    expect(reloads).toBe(1);
  });

  test.each([
    [
      'a body that is no JSON',
      'POST /v1/verify HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{{{',
      400,
    ],
    [
      'a limit that is no number',
      'GET /v1/flows?limit=-1 HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['a path that is no URL', 'GET //[ HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n', 400],
    ['another method', 'DELETE /v1/status HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n', 404],
    ['no HTTP at all', '\x00\x01\x02\x03\r\n\r\n', 400],
    ['a header without end', `GET / HTTP/1.1\r\nHost: n\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'two lengths',
      'POST /v1/verify HTTP/1.1\r\nHost: n\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}',
      400,
    ],
  ])('%s', async (_, request, status) => {
    const path = await serve();
    expect(await raw(path, request)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect((await callControl(path, { method: 'GET', target: '/v1/status' })).status).toBe(200);
  });

  test('a body beyond 64 KiB is not read to its end', async () => {
    const path = await serve();
    const body = { text: 'x'.repeat(100_000) };
    const call = callControl(path, { method: 'POST', target: '/v1/verify', body });
    const outcome = await call.then(
      ({ status }) => status,
      (error: Error) => error.message,
    );
    expect([400, expect.stringMatching(/EPIPE|ECONNRESET|socket hang up/)]).toContainEqual(outcome);
    expect((await callControl(path, { method: 'GET', target: '/v1/status' })).status).toBe(200);
  });
});

test('who sends nothing, or little by little, is cut off; beyond 16 connections none is taken', async () => {
  const path = await serve();
  const idlers: Socket[] = [];
  let closed = 0;
  for (let index = 0; index < 40; index++) {
    const socket = connect(path).on('close', () => closed++);
    socket.on('error', () => undefined);
    // What came back has to be read, or the end is not seen.
    socket.resume();
    if (index % 2 === 0) socket.write('GET /v1/status HTTP/1.1\r\nX-Slow: ');
    idlers.push(socket);
  }
  try {
    await waitFor('the surplus to be refused', () => (closed >= 24 ? true : undefined));
    // After the time for headers the others are gone too, and the socket answers again.
    await waitFor('the slow to be cut off', () => (closed === 40 ? true : undefined), 20_000);
    expect((await callControl(path, { method: 'GET', target: '/v1/status' })).status).toBe(200);
  } finally {
    for (const socket of idlers) socket.destroy();
  }
});
