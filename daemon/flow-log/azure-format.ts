/**
 * Flow records as Azure writes them: network security group flow logs, version 1 and 2, and virtual network flow logs,
 * version 4 (learn.microsoft.com/azure/network-watcher: nsg-flow-logs-overview, vnet-flow-logs-overview). Field for field,
 * and in Azure's folders, so that what reads Azure's logs reads these.
 *
 * The tuples of one interface are gathered under the rules that decided, and become one record when they are taken.
 */
import { createHash } from 'node:crypto';
import { IpProtocol } from '../../src/capture/packet.ts';
import type { FlowRecord } from './record.ts';

/** 1 and 2: network security group flow logs; 4: virtual network flow logs. */
export type AzureVersion = 1 | 2 | 4;

/** What Azure's records name that a policy does not. */
export interface AzureScope {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly region: string;
  /** Twelve hexadecimal digits of an interface, in upper case. */
  readonly macAddressOf: (networkInterface: string) => string;
}

/** One record of Azure's, and the file it belongs into. */
export interface AzureRecord {
  /** Folders below the log's own, outermost first. */
  readonly folders: readonly string[];
  readonly text: string;
  /** Tuples in it. */
  readonly tuples: number;
}

const NSG_CATEGORY = 'NetworkSecurityGroupFlowEvent';
const NSG_CONTAINER = 'insights-logs-networksecuritygroupflowevent';
export const RULE_COUNTER_CONTAINER = 'insights-logs-networksecuritygrouprulecounter';
const VNET_CATEGORY = 'FlowLogFlowEvent';
const VNET_CONTAINER = 'insights-logs-flowlogflowevent';
/** Folders of the logs, below the one that is configured. */
export const CONTAINERS: readonly string[] = [
  NSG_CONTAINER,
  VNET_CONTAINER,
  RULE_COUNTER_CONTAINER,
];
/** Where no rule of a security group decided. */
const UNSPECIFIED = 'unspecified';
/** Not encrypted: what goes over a wire is as its ends sent it. */
const ENCRYPTION = 'NX';
const MILLISECONDS = 1000;

/** Prefixes of rule names in flow logs, by the list that Azure prints. */
const RULE_PREFIXES: Readonly<Record<string, string>> = {
  securityRules: 'UserRule',
  defaultSecurityRules: 'DefaultRule',
  platformRules: 'PlatformRule',
};

/** `securityRules/AllowHttp` to `UserRule_AllowHttp`. */
export function flowLogRuleName(ruleName: string | undefined): string {
  if (ruleName === undefined) return UNSPECIFIED;
  const slash = ruleName.indexOf('/');
  const prefix = RULE_PREFIXES[ruleName.slice(0, slash)] ?? 'UserRule';
  return `${prefix}_${ruleName.slice(slash + 1)}`;
}

/** A UUID (RFC 9562, version 8) that is always the same for a text: Azure's identifiers of what has none here. */
export function uuidOf(text: string): string {
  const digits = createHash('sha256').update(text).digest('hex');
  const variant = ((Number.parseInt(digits.charAt(16), 16) & 3) | 8).toString(16);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
}

/** A locally administered address that is always the same for a name, where none is configured. */
export function macAddressFor(networkInterface: string): string {
  const bytes = createHash('sha256').update(networkInterface.toLowerCase()).digest();
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return bytes.subarray(0, 6).toString('hex').toUpperCase();
}

/** `1542110377,10.5.16.4,203.0.113.118,59831,443,T,O,A,C,30,16978,24,14008` */
export function nsgTuple(record: FlowRecord, version: 1 | 2): string {
  const { state, counts } = record;
  const isDenied = state === 'D';
  const tuple = [
    Math.floor(record.time / MILLISECONDS),
    record.source,
    record.destination,
    record.sourcePort,
    record.destinationPort,
    record.protocol === IpProtocol.Tcp ? 'T' : 'U',
    record.direction === 0 ? 'I' : 'O',
    isDenied ? 'D' : 'A',
  ];
  if (version === 1) return tuple.join(',');
  // A denied flow is one that begins and comes to nothing; at its beginning a flow has no counts.
  if (isDenied || state === 'B') return [...tuple, 'B', '', '', '', ''].join(',');
  const { packetsToDestination, bytesToDestination, packetsToSource, bytesToSource } = counts;
  return [
    ...tuple,
    state,
    packetsToDestination,
    bytesToDestination,
    packetsToSource,
    bytesToSource,
  ].join(',');
}

/** `1663146003599,10.0.0.6,52.239.184.180,23956,443,6,O,B,NX,0,0,0,0` */
export function vnetTuple(record: FlowRecord): string {
  const { counts } = record;
  return [
    Math.floor(record.time),
    record.source,
    record.destination,
    record.sourcePort,
    record.destinationPort,
    record.protocol,
    record.direction === 0 ? 'I' : 'O',
    record.state,
    ENCRYPTION,
    counts.packetsToDestination,
    counts.bytesToDestination,
    counts.packetsToSource,
    counts.bytesToSource,
  ].join(',');
}

/** Tuples of one interface, by security group and rule. */
type Group = Map<string, Map<string, string[]>>;

export class AzureFormat {
  readonly #version: AzureVersion;
  readonly #scope: AzureScope;
  /** By MAC address. */
  readonly #groups = new Map<string, Group>();
  /** Tuples that wait to be taken. */
  size = 0;

  constructor(version: AzureVersion, scope: AzureScope) {
    this.#version = version;
    this.#scope = scope;
  }

