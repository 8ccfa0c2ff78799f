/**
 * Host mode on a machine that is reached over the very interface that is attached: connections live on, what the policy
 * denies is denied, and afterwards everything is as it was.
 */
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DaemonStatus } from '../../daemon/status.ts';
import {
  HOST_END,
  HostLab,
  MACHINE_IPV4,
  MACHINE_IPV6,
  NETWORK_IPV4,
  NIC,
} from '../helpers/host-mode.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import type { Peer } from '../helpers/peer-client.ts';
import { readiness } from '../helpers/readiness.ts';
import { waitFor } from '../helpers/wait.ts';

/** Rounds of the survival test: `make attach-loop` does 50. */
const ROUNDS = Number(process.env['NSGD_ATTACH_ROUNDS'] ?? 1);
const ROUND_MS = 60_000;
const ECHO = 80;
const DENIED = 22;
/** In the network: what the machine talks to. */
const OUTSIDE_ECHO = 7;

interface Session {
  readonly name: string;
  readonly peer: Peer;
  readonly connection: number;
}

async function converse(name: string, peer: Peer, address: string, port: number): Promise<Session> {
  const { outcome, connection } = await peer.call('connect', { address, port, timeoutMs: 5000 });
  expect({ name, outcome }).toEqual({ name, outcome: 'connected' });
  await peer.call('converse', { connection: connection ?? 0 });
  return { name, peer, connection: connection ?? 0 };
}

