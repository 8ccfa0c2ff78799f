/**
 * The settings of the daemon: everything in the configuration that is not about who may talk to whom. Schemas and
 * what they are read into; every setting has a default.
 */
import { z } from 'zod';
import type { LinkPolicy } from '../engine/policy.ts';
import {
  controlSocketIn,
  DEFAULT_RUNTIME_DIRECTORY,
  type Endpoint,
  parseDuration,
  parseEndpoint,
} from './setting-values.ts';

const DURATION_SECONDS_MAX = 86_400;
/** Azure's "a few minutes", made exact (the least that flowTimeoutInMinutes takes). */
const IDLE_TIMEOUT_SECONDS = 240;
/** Where a kernel's `sun_path` ends, without the final zero byte (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

function isDuration(value: number | string): boolean {
  const seconds = parseDuration(value);
  return (
    seconds !== undefined &&
    Number.isInteger(seconds) &&
    seconds >= 1 &&
    seconds <= DURATION_SECONDS_MAX
  );
}

function isSocketPath(path: string): boolean {
  return path.startsWith('/') && new TextEncoder().encode(path).length <= SOCKET_PATH_BYTES_MAX;
}

const absolutePath = z
  .string()
  .refine((path) => path.startsWith('/'), { error: 'must be an absolute path' });

/** A fixed set of words. The default message of zod does not repeat what was written. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  words: T,
): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(words, { error: `must be one of ${words.join(', ')}` });
}

export const flowTableSchema = z.strictObject({
  maxFlows: z
    .int()
    .min(1, { error: 'must be at least 1' })
    .max(16_777_216, { error: 'must be at most 16777216' })
    .optional()
    .describe('Flows remembered at once; 96 bytes of memory each. Default 1048576'),
  idleTimeout: z
    .union([z.number(), z.string()], { error: 'must be a duration such as 4m, 240s or 240' })
    .refine(isDuration, { error: 'must be a duration from 1s to 24h, such as 4m, 240s or 240' })
    .optional()
    .describe('Idle time after which a flow is forgotten: 4m, 240s or seconds. Default 4m'),
});

export const metricsSchema = z.strictObject({
  listen: z
    .string()
    .refine((text) => text === 'off' || parseEndpoint(text) !== undefined, {
      error: 'must be host:port, such as 127.0.0.1:9469 or [::1]:9469, or off',
    })
    .optional()
    .describe('Where /metrics is served, host:port, or off. Default 127.0.0.1:9469'),
});

export const tcpSchema = z.strictObject({
  pickup: oneOf(['strict', 'loose'])
    .optional()
    .describe('A TCP packet without a flow that is no SYN: drop it, or let the rules judge it'),
});

export const linkSchema = z.strictObject({
  unknownEtherType: oneOf(['drop', 'pass'])
    .optional()
    .describe('Frames that are not IPv4, IPv6 or ARP. Default drop'),
  forwardLinkLocal: z
    .boolean()
    .optional()
    .describe('Forward frames to 01:80:c2:00:00:0x (STP, LLDP, pause). Default false'),
});

/** Letters that names of Azure have and that can be part of a path. */
const azureName = z.string().refine((name) => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,89}$/.test(name), {
  error: 'must be of letters, digits, _ . and -, at most 90',
});

const groupName = z.string().refine((name) => /^[a-z_][a-z0-9_-]{0,31}$/.test(name), {
  error: 'must be the name of a group',
});

export const controlSchema = z.strictObject({
  socket: z
    .string()
    .refine(isSocketPath, {
      error: `must be an absolute path of at most ${SOCKET_PATH_BYTES_MAX} bytes`,
    })
    .optional()
    .describe('Path of the control socket. Default control.sock in the runtime directory'),
  group: groupName
    .optional()
    .describe('Group that may give orders. Default: the group of the daemon'),
  readOnlySocket: z
    .string()
    .refine(isSocketPath, {
      error: `must be an absolute path of at most ${SOCKET_PATH_BYTES_MAX} bytes`,
    })
    .optional()
    .describe(
      'Path of a second socket that answers questions and takes no orders. Default: there is none',
    ),
  readOnlyGroup: groupName
    .optional()
    .describe('Group that may ask at the second socket. Default: the group of the daemon'),
});

export const runtimeDirectorySchema = absolutePath.describe(
  'Folder on tmpfs for the shared segments and the control socket. Default /run/nsgd',
);

export const stateDirectorySchema = absolutePath.describe(
  'Folder for what outlives a restart: the flows that a stop saves. Default: the one systemd gives, else the runtime directory',
);

export const flowLogsSchema = z.strictObject({
  format: oneOf(['nsg-v1', 'nsg-v2', 'vnet-v4', 'ndjson'])
    .optional()
    .describe(
      'Network security group flow logs version 1 or 2, virtual network flow logs version 4, or a line of JSON for each record. Default nsg-v2',
    ),
  directory: absolutePath
    .optional()
    .describe("Folder of Azure's formats, which are laid out below it as Azure does"),
  file: z
    .string()
    .refine((path) => path === '-' || path.startsWith('/'), {
      error: 'must be an absolute path, or - for standard output',
    })
    .optional()
    .describe('File that ndjson is added to, or - for standard output, as for the journal'),
  retentionDays: z
    .int()
    .min(0, { error: 'must be at least 0' })
    .max(365, { error: 'must be at most 365' })
    .optional()
    .describe("Days after which Azure's files are removed; 0 keeps them. Default 0"),
  subscriptionId: z
    .string()
    .regex(/^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/, { error: 'must be a UUID' })
    .optional()
    .describe("Subscription that Azure's records name. Default zeros"),
  resourceGroup: azureName.optional().describe('Resource group that they name. Default nsgd'),
  region: azureName.optional().describe('Region that vnet-v4 names. Default local'),
});

