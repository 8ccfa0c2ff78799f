/**
 * FlowLog: writes flow logs from the events of all wires and from their flow tables.
 *
 * Nothing here can hold up a packet: the events come from rings that the data planes never wait for, and files are written
 * one after another behind the back of the reading. What cannot be written, for a full disk above all, is counted, told
 * once, and left out; writing goes on as soon as it works again.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { EventKind } from '../../src/engine/event-record.ts';
import type { NetworkInterface } from '../../src/policy/configuration-interfaces.ts';
import type { FlowLogSettings } from '../../src/policy/settings.ts';
import type { EventClock, EventListener, ToldEvent } from '../events/hub.ts';
import type { Notice } from '../events/event.ts';
import type { WireView } from '../wire-view.ts';
import { CONTAINERS, macAddressFor } from './azure-format.ts';
import { Denials } from './denials.ts';
import { type Batch, type Destination, destinationFor, resourceLogBatch } from './destination.ts';
import { FlowLedger } from './ledger.ts';
import type { FlowRecord } from './record.ts';
import { removeOldHours } from './retention.ts';
import { RuleCounters } from './rule-counters.ts';

/** Azure gathers for a minute; so are denied packets here, whatever the format. */
const MINUTE = 60_000;
const HOUR = 3_600_000;
/** Of Azure's rule counters. */
const FIVE_MINUTES = 300_000;
/** Records that wait before a batch is made out of turn. */
const LARGEST_BATCH = 20_000;
/** Records of batches that wait for the disk: some 20 MB. */
const LARGEST_QUEUE = 100_000;
/** The whole table is looked at about once a minute, twenty slices a second. */
const SLICES = 1200;
const SMALLEST_SLICE = 256;

/** Records so far. */
export interface FlowLogCounts {
  readonly written: number;
  /** Denied packets that were not recorded: more than are told or gathered. */
  readonly suppressed: number;
  readonly failed: number;
}

/** Where no flow log is written. */
export const NO_FLOW_LOG: FlowLogCounts = { written: 0, suppressed: 0, failed: 0 };

export interface FlowLogParts {
  readonly wires: readonly WireView[];
  readonly log: Logger;
  readonly clock: EventClock;
}

export class FlowLog implements EventListener {
  readonly #settings: FlowLogSettings;
  readonly #destination: Destination;
  readonly #ledgers: ReadonlyMap<WireView, FlowLedger>;
  readonly #denials = new Denials();
  readonly #log: Logger;
  readonly #clock: EventClock;
  readonly #counts = { written: 0, suppressed: 0, failed: 0 };
  /** Beside network security group flow logs. */
  readonly #ruleCounters: RuleCounters | undefined;
  #interfaces: ReadonlyMap<string, NetworkInterface> = new Map();
  #nextBatch = 0;
  #nextMinute = 0;
  #nextHour = 0;
  #nextCounters = 0;
  #queued = 0;
  #queue: Promise<void> = Promise.resolve();
  /** Records that were not written since the last that was. */
  #failing = 0;
  /** Denied packets without a record, since the last batch and since the last minute. */
  #suppressed = 0;
  #suppressedInMinute = 0;

  constructor(settings: FlowLogSettings, { wires, log, clock }: FlowLogParts) {
    this.#settings = settings;
    this.#log = log;
    this.#clock = clock;
    const scope = {
      ...settings,
      macAddressOf: (name: string) => this.#interfaces.get(name)?.macAddress ?? macAddressFor(name),
    };
    this.#destination = destinationFor(settings, scope);
    this.#ruleCounters = settings.format.startsWith('nsg-') ? new RuleCounters(scope) : undefined;
    const sink = (record: FlowRecord): void => void this.#destination.add(record);
    this.#ledgers = new Map(wires.map((wire) => [wire, new FlowLedger(wire, sink)]));
    const now = clock.wall();
    this.#nextBatch = after(now, this.#destination.interval);
    this.#nextMinute = after(now, MINUTE);
    this.#nextCounters = after(now, FIVE_MINUTES);
  }

  get counts(): FlowLogCounts {
    return this.#counts;
  }

  /** Those of the policy in force. */
  useInterfaces(interfaces: readonly NetworkInterface[]): void {
    this.#interfaces = new Map(interfaces.map((found) => [found.name, found]));
  }

  /** Takes the flows that a wire has already as recorded: those that an earlier run left. */
  adopt(wire: WireView): void {
    this.#ledgers.get(wire)?.adopt(this.#clock.monotonic());
  }

