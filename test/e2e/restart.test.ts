/**
 * Restarts of the whole daemon: established connections go on, and at no moment does anything pass that the rules deny.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveFlows } from '../../daemon/saved-flows.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { newTable } from '../helpers/flows.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, type Network } from '../helpers/network.ts';
import { allowHttp, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

describe.skipIf(liveObstacle !== undefined)(`restart (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;
  let saved: string;

  const internet = () => hostOf(network, 'internet').peer;
  const vm = () => hostOf(network, 'vm1').peer;
  const start = () => {
    const settings = { stateDirectory: join(lab.directory, 'state') };
    return TestDaemon.start(lab, network.filter, oneVm([allowHttp], { settings }));
  };

  beforeAll(async () => {
    lab = new Lab();
    network = oneVmNetwork(lab);
    saved = join(lab.directory, 'state/flows.wire0');
    daemon = await start();
    await vm().call('serveHttp', { port: 80, text: 'vm1' });
    await vm().call('serveUdp', { port: 53 });
  });
  afterAll(async () => {
    await lab?.close();
  });

  /** A download over the whole of `interrupt`, while datagrams that no rule allows are sent all the time. */
  async function transferThrough(interrupt: () => Promise<void>): Promise<void> {
    const transfer = internet().call('download', {
      address: VM,
      port: 80,
      bytes: 3_000_000,
      rate: 1_000_000,
    });
    // Its first packets may be lost with the daemon before, and TCP waits longer each time before it tries again.
    await waitFor(
      'the transfer to run',
      async () => {
        const { bytes } = await internet().call('downloadProgress', {});
        return bytes > 300_000 ? bytes : undefined;
      },
      30_000,
    );
    const stray = internet().call('askUdp', { address: VM, port: 53, tries: 60, timeoutMs: 50 });
    await interrupt();
    expect(await transfer).toMatchObject({ outcome: 'complete', bytes: 3_000_000 });
    expect((await stray).outcome).toBe('timeout');
    expect((await vm().call('udpReceived', { port: 53 })).datagrams).toBe(0);
  }

  const logged = (line: RegExp) =>
    waitFor(`the log to have ${line.source}`, () =>
      line.test(daemon.process.stderr) ? true : undefined,
    );

  /** Rules that the live flows are counted for. */
  const ruleNames = (): (string | undefined)[] =>
    daemon
      .flows()
      .filter(({ local }) => local === `${VM}:80`)
      .map(({ rules }) => rules[0]?.ruleName);

  test('SIGTERM and a start: flows are saved, mode 0600, and restored with their rule', async () => {
    await transferThrough(async () => {
      expect(await daemon.process.stop()).toBe('exit 0');
      expect(statSync(saved).mode & 0o777).toBe(0o600);
      daemon = await start();
      expect(existsSync(saved)).toBe(false);
      await logged(/"flows":1,.*"msg":"flows restored"/);
      expect(ruleNames()).toEqual(['securityRules/AllowHttp']);
    });
  });

  test('a connection that is not among the saved flows is not picked up', async () => {
    const { connection = 0 } = await internet().call('connect', { address: VM, port: 80 });
    expect(await daemon.process.stop()).toBe('exit 0');
    saveFlows(saved, newTable(), []);
    daemon = await start();
    const request = { connection, text: 'GET / HTTP/1.0', timeoutMs: 700 };
    expect((await internet().call('exchange', request)).outcome).toBe('timeout');
    const dropped = daemon.wire().reasons.find(({ reason }) => reason === 'tcp_no_flow');
    expect(dropped?.inbound).toBeGreaterThan(0);
  });

  test('kill -9 of the control process and a start: the flow table in memory has them', async () => {
    await transferThrough(async () => {
      const { processId } = daemon.wire();
      daemon.process.signal('SIGKILL');
      await daemon.process.exited;
      await waitFor('the data plane to end with it', () =>
        existsSync(`/proc/${processId}/status`) &&
        !readFileSync(`/proc/${processId}/status`, 'utf8').includes('Z (zombie)')
          ? undefined
          : true,
      );
      daemon = await start();
      await logged(/"flows":[1-9]\d*,.*"msg":"flows restored"/);
      expect(ruleNames()).toContain('securityRules/AllowHttp');
    });
  });

  test('a damaged file is said, the start goes on, and TCP is picked up for a while', async () => {
    await transferThrough(async () => {
      expect(await daemon.process.stop()).toBe('exit 0');
      const bytes = readFileSync(saved);
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      writeFileSync(saved, bytes);
      daemon = await start();
      await logged(/flows\.wire0: damaged.*"msg":"saved flows not used"/);
    });
  });
});