  /** @returns false for what such a log does not have */
  add(record: FlowRecord): boolean {
    const { networkInterface, networkSecurityGroup } = record;
    if (networkInterface === undefined || !this.#isLogged(record)) return false;
    const tuple = this.#version === 4 ? vnetTuple(record) : nsgTuple(record, this.#version);
    const mac = this.#scope.macAddressOf(networkInterface);
    const group = getOrMake(this.#groups, mac, (): Group => new Map());
    const rules = getOrMake(group, networkSecurityGroup ?? '', () => new Map<string, string[]>());
    getOrMake(rules, flowLogRuleName(record.ruleName), (): string[] => []).push(tuple);
    this.size++;
    return true;
  }

  /** The records of what was added; what is added from now on is for the next. @param time milliseconds since the epoch */
  take(time: number): AzureRecord[] {
    const records = [...this.#groups].flatMap(([mac, group]) =>
      this.#version === 4
        ? [this.#vnetRecord(time, mac, group)]
        : [...group].map(([name, rules]) => this.#nsgRecord(time, mac, name, rules)),
    );
    this.#groups.clear();
    this.size = 0;
    return records;
  }

  #isLogged({ state, reason, protocol, networkSecurityGroup, ruleName }: FlowRecord): boolean {
    if (state === 'D' && reason !== 'rule_deny' && reason !== 'platform_deny') return false;
    if (this.#version === 4) return true;
    // Version 1 tells of each flow once.
    if (this.#version === 1 && (state === 'C' || state === 'E')) return false;
    // The log is of a security group, which platform rules are not part of, and of TCP and UDP alone.
    if (networkSecurityGroup === undefined || ruleName?.startsWith('platformRules/') === true) {
      return false;
    }
    return protocol === IpProtocol.Tcp || protocol === IpProtocol.Udp;
  }

  #nsgRecord(
    time: number,
    mac: string,
    name: string,
    rules: ReadonlyMap<string, readonly string[]>,
  ): AzureRecord {
    const resourceId = groupResourceId(this.#scope, name);
    const flows = [...rules].map(([rule, flowTuples]) => ({ rule, flows: [{ mac, flowTuples }] }));
    const record = {
      time: new Date(time).toISOString(),
      systemId: systemIdOf(this.#scope),
      category: NSG_CATEGORY,
      resourceId,
      operationName: 'NetworkSecurityGroupFlowEvents',
      properties: { Version: this.#version, flows },
    };
    return {
      folders: [
        NSG_CONTAINER,
        'resourceId=',
        ...resourceId.slice(1).split('/'),
        ...hourFolders(time),
        `macAddress=${mac}`,
      ],
      text: JSON.stringify(record),
      tuples: countTuples(rules),
    };
  }

  #vnetRecord(time: number, mac: string, group: Group): AzureRecord {
    const { subscriptionId, region } = this.#scope;
    const watcher = `NETWORKWATCHER_${region.toUpperCase()}`;
    const flows = [...group].map(([name, rules]) => ({
      aclID:
        name === '' || name === 'platform'
          ? UNSPECIFIED
          : uuidOf(groupResourceId(this.#scope, name)),
      flowGroups: [...rules].map(([rule, flowTuples]) => ({ rule, flowTuples })),
    }));
    const flowLogId =
      `/SUBSCRIPTIONS/${subscriptionId.toUpperCase()}/RESOURCEGROUPS/NETWORKWATCHERRG` +
      `/PROVIDERS/MICROSOFT.NETWORK/NETWORKWATCHERS/${watcher}/FLOWLOGS/NSGD`;
    const record = {
      time: new Date(time).toISOString(),
      flowLogVersion: 4,
      flowLogGUID: uuidOf(flowLogId),
      macAddress: mac,
      category: VNET_CATEGORY,
      flowLogResourceID: flowLogId,
      targetResourceID: `${providerPrefix(this.#scope)}/virtualNetworks/NSGD`,
      operationName: 'FlowLogFlowEvent',
      flowRecords: { flows },
    };
    return {
      folders: [
        VNET_CONTAINER,
        'flowLogResourceID=',
        `${subscriptionId.toUpperCase()}_NETWORKWATCHERRG`,
        `${watcher}_NSGD`,
        ...hourFolders(time),
        `macAddress=${mac}`,
      ],
      text: JSON.stringify(record),
      tuples: [...group.values()].reduce((sum, rules) => sum + countTuples(rules), 0),
    };
  }
}

/** What wrote a record: the same for all of a subscription. */
export function systemIdOf({ subscriptionId }: AzureScope): string {
  return uuidOf(`system ${subscriptionId}`);
}

/** Of a security group; in upper case, as Azure writes it in logs and paths. */
export function groupResourceId(scope: AzureScope, name: string): string {
  return `${providerPrefix(scope)}/networkSecurityGroups/${name}`.toUpperCase();
}

function providerPrefix({ subscriptionId, resourceGroup }: AzureScope): string {
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Network`;
}

/** `y=2026`, `m=11`, `d=26`, `h=10`, `m=00`: UTC, a file for each hour. */
export function hourFolders(time: number): string[] {
  const [year = '', month = '', day = '', hour = ''] = new Date(time).toISOString().split(/[-T:]/);
  return [`y=${year}`, `m=${month}`, `d=${day}`, `h=${hour}`, 'm=00'];
}

function countTuples(rules: ReadonlyMap<string, readonly string[]>): number {
  return [...rules.values()].reduce((sum, tuples) => sum + tuples.length, 0);
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
