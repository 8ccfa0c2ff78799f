/**
 * Port: one AF_XDP socket, which is one queue of one interface, and the frames in its rings.
 *
 *   pool -> fill ring -> [kernel receives] -> receive ring -> judged -> send ring of another port, or pool
 *   pool <- completion ring <- [kernel sends] <- send ring
 */
import type { WireCounts } from '../live-wire.ts';
import type { Admission } from './admission.ts';
import type { FramePool } from './frame-pool.ts';
import type { QueueSocket } from './open-sockets.ts';
import { ConsumerRing, DESCRIPTOR_LENGTH, ProducerRing } from './ring.ts';
import { SendError, type XdpStatistics, type XdpSystem } from './system.ts';

const LENGTH = DESCRIPTOR_LENGTH;
const BUSY = SendError.Busy;
const NO_DEVICE = SendError.NoDevice;
const NETWORK_DOWN = SendError.NetworkDown;

/** Calls of `send` for one flush: a device that refuses costs one call per frame. */
const SENDS_PER_FLUSH = 64;

function emptyStatistics(): XdpStatistics {
  return { receiveDropped: 0, receiveRingFull: 0, invalidDescriptors: 0 };
}

export class Port {
  readonly side: number;
  readonly socket: number;
  readonly admission: Admission;
  readonly receive: ConsumerRing;
  readonly #fill: ProducerRing;
  readonly #send: ProducerRing;
  readonly #completion: ConsumerRing;
  readonly #system: XdpSystem;
  readonly #counts: WireCounts;
  readonly #pool: FramePool;
  readonly #statistics = emptyStatistics();
  /** What of it was counted. */
  readonly #counted = emptyStatistics();
  /** Frames the kernel took and its device refused, that are not acknowledged yet. */
  #refused = 0;
  #isDown = false;
  #isGone = false;

  constructor(
    { side, socket, rings, admission }: QueueSocket,
    parts: {
      readonly system: XdpSystem;
      readonly counts: WireCounts;
      readonly pool: FramePool;
    },
  ) {
    this.side = side;
    this.socket = socket;
    this.admission = admission;
    this.receive = new ConsumerRing(rings.receive);
    this.#fill = new ProducerRing(rings.fill);
    this.#send = new ProducerRing(rings.send);
    this.#completion = new ConsumerRing(rings.completion);
    this.#system = parts.system;
    this.#counts = parts.counts;
    this.#pool = parts.pool;
  }

  /** True when the device was removed: nothing comes or goes any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Frames wait in the send ring for `flush`. */
  get hasUnsent(): boolean {
    return this.#send.outstanding() > 0;
  }

  /** Gives the kernel every free frame it has room for. */
  refill(): void {
    const fill = this.#fill;
    fill.acknowledge(fill.consumed());
    const pool = this.#pool;
    const count = Math.min(fill.room(), pool.count);
    if (count === 0) return;
    const words = fill.words;
    for (let n = 0; n < count; n++) {
      const at = fill.push();
      words[at] = pool.take();
      words[at + 1] = 0;
    }
    fill.publish();
  }

  /** Takes the frames back that were sent. */
  reclaim(): void {
    const completion = this.#completion;
    const count = completion.ready();
    if (count === 0) return;
    const words = completion.words;
    const pool = this.#pool;
    for (let n = 0; n < count; n++) pool.give(words[completion.at(n)]);
    completion.release(count);
  }

  /** Puts a frame into the send ring, or drops and counts it where that is full or the device is down. */
  forward(address: number, length: number): void {
    const send = this.#send;
    if (this.#isDown || send.room() === 0) {
      this.#counts.sendFailed(this.side);
      this.#pool.give(address);
      return;
    }
    const words = send.words;
    const at = send.push();
    words[at] = address;
    words[at + 1] = 0;
    words[at + LENGTH] = length;
    words[at + 3] = 0;
  }

  /** Has the kernel send what `forward` put into the ring, and counts what it took. */
  flush(): void {
    const send = this.#send;
    if (send.outstanding() === 0) return;
    if (send.hasUnpublished()) send.publish();
    if (send.needsWakeup()) this.#kick();
    this.#acknowledge();
    this.reclaim();
  }

  /** Whether the device is still there and up. One system call. */
  probe(): void {
    this.#note(this.#system.send(this.socket));
    this.#acknowledge();
  }

  collectDrops(): void {
    this.#system.readStatistics(this.socket, this.#statistics);
    const now = this.#statistics;
    const counted = this.#counted;
    const ringFull = now.receiveRingFull - counted.receiveRingFull;
    const refused = this.admission.takeRefused();
    const drops = now.receiveDropped - counted.receiveDropped + ringFull + refused;
    const invalid = now.invalidDescriptors - counted.invalidDescriptors;
    if (drops > 0) this.#counts.kernelDropped(this.side, drops);
    if (ringFull + refused > 0) this.#counts.receiveRingFull(this.side, ringFull + refused);
    if (invalid > 0) this.#counts.invalidDescriptors(this.side, invalid);
    Object.assign(counted, now);
  }

  /** Counts the frames that are still in the rings: they go nowhere now. */
  abandon(): void {
    this.#acknowledge();
    this.collectDrops();
    const unread = this.receive.ready();
    if (unread > 0) this.#counts.kernelDropped(this.side, unread);
    const unsent = this.#send.outstanding();
    for (let n = 0; n < unsent; n++) this.#counts.sendFailed(this.side);
  }

  /** The kernel takes a limited number of frames per call, and stops at the first that the device refuses. */
  #kick(): void {
    const send = this.#send;
    let taken = send.consumed();
    for (let n = 0; n < SENDS_PER_FLUSH; n++) {
      const error = this.#system.send(this.socket);
      this.#note(error);
      const now = send.consumed();
      if (error === BUSY) this.#refused++;
      else if (now === send.outstanding() || now === taken) return;
      taken = now;
    }
  }

  #note(error: number): void {
    this.#isDown = error === NETWORK_DOWN;
    if (error === NO_DEVICE) this.#isGone = true;
  }

  /** Counts the frames the kernel took. Which of them were refused matters to the byte count only: the last. */
  #acknowledge(): void {
    const send = this.#send;
    const count = send.consumed();
    if (count === 0) return;
    const words = send.words;
    const counts = this.#counts;
    const refused = Math.min(this.#refused, count);
    const sent = count - refused;
    for (let n = 0; n < sent; n++) counts.sent(this.side, words[send.at(n) + LENGTH]);
    for (let n = 0; n < refused; n++) counts.sendFailed(this.side);
    this.#refused -= refused;
    send.acknowledge(count);
  }
}
