/**
 * Frame builder: Ethernet frames from a description, with the right lengths and checksums unless a field is overridden.
 *
 * It shares no code with src/: what the decoder reads is checked against bytes written by something else. Any field can
 * be overridden to make a malformed frame, and only that field: nothing else is recomputed around a wrong value.
 */
import ipaddr from 'ipaddr.js';

export type Bytes = Uint8Array | readonly number[];

/** `'partial'` leaves the folded pseudo-header sum in the field, as Linux does with checksum offload. */
export type ChecksumOverride = number | 'partial';

export interface VlanTag {
  readonly vid: number;
  /** Default 0x8100. */
  readonly tpid?: number;
  /** Priority code point, 0 to 7. */
  readonly priority?: number;
}

/** One IPv6 extension header. */
export interface Extension {
  /** The number that the header before it carries. */
  readonly type: number;
  /** Everything after the next-header and length bytes, padded with zeros (Pad1) to a multiple of 8 minus 2. */
  readonly body?: Bytes;
  /** Overrides the length byte. */
  readonly length?: number;
}

/** The family is that of `src`. */
export interface IpFields {
  readonly src: string;
  readonly dst: string;
  /** TTL or hop limit, default 64. */
  readonly hopLimit?: number;
  /** Upper-layer protocol; default that of the upper layer given, or 253 (RFC 3692) for `raw`. */
  readonly protocol?: number;
  readonly version?: number;

  /** The rest is IPv4 only. */
  readonly id?: number;
  /** Bytes; what is not a multiple of 8 is lost. */
  readonly fragmentOffset?: number;
  readonly moreFragments?: boolean;
  readonly dontFragment?: boolean;
  /** Option bytes, padded with zeros (end of options) to a multiple of 4. */
  readonly options?: Bytes;
  /** Header length in 32-bit words. */
  readonly ihl?: number;
  readonly totalLength?: number;
  readonly checksum?: number;

  /** IPv6 only, in order. */
  readonly extensions?: readonly Extension[];
  readonly payloadLength?: number;
}

export interface TcpFields {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  /** Byte 13, or letters out of `FSRPAUEC`; default `S`. */
  readonly flags?: number | string;
  readonly window?: number;
  /** Option bytes, padded with zeros to a multiple of 4. */
  readonly options?: Bytes;
  /** Header length in 32-bit words. */
  readonly dataOffset?: number;
  readonly checksum?: ChecksumOverride;
}

export interface UdpFields {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly length?: number;
  readonly checksum?: ChecksumOverride;
}

/** ICMP over IPv4, ICMPv6 over IPv6. */
export interface IcmpFields {
  readonly type: number;
  readonly code?: number;
  /** Identifier and sequence number: the second word of the header. */
  readonly id?: number;
  readonly sequence?: number;
  readonly checksum?: number;
}

/** At most one of `tcp`, `udp`, `icmp` and `raw`. */
export interface FrameSpec {
  readonly srcMac?: string;
  readonly dstMac?: string;
  readonly vlans?: readonly VlanTag[];
  /** Overrides the EtherType. */
  readonly etherType?: number;
  readonly ip?: IpFields;
  readonly tcp?: TcpFields;
  readonly udp?: UdpFields;
  readonly icmp?: IcmpFields;
  /** Upper-layer bytes as they are; without `ip`, what follows the Ethernet header. */
  readonly raw?: Bytes;
  readonly payload?: Bytes | string;
  /** Zero bytes after the packet until the frame has this length, as an Ethernet minimum of 60 does. */
  readonly padTo?: number;
}

const TCP_FLAG_LETTERS = 'FSRPAUEC';
const EXPERIMENTAL_PROTOCOL = 253;
const FRAGMENT_HEADER = 44;
const VLAN_TYPES = new Set([0x8100, 0x88a8, 0x9100]);

/** A frame's bytes in an array of exactly its length. */
export function buildFrame(spec: FrameSpec): Uint8Array {
  const { ip } = spec;
  if (ip === undefined) return link(spec, spec.etherType ?? 0x88b5, toBytes(spec.raw ?? []));
  const { protocol, bytes } = upperLayer(spec, ip);
  const isIpv6 = ip.src.includes(':');
  const packet = isIpv6 ? ipv6(ip, protocol, bytes) : ipv4(ip, protocol, bytes);
  return link(spec, spec.etherType ?? (isIpv6 ? 0x86dd : 0x0800), packet);
}

