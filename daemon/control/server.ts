/**
 * Control socket: HTTP on a unix socket, mode 0660, so that membership of the socket's group is the permission.
 *
 *   GET  /v1/status           how the daemon is
 *   GET  /v1/rules            hit counts of every rule
 *   GET  /v1/flows?limit=N    one JSON object per line; &sort=bytes for the largest (at most 10,000)
 *   POST /v1/verify           a flow tuple against the policy in force
 *   POST /v1/reload           reads the configuration again
 *   GET  /metrics, /-/healthy, /-/ready   as on the metrics port
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Problem } from '../../src/policy/problem.ts';
import type { MetricsPages } from '../metrics-pages.ts';
import type { RuleChange } from '../rule-changes.ts';

/** Version of the JSON that the socket speaks. */
export const CONTROL_SCHEMA = 1;

const SOCKET_MODE = 0o660;
const UMASK_FOR_SOCKET = 0o117;
const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 64 * 1024;
/** They are kept in order while all flows are looked at. */
const MAX_LARGEST_FLOWS = 10_000;

export interface ReloadResult {
  readonly ok: boolean;
  /** Of the policy in force after the reload. */
  readonly generation: number;
  readonly problems: readonly Problem[];
  /** Rules that the reload added, removed or changed. */
  readonly changes: readonly RuleChange[];
}

/** All there is, for who asks for something else. */
const REQUESTS = [
  'GET /v1/status',
  'GET /v1/rules',
  'GET /v1/flows?limit=N&sort=bytes',
  'POST /v1/verify',
  'POST /v1/reload',
  'GET /metrics',
  'GET /-/healthy',
  'GET /-/ready',
];

/** What the socket can ask the daemon. */
export interface ControlHandler {
  status(): unknown;
  rules(): unknown;
  /** At most `limit` flows, in no order or the largest. */
  flows(limit: number, isLargest: boolean): Iterable<unknown>;
  /** @throws Error with a message for the operator */
  verify(request: unknown): unknown;
  reload(): Promise<ReloadResult>;
}

class BadRequest extends Error {}

/** The path of the control socket cannot be used; the message says what to change. */
export class ControlSocketError extends Error {
  readonly code = 'CONTROL_SOCKET';
}

/** Removes a socket, but nothing else that a mistaken setting may name. */
function removeSocket(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ControlSocketError(`${path} is no socket; remove it, or change control.socket`);
  }
  rmSync(path);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = chunk as Buffer;
    bytes += buffer.length;
    if (bytes > MAX_BODY_BYTES) throw new BadRequest(`more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new BadRequest('the body is not JSON');
  }
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ schema: CONTROL_SCHEMA, ...value })}\n`);
}

function flowLimit(url: URL): number {
  const text = url.searchParams.get('limit') ?? '1000';
  if (!/^\d{1,9}$/.test(text)) throw new BadRequest('limit is not a number');
  return Number(text);
}

export class ControlServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #handler: ControlHandler;
  readonly #pages: MetricsPages;

  constructor(path: string, handler: ControlHandler, pages: MetricsPages) {
    this.#path = path;
    this.#handler = handler;
    this.#pages = pages;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
  }

  /**
   * Replaces a socket that an earlier run left. The caller holds the runtime directory's lock.
   * @throws ControlSocketError where something else stands at the path
   */
  async listen(): Promise<void> {
    removeSocket(this.#path);
    // The mode must be right from the first instant: connect(2) asks it.
    const umask = process.umask(UMASK_FOR_SOCKET);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(this.#path, resolve);
      });
    } finally {
      process.umask(umask);
    }
    chmodSync(this.#path, SOCKET_MODE);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (await this.#pages.answer(request, response)) return;
      await this.#route(request, response);
    } catch (error) {
      const status = error instanceof BadRequest ? 400 : 500;
      if (response.headersSent) response.destroy();
      else sendJson(response, status, { error: (error as Error).message });
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://nsgd');
    switch (`${request.method ?? ''} ${url.pathname}`) {
      case 'GET /v1/status':
        return sendJson(response, 200, { status: this.#handler.status() });
      case 'GET /v1/rules':
        return sendJson(response, 200, { rules: this.#handler.rules() });
      case 'GET /v1/flows':
        return this.#sendFlows(response, this.#flows(url));
      case 'POST /v1/verify':
        return sendJson(response, 200, { result: this.#verify(await readBody(request)) });
      case 'POST /v1/reload': {
        const result = await this.#handler.reload();
        return sendJson(response, result.ok ? 200 : 422, { reload: result });
      }
      default:
        return sendJson(response, 404, {
          error: `there is no ${request.method ?? ''} ${url.pathname}; there are ${REQUESTS.join(', ')}`,
        });
    }
  }

  #verify(body: unknown): unknown {
    try {
      return this.#handler.verify(body);
    } catch (error) {
      throw new BadRequest((error as Error).message, { cause: error });
    }
  }

  #flows(url: URL): Iterable<unknown> {
    const sort = url.searchParams.get('sort');
    if (sort !== null && sort !== 'bytes') throw new BadRequest('sort is bytes or nothing');
    const limit = flowLimit(url);
    const isLargest = sort === 'bytes';
    if (isLargest && limit > MAX_LARGEST_FLOWS) {
      throw new BadRequest(`with sort, limit is at most ${MAX_LARGEST_FLOWS}`);
    }
    return this.#handler.flows(limit, isLargest);
  }

  /** A line per flow; written as fast as the client reads, so that a large table does not fill memory. */
  async #sendFlows(response: ServerResponse, flows: Iterable<unknown>): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const flow of flows) {
      if (response.destroyed) return;
      if (response.write(`${JSON.stringify(flow)}\n`)) continue;
      // The next line is made only when there is room for it.
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => {
        response.once('drain', resolve);
        response.once('close', resolve);
      });
    }
    response.end();
  }
}
