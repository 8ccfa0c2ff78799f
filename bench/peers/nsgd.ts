/**
 * nsgd itself as the device: the built daemon, started as an operator does, with one backend.
 */
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { callControl } from '../../daemon/control/client.ts';
import type { WireStatus } from '../../daemon/status.ts';
import { TestDaemon } from '../../test/helpers/daemon.ts';
import { liveObstacle } from '../../test/helpers/live.ts';
import { firstLineOf } from '../environment.ts';
import { nsgdConfiguration, type TrialRule } from '../rules/trial-policy.ts';
import type {
  DeviceCounts,
  DevicePolicy,
  DeviceUnderTest,
  RunningDevice,
} from '../tcpreplay/device.ts';
import { DEVICE_CORE, INSIDE, OUTSIDE, type TestBed } from '../tcpreplay/test-bed.ts';
import { pin } from './process.ts';

const HTTP_OK = 200;
/** The kernel's drops are asked for once a second. */
const COUNTS_LAG_MS = 1200;

/** As systemd/nsgd.service has it. */
export const PRIORITY: readonly string[] = ['nice', '-n', '-10'];

/** Of the variant that looks for frames instead of sleeping, as testpmd and Open vSwitch do: a processor's whole time. */
const BUSY_POLL_MICROSECONDS = 1000;

export function nsgd(backend: 'af-xdp' | 'cap', isPolling = false): DeviceUnderTest {
  return {
    name: isPolling ? `nsgd ${backend} polling` : `nsgd ${backend}`,
    isLatencyVariant: isPolling,
    policy: 'stateful',
    families: [4, 6],
    version: () => firstLineOf('git', 'describe', '--always', '--dirty'),
    obstacle: () => liveObstacle,
    start: (bed, policy) =>
      startNsgd(bed, policy, {
        backend,
        ...(isPolling ? { busyPoll: BUSY_POLL_MICROSECONDS } : {}),
      }),
  };
}

/** nsgd as a device, which can also be asked what other devices do not tell. */
export interface RunningNsgd extends RunningDevice {
  readonly daemon: TestDaemon;
  reload(rules: readonly TrialRule[]): Promise<void>;
}

/** Ready to forward when this returns. */
export async function startNsgd(
  bed: TestBed,
  { rules }: Pick<DevicePolicy, 'rules'>,
  options: { readonly backend: string; readonly busyPoll?: number },
): Promise<RunningNsgd> {
  mkdirSync(join(bed.lab.directory, 'run'), { recursive: true });
  const wires = [{ name: 'wire0', outside: OUTSIDE, inside: INSIDE, ...options }];
  const daemon = await TestDaemon.start(
    bed.lab,
    bed.device,
    (settings) => nsgdConfiguration(rules, { wires, ...settings }),
    { wrapper: PRIORITY },
  );
  pin(daemon.wire().processId, DEVICE_CORE);
  // nsgd switched it off. Without it, and without an XDP program there, a veth takes no redirected frames.
  if (options.backend === 'cap') bed.device.run('ethtool', '-K', OUTSIDE, 'gro', 'on');
  return {
    daemon,
    counts: () => countsOf(daemon.wire()),
    countsLag: COUNTS_LAG_MS,
    async reload(others) {
      daemon.write((settings) => nsgdConfiguration(others, { wires, ...settings }));
      // What "nsgd reload" does, without starting a program for each.
      const answer = await callControl(daemon.socket, { method: 'POST', target: '/v1/reload' });
      if (answer.status !== HTTP_OK) throw new Error(`reload failed: ${answer.body}`);
    },
    stop: async () => {
      await daemon.process.stop();
    },
  };
}

function countsOf(wire: WireStatus): DeviceCounts {
  const outside = wire.interfaces.find(({ side }) => side === 'outside');
  const inside = wire.interfaces.find(({ side }) => side === 'inside');
  const denied = wire.reasons
    .filter(({ access }) => access === 'Deny')
    .reduce((sum, { inbound }) => sum + inbound, 0);
  return {
    received: outside?.framesIn ?? 0,
    denied,
    lost: (outside?.kernelDrops ?? 0) + (inside?.sendErrors ?? 0),
    forwarded: inside?.framesOut ?? 0,
  };
}
