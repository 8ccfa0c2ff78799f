/**
 * Addresses and prefixes as text: one strict parser for configuration, rules and service tags, and the way back.
 *
 * ipaddr.js does the writing (RFC 5952) but not the reading: it takes classful and octal IPv4, and it needs 70 to
 * 90 ms for the 13,155 prefixes of the tag AzureCloud, nearly half of what compiling a whole policy may take; this
 * needs 3 ms (20 ms before V8 has compiled it). The tests compare the two.
 */
import ipaddr from 'ipaddr.js';
import type { AddressSet, Ipv4Interval, Ipv6Interval } from '../engine/address-set.ts';
import { addressSet, IPV4_MAX, IPV6_MAX } from '../engine/address-set.ts';

/** A prefix as the closed interval of its addresses. `length` is 0 to 32 or 0 to 128. */
export type Prefix =
  | { readonly family: 4; readonly low: number; readonly high: number; readonly length: number }
  | { readonly family: 6; readonly low: bigint; readonly high: bigint; readonly length: number };

/** Why a text is no prefix: not an address, a bad mask, or bits set to the right of the mask. */
export type PrefixFault = 'syntax' | 'mask' | 'host bits';

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
const NOT_AN_ADDRESS = -1;

/**
 * IPv4 in four decimal parts from `text[start, end)`, as an unsigned number, or -1. No leading zeros: `010` is 8 to
 * some parsers and 10 to others.
 */
function ipv4At(text: string, start: number, end: number): number {
  let value = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return NOT_AN_ADDRESS;
      value = value * 256 + part;
      part = 0;
      digits = 0;
    } else if (code >= ZERO && code <= NINE && (digits === 0 || part > 0)) {
      part = part * 10 + (code - ZERO);
      if (part > 255) return NOT_AN_ADDRESS;
      digits++;
    } else {
      return NOT_AN_ADDRESS;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + part : NOT_AN_ADDRESS;
}

/** IPv4 address as an unsigned number, or undefined. */
export function parseIpv4(text: string): number | undefined {
  const value = ipv4At(text, 0, text.length);
  return value === NOT_AN_ADDRESS ? undefined : value;
}

/** The value of a hexadecimal digit, or -1. */
function hexDigit(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The 16 bytes, in network order, of the address that `ipv6At` reads; overwritten by every call. */
const scratch = new DataView(new ArrayBuffer(16));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Where `::` stands when it does not. */
const NO_GAP = 8;

/**
 * Reads the groups of `text[0, end)` into `scratch`, in the order written. Returns how many there are, 0 to 8, plus 16
 * times how many of them stand before `::` (`NO_GAP`: there is none), or -1 when the text is no address. Packed,
 * because an object for each of 25,000 prefixes shows in the time a policy takes to load.
 */
function ipv6Groups(text: string, end: number): number {
  let count = 0;
  let gap = NO_GAP;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  }
  while (at < end) {
    if (count === 8) return NOT_AN_ADDRESS;
    const start = at;
    let group = 0;
    for (let digit = 0; at < end && (digit = hexDigit(text.charCodeAt(at))) !== -1; at++) {
      group = group * 16 + digit;
    }
    if (at < end && text.charCodeAt(at) === DOT) {
      const ipv4 = ipv4At(text, start, end);
      if (ipv4 === NOT_AN_ADDRESS || count > 6) return NOT_AN_ADDRESS;
      scratch.setUint32(count * 2, ipv4);
      return count + 2 + gap * 16;
    }
    if (at === start || at - start > 4) return NOT_AN_ADDRESS;
    scratch.setUint16(count++ * 2, group);
    if (at === end) break;
    if (text.charCodeAt(at++) !== COLON || at === end) return NOT_AN_ADDRESS;
    if (text.charCodeAt(at) !== COLON) continue;
    if (gap !== NO_GAP) return NOT_AN_ADDRESS;
    gap = count;
    at++;
  }
  return count + gap * 16;
}

/** IPv6 from `text[0, end)`, or undefined. */
function ipv6At(text: string, end: number): bigint | undefined {
  const packed = ipv6Groups(text, end);
  if (packed === NOT_AN_ADDRESS) return undefined;
  const count = packed % 16;
  const gap = (packed - count) / 16;
  if (gap === NO_GAP ? count !== 8 : count > 7) return undefined;
  if (gap !== NO_GAP) {
    const start = gap * 2;
    const zeros = 16 - count * 2;
    scratchBytes.copyWithin(start + zeros, start, count * 2);
    scratchBytes.fill(0, start, start + zeros);
  }
  return (scratch.getBigUint64(0) << 64n) | scratch.getBigUint64(8);
}

/** IPv6 address (RFC 4291 section 2.2, no zone) as an unsigned integer, or undefined. */
export function parseIpv6(text: string): bigint | undefined {
  return ipv6At(text, text.length);
}

/** The mask after the slash, or -1. One to three digits, no sign, no leading zero. */
function maskLength(text: string, start: number, longest: number): number {
  const digits = text.length - start;
  if (digits < 1 || digits > 3) return -1;
  if (digits > 1 && text.charCodeAt(start) === ZERO) return -1;
  let value = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < ZERO || code > NINE) return -1;
    value = value * 10 + (code - ZERO);
  }
  return value <= longest ? value : -1;
}

function ipv4Prefix(text: string, slash: number): Prefix | PrefixFault {
  const low = ipv4At(text, 0, slash === -1 ? text.length : slash);
  if (low === NOT_AN_ADDRESS) return 'syntax';
  const length = slash === -1 ? 32 : maskLength(text, slash + 1, 32);
  if (length === -1) return 'mask';
  const size = 2 ** (32 - length);
  if (low % size !== 0) return 'host bits';
  return { family: 4, low, high: low + size - 1, length };
}

