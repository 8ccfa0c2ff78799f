/**
 * Witnesses: the packet that a finding names, in the words of `nsgd verify`.
 */
import { formatIpv4, formatIpv6 } from './address.ts';
import type { Witness } from './problem.ts';
import { protocolTexts } from './regions/region.ts';
import type { Found } from './regions/search.ts';

/** IP protocol numbers of TCP and UDP. */
const PROTOCOLS_WITH_PORTS: ReadonlySet<number> = new Set([6, 17]);

/** @param nic the interface to ask about; undefined where no interface has the group */
export function witnessOf(found: Found, direction: 0 | 1, nic: string | undefined): Witness {
  const hasPorts = PROTOCOLS_WITH_PORTS.has(found.protocol);
  const end = (address: number | bigint, port: number): string => {
    if (typeof address === 'number') {
      return hasPorts ? `${formatIpv4(address)}:${port}` : formatIpv4(address);
    }
    return hasPorts ? `[${formatIpv6(address)}]:${port}` : formatIpv6(address);
  };
  const [protocol = String(found.protocol)] = protocolTexts([[found.protocol, found.protocol]]);
  return {
    ...(nic !== undefined && { nic }),
    direction: direction === 0 ? 'Inbound' : 'Outbound',
    protocol,
    local: end(found.local, found.localPort),
    remote: end(found.remote, found.remotePort),
  };
}