/**
 * The same datagram cut into fragments, in order.
 * @param size bytes of the fragmentable part in each fragment but the last; a multiple of 8
 * @param id identification shared by the fragments
 */
export function buildFragments(spec: FrameSpec, size: number, id = 0x1234): Uint8Array[] {
  const { ip } = spec;
  if (ip === undefined) throw new Error('only an IP packet has fragments');
  const { protocol, bytes } = upperLayer(spec, ip);
  const frames: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; offset += size) {
    const more = offset + size < bytes.length;
    const fields: IpFields = ip.src.includes(':')
      ? { ...ip, extensions: [...(ip.extensions ?? []), fragmentExtension(offset, more, id)] }
      : { ...ip, id, fragmentOffset: offset, moreFragments: more };
    frames.push(
      buildFrame({
        ...linkOf(spec),
        ip: { ...fields, protocol },
        raw: bytes.subarray(offset, offset + size),
      }),
    );
  }
  return frames;
}

/** An IPv6 fragment header (RFC 8200 section 4.5); `offset` in bytes. */
export function fragmentExtension(offset: number, more: boolean, id = 0x1234): Extension {
  const field = (offset & 0xfff8) | (more ? 1 : 0);
  return { type: FRAGMENT_HEADER, body: [...word16(field), ...word32(id)], length: 0 };
}

/** An ICMP or ICMPv6 error message that quotes a frame. */
export interface IcmpErrorSpec {
  /** Address of the sender of the error. */
  readonly src: string;
  readonly dst: string;
  readonly type: number;
  readonly code?: number;
  /** The frame to quote; its link header is left out. */
  readonly quoted: Uint8Array;
  /** Bytes of the quoted IP packet to keep; default IPv4 header and 8 bytes (RFC 792), IPv6 all (up to 1232). */
  readonly quotedLength?: number;
  /** Next-hop MTU of a fragmentation-needed or packet-too-big message. */
  readonly mtu?: number;
  readonly vlans?: readonly VlanTag[];
}

export function buildIcmpError(error: IcmpErrorSpec): Uint8Array {
  const packet = ipPacket(error.quoted);
  const isIpv6 = error.src.includes(':');
  const mtu = error.mtu ?? 0;
  const kept = error.quotedLength ?? (isIpv6 ? 1232 : ((packet[0] ?? 0) & 15) * 4 + 8);
  return buildFrame({
    ...(error.vlans === undefined ? {} : { vlans: error.vlans }),
    ip: { src: error.src, dst: error.dst },
    icmp: { type: error.type, code: error.code ?? 0, id: mtu >>> 16, sequence: mtu & 0xffff },
    payload: packet.subarray(0, kept),
  });
}

