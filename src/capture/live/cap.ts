/**
 * The `cap` backend: live capture and sending through npm `cap` (libpcap). Portable, for monitor mode and for kernels
 * without AF_XDP. This is the only file that loads `cap`.
 *
 * `cap` 0.2.1 is old and has sharp edges; each was found by measurement:
 * - It keeps no reference to the receive buffer, and a failed `open` followed by `close` or by garbage collection
 *   ends the process. So every object ever made, with its buffer, stays in `kept` for good.
 * - `close` then `open` on one object delivers nothing. So an object is opened once; to start again, start a process.
 * - `send` on an object that is not open crashes. So a state flag stands before it.
 * - It aborts the process when a link goes down. Nothing here can prevent it: it runs in a child that is restarted.
 * - It reads packets in a C++ loop while there are any: timers and signals wait for seconds under flood, and so does
 *   the other interface. Only what `WireHandler.tick` does is done in time.
 * - With a filter, the first frame after `open` was lost each time. So the filter is empty, and frames that the host
 *   itself sends are kept out by a socket option (PACKET_IGNORE_OUTGOING), else a forwarded frame would come back.
 * - It has no drop counters; they are read from its socket, found as the descriptor that appeared during `open`.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';

import type { FrameJudge } from '../frame.ts';
import {
  FRAMES_PER_TICK,
  LiveOpenError,
  type LiveWire,
  type WireHandler,
  WireMode,
} from './live-wire.ts';

const FORWARD = 1;
const ETHERNET = 'ETHERNET';
/** cap captures at most 65,535 bytes of a frame. */
const RECEIVE_BUFFER_BYTES = 65_536;

/** Frames and drops since the last reading. */
export interface PacketStatistics {
  /** Frames that came to the socket, drops included. */
  packets: number;
  drops: number;
}

/** Calls on the socket that `cap` opened. Given by the daemon, so that this folder needs no foreign functions. */
export interface PacketSocketCalls {
  /** Whether a device exists, is Ethernet and is up: opening any other would end the process later. */
  isUsable(device: string): boolean;
  isPacketSocket(descriptor: number): boolean;
  /** No copies of frames that leave by this interface (PACKET_IGNORE_OUTGOING). */
  ignoreOutgoing(descriptor: number): void;
  /** Writes and resets the kernel's counts (PACKET_STATISTICS). */
  takeStatistics(descriptor: number, result: PacketStatistics): void;
}

export interface CapWireOptions {
  readonly outside: string;
  readonly inside: string;
  readonly mode: WireMode;
  readonly ringBytes: number;
}

/** The part of the package that is used; it has no types of its own. */
interface CapObject {
  open(device: string, filter: string, ringBytes: number, buffer: Buffer): string;
  on(event: 'packet', listener: (bytes: number) => void): void;
  send(buffer: Buffer, bytes: number): void;
  close(): void;
}
interface CapModule {
  readonly Cap: new () => CapObject;
}

/** Everything the addon may still point at; never emptied. */
const kept: unknown[] = [];

/**
 * Opens both interfaces and starts: frames are judged from the next turn of the event loop on.
 * @throws LiveOpenError where `cap` is missing or an interface cannot be captured from
 */
export function openCapWire(
  options: CapWireOptions,
  handler: WireHandler,
  calls: PacketSocketCalls,
): LiveWire {
  const { Cap } = loadCap();
  // In the order of `Side`.
  const names = [options.outside, options.inside];
  for (const name of names) {
    if (!calls.isUsable(name)) {
      throw new LiveOpenError(`${name} is not an Ethernet interface that is up`);
    }
  }
  const links = names.map((name) => openLink(new Cap(), name, options.ringBytes, calls));
  return new CapWire(options.mode, links, handler, calls);
}

/** One open interface. */
interface Link {
  readonly cap: CapObject;
  readonly buffer: Buffer;
  readonly descriptor: number;
  /** Frames in the ring from before outgoing ones were kept out; they may be the host's own. */
  readonly unsafeFrames: number;
}

