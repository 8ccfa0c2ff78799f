/**
 * RuleCounters: NetworkSecurityGroupRuleCounter, the resource log in which Azure tells every five minutes how many
 * connections each rule matched on each interface (learn.microsoft.com/azure/virtual-network/virtual-network-nsg-manage-log).
 * Written beside network security group flow logs, a line of JSON for each, as Azure's resource logs are.
 *
 * A connection is a flow that was opened, or a denied packet; of a flood only what is told of denied packets.
 */
import { EventKind } from '../../src/engine/event-record.ts';
import { Reason } from '../../src/engine/reason.ts';
import { NO_SLOT } from '../../src/flowtable/record.ts';
import { formatIpv4, formatPrefix } from '../../src/policy/address.ts';
import type { NetworkInterface } from '../../src/policy/configuration-interfaces.ts';
import { localWords } from '../events/event.ts';
import type { ToldEvent } from '../events/hub.ts';
import { flowRules } from '../status.ts';
import {
  type AzureRecord,
  type AzureScope,
  groupResourceId,
  hourFolders,
  RULE_COUNTER_CONTAINER,
  systemIdOf,
  uuidOf,
} from './azure-format.ts';

interface RuleCount {
  readonly networkInterface: string;
  readonly networkSecurityGroup: string;
  readonly ruleName: string;
  readonly direction: 'In' | 'Out';
  readonly type: 'allow' | 'block';
  connections: number;
}

export class RuleCounters {
  readonly #scope: AzureScope;
  readonly #counts = new Map<string, RuleCount>();

  constructor(scope: AzureScope) {
    this.#scope = scope;
  }

  /** @param told a flow that was opened or a packet that was denied */
  add({ wire, event }: ToldEvent): void {
    const isDenied = event.kind === EventKind.Denied;
    if (isDenied && event.reason !== Reason.RuleDeny) return;
    const name = wire.nicNames.nameOf(event.ipVersion === 4, localWords(event));
    if (name === undefined) return;
    const slots = [event.slot0, event.slot1].filter((slot) => slot !== NO_SLOT);
    for (const [index, slot] of slots.entries()) {
      const isBlocking = isDenied && index === slots.length - 1;
      const key = `${wire.name},${name},${slot}`;
      const known = this.#counts.get(key);
      if (known !== undefined) known.connections++;
      else {
        const [rule] = flowRules(wire, [slot]);
        if (rule === undefined || rule.networkSecurityGroup === 'platform') continue;
        this.#counts.set(key, {
          networkInterface: name,
          ...rule,
          direction: event.direction === 0 ? 'In' : 'Out',
          type: isBlocking ? 'block' : 'allow',
          connections: 1,
        });
      }
    }
  }

  /** What was counted; it begins anew. @param interfaces of the policy, by name @param time milliseconds since the epoch */
  take(interfaces: ReadonlyMap<string, NetworkInterface>, time: number): AzureRecord[] {
    const records = [...this.#counts.values()].map((count) =>
      this.#record(count, interfaces.get(count.networkInterface), time),
    );
    this.#counts.clear();
    return records;
  }

  #record(count: RuleCount, found: NetworkInterface | undefined, time: number): AzureRecord {
    const resourceId = groupResourceId(this.#scope, count.networkSecurityGroup);
    const mac = this.#scope.macAddressOf(count.networkInterface);
    const [address] = found?.addresses.ipv4 ?? [];
    const [prefix] = found?.subnet?.prefixes ?? [];
    const record = {
      time: new Date(time).toISOString(),
      systemId: systemIdOf(this.#scope),
      category: 'NetworkSecurityGroupRuleCounter',
      resourceId,
      operationName: 'NetworkSecurityGroupCounters',
      properties: {
        vnetResourceGuid: `{${uuidOf(`network ${this.#scope.subscriptionId}`)}}`,
        subnetPrefix: prefix === undefined ? '' : formatPrefix(prefix),
        macAddress: (mac.match(/../g) ?? []).join('-'),
        primaryIPv4Address: address === undefined ? '' : formatIpv4(address[0]),
        ruleName: count.ruleName.slice(count.ruleName.indexOf('/') + 1),
        direction: count.direction,
        type: count.type,
        matchedConnections: count.connections,
      },
    };
    const folders = [
      RULE_COUNTER_CONTAINER,
      'resourceId=',
      ...resourceId.slice(1).split('/'),
      ...hourFolders(time),
    ];
    return { folders, text: JSON.stringify(record), tuples: 1 };
  }
}
