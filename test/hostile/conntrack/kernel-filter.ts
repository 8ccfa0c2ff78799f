/**
 * The kernel as a filter: a router between two namespaces with nftables and connection tracking, strict about TCP in the middle
 * of a connection and about checksums, and the rules that the comparison has.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFrame, viewOf } from '../../helpers/frames.ts';
import { disableOffloads, type Lab } from '../../helpers/lab.ts';
import { MarkedWire, type Marker } from '../../helpers/marked-wire.ts';
import { connect, type NetworkNamespace } from '../../helpers/network-namespace.ts';
import { PacketSocket } from '../../helpers/packet-socket.ts';
import { IPV4, IPV6, OPEN_TCP, OPEN_UDP } from './conversation.ts';

/** Of both interfaces of the router, and of everybody else: what `buildFrame` writes. */
const ROUTER_MAC = '02:00:00:00:00:02';
const HOST_MAC = '02:00:00:00:00:01';
const MARKER_PORT = 40_999;
const MARKER_ENDS = ['203.0.113.200', '10.0.1.200'] as const;
/** Offsets in an Ethernet frame without tags, of IPv4 without options. */
const ETHER_TYPE_AT = 12;
const IP_AT = 14;
const PROTOCOL_AT = 23;
const PORTS_AT = 34;
const IDENTIFICATION_AT = 18;
const ETHER_TYPE_IPV4 = 0x0800;
const ETHER_TYPE_IPV6 = 0x86dd;
const FLOW_LABEL = 0xf_ffff;

const RULES = `
table inet compare {
  chain untracked { type filter hook prerouting priority raw; udp dport ${MARKER_PORT} notrack; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    udp dport ${MARKER_PORT} accept
    ct state invalid drop
    ct state established,related accept
    iifname "inside0" ct state new accept
    iifname "outside0" ct state new tcp dport ${OPEN_TCP} accept
    iifname "outside0" ct state new udp dport ${OPEN_UDP} accept
    iifname "outside0" ct state new meta l4proto { icmp, icmpv6 } accept
  }
}
`;

const udpMarker: Marker = {
  build(side, number) {
    const [src, dst] = side === 0 ? MARKER_ENDS : MARKER_ENDS.toReversed();
    return buildFrame({
      ip: { src: src ?? '', dst: dst ?? '' },
      udp: { srcPort: number, dstPort: MARKER_PORT },
    });
  },
  numberOf(frame) {
    const view = viewOf(frame);
    if (frame.length < PORTS_AT + 4 || view.getUint16(ETHER_TYPE_AT) !== ETHER_TYPE_IPV4) return -1;
    if (view.getUint8(PROTOCOL_AT) !== 17) return -1;
    return view.getUint16(PORTS_AT + 2) === MARKER_PORT ? view.getUint16(PORTS_AT) : -1;
  },
};

export class KernelFilter {
  readonly #wire: MarkedWire;
  readonly #sockets: readonly PacketSocket[];

  constructor(lab: Lab) {
    const router = lab.namespace('kernel', { ipv6: true });
    lab.makeRouter(router, { ipv6: true });
    this.#sockets = (['outside', 'inside'] as const).map((side) => {
      const end = lab.namespace(side);
      connect([end, 'far0'], [router, `${side}0`]);
      disableOffloads(end, 'far0');
      disableOffloads(router, `${side}0`);
      router.ip('link', 'set', `${side}0`, 'address', ROUTER_MAC);
      return new PacketSocket(end, 'far0');
    });
    addHosts(router, 'outside0', '203.0.113.1/24', [IPV4.remote, MARKER_ENDS[0]]);
    addHosts(router, 'inside0', '10.0.1.1/24', [IPV4.local, IPV4.neighbour, MARKER_ENDS[1]]);
    addHosts(router, 'outside0', '2001:db8::1/64', [IPV6.remote]);
    addHosts(router, 'inside0', 'fd00:db8:1::1/64', [IPV6.local, IPV6.neighbour]);
    for (const host of [IPV4.router, IPV6.router]) {
      router.ip('route', 'add', host, 'dev', 'outside0');
      router.neighbour(host, HOST_MAC, 'outside0');
    }
    const file = join(lab.directory, 'compare.nft');
    writeFileSync(file, RULES);
    router.run('nft', '-f', file);
    for (const setting of ['nf_conntrack_tcp_loose=0', 'nf_conntrack_checksum=1']) {
      router.run('sysctl', '-qw', `net.netfilter.${setting}`);
    }
    const [outside, inside] = this.#sockets;
    if (outside === undefined || inside === undefined) throw new Error('a router has two sides');
    this.#wire = new MarkedWire(outside, inside, udpMarker);
  }

  /** Sends frames of `identified` in. @returns how many came out on the other side, by identification */
  async pass(side: 0 | 1, frames: readonly Uint8Array[]): Promise<Map<number, number>> {
    return countsById(await this.#wire.pass(side, frames));
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

/**
 * Gives a frame of IPv6 a number that no filter changes: its flow label, which no checksum covers. Frames of IPv4 have one, their
 * identification.
 */
export function identified(frame: Uint8Array, identification: number): Uint8Array {
  const view = viewOf(frame);
  if (view.getUint16(ETHER_TYPE_AT) !== ETHER_TYPE_IPV6) return frame;
  view.setUint32(IP_AT, (view.getUint32(IP_AT) & ~FLOW_LABEL) | identification);
  return frame;
}

/** How many there are of each identification, of frames without tags. */
export function countsById(frames: readonly Uint8Array[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const frame of frames) {
    const view = viewOf(frame);
    const id =
      view.getUint16(ETHER_TYPE_AT) === ETHER_TYPE_IPV6
        ? view.getUint32(IP_AT) & FLOW_LABEL
        : view.getUint16(IDENTIFICATION_AT);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

function addHosts(
  router: NetworkNamespace,
  device: string,
  address: string,
  hosts: readonly string[],
): void {
  const options = address.includes(':') ? ['nodad'] : [];
  router.ip('addr', 'add', address, 'dev', device, ...options);
  for (const host of hosts) router.neighbour(host, HOST_MAC, device);
}
