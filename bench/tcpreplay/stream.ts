/**
 * One TCP connection through a device, as fast as it goes: iperf3 with frames of 1514 bytes and every offload off on all
 * four interfaces, for every device alike. What goes back are acknowledgments, so it is also the only load both ways.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { waitFor } from '../../test/helpers/wait.ts';
import { missingProgram } from '../peers/process.ts';
import { ALLOWED_PORT } from '../rules/trial-policy.ts';
import { GENERATOR_CORE, GENERATOR_END, OUTSIDE, SINK_END, type TestBed } from './test-bed.ts';
import type { NetworkNamespace } from '../../test/helpers/network-namespace.ts';

const SECONDS = 3;
const CLIENT = '203.0.113.9';
const SERVER = '203.0.113.10';
const PREFIX = 24;
const TIMEOUT_MS = 30_000;

const run = promisify(execFile);

/** @returns bits a second at the receiver @throws Error where there is no iperf3 */
export async function measureStream(bed: TestBed): Promise<number> {
  const missing = missingProgram({ iperf3: 'iperf3' });
  if (missing !== undefined) throw new Error(missing);
  const ends = [
    [bed.generator, GENERATOR_END, CLIENT, SERVER],
    [bed.sink, SINK_END, SERVER, CLIENT],
  ] as const;
  const [client, server] = ends.map(([namespace, device]) => hardwareAddress(namespace, device));
  for (const [namespace, device, own, other] of ends) {
    namespace.ip('addr', 'replace', `${own}/${PREFIX}`, 'dev', device);
    // Nothing is asked: not every device lets ARP pass.
    namespace.neighbour(other, (device === GENERATOR_END ? server : client) ?? '', device);
  }
  bed.device.succeeds('ethtool', '-K', OUTSIDE, 'gro', 'off');
  const pinned = ['-A', String(GENERATOR_CORE), '-p', String(ALLOWED_PORT)];
  const listening = bed.lab.spawn(bed.sink, 'iperf3', ['iperf3', '-s', '-1', ...pinned]);
  try {
    await waitFor('iperf3 to listen', () => {
      const sockets = bed.sink.run('ss', '-Hltn', `sport = :${ALLOWED_PORT}`);
      return sockets.trim() === '' ? undefined : true;
    });
    const { stdout } = await run(
      'ip',
      [
        ...['netns', 'exec', bed.generator.name, 'iperf3', '-c', SERVER, ...pinned],
        ...['-t', String(SECONDS), '-O', '1', '-J'],
      ],
      { timeout: TIMEOUT_MS },
    );
    const { end } = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second;
  } finally {
    await listening.stop().catch(() => undefined);
    bed.device.run('ethtool', '-K', OUTSIDE, 'gro', 'on');
    for (const [namespace, device] of ends) namespace.ip('addr', 'flush', 'dev', device);
  }
}

function hardwareAddress(namespace: NetworkNamespace, device: string): string {
  const [link] = JSON.parse(namespace.ip('-j', 'link', 'show', device)) as [{ address: string }];
  return link.address;
}
