/**
 * A packet socket (packet(7)) on an interface in another network namespace: frames go out and come in as they are, byte for
 * byte. Only the outer VLAN tag of a frame that comes in is missing: the kernel takes it off before the socket sees it.
 */
import { closeSync } from 'node:fs';
import { loadKoffi } from '../../daemon/native/libc.ts';
import { readNetworkDevice } from '../../daemon/native/network-device.ts';
import type { NetworkNamespace } from './network-namespace.ts';

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
/** ETH_P_ALL in network byte order. */
const ALL_PROTOCOLS = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const RECEIVE_BYTES = 16 << 20;
const MSG_DONTWAIT = 0x40;
/** `struct sockaddr_ll`: family, protocol, index; the rest is for sending. */
const ADDRESS_BYTES = 20;
const MAX_FRAME = 65_536;

type Call = (...args: readonly unknown[]) => unknown;

export class PacketSocket {
  readonly device: string;
  readonly #descriptor: number;
  readonly #send: Call;
  readonly #receive: Call;
  readonly #buffer = Buffer.alloc(MAX_FRAME);

  constructor(namespace: NetworkNamespace, device: string) {
    this.device = device;
    const library = loadKoffi().load(null);
    const socket: Call = library.func('socket', 'int', ['int', 'int', 'int']);
    const bind: Call = library.func('bind', 'int', ['int', 'void *', 'uint32_t']);
    const option = ['int', 'int', 'int', 'void *', 'uint32_t'];
    const setsockopt: Call = library.func('setsockopt', 'int', option);
    this.#send = library.func('send', 'int64_t', ['int', 'void *', 'size_t', 'int']);
    this.#receive = library.func('recv', 'int64_t', ['int', 'void *', 'size_t', 'int']);
    const leave = namespace.enter();
    try {
      const index = readNetworkDevice(device)?.index;
      if (index === undefined) throw new Error(`there is no interface ${device}`);
      const address = Buffer.alloc(ADDRESS_BYTES);
      address.writeUInt16LE(AF_PACKET, 0);
      address.writeUInt16LE(ALL_PROTOCOLS, 2);
      address.writeInt32LE(index, 4);
      this.#descriptor = Number(socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0));
      this.#set(setsockopt, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES);
      this.#set(setsockopt, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
      if (bind(this.#descriptor, address, address.length) !== 0) {
        throw new Error(`cannot bind a packet socket to ${device}`);
      }
    } finally {
      leave();
    }
  }

  /** Sends one frame, 14 bytes to the MTU and the Ethernet header. */
  send(frame: Uint8Array): void {
    if (!this.offer(frame)) throw new Error(`${this.device} did not take ${frame.length} bytes`);
  }

  /** Sends one frame where there is room. @returns whether there was */
  offer(frame: Uint8Array): boolean {
    return Number(this.#send(this.#descriptor, frame, frame.length, 0)) === frame.length;
  }

  /** Every frame that has come in since the last call. */
  received(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (;;) {
      const length = Number(this.#receive(this.#descriptor, this.#buffer, MAX_FRAME, MSG_DONTWAIT));
      if (length < 0) return frames;
      frames.push(Uint8Array.from(this.#buffer.subarray(0, length)));
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #set(setsockopt: Call, level: number, name: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    if (setsockopt(this.#descriptor, level, name, bytes, bytes.length) !== 0) {
      throw new Error(`cannot set option ${name} of a packet socket`);
    }
  }
}
