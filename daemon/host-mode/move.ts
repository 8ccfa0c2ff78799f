/**
 * The move of addresses, routes and neighbours from one interface to another: first the new is made, then the old taken
 * away, so that at no moment an address is gone and a connection has to do without.
 */
import {
  type Address,
  addressWords,
  FAMILIES,
  familyOf,
  missingAddresses,
  missingRoutes,
  neighbourWords,
  readPresent,
  routeWords,
  type Snapshot,
} from './snapshot.ts';
import type { Family, HostSystem } from './system.ts';

export interface Move {
  readonly from: string;
  readonly to: string;
  readonly snapshot: Snapshot;
}

/** Runs a batch, and either stops at the first failure or goes on and tells. */
export type Batch = (family: Family, lines: readonly string[]) => void;

/** Gives `to` what the snapshot has and it lacks. The other interface keeps its own. */
export function give(system: HostSystem, batch: Batch, { from, to, snapshot }: Move): void {
  const { addresses } = snapshot;
  for (const family of FAMILIES) {
    batch(
      family,
      inKernelOrder(addresses, family).map(
        (address) => `addr replace ${addressWords(address, { from, to, isChecked: false })}`,
      ),
    );
  }
  const present = readPresent(system, to);
  const routes = missingRoutes(snapshot.routes, present.routes);
  for (const family of FAMILIES) {
    // Before those of the other interface (IPv4) or beside them (IPv6), which go away with it.
    const verb = family === 4 ? 'prepend' : 'append';
    const neighbours = snapshot.neighbours.filter(
      ({ dst }) => dst.includes(':') === (family === 6),
    );
    batch(family, [
      ...neighbours.map((neighbour) => `neigh replace ${neighbourWords(neighbour, to)}`),
      ...routes
        .filter((route) => route.family === family)
        .map((route) => `route ${verb} ${routeWords(route, to)}`),
    ]);
  }
}

/** Addresses that were given without the check for duplicates get back the flags that they had. */
export function settle(batch: Batch, { from, to, snapshot }: Move): void {
  batch(
    6,
    snapshot.addresses
      .filter((address) => address.family === 'inet6' && address.nodad !== true)
      .map((address) => `addr change ${addressWords(address, { from, to, isChecked: true })}`),
  );
}

/** The kernel keeps IPv4 addresses in the order in which they come, and puts an IPv6 address before others of its scope. */
function inKernelOrder(addresses: readonly Address[], family: Family): Address[] {
  const own = addresses.filter((address) => familyOf(address) === family);
  return family === 4 ? own : own.toReversed();
}

/** Commands that take everything of IPv4 away from an interface; what IPv6 has goes with `disable_ipv6`. */
export function takeCommands(snapshot: Snapshot, device: string): string[] {
  const own = snapshot.addresses.filter(({ family }) => family === 'inet').toReversed();
  return [
    ...own.map(({ local, address, prefixlen }) =>
      address === undefined
        ? `addr del ${local}/${prefixlen} dev ${device}`
        : `addr del ${local} peer ${address}/${prefixlen} dev ${device}`,
    ),
    `route flush table all dev ${device}`,
  ];
}

/** What of the snapshot an interface does not have, in words; empty when all is there. */
export function missing(system: HostSystem, { to, snapshot }: Omit<Move, 'from'>): string[] {
  const present = readPresent(system, to);
  return [
    ...missingAddresses(snapshot.addresses, present.addresses).map(
      ({ local, prefixlen }) => `address ${local}/${prefixlen}`,
    ),
    ...missingRoutes(snapshot.routes, present.routes).map(
      ({ dst, gateway }) => `route ${dst}${gateway === undefined ? '' : ` via ${gateway}`}`,
    ),
  ];
}
