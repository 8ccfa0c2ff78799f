/**
 * What the `af-xdp` backend needs of the system. Given by the daemon, so that this folder needs no foreign functions.
 *
 * Calls that open something throw the system's error, with its name in `code` (`EBUSY`). The calls of the packet loop
 * return error numbers and allocate nothing.
 */
import type { RingMemory } from './ring.ts';

/** A map of the kernel's whose entries are in memory that we share with it. */
export interface SharedMap {
  readonly descriptor: number;
  /** All entries, one behind the other; zero at first. */
  readonly words: Int32Array;
}

/** What our program on one interface works with. */
export interface ProgramParts {
  /** Map from receive queue to socket. */
  readonly sockets: number;
  /** Map with `QUEUE_WORDS` for each receive queue. */
  readonly queues: number;
  /** Map of buckets of the marks of established flows. */
  readonly marks: number;
  readonly buckets: number;
  readonly hashKey: Int32Array;
  /** One of `Side`. */
  readonly side: number;
  readonly reserve: number;
  readonly linkReserve: number;
}

/** A network device as the backend sees it. */
export interface XdpDevice {
  readonly name: string;
  readonly index: number;
  /** Bytes of the largest IP packet. */
  readonly mtu: number;
  readonly isEthernet: boolean;
  readonly isUp: boolean;
  readonly receiveQueues: number;
  readonly sendQueues: number;
}

/** Memory shared with the kernel. */
export interface FrameMemory {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
}

/** Entries of each ring of a socket, powers of two. */
export interface RingSizes {
  readonly receive: number;
  readonly fill: number;
  readonly send: number;
  readonly completion: number;
}

/** The four rings of one socket. */
export interface SocketRings {
  readonly receive: RingMemory;
  readonly fill: RingMemory;
  readonly send: RingMemory;
  readonly completion: RingMemory;
}

export interface SocketBinding {
  readonly device: number;
  readonly queue: number;
  /** The socket that brought the memory; undefined for that socket itself. */
  readonly owner: number | undefined;
  /** Have the kernel copy frames between its buffers and ours; else only where the driver cannot do without. */
  readonly isCopying: boolean;
}

/** Totals of one socket since it was opened (struct xdp_statistics). */
export interface XdpStatistics {
  /** Frames that found no free frame in the fill ring, or were too long for one. */
  receiveDropped: number;
  /** Frames that found the receive ring full. */
  receiveRingFull: number;
  /** Entries of the fill ring and of the send ring that the kernel would not take. */
  invalidDescriptors: number;
}

/** Where our program runs. */
export const XdpMode = Object.freeze({
  /** In the driver. */
  Native: 'native',
  /** In the kernel's general receive path, for every driver. */
  Generic: 'generic',
} as const);
export type XdpMode = (typeof XdpMode)[keyof typeof XdpMode];

/** @returns one of `WaitResult` */
export type Waiter = (milliseconds: number) => number;

/** What ended a wait. */
export const WaitResult = Object.freeze({ Quiet: 0, Ready: 1, Interrupted: 2 } as const);

export interface XdpSystem {
  /** Undefined where there is no such device. */
  device(name: string): XdpDevice | undefined;
  /** Zeroed memory, faulted in. */
  allocate(bytes: number): FrameMemory;
  /** A new AF_XDP socket. */
  openSocket(): number;
  registerMemory(socket: number, memory: FrameMemory, chunkBytes: number): void;
  /** Sizes the rings of a socket that is not bound, and maps them. */
  makeRings(socket: number, sizes: RingSizes): SocketRings;
  bind(socket: number, binding: SocketBinding): void;
  isZeroCopy(socket: number): boolean;
  /** Makes the device take frames for any address, until the descriptor is closed. */
  receiveAll(device: number): number;
  /** A map from receive queue to socket. */
  createSocketMap(queues: number): number;
  /** @param entryWords an even number */
  createSharedMap(entryWords: number, entries: number): SharedMap;
  /**
   * The program that redirects a frame to the socket of its queue, and drops it where there is none or the queue has no
   * place for it.
   */
  loadProgram(parts: ProgramParts, device: number, mode: XdpMode): number;
  setSocket(map: number, queue: number, socket: number): void;
  /** Our program on a device, until the descriptor is closed. */
  attach(program: number, device: number, mode: XdpMode): number;
  /** Closes a descriptor; rings of a socket are unmapped first. */
  close(descriptor: number): void;

  /** Has the kernel send what is in the send ring. @returns 0 or an error number, one of `SendError` or another */
  send(socket: number): number;
  /** @returns a function that sleeps until a frame is at one of the sockets, a signal comes or the time is over */
  waiter(sockets: readonly number[]): Waiter;
  readStatistics(socket: number, result: XdpStatistics): void;
}

/** Errors of `send` that mean something to the loop (asm-generic numbers). */
export const SendError = Object.freeze({
  /** The socket is no longer bound: its device is gone. */
  NoDevice: 6,
  /** One frame was taken and then refused by the device. */
  Busy: 16,
  /** The device is down; nothing was taken. */
  NetworkDown: 100,
} as const);
