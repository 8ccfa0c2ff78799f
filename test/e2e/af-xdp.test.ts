/**
 * The daemon on its default backend: what it takes over, what it tells when that is not possible, and what it costs
 * while nothing happens.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { TestDaemon } from '../helpers/daemon.ts';
import { rule } from '../helpers/four-vms.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, INSIDE, INTERNET_IPV4, type Network, OUTSIDE } from '../helpers/network.ts';
import { connect, type NetworkNamespace } from '../helpers/network-namespace.ts';
import { oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

/** Clock ticks of a second in /proc (USER_HZ). */
const TICKS_PER_SECOND = 100;

const HTTP = { access: 'Allow', protocol: 'Tcp', destinationPortRange: '80' } as const;
const httpBothWays = [
  rule({ name: 'In', direction: 'Inbound', ...HTTP }),
  rule({ name: 'Out', direction: 'Outbound', ...HTTP }),
];

/** Processor time of a process so far, in milliseconds. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

describe.skipIf(liveObstacle !== undefined)(`af-xdp (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  afterEach(async () => {
    await lab?.close();
  });

  /** A wire whose ends lead to two empty namespaces. */
  function wire(mtu = 1500): NetworkNamespace {
    lab = new Lab();
    const filter = lab.namespace('nsgd');
    const neighbours = [lab.namespace('outside'), lab.namespace('inside')] as const;
    connect([neighbours[0], 'far0'], [filter, OUTSIDE]);
    connect([neighbours[1], 'far0'], [filter, INSIDE]);
    for (const device of [OUTSIDE, INSIDE]) filter.ip('link', 'set', device, 'mtu', String(mtu));
    return filter;
  }

  const download = (network: Network, to: string, address: string) =>
    hostOf(network, to).peer.call('download', { address, port: 80, bytes: 3_000_000 });

  test('TCP passes both ways when the neighbours leave checksums to the hardware', async () => {
    lab = new Lab();
    const network = oneVmNetwork(lab, true);
    const daemon = await TestDaemon.start(lab, network.filter, oneVm(httpBothWays));
    expect(daemon.wire().backend).toBe('af-xdp');
    for (const name of ['vm1', 'internet']) {
      await hostOf(network, name).peer.call('serveHttp', { port: 80, text: name });
    }
    const complete = { outcome: 'complete', bytes: 3_000_000 };
    expect(await download(network, 'internet', VM)).toMatchObject(complete);
    expect(await download(network, 'vm1', INTERNET_IPV4)).toMatchObject(complete);
    const { interfaces, reasons } = daemon.wire();
    expect(interfaces.map(({ kernelDrops, sendErrors }) => [kernelDrops, sendErrors])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(reasons.filter(({ access }) => access === 'Deny')).toEqual([]);
    await logged(daemon, '"detail":"out0 native; in0 native; copying"');
  });

  test('idle, it uses less than 1% of a processor; stop is quick', async () => {
    const filter = wire();
    const daemon = await TestDaemon.start(lab, filter, oneVm(httpBothWays));
    const { processId } = daemon.wire();
    await sleep(1000);
    const spent: number[] = [];
    // The least of a few looks: right after a start the compiler is still at work, for longer on a busy machine.
    while (spent.length < 5 && Math.min(...spent) >= 40) {
      const before = processorTime(processId);
      await sleep(4000);
      spent.push(processorTime(processId) - before);
    }
    expect(Math.min(...spent)).toBeLessThan(40);
    const start = performance.now();
    expect(await daemon.process.stop()).toBe('exit 0');
    // A tenth of a second; what would be noticed is a wait for something that never comes.
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test('the packet loop stays on the processor it is given', async () => {
    const filter = wire();
    const daemon = await TestDaemon.start(lab, filter, oneVm(httpBothWays, { wire: { cpu: 1 } }));
    const status = readFileSync(`/proc/${daemon.wire().processId}/status`, 'latin1');
    expect(/^Cpus_allowed_list:\t(.*)$/m.exec(status)?.[1]).toBe('1');
  });

  test('auto takes cap where af-xdp cannot work, and says why', async () => {
    const filter = wire(9000);
    const daemon = await TestDaemon.start(lab, filter, oneVm(httpBothWays));
    expect(daemon.wire().backend).toBe('cap');
    await logged(daemon, 'af-xdp cannot be used: out0 has MTU 9000; ');
  });

  test('a program that is in the way is named; when it is gone the wire starts', async () => {
    const filter = wire();
    // Another daemon on the same interfaces has such a program.
    const other = new Lab();
    const first = await TestDaemon.start(other, filter, oneVm(httpBothWays));
    // Beside the first, so without its metrics port.
    const second = TestDaemon.launch(
      lab,
      filter,
      oneVm(httpBothWays, { settings: { metrics: { listen: 'off' } } }),
    );
    await logged(second, 'queue 0 of out0: another program uses it; see');
    expect(await first.process.stop()).toBe('exit 0');
    await second.untilReady();
    await other.close();
  });

  test('an interface that is made again is taken over, unless it cannot be', async () => {
    const filter = wire();
    const daemon = await TestDaemon.start(
      lab,
      filter,
      oneVm(httpBothWays, { wire: { backend: 'af-xdp' } }),
    );
    const make = (mtu: number): void => {
      for (const [device, peer] of [
        [OUTSIDE, 'far1'],
        [INSIDE, 'far2'],
      ] as const) {
        filter.ip('link', 'del', device);
        filter.ip('link', 'add', device, 'mtu', String(mtu), 'type', 'veth', 'peer', 'name', peer);
        for (const end of [device, peer]) filter.ip('link', 'set', end, 'up');
      }
    };
    const until = (text: string): Promise<true> =>
      waitFor(`status to say "${text}"`, () =>
        daemon.command('status').stdout.includes(text) ? true : undefined,
      );
    filter.ip('link', 'del', OUTSIDE);
    await until(`there is no interface ${OUTSIDE}`);
    await logged(daemon, 'interface out0 is gone');
    filter.ip('link', 'add', OUTSIDE, 'type', 'veth', 'peer', 'name', 'far1');
    // Asked for by name, it is not replaced by another backend.
    make(9000);
    await until('backing-off: out0 has MTU 9000');
    make(1500);
    await daemon.untilReady();
    expect(daemon.wire().backend).toBe('af-xdp');
  });
});

/** Waits until the daemon's log has a text: it comes through a pipe. */
function logged(daemon: TestDaemon, text: string): Promise<true> {
  return waitFor(`the log to say "${text}"`, () =>
    daemon.process.stderr.includes(text) ? true : undefined,
  );
}
