/**
 * The other end of the control socket: one request for one command.
 */
import { request } from 'node:http';
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
