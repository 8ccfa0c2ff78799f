/**
 * The five fields of a flow with its addresses as text, and the same as the policy is asked about it.
 */
import { Direction } from '../../src/engine/rule.ts';
import { parseIpv4, parseIpv6 } from '../../src/policy/address.ts';
import type { Address, FlowTuple } from '../../src/policy/explain.ts';

export interface TextTuple {
  readonly isInbound: boolean;
  readonly protocol: number;
  readonly local: string;
  readonly remote: string;
  readonly localPort: number;
  readonly remotePort: number;
}

export function flowTuple({ isInbound, local, remote, ...others }: TextTuple): FlowTuple {
  return {
    ...others,
    direction: isInbound ? Direction.Inbound : Direction.Outbound,
    local: address(local),
    remote: address(remote),
  };
}

export function address(text: string): Address {
  const found = parseIpv4(text) ?? parseIpv6(text);
  if (found === undefined) throw new Error(`${text} is no address`);
  return found;
}
