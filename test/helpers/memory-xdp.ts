/**
 * A kernel for the af-xdp backend, in memory: it plays the other side of the rings and keeps the books that the real
 * one does not show, so that a frame that is lost or used twice is noticed at once.
 */
import {
  ADDRESS_WORDS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_WORDS,
  type RingMemory,
} from '../../src/capture/live/af-xdp/ring.ts';
import {
  type FrameMemory,
  type RingSizes,
  type SharedMap,
  type SocketBinding,
  type SocketRings,
  type Waiter,
  WaitResult,
  type XdpDevice,
  type XdpMode,
  type XdpStatistics,
  type XdpSystem,
} from '../../src/capture/live/af-xdp/system.ts';

const HEADROOM = 256;
const SEND_BUDGET = 32;

/** The kernel's end of a ring. */
class KernelRing {
  readonly memory: RingMemory;

  constructor(entries: number, entryWords: number, start: number) {
    const words = new Int32Array(16 + entries * entryWords);
    words[0] = start;
    words[4] = start;
    // Flags: always wants to be woken.
    words[8] = 1;
    this.memory = { words, producer: 0, consumer: 4, flags: 8, entriesAt: 16, entries, entryWords };
  }

  get count(): number {
    return ((this.memory.words[0] ?? 0) - (this.memory.words[4] ?? 0)) | 0;
  }

  get isFull(): boolean {
    return this.count === this.memory.entries;
  }

  /** Words of the oldest entry, which is consumed. */
  take(): Int32Array {
    if (this.count <= 0 || this.count > this.memory.entries) throw new Error('the ring is broken');
    const entry = this.#entry(this.memory.words[4] ?? 0);
    this.memory.words[4] = ((this.memory.words[4] ?? 0) + 1) | 0;
    return entry;
  }

  put(...values: readonly number[]): void {
    if (this.isFull) throw new Error('the ring is full');
    this.#entry(this.memory.words[0] ?? 0).set(values);
    this.memory.words[0] = ((this.memory.words[0] ?? 0) + 1) | 0;
  }

  #entry(index: number): Int32Array {
    const { words, entriesAt, entries, entryWords } = this.memory;
    const at = entriesAt + (index & (entries - 1)) * entryWords;
    return words.subarray(at, at + entryWords);
  }
}

interface KernelSocket {
  readonly receive: KernelRing;
  readonly fill: KernelRing;
  readonly send: KernelRing;
  readonly completion: KernelRing;
  binding: SocketBinding | undefined;
  readonly statistics: XdpStatistics;
}

/** A frame that left, with the device it left by. */
export interface SentFrame {
  readonly device: number;
  readonly queue: number;
  readonly bytes: Uint8Array;
}

export interface MemoryXdpOptions {
  readonly devices: readonly XdpDevice[];
  /** Value of every ring index at the start: near 2^32 to see them wrap. */
  readonly startIndex?: number;
  /** Called whenever the wire sleeps; returns what ended the sleep. */
  readonly onWait: (system: MemoryXdp) => number;
  /** Called before a call is carried out; throws or not. */
  readonly onCall?: (name: string, ...args: readonly unknown[]) => void;
  readonly isZeroCopy?: boolean;
}

export class MemoryXdp implements XdpSystem {
  readonly sockets = new Map<number, KernelSocket>();
  readonly sent: SentFrame[] = [];
  readonly open = new Set<number>();
  readonly links: { readonly device: number; readonly mode: XdpMode }[] = [];
  /** What `send` answers for a device instead of sending: an error number, or 'drop' to take one frame and refuse it. */
  readonly sendErrors = new Map<number, number | 'drop'>();
  chunkBytes = 0;
  memory: FrameMemory | undefined;
  readonly #options: MemoryXdpOptions;
  #nextDescriptor = 10;

  constructor(options: MemoryXdpOptions) {
    this.#options = options;
  }

  /** A frame arrives. The kernel drops it, and counts, where there is no room. */
  deliver(device: number, queue: number, bytes: Uint8Array): void {
    const socket = this.#bound(device, queue);
    if (socket.fill.count === 0 || bytes.length > this.chunkBytes - HEADROOM) {
      socket.statistics.receiveDropped++;
      return;
    }
    if (socket.receive.isFull) {
      socket.statistics.receiveRingFull++;
      return;
    }
    const [address = 0, high = 0] = socket.fill.take();
    if (high !== 0 || address % this.chunkBytes !== 0) throw new Error(`address ${address}`);
    this.#bytesAt(address + HEADROOM, bytes.length).set(bytes);
    socket.receive.put(address + HEADROOM, 0, bytes.length, 0);
  }

  /** Entries of each fill ring. */
  freeFrames(): number[] {
    return [...this.sockets.values()].map((socket) => socket.fill.count);
  }

  /** Looks at every frame in a ring. @throws Error when one is in two places */
  checkFrames(): void {
    const places = new Map<number, string>();
    for (const [descriptor, socket] of this.sockets) {
      for (const name of ['fill', 'receive', 'send', 'completion'] as const) {
        for (const address of contents(socket[name])) {
          const chunk = address - (address % this.chunkBytes);
          const place = `${name} ${descriptor}`;
          const other = places.get(chunk);
          if (other !== undefined) throw new Error(`frame ${chunk} is in ${other} and ${place}`);
          places.set(chunk, place);
        }
      }
    }
  }

