/**
 * A bridge in a namespace of its own, with a raw socket at either end: frames that go in at one come out at the other
 * when the ruleset that is loaded accepts them.
 *
 *     out0 === out1 -- bridge -- in1 === in0
 */
import { execFileSync } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { loadKoffi } from '../../daemon/native/libc.ts';
import { buildFrame } from './frames.ts';
import { NetworkNamespace } from './network-namespace.ts';
import { RANDOM_WIRE } from './random-configuration.ts';

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
/** ETH_P_ALL in network byte order. */
const ALL_PROTOCOLS = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024;
const MSG_DONTWAIT = 0x40;
const FRAME_BYTES_MAX = 2048;
/** Accepted by every ruleset, not being IP: what was sent before it has come through, or never will. */
const MARKER_TYPE = 0x88b5;
const MARKER = buildFrame({ etherType: MARKER_TYPE, raw: new Uint8Array(46) });
/** How often a marker is looked for: the kernel delivers it before `send` returns, or soon after. */
const LOOKS_MAX = 100_000;

type Call = (...args: readonly unknown[]) => unknown;

/** A packet socket that sends and receives whole frames. */
class RawSocket {
  readonly #descriptor: number;
  readonly #send: Call;
  readonly #receive: Call;
  readonly #buffer = Buffer.alloc(FRAME_BYTES_MAX);

  /** @param index of the interface in the namespace that is entered now */
  constructor(index: number) {
    const library = loadKoffi().load(null);
    const socket = library.func('socket', 'int', ['int', 'int', 'int']) as Call;
    const bind = library.func('bind', 'int', ['int', 'void *', 'uint32_t']) as Call;
    const setOption = library.func('setsockopt', 'int', [
      'int',
      'int',
      'int',
      'void *',
      'uint32_t',
    ]) as Call;
    this.#send = library.func('send', 'int64_t', ['int', 'void *', 'size_t', 'int']) as Call;
    this.#receive = library.func('recv', 'int64_t', ['int', 'void *', 'size_t', 'int']) as Call;
    this.#descriptor = Number(socket(AF_PACKET, SOCK_RAW_CLOEXEC, ALL_PROTOCOLS));
    // struct sockaddr_ll: family, protocol, interface index, and nothing else that bind looks at.
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16LE(ALL_PROTOCOLS, 2);
    address.writeInt32LE(index, 4);
    if (Number(bind(this.#descriptor, address, address.length)) !== 0)
      throw new Error('bind failed');
    const size = Buffer.alloc(4);
    size.writeInt32LE(RECEIVE_BUFFER_BYTES);
    if (Number(setOption(this.#descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length)) !== 0) {
      throw new Error('setsockopt failed');
    }
  }

  send(frame: Uint8Array): void {
    const sent = Number(this.#send(this.#descriptor, frame, frame.length, 0));
    if (sent !== frame.length) throw new Error(`only ${sent} of ${frame.length} bytes were sent`);
  }

  /** The next frame, good until the next call; undefined when there is none now. */
  receive(): Uint8Array | undefined {
    const length = Number(
      this.#receive(this.#descriptor, this.#buffer, this.#buffer.length, MSG_DONTWAIT),
    );
    return length < 0 ? undefined : this.#buffer.subarray(0, length);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

export class BridgeLab {
  readonly namespace = new NetworkNamespace('bridge');
  readonly #sockets: { readonly outside: RawSocket; readonly inside: RawSocket };

  constructor() {
    const { namespace } = this;
    namespace.ip('link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0', 'stp_state', '0');
    namespace.ip('link', 'set', 'br0', 'up');
    const ends = [
      ['out0', RANDOM_WIRE.outside],
      ['in0', RANDOM_WIRE.inside],
    ] as const;
    for (const [end, port] of ends) {
      namespace.ip('link', 'add', end, 'type', 'veth', 'peer', 'name', port);
      namespace.ip('link', 'set', port, 'master', 'br0');
      for (const device of [port, end]) namespace.ip('link', 'set', device, 'up');
    }
    const indexOf = (device: string): number => {
      const [link] = JSON.parse(namespace.ip('-j', 'link', 'show', device)) as [
        { ifindex: number },
      ];
      return link.ifindex;
    };
    const [outside, inside] = [indexOf('out0'), indexOf('in0')];
    const leave = namespace.enter();
    this.#sockets = { outside: new RawSocket(outside), inside: new RawSocket(inside) };
    leave();
  }

  /** @throws Error with what nft says, when it does not take the ruleset */
  load(ruleset: string): void {
    execFileSync('ip', ['netns', 'exec', this.namespace.name, 'nft', '-f', '-'], {
      input: ruleset,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /**
   * Sends frames in at one end and takes down which come out at the other.
   * @param isInbound from the outside to the inside
   * @returns the last four bytes of each frame that came out, in order
   */
  pass(frames: readonly Uint8Array[], isInbound: boolean): number[] {
    const { outside, inside } = this.#sockets;
    const [from, to] = isInbound ? [outside, inside] : [inside, outside];
    for (const frame of frames) from.send(frame);
    from.send(MARKER);
    const passed: number[] = [];
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const frame = to.receive();
      if (frame === undefined) continue;
      const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
      if (bytes.readUInt16BE(12) === MARKER_TYPE) return passed;
      passed.push(bytes.readUInt32BE(bytes.length - 4));
    }
    throw new Error('the marker did not come through');
  }

  close(): void {
    this.#sockets.outside.close();
    this.#sockets.inside.close();
    this.namespace.remove();
  }
}

/** Why the kernel cannot be asked here; undefined when it can. */
export function nftablesObstacle(): string | undefined {
  try {
    execFileSync('nft', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'needs nft (Debian package nftables)';
  }
  // In the list once a bridge table was made; made here to see.
  return readFileSync('/proc/kallsyms', 'utf8').includes('nft_do_chain_bridge')
    ? undefined
    : 'needs nftables for bridges in the kernel';
}
