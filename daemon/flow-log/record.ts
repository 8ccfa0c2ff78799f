/**
 * FlowRecord: one line of a flow log, before it has a format: a flow that began, went on or ended, or a packet that was
 * denied, seen as Azure's logs see it: from source to destination of the packet that opened the flow.
 */
import { NO_SLOT } from '../../src/flowtable/record.ts';
import type { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import type { AddressWords } from '../../src/engine/address-set.ts';
import { formatWords } from '../packet-text.ts';
import { flowRules } from '../status.ts';
import type { WireView } from '../wire-view.ts';

/** Begin, continue, end; denied. */
export type FlowState = 'B' | 'C' | 'E' | 'D';

/** Packets and bytes since the record before; bytes with IP headers. */
export interface FlowCounts {
  readonly packetsToDestination: number;
  readonly bytesToDestination: number;
  readonly packetsToSource: number;
  readonly bytesToSource: number;
}

export const NO_COUNTS: FlowCounts = {
  packetsToDestination: 0,
  bytesToDestination: 0,
  packetsToSource: 0,
  bytesToSource: 0,
};

/** Whose flow it is and what decided. */
export interface FlowIdentity {
  readonly wire: string;
  /** Of the policy; undefined when the local address is nobody's. */
  readonly networkInterface: string | undefined;
  /** Of the deciding rule; undefined when none decided. */
  readonly networkSecurityGroup: string | undefined;
  /** As Azure prints it: `securityRules/x`. */
  readonly ruleName: string | undefined;
  /** IP protocol number. */
  readonly protocol: number;
  /** Of the packet that opened the flow: 0 inbound, 1 outbound. */
  readonly direction: 0 | 1;
  readonly source: string;
  readonly destination: string;
  /** 0 where the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface FlowRecord extends FlowIdentity {
  readonly state: FlowState;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly counts: FlowCounts;
  /** Of a denied packet: why, as in the metrics; and how many there were of it in the interval. */
  readonly reason?: string;
  readonly packets?: number;
}

/** What an event and a flow of the table both tell of a flow. */
export interface FlowFields {
  readonly ipVersion: number;
  readonly protocol: number;
  readonly direction: 0 | 1;
  readonly local: AddressWords;
  readonly remote: AddressWords;
  readonly localPort: number;
  readonly remotePort: number;
  readonly hasPorts: boolean;
  readonly slot0: number;
  readonly slot1: number;
}

export function fieldsOfEvent(event: FlowEventReader): FlowFields {
  const { ipVersion, protocol, direction, localPort, remotePort, hasPorts, slot0, slot1 } = event;
  return {
    ipVersion,
    protocol,
    direction,
    local: [event.local(0), event.local(1), event.local(2), event.local(3)],
    remote: [event.remote(0), event.remote(1), event.remote(2), event.remote(3)],
    localPort,
    remotePort,
    hasPorts,
    slot0,
    slot1,
  };
}

export function identityOf(wire: WireView, fields: FlowFields): FlowIdentity {
  const { direction, hasPorts } = fields;
  const isIpv4 = fields.ipVersion === 4;
  const local = formatWords(isIpv4, fields.local);
  const remote = formatWords(isIpv4, fields.remote);
  const localPort = hasPorts ? fields.localPort : 0;
  const remotePort = hasPorts ? fields.remotePort : 0;
  // The last rule that was asked: the one that denied, or that of the last stage, which logs in Azure too.
  const rule = flowRules(wire, [fields.slot1 === NO_SLOT ? fields.slot0 : fields.slot1]).at(0);
  const isOutbound = direction === 1;
  return {
    wire: wire.name,
    networkInterface: wire.nicNames.nameOf(isIpv4, fields.local),
    networkSecurityGroup: rule?.networkSecurityGroup,
    ruleName: rule?.ruleName,
    protocol: fields.protocol,
    direction,
    source: isOutbound ? local : remote,
    destination: isOutbound ? remote : local,
    sourcePort: isOutbound ? localPort : remotePort,
    destinationPort: isOutbound ? remotePort : localPort,
  };
}
