/**
 * `nsgd monitor` on a live wire: what it shows of real traffic, of a crash of the data plane, of a flood, and how it ends.
 */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DaemonEvent, FlowEvent, SuppressedEvent } from '../../daemon/events/event.ts';
import { nsgd, nsgdProgram, TestDaemon } from '../helpers/daemon.ts';
import { Lab, LabProcess } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, INTERNET_IPV4, type Network } from '../helpers/network.ts';
import { allowHttp, allowPing, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';
import { rule } from '../helpers/four-vms.ts';

const denyTelnet = rule({
  name: 'DenyTelnet',
  direction: 'Inbound',
  access: 'Deny',
  protocol: 'Tcp',
  priority: 120,
  destinationPortRange: '23',
});

/** A monitor that runs, and what it has printed so far. */
class Monitor {
  readonly process: LabProcess;
  #text = '';

  constructor(daemon: TestDaemon, ...options: readonly string[]) {
    const args = ['monitor', '--socket', daemon.socket, '-o', 'ndjson', ...options];
    this.process = new LabProcess('monitor', spawn(nsgdProgram, args, { stdio: 'pipe' }));
    this.process.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
    });
  }

  get events(): DaemonEvent[] {
    return this.#text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as DaemonEvent);
  }

  flows(type: FlowEvent['type']): FlowEvent[] {
    return this.events.filter((event): event is FlowEvent => event.type === type);
  }
}

