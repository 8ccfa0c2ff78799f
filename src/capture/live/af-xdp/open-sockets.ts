/**
 * Opens the sockets of a wire, one for each receive queue of both interfaces, and attaches our program. All of it or
 * nothing: what was opened before a failure is closed.
 */
import { BackendUnsupportedError, LiveOpenError } from '../live-wire.ts';
import { Admission, type EstablishedFlows, QUEUE_WORDS, reservesOf } from './admission.ts';
import {
  type FrameMemory,
  type ProgramParts,
  type RingSizes,
  type SharedMap,
  type SocketRings,
  type XdpDevice,
  XdpMode,
  type XdpSystem,
} from './system.ts';

export interface SocketLayout {
  readonly memory: FrameMemory;
  readonly chunkBytes: number;
  readonly sizes: RingSizes;
  readonly flows: EstablishedFlows;
}

/** A bound socket. */
export interface QueueSocket {
  readonly side: number;
  readonly queue: number;
  readonly socket: number;
  readonly rings: SocketRings;
  /** Who gets into its receive ring while that fills. */
  readonly admission: Admission;
}

export interface OpenedSockets {
  readonly sockets: readonly QueueSocket[];
  readonly isZeroCopy: boolean;
  /** By side. */
  readonly modes: readonly XdpMode[];
  /** Takes our program off; no frame arrives after that. */
  readonly detach: () => void;
  /** Closes everything else. */
  readonly close: () => void;
}

/**
 * @param devices by side
 * @throws BackendUnsupportedError, LiveOpenError
 */
export function openSockets(
  system: XdpSystem,
  devices: readonly XdpDevice[],
  layout: SocketLayout,
): OpenedSockets {
  try {
    return new Opening(system, devices, layout).open(false);
  } catch (error) {
    if (!(error instanceof BackendUnsupportedError)) throw error;
    // One of the two may have zero-copy and the other not: then both copy.
    return new Opening(system, devices, layout).open(true);
  }
}

class Opening {
  readonly #system: XdpSystem;
  readonly #devices: readonly XdpDevice[];
  readonly #layout: SocketLayout;
  readonly #sockets: QueueSocket[] = [];
  readonly #links: number[] = [];
  /** Every other descriptor. */
  readonly #descriptors: number[] = [];

  constructor(system: XdpSystem, devices: readonly XdpDevice[], layout: SocketLayout) {
    this.#system = system;
    this.#devices = devices;
    this.#layout = layout;
  }

