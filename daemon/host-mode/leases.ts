/**
 * Lifetimes of addresses and routes. A DHCP client renews them on the interface that it knows, so on the host's end they
 * would run out, and with them the way to this machine: there they have no end, and get the rest back with the NIC. What
 * the kernel itself renews from router advertisements keeps its lifetime: it is renewed on the host's end just as well.
 */
import { isLimited, NO_END, type Snapshot } from './snapshot.ts';
import type { Attachment } from './attachment.ts';
import type { HostSystem } from './system.ts';

type Leases = Attachment['leases'];

/** Router advertisements are the kernel's business on this interface (ip-sysctl: accept_ra; 2 also where it forwards). */
export function isAutoconfigured(system: HostSystem, device: string): boolean {
  const read = (name: string): number =>
    Number(system.readSetting(`ipv6/conf/${device}/${name}`) ?? 0);
  const accept = read('accept_ra');
  return accept === 2 || (accept === 1 && read('forwarding') === 0);
}

/** The snapshot with lifetimes lifted, and what they were. @param now milliseconds since 1970 */
export function liftLeases(
  snapshot: Snapshot,
  options: { readonly isAutoconfigured: boolean; readonly now: number },
): { snapshot: Snapshot; leases: Leases } {
  const { now } = options;
  const leases: Leases = [];
  const addresses = snapshot.addresses.map((address) => {
    const valid = address.valid_life_time;
    // The kernel makes its own addresses with `mngtmpaddr`. A temporary one (RFC 8981) is to end, and another follows.
    const isRenewed = options.isAutoconfigured && address.mngtmpaddr === true;
    const isLeased = isLimited(valid) && address.temporary !== true && !isRenewed;
    if (!isLeased) return address;
    const preferred = address.preferred_life_time;
    const validUntil = now + valid * 1000;
    leases.push({ local: address.local, validUntil, preferredUntil: now + preferred * 1000 });
    return { ...address, valid_life_time: NO_END, preferred_life_time: NO_END };
  });
  const routes = snapshot.routes.map((route) => {
    const isRenewed = options.isAutoconfigured && ['ra', 'kernel'].includes(route.protocol);
    if (route.expires === undefined || isRenewed) return route;
    const { expires, ...rest } = route;
    void expires;
    return rest;
  });
  return { snapshot: { ...snapshot, addresses, routes }, leases };
}

/** The snapshot with what is left of the lifetimes. One that has run out stays without end: reachable before correct. */
export function returnLeases(snapshot: Snapshot, leases: Leases, now: number): Snapshot {
  const addresses = snapshot.addresses.map((address) => {
    const lease = leases.find(({ local }) => local === address.local);
    if (lease === undefined || isLimited(address.valid_life_time)) return address;
    const valid = secondsUntil(lease.validUntil, now);
    if (valid <= 0) return address;
    const preferred = Math.max(0, secondsUntil(lease.preferredUntil, now));
    return { ...address, valid_life_time: valid, preferred_life_time: preferred };
  });
  return { ...snapshot, addresses };
}

function secondsUntil(then: number, now: number): number {
  return Math.floor((then - now) / 1000);
}
