/**
 * A candidate beside the policy in force, on a live wire: what it would do otherwise is counted while forwarding stays as it
 * is, live flows are asked about, a reload with a broken candidate changes nothing, and a start with one filters all the same.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestDaemon } from '../helpers/daemon.ts';
import type { RuleText } from '../helpers/four-vms.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { hostOf, type Network } from '../helpers/network.ts';
import { allowIn, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import { waitFor } from '../helpers/wait.ts';

const allow = (name: string, destinationPortRange: string): RuleText =>
  allowIn(name, 'Tcp', { sourceAddressPrefix: 'Internet', destinationPortRange });

describe.skipIf(liveObstacle !== undefined)(`candidate (${liveObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let network: Network;
  let daemon: TestDaemon;
  let next: string;

  beforeAll(async () => {
    lab = new Lab();
    network = oneVmNetwork(lab);
    next = join(lab.directory, 'next.json');
    writeFileSync(next, oneVm([allow('AllowSsh', '22')])({}));
    daemon = await start();
    await hostOf(network, 'vm1').peer.call('serveHttp', { port: 80, text: 'vm1' });
    await hostOf(network, 'vm1').peer.call('serveTcp', { port: 22 });
  });
  afterAll(async () => {
    await lab?.close();
  });

  const start = () =>
    TestDaemon.start(
      lab,
      network.filter,
      oneVm([allow('AllowHttp', '80')], { settings: { candidate: 'next.json' } }),
    );
  const internet = () => hostOf(network, 'internet').peer;
  const connect = (port: number) =>
    internet().call('connect', { address: VM, port, timeoutMs: 700 });

  test('counts and samples; its verdict forwards and drops nothing', async () => {
    expect(
      await internet().call('download', { address: VM, port: 80, bytes: 10_000 }),
    ).toMatchObject({
      outcome: 'complete',
    });
    expect(await connect(22)).toEqual({ outcome: 'timeout' });
    const status = await waitFor('the candidate to have judged both', () => {
      const { candidate } = daemon.status();
      return candidate !== null &&
        candidate.wouldDeny.inbound > 0 &&
        candidate.wouldAllow.inbound > 0
        ? candidate
        : undefined;
    });
    expect(status).toMatchObject({ file: next, isWatched: true, problems: [] });
    expect(status.samples).toContainEqual(
      expect.objectContaining({
        networkInterface: 'vm1',
        disagreement: 'would-deny',
        local: `${VM}:80`,
        candidateRules: ['nsg/defaultSecurityRules/DenyAllInBound'],
      }),
    );
    expect(status.samples).toContainEqual(
      expect.objectContaining({
        disagreement: 'would-allow',
        local: `${VM}:22`,
        candidateRules: ['nsg/securityRules/AllowSsh'],
      }),
    );
    expect(daemon.command('status').stdout).toMatch(
      /^candidate: +\S+: of \d+ packets it would deny [1-9]/m,
    );
  });

  test('the live flow that the candidate would not admit', async () => {
    // The peer keeps the connection.
    expect((await connect(80)).outcome).toBe('connected');
    const flows = JSON.parse(
      daemon.command('flows', '--what-if', next, '-o', 'json').stdout,
    ) as unknown[];
    expect(flows).toContainEqual(
      expect.objectContaining({ change: 'denied', local: `${VM}:80`, networkInterface: 'vm1' }),
    );
  });

  test('a reload with a broken candidate changes nothing, and says why', async () => {
    const good = readFileSync(next, 'utf8');
    const before = daemon.status();
    writeFileSync(next, 'color: red\n');
    const refused = daemon.command('reload');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/next\.json:1:1: InvalidJson: in the candidate: /);
    expect(refused.stderr).toContain('not reloaded: generation 1 stays in force');
    const { candidate, isReady } = daemon.status();
    expect(isReady).toBe(true);
    expect(candidate).toMatchObject({ isWatched: true, since: before.candidate?.since });
    writeFileSync(next, good);
    expect(daemon.command('reload').status).toBe(0);
    expect(daemon.status().candidate?.since).not.toBe(before.candidate?.since);
  });

  test('a start with a broken candidate filters all the same', async () => {
    writeFileSync(next, 'color: red\n');
    expect(await daemon.process.stop()).toBe('exit 0');
    daemon = await start();
    const { candidate } = daemon.status();
    expect(candidate).toMatchObject({ isWatched: false });
    expect(candidate?.problems.join()).toContain('InvalidJson');
    expect(
      await internet().call('download', { address: VM, port: 80, bytes: 10_000 }),
    ).toMatchObject({
      outcome: 'complete',
    });
    expect(await connect(22)).toEqual({ outcome: 'timeout' });
  });
});
