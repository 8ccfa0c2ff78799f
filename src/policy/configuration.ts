/**
 * Configuration: what one file says, with every reference checked and every default filled in. resolve.ts turns it
 * into what the engine enforces.
 */
import type { z } from 'zod';
import type { AddressSet } from '../engine/address-set.ts';
import {
  candidateSchema,
  configurationSchema,
  platformSchema,
  serviceTagsSchema,
  subscriptionSchema,
  applicationSecurityGroupSchema,
} from './configuration-schema.ts';
import type { NetworkInterface, Wire } from './configuration-interfaces.ts';
import { readNetworkInterfaces, readWires } from './configuration-interfaces.ts';
import { checkLimits } from './configuration-limits.ts';
import type { VirtualNetwork } from './configuration-network.ts';
import { readVirtualNetwork } from './configuration-network.ts';
import type { ConfigurationReader } from './configuration-reader.ts';
import { checkUniqueNames, parsePrefixes } from './configuration-references.ts';
import { setOfPrefixes } from './address.ts';
import type { PlatformProfile, SubscriptionType } from './platform-rules.ts';
import { type Position, quote } from './problem.ts';
import type { NetworkSecurityGroup } from './security-rule.ts';
import type { CustomTag } from './service-tags.ts';
import { isReservedTagName } from './service-tags.ts';
import type { Settings } from './settings.ts';
import { parseDuration, parseEndpoint } from './setting-values.ts';
import {
  controlSchema,
  flowLogsSchema,
  flowTableSchema,
  linkSchema,
  logsSchema,
  metricsSchema,
  runtimeDirectorySchema,
  stateDirectorySchema,
  settingsOf,
  tcpSchema,
} from './settings.ts';

export interface PlatformSettings {
  readonly profile: PlatformProfile;
  readonly hasDefaultRoute: boolean;
  readonly subscription: SubscriptionType | undefined;
}

export interface Configuration extends Settings {
  /** The file, as it was named. */
  readonly file: string;
  readonly virtualNetwork: VirtualNetwork;
  readonly networkSecurityGroups: readonly NetworkSecurityGroup[];
  readonly applicationSecurityGroups: readonly string[];
  readonly networkInterfaces: readonly NetworkInterface[];
  readonly wires: readonly Wire[];
  readonly serviceTags: {
    /** As written, relative to the configuration's folder; undefined when there is none. */
    readonly file: string | undefined;
    readonly custom: readonly CustomTag[];
  };
  readonly platform: PlatformSettings;
  /** Configuration of a policy in shadow; undefined when there is none. */
  readonly candidate: CandidateReference | undefined;
}

export interface CandidateReference {
  /** As written, relative to the configuration's folder. */
  readonly file: string;
  /** Where that stands. */
  readonly at: Position;
}

/** The groups that could be read. */
export interface GroupReading {
  readonly groups: readonly NetworkSecurityGroup[];
  /** False when a file or group could not be read: then a name nobody has may be in it, and is no problem. */
  readonly isComplete: boolean;
}

function readCustomTags(
  reader: ConfigurationReader,
  written: Readonly<Record<string, readonly string[]>>,
): CustomTag[] {
  const items = Object.entries(written).map(([name, texts]) => ({
    value: { name, texts },
    path: ['serviceTags', 'custom', name],
  }));
  checkUniqueNames(reader, items, 'service tag');
  return items.map(({ value: { name, texts }, path }) => {
    if (isReservedTagName(name)) {
      const at = reader.document.keyPositionOf(path);
      const message = `${quote(name)} is one of Azure's own tags and cannot be redefined`;
      reader.problems.error(at, 'ReservedServiceTagName', message);
    }
    if (texts.length === 0) {
      const message = `service tag ${quote(name)} has no prefix: rules that name it match nothing`;
      reader.warning(path, 'EmptyServiceTag', message);
    }
    return { name, addresses: setOfPrefixes(parsePrefixes(reader, texts, path)) };
  });
}

function readPlatform(reader: ConfigurationReader): PlatformSettings {
  const platform = reader.section(platformSchema, ['platform']);
  const subscription = reader.section(subscriptionSchema, ['subscription'])?.type;
  const profile = platform?.profile ?? 'azure';
  if (profile === 'none' && subscription !== undefined) {
    const message = 'subscription.type has no effect with platform.profile none';
    reader.warning(['subscription', 'type'], 'IneffectiveSetting', message);
  }
  return { profile, hasDefaultRoute: platform?.defaultRoute ?? false, subscription };
}

