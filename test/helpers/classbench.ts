/**
 * Reads ClassBench rule sets and traces, in the three dialects that our data has: the original one (IPv4, decimal
 * trace addresses), its IPv6 mapping, and DPDK's (comments, hexadecimal trace addresses, no flags column).
 *
 *     rule:   @SRC/len DST/len spLow : spHigh dpLow : dpHigh proto/mask [flags/mask]
 *     trace:  src dst srcPort dstPort protocol [0] firstMatch
 *
 * The line of a rule is its priority. Protocol mask 0 is any. The port range 0 : 65535 becomes 'any': in ClassBench
 * every packet has ports, whatever its protocol. A first match of 4294967295 is none.
 */
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import type { Packet } from '../../src/capture/packet.ts';
import { NO_ADDRESS, type AddressSet } from '../../src/engine/address-set.ts';
import { Access, ANY_PROTOCOL, type PortMatch, type Rule } from '../../src/engine/rule.ts';

export interface TraceLine {
  readonly ipVersion: 4 | 6;
  /** Four signed words, as `Packet` has them. */
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly srcPort: number;
  readonly dstPort: number;
  readonly protocol: number;
  /** Index of the first rule that matches; -1 for none. */
  readonly expected: number;
}

const RULE =
  /^@([^/\s]+)\/(\d+)\s+([^/\s]+)\/(\d+)\s+(\d+)\s*:\s*(\d+)\s+(\d+)\s*:\s*(\d+)\s+(\w+)\/(\w+)/;

/** The lines that say something. */
function linesIn(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function addressOf(text: string): bigint {
  const bytes = ipaddr.parse(text).toByteArray();
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function prefix(text: string, length: string): AddressSet {
  const isIpv6 = text.includes(':');
  const hostBits = BigInt((isIpv6 ? 128 : 32) - Number(length));
  const low = (addressOf(text) >> hostBits) << hostBits;
  const high = low + (1n << hostBits) - 1n;
  if (isIpv6) return { ...NO_ADDRESS, ipv6: [[low, high]] };
  return { ...NO_ADDRESS, ipv4: [[Number(low), Number(high)]] };
}

function ports(low: string, high: string): PortMatch {
  if (Number(low) === 0 && Number(high) === 65_535) return 'any';
  return [{ low: Number(low), high: Number(high) }];
}

function parseRule(line: string, index: number): Rule {
  const [, source, sourceLength, destination, destinationLength, ...rest] = RULE.exec(line) ?? [];
  const [srcLow, srcHigh, dstLow, dstHigh, protocol, mask] = rest;
  if (
    source === undefined ||
    sourceLength === undefined ||
    destination === undefined ||
    destinationLength === undefined ||
    srcLow === undefined ||
    srcHigh === undefined ||
    dstLow === undefined ||
    dstHigh === undefined
  ) {
    throw new Error(`not a ClassBench rule: ${line}`);
  }
  const number = Number(mask) === 0 ? ANY_PROTOCOL : Number(protocol);
  return {
    name: `rule${index}`,
    priority: index,
    access: Access.Allow,
    protocol: { ipv4: number, ipv6: number },
    source: prefix(source, sourceLength),
    sourcePorts: ports(srcLow, srcHigh),
    destination: prefix(destination, destinationLength),
    destinationPorts: ports(dstLow, dstHigh),
  };
}

/** The rules of a set, in order. */
export function readClassbenchRules(path: string): Rule[] {
  return parseClassbenchRules(readFileSync(path, 'latin1'));
}

/** The same from the text of the file. */
export function parseClassbenchRules(text: string): Rule[] {
  return linesIn(text).map(parseRule);
}

/** Text, decimal or hexadecimal address to signed words. */
function traceAddress(text: string): number[] {
  const address = text.includes(':') ? addressOf(text) : BigInt(text);
  return [96n, 64n, 32n, 0n].map((shift) => Number((address >> shift) & 0xffff_ffffn) | 0);
}

function parseTraceLine(line: string): TraceLine {
  const columns = line.split(/\s+/);
  const [source, destination, srcPort, dstPort, protocol] = columns;
  const expected = columns.at(-1);
  if (source === undefined || destination === undefined || columns.length < 6) {
    throw new Error(`not a ClassBench trace line: ${line}`);
  }
  return {
    ipVersion: source.includes(':') ? 6 : 4,
    source: traceAddress(source),
    destination: traceAddress(destination),
    srcPort: Number(srcPort),
    dstPort: Number(dstPort),
    protocol: Number(protocol),
    expected: Number(expected) | 0,
  };
}

/** The packets of a trace, in order. */
export function readClassbenchTrace(path: string): TraceLine[] {
  return linesIn(readFileSync(path, 'latin1')).map(parseTraceLine);
}

/** Makes `packet` the packet of a trace line. Allocates nothing. */
export function fillFromTrace(packet: Packet, line: TraceLine): void {
  packet.ipVersion = line.ipVersion;
  packet.src0 = line.source[0] ?? 0;
  packet.src1 = line.source[1] ?? 0;
  packet.src2 = line.source[2] ?? 0;
  packet.src3 = line.source[3] ?? 0;
  packet.dst0 = line.destination[0] ?? 0;
  packet.dst1 = line.destination[1] ?? 0;
  packet.dst2 = line.destination[2] ?? 0;
  packet.dst3 = line.destination[3] ?? 0;
  packet.protocol = line.protocol;
  packet.hasPorts = true;
  packet.srcPort = line.srcPort;
  packet.dstPort = line.dstPort;
}
