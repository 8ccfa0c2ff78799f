/**
 * Bytes to Packet, and Packet to flow key.
 */
import { decode } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import { buildFrame, buildIcmpError, type FrameSpec, viewOf } from '../../test/helpers/frames.ts';
import { LOCAL, REMOTE } from '../rules/trial-policy.ts';
import { type FramePool, framePool } from '../traffic/frame-pool.ts';
import { type BenchCase, expectThat, type Workload } from './case.ts';

const FRAMES = 1024;
const UDP_PORTS = { srcPort: 4000, dstPort: 5001 } as const;
const TCP_SEGMENT = { ...UDP_PORTS, flags: 'A', sequence: 100, acknowledgment: 500 } as const;
const IPV4 = { src: REMOTE[4], dst: LOCAL[4] } as const;
const IPV6 = { src: REMOTE[6], dst: LOCAL[6] } as const;

function pool(template: FrameSpec): FramePool {
  return framePool({ template, remote: 'source', count: FRAMES });
}

function decoding({ view, stride, length, count }: FramePool): Workload {
  const packet = new Packet();
  return {
    facts: { frameBytes: length },
    run(operations) {
      let at = 0;
      const end = count * stride;
      for (let index = 0; index < operations; index++) {
        decode(view, at, length, packet);
        at += stride;
        if (at === end) at = 0;
      }
    },
  };
}

/** The same frame in every place: for frames whose fields the pool does not vary. */
function copies(frame: Uint8Array): FramePool {
  const stride = Math.ceil(frame.length / 64) * 64;
  const bytes = new Uint8Array(stride * FRAMES);
  for (let index = 0; index < FRAMES; index++) bytes.set(frame, index * stride);
  return { view: viewOf(bytes), stride, length: frame.length, count: FRAMES };
}

function keying(family: 4 | 6): Workload {
  const { view, length } = pool({ ip: family === 4 ? IPV4 : IPV6, udp: UDP_PORTS });
  const packet = new Packet();
  const key = new FlowKey();
  expectThat(decode(view, 0, length, packet) === 0, 'the frame is good');
  return {
    run(operations) {
      for (let index = 0; index < operations; index++) {
        packet.srcPort = index & 0xffff;
        flowKey(packet, index & 1, key);
      }
    },
  };
}

function decodeCase(name: string, frames: () => FramePool): BenchCase {
  return { name: `decode/${name}`, unit: 'packets', prepare: () => decoding(frames()) };
}

export const decodeCases: readonly BenchCase[] = [
  decodeCase('tcp-ipv4', () => pool({ ip: IPV4, tcp: TCP_SEGMENT })),
  decodeCase('udp-ipv4', () => pool({ ip: IPV4, udp: UDP_PORTS })),
  decodeCase('tcp-ipv6', () => pool({ ip: IPV6, tcp: TCP_SEGMENT })),
  decodeCase('udp-ipv6', () => pool({ ip: IPV6, udp: UDP_PORTS })),
  decodeCase('udp-ipv4-vlan', () =>
    copies(buildFrame({ vlans: [{ vid: 7 }], ip: IPV4, udp: UDP_PORTS, padTo: 60 })),
  ),
  decodeCase('icmp-error-ipv4', () =>
    copies(
      buildIcmpError({
        src: '198.51.100.1',
        dst: REMOTE[4],
        type: 3,
        quoted: buildFrame({ ip: IPV4, udp: UDP_PORTS }),
      }),
    ),
  ),
  { name: 'key/ipv4', unit: 'packets', prepare: () => keying(4) },
  { name: 'key/ipv6', unit: 'packets', prepare: () => keying(6) },
];
