/**
 * AF_XDP sockets and all else the `af-xdp` backend needs of the system (linux/if_xdp.h): this is what
 * `src/capture/live/af-xdp` gets injected.
 */
import { closeSync } from 'node:fs';

import {
  ADDRESS_WORDS,
  DESCRIPTOR_WORDS,
  type RingMemory,
} from '../../src/capture/live/af-xdp/ring.ts';
import {
  type FrameMemory,
  type ProgramParts,
  type RingSizes,
  type SharedMap,
  type SocketBinding,
  type SocketRings,
  type Waiter,
  WaitResult,
  type XdpDevice,
  XdpMode,
  type XdpStatistics,
  type XdpSystem,
} from '../../src/capture/live/af-xdp/system.ts';
import { Bpf, MapType, MAPPABLE } from './bpf.ts';
import { kernelFunction } from './btf.ts';
import { errorName, type Koffi, loadKoffi, SystemCallError } from './libc.ts';
import { readNetworkDevice } from './network-device.ts';
import { queueCounts } from './queues.ts';
import { redirectProgram, VLAN_TAG_FUNCTION } from './xdp-program.ts';

const AF_XDP = 44;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_PROMISC = 1;
const SOL_XDP = 283;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const EINTR = 4;

const Option = Object.freeze({
  MmapOffsets: 1,
  ReceiveRing: 2,
  SendRing: 3,
  Memory: 4,
  FillRing: 5,
  CompletionRing: 6,
  Statistics: 7,
  Options: 8,
  /** Frames per call of send(2), 32 before Linux 6.17 let it be set. */
  SendBudget: 9,
} as const);

/** Where mmap(2) of the socket finds a ring. */
const PageOffset = Object.freeze({
  Receive: 0,
  Send: 0x8000_0000,
  Fill: 0x1_0000_0000,
  Completion: 0x1_8000_0000,
} as const);

/** struct xdp_ring_offset { u64 producer, consumer, desc, flags } for each of the four rings, in this order. */
const RING_OFFSET_BYTES = 32;
const RingOrder = Object.freeze({ Receive: 0, Send: 1, Fill: 2, Completion: 3 } as const);

const BIND_SHARED = 1 << 0;
const BIND_COPY = 1 << 1;
const BIND_NEED_WAKEUP = 1 << 3;
const OPTION_ZERO_COPY = 1;

const PAGE_BYTES = 4096;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x1 | 0x8000;
const MAP_ANONYMOUS_POPULATE = 0x2 | 0x20 | 0x8000;
const MAP_ANONYMOUS_FIXED = 0x2 | 0x10 | 0x20;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Bytes of frames that may wait in the kernel for the device; the default holds some 200 small ones. */
const SEND_BUFFER_BYTES = 16 * 1024 * 1024;
const SEND_BUDGET = 64;

type Call = (...args: readonly unknown[]) => unknown;

interface Mapping {
  readonly address: bigint;
  readonly bytes: number;
}

class AfXdpSystem implements XdpSystem {
  readonly #koffi: Koffi;
  readonly #bpf: Bpf;
  readonly #socket: Call;
  readonly #setsockopt: Call;
  readonly #getsockopt: Call;
  readonly #bind: Call;
  readonly #mmap: Call;
  readonly #send: Call;
  readonly #poll: Call;
  /** Rings by socket: a mapping keeps its socket open. */
  readonly #mappings = new Map<number, Mapping[]>();
  readonly #statistics = new BigUint64Array(6);
  readonly #statisticsLength = new Uint32Array(1);

  constructor(koffi: Koffi) {
    const library = koffi.load(null);
    this.#koffi = koffi;
    this.#bpf = new Bpf();
    this.#socket = library.func('socket', 'int', ['int', 'int', 'int']);
    const value = ['int', 'int', 'int', 'void *', 'uint32_t'];
    this.#setsockopt = library.func('setsockopt', 'int', value);
    this.#getsockopt = library.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *']);
    this.#bind = library.func('bind', 'int', ['int', 'void *', 'uint32_t']);
    const map = ['void *', 'size_t', 'int', 'int', 'int', 'int64_t'];
    this.#mmap = library.func('mmap', 'void *', map);
    this.#send = library.func('send', 'int', ['int', 'void *', 'size_t', 'int']);
    this.#poll = library.func('poll', 'int', ['void *', 'ulong', 'int']);
  }

  device(name: string): XdpDevice | undefined {
    const device = readNetworkDevice(name);
    return device === undefined ? undefined : { ...device, ...queueCounts(name) };
  }

