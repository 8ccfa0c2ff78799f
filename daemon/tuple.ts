/**
 * Flow tuples as people write them on a command line and in batch files.
 */
import { parseIpv4, parseIpv6 } from '../src/policy/address.ts';
import type { Address } from '../src/policy/explain.ts';
import { quote } from '../src/policy/problem.ts';
import { CommandError, ExitCode } from './exit-code.ts';

function usage(message: string): CommandError {
  return new CommandError(ExitCode.Usage, message);
}

const PROTOCOLS: ReadonlyMap<string, { readonly ipv4: number; readonly ipv6: number }> = new Map([
  ['tcp', { ipv4: 6, ipv6: 6 }],
  ['udp', { ipv4: 17, ipv6: 17 }],
  ['icmp', { ipv4: 1, ipv6: 58 }],
  ['icmpv6', { ipv4: 58, ipv6: 58 }],
  ['esp', { ipv4: 50, ipv6: 50 }],
  ['ah', { ipv4: 51, ipv6: 51 }],
]);

/** The IP protocol number for each family, or every protocol. */
export type ProtocolNumbers = { readonly ipv4: number; readonly ipv6: number } | 'any';

/** Protocols by name, any letter case, by number 0 to 255, or `*`. @throws CommandError (2) */
export function parseProtocols(text: string): ProtocolNumbers {
  const lower = text.toLowerCase();
  if (lower === '*' || lower === 'any') return 'any';
  const named = PROTOCOLS.get(lower);
  if (named !== undefined) return named;
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) {
    return { ipv4: Number(text), ipv6: Number(text) };
  }
  throw usage(`protocol ${quote(text)}: use TCP, UDP, ICMP, ESP, AH, * or a number from 0 to 255`);
}

/** One protocol. `Icmp` is ICMPv6 between IPv6 addresses. @throws CommandError (2) */
export function parseProtocol(text: string, address: Address): number {
  const numbers = parseProtocols(text);
  if (numbers === 'any') {
    throw usage(`protocol ${quote(text)}: use TCP, UDP, ICMP, ESP, AH or a number from 0 to 255`);
  }
  return typeof address === 'bigint' ? numbers.ipv6 : numbers.ipv4;
}

export function parseDirection(text: string): 0 | 1 {
  const lower = text.toLowerCase();
  if (lower === 'inbound' || lower === 'in') return 0;
  if (lower === 'outbound' || lower === 'out') return 1;
  throw usage(`direction ${quote(text)}: use Inbound or Outbound`);
}

export function parseAddress(text: string): Address {
  const address = parseIpv4(text) ?? parseIpv6(text);
  if (address === undefined) throw usage(`${quote(text)} is not an IPv4 or IPv6 address`);
  return address;
}

/** A port; `*` is 0, as for a protocol that has none. */
export function parsePort(text: string): number {
  if (text === '*') return 0;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw usage(`port ${quote(text)}: use a number from 0 to 65535`);
}

/** One side of a tuple; the port is undefined where none was written. */
export interface Endpoint {
  readonly address: Address;
  readonly port: number | undefined;
}

/** `10.0.1.4:80`, `[fd00::4]:80`, or an address alone. */
export function parseEndpoint(text: string): Endpoint {
  const bracketed = /^\[(?<address>[^\]]*)\](?::(?<port>.*))?$/.exec(text)?.groups;
  if (bracketed !== undefined) {
    const { address = '', port } = bracketed;
    return {
      address: parseAddress(address),
      port: port === undefined ? undefined : parsePort(port),
    };
  }
  const colons = text.split(':').length - 1;
  if (colons === 1) {
    const [address = '', port = ''] = text.split(':');
    return { address: parseAddress(address), port: parsePort(port) };
  }
  if (colons > 1 && parseIpv6(text) === undefined) {
    throw usage(`${quote(text)}: write an IPv6 address with a port as [address]:port`);
  }
  return { address: parseAddress(text), port: undefined };
}
