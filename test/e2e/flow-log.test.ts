/**
 * Flow logs of a live wire: what is written of real connections, and that it adds up to what the interfaces counted.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { macAddressFor } from '../../daemon/flow-log/azure-format.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { readFlowLogs } from '../helpers/flow-log-files.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, INTERNET_IPV4, type Network } from '../helpers/network.ts';
import { allowHttp, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

const LINK_BYTES = 14;
describe.skipIf(liveObstacle !== undefined)(`flow logs (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;
  let directory: string;

  beforeAll(async () => {
    lab = new Lab();
    directory = join(lab.directory, 'flow-logs');
    network = oneVmNetwork(lab);
    const settings = { flowLogs: { format: 'vnet-v4', directory } };
    daemon = await TestDaemon.start(lab, network.filter, oneVm([allowHttp], { settings }));
    await hostOf(network, 'vm1').peer.call('serveHttp', { port: 80, text: 'vm1' });
    await hostOf(network, 'internet').peer.call('serveUdp', { port: 53 });
  });
  afterAll(async () => {
    await lab?.close();
  });

  /** What the interface of the policy counted as allowed. */
  function counted(metric: 'packets' | 'bytes', direction: string): number {
    const name = `nsgd_network_interface_${metric}_total`;
    const line = new RegExp(
      `^${name}\\{[^}]*network_interface="vm1",direction="${direction}",access="allow"[^}]*\\} (\\d+)$`,
      'm',
    ).exec(daemon.fetch('/metrics'));
    return Number(line?.[1]);
  }

  test('real connections, both ways, and a denied one; the sums are those of the interface', async () => {
    const internet = hostOf(network, 'internet').peer;
    const download = { address: VM, port: 80, bytes: 300_000 };
    expect(await internet.call('download', download)).toMatchObject({ outcome: 'complete' });
    const vm = hostOf(network, 'vm1').peer;
    expect(await vm.call('askUdp', { address: INTERNET_IPV4, port: 53 })).toEqual({
      outcome: 'answered',
    });
    const denied = await internet.call('connect', { address: VM, port: 22, timeoutMs: 300 });
    expect(denied.outcome).toBe('timeout');

    await waitFor('the connection to be over', () =>
      daemon.flows().some(({ state }) => state === 'TIME_WAIT') ? true : undefined,
    );
    // The page of a scrape is kept for a fifth of a second.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [packetsIn, packetsOut] = [counted('packets', 'inbound'), counted('packets', 'outbound')];
    const bytesIn = counted('bytes', 'inbound') - packetsIn * LINK_BYTES;
    const bytesOut = counted('bytes', 'outbound') - packetsOut * LINK_BYTES;
    expect(await daemon.process.stop()).toBe('exit 0');

    const tuples = readFlowLogs(directory);
    const rows = tuples.map(({ rule: name, tuple }) => ({ name, fields: tuple.split(',') }));
    const named = (name: string): string[] =>
      rows.filter((row) => row.name === name).map(({ fields }) => fields.slice(5, 8).join(','));
    expect(named('UserRule_AllowHttp')).toEqual(['6,I,B', '6,I,C']);
    expect(named('DefaultRule_AllowInternetOutBound')).toEqual(['17,O,B', '17,O,C']);
    expect([...new Set(named('DefaultRule_DenyAllInBound'))]).toEqual(['6,I,D']);
    expect(new Set(tuples.map(({ mac }) => mac))).toEqual(new Set([macAddressFor('vm1')]));

    const sum = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0 };
    for (const { fields } of rows) {
      const [sent = 0, bytesSent = 0, received = 0, bytesReceived = 0] = fields
        .slice(9)
        .map(Number);
      const isInbound = fields[6] === 'I';
      sum.packetsIn += isInbound ? sent : received;
      sum.bytesIn += isInbound ? bytesSent : bytesReceived;
      sum.packetsOut += isInbound ? received : sent;
      sum.bytesOut += isInbound ? bytesReceived : bytesSent;
    }
    expect(sum).toEqual({ packetsIn, bytesIn, packetsOut, bytesOut });
    expect(sum.bytesOut).toBeGreaterThan(300_000);
  });
});