describe.skipIf(liveObstacle !== undefined)(`nsgd monitor (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;
  const monitors: Monitor[] = [];

  beforeAll(async () => {
    lab = new Lab();
    network = oneVmNetwork(lab);
    const rules = [allowHttp, allowPing, denyTelnet];
    daemon = await TestDaemon.start(lab, network.filter, oneVm(rules));
    await hostOf(network, 'vm1').peer.call('serveHttp', { port: 80, text: 'vm1' });
  });
  afterAll(async () => {
    for (const { process } of monitors) process.signal('SIGKILL');
    await lab?.close();
  });

  const internet = () => hostOf(network, 'internet').peer;
  const attempt = (port: number) =>
    internet().call('connect', { address: VM, port, timeoutMs: 300 });

  /** A monitor that the daemon has taken in: it shows what happens from here on. */
  async function watch(...options: readonly string[]): Promise<Monitor> {
    return watchBy(23, ...options);
  }

  /** @param port an attempt at it is among what the monitor is to show */
  async function watchBy(port: number, ...options: readonly string[]): Promise<Monitor> {
    const monitor = new Monitor(daemon, ...options);
    monitors.push(monitor);
    await waitFor('the daemon to have the watcher', async () => {
      await attempt(port);
      return monitor.events.length > 0 ? true : undefined;
    });
    return monitor;
  }

  async function shows<T>(what: string, find: () => T | undefined): Promise<T> {
    return waitFor(`the monitor to show ${what}`, find);
  }

  test('a connection, a ping and a denied packet, with the rules that decided', async () => {
    const monitor = await watch();
    const { connection = 0, localPort = 0 } = await attempt(80);
    const remote = `${INTERNET_IPV4}:${localPort}`;
    const opened = await shows('the connection', () =>
      monitor.flows('opened').find((event) => event.remote === remote),
    );
    expect(opened).toMatchObject({
      wire: 'wire0',
      networkInterface: 'vm1',
      direction: 'Inbound',
      protocol: 'TCP',
      local: `${VM}:80`,
      vlans: [],
      tcpFlags: 'S',
      reason: 'rule',
      rules: [{ networkSecurityGroup: 'nsg', ruleName: 'securityRules/AllowHttp' }],
      generation: 1,
    });
    expect(Math.abs(Date.parse(opened.time) - Date.now())).toBeLessThan(5000);
    expect(monitor.flows('denied')[0]).toMatchObject({
      local: `${VM}:23`,
      reason: 'rule_deny',
      rules: [{ networkSecurityGroup: 'nsg', ruleName: 'securityRules/DenyTelnet' }],
    });
    await internet().call('disconnect', { connection });
    hostOf(network, 'internet').namespace.run('ping', '-n', '-q', '-c', '1', '-W', '1', VM);
    const ping = await shows('the ping', () =>
      monitor.flows('opened').find((event) => event.protocol === 'ICMP'),
    );
    expect(ping).toMatchObject({ local: VM, remote: INTERNET_IPV4, icmpType: 8, icmpCode: 0 });
    monitor.process.signal('SIGINT');
    expect(await monitor.process.exited).toBe('exit 0');
  });

  test('a connection that opens the same ports again: the one before has ended, with its counters', async () => {
    const remote = `${INTERNET_IPV4}:45678`;
    const monitor = await watchBy(80, '--port', '80', '--type', 'opened,ended');
    // RST ends it; the same tuple right after that opens it again.
    const reset = (): void => {
      hostOf(network, 'internet').namespace.run(
        process.execPath,
        '-e',
        `const s=require('net').connect({host:'${VM}',port:80,localPort:45678},()=>s.resetAndDestroy());s.on('error',()=>{})`,
      );
    };
    reset();
    reset();
    const ofTuple = (event: FlowEvent): boolean => event.remote === remote;
    const ended = await shows('its end', () => monitor.flows('ended').find(ofTuple));
    expect(ended).toMatchObject({
      reason: 'reopened',
      local: `${VM}:80`,
      remote,
      packetsOut: 1,
      rules: [{ networkSecurityGroup: 'nsg', ruleName: 'securityRules/AllowHttp' }],
    });
    expect(ended.packetsIn).toBeGreaterThanOrEqual(2);
    expect(ended.durationSeconds).toBeGreaterThan(0);
    expect(ended.startTime).toBe(monitor.flows('opened').find(ofTuple)?.time);
  });

  test('a reload and a data plane that is killed and started again; events go on', async () => {
    const monitor = await watch('--type', 'reload,data-plane,denied', '--port', '23');
    expect(daemon.reload(oneVm([allowHttp, denyTelnet])).status).toBe(0);
    daemon.write(() => '{');
    expect(daemon.command('reload').status).toBe(2);
    const reloads = await shows('the reloads', () => {
      const found = monitor.events.filter(({ type }) => type === 'reload');
      return found.length === 2 ? found : undefined;
    });
    expect(reloads).toMatchObject([
      { isSuccessful: true, generation: 2, changes: 1, problems: 0 },
      { isSuccessful: false, generation: 2, changes: 0 },
    ]);
    process.kill(daemon.dataPlane(), 'SIGKILL');
    await shows('the data plane', () => {
      const states = monitor.events.flatMap((event) =>
        event.type === 'data-plane' ? [event.state] : [],
      );
      return states.includes('starting') && states.at(-1) === 'running' ? true : undefined;
    });
    const before = monitor.flows('denied').length;
    await attempt(23);
    await shows('denied packets of the new one', () =>
      monitor.flows('denied').length > before ? true : undefined,
    );
    daemon.write(oneVm([allowHttp, allowPing, denyTelnet]));
    expect(daemon.command('reload').status).toBe(0);
  });

  test('under a flood flows are still seen, rates hold, and what is not shown is counted', async () => {
    const all = await watch('--rate', 'all');
    const few = await watch('--rate', '10', '--type', 'denied');
    const lost = (): number =>
      daemon.wire().events.find(({ event }) => event === 'denied')?.lost ?? 0;
    const before = lost();
    const { namespace } = hostOf(network, 'internet');
    const flood = `const d=require('dgram').createSocket('udp4');const b=Buffer.alloc(20);let n=0;
      const go=()=>{for(let i=0;i<200;i++){d.send(b,1000+(n++%60000),'${VM}')}if(n<60000)setImmediate(go);else d.close()};go()`;
    namespace.run(process.execPath, '-e', flood);
    // The monitor could not be read meanwhile, so what waits for it may leave no room for the first connections.
    const remotes = new Set<string>();
    await waitFor('the monitor to show a connection', async () => {
      const { localPort = 0 } = await attempt(80);
      remotes.add(`${INTERNET_IPV4}:${localPort}`);
      return all.flows('opened').find(({ remote = '' }) => remotes.has(remote));
    });
    expect(lost()).toBeGreaterThan(before);
    const suppressed = (monitor: Monitor, cause: string): number =>
      monitor.events
        .filter((event): event is SuppressedEvent => event.type === 'suppressed')
        .filter((event) => event.cause === cause)
        .reduce((sum, { count }) => sum + count, 0);
    const unseen = await shows('what it left out', () => {
      const count = suppressed(few, 'rate');
      return count > 1000 ? count : undefined;
    });
    expect(unseen).toBeGreaterThan(1000);
    await shows('what nobody was told', () => suppressed(all, 'denied') || undefined);
    expect(few.flows('denied').length).toBeLessThan(200);
    expect(daemon.fetch('/metrics')).toMatch(
      /^nsgd_flow_events_lost_total\{wire="wire0",event="denied"\} [1-9]/m,
    );
    expect(daemon.command('status').stdout).toMatch(/\d+ denied events left out, \d+ told/);
  });

  test('a reader that goes away ends it quietly; wrong options are refused', async () => {
    const command = `${nsgdProgram} monitor --socket ${daemon.socket} | head -n 1`;
    const shell = new LabProcess('sh', spawn('/bin/sh', ['-c', command], { stdio: 'pipe' }));
    await waitFor('it to end', async () => {
      await attempt(23);
      return shell.isRunning ? undefined : true;
    });
    expect(shell.stderr).toBe('');
    const refused = (...options: readonly string[]): string => {
      const { status, stderr } = nsgd(['monitor', '--socket', daemon.socket, ...options]);
      return `${status} ${stderr.trim()}`;
    };
    expect(refused('--type', 'x')).toBe(
      '2 nsgd: type "x": use opened, ended, denied, reload, data-plane',
    );
    expect(refused('--remote', '10.0.0.1/8')).toContain('2 nsgd: "10.0.0.1/8"');
    expect(refused('--rate', '0')).toContain('2 nsgd: rate: use a number');
  });

  test('it ends with the daemon, exit code 3', async () => {
    const monitor = await watch();
    expect(await daemon.process.stop()).toBe('exit 0');
    expect(await monitor.process.exited).toBe('exit 3');
    expect(monitor.events.at(-1)?.type).toBe('stopping');
    expect(monitor.process.stderr).toBe('nsgd: the daemon has ended\n');
    expect(nsgd(['monitor', '--socket', daemon.socket]).status).toBe(3);
  });
});