describe.skipIf(liveObstacle !== undefined)(`host mode (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let host: HostLab;

  beforeEach(async () => {
    lab = new Lab();
    host = new HostLab(lab);
    host.configure([ECHO]);
    await host.machinePeer.call('serveTcp', { port: ECHO });
    await host.machinePeer.call('serveTcp', { port: DENIED });
    await host.networkPeer.call('serveTcp', { port: OUTSIDE_ECHO });
  });
  afterEach(async () => {
    await lab?.close();
  });

  const connect = (address: string, port: number) =>
    host.networkPeer.call('connect', { address, port, timeoutMs: 700 });
  const dataPlane = (): number => {
    const answer = host.nsgd('status', '-o', 'json', '--socket', host.socket);
    const { status } = JSON.parse(answer.stdout) as { status: DaemonStatus };
    return status.wires[0]?.processId ?? 0;
  };
  const untilReady = () =>
    waitFor('the wire to be ready', async () =>
      (await readiness(host.socket)) === 200 ? true : undefined,
    );

  const untilAttached = () =>
    waitFor('the attachment', () => (host.phase() === 'attached' ? true : undefined));
  const untilGone = () =>
    waitFor('the attachment to be undone', () => (host.phase() === undefined ? true : undefined));

  /** Everything that may happen to a machine in host mode, with connections in both directions all the time. */
  async function round(): Promise<void> {
    const before = host.dump();
    let daemon = await host.startDaemon();
    const sessions = [
      await converse('in, IPv4', host.networkPeer, MACHINE_IPV4, ECHO),
      await converse('in, IPv6', host.networkPeer, MACHINE_IPV6, ECHO),
      await converse('out, IPv4', host.machinePeer, NETWORK_IPV4, OUTSIDE_ECHO),
    ];

    const attached = host.attach('--no-confirm');
    expect(attached, daemon.stderr).toMatchObject({ status: 0, stderr: '' });
    expect(await connect(MACHINE_IPV4, DENIED)).toEqual({ outcome: 'timeout' });
    expect(await connect(MACHINE_IPV6, DENIED)).toEqual({ outcome: 'timeout' });
    expect((await connect(MACHINE_IPV6, ECHO)).outcome).toBe('connected');

    host.configure([ECHO, 443]);
    expect(host.nsgd('reload', '--socket', host.socket)).toMatchObject({ status: 0 });

    const killed = dataPlane();
    expect(killed).toBeGreaterThan(0);
    process.kill(killed, 'SIGKILL');
    await waitFor('another data plane', () => {
      const now = dataPlane();
      return now !== 0 && now !== killed ? true : undefined;
    });
    await untilReady();

    expect(await daemon.stop()).toBe('exit 0');
    // Closed: nobody answers while nobody filters.
    expect(await connect(MACHINE_IPV4, ECHO)).toEqual({ outcome: 'timeout' });
    daemon = await host.startDaemon();
    await untilReady();

    expect(host.hostCommand('detach')).toMatchObject({ status: 0, stderr: '' });
    for (const { name, peer, connection } of sessions) {
      const result = await peer.call('conclude', { connection, timeoutMs: 15_000 });
      expect({ name, ...result }).toMatchObject({ name, outcome: 'complete' });
      expect(result.bytes).toBeGreaterThan(10_000);
      console.log(`${name}: ${result.bytes} bytes, longest pause ${result.longestPauseMs} ms`);
      await peer.call('disconnect', { connection });
    }
    expect((await connect(MACHINE_IPV4, DENIED)).outcome).toBe('connected');
    expect(host.dump()).toEqual(before);
    expect(await daemon.stop()).toBe('exit 0');
    expect(host.dump()).toEqual(before);
    expect(existsSync(host.hostDirectory) ? readdirSync(host.hostDirectory) : []).toEqual(['lock']);
    host.configure([ECHO]);
  }

  test(
    `${ROUNDS} times: connections live through attach, reload, a killed data plane, a restart and detach`,
    async () => {
      for (let n = 0; n < ROUNDS; n++) await round();
    },
    ROUND_MS * ROUNDS,
  );

  test('a policy that shuts out: nothing is confirmed, so everything goes back; a killed attach too', async () => {
    const before = host.dump();
    const daemon = await host.startDaemon();
    const unconfirmed = host.attach('--confirm', '1s');
    expect(unconfirmed).toMatchObject({ status: 5 });
    expect(unconfirmed.stderr).toContain('not confirmed in time');
    expect(host.dump()).toEqual(before);

    const killed = host.attaching('--confirm', '2s');
    await untilAttached();
    killed.signal('SIGKILL');
    await untilGone();
    expect(host.dump()).toEqual(before);

    const stopped = host.attaching('--confirm', '60s');
    await untilAttached();
    expect(await stopped.stop()).toBe('exit 5');
    expect(host.dump()).toEqual(before);
    expect(await daemon.stop()).toBe('exit 0');
  });

  test('nsgd confirm keeps it, link-local IPv6 works, detach works without a daemon and twice', async () => {
    const before = host.dump();
    const daemon = await host.startDaemon();
    const attaching = host.attaching('--confirm', '60s');
    await untilAttached();
    expect(host.attach().stderr).toContain('eth0 is attached already');
    expect(host.hostCommand('confirm')).toMatchObject({ status: 0, stdout: 'eth0: confirmed\n' });
    expect(await attaching.exited).toBe('exit 0');
    const link = host.linkLocal();
    host.network.run('ping', '-6', '-n', '-q', '-c', '2', '-i', '0.1', '-W', '2', `${link}%${NIC}`);
    host.machine.run('ping', '-n', '-q', '-c', '2', '-i', '0.1', '-W', '2', NETWORK_IPV4);
    expect(await daemon.stop()).toBe('exit 0');
    expect(host.hostCommand('detach', NIC).stdout).toBe('eth0 is detached\n');
    expect(host.dump()).toEqual(before);
    expect(host.hostCommand('detach', NIC).stdout).toBe('eth0 is not attached\n');
    expect(host.hostCommand('detach').stdout).toBe('no interface is attached\n');
  });

  test('onStop: open: everything passes while the daemon does not run, and the policy holds again when it does', async () => {
    const before = host.dump();
    host.configure([ECHO], { onStop: 'open' });
    let daemon = await host.startDaemon();
    expect(host.attach('--no-confirm')).toMatchObject({ status: 0 });
    const session = await converse('in, IPv4', host.networkPeer, MACHINE_IPV4, ECHO);
    expect(await connect(MACHINE_IPV4, DENIED)).toEqual({ outcome: 'timeout' });
    expect(host.nsgd('status', '--socket', host.socket).stdout).toContain(
      'attention:     wire wire0: everything passes unfiltered while nsgd does not run (onStop: open)',
    );

    expect(await daemon.stop()).toBe('exit 0');
    expect(daemon.stderr).toContain('traffic passes unfiltered until nsgd runs again');
    expect((await connect(MACHINE_IPV4, DENIED)).outcome).toBe('connected');
    expect((await connect(MACHINE_IPV6, DENIED)).outcome).toBe('connected');

    daemon = await host.startDaemon();
    await untilReady();
    expect(daemon.stderr).toContain('traffic passed unfiltered while nsgd did not run');
    expect(await connect(MACHINE_IPV4, DENIED)).toEqual({ outcome: 'timeout' });

    // A daemon that is killed leaves it closed; what the service runs afterwards opens it.
    daemon.signal('SIGKILL');
    await daemon.exited;
    expect(await connect(MACHINE_IPV4, ECHO)).toEqual({ outcome: 'timeout' });
    const opened = host.nsgd('on-stop', '--config', host.configurationFile);
    expect(opened.stderr).toContain('traffic of wire wire0 passes unfiltered');
    expect((await connect(MACHINE_IPV6, DENIED)).outcome).toBe('connected');

    expect(host.hostCommand('detach')).toMatchObject({ status: 0, stderr: '' });
    const { peer, connection } = session;
    const result = await peer.call('conclude', { connection, timeoutMs: 15_000 });
    expect(result).toMatchObject({ outcome: 'complete' });
    await peer.call('disconnect', { connection });
    expect(host.dump()).toEqual(before);
  });

  test('a daemon that cannot filter: nothing is moved', async () => {
    // More than af-xdp takes.
    for (const namespace of [host.machine, host.network]) {
      namespace.ip('link', 'set', NIC, 'mtu', '9000');
    }
    host.configure([ECHO], { backend: 'af-xdp' });
    const before = host.dump();
    expect(host.attach()).toMatchObject({ status: 3 });
    const daemon = await host.startDaemon();
    const late = host.attach('--ready', '6s');
    expect(late).toMatchObject({ status: 1 });
    expect(late.stderr).toContain('nothing was moved: wire wire0 did not become ready: ');
    expect(late.stderr).toContain('MTU 9000');
    expect(host.dump()).toEqual(before);

    const killed = host.attaching('--ready', '60s');
    await waitFor('the pair', () =>
      host.machine.succeeds('ip', 'link', 'show', HOST_END) ? true : undefined,
    );
    killed.signal('SIGKILL');
    await untilGone();
    expect(host.dump()).toEqual(before);
    expect(await daemon.stop()).toBe('exit 0');
  });
});
