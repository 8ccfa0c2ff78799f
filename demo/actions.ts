/**
 * What hosts do in the demo: each attempt ends with a word, and in bounded time.
 */
import { spawnSync } from 'node:child_process';
import type { Host } from '../test/helpers/network.ts';

export const ANSWERED = 'answered';
/** Nothing came back: what a firewall that drops looks like from outside. */
export const SILENCE = 'no answer';

/** How long an attempt waits for an answer that will not come. */
const PATIENCE_SECONDS = 1;
const PATIENCE_MS = PATIENCE_SECONDS * 1000;
/** Exit codes: curl could not connect or timed out; ping got no reply. */
const CURL_SILENT = new Set([7, 28]);
const PING_SILENT = 1;

export function curl(host: Host, url: string): string {
  const { status, stdout } = run(host, 'curl', '-sS', '--max-time', String(PATIENCE_SECONDS), url);
  if (status === 0) return stdout.startsWith('hello') ? ANSWERED : `unexpected page: ${stdout}`;
  return status !== null && CURL_SILENT.has(status) ? SILENCE : `curl exit ${String(status)}`;
}

export function ping(host: Host, address: string): string {
  const options = ['-n', '-q', '-c', '2', '-i', '0.2', '-W', String(PATIENCE_SECONDS)];
  const { status, stdout } = run(host, 'ping', ...options, address);
  if (status === 0) return ANSWERED;
  // Without its summary ping did not run at all.
  const hasRun = stdout.includes('packets transmitted');
  return hasRun && status === PING_SILENT ? SILENCE : `ping exit ${String(status)}`;
}

/** Sends a datagram to an echo server. */
export async function udp({ peer }: Host, address: string, port: number): Promise<string> {
  const target = { address, port, timeoutMs: PATIENCE_MS };
  return inWords((await peer.call('askUdp', target)).outcome);
}

/** Opens a connection to an echo server and says something over it. */
export async function tcp(host: Host, address: string, port: number): Promise<string> {
  const connection = await openTcp(host, address, port);
  if (typeof connection === 'string') return connection;
  const seen = await exchange(host, connection);
  await host.peer.call('disconnect', { connection });
  return seen;
}

/** @returns the number of the open connection, or how the attempt ended */
export async function openTcp(
  { peer }: Host,
  address: string,
  port: number,
): Promise<number | string> {
  const target = { address, port, timeoutMs: PATIENCE_MS };
  const { outcome, connection } = await peer.call('connect', target);
  return connection ?? inWords(outcome);
}

export async function exchange({ peer }: Host, connection: number): Promise<string> {
  const said = { connection, text: 'are you there?', timeoutMs: PATIENCE_MS };
  return inWords((await peer.call('exchange', said)).outcome);
}

function inWords(outcome: string): string {
  return outcome === 'timeout' ? SILENCE : outcome;
}

function run(
  host: Host,
  program: string,
  ...args: readonly string[]
): { readonly status: number | null; readonly stdout: string } {
  const command = ['netns', 'exec', host.namespace.name, program, ...args];
  return spawnSync('ip', command, { encoding: 'utf8' });
}
