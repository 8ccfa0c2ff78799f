/**
 * The first packet of a flow, made again from its record: what the rules are asked when a policy change makes them
 * look at a live flow.
 */
import { IpProtocol, type Packet } from '../capture/packet.ts';
import type { FlowTable } from '../flowtable/table.ts';
import type { FlowIndex } from '../flowtable/record.ts';

const TCP = IpProtocol.Tcp;
const UDP = IpProtocol.Udp;
const ICMP = IpProtocol.Icmp;
const ICMPV6 = IpProtocol.Icmpv6;
const ICMP_ECHO = 8;
const ICMPV6_ECHO = 128;

/**
 * Fills the fields of `packet` that rules look at.
 * @param packet overwritten
 * @returns the direction of that packet: 0 inbound, 1 outbound
 */
export function flowOpener(flows: FlowTable, flow: FlowIndex, packet: Packet): number {
  const direction = flows.opener(flow);
  const protocol = flows.protocol(flow);
  const isOutbound = direction === 1;
  packet.ipVersion = flows.ipVersion(flow);
  packet.protocol = protocol;
  packet.vlanOuter = flows.vlanOuter(flow);
  packet.vlanInner = flows.vlanInner(flow);
  packet.src0 = isOutbound ? flows.local(flow, 0) : flows.remote(flow, 0);
  packet.src1 = isOutbound ? flows.local(flow, 1) : flows.remote(flow, 1);
  packet.src2 = isOutbound ? flows.local(flow, 2) : flows.remote(flow, 2);
  packet.src3 = isOutbound ? flows.local(flow, 3) : flows.remote(flow, 3);
  packet.dst0 = isOutbound ? flows.remote(flow, 0) : flows.local(flow, 0);
  packet.dst1 = isOutbound ? flows.remote(flow, 1) : flows.local(flow, 1);
  packet.dst2 = isOutbound ? flows.remote(flow, 2) : flows.local(flow, 2);
  packet.dst3 = isOutbound ? flows.remote(flow, 3) : flows.local(flow, 3);
  packet.hasPorts = protocol === TCP || protocol === UDP;
  packet.srcPort = packet.hasPorts
    ? isOutbound
      ? flows.localPort(flow)
      : flows.remotePort(flow)
    : 0;
  packet.dstPort = packet.hasPorts
    ? isOutbound
      ? flows.remotePort(flow)
      : flows.localPort(flow)
    : 0;
  packet.icmpType = protocol === ICMP ? ICMP_ECHO : protocol === ICMPV6 ? ICMPV6_ECHO : 0;
  return direction;
}
