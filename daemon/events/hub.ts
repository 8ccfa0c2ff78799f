/**
 * EventHub: reads the rings of flow events of all wires, up to twenty times a second, and tells whoever listens; also of
 * reloads and of data planes that start and end. A listener never holds up the others or the reading.
 */
import { EVENT_CAPACITY, EventKind } from '../../src/engine/event-record.ts';
import type { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import type { WireView } from '../wire-view.ts';
import { type DataPlaneEvent, type Notice, type ReloadEvent, timeText } from './event.ts';
import { FlowStarts } from './flow-starts.ts';

const DRAIN_MILLISECONDS = 50;
/** Between two readings when no event has come for a while: a daemon with nothing to do wakes up less. */
const QUIET_DRAIN_MILLISECONDS = 200;
const QUIET_AFTER_MILLISECONDS = 1000;
/** Between two reports of events that were lost. */
const LOSS_MILLISECONDS = 1000;

const { Opened, Ended, Denied } = EventKind;

/** One flow event while it is told; valid during the call. */
export interface ToldEvent {
  readonly wire: WireView;
  readonly event: FlowEventReader;
  /** Milliseconds from the monotonic to the wall clock. */
  readonly offset: number;
  /** Monotonic milliseconds; of an ended flow whose beginning is known. */
  readonly startedAt: number | undefined;
}

export interface EventListener {
  flow(told: ToldEvent): void;
  notice(notice: Notice): void;
  /** After each reading of the rings: what was gathered can be handed on. */
  settle(): void;
  /** The daemon ends; events may still come until it has. */
  end(): Promise<void>;
}

export interface EventClock {
  /** Milliseconds of CLOCK_MONOTONIC, which the data planes use. */
  monotonic(): number;
  /** Milliseconds since the epoch. */
  wall(): number;
}

/** The clocks of this machine. */
export const SYSTEM_CLOCK: EventClock = {
  monotonic: () => Number(process.hrtime.bigint()) / 1e6,
  wall: () => Date.now(),
};

/** Two clocks are read one after the other, one of them in whole milliseconds; a difference above this is a clock that was set. */
const CLOCK_TOLERANCE_MILLISECONDS = 20;

/** What is kept of a wire between two readings. */
interface WatchedWire {
  readonly wire: WireView;
  readonly starts: FlowStarts;
  /** Events known to be lost: flows, denied packets. */
  readonly lost: { ring: number; denied: number };
}

export class EventHub {
  readonly #wires: readonly WatchedWire[];
  readonly #clock: EventClock;
  readonly #listeners = new Set<EventListener>();
  #timer: NodeJS.Timeout | undefined;
  #nextLossReport = 0;
  /** Monotonic milliseconds. */
  #lastEvent = 0;
  /** Milliseconds from the monotonic to the wall clock. */
  #offset = Number.NEGATIVE_INFINITY;

  constructor(wires: readonly WireView[], clock: EventClock = SYSTEM_CLOCK) {
    this.#clock = clock;
    this.#wires = wires.map((wire) => ({
      wire,
      starts: new FlowStarts(wire.flows.maxFlows),
      lost: { ring: 0, denied: 0 },
    }));
  }

  /** Number of listeners. */
  get size(): number {
    return this.#listeners.size;
  }

  start(): void {
    const isQuiet = this.#clock.monotonic() - this.#lastEvent > QUIET_AFTER_MILLISECONDS;
    this.#timer = setTimeout(
      () => {
        this.drain();
        this.start();
      },
      isQuiet ? QUIET_DRAIN_MILLISECONDS : DRAIN_MILLISECONDS,
    );
  }

  /** Tells that the daemon ends. */
  async end(): Promise<void> {
    this.drain();
    this.#notice({ type: 'stopping', time: this.#now() });
    await Promise.all([...this.#listeners].map((listener) => listener.end()));
  }

  /** Tells what is left, for the last time. */
  stop(): void {
    clearTimeout(this.#timer);
    this.drain();
  }

  add(listener: EventListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: EventListener): void {
    this.#listeners.delete(listener);
  }

  reloaded(outcome: Omit<ReloadEvent, 'type' | 'time'>): void {
    this.#notice({ type: 'reload', time: this.#now(), ...outcome });
  }

  dataPlane(state: Omit<DataPlaneEvent, 'type' | 'time'>): void {
    this.#notice({ type: 'data-plane', time: this.#now(), ...state });
  }

  /** Reads what waits, at most one ring of each wire: a writer that is as fast as the reader does not keep it for ever. */
  drain(): void {
    const offset = this.#wallOffset();
    for (const { wire, starts } of this.#wires) {
      const event = wire.events;
      let count = 0;
      for (; count < EVENT_CAPACITY && event.next(); count++) {
        const { kind } = event;
        if (kind === Opened) starts.opened(event);
        const startedAt = kind === Ended ? starts.ended(event) : undefined;
        for (const listener of this.#listeners) listener.flow({ wire, event, offset, startedAt });
      }
      if (count > 0) this.#lastEvent = this.#clock.monotonic();
    }
    this.#reportLosses();
    for (const listener of this.#listeners) listener.settle();
  }

  /** The same from reading to reading, so that one moment has one text, unless the wall clock was set. */
  #wallOffset(): number {
    const now = this.#clock.wall() - this.#clock.monotonic();
    if (Math.abs(now - this.#offset) > CLOCK_TOLERANCE_MILLISECONDS) this.#offset = now;
    return this.#offset;
  }

  #reportLosses(): void {
    const now = this.#clock.monotonic();
    if (now < this.#nextLossReport) return;
    this.#nextLossReport = now + LOSS_MILLISECONDS;
    for (const { wire, lost } of this.#wires) {
      const { events, name } = wire;
      const flows = events.lost(Opened) + events.lost(Ended) - lost.ring;
      const denied = events.lost(Denied) - lost.denied;
      lost.ring += flows;
      lost.denied += denied;
      if (flows > 0) this.#suppressed(flows, 'ring', name);
      if (denied > 0) this.#suppressed(denied, 'denied', name);
    }
  }

  #suppressed(count: number, cause: 'ring' | 'denied', wire: string): void {
    this.#notice({ type: 'suppressed', time: this.#now(), count, cause, wire });
  }

  #notice(notice: Notice): void {
    for (const listener of this.#listeners) {
      listener.notice(notice);
      listener.settle();
    }
  }

  #now(): string {
    return timeText(this.#clock.wall(), 0);
  }
}
