/**
 * The whole daemon on a live wire: state, reload, crashes, wrong files, exact counts. What an operator would try
 * before trusting it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FlowStatus } from '../../daemon/status.ts';
import { nsgdProgram, TestDaemon } from '../helpers/daemon.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, INSIDE, INTERNET_IPV4, type Network } from '../helpers/network.ts';
import { allowHttp, allowPing, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

describe.skipIf(liveObstacle !== undefined)(`daemon (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;

  beforeAll(async () => {
    lab = new Lab();
    network = oneVmNetwork(lab);
    daemon = await TestDaemon.start(lab, network.filter, oneVm([allowHttp, allowPing]));
    await hostOf(network, 'vm1').peer.call('serveHttp', { port: 80, text: 'vm1' });
    await hostOf(network, 'vm1').peer.call('serveTcp', { port: 22 });
    await hostOf(network, 'vm1').peer.call('serveUdp', { port: 53 });
    await hostOf(network, 'internet').peer.call('serveUdp', { port: 53 });
  });
  afterAll(async () => {
    await lab?.close();
  });

  const internet = () => hostOf(network, 'internet').peer;
  const vm = () => hostOf(network, 'vm1').peer;
  const download = (bytes: number, rate?: number) =>
    internet().call('download', {
      address: VM,
      port: 80,
      bytes,
      ...(rate === undefined ? {} : { rate }),
    });
  const connectHttp = () => internet().call('connect', { address: VM, port: 80, timeoutMs: 700 });

  test('HTTP in, ping in, UDP out with its reply; a port without a rule and UDP in are dropped silently', async () => {
    expect(await download(200_000)).toMatchObject({ outcome: 'complete', bytes: 200_000 });
    hostOf(network, 'internet').namespace.run(
      'ping',
      '-n',
      '-q',
      '-c',
      '3',
      '-i',
      '0.05',
      '-W',
      '1',
      VM,
    );
    expect(await vm().call('askUdp', { address: INTERNET_IPV4, port: 53 })).toEqual({
      outcome: 'answered',
    });
    expect(await internet().call('connect', { address: VM, port: 22, timeoutMs: 700 })).toEqual({
      outcome: 'timeout',
    });
    expect(
      (await internet().call('askUdp', { address: VM, port: 53, tries: 2, timeoutMs: 300 }))
        .outcome,
    ).toBe('timeout');
    expect((await vm().call('udpReceived', { port: 53 })).datagrams).toBe(0);
  });

  test('the data plane has given up every capability', () => {
    const [wire] = daemon.status().wires;
    const status = readFileSync(`/proc/${wire?.processId ?? 0}/status`, 'utf8');
    for (const set of ['CapPrm', 'CapEff', 'CapAmb']) {
      expect(status).toMatch(new RegExp(`^${set}:\\t0{16}$`, 'm'));
    }
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  });

  test('status shows how the interfaces are, and says what wants attention', () => {
    const expected = { mtu: 1500, isPromiscuous: true, offloads: [] };
    const { interfaces, backend } = daemon.wire();
    expect(interfaces.map(({ device }) => device)).toEqual([expected, expected]);
    expect(interfaces.map(({ ringSlots }) => ringSlots ?? 0)).toEqual(
      backend === 'af-xdp' ? [8192, 8192] : [0, 0],
    );
    expect(daemon.status().warnings).toEqual([]);
    network.filter.run('ethtool', '-K', INSIDE, 'gro', 'on');
    const { stdout, status } = daemon.command('status');
    network.filter.run('ethtool', '-K', INSIDE, 'gro', 'off');
    expect(status).toBe(0);
    expect(stdout).toContain(`attention:     offloads of ${INSIDE} are on: rx-gro`);
    expect(stdout).toMatch(/^in0 +inside +up +1500 +on +1 on /m);
  });

  test('flows, rules and metrics show it', async () => {
    const { connection = 0 } = await connectHttp();
    const flow = daemon
      .flows()
      .find(({ local, state }) => local === `${VM}:80` && state === 'ESTABLISHED');
    expect(flow).toMatchObject({
      protocol: 'TCP',
      direction: 'Inbound',
      rules: [{ networkSecurityGroup: 'nsg', ruleName: 'securityRules/AllowHttp' }],
    });
    expect(daemon.command('flows', '--limit', '1').stderr).toBe(
      'nsgd: only 1 shown; --limit gives more\n',
    );
    expect(daemon.command('flows').stderr).toBe('');
    await internet().call('disconnect', { connection });
    expect(
      daemon.rules().find(({ ruleName }) => ruleName === 'securityRules/AllowHttp')?.hits,
    ).toBeGreaterThan(0);
    expect(daemon.fetch('/-/healthy')).toContain('healthy');
    expect(daemon.fetch('/-/ready')).toContain('ready');
    const metrics = daemon.fetch('/metrics');
    expect(metrics).toMatch(
      /^nsgd_packets_dropped_total\{wire="wire0",direction="inbound",reason="rule_deny"\} [1-9]/m,
    );
    expect(metrics).toMatch(/^nsgd_rule_hits_total\{.*rule="securityRules\/AllowHttp".*\} [1-9]/m);
    expect(metrics).toMatch(/^nsgd_wire_ready\{wire="wire0"\} 1$/m);
  });

  test('removing the rule under a live transfer does not interrupt it; a new connection is refused', async () => {
    const transfer = download(3_000_000, 1_000_000);
    await waitFor('the transfer to run', async () => {
      const { bytes } = await internet().call('downloadProgress', {});
      return bytes > 300_000 ? bytes : undefined;
    });
    const { remote = '' } =
      daemon.flows().find(({ local, bytesOut }) => local === `${VM}:80` && bytesOut > 300_000) ??
      {};
    expect(daemon.reload(oneVm([allowPing])).status).toBe(0);
    expect(await connectHttp()).toEqual({ outcome: 'timeout' });
    const verify = (end: string) =>
      daemon.command(
        ...['verify', '--live', '--direction', 'Inbound', '--protocol', 'TCP'],
        ...['--local', `${VM}:80`, '--remote', end, '-o', 'json'],
      );
    // The rules would not let it in any more; its flow carries it.
    const carried = verify(remote);
    expect(carried.status).toBe(1);
    expect(JSON.parse(carried.stdout)).toMatchObject({
      access: 'Deny',
      ruleName: 'defaultSecurityRules/DenyAllInBound',
      flowTable: {
        flows: [{ remote, rules: [{ ruleName: 'securityRules/AllowHttp' }] }],
      },
    });
    expect(JSON.parse(verify(`${INTERNET_IPV4}:1`).stdout)).toMatchObject({
      flowTable: { flows: [] },
    });
    expect(verify(`${INTERNET_IPV4}:*`).stdout).not.toContain('flowTable');
    expect(await transfer).toMatchObject({ outcome: 'complete', bytes: 3_000_000 });
    expect(daemon.reload(oneVm([allowHttp, allowPing])).status).toBe(0);
    expect((await connectHttp()).outcome).toBe('connected');
  });

  test('with flushConnection the same change ends the connection', async () => {
    const flushing = { group: { flushConnection: true } };
    expect(daemon.reload(oneVm([allowHttp], flushing)).status).toBe(0);
    const { connection = 0, localPort = 0 } = await connectHttp();
    const live = (): FlowStatus[] =>
      daemon.flows().filter(({ remote }) => remote === `${INTERNET_IPV4}:${localPort}`);
    expect(live()).toHaveLength(1);
    expect(daemon.reload(oneVm([], flushing)).status).toBe(0);
    const request = { connection, text: 'GET / HTTP/1.0', timeoutMs: 700 };
    expect((await internet().call('exchange', request)).outcome).not.toBe('answered');
    expect(live()).toEqual([]);
    expect(daemon.reload(oneVm([allowHttp, allowPing])).status).toBe(0);
  });

  test('kill -9 of the data plane under a live transfer: the transfer completes', async () => {
    const { restarts } = daemon.wire();
    const processId = daemon.dataPlane();
    const transfer = download(4_000_000, 1_000_000);
    await waitFor('the transfer to run', async () => {
      const { bytes } = await internet().call('downloadProgress', {});
      return bytes > 300_000 ? bytes : undefined;
    });
    process.kill(processId, 'SIGKILL');
    expect(await transfer).toMatchObject({ outcome: 'complete', bytes: 4_000_000 });
    const after = daemon.wire();
    expect(after.restarts).toBe(restarts + 1);
    expect(after.processId).not.toBe(processId);
  });

  test('a link that goes down and comes back is survived', async () => {
    network.switch.ip('link', 'set', 'wire0', 'down');
    await waitFor('the daemon to see it', () =>
      daemon.command('status').status === 1 ? true : undefined,
    );
    expect(daemon.process.isRunning).toBe(true);
    network.switch.ip('link', 'set', 'wire0', 'up');
    await daemon.untilReady();
    expect(await download(100_000)).toMatchObject({ outcome: 'complete' });
  });

  test('a wrong file gives every error with its position, exit code 2, and the old policy stays', async () => {
    const { activeGeneration } = daemon.wire();
    const broken = [
      { ...allowHttp, destinationPortRange: '70000' },
      { ...allowPing, priority: 100, sourceAddressPrefix: '10.0.0.1/8' },
    ];
    const result = daemon.reload(oneVm(broken));
    expect(result.status).toBe(2);
    for (const code of [
      'SecurityRuleInvalidPortRange',
      'SecurityRuleInvalidAddressPrefix',
      'SecurityRuleConflict',
    ]) {
      expect(result.stderr).toMatch(
        new RegExp(`^${daemon.configurationFile}:\\d+:\\d+: ${code}: `, 'm'),
      );
    }
    daemon.write(() => '{ "networkSecurityGroups": [');
    expect(daemon.command('reload').status).toBe(2);
    // SIGHUP is the same question without an answer.
    daemon.process.signal('SIGHUP');
    await waitFor('the failure to be counted', () =>
      /nsgd_config_reloads_total\{result="failure"\} 3/.test(daemon.fetch('/metrics'))
        ? true
        : undefined,
    );
    expect(daemon.wire().activeGeneration).toBe(activeGeneration);
    expect(daemon.status()).toMatchObject({
      isLastReloadSuccessful: false,
      warnings: [
        'the last reload failed: the policy before it is in force',
        expect.stringMatching(/^\/.* changed after it was read; nsgd reload reads it again$/),
      ],
    });
    expect((await connectHttp()).outcome).toBe('connected');
    daemon.write(oneVm([allowHttp, allowPing]));
    daemon.process.signal('SIGHUP');
    await waitFor('the reload', () =>
      daemon.wire().activeGeneration > activeGeneration ? true : undefined,
    );
  });

  test('a second daemon on the same runtime directory is refused', () => {
    const second = spawnSync(
      'ip',
      [
        'netns',
        'exec',
        network.filter.name,
        nsgdProgram,
        'run',
        '--config',
        daemon.configurationFile,
      ],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(second.status, second.stderr).toBe(1);
    expect(second.stderr).toContain('another nsgd');
    expect(daemon.command('status').status).toBe(0);
  });

  test('SIGTERM ends it cleanly; then nothing passes and nothing is left', async () => {
    const { processId } = daemon.wire();
    expect(await daemon.process.stop()).toBe('exit 0');
    expect(daemon.command('status').status).toBe(3);
    expect(() => process.kill(processId, 0)).toThrow('ESRCH');
    expect(await connectHttp()).toEqual({ outcome: 'timeout' });
  });
});
