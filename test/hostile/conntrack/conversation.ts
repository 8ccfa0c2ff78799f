/**
 * Conversations for the comparison with the kernel: packets in the order in which they pass the filter, each with a label that
 * says what it is. They are scripts, so both filters see the same packets whatever they do with them.
 */
import { buildFrame, type FrameSpec, ipPacket, type TcpFields } from '../../helpers/frames.ts';
import { LOCAL, LOCAL6, REMOTE, REMOTE6 } from '../../helpers/pipeline-rig.ts';
import type { Random } from '../../helpers/random.ts';

/** What the rules of both filters allow from outside: these and ICMP. */
export const OPEN_TCP = 80;
export const OPEN_UDP = 53;

/** Who takes part in a conversation. */
export interface Hosts {
  /** The workload. */
  readonly local: string;
  /** Another one beside it. */
  readonly neighbour: string;
  readonly remote: string;
  /** On the outside; it sends ICMP errors. */
  readonly router: string;
}

export const IPV4: Hosts = {
  local: LOCAL,
  neighbour: '10.0.1.5',
  remote: REMOTE,
  router: '192.0.2.1',
};
export const IPV6: Hosts = {
  local: LOCAL6,
  neighbour: 'fd00:db8:1::5',
  remote: REMOTE6,
  router: '2001:db8:ff::1',
};

/** RFC 4443: the types of ICMPv6 for those of ICMP, and the codes of destination unreachable. */
const ICMPV6_TYPES: Readonly<Record<number, number>> = { 0: 129, 3: 1, 8: 128, 11: 3, 12: 4 };
const ICMPV6_UNREACHABLE: Readonly<Record<number, number>> = { 1: 3, 3: 4 };
const PACKET_TOO_BIG = 2;
/** What an error quotes: the IPv4 header and 8 bytes (RFC 792), of IPv6 as much as fits (RFC 4443 section 2.4). */
const QUOTED_BYTES = { ipv4: 28, ipv6: 1232 } as const;

export interface ConversationPacket {
  /** `in`: from outside. */
  readonly direction: 'in' | 'out';
  readonly frame: FrameSpec;
  readonly label: string;
  /** Cuts the frame into what is sent instead of it, one after another. */
  readonly cut?: (frame: FrameSpec, identification: number) => readonly Uint8Array[];
}

export interface Conversation {
  readonly name: string;
  readonly packets: readonly ConversationPacket[];
}

/** A conversation without a state of its own. @param local a port of the workload @param remote one of the remote host */
export type DatagramKind = (
  hosts: Hosts,
  local: number,
  remote: number,
) => readonly ConversationPacket[];

export function packet(
  direction: 'in' | 'out',
  frame: FrameSpec,
  label: string,
): ConversationPacket {
  return { direction, frame, label };
}

/** The ports of one conversation: a number that no other uses, and a service. */
export interface Ports {
  readonly client: number;
  readonly server: number;
}

/** Who opens: `in`, the remote host opens a connection to the workload. */
export type Opener = 'in' | 'out';

export interface SegmentOptions {
  readonly length?: number;
  /** Added to the right numbers. The segment moves no number then. */
  readonly sequence?: number;
  readonly acknowledgment?: number;
  /** It is sent, and lost before the filter. */
  readonly isLost?: boolean;
  readonly window?: number;
  readonly checksum?: number;
  readonly options?: TcpFields['options'];
}

/** Both ends of a TCP connection, as far as their numbers go. Side 0 opens. */
export class TcpScript {
  readonly packets: ConversationPacket[] = [];
  readonly opener: Opener;
  readonly #ports: Ports;
  readonly #hosts: Hosts;
  readonly #next: [number, number];

  constructor(random: Random, opener: Opener, ports: Ports, hosts: Hosts) {
    this.opener = opener;
    this.#ports = ports;
    this.#hosts = hosts;
    this.#next = [random.uint32(), random.uint32()];
  }

  /** Sends a segment with the right numbers, unless the options say otherwise. @returns its frame */
  send(side: 0 | 1, flags: string, label: string, options: SegmentOptions = {}): FrameSpec {
    const { length = 0, sequence, acknowledgment, isLost = false } = options;
    const frame = this.#frame(side, flags, options);
    if (sequence === undefined && acknowledgment === undefined) {
      const numbers = length + (/[SF]/.test(flags) ? 1 : 0);
      this.#next[side] = (this.#next[side] + numbers) >>> 0;
    }
    if (!isLost) this.again(side, frame, label);
    return frame;
  }

  /** Sends a frame that was made before: a retransmission, or one that was late. */
  again(side: 0 | 1, frame: FrameSpec, label: string): void {
    this.packets.push({ direction: this.directionOf(side), frame, label });
  }

  open(): this {
    this.send(0, 'S', 'SYN');
    this.send(1, 'SA', 'SYN+ACK');
    this.send(0, 'A', 'ACK of the handshake');
    return this;
  }

  /** Data both ways, each acknowledged. */
  exchange(random: Random, segments = 1 + random.below(4)): this {
    for (let index = 0; index < segments; index++) {
      const side = random.below(2) === 0 ? 0 : 1;
      this.send(side, 'PA', 'data', { length: 1 + random.below(1000) });
      this.send(side === 0 ? 1 : 0, 'A', 'ACK');
    }
    return this;
  }

  /** FIN from `first`, then from the other. */
  close(first: 0 | 1): this {
    const second = first === 0 ? 1 : 0;
    this.send(first, 'FA', 'FIN');
    this.send(second, 'A', 'ACK of a FIN');
    this.send(second, 'FA', 'second FIN');
    this.send(first, 'A', 'last ACK');
    return this;
  }

