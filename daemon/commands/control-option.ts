/**
 * What the commands that ask the running daemon share: the socket option and the reading of answers.
 */
import type { Command } from 'commander';
import { controlSocketIn, DEFAULT_RUNTIME_DIRECTORY } from '../../src/policy/setting-values.ts';
import { callControl } from '../control/client.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import type { FlowStatus } from '../status.ts';

/** Adds `--socket`; the environment variable serves people who run several daemons. */
export function withSocketOption(command: Command): Command {
  const path = process.env['NSGD_SOCKET'] ?? controlSocketIn(DEFAULT_RUNTIME_DIRECTORY);
  return command.option('--socket <path>', 'control socket of the daemon', path);
}

export async function askDaemon(
  socket: string,
  method: 'GET' | 'POST',
  target: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const { status, body: text } = await callControl(socket, { method, target, body });
  const answer = JSON.parse(text) as Record<string, unknown>;
  if (status === 403) throw new CommandError(ExitCode.PermissionDenied, String(answer['error']));
  if (status === 400) throw new CommandError(ExitCode.Usage, String(answer['error']));
  if (status >= 500)
    throw new CommandError(ExitCode.Failed, `the daemon failed: ${String(answer['error'])}`);
  return answer;
}

/** Which flows: at most so many, of all or of those with the most bytes. */
export interface FlowSelection {
  readonly limit: number;
  readonly sort?: 'bytes';
}

export async function readFlows(socket: string, selection: FlowSelection): Promise<FlowStatus[]> {
  const sort = selection.sort === undefined ? '' : `&sort=${selection.sort}`;
  const target = `/v1/flows?limit=${selection.limit}${sort}`;
  const { status, body } = await callControl(socket, { method: 'GET', target });
  if (status !== 200) throw new CommandError(ExitCode.Failed, body.trim());
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FlowStatus);
}
