/**
 * NFQUEUE: the kernel's bridge hands every packet to a C program (nfqueue.c, compiled here) and waits for its verdict.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { waitFor } from '../../test/helpers/wait.ts';
import { packageVersion } from '../environment.ts';
import type { TrialRule } from '../rules/trial-policy.ts';
import type { DevicePolicy, DeviceUnderTest, RunningDevice } from '../tcpreplay/device.ts';
import { DEVICE_CORE, INSIDE, type TestBed } from '../tcpreplay/test-bed.ts';
import { makeBridge, removeBridge } from './kernel-bridge.ts';
import { missingProgram } from './process.ts';

const HEADER = '/usr/include/libnetfilter_queue/libnetfilter_queue.h';
const SOURCE = join(projectRoot, 'bench/peers/nfqueue.c');
const PROGRAM = join(projectRoot, 'bench/results/nfqueue');
const QUEUE = '0';
const PROTOCOLS = { Tcp: 6, Udp: 17 } as const;

export function nfqueue(): DeviceUnderTest {
  return {
    name: 'NFQUEUE',
    policy: 'stateless',
    families: [4],
    version: () => `libnetfilter-queue ${packageVersion('libnetfilter-queue-dev') ?? 'unknown'}`,
    obstacle: () =>
      missingProgram({ iptables: 'iptables', cc: 'gcc' }) ??
      (existsSync(HEADER)
        ? undefined
        : 'needs Debian package libnetfilter-queue-dev; make bench-setup installs it'),
    start,
  };
}

function compile(): void {
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs > statSync(SOURCE).mtimeMs) return;
  mkdirSync(join(PROGRAM, '..'), { recursive: true });
  execFileSync('cc', ['-O3', '-Wall', '-o', PROGRAM, SOURCE, '-lnetfilter_queue', '-lnfnetlink']);
}

/** A rule as the program reads it. */
function ruleLine(rule: TrialRule): string {
  const network = rule.source === '*' ? '0.0.0.0/0' : rule.source;
  const action = rule.access === 'Allow' ? 'accept' : 'drop';
  return `${action} ${PROTOCOLS[rule.protocol]} ${network} ${rule.ports.join(' ')}`;
}

async function start(bed: TestBed, { rules, family }: DevicePolicy): Promise<RunningDevice> {
  if (family !== 4) throw new RangeError('the NFQUEUE program reads IPv4 only');
  compile();
  const { device } = bed;
  makeBridge(bed);
  device.run('sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=1');
  // As for the other stateless peers: what comes from inside passes.
  const fromInside = ['-m', 'physdev', '--physdev-in', INSIDE];
  device.run('iptables', '-A', 'FORWARD', ...fromInside, '-j', 'ACCEPT');
  device.run('iptables', '-A', 'FORWARD', '-j', 'NFQUEUE', '--queue-num', QUEUE);
  const started = bed.lab.spawn(device, 'nfqueue', [
    ...(['taskset', '-c', String(DEVICE_CORE), PROGRAM] as const),
    QUEUE,
  ]);
  let output = '';
  started.child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  started.child.stdin.end(`${rules.map(ruleLine).join('\n')}\n`);
  await waitFor('the NFQUEUE program to be ready', () => {
    if (!started.isRunning) throw new Error(`it ended\n${started.stderr}`);
    return output.startsWith('ready') ? true : undefined;
  });
  return {
    counts: () => ({}),
    async stop() {
      await started.stop();
      device.run('iptables', '-F', 'FORWARD');
      removeBridge(bed);
    },
  };
}
