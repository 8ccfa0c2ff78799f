/**
 * DPDK's testpmd in io mode: takes frames in on one port and sends them out of the other, untouched. No rules, no state:
 * the ceiling of the kernel's packet interfaces in C.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { packageVersion } from '../environment.ts';
import { waitFor } from '../../test/helpers/wait.ts';
import type { DeviceUnderTest, RunningDevice } from '../tcpreplay/device.ts';
import {
  DEVICE_CORE,
  GENERATOR_CORE,
  INSIDE,
  OUTSIDE,
  type TestBed,
} from '../tcpreplay/test-bed.ts';
import { missingProgram } from './process.ts';

type Driver = 'af_packet' | 'af_xdp';

/** Of the driver: a ring of 2,048 frames, sent past the queueing discipline; or need-wakeup and no busy polling. */
const ARGUMENTS: Readonly<Record<Driver, string>> = {
  af_packet: 'qdisc_bypass=1,blocksz=65536,framecnt=2048',
  af_xdp: 'busy_budget=0,force_copy=1',
};
const PACKAGES: Readonly<Record<Driver, string>> = {
  af_packet: 'librte-net-af-packet23',
  af_xdp: 'librte-net-af-xdp23',
};
const READY_TIMEOUT_MS = 20_000;
/** Between its being ready and its first frame. */
const WARM_UP_MS = 300;

export function testpmd(driver: Driver): DeviceUnderTest {
  return {
    name: `testpmd ${driver}`,
    policy: 'none',
    families: [4, 6],
    version: () => `DPDK ${packageVersion('dpdk-dev') ?? 'unknown'}`,
    obstacle: () =>
      missingProgram({ 'dpdk-testpmd': 'dpdk-dev' }) ??
      (packageVersion(PACKAGES[driver]) === undefined
        ? `needs Debian package ${PACKAGES[driver]}; make bench-setup installs it`
        : undefined),
    start: (bed) => start(bed, driver),
  };
}

async function start(bed: TestBed, driver: Driver): Promise<RunningDevice> {
  const vdevs = [OUTSIDE, INSIDE].map(
    (name, index) => `--vdev=net_${driver}${index},iface=${name},${ARGUMENTS[driver]}`,
  );
  const started = bed.lab.spawn(bed.device, 'testpmd', [
    'dpdk-testpmd',
    // The first core only waits for commands; forwarding is on the second.
    ...['-l', `${GENERATOR_CORE},${DEVICE_CORE}`, '--main-lcore', String(GENERATOR_CORE)],
    ...['--no-huge', '-m', '512', '--no-pci', '--no-telemetry'],
    `--file-prefix=bench${process.pid}`,
    ...vdevs,
    ...['--', '--forward-mode=io', '--nb-cores=1', '--total-num-mbufs=32768', '--interactive'],
  ]);
  let output = '';
  started.child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await waitFor(
    'testpmd to be ready',
    () => {
      if (!started.isRunning) throw new Error(`testpmd ended\n${output}${started.stderr}`);
      return output.includes('testpmd>') ? true : undefined;
    },
    READY_TIMEOUT_MS,
  );
  started.child.stdin.write('start\n');
  await sleep(WARM_UP_MS);
  return {
    counts: () => ({}),
    async stop() {
      started.child.stdin.write('stop\nquit\n');
      await Promise.race([started.exited, sleep(2000)]);
      await started.stop();
    },
  };
}
