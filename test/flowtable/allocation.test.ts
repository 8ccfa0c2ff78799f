/**
 * Nothing on the path of a packet allocates: not a hit, not a new flow, not the end of one.
 */
import { describe, expect, test } from 'vitest';
import { IpProtocol, Packet, TcpFlag } from '../../src/capture/packet.ts';
import { FragmentTable, MAX_DATAGRAMS } from '../../src/flowtable/fragments.ts';
import { FlowKey, flowKey, quotedFlowKey } from '../../src/flowtable/key.ts';
import {
  type FlowIndex,
  FlowState,
  NO_FLOW,
  RemoveReason,
  SECONDS_MASK,
} from '../../src/flowtable/record.ts';
import { startKind } from '../../src/flowtable/start.ts';
import type { FlowTable } from '../../src/flowtable/table.ts';
import { isQuotePlausible, track } from '../../src/flowtable/track.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import { addFlow, fillPacket, keyOf, newTable, NO_SLOTS } from '../helpers/flows.ts';

const FLOWS = 1024;
const LIMIT = 0.5;
/** Shortly before the seconds of a record wrap. */
const LATE = SECONDS_MASK - 100;

/** Finds or makes the flow of a packet and tracks it, as the pipeline does. */
function hit(
  table: FlowTable,
  key: FlowKey,
  packet: Packet,
  direction: number,
  now: number,
): FlowIndex {
  flowKey(packet, direction, key);
  let flow = table.find(key, now);
  if (flow === NO_FLOW) flow = table.insert(key, direction, now, 1, NO_SLOTS);
  if (flow !== NO_FLOW) track(table, flow, packet, direction, now);
  return flow;
}

/** Tries until the code runs compiled, which takes long on a busy machine: before that it boxes its numbers. */
function bytesOf(call: (index: number) => void): number {
  let bytes = LIMIT;
  for (let attempt = 0; attempt < 20 && bytes >= LIMIT; attempt++) {
    bytes = bytesPerCall(call, 20_000, 2);
  }
  return bytes;
}

describe('bytes per call', () => {
  const key = new FlowKey();
  const packet = new Packet();

  test.each([
    ['UDP', IpProtocol.Udp, 0],
    ['TCP', IpProtocol.Tcp, 0],
    ['UDP, over a clock that goes on', IpProtocol.Udp, 1],
    ['TCP, over a clock that goes on', IpProtocol.Tcp, 1],
  ])('a hit, both ways, IPv4 and IPv6: %s', (_name, protocol, tick) => {
    const table = newTable({ maxFlows: FLOWS });
    let now = LATE;
    let sequence = 0x7fff_0000;
    const bytes = bytesOf((index) => {
      const number = index % FLOWS;
      const direction = (index >>> 10) & 1;
      if (number === 0) now += tick;
      fillPacket(packet, number, direction, protocol);
      sequence = (sequence + 3) | 0;
      packet.tcpSequence = sequence;
      packet.tcpAcknowledgment = ~sequence;
      packet.tcpPayloadLength = index & 1023;
      hit(table, key, packet, direction, now);
    });
    expect(table.size).toBe(FLOWS);
    expect(table.lookups).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('a TCP connection from SYN to RST', () => {
    const table = newTable({ maxFlows: FLOWS });
    const flags = [
      TcpFlag.Syn,
      TcpFlag.Syn | TcpFlag.Ack,
      TcpFlag.Ack,
      TcpFlag.Ack,
      TcpFlag.Fin | TcpFlag.Ack,
      TcpFlag.Ack,
      TcpFlag.Fin | TcpFlag.Ack,
      TcpFlag.Rst,
    ];
    let closed = 0;
    const bytes = bytesOf((index) => {
      const step = index & 7;
      const direction = step & 1;
      const number = (index >>> 3) % FLOWS;
      fillPacket(packet, number, direction, IpProtocol.Tcp);
      packet.tcpFlags = flags[step] ?? 0;
      packet.tcpSequence = 100 + (step > 1 ? 1 : 0);
      packet.tcpAcknowledgment = 101;
      packet.tcpPayloadLength = 0;
      const flow = hit(table, key, packet, direction, LATE);
      if (step === 7) {
        if (table.state(flow) >= FlowState.Established) closed++;
        table.remove(flow, RemoveReason.Rst);
      }
    });
    expect(closed).toBeGreaterThan(1000);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('insert and remove', () => {
    const table = newTable({ maxFlows: FLOWS });
    const bytes = bytesOf((index) => {
      const flow = table.insert(keyOf(index, key), index & 1, LATE, index, NO_SLOTS);
      table.remove(flow, RemoveReason.Flushed);
    });
    expect(table.size).toBe(0);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('insert into a full table: each pushes one out', () => {
    const table = newTable({ maxFlows: FLOWS });
    let number = 0;
    const bytes = bytesOf(() => {
      fillPacket(packet, number++, 1);
      hit(table, key, packet, 1, LATE);
    });
    expect(table.size).toBe(FLOWS);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('refused: full of established flows', () => {
    const table = newTable({ maxFlows: FLOWS });
    for (let number = 0; number < FLOWS; number++) {
      addFlow(table, number, LATE, FlowState.Established);
    }
    let refused = 0;
    const bytes = bytesOf((index) => {
      fillPacket(packet, FLOWS + index, 1);
      if (hit(table, key, packet, 1, LATE) === NO_FLOW) refused++;
    });
    expect(refused).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('sweep and expiry', () => {
    const table = newTable({ maxFlows: FLOWS });
    let now = LATE;
    const bytes = bytesOf((index) => {
      table.insert(keyOf(index, key), 0, now, 1, NO_SLOTS);
      if ((index & 15) === 0) {
        now++;
        table.sweep(now, 64);
      }
    });
    expect(table.size).toBeLessThan(600);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('what may start a flow; the flow of a quote', () => {
    const table = newTable({ maxFlows: FLOWS });
    for (let number = 0; number < FLOWS; number++) addFlow(table, number, LATE);
    let found = 0;
    const bytes = bytesOf((index) => {
      const number = (index * 2) % FLOWS;
      // What the local side sent, quoted to it.
      fillPacket(packet, number, 1);
      const { quoted } = packet;
      quoted.protocol = IpProtocol.Udp;
      quoted.src3 = packet.src3;
      quoted.dst3 = packet.dst3;
      quoted.srcPort = packet.srcPort;
      quoted.dstPort = packet.dstPort;
      packet.dst3 = packet.src3;
      if (startKind(packet) !== 0 || quotedFlowKey(packet, 0, key) === 0) return;
      const flow = table.find(key, LATE);
      if (flow !== NO_FLOW && isQuotePlausible(table, flow, packet, 0)) found++;
    });
    expect(found).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(LIMIT);
  });

  test('fragments: the first, another, the last, and more datagrams than are remembered', () => {
    const table = new FragmentTable([17, 4711]);
    Object.assign(packet, { ipVersion: 4, protocol: IpProtocol.Udp, fragmentLength: 8 });
    const bytes = bytesOf((index) => {
      packet.fragmentId = index & 0xffff;
      packet.fragmentOffset = 0;
      packet.hasMoreFragments = true;
      if (table.isNew(packet, 0, LATE)) table.note(packet, 0, 1, LATE);
      packet.fragmentOffset = 8;
      // Every other datagram is never completed.
      packet.hasMoreFragments = (index & 1) === 0;
      table.later(packet, 0, LATE);
    });
    // The last one was complete, or not.
    expect(table.size).toBeGreaterThan(MAX_DATAGRAMS - 2);
    expect(bytes).toBeLessThan(LIMIT);
  });
});