/** What follows the link header of a frame, padding included; nothing when the frame ends before. */
export function ipPacket(frame: Uint8Array): Uint8Array {
  let at = 12;
  while (VLAN_TYPES.has(((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0))) at += 4;
  return frame.subarray(at + 2);
}

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface ArpSpec {
  readonly operation?: 1 | 2;
  readonly senderMac?: string;
  readonly sender: string;
  readonly targetMac?: string;
  readonly target: string;
  readonly vlans?: readonly VlanTag[];
}

export function buildArp(arp: ArpSpec): Uint8Array {
  const senderMac = arp.senderMac ?? '02:00:00:00:00:01';
  return buildFrame({
    srcMac: senderMac,
    dstMac: 'ff:ff:ff:ff:ff:ff',
    ...(arp.vlans === undefined ? {} : { vlans: arp.vlans }),
    etherType: 0x0806,
    raw: [
      ...word16(1),
      ...word16(0x0800),
      6,
      4,
      ...word16(arp.operation ?? 1),
      ...macBytes(senderMac),
      ...addressBytes(arp.sender),
      ...macBytes(arp.targetMac ?? '00:00:00:00:00:00'),
      ...addressBytes(arp.target),
    ],
  });
}

/** A view over exactly these bytes. */
export function viewOf(frame: Uint8Array): DataView {
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
}

/** An address as `Packet` holds it: four signed int32 words, IPv4 in the last one. */
export function addressWords(address: string): [number, number, number, number] {
  const bytes = new Uint8Array(16);
  const own = addressBytes(address);
  bytes.set(own, 16 - own.length);
  const view = viewOf(bytes);
  return [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
}

/** `45 00 00 1c` to bytes; blanks are ignored. */
export function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(
    (hex.replaceAll(/\s/g, '').match(/../g) ?? []).map((pair) => parseInt(pair, 16)),
  );
}

/** Bytes to `45 00 00 1c`, for the message of a failing row. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** The naive checksum (RFC 1071): big-endian 16-bit words summed, carries folded, complemented. */
export function naiveChecksum(bytes: Bytes): number {
  return ~foldedSum(bytes) & 0xffff;
}

/** Pseudo-header of RFC 9293 section 3.1 (IPv4) or RFC 8200 section 8.1 (IPv6). */
export function pseudoHeader(src: string, dst: string, protocol: number, length: number): number[] {
  const addresses = [...addressBytes(src), ...addressBytes(dst)];
  return src.includes(':')
    ? [...addresses, ...word32(length), 0, 0, 0, protocol]
    : [...addresses, 0, protocol, ...word16(length)];
}

/** Big-endian ones' complement sum with the carries folded in, 0 to 0xffff. */
export function foldedSum(bytes: Bytes): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2)
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return sum;
}

function linkOf(spec: FrameSpec): FrameSpec {
  const {
    ip: _ip,
    tcp: _tcp,
    udp: _udp,
    icmp: _icmp,
    raw: _raw,
    payload: _payload,
    ...rest
  } = spec;
  return rest;
}

function link(spec: FrameSpec, etherType: number, packet: Bytes): Uint8Array {
  const frame = [
    ...macBytes(spec.dstMac ?? '02:00:00:00:00:02'),
    ...macBytes(spec.srcMac ?? '02:00:00:00:00:01'),
    ...(spec.vlans ?? []).flatMap(({ vid, tpid = 0x8100, priority = 0 }) => [
      ...word16(tpid),
      ...word16((priority << 13) | vid),
    ]),
    ...word16(etherType),
    ...packet,
  ];
  while (frame.length < (spec.padTo ?? 0)) frame.push(0);
  return Uint8Array.from(frame);
}

function ipv4(ip: IpFields, protocol: number, data: Bytes): Uint8Array {
  const options = padded(ip.options ?? [], 4);
  const headerLength = 20 + options.length;
  const flags = (ip.dontFragment ? 0x4000 : 0) | (ip.moreFragments ? 0x2000 : 0);
  const header = [
    ((ip.version ?? 4) << 4) | (ip.ihl ?? headerLength / 4),
    0,
    ...word16(ip.totalLength ?? headerLength + data.length),
    ...word16(ip.id ?? 0),
    ...word16(flags | ((ip.fragmentOffset ?? 0) >> 3)),
    ip.hopLimit ?? 64,
    protocol,
    ...word16(0),
    ...addressBytes(ip.src),
    ...addressBytes(ip.dst),
    ...options,
  ];
  header.splice(10, 2, ...word16(ip.checksum ?? naiveChecksum(header)));
  return Uint8Array.from([...header, ...data]);
}

function ipv6(ip: IpFields, protocol: number, data: Bytes): Uint8Array {
  const extensions = ip.extensions ?? [];
  const chain = extensions.flatMap(({ body = [], length }, index) => {
    const bytes = padded([0, 0, ...body], 8);
    bytes[0] = extensions[index + 1]?.type ?? protocol;
    bytes[1] = length ?? bytes.length / 8 - 1;
    return bytes;
  });
  return Uint8Array.from([
    ...word32((ip.version ?? 6) << 28),
    ...word16(ip.payloadLength ?? chain.length + data.length),
    extensions[0]?.type ?? protocol,
    ip.hopLimit ?? 64,
    ...addressBytes(ip.src),
    ...addressBytes(ip.dst),
    ...chain,
    ...data,
  ]);
}

