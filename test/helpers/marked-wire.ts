/**
 * A wire between two packet sockets whose answer to frames is known without waiting for silence: behind them goes a marker
 * that always passes. When it has come out on the other side, so have they, or they never will, because a wire keeps the
 * order of what comes in on one side.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { buildArp, viewOf } from './frames.ts';
import type { PacketSocket } from './packet-socket.ts';

const TIMEOUT_MS = 10_000;
const MAX_MARKER = 65_535;
const ARP = 0x0806;
/** Where ARP for IPv4 over Ethernet has the sender's address. */
const SENDER_AT = 28;

/** A frame that a wire passes whatever its rules, with a number in it. */
export interface Marker {
  /** @param side 0 outside, 1 inside @param number 1 to 65535 */
  build(side: 0 | 1, number: number): Uint8Array;
  /** The number of a marker; -1 of any other frame. */
  numberOf(frame: Uint8Array): number;
}

/** An ARP request: every policy of nsgd passes it, as `link`. */
export const arpMarker: Marker = {
  build(_side, number) {
    // 198.18.0.0/15 is for benchmarks (RFC 2544): nobody else has these addresses.
    const sender = `198.18.${number >> 8}.${number & 255}`;
    return buildArp({ sender, target: sender, senderMac: '02:00:00:00:00:fe' });
  },
  numberOf(frame) {
    const view = viewOf(frame);
    if (frame.length < SENDER_AT + 4 || view.getUint16(12) !== ARP) return -1;
    return view.getUint16(SENDER_AT) === 0xc612 ? view.getUint16(SENDER_AT + 2) : -1;
  },
};

export class MarkedWire {
  readonly #sockets: readonly [outside: PacketSocket, inside: PacketSocket];
  readonly #marker: Marker;
  #markers = 0;

  constructor(outside: PacketSocket, inside: PacketSocket, marker: Marker = arpMarker) {
    this.#sockets = [outside, inside];
    this.#marker = marker;
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
    this.#markers = (this.#markers % MAX_MARKER) + 1;
    const number = this.#markers;
    from.send(this.#marker.build(side, number));
    const passed: Uint8Array[] = [];
    const deadline = performance.now() + TIMEOUT_MS;
    for (;;) {
      for (const frame of to.received()) {
        if (this.#marker.numberOf(frame) === number) return passed;
        passed.push(frame);
      }
      if (performance.now() > deadline) throw new Error(`marker ${number} did not come out`);
      await nextTurn();
    }
  }
}
