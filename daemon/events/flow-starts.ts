/**
 * FlowStarts: when each flow was opened. A flow record has no room for it, so the control process notes it here, by the
 * record's number, when it reads that a flow was opened.
 */
import type { FlowEventReader } from '../../src/engine/flow-event-reader.ts';

export class FlowStarts {
  /** Monotonic milliseconds by record; the memory of those that were never used is never touched. */
  readonly #times: Float64Array;
  /** Tells the flow from others that had the record, should an event have been lost. */
  readonly #marks: Int32Array;

  constructor(maxFlows: number) {
    this.#times = new Float64Array(maxFlows);
    this.#marks = new Int32Array(maxFlows);
  }

  /** @param event of an opened flow */
  opened(event: FlowEventReader): void {
    const { flow } = event;
    if (flow < 0 || flow >= this.#times.length) return;
    this.#times[flow] = event.time;
    this.#marks[flow] = markOf(event);
  }

  /** Monotonic milliseconds; undefined when its beginning was not told. @param event of an ended flow */
  ended(event: FlowEventReader): number | undefined {
    const { flow } = event;
    const time = this.#times[flow];
    if (time === undefined || time === 0 || this.#marks[flow] !== markOf(event)) return undefined;
    this.#times[flow] = 0;
    return time;
  }
}

function markOf(event: FlowEventReader): number {
  return flowMark(event.localPort, event.remotePort, event.remote(1), event.remote(3));
}

/** A number that tells a flow from others that had the same record of the table. @param remote1 words of the address */
export function flowMark(
  localPort: number,
  remotePort: number,
  remote1: number,
  remote3: number,
): number {
  const ports = (localPort << 16) | remotePort;
  return (Math.imul(ports, 0x9e37_79b1) + remote3 + remote1) | 0;
}