  /** The same tuple, with other numbers. */
  restart(random: Random): this {
    // Ahead of the old ones, as RFC 6191 wants.
    this.#next[0] = (this.#next[0] + 1_000_000 + random.below(1_000_000)) >>> 0;
    this.#next[1] = random.uint32();
    return this;
  }

  directionOf(side: 0 | 1): 'in' | 'out' {
    return (side === 0) === (this.opener === 'in') ? 'in' : 'out';
  }

  #frame(side: 0 | 1, flags: string, options: SegmentOptions): FrameSpec {
    const { length = 0, sequence = 0, acknowledgment = 0, window, checksum } = options;
    const { client, server } = this.#ports;
    const isAck = flags.includes('A');
    const other = side === 0 ? 1 : 0;
    return {
      ip: between(this.#hosts, this.directionOf(side)),
      tcp: {
        srcPort: side === 0 ? client : server,
        dstPort: side === 0 ? server : client,
        flags,
        sequence: (this.#next[side] + sequence) >>> 0,
        acknowledgment: isAck ? (this.#next[other] + acknowledgment) >>> 0 : 0,
        window: window ?? 0xffff,
        ...(checksum === undefined ? {} : { checksum }),
        ...(options.options === undefined ? {} : { options: options.options }),
      },
      payload: new Uint8Array(length).fill(0x41),
    };
  }
}

/** An ICMP error from a router outside, or from the workload, to the sender of the packet it quotes. Types are those of ICMP. */
export function errorAbout(
  quoted: FrameSpec,
  over: {
    readonly type?: number;
    readonly code?: number;
    readonly mtu?: number;
    readonly src?: string;
    readonly dst?: string;
    readonly checksum?: number;
  } = {},
): FrameSpec {
  const about = ipPacket(buildFrame(quoted));
  const sender = quoted.ip?.src ?? '';
  const isIpv6 = sender.includes(':');
  const { local, router } = isIpv6 ? IPV6 : IPV4;
  const { type, code } = errorType(isIpv6, over.type ?? 3, over.code ?? 1);
  return {
    ip: { src: over.src ?? (sender === local ? router : local), dst: over.dst ?? sender },
    icmp: {
      type,
      code,
      sequence: over.mtu ?? 0,
      ...(over.checksum === undefined ? {} : { checksum: over.checksum }),
    },
    payload: about.subarray(0, isIpv6 ? QUOTED_BYTES.ipv6 : QUOTED_BYTES.ipv4),
  };
}

function errorType(isIpv6: boolean, type: number, code: number): { type: number; code: number } {
  if (!isIpv6) return { type, code };
  if (type === 3 && code === 4) return { type: PACKET_TOO_BIG, code: 0 };
  return {
    type: ICMPV6_TYPES[type] ?? type,
    code: type === 3 ? (ICMPV6_UNREACHABLE[code] ?? code) : code,
  };
}

function between(
  { local, remote }: Hosts,
  direction: 'in' | 'out',
): { readonly src: string; readonly dst: string } {
  return direction === 'in' ? { src: remote, dst: local } : { src: local, dst: remote };
}

/** A datagram from `direction`; the workload's port is `local`. */
export function datagram(
  hosts: Hosts,
  direction: 'in' | 'out',
  local: number,
  remote: number,
  checksum?: number,
): FrameSpec {
  const isIn = direction === 'in';
  return {
    ip: between(hosts, direction),
    udp: {
      srcPort: isIn ? remote : local,
      dstPort: isIn ? local : remote,
      ...(checksum === undefined ? {} : { checksum }),
    },
    payload: 'hello',
  };
}

/** An ICMP message that quotes nothing. @param type of ICMP; between IPv6 addresses that of ICMPv6 is taken */
export function message(
  hosts: Hosts,
  direction: 'in' | 'out',
  type: number,
  id: number,
  checksum?: number,
): FrameSpec {
  const isIpv6 = hosts === IPV6;
  return {
    ip: between(hosts, direction),
    icmp: {
      type: isIpv6 ? (ICMPV6_TYPES[type] ?? type) : type,
      id,
      sequence: 1,
      ...(checksum === undefined ? {} : { checksum }),
    },
    payload: new Uint8Array(16),
  };
}

/** What is not usual about a datagram or message of a conversation. */
export interface Oddity {
  /** It is of another flow: so much is added to the remote port, or to the identifier. */
  readonly other?: number;
  readonly checksum?: number;
  /** The packet that is sent in its place. */
  readonly as?: (usual: ConversationPacket) => ConversationPacket;
}

type Step = readonly [direction: 'in' | 'out', label: string, odd?: Oddity];

/** Datagrams between the two ports, one after another. */
export function datagrams(...steps: readonly Step[]): DatagramKind {
  return (hosts, local, remote) =>
    steps.map(([direction, label, { other = 0, checksum, as } = {}]) => {
      const frame = datagram(hosts, direction, local, remote + other, checksum);
      const usual = packet(direction, frame, label);
      return as === undefined ? usual : as(usual);
    });
}

/** The same conversation with the port that is open. */
export function withOpenPort(kind: DatagramKind): DatagramKind {
  return (hosts, _local, remote) => kind(hosts, OPEN_UDP, remote);
}

/** ICMP messages, one after another. */
export function messages(
  ...steps: readonly (readonly [type: number, ...step: Step])[]
): DatagramKind {
  return (hosts, id) =>
    steps.map(([type, direction, label, { other = 0, checksum, as } = {}]) => {
      const usual = packet(direction, message(hosts, direction, type, id + other, checksum), label);
      return as === undefined ? usual : as(usual);
    });
}
