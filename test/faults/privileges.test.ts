/**
 * The daemon as its service runs it: a user without rights, with the capabilities of the unit and no other. And what it starts
 * from beginning to end: nothing but its own data planes, whatever happens.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { liveObstacle } from '../helpers/live.ts';
import { INSIDE, OUTSIDE } from '../helpers/network.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { FaultRig, IS_LONG } from './rig.ts';

const READY_MS = 15_000;
const USER = 65_534;
/** CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF (capabilities(7)). */
const MASK = (1n << 12n) | (1n << 13n) | (1n << 39n);
/** Programs of the launcher, bin/nsgd, which is a shell script that becomes Node. */
const LAUNCHER = /\/(?:nsgd|sh|dirname|readlink|sort|head|node)$/;

const unit = readFileSync(join(projectRoot, 'systemd/nsgd.service'), 'utf8');
const capabilities = (/^AmbientCapabilities=(.*)$/m.exec(unit)?.[1] ?? '')
  .split(' ')
  .map((name) => name.replace('CAP_', '').toLowerCase());

/** Why it cannot be watched here. */
function traceObstacle(): string | undefined {
  const { status, error } = spawnSync('strace', ['-f', '-e', 'trace=execve', 'true']);
  if (error !== undefined) return 'needs strace';
  return status === 0 ? undefined : 'needs the right to trace processes';
}

/** The unit lifts the limit of locked memory; where whoever runs this may not, the wire is `cap`, which locks none. */
const lift = ['prlimit', '--memlock=unlimited'];
const canLift = spawnSync('prlimit', [...lift.slice(1), 'true']).status === 0;
const wires = [
  {
    name: 'wire0',
    outside: OUTSIDE,
    inside: INSIDE,
    backend: canLift ? 'af-xdp' : 'cap',
  },
];

const obstacle = liveObstacle ?? traceObstacle() ?? (IS_LONG ? undefined : 'make faults');

describe.skipIf(obstacle !== undefined)(`privileges (${obstacle ?? 'live'})`, () => {
  let rig: FaultRig;
  let trace: string;

  beforeAll(async () => {
    const only = (sign: string) => capabilities.map((name) => `${sign}${name}`).join(',');
    rig = await FaultRig.build({
      settings: { wires },
      before: (lab) => {
        trace = join(lab.directory, 'trace');
        chmodSync(lab.directory, 0o755);
        for (const name of ['state', 'run']) {
          mkdirSync(join(lab.directory, name), { mode: 0o750 });
          chownSync(join(lab.directory, name), USER, USER);
        }
        return [
          // The tracer is the child, so that the daemon is the process that was started.
          ...[
            'strace',
            '-D',
            '-f',
            '--seccomp-bpf',
            '-e',
            'trace=execve',
            '-s',
            '300',
            '-o',
            trace,
          ],
          ...(canLift ? lift : []),
          ...['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--no-new-privs'],
          ...[`--bounding-set=-all,${only('+')}`, `--inh-caps=-all,${only('+')}`],
          `--ambient-caps=-all,${only('+')}`,
        ];
      },
    });
  });
  afterAll(async () => {
    await rig?.close();
  });

  const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'latin1');
  const capabilitySets = (pid: number): bigint[] =>
    [...statusOf(pid).matchAll(/^Cap(?:Prm|Eff|Bnd|Amb):\t([0-9a-f]+)$/gm)].map(([, mask]) =>
      BigInt(`0x${mask ?? ''}`),
    );

  test('no root, the capabilities of the unit, none left in the packet process', () => {
    const { pid = 0 } = rig.daemon.process.child;
    const { processId } = rig.daemon.wire();
    for (const each of [pid, processId]) {
      expect(statusOf(each)).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    }
    expect(capabilitySets(pid)).toEqual([MASK, MASK, MASK, MASK]);
    const [permitted, effective, , ambient] = capabilitySets(processId);
    expect([permitted, effective, ambient]).toEqual([0n, 0n, 0n]);
  });

  test(
    'start, reload, traffic, a crash, a wrong reload, a link that flaps, stop: nothing is executed but Node',
    { timeout: 120_000 },
    async () => {
      await rig.survive(async () => {
        expect(rig.daemon.reload(rig.configuration(1)).status).toBe(0);
        expect(rig.daemon.reload(() => '{').status).toBe(2);
        const processId = rig.daemon.dataPlane();
        process.kill(processId, 'SIGKILL');
        await rig.untilReplaced(processId, READY_MS);
        rig.network.switch.ip('link', 'set', 'wire0', 'down');
        rig.network.switch.ip('link', 'set', 'wire0', 'up');
      }, READY_MS);
      expect(rig.daemon.fetch('/metrics')).toContain('nsgd_build_info');
      expect(await rig.daemon.process.stop()).toBe('exit 0');
      const executed = readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => /execve\(.* = 0$/.test(line))
        .map((line) => /execve\("([^"]*)", \[(.*)\]/.exec(line)?.slice(1) ?? []);
      const main = executed.findIndex(([, words]) => words?.includes('daemon/main.js'));
      expect(main).toBeGreaterThan(0);
      const before = executed.slice(0, main).map(([program]) => program ?? '');
      const after = executed.slice(main);
      expect(before.filter((program) => !LAUNCHER.test(program))).toEqual(
        before.filter((program) => /\/(?:prlimit|setpriv)$/.test(program)),
      );
      // The daemon, its data plane, and that which took the place of the killed one.
      expect(after.map(([program]) => program)).toEqual(
        Array.from({ length: 3 }, () => process.execPath),
      );
      expect(after.slice(1).every(([, words]) => words?.includes('data-plane/main.js'))).toBe(true);
    },
  );
});
