/**
 * EventWatcher: one reader of GET /v1/events. It gets a JSON line for each event it wants, at most so many a second, and
 * has a bounded queue: when it reads too slowly events are left out for it, and it is told how many.
 */
import type { ServerResponse } from 'node:http';
import type { DaemonEvent, Notice, SuppressedEvent } from '../events/event.ts';
import { flowEvent } from '../events/event.ts';
import { EventFilter, EventQueryError } from '../events/filter.ts';
import type { EventListener, ToldEvent } from '../events/hub.ts';

/** Flow events that a watcher has not read yet, about a thousand; what is rarer has as much again. */
const QUEUE_BYTES = 256 * 1024;
const MILLISECONDS = 1000;
/** More than the rings can tell. */
const MAX_RATE = 1_000_000;
/** A watcher that does not read its end is left alone with it. */
const END_MILLISECONDS = 200;

export class EventWatcher implements EventListener {
  readonly #response: ServerResponse;
  readonly #filter: EventFilter;
  /** Events a second. */
  readonly #rate: number;
  readonly #clock: () => number;
  readonly #suppressed = { rate: 0, slow: 0 };
  #tokens: number;
  #refilledAt: number;
  #nextReport = 0;
  #lines = '';

  /**
   * @param clock milliseconds, monotonic
   * @throws EventQueryError
   */
  constructor(response: ServerResponse, query: URLSearchParams, clock: () => number) {
    this.#response = response;
    this.#filter = new EventFilter(query);
    this.#rate = rateOf(query.get('rate'));
    this.#tokens = this.#rate;
    this.#clock = clock;
    this.#refilledAt = clock();
  }

  flow({ wire, event, offset, startedAt }: ToldEvent): void {
    if (!this.#filter.wantsFlow(wire, event)) return;
    if (this.#isOver(QUEUE_BYTES)) this.#suppressed.slow++;
    else if (this.#tokens < 1) this.#suppressed.rate++;
    else {
      this.#tokens--;
      this.#line(flowEvent(wire, event, offset, startedAt));
    }
  }

  notice(notice: Notice): void {
    if (!this.#filter.wantsNotice(notice)) return;
    if (this.#isOver(2 * QUEUE_BYTES)) this.#suppressed.slow++;
    else this.#line(notice);
  }

  settle(): void {
    const now = this.#clock();
    this.#refill(now);
    if (now >= this.#nextReport && !this.#isOver(QUEUE_BYTES)) {
      this.#nextReport = now + MILLISECONDS;
      this.#report('rate');
      this.#report('slow');
    }
    if (this.#lines === '') return;
    this.#response.write(this.#lines);
    this.#lines = '';
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, END_MILLISECONDS);
      this.#response.end(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #refill(now: number): void {
    const elapsed = (now - this.#refilledAt) / MILLISECONDS;
    this.#refilledAt = now;
    this.#tokens = Math.min(this.#rate, this.#tokens + elapsed * this.#rate);
  }

  #isOver(bytes: number): boolean {
    return this.#response.writableLength + this.#lines.length > bytes;
  }

  #report(cause: 'rate' | 'slow'): void {
    const count = this.#suppressed[cause];
    if (count === 0) return;
    this.#suppressed[cause] = 0;
    const time = new Date().toISOString();
    this.#line({ type: 'suppressed', time, count, cause } satisfies SuppressedEvent);
  }

  #line(event: DaemonEvent): void {
    this.#lines += `${JSON.stringify(event)}\n`;
  }
}

/** Events a second. @throws EventQueryError */
function rateOf(text: string | null): number {
  if (text === null) return MAX_RATE;
  const rate = Number(text);
  if (!/^\d{1,7}$/.test(text) || rate < 1 || rate > MAX_RATE) {
    throw new EventQueryError(`rate: use a number of events a second from 1 to ${MAX_RATE}`);
  }
  return rate;
}
