/**
 * The other end of the control socket: one request for one command, or a stream of lines.
 */
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { CommandError, ExitCode } from '../exit-code.ts';

const TIMEOUT_MS = 10_000;

export interface ControlResponse {
  readonly status: number;
  readonly body: string;
}

function connectionError(path: string, error: NodeJS.ErrnoException): CommandError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new CommandError(
        ExitCode.NotRunning,
        `no daemon answers at ${path}; start it with "nsgd run"`,
      );
    case 'EACCES':
    case 'EPERM':
      return new CommandError(
        ExitCode.PermissionDenied,
        `${path}: permission denied; join the socket's group, or use sudo`,
      );
    case undefined:
    default:
      return new CommandError(ExitCode.Failed, `${path}: ${error.message}`);
  }
}

/**
 * @param path of the socket
 * @throws CommandError 3 when nobody listens, 4 without permission, 5 when no answer comes in time
 */
export function callControl(
  path: string,
  call: { readonly method: 'GET' | 'POST'; readonly target: string; readonly body?: unknown },
): Promise<ControlResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: path, method: call.method, path: call.target, timeout: TIMEOUT_MS },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          resolve({
            status: incoming.statusCode ?? 0,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
        incoming.on('error', (error) => reject(connectionError(path, error)));
      },
    );
    outgoing.on('timeout', () => {
      outgoing.destroy();
      reject(
        new CommandError(ExitCode.Timeout, `${path}: no answer in ${TIMEOUT_MS / 1000} seconds`),
      );
    });
    outgoing.on('error', (error) => reject(connectionError(path, error)));
    if (call.body === undefined) outgoing.end();
    else outgoing.end(JSON.stringify(call.body));
  });
}

/** A stream of lines that a daemon tells until one of the two ends. */
export interface ControlStream {
  /** Each line, then the end of the daemon's side. */
  readonly lines: AsyncIterable<string>;
  close(): void;
}

/**
 * Begins a GET whose answer has no end.
 * @param path of the socket
 * @throws CommandError as `callControl`, and 2 for a query that the daemon does not take
 */
export function openControlStream(path: string, target: string): Promise<ControlStream> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: path, path: target, timeout: TIMEOUT_MS },
      (incoming) => {
        outgoing.setTimeout(0);
        if (incoming.statusCode === 200) {
          resolve({ lines: linesOf(incoming), close: () => outgoing.destroy() });
        } else {
          refusalOf(incoming).then(reject, reject);
        }
      },
    );
    outgoing.on('timeout', () => {
      outgoing.destroy();
      reject(
        new CommandError(ExitCode.Timeout, `${path}: no answer in ${TIMEOUT_MS / 1000} seconds`),
      );
    });
    outgoing.on('error', (error) => reject(connectionError(path, error)));
    outgoing.end();
  });
}

/** Lines until the other side ends; a connection that breaks off ends them too. */
async function* linesOf(incoming: IncomingMessage): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: incoming, crlfDelay: Infinity });
  } catch {
    // The daemon was killed, or this side has closed: there are no more lines in either case.
  }
}

async function refusalOf(incoming: IncomingMessage): Promise<CommandError> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const { error } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { error?: unknown };
  const code = incoming.statusCode === 400 ? ExitCode.Usage : ExitCode.Failed;
  return new CommandError(code, String(error));
}
