/**
 * The packet loop of the `af-xdp` backend.
 *
 *   a round:  for every port: read a batch, judge, move what passes to the send ring of the other side, one system
 *             call to send it, refill the fill ring, tick
 *   no frame: look again for as long as `busyPoll` says, then sleep in poll(2), which a frame ends at once
 *
 * The loop goes back to the event loop some 50 times a second, for messages and signals; a signal also ends the sleep.
 */
import { FrameBatch, type FrameJudge } from '../../frame.ts';
import { FRAMES_PER_TICK, type LiveWire, type WireCounts, type WireHandler } from '../live-wire.ts';
import type { FramePool } from './frame-pool.ts';
import type { Port } from './port.ts';
import { type ConsumerRing, DESCRIPTOR_LENGTH } from './ring.ts';
import { type Waiter, WaitResult } from './system.ts';

const FORWARD = 1;
const LENGTH = DESCRIPTOR_LENGTH;
const READY = WaitResult.Ready;
const QUIET = WaitResult.Quiet;

/** More of them share one system call; 64 instead of 32 forward some 8% more, 128 no more than that. */
const FRAMES_PER_BATCH = 64;
/** How long the loop keeps the event loop waiting; a sleep that began before may add its own time. */
const TURN_MILLISECONDS = 20;
/** Rounds between two looks at the clock. */
const ROUNDS_PER_CLOCK = 16;
/** An idle daemon wakes up this often: for its clock, for orders, and to see whether the interfaces are there. */
const WAIT_MILLISECONDS = 50;
/** When frames wait for room in the device, or something for the next tick. */
const SHORT_WAIT_MILLISECONDS = 1;
/** Looks at the rings between two looks at the clock while busy polling. */
const LOOKS_PER_CLOCK = 16;

export interface AfXdpLoopOptions {
  /** How long to look for frames before sleeping, in microseconds; 0 for not at all. */
  readonly busyPoll: number;
  /** An interface was removed. The wire is closed by then. */
  readonly lost: (error: Error) => void;
}

export interface AfXdpParts {
  /** Over the memory of the frames. */
  readonly view: DataView;
  readonly pool: FramePool;
  /** Every port, with the port of the other side that its frames leave by, in the same order. */
  readonly ports: readonly Port[];
  readonly exits: readonly Port[];
  /** Names of the interfaces, by side. */
  readonly names: readonly string[];
  /** Sleeps until a frame is at one of the ports. */
  readonly wait: Waiter;
  /** Takes our program off both interfaces: no frame arrives any more. */
  readonly detach: () => void;
  /** Closes the sockets. */
  readonly close: () => void;
}

export class AfXdpWire implements LiveWire {
  readonly #options: AfXdpLoopOptions;
  readonly #parts: AfXdpParts;
  readonly #ports: readonly Port[];
  readonly #exits: readonly Port[];
  readonly #view: DataView;
  readonly #pool: FramePool;
  readonly #handler: WireHandler;
  readonly #judge: FrameJudge;
  readonly #counts: WireCounts;
  readonly #wait: Waiter;
  readonly #turn = (): void => this.#run();
  /** The frames that are judged next. */
  readonly #frames = new FrameBatch();
  /** What `#touch` read: kept, so that the compiler does not leave the reading out. */
  readonly #touched = new Int32Array(1);
  #isOpen = true;

