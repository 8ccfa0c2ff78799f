/**
 * Opens the `af-xdp` backend on a wire: memory, sockets, our program, in that order, so that there is a socket for
 * every frame from the moment the program takes them.
 *
 * Zero-copy is used where both drivers have it; else the kernel copies frames. Our program runs in the driver where
 * that has XDP, else in the kernel's general receive path. The frames are the same.
 */
import {
  BackendUnsupportedError,
  LiveOpenError,
  type LiveWire,
  type WireHandler,
} from '../live-wire.ts';
import type { EstablishedFlows } from './admission.ts';
import { FramePool } from './frame-pool.ts';
import { causeCode, openSockets, type OpenedSockets } from './open-sockets.ts';
import { Port } from './port.ts';
import type { RingSizes, XdpDevice, XdpMode, XdpSystem } from './system.ts';
import { type AfXdpLoopOptions, AfXdpWire } from './wire.ts';

/** What the kernel keeps free before a frame in its chunk (XDP_PACKET_HEADROOM). */
const CHUNK_HEADROOM = 256;
const SMALL_CHUNK_BYTES = 2048;
/** The kernel takes no chunk larger than a page. */
const LARGE_CHUNK_BYTES = 4096;
/** Ethernet header and two VLAN tags. */
const LINK_HEADER_BYTES = 14 + 8;
export const AF_XDP_MTU_MAX = LARGE_CHUNK_BYTES - CHUNK_HEADROOM - LINK_HEADER_BYTES;

/** Entries of the receive ring per interface, shared out among its queues: 12 ms at 700,000 frames a second. */
const RING_ENTRIES = 8192;
const RING_ENTRIES_MIN = 512;
const SEND_RING_ENTRIES = 2048;

/** How long another user of an interface may take to leave: mostly our predecessor, who was killed. */
const BUSY_MILLISECONDS = 1000;
const BUSY_RETRY_MILLISECONDS = 20;

export interface AfXdpWireOptions extends AfXdpLoopOptions {
  readonly outside: string;
  readonly inside: string;
  readonly flows: EstablishedFlows;
}

/** How the kernel hands over frames of one interface. */
export interface AfXdpInterface {
  readonly name: string;
  readonly mode: XdpMode;
  readonly queues: number;
  /** Frames that each of its receive rings holds; one for each queue. */
  readonly ringSlots: number;
}

export interface OpenedAfXdpWire {
  readonly wire: LiveWire;
  readonly isZeroCopy: boolean;
  /** By side. */
  readonly interfaces: readonly AfXdpInterface[];
}

/**
 * Opens both interfaces and starts: frames are judged from the next turn of the event loop on.
 * @throws BackendUnsupportedError where the kernel, an interface or its MTU does not allow it; LiveOpenError where
 * something is in the way that may pass
 */
export function openAfXdpWire(
  options: AfXdpWireOptions,
  handler: WireHandler,
  system: XdpSystem,
): OpenedAfXdpWire {
  // In the order of `Side`.
  const devices = [options.outside, options.inside].map((name) => usableDevice(name, system));
  const chunkBytes = Math.max(...devices.map(chunkBytesFor));
  const sizes = ringSizes(Math.max(...devices.map((device) => device.receiveQueues)));
  const sockets = devices.reduce((sum, device) => sum + device.receiveQueues, 0);
  const frames = sockets * (sizes.fill + sizes.receive + sizes.send + sizes.completion);
  const memory = system.allocate(frames * chunkBytes);
  const opened = openPatiently(() =>
    openSockets(system, devices, { memory, chunkBytes, sizes, flows: options.flows }),
  );
  const pool = new FramePool(frames, chunkBytes);
  const { counts } = handler;
  const ports = opened.sockets.map((socket) => new Port(socket, { system, counts, pool }));
  const parts = {
    view: new DataView(memory.buffer),
    pool,
    ports,
    exits: opened.sockets.map(({ side, queue }) => exitOf(ports, devices, side, queue)),
    names: devices.map((device) => device.name),
    wait: system.waiter(ports.map((port) => port.socket)),
    detach: opened.detach,
    close: opened.close,
  };
  return {
    wire: new AfXdpWire(options, parts, handler),
    isZeroCopy: opened.isZeroCopy,
    interfaces: devices.map(({ name, receiveQueues }, side) => ({
      name,
      mode: opened.modes[side],
      queues: receiveQueues,
      ringSlots: sizes.receive,
    })),
  };
}

function usableDevice(name: string, system: XdpSystem): XdpDevice {
  const device = system.device(name);
  if (device === undefined || !device.isEthernet || !device.isUp) {
    throw new LiveOpenError(`${name} is not an Ethernet interface that is up`);
  }
  if (device.mtu > AF_XDP_MTU_MAX) {
    throw new BackendUnsupportedError(
      `${name} has MTU ${device.mtu}; af-xdp keeps a frame in one page, so at most ${AF_XDP_MTU_MAX}: ` +
        'lower the MTU or set backend: cap',
    );
  }
  if (device.receiveQueues === 0) {
    throw new BackendUnsupportedError(`${name} has no receive queue; set backend: cap`);
  }
  return device;
}

function chunkBytesFor(device: XdpDevice): number {
  const frameBytes = device.mtu + LINK_HEADER_BYTES;
  return frameBytes <= SMALL_CHUNK_BYTES - CHUNK_HEADROOM ? SMALL_CHUNK_BYTES : LARGE_CHUNK_BYTES;
}

/** Fewer entries per queue where there are many queues: all of it is memory that cannot be paged out. */
function ringSizes(queues: number): RingSizes {
  const share = 2 ** Math.floor(Math.log2(RING_ENTRIES / queues));
  const receive = Math.max(RING_ENTRIES_MIN, share);
  const send = Math.min(SEND_RING_ENTRIES, receive);
  return { receive, fill: receive, send, completion: send };
}

/** The port that frames of one queue leave by: the same queue of the other side, or one they share. */
function exitOf(
  ports: readonly Port[],
  devices: readonly XdpDevice[],
  side: number,
  queue: number,
): Port {
  const exits = ports.filter((port) => port.side === 1 - side);
  return exits[queue % Math.min(exits.length, devices[1 - side].sendQueues)];
}

/** Tries again for a while when another program has the interface. */
function openPatiently(open: () => OpenedSockets): OpenedSockets {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const end = performance.now() + BUSY_MILLISECONDS;
  for (;;) {
    try {
      return open();
    } catch (error) {
      if (causeCode(error) !== 'EBUSY' || performance.now() >= end) throw error;
    }
    Atomics.wait(pause, 0, 0, BUSY_RETRY_MILLISECONDS);
  }
}