/** Azure's formats are folders, lines of JSON are a file. */
function checkFlowLogs(
  reader: ConfigurationReader,
  { format = 'nsg-v2', directory, file }: z.infer<typeof flowLogsSchema>,
): void {
  const isLines = format === 'ndjson';
  const needed = isLines ? 'file' : 'directory';
  const needless = isLines ? 'directory' : 'file';
  if ((isLines ? file : directory) === undefined) {
    reader.error(['flowLogs'], 'MissingProperty', `flowLogs.${needed} is required for ${format}`);
  }
  if ((isLines ? directory : file) !== undefined) {
    const message = `is not for ${format}, which has flowLogs.${needed}`;
    reader.error(['flowLogs', needless], 'InvalidValue', `flowLogs.${needless} ${message}`);
  }
}

function readSettings(reader: ConfigurationReader, minutes: number | undefined): Settings {
  const flowTable = reader.section(flowTableSchema, ['flowTable']);
  const flowLogs = reader.section(flowLogsSchema, ['flowLogs']);
  const idle = flowTable?.idleTimeout;
  const seconds = idle === undefined ? undefined : parseDuration(idle);
  if (seconds !== undefined && minutes !== undefined && seconds !== minutes * 60) {
    const message =
      `flowTable.idleTimeout is ${seconds} seconds, but virtualNetwork.flowTimeoutInMinutes is ${minutes} minutes; ` +
      'set one of them';
    reader.error(['flowTable', 'idleTimeout'], 'ConflictingTimeouts', message);
  }
  if (flowLogs !== undefined) checkFlowLogs(reader, flowLogs);
  const metrics = reader.section(metricsSchema, ['metrics']);
  warnOfExposure(reader, metrics?.listen);
  return settingsOf({
    flowTable,
    flowLogs,
    metrics,
    tcp: reader.section(tcpSchema, ['tcp']),
    link: reader.section(linkSchema, ['link']),
    control: reader.section(controlSchema, ['control']),
    runtimeDirectory: reader.section(runtimeDirectorySchema, ['runtimeDirectory']),
    stateDirectory: reader.section(stateDirectorySchema, ['stateDirectory']),
    logs: reader.section(logsSchema, ['logs']),
    flowTimeoutInMinutes: minutes,
  });
}

/** The pages ask nobody who they are; they tell names of rules and how much traffic there is. */
function warnOfExposure(reader: ConfigurationReader, listen: string | undefined): void {
  const host = listen === undefined ? undefined : parseEndpoint(listen)?.host;
  if (host === undefined || /^(?:127\.|::1$|localhost$)/.test(host)) return;
  const message =
    `/metrics is served to whoever reaches ${quote(host)}, without a question; ` +
    'let only Prometheus reach it, or listen on 127.0.0.1';
  reader.warning(['metrics', 'listen'], 'MetricsExposed', message);
}

/**
 * The configuration of a document, with its groups already read. Problems go to the reader's list; when it has errors
 * the result is only good for finding more of them.
 */
export function readConfiguration(
  reader: ConfigurationReader,
  { groups, isComplete }: GroupReading,
): Configuration {
  reader.checkRoot(configurationSchema);
  const asgs = reader.items(applicationSecurityGroupSchema, ['applicationSecurityGroups']);
  checkUniqueNames(reader, asgs, 'application security group');
  const wires = readWires(reader);
  const names = {
    networkSecurityGroups: isComplete ? groups.map((group) => group.name) : undefined,
    applicationSecurityGroups: asgs.map((asg) => asg.value.name),
  };
  const virtualNetwork = readVirtualNetwork(reader, names);
  const networkInterfaces = readNetworkInterfaces(reader, names, virtualNetwork);
  const serviceTags = reader.section(serviceTagsSchema, ['serviceTags']);
  const candidate = reader.section(candidateSchema, ['candidate']);
  const configuration: Configuration = {
    file: reader.document.file,
    virtualNetwork,
    networkSecurityGroups: groups,
    applicationSecurityGroups: names.applicationSecurityGroups,
    networkInterfaces,
    wires,
    serviceTags: {
      file: serviceTags?.file,
      custom: readCustomTags(reader, serviceTags?.custom ?? {}),
    },
    platform: readPlatform(reader),
    candidate:
      candidate === undefined ? undefined : { file: candidate, at: reader.at(['candidate']) },
    ...readSettings(reader, virtualNetwork.flowTimeoutInMinutes),
  };
  checkLimits(reader, configuration);
  return configuration;
}

/** The addresses that the network and those connected to it have: part of the VirtualNetwork tag. */
export function virtualNetworkAddresses(network: VirtualNetwork): AddressSet {
  return setOfPrefixes([...network.addressSpace, ...network.connectedAddressSpaces]);
}