export const logsSchema = z.strictObject({
  level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
    .optional()
    .describe('Least severe log line that is written. Default info'),
});

/** The sections as written, each undefined when absent. */
export interface WrittenSettings {
  readonly flowTable: z.infer<typeof flowTableSchema> | undefined;
  readonly metrics: z.infer<typeof metricsSchema> | undefined;
  readonly tcp: z.infer<typeof tcpSchema> | undefined;
  readonly link: z.infer<typeof linkSchema> | undefined;
  readonly control: z.infer<typeof controlSchema> | undefined;
  readonly runtimeDirectory: z.infer<typeof runtimeDirectorySchema> | undefined;
  readonly stateDirectory: z.infer<typeof stateDirectorySchema> | undefined;
  readonly flowLogs: z.infer<typeof flowLogsSchema> | undefined;
  readonly logs: z.infer<typeof logsSchema> | undefined;
  /** `virtualNetwork.flowTimeoutInMinutes`: Azure's name for the idle timeout. */
  readonly flowTimeoutInMinutes: number | undefined;
}

/** A socket of the daemon. Who may connect is who is in its group. */
export interface ControlSocket {
  readonly path: string;
  /** Undefined: the group of the process. */
  readonly group: string | undefined;
  /** It answers questions and takes no orders. */
  readonly isReadOnly: boolean;
}

function controlSockets(
  control: z.infer<typeof controlSchema> | undefined,
  runtimeDirectory: string,
): ControlSocket[] {
  const path = control?.socket ?? controlSocketIn(runtimeDirectory);
  const first = { path, group: control?.group, isReadOnly: false };
  const second = control?.readOnlySocket;
  if (second === undefined) return [first];
  return [first, { path: second, group: control?.readOnlyGroup, isReadOnly: true }];
}

export interface FlowLogSettings {
  readonly format: 'nsg-v1' | 'nsg-v2' | 'vnet-v4' | 'ndjson';
  /** Of the folder; for ndjson of the file, or `-` for standard output. */
  readonly path: string;
  /** 0: for ever. */
  readonly retentionDays: number;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly region: string;
}

/** @param written has passed its schema */
function flowLogSettings(written: z.infer<typeof flowLogsSchema>): FlowLogSettings {
  return {
    format: written.format ?? 'nsg-v2',
    path: written.directory ?? written.file ?? '-',
    retentionDays: written.retentionDays ?? 0,
    subscriptionId: written.subscriptionId ?? '00000000-0000-0000-0000-000000000000',
    resourceGroup: written.resourceGroup ?? 'nsgd',
    region: written.region ?? 'local',
  };
}

/** The settings with defaults filled in. */
export interface Settings {
  readonly flowTable: {
    readonly maxFlows: number;
    /** Seconds. */
    readonly idleTimeout: number;
  };
  /** Undefined: not served. */
  readonly metrics: Endpoint | undefined;
  readonly link: LinkPolicy;
  /** The one that takes orders first. */
  readonly controlSockets: readonly ControlSocket[];
  readonly runtimeDirectory: string;
  /** Undefined: the service manager's, else the runtime directory. */
  readonly stateDirectory: string | undefined;
  /** Undefined: none are written. */
  readonly flowLogs: FlowLogSettings | undefined;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
}

/** Fills in the defaults. `written` has passed the schemas. */
export function settingsOf(written: WrittenSettings): Settings {
  const { flowTable, flowLogs, flowTimeoutInMinutes } = written;
  const minutes = flowTimeoutInMinutes === undefined ? undefined : flowTimeoutInMinutes * 60;
  const idle = flowTable?.idleTimeout;
  const listen = written.metrics?.listen ?? '127.0.0.1:9469';
  const runtimeDirectory = written.runtimeDirectory ?? DEFAULT_RUNTIME_DIRECTORY;
  return {
    flowTable: {
      maxFlows: flowTable?.maxFlows ?? 1_048_576,
      idleTimeout:
        (idle === undefined ? undefined : parseDuration(idle)) ?? minutes ?? IDLE_TIMEOUT_SECONDS,
    },
    metrics: parseEndpoint(listen),
    link: {
      isUnknownEtherTypePassed: written.link?.unknownEtherType === 'pass',
      isLinkLocalForwarded: written.link?.forwardLinkLocal ?? false,
      isTcpPickupLoose: written.tcp?.pickup === 'loose',
    },
    controlSockets: controlSockets(written.control, runtimeDirectory),
    runtimeDirectory,
    stateDirectory: written.stateDirectory,
    flowLogs: flowLogs === undefined ? undefined : flowLogSettings(flowLogs),
    logLevel: written.logs?.level ?? 'info',
  };
}
