/**
 * Exact counts under load: 50,000 packets a second of UDP, half of them denied. Every frame that was sent is forwarded,
 * dropped for a reason, or counted as dropped by the kernel; none is missing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/capture/memory.ts';
import { encodeCapture } from '../../src/capture/pcap-writer.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { buildFrame } from '../helpers/frames.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { connect, type NetworkNamespace } from '../helpers/network-namespace.ts';
import { allowIn, oneVm, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

const PACKETS_PER_SECOND = 50_000;
const FLOWS = 500;
const LOOPS = 300;

const BACKENDS = ['af-xdp', 'cap'] as const;
const suite = describe.skipIf(liveObstacle !== undefined);

suite.each(BACKENDS)(`conservation with %s (${liveObstacle ?? 'live'})`, (backend) => {
  let lab: Lab;
  let generator: NetworkNamespace;
  let filter: NetworkNamespace;
  let sink: NetworkNamespace;
  let daemon: TestDaemon;

  beforeAll(async () => {
    lab = new Lab();
    generator = lab.namespace('generator');
    filter = lab.namespace('nsgd');
    sink = lab.namespace('sink');
    connect([generator, 'gen0'], [filter, 'out0']);
    connect([filter, 'in0'], [sink, 'sink0']);
    const allowDns = allowIn('AllowDns', 'Udp', { destinationPortRange: '53' });
    daemon = await TestDaemon.start(lab, filter, oneVm([allowDns], { wire: { backend } }));
  });
  afterAll(async () => {
    await lab?.close();
  });

  test('sent = forwarded + dropped by reason + kernel drops, exactly', async () => {
    // The sender's own broadcasts (IPv6 is off, ARP is not used) would be frames that nobody sent on purpose.
    const frames = Array.from({ length: FLOWS * 2 }, (_, index) =>
      buildFrame({
        ip: { src: '203.0.113.9', dst: VM },
        udp: { srcPort: 1024 + index, dstPort: index % 2 === 0 ? 53 : 54 },
        payload: new Uint8Array(18),
      }),
    );
    const capture = join(lab.directory, 'mixed.pcap');
    writeFileSync(capture, encodeCapture(MemorySource.of(frames)));
    const before = {
      sent: received(filter, 'out0'),
      sink: received(sink, 'sink0'),
      wire: daemon.wire(),
    };
    const output = generator.run(
      'tcpreplay',
      ...[
        '--intf1=gen0',
        `--pps=${PACKETS_PER_SECOND}`,
        `--loop=${LOOPS}`,
        '--preload-pcap',
        '--quiet',
        capture,
      ],
    );
    const sent = received(filter, 'out0') - before.sent;
    expect(sent, output).toBe(FLOWS * 2 * LOOPS);
    // A frame is counted when it is judged, and again when the batch that it is in was sent.
    const { outside, inside, allowed, dropped } = await waitFor('the counts to settle', () => {
      const { interfaces, reasons } = daemon.wire();
      const [out, into] = interfaces;
      if (out === undefined || into === undefined) throw new Error('a wire has two interfaces');
      const [outBefore] = before.wire.interfaces;
      const seen =
        out.framesIn + out.kernelDrops - (outBefore?.framesIn ?? 0) - (outBefore?.kernelDrops ?? 0);
      const count = (access: string): number =>
        reasons.filter((row) => row.access === access).reduce((sum, row) => sum + row.inbound, 0);
      const counts = {
        outside: out,
        inside: into,
        allowed: count('Allow'),
        dropped: count('Deny'),
      };
      const isSent = into.framesOut + into.sendErrors === counts.allowed;
      return seen === sent && isSent ? counts : undefined;
    });
    const forwarded = inside.framesOut;
    expect(forwarded + inside.sendErrors).toBe(allowed);
    expect(forwarded + inside.sendErrors + dropped + outside.kernelDrops).toBe(sent);
    expect(received(sink, 'sink0') - before.sink).toBe(forwarded);
    // Half of what was read is denied; which frames the kernel dropped is chance.
    const read = sent - outside.kernelDrops;
    expect(dropped).toBeGreaterThan(read * 0.45);
    expect(dropped).toBeLessThan(read * 0.55);
    expect(
      daemon.rules().find(({ ruleName }) => ruleName === 'securityRules/AllowDns')?.hits,
    ).toBeLessThanOrEqual(FLOWS);
  });
});

function received(namespace: NetworkNamespace, device: string): number {
  return namespace.received(device);
}