function ipv6Prefix(text: string, slash: number): Prefix | PrefixFault {
  const low = ipv6At(text, slash === -1 ? text.length : slash);
  if (low === undefined) return 'syntax';
  const length = slash === -1 ? 128 : maskLength(text, slash + 1, 128);
  if (length === -1) return 'mask';
  const hostBits = IPV6_MAX >> BigInt(length);
  if ((low & hostBits) !== 0n) return 'host bits';
  return { family: 6, low, high: low | hostBits, length };
}

/**
 * An address or a prefix in CIDR notation, or the reason why it is neither. Host bits must be zero, as Azure demands
 * (SecurityRuleInvalidAddressPrefix).
 */
export function parsePrefix(text: string): Prefix | PrefixFault {
  const slash = text.indexOf('/');
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COLON) return ipv6Prefix(text, slash);
    if (code === DOT) return ipv4Prefix(text, slash);
  }
  return 'syntax';
}

/** What is wrong with `text`, as the end of a sentence that starts with it. */
export function explainPrefixFault(text: string, fault: PrefixFault): string {
  if (fault === 'syntax') return 'is no IP address or prefix';
  const slash = text.indexOf('/');
  const isIpv6 = text.includes(':');
  if (fault === 'mask') return `needs a mask of 0 to ${isIpv6 ? 128 : 32} after the slash`;
  const address = text.slice(0, slash);
  const length = Number(text.slice(slash + 1));
  const value = BigInt(parseIpv4(address) ?? 0) | (parseIpv6(address) ?? 0n);
  const hostBits = BigInt((isIpv6 ? 128 : 32) - length);
  const low = (value >> hostBits) << hostBits;
  const network = isIpv6 ? formatIpv6(low) : formatIpv4(Number(low));
  return `has bits set to the right of its mask; the prefix is ${network}/${length}`;
}

/** True when `inner` has no address outside `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family) return false;
  return outer.low <= inner.low && inner.high <= outer.high;
}

/** True when the two prefixes share an address. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  if (a.family !== b.family) return false;
  return a.low <= b.high && b.low <= a.high;
}

/** The set of the addresses of `prefixes`; of none, the empty set. */
export function setOfPrefixes(prefixes: readonly Prefix[]): AddressSet {
  const ipv4: Ipv4Interval[] = [];
  const ipv6: Ipv6Interval[] = [];
  for (const prefix of prefixes) {
    if (prefix.family === 4) ipv4.push([prefix.low, prefix.high]);
    else ipv6.push([prefix.low, prefix.high]);
  }
  return addressSet(ipv4, ipv6);
}

/** The set of prefixes written in the program itself. Throws on a text that is none: that is our mistake. */
export function setOf(...texts: readonly string[]): AddressSet {
  return setOfPrefixes(
    texts.map((text) => {
      const prefix = parsePrefix(text);
      if (typeof prefix === 'string') throw new TypeError(`${text} is no prefix: ${prefix}`);
      return prefix;
    }),
  );
}

/** Four decimal parts. `address` is unsigned. */
export function formatIpv4(address: number): string {
  return [address / 0x100_0000, address / 0x1_0000, address / 0x100, address]
    .map((part) => Math.floor(part) % 256)
    .join('.');
}

/** RFC 5952 text. */
export function formatIpv6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((address >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  return new ipaddr.IPv6(groups).toRFC5952String();
}

export function formatPrefix(prefix: Prefix): string {
  const address = prefix.family === 4 ? formatIpv4(prefix.low) : formatIpv6(prefix.low);
  return `${address}/${prefix.length}`;
}

/** The fewest prefixes that cover exactly [low, high]: each the widest that starts at `low` and fits. */
function prefixesOfIpv4([low, high]: Ipv4Interval): string[] {
  const prefixes: string[] = [];
  for (let start = low; start <= high;) {
    let length = 32;
    while (length > 0) {
      const size = 2 ** (33 - length);
      if (start % size !== 0 || start + size - 1 > high) break;
      length--;
    }
    prefixes.push(`${formatIpv4(start)}/${length}`);
    start += 2 ** (32 - length);
    if (start > IPV4_MAX) break;
  }
  return prefixes;
}

function prefixesOfIpv6([low, high]: Ipv6Interval): string[] {
  const prefixes: string[] = [];
  for (let start = low; start <= high && start <= IPV6_MAX;) {
    let hostBits = 0n;
    while (hostBits < 128n) {
      const size = 1n << (hostBits + 1n);
      if (start % size !== 0n || start + size - 1n > high) break;
      hostBits++;
    }
    prefixes.push(`${formatIpv6(start)}/${128n - hostBits}`);
    start += 1n << hostBits;
  }
  return prefixes;
}

/** The fewest prefixes that cover exactly one interval; its bounds tell the family. */
export function prefixesOfRange(range: Ipv4Interval | Ipv6Interval): string[] {
  const [low, high] = range;
  return typeof low === 'number'
    ? prefixesOfIpv4([low, Number(high)])
    : prefixesOfIpv6([low, BigInt(high)]);
}

/** The fewest prefixes that cover exactly the set, IPv4 first, in order. */
export function formatAddressSet(set: AddressSet): string[] {
  return [...set.ipv4.flatMap(prefixesOfIpv4), ...set.ipv6.flatMap(prefixesOfIpv6)];
}
