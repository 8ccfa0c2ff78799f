/**
 * A host on the network, as a program: runs in a namespace and does what peer-calls.ts lists, one JSON request per line
 * of standard input, one answer per line of standard output. Ends when its input ends.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer, get } from 'node:http';
import {
  connect as connectTcp,
  createServer as createTcpServer,
  isIPv6,
  type Socket,
} from 'node:net';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Outcome,
  PeerAnswer,
  PeerCalls,
  PeerMethod,
  PeerRequest,
  Target,
} from './peer-calls.ts';

const CONNECT_TIMEOUT_MS = 1500;
const ANSWER_TIMEOUT_MS = 3000;
const UDP_RETRY_MS = 200;
const DOWNLOAD_TIMEOUT_MS = 60_000;
/** The pattern is 251 bytes long: a prime, so that no segment size hides a repeated or a lost segment. */
const PATTERN_LENGTH = 251;
const BLOCK = Uint8Array.from(
  { length: PATTERN_LENGTH * 256 },
  (_, index) => index % PATTERN_LENGTH,
);
/** Of a conversation, at a time. */
const PIECE_BYTES = 1000;
/** How often a paced stream writes. */
const TICK_MS = 20;

const connections = new Map<number, Socket>();
const conversations = new Map<number, Conversation>();
const udpCounts = new Map<number, number>();
let nextConnection = 1;
let downloaded = 0;

