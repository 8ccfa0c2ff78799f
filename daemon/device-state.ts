/**
 * What `status` says of a Linux interface beside its counters: settings that decide what a capture can see of it.
 */
import { readFileSync } from 'node:fs';
import { readNetworkDevice } from './native/network-device.ts';
import { activeOffloads } from './native/offloads.ts';

const IFF_PROMISC = 0x100;

export interface DeviceState {
  /** Bytes of the largest IP packet. */
  readonly mtu: number;
  /** Takes frames for every hardware address, as the interfaces of a wire must; null where it cannot be told. */
  readonly isPromiscuous: boolean | null;
  /** Offloads that are on though frames that no wire carries come of them; none while nsgd owns the interface. */
  readonly offloads: readonly string[];
}

/** Undefined where there is no such interface, or it went away while it was asked. */
export function readDeviceState(name: string): DeviceState | undefined {
  try {
    const device = readNetworkDevice(name);
    if (device === undefined) return undefined;
    const { mtu, index } = device;
    return { mtu, isPromiscuous: isPromiscuous(name, index), offloads: activeOffloads(name) };
  } catch {
    return undefined;
  }
}

/**
 * From sysfs: what packet sockets ask for (packet(7), PACKET_MR_PROMISC) is in no flag that the ioctl tells. A sysfs of another
 * network namespace has another device of that name, or none.
 */
function isPromiscuous(name: string, index: number): boolean | null {
  const read = (file: string): number =>
    Number(readFileSync(`/sys/class/net/${name}/${file}`, 'utf8'));
  try {
    return read('ifindex') === index ? (read('flags') & IFF_PROMISC) !== 0 : null;
  } catch {
    return null;
  }
}

/** What should not be, in the words of an operator; for interfaces of one wire. */
export function deviceWarnings(
  devices: readonly { readonly name: string; readonly device: DeviceState | null }[],
): string[] {
  const there = devices.flatMap(({ name, device }) => (device === null ? [] : [{ name, device }]));
  const on = there
    .filter(({ device }) => device.offloads.length > 0)
    .map(({ name, device }) => `offloads of ${name} are on: ${device.offloads.join(', ')}`);
  const [first, second] = there;
  if (first === undefined || second === undefined || first.device.mtu === second.device.mtu) {
    return on;
  }
  const [a, b] = [first, second].map(({ name, device }) => `${name} has ${device.mtu}`);
  return [...on, `the MTUs differ: ${a}, ${b}`];
}