function upperLayer(spec: FrameSpec, ip: IpFields): { protocol: number; bytes: Uint8Array } {
  const payload = toBytes(spec.payload ?? []);
  if (spec.tcp !== undefined) {
    const protocol = ip.protocol ?? 6;
    return { protocol, bytes: checksummed(tcp(spec.tcp, payload), 16, ip, spec.tcp.checksum) };
  }
  if (spec.udp !== undefined) {
    const protocol = ip.protocol ?? 17;
    return { protocol, bytes: checksummed(udp(spec.udp, payload), 6, ip, spec.udp.checksum) };
  }
  if (spec.icmp !== undefined) {
    const isIpv6 = ip.src.includes(':');
    const bytes = icmp(spec.icmp, payload);
    if (isIpv6) {
      return { protocol: ip.protocol ?? 58, bytes: checksummed(bytes, 2, ip, spec.icmp.checksum) };
    }
    bytes.set(word16(spec.icmp.checksum ?? naiveChecksum(bytes)), 2);
    return { protocol: ip.protocol ?? 1, bytes };
  }
  return { protocol: ip.protocol ?? EXPERIMENTAL_PROTOCOL, bytes: toBytes(spec.raw ?? payload) };
}

function tcp(fields: TcpFields, payload: Uint8Array): Uint8Array {
  const options = padded(fields.options ?? [], 4);
  const flags = fields.flags ?? 'S';
  return Uint8Array.from([
    ...word16(fields.srcPort),
    ...word16(fields.dstPort),
    ...word32(fields.sequence ?? 0),
    ...word32(fields.acknowledgment ?? 0),
    (fields.dataOffset ?? 5 + options.length / 4) << 4,
    typeof flags === 'number' ? flags : flagBits(flags),
    ...word16(fields.window ?? 0xffff),
    ...word32(0),
    ...options,
    ...payload,
  ]);
}

function udp(fields: UdpFields, payload: Uint8Array): Uint8Array {
  return Uint8Array.from([
    ...word16(fields.srcPort),
    ...word16(fields.dstPort),
    ...word16(fields.length ?? 8 + payload.length),
    ...word16(0),
    ...payload,
  ]);
}

function icmp(fields: IcmpFields, payload: Uint8Array): Uint8Array {
  return Uint8Array.from([
    fields.type,
    fields.code ?? 0,
    ...word16(0),
    ...word16(fields.id ?? 0),
    ...word16(fields.sequence ?? 0),
    ...payload,
  ]);
}

/** Writes the checksum at `at`: with the pseudo-header, or only the pseudo-header's sum when `'partial'`. */
function checksummed(
  bytes: Uint8Array,
  at: number,
  ip: IpFields,
  override: ChecksumOverride | undefined,
): Uint8Array {
  const protocol = at === 16 ? 6 : at === 6 ? 17 : 58;
  const pseudo = pseudoHeader(ip.src, ip.dst, protocol, bytes.length);
  let checksum = typeof override === 'number' ? override : naiveChecksum([...pseudo, ...bytes]);
  if (override === undefined && protocol === 17 && checksum === 0) checksum = 0xffff;
  if (override === 'partial') checksum = foldedSum(pseudo);
  bytes.set(word16(checksum), at);
  return bytes;
}

function flagBits(letters: string): number {
  let bits = 0;
  for (const letter of letters) {
    const bit = TCP_FLAG_LETTERS.indexOf(letter);
    if (bit < 0) throw new Error(`no TCP flag '${letter}', use ${TCP_FLAG_LETTERS}`);
    bits |= 1 << bit;
  }
  return bits;
}

function addressBytes(address: string): number[] {
  return ipaddr.parse(address).toByteArray();
}

function macBytes(mac: string): number[] {
  return mac.split(':').map((pair) => parseInt(pair, 16));
}

function toBytes(value: Bytes | string): Uint8Array {
  return typeof value === 'string' ? new TextEncoder().encode(value) : Uint8Array.from(value);
}

function padded(bytes: Bytes, multiple: number): number[] {
  const result = [...bytes];
  while (result.length % multiple !== 0) result.push(0);
  return result;
}

function word16(value: number): [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function word32(value: number): [number, number, number, number] {
  return [...word16(value >>> 16), ...word16(value & 0xffff)];
}
