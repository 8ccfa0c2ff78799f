/**
 * Control socket: HTTP on a unix socket, mode 0660, so that membership of the socket's group is the permission. There may
 * be a second one that takes no orders, for those who only watch.
 *
 *   GET  /v1/status           how the daemon is
 *   GET  /v1/rules            hit counts of every rule
 *   GET  /v1/flows?limit=N    one JSON object per line; &sort=bytes for the largest (at most 10,000)
 *   GET  /v1/events           a JSON line for each event as it happens, without end; see events/filter.ts for the query
 *   POST /v1/verify           a flow tuple against the policy in force
 *   POST /v1/reload           reads the configuration again
 *   GET  /metrics, /-/healthy, /-/ready   as on the metrics port
 */
import { chmodSync, chownSync, lstatSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Problem } from '../../src/policy/problem.ts';
import type { ControlSocket } from '../../src/policy/settings.ts';
import type { MetricsPages } from '../metrics-pages.ts';
import { EventQueryError } from '../events/filter.ts';
import type { EventListener } from '../events/hub.ts';
import type { RuleChange } from '../rule-changes.ts';
import { EventWatcher } from './event-watcher.ts';

/** Version of the JSON that the socket speaks. */
export const CONTROL_SCHEMA = 1;

const SOCKET_MODE = 0o660;
const UMASK_FOR_SOCKET = 0o117;
/** Until the socket has its group. */
const UMASK_FOR_OWNER = 0o177;
const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 5_000;
/** How often Node looks for connections that are late; its own 30 s would let a slow client hold a place as long. */
const CHECK_INTERVAL_MS = 1_000;
const MAX_BODY_BYTES = 64 * 1024;
/** Readers of /v1/events, so that they leave connections to others. */
const MAX_WATCHERS = 8;
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
  'GET /v1/events?type=T&rate=N',
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
  /** Tells a listener every event from now on. @returns what ends that */
  watch(listener: EventListener): () => void;
  /** @throws Error with a message for the operator */
  verify(request: unknown): unknown;
  reload(): Promise<ReloadResult>;
}

class BadRequest extends Error {}
class Forbidden extends Error {}

function statusOf(error: unknown): number {
  if (error instanceof BadRequest) return 400;
  return error instanceof Forbidden ? 403 : 500;
}

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

/** The number of a group of this machine (group(5)). @throws ControlSocketError where there is none of that name */
function groupIdOf(name: string): number {
  const lines = readFileSync('/etc/group', 'utf8').split('\n');
  const found = lines.map((line) => line.split(':')).find(([each]) => each === name);
  const id = Number(found?.[2]);
  if (found === undefined || !Number.isInteger(id)) {
    throw new ControlSocketError(`there is no group ${name}; make it, or change control.group`);
  }
  return id;
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

function parseTarget(target: string): URL {
  try {
    return new URL(target, 'http://nsgd');
  } catch {
    throw new BadRequest('the target is no path');
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
  readonly socket: ControlSocket;
  readonly #handler: ControlHandler;
  readonly #pages: MetricsPages;
  #watchers = 0;

  constructor(socket: ControlSocket, handler: ControlHandler, pages: MetricsPages) {
    this.socket = socket;
    this.#handler = handler;
    this.#pages = pages;
    this.#server = createServer(
      { connectionsCheckingInterval: CHECK_INTERVAL_MS },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
  }

  /**
   * Replaces a socket that an earlier run left. The caller holds the runtime directory's lock.
   * @throws ControlSocketError where something else stands at the path
   */
  async listen(): Promise<void> {
    const { path, group } = this.socket;
    const groupId = group === undefined ? undefined : groupIdOf(group);
    removeSocket(path);
    // The mode must be right from the first instant: connect(2) asks it.
    const umask = process.umask(groupId === undefined ? UMASK_FOR_SOCKET : UMASK_FOR_OWNER);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, resolve);
      });
    } finally {
      process.umask(umask);
    }
    if (groupId !== undefined) this.#giveTo(groupId);
    chmodSync(path, SOCKET_MODE);
  }

  /** @throws ControlSocketError where the process may not: it must be a member of the group, or root */
  #giveTo(groupId: number): void {
    const { path, group } = this.socket;
    try {
      chownSync(path, process.geteuid?.() ?? 0, groupId);
    } catch (error) {
      throw new ControlSocketError(
        `${path} cannot be given to group ${group}: ${(error as Error).message}; make the daemon's user a member of it`,
      );
    }
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
      const status = statusOf(error);
      if (response.headersSent) response.destroy();
      else sendJson(response, status, { error: (error as Error).message });
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = parseTarget(request.url ?? '/');
    switch (`${request.method ?? ''} ${url.pathname}`) {
      case 'GET /v1/status':
        return sendJson(response, 200, { status: this.#handler.status() });
      case 'GET /v1/rules':
        return sendJson(response, 200, { rules: this.#handler.rules() });
      case 'GET /v1/flows':
        return this.#sendFlows(response, this.#flows(url));
      case 'GET /v1/events':
        return this.#sendEvents(response, url);
      case 'POST /v1/verify':
        return sendJson(response, 200, { result: this.#verify(await readBody(request)) });
      case 'POST /v1/reload': {
        if (this.socket.isReadOnly) throw new Forbidden('this socket takes no orders');
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

  #sendEvents(response: ServerResponse, url: URL): void {
    if (this.#watchers >= MAX_WATCHERS) {
      return sendJson(response, 503, { error: `${MAX_WATCHERS} others watch events already` });
    }
    const watcher = this.#watcher(response, url);
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    this.#watchers++;
    const unwatch = this.#handler.watch(watcher);
    response.once('close', () => {
      this.#watchers--;
      unwatch();
    });
  }

  #watcher(response: ServerResponse, url: URL): EventWatcher {
    try {
      return new EventWatcher(response, url.searchParams, () => performance.now());
    } catch (error) {
      if (!(error instanceof EventQueryError)) throw error;
      throw new BadRequest(error.message, { cause: error });
    }
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
