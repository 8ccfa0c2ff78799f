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
import { LOCAL, REMOTE } from '../../helpers/pipeline-rig.ts';
import { ROUTER } from './conversation.ts';
import { OPEN_TCP, OPEN_UDP } from './conversations.ts';

/** Of both interfaces of the router, and of everybody else: what `buildFrame` writes. */
const ROUTER_MAC = '02:00:00:00:00:02';
const HOST_MAC = '02:00:00:00:00:01';
const MARKER_PORT = 40_999;
const MARKER_ENDS = ['203.0.113.200', '10.0.1.200'] as const;
/** Offsets in an Ethernet frame of IPv4 without options. */
const PROTOCOL_AT = 23;
const PORTS_AT = 34;
const IDENTIFICATION_AT = 18;

const RULES = `
table ip compare {
  chain untracked { type filter hook prerouting priority raw; udp dport ${MARKER_PORT} notrack; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    udp dport ${MARKER_PORT} accept
    ct state invalid drop
    ct state established,related accept
    iifname "inside0" ct state new accept
    iifname "outside0" ct state new tcp dport ${OPEN_TCP} accept
    iifname "outside0" ct state new udp dport ${OPEN_UDP} accept
    iifname "outside0" ct state new meta l4proto icmp accept
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
    if (frame.length < PORTS_AT + 4 || view.getUint8(PROTOCOL_AT) !== 17) return -1;
    return view.getUint16(PORTS_AT + 2) === MARKER_PORT ? view.getUint16(PORTS_AT) : -1;
  },
};

export class KernelFilter {
  readonly #wire: MarkedWire;
  readonly #sockets: readonly PacketSocket[];

  constructor(lab: Lab) {
    const router = lab.namespace('kernel');
    lab.makeRouter(router);
    this.#sockets = (['outside', 'inside'] as const).map((side) => {
      const end = lab.namespace(side);
      connect([end, 'far0'], [router, `${side}0`]);
      disableOffloads(end, 'far0');
      disableOffloads(router, `${side}0`);
      router.ip('link', 'set', `${side}0`, 'address', ROUTER_MAC);
      return new PacketSocket(end, 'far0');
    });
    addHosts(router, 'outside0', '203.0.113.1/24', [REMOTE, MARKER_ENDS[0]]);
    addHosts(router, 'inside0', '10.0.1.1/24', [LOCAL, '10.0.1.5', MARKER_ENDS[1]]);
    router.ip('route', 'add', `${ROUTER}/32`, 'dev', 'outside0');
    router.neighbour(ROUTER, HOST_MAC, 'outside0');
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

  /**
   * @param frames of IPv4 without options, each with an identification of its own
   * @returns the identifications of those that came out on the other side
   */
  async pass(side: 0 | 1, frames: readonly Uint8Array[]): Promise<Set<number>> {
    return identificationsOf(await this.#wire.pass(side, frames));
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

/** Of frames of IPv4 without tags. */
export function identificationsOf(frames: readonly Uint8Array[]): Set<number> {
  return new Set(frames.map((frame) => viewOf(frame).getUint16(IDENTIFICATION_AT)));
}

function addHosts(
  router: NetworkNamespace,
  device: string,
  address: string,
  hosts: readonly string[],
): void {
  router.ip('addr', 'add', address, 'dev', device);
  for (const host of hosts) router.neighbour(host, HOST_MAC, device);
}
