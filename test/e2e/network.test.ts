/**
 * The laboratory itself: with a plain kernel bridge where nsgd will stand, everybody reaches everybody, and only
 * through the wire. A live test that sees a refusal may then blame the policy.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../helpers/lab.ts';
import {
  buildNetwork,
  hostOf,
  INSIDE,
  INTERNET_IPV4,
  INTERNET_IPV6,
  type Network,
  OUTSIDE,
} from '../helpers/network.ts';
import { liveTestObstacle } from '../helpers/network-namespace.ts';
import { projectRoot } from '../helpers/project-root.ts';

const obstacle = existsSync(join(projectRoot, 'dist/test/helpers/peer.js'))
  ? liveTestObstacle()
  : 'needs a build';

const VM1 = '10.0.1.4';
const VM2 = '10.0.1.5';
const VM1_IPV6 = 'fd00:db8:0:1::4';

describe.skipIf(obstacle !== undefined)(`laboratory network (${obstacle ?? 'live'})`, () => {
  let nextPort = 5000;
  let lab: Lab;
  let network: Network;

  beforeAll(() => {
    lab = new Lab();
    network = buildNetwork(lab, {
      machines: [
        { name: 'vm1', addresses: [VM1, VM1_IPV6], gateways: ['10.0.1.1', 'fd00:db8:0:1::1'] },
        { name: 'vm2', addresses: [VM2], gateways: ['10.0.1.1'] },
      ],
    });
    const { filter } = network;
    filter.ip('link', 'add', 'br0', 'type', 'bridge');
    filter.ip('link', 'set', 'br0', 'up');
    filter.ip('link', 'set', OUTSIDE, 'master', 'br0');
    filter.ip('link', 'set', INSIDE, 'master', 'br0');
  });
  afterAll(async () => {
    await lab.close();
    const left = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout;
    expect(left).not.toContain(`-${process.pid}-`);
  });

  test.each([
    ['internet to VM', 'internet', 'vm1', VM1],
    ['VM to internet', 'vm1', 'internet', INTERNET_IPV4],
    ['VM to VM in one subnet', 'vm1', 'vm2', VM2],
    ['internet to VM over IPv6', 'internet', 'vm1', VM1_IPV6],
    ['VM to internet over IPv6', 'vm1', 'internet', INTERNET_IPV6],
  ])('TCP and UDP: %s', async (_name, from, to, address) => {
    const client = hostOf(network, from).peer;
    const server = hostOf(network, to).peer;
    const port = nextPort++;
    await server.call('serveTcp', { port });
    await server.call('serveUdp', { port });
    const { outcome, connection = 0 } = await client.call('connect', { address, port });
    expect(outcome).toBe('connected');
    expect(await client.call('exchange', { connection, text: 'hello' })).toEqual({
      outcome: 'answered',
    });
    await client.call('disconnect', { connection });
    expect(await client.call('askUdp', { address, port })).toEqual({ outcome: 'answered' });
    expect((await server.call('udpReceived', { port })).datagrams).toBeGreaterThan(0);
    expect(await client.call('connect', { address, port: 1 })).toEqual({ outcome: 'refused' });
  });

  test('a packet between VMs of one subnet crosses the wire twice', async () => {
    const { filter } = network;
    const before = { outside: filter.received(OUTSIDE), inside: filter.received(INSIDE) };
    const { namespace } = hostOf(network, 'vm1');
    namespace.run('ping', '-n', '-q', '-c', '5', '-i', '0.05', VM2);
    // Five requests and five replies, each outbound then inbound.
    expect(filter.received(INSIDE) - before.inside).toBeGreaterThanOrEqual(10);
    expect(filter.received(OUTSIDE) - before.outside).toBeGreaterThanOrEqual(10);
  });

  test('nothing passes when the wire is cut', async () => {
    network.filter.ip('link', 'set', INSIDE, 'down');
    const { peer } = hostOf(network, 'vm1');
    const target = { address: VM2, port: 5000, timeoutMs: 500 };
    const { outcome } = await peer.call('connect', target);
    expect(['timeout', 'unreachable']).toContain(outcome);
    network.filter.ip('link', 'set', INSIDE, 'up');
  });

  test('a download is checked byte for byte, and in frames a cable could carry', async () => {
    const server = hostOf(network, 'vm1').peer;
    await server.call('serveHttp', { port: 80, text: 'vm1' });
    const target = { address: VM1, port: 80, bytes: 5_000_000 };
    const before = network.filter.received(INSIDE);
    const answer = await hostOf(network, 'internet').peer.call('download', target);
    expect(answer).toMatchObject({ outcome: 'complete', bytes: 5_000_000 });
    // 1460 is the most that TCP can put into a frame of 1514 bytes; with offloads on it would be some 64 kB.
    expect(network.filter.received(INSIDE) - before).toBeGreaterThanOrEqual(5_000_000 / 1460);
  });
});
