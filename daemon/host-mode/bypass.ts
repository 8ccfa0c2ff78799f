/**
 * The bridge beside a wire in host mode. Down, it drops what nsgd does not take; up, it passes everything, unfiltered: the
 * way around a daemon that does not run, where the configuration says `onStop: open`. One ioctl, no netlink, so that the
 * service can do it with the privileges that it has.
 */
import type { Wire } from '../../src/policy/configuration-interfaces.ts';
import { readNetworkDevice, setDeviceUp } from '../native/network-device.ts';

/** True while everything passes the wire unfiltered, unless a data plane takes it. */
export function isBypassOpen({ host }: Pick<Wire, 'host'>): boolean {
  return host !== undefined && readNetworkDevice(host.bridge)?.isUp === true;
}

/** @returns true when it was open */
export function closeBypass(wire: Pick<Wire, 'host'>): boolean {
  if (wire.host === undefined || !isBypassOpen(wire)) return false;
  setDeviceUp(wire.host.bridge, false);
  return true;
}

/** Opens the way around where the configuration says so and the interface is attached. @returns whether it is open */
export function openBypass({ host }: Pick<Wire, 'host'>): boolean {
  if (host === undefined || host.onStop !== 'open') return false;
  if (readNetworkDevice(host.bridge) === undefined) return false;
  setDeviceUp(host.bridge, true);
  return true;
}