/** Sends the pattern, a piece every tick, and checks its echo. */
class Conversation {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #received = 0;
  #outcome: Outcome | undefined;
  #lastAt = performance.now();
  #longestPause = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => (this.#outcome ??= 'closed'));
    this.#timer = setInterval(() => {
      const start = this.#sent % PATTERN_LENGTH;
      socket.write(BLOCK.subarray(start, start + PIECE_BYTES));
      this.#sent += PIECE_BYTES;
    }, TICK_MS);
  }

  async conclude(timeoutMs: number): Promise<PeerCalls['conclude']['answer']> {
    clearInterval(this.#timer);
    const outcome = await settle(timeoutMs, (done) => {
      const look = setInterval(() => {
        if (this.#outcome === undefined && this.#received < this.#sent) return;
        clearInterval(look);
        done(this.#outcome ?? 'complete');
      }, TICK_MS);
      look.unref();
    });
    this.#socket.removeAllListeners('data');
    return { outcome, bytes: this.#received, longestPauseMs: Math.round(this.#longestPause) };
  }

  #receive(chunk: Buffer): void {
    const now = performance.now();
    this.#longestPause = Math.max(this.#longestPause, now - this.#lastAt);
    this.#lastAt = now;
    if (!isPattern(chunk, this.#received)) this.#outcome ??= 'corrupt';
    this.#received += chunk.length;
  }
}

type Handlers = {
  [M in PeerMethod]: (request: PeerCalls[M]['request']) => Promise<PeerCalls[M]['answer']>;
};

const handlers: Handlers = {
  async serveTcp({ port }) {
    const server = createTcpServer((socket) => {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    server.listen(port);
    await once(server, 'listening');
    return {};
  },

  async serveHttp({ port, text }) {
    const server = createHttpServer((incoming, outgoing) => {
      const url = new URL(incoming.url ?? '/', 'http://peer');
      const [, count] = /^\/bytes\/(\d+)$/.exec(url.pathname) ?? [];
      if (count === undefined) {
        outgoing.end(`${text}\n`);
        return;
      }
      const rate = Number(url.searchParams.get('rate') ?? Number.POSITIVE_INFINITY);
      pipeline(Readable.from(pattern(Number(count), rate)), outgoing).catch(() => undefined);
    });
    server.listen(port);
    await once(server, 'listening');
    return {};
  },

  async serveUdp({ port }) {
    const socket = createSocket({ type: 'udp6' });
    udpCounts.set(port, 0);
    socket.on('message', (message, from) => {
      udpCounts.set(port, (udpCounts.get(port) ?? 0) + 1);
      socket.send(message, from.port, from.address);
    });
    socket.bind(port);
    await once(socket, 'listening');
    return {};
  },

  async connect(target) {
    const socket = connectTcp({
      host: target.address,
      port: target.port,
      ...(target.localPort === undefined ? {} : { localPort: target.localPort }),
      ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
    });
    socket.setNoDelay(true);
    const outcome = await settle(target.timeoutMs ?? CONNECT_TIMEOUT_MS, (done) => {
      socket.once('connect', () => done('connected'));
      socket.once('error', (error) => done(outcomeOf(error)));
    });
    if (outcome !== 'connected') {
      socket.destroy();
      return { outcome };
    }
    const connection = nextConnection++;
    connections.set(connection, socket);
    socket.on('error', () => undefined);
    socket.on('close', () => connections.delete(connection));
    return { outcome, connection, localPort: socket.localPort ?? 0 };
  },

  async exchange({ connection, text, timeoutMs }) {
    const socket = connections.get(connection);
    if (socket === undefined) return { outcome: 'closed' };
    const expected = Buffer.from(`${text}\n`);
    const chunks: Buffer[] = [];
    const listeners = new AbortController();
    const outcome = await settle(timeoutMs ?? ANSWER_TIMEOUT_MS, (done) => {
      const collect = (chunk: Buffer): void => {
        chunks.push(chunk);
        const received = Buffer.concat(chunks);
        if (received.length >= expected.length) {
          done(received.equals(expected) ? 'answered' : 'corrupt');
        }
      };
      const closed = (): void => done('closed');
      socket.on('data', collect).on('close', closed);
      listeners.signal.addEventListener('abort', () => {
        socket.off('data', collect).off('close', closed);
      });
      socket.write(expected);
    });
    listeners.abort();
    return { outcome };
  },

  converse({ connection }) {
    const socket = connections.get(connection);
    if (socket !== undefined) conversations.set(connection, new Conversation(socket));
    return Promise.resolve({});
  },

  async conclude({ connection, timeoutMs }) {
    const conversation = conversations.get(connection);
    if (conversation === undefined) return { outcome: 'closed', bytes: 0, longestPauseMs: 0 };
    conversations.delete(connection);
    return conversation.conclude(timeoutMs ?? ANSWER_TIMEOUT_MS);
  },

  async disconnect({ connection }) {
    const socket = connections.get(connection);
    if (socket !== undefined) {
      socket.end();
      await Promise.race([once(socket, 'close'), sleep(CONNECT_TIMEOUT_MS)]);
      socket.destroy();
    }
    return {};
  },

  async askUdp(target) {
    const socket = createSocket(isIPv6(target.address) ? 'udp6' : 'udp4');
    try {
      socket.bind(target.localPort, target.localAddress);
      await once(socket, 'listening');
      return { outcome: await askUntilAnswered(socket, target) };
    } finally {
      socket.close();
    }
  },

  udpReceived({ port }) {
    return Promise.resolve({ datagrams: udpCounts.get(port) ?? 0 });
  },

  async download(target) {
    const started = Date.now();
    downloaded = 0;
    const rate = target.rate === undefined ? '' : `?rate=${target.rate}`;
    const outcome = await settle(target.timeoutMs ?? DOWNLOAD_TIMEOUT_MS, (done) => {
      const host = isIPv6(target.address) ? `[${target.address}]` : target.address;
      // A connection of its own: one that is kept alive may be of a flow that is gone.
      const url = `http://${host}:${target.port}/bytes/${target.bytes}${rate}`;
      get(url, { agent: false }, (incoming) => {
        incoming.on('data', (chunk: Buffer) => {
          if (!isPattern(chunk, downloaded)) done('corrupt');
          downloaded += chunk.length;
        });
        incoming.on('error', () => done('closed'));
        incoming.on('end', () => done(downloaded === target.bytes ? 'complete' : 'closed'));
      }).on('error', (error) => done(outcomeOf(error)));
    });
    return { outcome, bytes: downloaded, milliseconds: Date.now() - started };
  },

  downloadProgress() {
    return Promise.resolve({ bytes: downloaded });
  },
};

/** Resolves with the first outcome that `start` reports, or `timeout`. */
function settle(
  timeoutMs: number,
  start: (done: (outcome: Outcome) => void) => void,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), timeoutMs);
    start((outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    });
  });
}

function askUntilAnswered(
  socket: UdpSocket,
  {
    address,
    port,
    timeoutMs = ANSWER_TIMEOUT_MS,
    text = 'ping',
    tries = 3,
  }: Target & {
    text?: string;
    tries?: number;
  },
): Promise<Outcome> {
  let repeat: NodeJS.Timeout | undefined;
  return settle(timeoutMs, (done) => {
    socket.on('message', (message) => {
      if (message.toString() === text) done('answered');
    });
    socket.on('error', (error) => done(outcomeOf(error)));
    let left = tries;
    const send = (): void => {
      if (left-- > 0) socket.send(text, port, address);
      else clearInterval(repeat);
    };
    repeat = setInterval(send, UDP_RETRY_MS);
    send();
  }).finally(() => clearInterval(repeat));
}

function outcomeOf(error: NodeJS.ErrnoException): Outcome {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'unreachable';
    case undefined:
    default:
      return 'closed';
  }
}

/** `count` bytes of the pattern, no faster than `rate` bytes a second. */
async function* pattern(count: number, rate: number): AsyncGenerator<Uint8Array> {
  const started = Date.now();
  let sent = 0;
  while (sent < count) {
    const allowed = Math.min(count, ((Date.now() - started + TICK_MS) / 1000) * rate);
    const length = Math.min(Math.floor(allowed) - sent, BLOCK.length - PATTERN_LENGTH);
    if (length <= 0) {
      // A paced stream waits between writes; that is the purpose.
      await sleep(TICK_MS);
      continue;
    }
    const start = sent % PATTERN_LENGTH;
    yield BLOCK.subarray(start, start + length);
    sent += length;
  }
}

function isPattern(chunk: Uint8Array, position: number): boolean {
  for (let index = 0; index < chunk.length; index++) {
    if (chunk[index] !== (position + index) % PATTERN_LENGTH) return false;
  }
  return true;
}

async function answer(line: string): Promise<void> {
  const { id, method, request } = JSON.parse(line) as PeerRequest;
  // The client pairs method and request type; JSON has lost that.
  const handler = handlers[method] as (request: unknown) => Promise<unknown>;
  let reply: PeerAnswer;
  try {
    reply = { id, answer: await handler(request) };
  } catch (error) {
    reply = { id, error: (error as Error).message };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => void answer(line));
lines.on('close', () => process.exit(0));
