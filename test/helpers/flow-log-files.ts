/**
 * Reads flow logs as a tool that reads Azure's would: every PT1H.json below a folder, checked against its schema
 * (config/flow-log-*.schema.json), and the tuples in it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { z } from 'zod';
import { projectRoot } from './project-root.ts';

function schema(name: string): z.ZodType {
  const text = readFileSync(join(projectRoot, 'config', name), 'utf8');
  return z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0]);
}

export const nsgSchema = schema('flow-log-nsg.schema.json');
export const vnetSchema = schema('flow-log-vnet.schema.json');

/** Their files are lines of JSON. */
const RULE_COUNTERS = 'insights-logs-networksecuritygrouprulecounter';

/** One tuple with what stands around it. */
export interface ReadTuple {
  /** Of the file, below the log's folder. */
  readonly path: string;
  readonly rule: string;
  readonly mac: string;
  readonly tuple: string;
}

interface NsgFile {
  readonly records: readonly {
    readonly properties: {
      readonly flows: readonly {
        readonly rule: string;
        readonly flows: readonly { readonly mac: string; readonly flowTuples: readonly string[] }[];
      }[];
    };
  }[];
}

interface VnetFile {
  readonly records: readonly {
    readonly macAddress: string;
    readonly flowRecords: {
      readonly flows: readonly {
        readonly flowGroups: readonly {
          readonly rule: string;
          readonly flowTuples: readonly string[];
        }[];
      }[];
    };
  }[];
}

/** Paths of all files below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** Every tuple of every file. @throws ZodError for a file that does not fit its schema */
export function readFlowLogs(folder: string): ReadTuple[] {
  return filesBelow(folder)
    .filter((path) => basename(path) === 'PT1H.json' && !path.includes(RULE_COUNTERS))
    .flatMap((path) => {
      const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
      const place = relative(folder, path);
      return place.startsWith('insights-logs-flowlogflowevent')
        ? vnetTuples(place, vnetSchema.parse(content) as VnetFile)
        : nsgTuples(place, nsgSchema.parse(content) as NsgFile);
    });
}

function nsgTuples(path: string, { records }: NsgFile): ReadTuple[] {
  return records.flatMap(({ properties }) =>
    properties.flows.flatMap(({ rule, flows }) =>
      flows.flatMap(({ mac, flowTuples }) =>
        flowTuples.map((tuple) => ({ path, rule, mac, tuple })),
      ),
    ),
  );
}

function vnetTuples(path: string, { records }: VnetFile): ReadTuple[] {
  return records.flatMap(({ macAddress, flowRecords }) =>
    flowRecords.flows.flatMap(({ flowGroups }) =>
      flowGroups.flatMap(({ rule, flowTuples }) =>
        flowTuples.map((tuple) => ({ path, rule, mac: macAddress, tuple })),
      ),
    ),
  );
}
