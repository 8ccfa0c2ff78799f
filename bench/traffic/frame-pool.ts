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
const PORT_BASE = 1024;
const PORTS_PER_ADDRESS = 64;
/** Spreads the ports of an address over the range. */
const PORT_STEP = 911;
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
  const isIpv4 = ((frame[ETHER_TYPE] ?? 0) << 8) + (frame[ETHER_TYPE + 1] ?? 0) === ETHER_TYPE_IPV4;
  const at = isIpv4 ? IPV4_AT : IPV6_AT;
  const portAt = remote === 'source' ? at.ports : at.ports + 2;
  for (let index = 0; index < count; index++) {
    const flow = flows?.[index] ?? index;
    const start = index * stride;
    bytes.set(frame, start);
    view.setUint32(start + at[remote], REMOTE_BASE + Math.floor(flow / PORTS_PER_ADDRESS));
    view.setUint16(start + portAt, PORT_BASE + (flow % PORTS_PER_ADDRESS) * PORT_STEP);
    if (isIpv4) {
      view.setUint16(start + IPV4_CHECKSUM, 0);
      view.setUint16(start + IPV4_CHECKSUM, headerChecksum(view, start + IP));
    }
  }
  return { view, length: frame.length, stride, count };
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
