/**
 * Every device that can be tested, nsgd among them, by its name.
 */
import type { DeviceUnderTest } from '../tcpreplay/device.ts';
import { kernelBridge } from './kernel-bridge.ts';
import { nfqueue } from './nfqueue.ts';
import { nsgd } from './nsgd.ts';
import { openVSwitch } from './open-vswitch.ts';
import { testpmd } from './testpmd.ts';

export const DEVICES: readonly DeviceUnderTest[] = [
  nsgd('af-xdp'),
  nsgd('af-xdp', true),
  nsgd('cap'),
  kernelBridge('none'),
  kernelBridge('linear'),
  kernelBridge('sets'),
  testpmd('af_packet'),
  testpmd('af_xdp'),
  openVSwitch('system'),
  openVSwitch('afxdp'),
  nfqueue(),
];