  allocate(bytes: number): FrameMemory {
    const address = this.#map(bytes, MAP_ANONYMOUS_POPULATE, -1, 0);
    return { address, buffer: this.#koffi.view(address, bytes) };
  }

  openSocket(): number {
    const socket = this.#newSocket(AF_XDP);
    this.#mappings.set(socket, []);
    return socket;
  }

  registerMemory(socket: number, memory: FrameMemory, chunkBytes: number): void {
    // struct xdp_umem_reg { u64 addr, len; u32 chunk_size, headroom }, the form that every kernel takes.
    const registration = Buffer.alloc(24);
    registration.writeBigUInt64LE(memory.address, 0);
    registration.writeBigUInt64LE(BigInt(memory.buffer.byteLength), 8);
    registration.writeUInt32LE(chunkBytes, 16);
    this.#setOption(socket, SOL_XDP, Option.Memory, registration);
  }

  makeRings(socket: number, sizes: RingSizes): SocketRings {
    this.#setNumber(socket, SOL_XDP, Option.FillRing, sizes.fill);
    this.#setNumber(socket, SOL_XDP, Option.CompletionRing, sizes.completion);
    this.#setNumber(socket, SOL_XDP, Option.ReceiveRing, sizes.receive);
    this.#setNumber(socket, SOL_XDP, Option.SendRing, sizes.send);
    const offsets = new BigUint64Array((4 * RING_OFFSET_BYTES) / 8);
    this.#getOption(socket, Option.MmapOffsets, offsets);
    const ring = (
      order: number,
      pages: number,
      entries: number,
      entryWords: number,
    ): RingMemory => {
      const [producer = 0, consumer = 0, entriesAt = 0, flags = 0] = Array.from(
        offsets.subarray(order * 4, order * 4 + 4),
        (offset) => Number(offset) / 4,
      );
      const bytes = (entriesAt + entries * entryWords) * 4;
      const address = this.#map(bytes, MAP_SHARED_POPULATE, socket, pages);
      this.#mappings.get(socket)?.push({ address, bytes });
      const words = new Int32Array(this.#koffi.view(address, bytes));
      return { words, producer, consumer, flags, entriesAt, entries, entryWords };
    };
    const { Receive, Send, Fill, Completion } = RingOrder;
    return {
      receive: ring(Receive, PageOffset.Receive, sizes.receive, DESCRIPTOR_WORDS),
      send: ring(Send, PageOffset.Send, sizes.send, DESCRIPTOR_WORDS),
      fill: ring(Fill, PageOffset.Fill, sizes.fill, ADDRESS_WORDS),
      completion: ring(Completion, PageOffset.Completion, sizes.completion, ADDRESS_WORDS),
    };
  }

  bind(socket: number, binding: SocketBinding): void {
    const { device, queue, owner, isCopying } = binding;
    // With shared memory everything else is as the owner has it.
    const ownFlags = BIND_NEED_WAKEUP | (isCopying ? BIND_COPY : 0);
    // struct sockaddr_xdp { u16 family, flags; u32 ifindex, queue_id, shared_umem_fd }
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_XDP, 0);
    address.writeUInt16LE(owner === undefined ? ownFlags : BIND_SHARED, 2);
    address.writeUInt32LE(device, 4);
    address.writeUInt32LE(queue, 8);
    address.writeUInt32LE(owner ?? 0, 12);
    if (this.#bind(socket, address, address.length) !== 0) throw this.#error('bind', 'AF_XDP');
    this.#setNumber(socket, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
    try {
      this.#setNumber(socket, SOL_XDP, Option.SendBudget, SEND_BUDGET);
    } catch {
      // Before Linux 6.17 the budget is what it is; the loop calls again.
    }
  }

  isZeroCopy(socket: number): boolean {
    const options = new Uint32Array(1);
    this.#getOption(socket, Option.Options, options);
    return ((options[0] ?? 0) & OPTION_ZERO_COPY) !== 0;
  }

  receiveAll(device: number): number {
    // Protocol 0: this socket receives nothing; the membership goes when it is closed.
    const socket = this.#newSocket(AF_PACKET);
    // struct packet_mreq { int ifindex; u16 type, alen; u8 address[8] }
    const membership = Buffer.alloc(16);
    membership.writeInt32LE(device, 0);
    membership.writeUInt16LE(PACKET_MR_PROMISC, 4);
    this.#setOption(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership);
    return socket;
  }

  createSocketMap(queues: number): number {
    return this.#bpf.createMap(MapType.XdpSocket, 4, queues);
  }

  createSharedMap(entryWords: number, entries: number): SharedMap {
    const descriptor = this.#bpf.createMap(MapType.Array, entryWords * 4, entries, MAPPABLE);
    const pages = Math.ceil((entryWords * 4 * entries) / PAGE_BYTES);
    const bytes = pages * PAGE_BYTES;
    const address = this.#map(bytes, MAP_SHARED_POPULATE, descriptor, 0);
    this.#mappings.set(descriptor, [{ address, bytes }]);
    const words = new Int32Array(this.#koffi.view(address, bytes), 0, entryWords * entries);
    return { descriptor, words };
  }

  loadProgram(parts: ProgramParts, device: number, mode: XdpMode): number {
    const vlanTagFunction = mode === XdpMode.Native ? kernelFunction(VLAN_TAG_FUNCTION) : undefined;
    if (vlanTagFunction !== undefined) {
      try {
        return this.#bpf.loadXdpProgram(redirectProgram(parts, vlanTagFunction), device);
      } catch {
        // Without it a driver's VLAN offload has to be off, which the daemon sees to.
      }
    }
    return this.#bpf.loadXdpProgram(redirectProgram(parts));
  }

  setSocket(map: number, queue: number, socket: number): void {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(socket, 0);
    this.#bpf.updateMap(map, queue, value);
  }

  attach(program: number, device: number, mode: XdpMode): number {
    return this.#bpf.linkXdp(program, device, mode === XdpMode.Generic);
  }

  close(descriptor: number): void {
    for (const { address, bytes } of this.#mappings.get(descriptor) ?? []) {
      // Over the ring, so that a forgotten view reads zeros where after munmap it would crash the process.
      this.#map(bytes, MAP_ANONYMOUS_FIXED, -1, 0, address);
    }
    this.#mappings.delete(descriptor);
    closeSync(descriptor);
  }

  send(socket: number): number {
    return this.#send(socket, null, 0, MSG_DONTWAIT) === -1 ? this.#koffi.errno() : 0;
  }

  waiter(sockets: readonly number[]): Waiter {
    // struct pollfd { int fd; short events, revents }
    const polled = Int32Array.from(sockets.flatMap((socket) => [socket, POLLIN]));
    return (milliseconds) => {
      const count = this.#poll(polled, sockets.length, milliseconds);
      if (count === 0) return WaitResult.Quiet;
      if (count !== -1) return WaitResult.Ready;
      return this.#koffi.errno() === EINTR ? WaitResult.Interrupted : WaitResult.Quiet;
    };
  }

  readStatistics(socket: number, result: XdpStatistics): void {
    // struct xdp_statistics { u64 rx_dropped, rx_invalid_descs, tx_invalid_descs, rx_ring_full, ... }
    this.#getOption(socket, Option.Statistics, this.#statistics, this.#statisticsLength);
    result.receiveDropped = Number(this.#statistics[0]);
    result.receiveRingFull = Number(this.#statistics[3]);
    result.invalidDescriptors = Number(this.#statistics[1]) + Number(this.#statistics[2]);
  }

  #newSocket(family: number): number {
    const socket = Number(this.#socket(family, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (socket < 0) throw this.#error('socket', `of family ${family}`);
    return socket;
  }

  #map(
    bytes: number,
    flags: number,
    descriptor: number,
    offset: number,
    at: bigint | null = null,
  ): bigint {
    const address = this.#mmap(at, bytes, PROT_READ_WRITE, flags, descriptor, offset);
    if (typeof address !== 'bigint' || address === MAP_FAILED) {
      throw this.#error('mmap', `${bytes} bytes`);
    }
    return address;
  }

  #setNumber(socket: number, level: number, option: number, value: number): void {
    this.#setOption(socket, level, option, new Uint8Array(Int32Array.of(value).buffer));
  }

  #setOption(socket: number, level: number, option: number, value: Uint8Array): void {
    if (this.#setsockopt(socket, level, option, value, value.length) !== 0) {
      throw this.#error('setsockopt', `level ${level} option ${option}`);
    }
  }

  #getOption(
    socket: number,
    option: number,
    value: Uint32Array | BigUint64Array,
    length = new Uint32Array(1),
  ): void {
    length[0] = value.byteLength;
    if (this.#getsockopt(socket, SOL_XDP, option, value, length) !== 0) {
      throw this.#error('getsockopt', `level ${SOL_XDP} option ${option}`);
    }
  }

  #error(syscall: string, subject: string): SystemCallError {
    const errno = this.#koffi.errno();
    return new SystemCallError(syscall, errno, errorName(this.#koffi, errno), subject);
  }
}

/** @throws NativeUnavailableError where koffi cannot be loaded */
export function afXdpSystem(): XdpSystem {
  return new AfXdpSystem(loadKoffi());
}
