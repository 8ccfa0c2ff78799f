/**
 * What the kernel says of one network device: index, MTU, address, link.
 *
 * Asked by ioctl (netdevice(7)) and not read from /sys/class/net: sysfs shows the network namespace of whoever
 * mounted it, an ioctl always means the one this process is in.
 */
import { IFREQ_UNION_AT, loadLibc, SystemCallError } from './libc.ts';

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const IFF_UP = 0x1;
/** Set when the operational state is up (or unknown, for drivers that do not tell). */
const IFF_RUNNING = 0x40;
const ARPHRD_ETHER = 1;
const NAME = /^[A-Za-z0-9_.:-]{1,15}$/;

export interface NetworkDevice {
  readonly name: string;
  /** Changes when the device is removed and made again under the same name. */
  readonly index: number;
  /** Bytes of the largest IP packet. */
  readonly mtu: number;
  /** Lower case, with colons. */
  readonly hardwareAddress: string;
  /** False for tunnels, loopback and others whose frames are not Ethernet. */
  readonly isEthernet: boolean;
  /** Administratively up. */
  readonly isUp: boolean;
  /** Up and with carrier: frames can pass. */
  readonly isRunning: boolean;
}

/** True for a name that Linux would take and that needs no quoting anywhere. */
export function isDeviceName(name: string): boolean {
  return NAME.test(name) && name !== '.' && name !== '..';
}

/**
 * Reads the state of a device; undefined where there is none of that name.
 * @throws SystemCallError for anything else that fails
 */
export function readNetworkDevice(name: string): NetworkDevice | undefined {
  if (!isDeviceName(name)) throw new RangeError(`"${name}" cannot be the name of an interface`);
  const libc = loadLibc();
  try {
    const flags = libc.deviceIoctl(name, SIOCGIFFLAGS).readUInt16LE(IFREQ_UNION_AT);
    const address = libc.deviceIoctl(name, SIOCGIFHWADDR);
    const macAt = IFREQ_UNION_AT + 2;
    return {
      name,
      index: libc.deviceIoctl(name, SIOCGIFINDEX).readInt32LE(IFREQ_UNION_AT),
      mtu: libc.deviceIoctl(name, SIOCGIFMTU).readInt32LE(IFREQ_UNION_AT),
      hardwareAddress: address
        .toString('hex', macAt, macAt + 6)
        .replaceAll(/(..)(?=.)/g, (_, byte: string) => `${byte}:`),
      isEthernet: address.readUInt16LE(IFREQ_UNION_AT) === ARPHRD_ETHER,
      isUp: (flags & IFF_UP) !== 0,
      isRunning: (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0,
    };
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ENODEV') return undefined;
    throw error;
  }
}

/**
 * Takes a device up or down. An ioctl, so that it works where the service may open no netlink socket.
 * @throws SystemCallError
 */
export function setDeviceUp(name: string, isUp: boolean): void {
  const libc = loadLibc();
  const flags = libc.deviceIoctl(name, SIOCGIFFLAGS).readUInt16LE(IFREQ_UNION_AT);
  libc.deviceIoctl(name, SIOCSIFFLAGS, undefined, isUp ? flags | IFF_UP : flags & ~IFF_UP);
}