  constructor(options: AfXdpLoopOptions, parts: AfXdpParts, handler: WireHandler) {
    this.#options = options;
    this.#parts = parts;
    this.#ports = parts.ports;
    this.#exits = parts.exits;
    this.#view = parts.view;
    this.#pool = parts.pool;
    this.#handler = handler;
    this.#judge = handler.judge;
    this.#counts = handler.counts;
    this.#wait = parts.wait;
    for (const port of parts.ports) port.refill();
    setImmediate(this.#turn);
  }

  collectKernelDrops(): void {
    if (!this.#isOpen) return;
    for (const port of this.#ports) {
      port.collectDrops();
      port.probe();
    }
  }

  stop(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parts.detach();
    for (const port of this.#ports) port.abandon();
    this.#parts.close();
  }

  /** One turn of the event loop. */
  #run(): void {
    const end = performance.now() + TURN_MILLISECONDS;
    let rounds = ROUNDS_PER_CLOCK;
    let isOver = false;
    while (!isOver) {
      const frames = this.#round();
      if (!this.#isOpen) return;
      if (frames === 0 && !this.#spin()) {
        const isQuiet = this.#sleep() !== READY;
        this.#handler.tick();
        if (!this.#isOpen) return;
        isOver = isQuiet || performance.now() >= end;
      } else if (--rounds === 0) {
        rounds = ROUNDS_PER_CLOCK;
        isOver = performance.now() >= end;
      }
    }
    if (!this.#isLost()) setImmediate(this.#turn);
  }

  /** A batch from every port. @returns frames read */
  #round(): number {
    let frames = 0;
    const ports = this.#ports;
    for (let n = 0; n < ports.length && this.#isOpen; n++) {
      const port = ports[n];
      const waiting = port.receive.ready();
      if (waiting === 0) continue;
      const count = Math.min(waiting, FRAMES_PER_BATCH);
      frames += count;
      const start = performance.now();
      port.admission.grant(waiting, count, start);
      this.#batch(port, this.#exits[n], count);
      this.#counts.batch(waiting, performance.now() - start);
    }
    return frames;
  }

  /** Judges `count` frames of a port, with a tick between parts of them, and has what passes sent with one call. */
  #batch(port: Port, exit: Port, count: number): void {
    let left = count;
    while (left > 0) {
      const part = Math.min(left, FRAMES_PER_TICK);
      this.#judgeFrames(port, exit, part);
      left -= part;
      this.#handler.tick();
      if (!this.#isOpen) return;
    }
    exit.flush();
    port.refill();
  }

  #judgeFrames(port: Port, exit: Port, count: number): void {
    const receive = port.receive;
    const view = this.#view;
    const side = port.side;
    const batch = this.#frames;
    this.#touch(receive, count);
    this.#handler.lookAhead?.(view, batch, side);
    for (let n = 0; n < count; n++) {
      const address = batch.offsets[n];
      const length = batch.lengths[n];
      if (this.#judge(view, address, length, side) === FORWARD) exit.forward(address, length);
      else this.#pool.give(address);
    }
    receive.release(count);
  }

  /**
   * Takes down the next frames and reads a byte of each. Another processor wrote them, so each is a cache miss of some
   * 100 ns; here they happen at the same time, where in the judge they would come one after another. Two short loops,
   * because as many readings overlap as fit the processor's window.
   */
  #touch(receive: ConsumerRing, count: number): void {
    const words = receive.words;
    const { offsets, lengths } = this.#frames;
    for (let n = 0; n < count; n++) {
      const at = receive.at(n);
      offsets[n] = words[at];
      lengths[n] = words[at + LENGTH];
    }
    this.#frames.count = count;
    const view = this.#view;
    let sum = 0;
    for (let n = 0; n < count; n++) sum ^= view.getUint8(offsets[n]);
    this.#touched[0] = sum;
  }

  /** Looks for frames without sleeping. @returns true when there are some */
  #spin(): boolean {
    const { busyPoll } = this.#options;
    if (busyPoll === 0) return false;
    const end = performance.now() + busyPoll / 1000;
    do {
      for (let looks = 0; looks < LOOKS_PER_CLOCK; looks++) {
        if (this.#hasFrames()) return true;
      }
    } while (performance.now() < end);
    return false;
  }

  #hasFrames(): boolean {
    const ports = this.#ports;
    for (let n = 0; n < ports.length; n++) if (ports[n].receive.ready() !== 0) return true;
    return false;
  }

  /** @returns one of `WaitResult` */
  #sleep(): number {
    const ports = this.#ports;
    let timeout = this.#handler.isTickWanted === true ? SHORT_WAIT_MILLISECONDS : WAIT_MILLISECONDS;
    for (let n = 0; n < ports.length; n++) {
      const port = ports[n];
      port.flush();
      port.reclaim();
      port.refill();
      if (port.hasUnsent) timeout = SHORT_WAIT_MILLISECONDS;
    }
    const result = this.#wait(timeout);
    if (result === QUIET) for (let n = 0; n < ports.length; n++) ports[n].probe();
    return result;
  }

  /** Closes the wire when an interface is gone. */
  #isLost(): boolean {
    const lost = this.#ports.find((port) => port.isGone);
    if (lost === undefined) return false;
    this.stop();
    this.#options.lost(new Error(`interface ${this.#parts.names[lost.side]} is gone`));
    return true;
  }
}
