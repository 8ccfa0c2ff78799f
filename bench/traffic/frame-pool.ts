/**
 * Many frames in one buffer: copies of a template that differ in the remote address and port, as a table full of flows
 * would send them.
 *
 * Frames lie in the order in which they are read, whatever flow they are of: a receive ring hands over frames whose
 * bytes are already near, and only the flow table is met in the order of the flows.
 */
import { buildFrame, type FrameSpec } from '../../test/helpers/frames.ts';
import { Random } from '../../test/helpers/random.ts';

/** Of an Ethernet frame without tags. */
const IP = 14;
const IPV4_BYTES = 20;
const IPV4_CHECKSUM = IP + 10;
/** The last word of an address, and the port behind it. */
const IPV4_AT = { source: IP + 12, destination: IP + 16, ports: IP + IPV4_BYTES } as const;
const IPV6_AT = { source: IP + 20, destination: IP + 36, ports: IP + 40 } as const;
const ETHER_TYPE = 12;
const ETHER_TYPE_IPV4 = 0x0800;

/** 203.0.0.0: far from the virtual network. On IPv6 it is the last word of the template's address. */
const REMOTE_BASE = 0xcb00_0000;
export const PORT_BASE = 1024;
/** Each address has so many flows, by port. */
export const FLOW_PORT_BITS = 8;
const CACHE_LINE = 64;

export interface FramePool {
  readonly view: DataView;
  /** Bytes of each frame; frame `n` starts at `n * stride`. */
  readonly length: number;
  readonly stride: number;
  readonly count: number;
}

export interface FramePoolOptions {
  /** A TCP or UDP frame without tags and extension headers. */
  readonly template: FrameSpec;
  /** Which end is the remote one: the source of inbound frames, the destination of outbound ones. */
  readonly remote: 'source' | 'destination';
  /** The flow of each frame; absent: frame n is of flow n. */
  readonly flows?: Int32Array;
  readonly count: number;
}

export function framePool({ template, remote, flows, count }: FramePoolOptions): FramePool {
  const frame = buildFrame({ ...template, padTo: 60 });
  const stride = Math.ceil(frame.length / CACHE_LINE) * CACHE_LINE;
  const bytes = new Uint8Array(stride * count);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) {
    const start = index * stride;
    bytes.set(frame, start);
    setFlow(view, start, remote, flows?.[index] ?? index);
  }
  return { view, length: frame.length, stride, count };
}

/**
 * Makes the frame at `start` one of that flow: address and port of its remote end.
 * @param flow 0 to 2^24: the ports of an address, then the next address
 */
export function setFlow(
  view: DataView,
  start: number,
  remote: 'source' | 'destination',
  flow: number,
): void {
  const isIpv4 = view.getUint16(start + ETHER_TYPE) === ETHER_TYPE_IPV4;
  const at = isIpv4 ? IPV4_AT : IPV6_AT;
  const portAt = remote === 'source' ? at.ports : at.ports + 2;
  view.setUint32(start + at[remote], REMOTE_BASE + (flow >>> FLOW_PORT_BITS));
  view.setUint16(start + portAt, PORT_BASE + (flow & ((1 << FLOW_PORT_BITS) - 1)));
  if (!isIpv4) return;
  view.setUint16(start + IPV4_CHECKSUM, 0);
  view.setUint16(start + IPV4_CHECKSUM, headerChecksum(view, start + IP));
}

/** The numbers 0 to count - 1 in random order, always the same. */
export function shuffled(count: number, seed = 20_261_122): Int32Array {
  const random = new Random(seed);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}

/** RFC 791: the ones' complement of the ones' complement sum. */
function headerChecksum(view: DataView, start: number): number {
  let sum = 0;
  for (let at = 0; at < IPV4_BYTES; at += 2) sum += view.getUint16(start + at);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~(sum + (sum >>> 16)) & 0xffff;
}