  open(isCopying: boolean): OpenedSockets {
    try {
      const queues = this.#devices.map((device, side) => this.#openQueues(device, side, isCopying));
      const isZeroCopy = this.#system.isZeroCopy(this.#sockets[0].socket);
      const { flows, sizes } = this.#layout;
      const marks = this.#share(flows.bucketWords, flows.markBuckets);
      const programs = this.#devices.map((device, side) => ({
        marks: marks.descriptor,
        buckets: flows.markBuckets,
        hashKey: flows.hashKey,
        queues: queues[side],
        ...reservesOf(sizes.receive),
        sockets: this.#mapSockets(device, side),
        side,
      }));
      const modes = this.#devices.map((device, side) =>
        this.#attach(device, programs[side], isZeroCopy),
      );
      flows.useMarks(marks.words);
      return {
        sockets: this.#sockets,
        isZeroCopy,
        modes,
        detach: () => this.#closeAll(this.#links),
        close: () => this.#closeAll(this.#descriptors),
      };
    } catch (error) {
      this.#closeAll(this.#links);
      this.#closeAll(this.#descriptors);
      throw error;
    }
  }

  /** @returns descriptor of the words that the program shares with the admissions of these queues */
  #openQueues(device: XdpDevice, side: number, isCopying: boolean): number {
    const system = this.#system;
    const { memory, chunkBytes, sizes } = this.#layout;
    const shared = this.#share(QUEUE_WORDS, device.receiveQueues);
    for (let queue = 0; queue < device.receiveQueues; queue++) {
      const owner = this.#sockets[0]?.socket;
      const socket = attempt('open an AF_XDP socket', () => this.#keep(system.openSocket()));
      if (owner === undefined) {
        const mebibytes = Math.ceil(memory.buffer.byteLength / 2 ** 20);
        attempt(`lock ${mebibytes} MiB of memory (see LimitMEMLOCK in systemd.exec(5))`, () =>
          system.registerMemory(socket, memory, chunkBytes),
        );
      }
      const rings = attempt('make the rings of an AF_XDP socket', () =>
        system.makeRings(socket, sizes),
      );
      attempt(`bind to queue ${queue} of ${device.name}`, () =>
        system.bind(socket, { device: device.index, queue, owner, isCopying }),
      );
      const admission = new Admission(shared.words, queue, sizes.receive);
      this.#sockets.push({ side, queue, socket, rings, admission });
    }
    // Frames for other hosts are what passes here.
    attempt(`set ${device.name} promiscuous`, () => this.#keep(system.receiveAll(device.index)));
    return shared.descriptor;
  }

  #mapSockets(device: XdpDevice, side: number): number {
    const system = this.#system;
    return attempt('make the map of sockets', () => {
      const map = this.#keep(system.createSocketMap(device.receiveQueues));
      for (const socket of this.#sockets) {
        if (socket.side === side) system.setSocket(map, socket.queue, socket.socket);
      }
      return map;
    });
  }

  #share(entryWords: number, entries: number): SharedMap {
    return attempt('make a map that is shared with the kernel', () => {
      const map = this.#system.createSharedMap(entryWords, entries);
      this.#keep(map.descriptor);
      return map;
    });
  }

  #attach(device: XdpDevice, parts: ProgramParts, isZeroCopy: boolean): XdpMode {
    const system = this.#system;
    const attach = (mode: XdpMode): XdpMode => {
      const program = attempt('load the XDP program', () =>
        this.#keep(system.loadProgram(parts, device.index, mode)),
      );
      attempt(`attach the XDP program to ${device.name} (${mode} mode)`, () =>
        this.#links.push(system.attach(program, device.index, mode)),
      );
      return mode;
    };
    try {
      return attach(XdpMode.Native);
    } catch (error) {
      // The general path copies, so a zero-copy socket would get nothing from it.
      if (isZeroCopy || IN_THE_WAY.has(causeCode(error))) throw error;
      return attach(XdpMode.Generic);
    }
  }

  #keep(descriptor: number): number {
    this.#descriptors.push(descriptor);
    return descriptor;
  }

  #closeAll(descriptors: number[]): void {
    for (const descriptor of descriptors.splice(0).toReversed()) this.#system.close(descriptor);
  }
}

const ANOTHER_USER =
  'another program uses it; see "ip link show" and "bpftool net", take that program off, or set backend: cap';

/** What the errors mean that do not say that this can never work. */
const PASSING: Readonly<Record<string, string>> = {
  EBUSY: ANOTHER_USER,
  EEXIST: ANOTHER_USER,
  ENODEV: 'the interface is gone',
  ENXIO: 'the interface is gone',
  ENETDOWN: 'the interface is down',
  EPERM: 'needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF',
  EACCES: 'needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF',
  ENOBUFS: 'not enough memory',
  ENOMEM: 'not enough memory',
};

/** Errors of the driver's attachment that the general path would have too. */
const IN_THE_WAY: ReadonlySet<string> = new Set(['EBUSY', 'EEXIST', 'ENODEV', 'EPERM', 'EACCES']);

/** Name of the system's error behind one of ours. */
export function causeCode(error: unknown): string {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return '';
  return 'code' in error.cause ? String(error.cause.code) : '';
}

/** @param what to do, as a phrase that follows "cannot" */
function attempt<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = 'code' in error ? String(error.code) : '';
    const meaning = PASSING[code];
    const message = `cannot ${what}: ${meaning === undefined ? '' : `${meaning} `}(${error.message})`;
    const Kind = meaning === undefined ? BackendUnsupportedError : LiveOpenError;
    throw new Kind(message, { cause: error });
  }
}
