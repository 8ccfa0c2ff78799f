/**
 * /metrics, /-/healthy and /-/ready: the pages for Prometheus and for health checks. Served on the metrics port and
 * on the control socket; GET and HEAD only, nothing in a request changes what is computed.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

/** A scrape within this time gets the page of the one before, so that scraping cannot become a load. */
const SCRAPE_CACHE_MS = 200;
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 5_000;
/** How often Node looks for connections that are late. */
const CHECK_INTERVAL_MS = 1_000;

export interface Readiness {
  readonly isReady: boolean;
  /** What is missing, for people. */
  readonly reasons: readonly string[];
}

export class MetricsPages {
  readonly #registry: Registry;
  readonly #readiness: () => Readiness;
  readonly #clock: () => number;
  #page: { readonly madeAt: number; readonly text: Promise<string> } | undefined;

  /** @param clock milliseconds, monotonic */
  constructor(registry: Registry, readiness: () => Readiness, clock: () => number) {
    this.#registry = registry;
    this.#readiness = readiness;
    this.#clock = clock;
  }

  /** @returns false when the request is for none of the pages; nothing is written then */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const path = (request.url ?? '/').split('?', 1)[0];
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead) return false;
    switch (path) {
      case '/metrics':
        send(response, 200, await this.#metrics(), this.#registry.contentType);
        return true;
      case '/-/healthy':
        send(response, 200, 'nsgd is healthy.\n');
        return true;
      case '/-/ready': {
        const { isReady, reasons } = this.#readiness();
        if (isReady) send(response, 200, 'nsgd is ready.\n');
        else send(response, 503, `${reasons.join('\n')}\n`);
        return true;
      }
      case undefined:
      default:
        return false;
    }
  }

  #metrics(): Promise<string> {
    const now = this.#clock();
    if (this.#page === undefined || now - this.#page.madeAt > SCRAPE_CACHE_MS) {
      this.#page = { madeAt: now, text: this.#registry.metrics() };
    }
    return this.#page.text;
  }
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
}

/** Where Prometheus scrapes. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** These pages and nothing else. */
async function answerOnly(
  pages: MetricsPages,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (await pages.answer(request, response)) return;
    send(response, request.method === 'GET' ? 404 : 405, 'not here\n');
  } catch {
    response.destroy();
  }
}

/** Serves the pages on TCP. @returns the listening server */
export async function serveMetrics(pages: MetricsPages, listen: ListenAddress): Promise<Server> {
  const server = createServer(
    { connectionsCheckingInterval: CHECK_INTERVAL_MS },
    (request, response) => void answerOnly(pages, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  return server;
}
