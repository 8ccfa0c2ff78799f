/**
 * Where flow records go: Azure's folders, or a line each to a file or to standard output. A destination gathers records and
 * hands them over as a batch that can be written later, while it gathers the next.
 */
import { join } from 'node:path';
import type { FlowLogSettings } from '../../src/policy/settings.ts';
import { ipProtocolName } from '../packet-text.ts';
import { appendLines, appendRecords, appendText } from './azure-file.ts';
import {
  AzureFormat,
  type AzureRecord,
  type AzureScope,
  type AzureVersion,
} from './azure-format.ts';
import type { FlowRecord, FlowState } from './record.ts';

const MINUTE = 60_000;
const SECOND = 1000;

/** Records that could not be written, and why the first of them could not. */
export interface WriteFailure {
  readonly records: number;
  readonly error: unknown;
}

/** What was gathered. */
export interface Batch {
  readonly records: number;
  /** @returns what could not be written; undefined when all was */
  write(): Promise<WriteFailure | undefined>;
}

export interface Destination {
  /** Milliseconds between two batches. */
  readonly interval: number;
  /** Records that wait. */
  readonly size: number;
  /** @returns false for a record that such a log does not have */
  add(record: FlowRecord): boolean;
  /** @param suppressed denied packets that there is no record of @param time milliseconds since the epoch */
  take(time: number, suppressed: number): Batch;
}

const VERSIONS: Readonly<Record<string, AzureVersion>> = { 'nsg-v1': 1, 'nsg-v2': 2, 'vnet-v4': 4 };

/** @param scope of Azure's records */
export function destinationFor(settings: FlowLogSettings, scope: AzureScope): Destination {
  const version = VERSIONS[settings.format];
  return version === undefined
    ? new LineDestination(settings.path)
    : new AzureDestination(settings.path, new AzureFormat(version, scope));
}

/** `PT1H.json` files below a folder, as Azure lays them out; a batch a minute, as Azure's. */
class AzureDestination implements Destination {
  readonly interval = MINUTE;
  readonly #directory: string;
  readonly #format: AzureFormat;

  constructor(directory: string, format: AzureFormat) {
    this.#directory = directory;
    this.#format = format;
  }

  get size(): number {
    return this.#format.size;
  }

  add(record: FlowRecord): boolean {
    return this.#format.add(record);
  }

  /** Azure's formats have no place for what was suppressed; it is in the metrics and in the daemon's log. */
  take(time: number): Batch {
    const records = this.#format.size;
    const files = byFolder(this.#directory, this.#format.take(time));
    return { records, write: () => writeFiles(files, appendRecords) };
  }
}

/** Records of a resource log, a line each, in Azure's folders below `directory`. */
export function resourceLogBatch(directory: string, records: readonly AzureRecord[]): Batch {
  const files = byFolder(directory, records);
  return { records: records.length, write: () => writeFiles(files, appendLines) };
}

function byFolder(directory: string, records: readonly AzureRecord[]): Map<string, AzureRecord[]> {
  const files = new Map<string, AzureRecord[]>();
  for (const record of records) {
    const folder = join(directory, ...record.folders);
    const others = files.get(folder);
    if (others === undefined) files.set(folder, [record]);
    else others.push(record);
  }
  return files;
}

/** One file after another; one that fails does not keep the others from being written. */
async function writeFiles(
  files: ReadonlyMap<string, readonly AzureRecord[]>,
  write: typeof appendRecords,
): Promise<WriteFailure | undefined> {
  const failures: WriteFailure[] = [];
  for (const [folder, records] of files) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      await write(
        folder,
        records.map(({ text }) => text),
      );
    } catch (error) {
      failures.push({ records: records.reduce((sum, { tuples }) => sum + tuples, 0), error });
    }
  }
  const [first] = failures;
  if (first === undefined) return undefined;
  return { records: failures.reduce((sum, { records }) => sum + records, 0), error: first.error };
}

const STATE_NAMES: Readonly<Record<FlowState, string>> = {
  B: 'begin',
  C: 'continue',
  E: 'end',
  D: 'deny',
};

/** A record as a line of JSON. */
export function recordLine(record: FlowRecord): string {
  const { state, time, direction, protocol, ruleName, counts, networkSecurityGroup } = record;
  const { networkInterface, reason, packets } = record;
  return JSON.stringify({
    time: new Date(time).toISOString(),
    record: STATE_NAMES[state],
    wire: record.wire,
    networkInterface,
    networkSecurityGroup,
    ruleName,
    protocol: ipProtocolName(protocol),
    direction: direction === 0 ? 'Inbound' : 'Outbound',
    source: record.source,
    sourcePort: record.sourcePort,
    destination: record.destination,
    destinationPort: record.destinationPort,
    ...(state === 'D' ? { reason, packets } : {}),
    ...(state === 'C' || state === 'E' ? counts : {}),
  });
}

/**
 * A line for each record, added to a file that is opened for each batch, so that it may be moved away at any time; or on
 * standard output, which the journal reads.
 */
class LineDestination implements Destination {
  readonly interval = SECOND;
  readonly #path: string;
  #lines: string[] = [];

  /** @param path `-` for standard output */
  constructor(path: string) {
    this.#path = path;
  }

  get size(): number {
    return this.#lines.length;
  }

  add(record: FlowRecord): boolean {
    this.#lines.push(recordLine(record));
    return true;
  }

  take(time: number, suppressed: number): Batch {
    const lines = this.#lines;
    this.#lines = [];
    if (suppressed > 0) {
      const line = {
        time: new Date(time).toISOString(),
        record: 'suppressed',
        packets: suppressed,
      };
      lines.push(JSON.stringify(line));
    }
    const text = lines.map((line) => `${line}\n`).join('');
    return {
      records: lines.length,
      write: async () => {
        try {
          await this.#write(text);
          return undefined;
        } catch (error) {
          return { records: lines.length, error };
        }
      },
    };
  }

  async #write(text: string): Promise<void> {
    if (this.#path !== '-') {
      await appendText(this.#path, text);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => {
        if (error instanceof Error) reject(error);
        else resolve();
      });
    });
  }
}
