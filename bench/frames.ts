/**
 * Many frames in one buffer: copies of a template that differ in the remote address and port, as a table full of flows
 * would send them.
 */
import { buildFrame, type FrameSpec } from '../test/helpers/frames.ts';

/** Of an Ethernet frame without tags that carries IPv4 without options. */
const IP_HEADER = 14;
const IP_HEADER_BYTES = 20;
const IP_CHECKSUM = IP_HEADER + 10;
const SOURCE = IP_HEADER + 12;
const DESTINATION = IP_HEADER + 16;
const SOURCE_PORT = IP_HEADER + IP_HEADER_BYTES;
const DESTINATION_PORT = SOURCE_PORT + 2;

/** 203.0.0.0/8: far from the virtual network. */
const REMOTE_BASE = 0xcb00_0000;
const PORT_BASE = 1024;
const PORTS = 60_000;

export interface FramePool {
  readonly view: DataView;
  /** Bytes of each frame; frame `n` starts at `n * stride`. */
  readonly length: number;
  readonly stride: number;
  readonly count: number;
}

/**
 * @param template an IPv4 TCP or UDP frame
 * @param remote which end changes: the source of inbound frames, the destination of outbound ones
 */
export function framePool(
  template: FrameSpec,
  remote: 'source' | 'destination',
  count: number,
): FramePool {
  const frame = buildFrame({ ...template, padTo: 60 });
  const stride = frame.length;
  const bytes = new Uint8Array(stride * count);
  const view = new DataView(bytes.buffer);
  const [address, port] =
    remote === 'source' ? [SOURCE, SOURCE_PORT] : [DESTINATION, DESTINATION_PORT];
  for (let index = 0; index < count; index++) {
    const start = index * stride;
    bytes.set(frame, start);
    view.setUint32(start + address, REMOTE_BASE + Math.floor(index / PORTS) * 256 + (index & 0xff));
    view.setUint16(start + port, PORT_BASE + (index % PORTS));
    view.setUint16(start + IP_CHECKSUM, 0);
    view.setUint16(start + IP_CHECKSUM, headerChecksum(view, start + IP_HEADER));
  }
  return { view, length: frame.length, stride, count };
}

/** RFC 791: the ones' complement of the ones' complement sum. */
function headerChecksum(view: DataView, start: number): number {
  let sum = 0;
  for (let at = 0; at < IP_HEADER_BYTES; at += 2) sum += view.getUint16(start + at);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~(sum + (sum >>> 16)) & 0xffff;
}
