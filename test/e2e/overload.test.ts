/**
 * More packets than one processor can judge: what is beyond is dropped and counted, and a connection that was established
 * before does not notice.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compiled } from '../helpers/compiled.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { buildFrame, toHex } from '../helpers/frames.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, type Network, OUTSIDE } from '../helpers/network.ts';
import { allowIn, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

const PORT = 443;
/** Nobody listens there, so each datagram also costs the machine behind nsgd some time. */
const FLOOD_PORT = 9;
const FRAMES = 2_000_000;
const EXCHANGE_TIMEOUT_MS = 10_000;
const EXCHANGES_MIN = 5;

const configuration = oneVm(
  [
    allowIn('AllowHttps', 'Tcp', { destinationPortRange: String(PORT) }),
    allowIn('AllowDiscard', 'Udp', { priority: 110, destinationPortRange: String(FLOOD_PORT) }),
  ],
  { wire: { backend: 'af-xdp' } },
);

describe.skipIf(liveObstacle !== undefined)(`overload (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;

  beforeAll(async () => {
    lab = new Lab();
    network = oneVmNetwork(lab);
    daemon = await TestDaemon.start(lab, network.filter, configuration);
  });
  afterAll(async () => {
    await lab?.close();
  });

  test('an established connection goes on, and every frame is counted', async () => {
    await hostOf(network, 'vm1').peer.call('serveTcp', { port: PORT });
    const { peer } = hostOf(network, 'internet');
    const { connection = 0 } = await peer.call('connect', { address: VM, port: PORT });
    const exchange = async (): Promise<string> => {
      const request = { connection, text: 'here', timeoutMs: EXCHANGE_TIMEOUT_MS };
      return (await peer.call('exchange', request)).outcome;
    };
    expect(await exchange()).toBe('answered');

    const frame = buildFrame({
      ip: { src: '203.0.113.77', dst: VM },
      udp: { srcPort: 4000, dstPort: FLOOD_PORT },
      padTo: 60,
    });
    const program = compiled('test/helpers/flood-program.ts');
    const flood = lab.spawn(network.router, 'flood', [
      process.execPath,
      program,
      'wire0',
      String(FRAMES),
      toHex(frame),
    ]);
    let exchanges = 0;
    while (flood.child.exitCode === null) {
      // One by one: each waits for the answer to the one before.
      // oxlint-disable-next-line no-await-in-loop -- see above
      expect(await exchange()).toBe('answered');
      exchanges++;
    }
    expect(await flood.exited, flood.stderr).toBe('exit 0');
    // A connection of which nine of ten packets are lost does not get there.
    expect(exchanges).toBeGreaterThan(EXCHANGES_MIN);

    // Of a pair of virtual devices, what the sending one had no room for never arrived.
    const arrived = network.filter.received(OUTSIDE);
    const { read, dropped, judged } = await waitFor('all to be counted', () => {
      const { interfaces, reasons } = daemon.wire();
      const outside = interfaces.find(({ side }) => side === 'outside');
      const counts = {
        read: outside?.framesIn ?? 0,
        dropped: outside?.kernelDrops ?? 0,
        judged: reasons.reduce((sum, { inbound }) => sum + inbound, 0),
      };
      return counts.read + counts.dropped >= arrived ? counts : undefined;
    });
    expect(judged).toBe(read);
    expect(dropped).toBeGreaterThan(arrived / 10);
    // A frame of the neighbours may have come meanwhile.
    expect(read + dropped - arrived).toBeLessThan(100);
  });
});