class CapWire implements LiveWire {
  readonly #isForwarding: boolean;
  readonly #handler: WireHandler;
  readonly #judge: FrameJudge;
  readonly #calls: PacketSocketCalls;
  /** By side. */
  readonly #links: readonly Link[];
  readonly #statistics: PacketStatistics = { packets: 0, drops: 0 };
  #framesUntilTick = FRAMES_PER_TICK;
  #isOpen = true;

  constructor(
    mode: WireMode,
    links: readonly Link[],
    handler: WireHandler,
    calls: PacketSocketCalls,
  ) {
    this.#links = links;
    this.#isForwarding = mode === WireMode.Inline;
    this.#handler = handler;
    this.#judge = handler.judge;
    this.#calls = calls;
    for (let side = 0; side < links.length; side++) this.#listen(links[side], side);
  }

  collectKernelDrops(): void {
    for (let side = 0; side < this.#links.length; side++) {
      this.#calls.takeStatistics(this.#links[side].descriptor, this.#statistics);
      const { drops } = this.#statistics;
      if (drops > 0) this.#handler.counts.kernelDropped(side, drops);
    }
  }

  stop(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const { cap } of this.#links) cap.close();
  }

  #listen(link: Link, side: number): void {
    const { buffer } = link;
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    let { unsafeFrames } = link;
    link.cap.on('packet', (bytes) => {
      if (unsafeFrames > 0) unsafeFrames--;
      else this.#receive(view, buffer, bytes, side);
    });
  }

  #receive(view: DataView, buffer: Buffer, bytes: number, side: number): void {
    if (!this.#isOpen) return;
    const verdict = this.#judge(view, 0, bytes, side);
    if (verdict === FORWARD && this.#isForwarding) this.#send(buffer, bytes, 1 - side);
    if (--this.#framesUntilTick === 0) {
      this.#framesUntilTick = FRAMES_PER_TICK;
      this.#handler.tick();
    }
  }

  /** The kernel refuses frames above the MTU (EMSGSIZE), without buffer space (ENOBUFS) or without link (ENETDOWN). */
  #send(buffer: Buffer, bytes: number, side: number): void {
    try {
      this.#links[side].cap.send(buffer, bytes);
    } catch {
      this.#handler.counts.sendFailed(side);
      return;
    }
    this.#handler.counts.sent(side, bytes);
  }
}

function openLink(
  cap: CapObject,
  device: string,
  ringBytes: number,
  calls: PacketSocketCalls,
): Link {
  const buffer = Buffer.alloc(RECEIVE_BUFFER_BYTES);
  kept.push(cap, buffer);
  const before = openSockets();
  let linkType: string;
  try {
    linkType = cap.open(device, '', ringBytes, buffer);
  } catch (error) {
    throw new LiveOpenError(`cannot capture on ${device}: ${messageOf(error)}`, { cause: error });
  }
  if (linkType !== ETHERNET) {
    throw new LiveOpenError(`${device} has link type ${linkType}; only Ethernet is supported`);
  }
  const descriptor = [...openSockets()].find(
    (candidate) => !before.has(candidate) && calls.isPacketSocket(candidate),
  );
  if (descriptor === undefined) {
    throw new LiveOpenError(`the capture socket of ${device} was not found`);
  }
  calls.ignoreOutgoing(descriptor);
  const statistics: PacketStatistics = { packets: 0, drops: 0 };
  calls.takeStatistics(descriptor, statistics);
  return { cap, buffer, descriptor, unsafeFrames: statistics.packets - statistics.drops };
}

/** Descriptors of this process that are sockets. */
function openSockets(): Set<number> {
  const sockets = new Set<number>();
  for (const name of readdirSync('/proc/self/fd')) {
    if (linkTarget(name).startsWith('socket:')) sockets.add(Number(name));
  }
  return sockets;
}

/** Empty for the descriptor that the directory was read through: it is closed again. */
function linkTarget(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}

function loadCap(): CapModule {
  try {
    return createRequire(import.meta.url)('cap') as CapModule;
  } catch (error) {
    throw new LiveOpenError(
      `optional dependency cap cannot be loaded (${messageOf(error)}); ` +
        'it is built by npm install and needs libpcap-dev, make and g++',
      { cause: error },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