  flow(told: ToldEvent): void {
    if (told.event.kind !== EventKind.Ended) this.#ruleCounters?.add(told);
    if (told.event.kind === EventKind.Denied) this.#denials.add(told);
    else this.#ledgers.get(told.wire)?.tell(told);
  }

  notice(notice: Notice): void {
    if (notice.type === 'suppressed' && notice.cause === 'denied') this.#suppress(notice.count);
  }

  settle(): void {
    const now = this.#clock.wall();
    const monotonic = this.#clock.monotonic();
    for (const [wire, ledger] of this.#ledgers) {
      const slice = Math.ceil(wire.flows.recordLimit / SLICES);
      ledger.scan(monotonic, now - monotonic, Math.max(SMALLEST_SLICE, slice));
    }
    if (now >= this.#nextMinute) {
      this.#nextMinute = after(now, MINUTE);
      this.#takeDenials();
    }
    const { size, interval } = this.#destination;
    if (now >= this.#nextBatch || size >= LARGEST_BATCH) {
      this.#nextBatch = after(now, interval);
      this.#writeBatch(now);
    }
    if (now >= this.#nextCounters) {
      this.#nextCounters = after(now, FIVE_MINUTES);
      this.#writeRuleCounters(now);
    }
    if (now >= this.#nextHour) {
      this.#nextHour = after(now, HOUR);
      this.#removeOld(now);
    }
  }

  /** The log goes on while the daemon ends; see `close`. */
  end(): Promise<void> {
    return Promise.resolve();
  }

  /** Records what was not recorded yet of every flow, and writes all that waits. */
  async close(): Promise<void> {
    const now = this.#clock.wall();
    const monotonic = this.#clock.monotonic();
    for (const ledger of this.#ledgers.values()) ledger.finish(monotonic, now - monotonic);
    this.#takeDenials();
    this.#writeBatch(now);
    this.#writeRuleCounters(now);
    await this.#queue;
  }

  #suppress(packets: number): void {
    this.#counts.suppressed += packets;
    this.#suppressed += packets;
    this.#suppressedInMinute += packets;
  }

  #takeDenials(): void {
    for (const record of this.#denials.take()) this.#destination.add(record);
    this.#suppress(this.#denials.suppressed);
    this.#denials.suppressed = 0;
    const packets = this.#suppressedInMinute;
    this.#suppressedInMinute = 0;
    if (packets > 0) this.#log.warn({ packets }, 'denied packets that are not in the flow log');
  }

  #writeBatch(now: number): void {
    this.#write(this.#destination.take(now, this.#suppressed));
    this.#suppressed = 0;
  }

  #writeRuleCounters(now: number): void {
    const records = this.#ruleCounters?.take(this.#interfaces, now) ?? [];
    this.#write(resourceLogBatch(this.#settings.path, records));
  }

  #write(batch: Batch): void {
    const { records } = batch;
    if (records === 0) return;
    if (this.#queued + records > LARGEST_QUEUE) {
      this.#failed(records, new Error('the disk does not keep up'));
      return;
    }
    this.#queued += records;
    this.#enqueue(async () => {
      const failure = await batch.write();
      if (failure === undefined) this.#wrote(records);
      else {
        this.#counts.written += records - failure.records;
        this.#failed(failure.records, failure.error);
      }
      this.#queued -= records;
    });
  }

  #removeOld(now: number): void {
    const { retentionDays, path, format } = this.#settings;
    if (retentionDays === 0 || format === 'ndjson') return;
    this.#enqueue(async () => {
      const containers = CONTAINERS.map((name) => join(path, name));
      const hours = await removeOldHours(containers, retentionDays, now);
      if (hours > 0) this.#log.info({ hours, retentionDays }, 'old flow logs removed');
    });
  }

  /** @param work throws nothing */
  #enqueue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work);
  }

  #wrote(records: number): void {
    this.#counts.written += records;
    if (this.#failing === 0) return;
    this.#log.info({ lost: this.#failing }, 'flow log is written again');
    this.#failing = 0;
  }

  #failed(records: number, error: unknown): void {
    this.#counts.failed += records;
    const isFirst = this.#failing === 0;
    this.#failing += records;
    if (!isFirst) return;
    const detail = error instanceof Error ? error.message : String(error);
    this.#log.error({ detail }, 'flow log cannot be written; packets pass as before');
  }
}

/** The next whole interval. */
function after(now: number, interval: number): number {
  return (Math.floor(now / interval) + 1) * interval;
}
