/**
 * The rule vocabulary: rules as the engine takes them, after policy has resolved every name to addresses.
 */
import type { AddressSet } from './address-set.ts';

/** Always seen from the NIC. */
export const Direction = Object.freeze({ Inbound: 0, Outbound: 1 } as const);
export type Direction = (typeof Direction)[keyof typeof Direction];

export const Access = Object.freeze({ Deny: 0, Allow: 1 } as const);
export type Access = (typeof Access)[keyof typeof Access];

/** The largest IP protocol number and port. */
export const PROTOCOL_MAX = 255;
export const PORT_MAX = 65_535;

/** In `Rule.protocol`: every IP protocol. */
export const ANY_PROTOCOL = -1;

/** Closed range of ports, 0 to 65535. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/**
 * The ports a rule side takes. `'any'` also matches a packet that has no ports; a list never does, and an empty
 * list matches nothing.
 */
export type PortMatch = 'any' | readonly PortRange[];

export interface Rule {
  readonly name: string;
  /** Lower is evaluated first. The engine keeps the order of the array and does not sort. */
  readonly priority: number;
  readonly access: Access;
  /** IP protocol number per family (Azure's `Icmp` is 1 on IPv4 and 58 on IPv6), or `ANY_PROTOCOL`. */
  readonly protocol: { readonly ipv4: number; readonly ipv6: number };
  readonly source: AddressSet;
  readonly sourcePorts: PortMatch;
  readonly destination: AddressSet;
  readonly destinationPorts: PortMatch;
}
