/**
 * Events as the control socket tells them: the JSON of GET /v1/events, version 1. Times are those of the wall clock;
 * numbers and names only, nothing a packet carries is told as it came.
 */
import type { AddressWords } from '../../src/engine/address-set.ts';
import { EVENT_KIND_NAMES, EventKind } from '../../src/engine/event-record.ts';
import type { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import { reasonNames } from '../../src/engine/reason.ts';
import { IpProtocol, TcpFlag } from '../../src/capture/packet.ts';
import { REMOVE_REASON_NAMES } from '../../src/flowtable/record.ts';
import { formatEndpoint, formatWords, ipProtocolName } from '../packet-text.ts';
import { type FlowRule, flowRules } from '../status.ts';
import type { WireView } from '../wire-view.ts';

export interface FlowEvent {
  readonly type: 'opened' | 'ended' | 'denied';
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly wire: string;
  /** Absent when the local address is nobody's, or there is none. */
  readonly networkInterface?: string;
  /** Of the packet that opened the flow or was denied. */
  readonly direction: 'Inbound' | 'Outbound';
  /** Absent, as what follows up to `icmpId`, for a frame without a fit packet. */
  readonly protocol?: string;
  readonly local?: string;
  readonly remote?: string;
  readonly vlans: readonly number[];
  /** Letters as tcpdump prints them: `S`, `S.`, `F.`. */
  readonly tcpFlags?: string;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  /** Identifier of an echo request or reply. */
  readonly icmpId?: number;
  /** Why: of an opened flow and a denied packet as in the metrics; of an ended flow as in `nsgd_flows_closed_total`. */
  readonly reason: string;
  /** Of a denied packet the last one denied it. */
  readonly rules: readonly FlowRule[];
  readonly generation: number;
  /** Of the frame that opened the flow or was denied. */
  readonly frameBytes?: number;
  /** Of an ended flow; absent when its beginning was not told. */
  readonly startTime?: string;
  readonly durationSeconds?: number;
  /** Of an ended flow, IP headers included; inbound and outbound as seen from the network interface. */
  readonly packetsOut?: number;
  readonly bytesOut?: number;
  readonly packetsIn?: number;
  readonly bytesIn?: number;
}

export interface ReloadEvent {
  readonly type: 'reload';
  readonly time: string;
  readonly isSuccessful: boolean;
  /** In force after it. */
  readonly generation: number;
  /** Rules added, removed or changed. */
  readonly changes: number;
  readonly problems: number;
}

export interface DataPlaneEvent {
  readonly type: 'data-plane';
  readonly time: string;
  readonly wire: string;
  /** `running`, `waiting`, `starting`, `backing-off`, `stopping`, `stopped`. */
  readonly state: string;
  /** Why it is not running. */
  readonly detail: string;
}

/** Events that happened and are not told. */
export interface SuppressedEvent {
  readonly type: 'suppressed';
  readonly time: string;
  readonly count: number;
  /**
   * `rate`: more than the watcher wants in a second. `slow`: the watcher did not read in time. `ring`: the control process
   * did not. `denied`: more packets were denied than are told.
   */
  readonly cause: 'rate' | 'slow' | 'ring' | 'denied';
  readonly wire?: string;
}

/** The last event: the daemon ends. */
export interface StoppingEvent {
  readonly type: 'stopping';
  readonly time: string;
}

/** What is not of a single flow. */
export type Notice = ReloadEvent | DataPlaneEvent | SuppressedEvent | StoppingEvent;
export type DaemonEvent = FlowEvent | Notice;

/** What can be asked for by type. */
export const EVENT_TYPES = ['opened', 'ended', 'denied', 'reload', 'data-plane'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** In place of the remote port: an ICMP message that is no echo (flowtable/key.ts). */
const NO_ECHO = 0xffff;

const TCP_FLAG_LETTERS: readonly (readonly [flag: number, letter: string])[] = [
  [TcpFlag.Fin, 'F'],
  [TcpFlag.Syn, 'S'],
  [TcpFlag.Rst, 'R'],
  [TcpFlag.Psh, 'P'],
  [TcpFlag.Urg, 'U'],
  [TcpFlag.Ece, 'E'],
  [TcpFlag.Cwr, 'W'],
  [TcpFlag.Ack, '.'],
];

export function localWords(event: FlowEventReader): AddressWords {
  return [event.local(0), event.local(1), event.local(2), event.local(3)];
}

export function remoteWords(event: FlowEventReader): AddressWords {
  return [event.remote(0), event.remote(1), event.remote(2), event.remote(3)];
}

/** RFC 3339 of a monotonic time. @param offset milliseconds from the monotonic to the wall clock */
export function timeText(milliseconds: number, offset: number): string {
  return new Date(Math.round(milliseconds + offset)).toISOString();
}

/**
 * The current event of a wire's ring as JSON.
 * @param offset milliseconds from the monotonic to the wall clock
 * @param startedAt of an ended flow, monotonic milliseconds; undefined when it is not known
 */
export function flowEvent(
  wire: WireView,
  event: FlowEventReader,
  offset: number,
  startedAt: number | undefined,
): FlowEvent {
  const { kind } = event;
  const isEnded = kind === EventKind.Ended;
  const networkInterface = event.hasPacket
    ? wire.nicNames.nameOf(event.ipVersion === 4, localWords(event))
    : undefined;
  return {
    type: EVENT_KIND_NAMES[kind] as FlowEvent['type'],
    time: timeText(event.time, offset),
    wire: wire.name,
    ...(networkInterface === undefined ? {} : { networkInterface }),
    direction: event.direction === 0 ? 'Inbound' : 'Outbound',
    ...(event.hasPacket ? endpoints(event) : {}),
    vlans: [event.vlanOuter, event.vlanInner].filter((vlan) => vlan !== 0),
    ...(event.hasPacket && !event.isLaterFragment ? protocolFields(event) : {}),
    reason: (isEnded ? REMOVE_REASON_NAMES : reasonNames)[event.reason] ?? 'unknown',
    rules: flowRules(wire, [event.slot0, event.slot1]),
    generation: event.generation,
    ...(isEnded ? endFields(event, offset, startedAt) : { frameBytes: event.frameLength }),
  };
}

function endpoints(event: FlowEventReader): Pick<FlowEvent, 'protocol' | 'local' | 'remote'> {
  const isIpv4 = event.ipVersion === 4;
  const { hasPorts } = event;
  const local = formatWords(isIpv4, localWords(event));
  const remote = formatWords(isIpv4, remoteWords(event));
  return {
    protocol: ipProtocolName(event.protocol),
    local: formatEndpoint(local, hasPorts ? event.localPort : undefined),
    remote: formatEndpoint(remote, hasPorts ? event.remotePort : undefined),
  };
}

function protocolFields(
  event: FlowEventReader,
): Pick<FlowEvent, 'tcpFlags' | 'icmpType' | 'icmpCode' | 'icmpId'> {
  const { protocol } = event;
  const isEnded = event.kind === EventKind.Ended;
  if (protocol === IpProtocol.Tcp && !isEnded) return { tcpFlags: tcpFlagsText(event.tcpFlags) };
  if (protocol !== IpProtocol.Icmp && protocol !== IpProtocol.Icmpv6) return {};
  return {
    ...(isEnded ? {} : { icmpType: event.icmpType, icmpCode: event.icmpCode }),
    ...(event.remotePort === NO_ECHO ? {} : { icmpId: event.localPort }),
  };
}

function tcpFlagsText(flags: number): string {
  return TCP_FLAG_LETTERS.filter(([flag]) => (flags & flag) !== 0)
    .map(([, letter]) => letter)
    .join('');
}

function endFields(
  event: FlowEventReader,
  offset: number,
  startedAt: number | undefined,
): Partial<FlowEvent> {
  return {
    ...(startedAt === undefined
      ? {}
      : {
          startTime: timeText(startedAt, offset),
          durationSeconds: Math.max(0, event.time - startedAt) / 1000,
        }),
    packetsOut: event.packets(1),
    bytesOut: event.bytes(1),
    packetsIn: event.packets(0),
    bytesIn: event.bytes(0),
  };
}
