/**
 * A security rule as Azure defines it, normalized but with its names still names: tags and application security
 * groups become addresses only when a configuration says what is in them.
 */
import type { Access, Direction, PortMatch } from '../engine/rule.ts';
import type { Prefix } from './address.ts';
import type { Position } from './problem.ts';

/** `Any` is Azure's `*`. */
export type RuleProtocol = 'Any' | 'Tcp' | 'Udp' | 'Icmp' | 'Esp' | 'Ah';

export interface WrittenPrefix {
  /** As it was written: `10.0.0.4` stays without a mask. */
  readonly text: string;
  readonly prefix: Prefix;
  readonly at: Position;
}

export interface AsgReference {
  /** The last segment of the resource id, or the name itself. Compare without case (`nameKey`). */
  readonly name: string;
  /** The resource id when one was written. */
  readonly id: string | undefined;
  readonly at: Position;
}

/** One side of a rule: exactly one of Azure's three address forms. Lists are never empty. */
export type AddressMatch =
  /** `*` or `Any`: every address of both families. */
  | { readonly kind: 'any' }
  /** All of one address family, and of the same family as the other side's. */
  | { readonly kind: 'prefixes'; readonly prefixes: readonly WrittenPrefix[] }
  /** A service tag by name; whether it exists is not checked here. */
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'asgs'; readonly asgs: readonly AsgReference[] };

/** Where the parts of a rule stand in its file. */
export interface RulePositions {
  readonly name: Position;
  readonly priority: Position;
  readonly direction: Position;
  readonly access: Position;
  readonly protocol: Position;
  readonly source: Position;
  readonly sourcePorts: Position;
  readonly destination: Position;
  readonly destinationPorts: Position;
}

export interface SecurityRule {
  /** In its own spelling; compared without case. */
  readonly name: string;
  readonly description: string;
  /** 100 to 4096; default rules 65000, 65001, 65500. Unique per direction. */
  readonly priority: number;
  readonly direction: Direction;
  readonly access: Access;
  readonly protocol: RuleProtocol;
  readonly source: AddressMatch;
  /** `'any'` for `*` and for `0-65535`: the two mean the same to Azure. Lists are never empty. */
  readonly sourcePorts: PortMatch;
  readonly destination: AddressMatch;
  readonly destinationPorts: PortMatch;
  readonly positions: RulePositions;
}

export interface NetworkSecurityGroup {
  readonly name: string;
  /** The resource id when the file gives one. */
  readonly id: string | undefined;
  /** Custom rules in the order of the file. Default rules (default-rules.ts) are not among them. */
  readonly rules: readonly SecurityRule[];
  /** Existing flows are judged anew when the rules change. */
  readonly flushConnection: boolean;
  /** Where its name stands. */
  readonly position: Position;
}
