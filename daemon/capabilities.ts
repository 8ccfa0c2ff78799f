/**
 * What `nsgd run` may do, asked before it begins: without these capabilities a data plane would fail at every start.
 */
import { readFileSync } from 'node:fs';

/** Bits of capabilities(7): raw sockets, and offloads, promiscuous mode and XDP. */
const NEEDED: ReadonlyMap<string, bigint> = new Map([
  ['CAP_NET_RAW', 13n],
  ['CAP_NET_ADMIN', 12n],
]);

/**
 * Names of the needed capabilities that a process lacks.
 * @param status text of /proc/PID/status
 */
export function missingCapabilities(status: string): string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return [...NEEDED].flatMap(([name, bit]) => (((effective >> bit) & 1n) === 0n ? [name] : []));
}

/** Those that this process lacks. */
export function ownMissingCapabilities(): string[] {
  return missingCapabilities(readFileSync('/proc/self/status', 'utf8'));
}