  device(name: string): XdpDevice | undefined {
    return this.#options.devices.find((device) => device.name === name);
  }

  allocate(bytes: number): FrameMemory {
    this.memory = { address: 4096n, buffer: new ArrayBuffer(bytes) };
    return this.memory;
  }

  openSocket(): number {
    return this.#open('openSocket');
  }

  registerMemory(socket: number, memory: FrameMemory, chunkBytes: number): void {
    this.#called('registerMemory', socket, memory, chunkBytes);
    this.chunkBytes = chunkBytes;
  }

  makeRings(descriptor: number, sizes: RingSizes): SocketRings {
    const start = (this.#options.startIndex ?? 0) | 0;
    const ring = (entries: number, words: number): KernelRing =>
      new KernelRing(entries, words, start);
    const socket = {
      receive: ring(sizes.receive, DESCRIPTOR_WORDS),
      fill: ring(sizes.fill, ADDRESS_WORDS),
      send: ring(sizes.send, DESCRIPTOR_WORDS),
      completion: ring(sizes.completion, ADDRESS_WORDS),
      binding: undefined,
      statistics: { receiveDropped: 0, receiveRingFull: 0, invalidDescriptors: 0 },
    };
    this.sockets.set(descriptor, socket);
    const { receive, fill, send, completion } = socket;
    return {
      receive: receive.memory,
      fill: fill.memory,
      send: send.memory,
      completion: completion.memory,
    };
  }

  bind(descriptor: number, binding: SocketBinding): void {
    this.#called('bind', binding);
    this.#socket(descriptor).binding = binding;
  }

  isZeroCopy(): boolean {
    return this.#options.isZeroCopy ?? false;
  }

  receiveAll(): number {
    return this.#open('receiveAll');
  }

  createSocketMap(): number {
    return this.#open('createSocketMap');
  }

  createSharedMap(entryWords: number, entries: number): SharedMap {
    const descriptor = this.#open('createSharedMap');
    return { descriptor, words: new Int32Array(entryWords * entries) };
  }

  loadProgram(): number {
    return this.#open('loadProgram');
  }

  setSocket(): void {
    this.#called('setSocket');
  }

  attach(_program: number, device: number, mode: XdpMode): number {
    const link = this.#open('attach', device, mode);
    this.links.push({ device, mode });
    return link;
  }

  close(descriptor: number): void {
    if (!this.open.delete(descriptor)) throw new Error(`${descriptor} is not open`);
  }

  send(descriptor: number): number {
    const socket = this.#socket(descriptor);
    const { binding, send, completion } = socket;
    if (binding === undefined) throw new Error('not bound');
    const error = this.sendErrors.get(binding.device);
    if (typeof error === 'number') return error;
    for (let n = 0; n < SEND_BUDGET && send.count > 0; n++) {
      if (completion.isFull) return 11;
      const entry = send.take();
      const address = entry[0] ?? 0;
      const bytes = this.#bytesAt(address, entry[DESCRIPTOR_LENGTH] ?? 0).slice();
      completion.put(address, 0);
      if (error === 'drop') return 16;
      this.sent.push({ device: binding.device, queue: binding.queue, bytes });
    }
    return send.count > 0 ? 11 : 0;
  }

  waiter(): Waiter {
    return () => this.#options.onWait(this);
  }

  readStatistics(descriptor: number, result: XdpStatistics): void {
    Object.assign(result, this.#socket(descriptor).statistics);
  }

  #open(name: string, ...args: readonly unknown[]): number {
    this.#called(name, ...args);
    const descriptor = this.#nextDescriptor++;
    this.open.add(descriptor);
    return descriptor;
  }

  #called(name: string, ...args: readonly unknown[]): void {
    this.#options.onCall?.(name, ...args);
  }

  #socket(descriptor: number): KernelSocket {
    const socket = this.sockets.get(descriptor);
    if (socket === undefined) throw new Error(`${descriptor} is no socket`);
    return socket;
  }

  #bound(device: number, queue: number): KernelSocket {
    for (const socket of this.sockets.values()) {
      if (socket.binding?.device === device && socket.binding.queue === queue) return socket;
    }
    throw new Error(`no socket on queue ${queue} of device ${device}`);
  }

  #bytesAt(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory?.buffer ?? new ArrayBuffer(0), address, length);
  }
}

/** First words of the entries in a ring. */
function contents(ring: KernelRing): number[] {
  const { words, consumer, entriesAt, entries, entryWords } = ring.memory;
  return Array.from({ length: ring.count }, (_, n) => {
    const slot = (((words[consumer] ?? 0) + n) | 0) & (entries - 1);
    return words[entriesAt + slot * entryWords] ?? 0;
  });
}

/** A device as tests want it. */
export function xdpDevice(
  name: string,
  index: number,
  changes: Partial<XdpDevice> = {},
): XdpDevice {
  const usual = { mtu: 1500, isEthernet: true, isUp: true, receiveQueues: 1, sendQueues: 1 };
  return { name, index, ...usual, ...changes };
}

/** What the wire waits for, in tests: nothing more comes. */
export const QUIET = WaitResult.Quiet;
export const READY = WaitResult.Ready;
