/**
 * A wire between two packet sockets whose answer to a frame is known without waiting for silence: behind each frame goes
 * a marker, an ARP request that every policy passes. When the marker has come out on the other side, so has the frame, or it
 * never will, because a wire keeps the order of what comes in on one side.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { buildArp } from './frames.ts';
import type { PacketSocket } from './packet-socket.ts';

const TIMEOUT_MS = 3000;
const ARP = 0x0806;
/** Where ARP for IPv4 over Ethernet has the sender's address. */
const SENDER_AT = 28;

export class MarkedWire {
  readonly #sockets: readonly [outside: PacketSocket, inside: PacketSocket];
  #markers = 0;

  constructor(outside: PacketSocket, inside: PacketSocket) {
    this.#sockets = [outside, inside];
  }

  /** Markers sent so far: the wire counts them as `link`. */
  get markers(): number {
    return this.#markers;
  }

  /**
   * Sends frames in on one side.
   * @param side 0 outside, 1 inside
   * @returns what came out on the other before the marker behind them
   */
  async pass(side: 0 | 1, frames: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const [from, to] = side === 0 ? this.#sockets : this.#sockets.toReversed();
    if (from === undefined || to === undefined) throw new Error('a wire has two sides');
    for (const frame of frames) from.send(frame);
    const number = ++this.#markers;
    // 198.18.0.0/15 is for benchmarks (RFC 2544): nobody else has these addresses.
    const sender = `198.18.${(number >> 8) & 255}.${number & 255}`;
    from.send(buildArp({ sender, target: sender, senderMac: '02:00:00:00:00:fe' }));
    const passed: Uint8Array[] = [];
    const deadline = performance.now() + TIMEOUT_MS;
    for (;;) {
      for (const frame of to.received()) {
        if (markerOf(frame) === number) return passed;
        passed.push(frame);
      }
      if (performance.now() > deadline) throw new Error(`marker ${number} did not come out`);
      await nextTurn();
    }
  }
}

/** The number of a marker, modulo 65536; -1 of any other frame. */
function markerOf(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < SENDER_AT + 4 || view.getUint16(12) !== ARP) return -1;
  if (view.getUint16(SENDER_AT) !== 0xc612) return -1;
  return view.getUint16(SENDER_AT + 2);
}
