/**
 * Conversations for the comparison with the kernel: packets in the order in which they pass the filter, each with a label that
 * says what it is. They are scripts, so both filters see the same packets whatever they do with them.
 */
import { buildFrame, type FrameSpec, ipPacket, type TcpFields } from '../../helpers/frames.ts';
import { LOCAL, REMOTE } from '../../helpers/pipeline-rig.ts';
import type { Random } from '../../helpers/random.ts';

/** A router on the outside, which sends ICMP errors. */
export const ROUTER = '192.0.2.1';

export interface ConversationPacket {
  /** `in`: from outside. */
  readonly direction: 'in' | 'out';
  readonly frame: FrameSpec;
  readonly label: string;
}

export interface Conversation {
  readonly name: string;
  readonly packets: readonly ConversationPacket[];
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
  readonly #next: [number, number];

  constructor(random: Random, opener: Opener, ports: Ports) {
    this.opener = opener;
    this.#ports = ports;
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
    const [src, dst] = this.directionOf(side) === 'in' ? [REMOTE, LOCAL] : [LOCAL, REMOTE];
    return {
      ip: { src, dst },
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

/** An ICMP error from a router outside, or from the workload, to the sender of the packet it quotes. */
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
  const packet = ipPacket(buildFrame(quoted));
  const sender = quoted.ip?.src ?? '';
  return {
    ip: { src: over.src ?? (sender === LOCAL ? ROUTER : LOCAL), dst: over.dst ?? sender },
    icmp: {
      type: over.type ?? 3,
      code: over.code ?? 1,
      sequence: over.mtu ?? 0,
      ...(over.checksum === undefined ? {} : { checksum: over.checksum }),
    },
    payload: packet.subarray(0, 28),
  };
}

/** A datagram from `direction`; the workload's port is `local`. */
export function datagram(
  direction: 'in' | 'out',
  local: number,
  remote: number,
  checksum?: number,
): FrameSpec {
  const isIn = direction === 'in';
  return {
    ip: isIn ? { src: REMOTE, dst: LOCAL } : { src: LOCAL, dst: REMOTE },
    udp: {
      srcPort: isIn ? remote : local,
      dstPort: isIn ? local : remote,
      ...(checksum === undefined ? {} : { checksum }),
    },
    payload: 'hello',
  };
}

/** An ICMP message that quotes nothing. */
export function message(
  direction: 'in' | 'out',
  type: number,
  id: number,
  checksum?: number,
): FrameSpec {
  const isIn = direction === 'in';
  return {
    ip: isIn ? { src: REMOTE, dst: LOCAL } : { src: LOCAL, dst: REMOTE },
    icmp: { type, id, sequence: 1, ...(checksum === undefined ? {} : { checksum }) },
    payload: new Uint8Array(16),
  };
}
