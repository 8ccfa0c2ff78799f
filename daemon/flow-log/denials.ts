/**
 * Denials: the denied packets of an interval, those with the same ends and rule as one record. A flood costs a bounded
 * number of records; what is beyond is counted.
 */
import { reasonNames } from '../../src/engine/reason.ts';
import type { ToldEvent } from '../events/hub.ts';
import { type FlowRecord, fieldsOfEvent, identityOf, NO_COUNTS } from './record.ts';

/** Records of an interval. */
export const MAX_DENIALS = 10_000;

interface Denial {
  readonly record: FlowRecord;
  packets: number;
}

export class Denials {
  readonly #denials = new Map<string, Denial>();
  /** Packets of which there is no record. */
  suppressed = 0;

  /** @param told a denied packet */
  add({ wire, event, offset }: ToldEvent): void {
    if (!event.hasPacket) return;
    const fields = fieldsOfEvent(event);
    const { local, remote, localPort, remotePort, protocol, direction, slot0, slot1 } = fields;
    const ends = [...local, ...remote, localPort, remotePort, protocol, direction];
    const key = [wire.name, event.reason, slot0, slot1, ...ends].join(',');
    const known = this.#denials.get(key);
    if (known !== undefined) known.packets++;
    else if (this.#denials.size >= MAX_DENIALS) this.suppressed++;
    else {
      const record: FlowRecord = {
        state: 'D',
        time: event.time + offset,
        counts: NO_COUNTS,
        reason: reasonNames[event.reason] ?? 'unknown',
        ...identityOf(wire, fields),
      };
      this.#denials.set(key, { record, packets: 1 });
    }
  }

  /** The records of the interval that ends; the next begins. */
  take(): FlowRecord[] {
    const records = [...this.#denials.values()].map(({ record, packets }) => ({
      ...record,
      packets,
    }));
    this.#denials.clear();
    return records;
  }
}
