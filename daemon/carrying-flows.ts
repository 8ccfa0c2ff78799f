/**
 * Whether a flow of the running daemon would carry a packet: what `verify --live` adds to the verdict of the rules.
 */
import { IpProtocol } from '../src/capture/packet.ts';
import type { AddressWords } from '../src/engine/address-set.ts';
import { type FlowIndex, NO_FLOW } from '../src/flowtable/record.ts';
import type { FlowView } from '../src/flowtable/view.ts';
import { addressWords, type FlowTuple } from '../src/policy/explain.ts';
import { type FlowStatus, flowStatus } from './status.ts';
import type { WireView } from './wire-view.ts';

const CARRYING_FLOWS_MAX = 10;

/** Flows of the table that a packet belongs to. */
export interface CarryingFlows {
  /** At most `CARRYING_FLOWS_MAX`: one for each VLAN and, of ICMP, for each echo identifier. */
  readonly flows: readonly FlowStatus[];
}

/** What `isFlowOf` compares: the address words and ports of one packet, as records have them. */
interface WantedFlow {
  readonly isIpv6: boolean;
  readonly protocol: number;
  readonly local: AddressWords;
  readonly remote: AddressWords;
  /** Undefined for any: an echo identifier that nobody asked about. */
  readonly ports: readonly [local: number, remote: number] | undefined;
}

function isFlowOf(flows: FlowView, flow: FlowIndex, wanted: WantedFlow): boolean {
  if ((flows.ipVersion(flow) === 6) !== wanted.isIpv6) return false;
  if (flows.protocol(flow) !== wanted.protocol) return false;
  const { ports } = wanted;
  if (ports !== undefined) {
    if (flows.localPort(flow) !== ports[0] || flows.remotePort(flow) !== ports[1]) return false;
  }
  return (
    wanted.local.every((word, index) => flows.local(flow, index) === word) &&
    wanted.remote.every((word, index) => flows.remote(flow, index) === word)
  );
}

/**
 * The live flows that would carry a packet of that tuple, in either direction: a flow answers before any rule is asked. Goes
 * through the table once; a flow that has timed out and waits to be swept is left out.
 * @param wireName only flows of that wire; undefined for none
 */
export function carryingFlows(
  wires: readonly WireView[],
  wireName: string | undefined,
  tuple: FlowTuple,
): CarryingFlows {
  const wire = wires.find(({ name }) => name === wireName);
  if (wire === undefined) return { flows: [] };
  const { flows } = wire;
  const isEcho = tuple.protocol === IpProtocol.Icmp || tuple.protocol === IpProtocol.Icmpv6;
  const wanted: WantedFlow = {
    isIpv6: typeof tuple.local === 'bigint',
    protocol: tuple.protocol,
    local: addressWords(tuple.local),
    remote: addressWords(tuple.remote),
    ports: isEcho ? undefined : [tuple.localPort, tuple.remotePort],
  };
  const found: FlowStatus[] = [];
  for (let record = 0; record < flows.recordLimit; record++) {
    const flow = flows.flowAt(record);
    if (flow === NO_FLOW || !isFlowOf(flows, flow, wanted)) continue;
    const status = flowStatus(wire, flow);
    if (status.idleSeconds > flows.timeoutOf(flows.list(flow))) continue;
    found.push(status);
    if (found.length === CARRYING_FLOWS_MAX) break;
  }
  return { flows: found };
}
