/**
 * What has to hold of a wire's two interfaces before a data plane is started on them, asked again before every start:
 * an interface that was removed and made again comes back with offloads on and with its own MTU.
 */
import {
  disableOffloads,
  activeOffloads,
  OffloadError,
  readSavedOffloads,
  removeSavedOffloads,
  restoreOffloads,
  type SavedOffloads,
  writeSavedOffloads,
} from './native/offloads.ts';
import { type NetworkDevice, readNetworkDevice } from './native/network-device.ts';

/** What to do about offloads that are on (native/offloads.ts says why they matter). */
export const OffloadPolicy = Object.freeze({
  /** Switch them off while attached, and on again afterwards. Where that fails, do not start. */
  Disable: 'disable',
  /** Touch nothing; do not start while one is on. */
  Refuse: 'refuse',
  /** Touch nothing and start: frames above the MTU are dropped as oversize. */
  Ignore: 'ignore',
} as const);
export type OffloadPolicy = (typeof OffloadPolicy)[keyof typeof OffloadPolicy];

export interface WireInterfaces {
  readonly outside: string;
  readonly inside: string;
}

/** By `Side`; undefined where there is no interface of that name. */
export type WireDevices = readonly [NetworkDevice | undefined, NetworkDevice | undefined];

export function readWireDevices(names: WireInterfaces): WireDevices {
  return [readNetworkDevice(names.outside), readNetworkDevice(names.inside)];
}

/**
 * Why no data plane can start on these interfaces now; undefined when it can. What is named may pass by itself (a link
 * that is down), so the supervisor waits; a command that starts the daemon may refuse instead.
 */
export function wireProblem(names: WireInterfaces, devices: WireDevices): string | undefined {
  if (names.outside === names.inside) {
    return `outside and inside are both ${names.outside}; a wire needs two interfaces`;
  }
  const [outside, inside] = devices;
  if (outside === undefined) return `there is no interface ${names.outside}`;
  if (inside === undefined) return `there is no interface ${names.inside}`;
  for (const device of [outside, inside]) {
    if (!device.isEthernet) return `${device.name} is not an Ethernet interface`;
  }
  if (outside.mtu !== inside.mtu) {
    return (
      `${outside.name} has MTU ${outside.mtu} and ${inside.name} has MTU ${inside.mtu}; ` +
      'frames are not fragmented here, so they must be equal'
    );
  }
  for (const device of [outside, inside]) {
    if (!device.isUp) return `${device.name} is down`;
  }
  return undefined;
}

/** Keeps the offloads of a wire's interfaces as the setting says, and remembers how they were. */
export class WireOffloads {
  readonly #names: WireInterfaces;
  readonly #policy: OffloadPolicy;
  readonly #path: string;
  #saved: SavedOffloads[];

  /** @param path where the memory is kept, so that the next process can restore after a kill */
  constructor(names: WireInterfaces, policy: OffloadPolicy, path: string) {
    this.#names = names;
    this.#policy = policy;
    this.#path = path;
    this.#saved = readSavedOffloads(path);
  }

  /** Brings both interfaces into the wanted state. @throws OffloadError where one cannot be */
  apply(): void {
    if (this.#policy === OffloadPolicy.Ignore) return;
    for (const device of [this.#names.outside, this.#names.inside]) {
      if (this.#policy === OffloadPolicy.Disable) this.#disable(device);
      else refuse(device);
    }
  }

  /** Everything as it was before the first `apply`. */
  restore(): void {
    for (const saved of this.#saved) restoreOffloads(saved);
    this.#saved = [];
    removeSavedOffloads(this.#path);
  }

  #disable(device: string): void {
    const now = disableOffloads(device);
    const known = this.#saved.find((saved) => saved.device === device);
    // The first record is the state to return to, unless it was of a device that is gone.
    const isSame = known !== undefined && known.index === now.index;
    const features = isSame ? [...new Set([...known.features, ...now.features])] : now.features;
    const others = this.#saved.filter((saved) => saved.device !== device);
    this.#saved = [...others, { ...now, features }];
    writeSavedOffloads(this.#path, this.#saved);
  }
}

function refuse(device: string): void {
  const active = activeOffloads(device);
  if (active.length > 0) throw new OffloadError(device, active, 'the setting is offloads: refuse');
}
