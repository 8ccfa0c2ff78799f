/**
 * Host mode on a machine that is reached over the very interface that is attached: connections live on, what the policy
 * denies is denied, and afterwards everything is as it was.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HostLab, MACHINE_IPV4 } from '../helpers/host-mode.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';

describe.skipIf(liveObstacle !== undefined)(`host mode (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let host: HostLab;

  beforeAll(async () => {
    lab = new Lab();
    host = new HostLab(lab);
    host.configure([80]);
    await host.machinePeer.call('serveHttp', { port: 80, text: 'machine' });
    await host.machinePeer.call('serveTcp', { port: 22 });
  });
  afterAll(async () => {
    await lab?.close();
  });

  test('attach and detach leave everything as it was', async () => {
    const before = host.dump();
    const daemon = await host.startDaemon();
    const t0 = Date.now();
    const attached = host.attach('--no-confirm');
    console.log(attached, Date.now() - t0);
    console.log(host.machine.ip('addr'), host.machine.ip('route'));
    console.log(daemon.stderr);
    console.log(
      await host.networkPeer.call('download', { address: MACHINE_IPV4, port: 80, bytes: 200000 }),
    );
    console.log(await host.networkPeer.call('connect', { address: MACHINE_IPV4, port: 22 }));
    const t1 = Date.now();
    console.log(host.hostCommand('detach'), Date.now() - t1);
    console.log(daemon.stderr);
    console.log(daemon.stderr);
    expect(host.dump()).toEqual(before);
    expect(await daemon.stop()).toBe('exit 0');
  });
});
