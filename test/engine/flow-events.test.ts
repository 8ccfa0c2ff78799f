/**
 * Flow events: what the pipeline tells of each packet, and what the ring does when it is full, damaged or left half written.
 */
import { describe, expect, test } from 'vitest';
import {
  EVENT_CAPACITY,
  EVENT_HEADER_WORDS,
  EVENT_KIND_NAMES,
  EVENT_WORDS,
  EventHeader,
  EventKind,
  EventWord,
} from '../../src/engine/event-record.ts';
import { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import { DENIED_BURST, FlowEvents, FlowEventsError } from '../../src/engine/flow-events.ts';
import { Reason, reasonNames } from '../../src/engine/reason.ts';
import { Packet } from '../../src/capture/packet.ts';
import { NO_SLOT, packSlots, REMOVE_REASON_NAMES } from '../../src/flowtable/record.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import { buildFrame, viewOf } from '../helpers/frames.ts';
import {
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  tcp,
  TcpConversation,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';
import { formatWords } from '../../daemon/packet-text.ts';

const { Opened, Ended, Denied } = EventKind;

/** All that waits, a line for each event. */
function told(rig: PipelineRig): string[] {
  const { events } = rig;
  const lines: string[] = [];
  while (events.next()) {
    const names = events.kind === Ended ? REMOVE_REASON_NAMES : reasonNames;
    const head = [EVENT_KIND_NAMES[events.kind], names[events.reason], events.direction];
    const slot = events.slot1 === NO_SLOT ? events.slot0 : events.slot1;
    const rule = slot === NO_SLOT ? '-' : rig.registry.rules.nameOf(slot);
    lines.push([...head, tuple(events), rule, counts(events)].join(' '));
  }
  return lines;
}

function tuple(events: FlowEventReader): string {
  if (!events.hasPacket) return `no packet, ${events.frameLength} bytes`;
  const isIpv4 = events.ipVersion === 4;
  const address = (read: (word: number) => number): string =>
    formatWords(isIpv4, [read(0), read(1), read(2), read(3)]);
  const local = address((word) => events.local(word));
  const remote = address((word) => events.remote(word));
  const ports = events.hasPorts ? `${events.localPort}<${events.remotePort}` : '-';
  return `${events.protocol} ${local} ${remote} ${ports}`;
}

function counts(events: FlowEventReader): string {
  return `${events.packets(0)}/${events.bytes(0)} ${events.packets(1)}/${events.bytes(1)}`;
}

describe('what the pipeline tells', () => {
  test('a TCP connection: opened with its first packet, nothing on the way, ended with its final counters', () => {
    const rig = new PipelineRig(WEB);
    const talk = new TcpConversation(`${REMOTE}:50000`, `${LOCAL}:80`);
    rig.inbound(talk.client('S'));
    expect(told(rig)).toEqual([
      `opened rule 0 6 ${LOCAL} ${REMOTE} 80<50000 NSG2|Inbound|securityRules/AllowHttp 1/40 0/0`,
    ]);
    rig.outbound(talk.server('SA'));
    rig.inbound(talk.client('A'));
    rig.inbound(talk.client('PA', '0123456789'));
    rig.outbound(talk.server('FA'));
    rig.inbound(talk.client('FA'));
    rig.outbound(talk.server('A'));
    expect(told(rig)).toEqual([]);
    rig.at(100);
    expect(rig.pipeline.housekeep()).toBe(1);
    expect(told(rig)).toEqual([
      `ended fin 0 6 ${LOCAL} ${REMOTE} 80<50000 NSG2|Inbound|securityRules/AllowHttp 4/170 3/120`,
    ]);
  });

  test('an outbound flow over IPv6 and its end by timeout; the time is that of the batch', () => {
    const rig = new PipelineRig(WEB);
    rig.at(2);
    rig.outbound(udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:53`));
    expect(rig.events.next()).toBe(true);
    expect([rig.events.ipVersion, rig.events.direction, rig.events.time]).toEqual([
      6, 1, 1_002_000,
    ]);
    expect([rig.events.flow, rig.events.generation]).toEqual([0, 1]);
    rig.at(500);
    rig.pipeline.housekeep();
    expect(told(rig)).toEqual([
      `ended timeout 1 17 ${LOCAL6} ${REMOTE6} 4000<53 NSG2|Outbound|defaultSecurityRules/AllowInternetOutBound 0/0 1/53`,
    ]);
  });

  test('a ping has its type, a reply to nobody too', () => {
    const rig = new PipelineRig(WEB);
    rig.inbound(icmp(REMOTE, LOCAL, 8, 7));
    rig.inbound(icmp(REMOTE, LOCAL, 0, 8));
    const seen: unknown[] = [];
    while (rig.events.next())
      seen.push([rig.events.kind, rig.events.icmpType, rig.events.localPort]);
    expect(seen).toEqual([
      [Opened, 8, 7],
      [Denied, 0, 8],
    ]);
  });

  test('every kind of drop, with the rule that denied where one did', () => {
    const rig = new PipelineRig({ subnet: ['NoSsh 100 Inbound Deny Tcp * * * 22'], ...WEB });
    rig.inbound(tcp(`${REMOTE}:1234`, `${LOCAL}:22`, 'S'));
    rig.inbound(tcp(`${REMOTE}:1234`, `${LOCAL}:80`, 'A'));
    rig.inbound(udp(`${REMOTE}:1`, '10.0.1.99:80'));
    rig.outbound({ etherType: 0x8847, raw: new Uint8Array(46) });
    rig.inbound({ ...udp(`${REMOTE}:1`, `${LOCAL}:80`), ip: { src: REMOTE, dst: LOCAL, ihl: 4 } });
    rig.inbound(udp(`${REMOTE}:1`, `${LOCAL}:80`, { payload: 'x'.repeat(2000) }));
    const lines = told(rig);
    expect(lines.slice(0, 4)).toEqual([
      `denied rule_deny 0 6 ${LOCAL} ${REMOTE} 22<1234 NSG1|Inbound|securityRules/NoSsh 0/0 0/0`,
      `denied tcp_no_flow 0 6 ${LOCAL} ${REMOTE} 80<1234 - 0/0 0/0`,
      `denied unknown_address 0 17 10.0.1.99 ${REMOTE} 80<1 - 0/0 0/0`,
      'denied unknown_ether_type 1 no packet, 60 bytes - 0/0 0/0',
    ]);
    expect(lines[4]).toMatch(/^denied \w+ 0 no packet, \d+ bytes - 0\/0 0\/0$/);
    expect(lines[5]).toBe('denied oversize 0 no packet, 0 bytes - 0/0 0/0');
    expect(lines).toHaveLength(6);
  });

  test('VLANs, TCP flags and length of what was denied; a later fragment has no ports', () => {
    const rig = new PipelineRig(WEB);
    const vlans = [{ vid: 5 }, { vid: 7 }];
    rig.inbound(tcp(`${REMOTE}:1234`, `${LOCAL}:22`, 'S', { vlans }));
    expect(rig.events.next()).toBe(true);
    expect([rig.events.vlanOuter, rig.events.vlanInner]).toEqual([5, 7]);
    expect([rig.events.tcpFlags, rig.events.frameLength]).toEqual([2, 62]);
    rig.inbound({
      ip: { src: REMOTE, dst: LOCAL, protocol: 17, id: 7, fragmentOffset: 1480 },
      raw: new Uint8Array(64),
    });
    expect(told(rig)).toEqual([`denied fragment_unknown 0 17 ${LOCAL} ${REMOTE} - - 0/0 0/0`]);
  });

  test('what a policy change and a full table push out', () => {
    const rig = new PipelineRig({ ...WEB, flush: true }, { maxFlows: 1 });
    rig.inbound(udp(`${REMOTE}:1`, `${LOCAL}:53`));
    rig.inbound(udp(`${REMOTE}:2`, `${LOCAL}:53`));
    rig.reload({ nic: [], flush: true });
    rig.inbound(udp(`${REMOTE}:2`, `${LOCAL}:53`));
    expect(told(rig).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'opened rule',
      'ended evicted',
      'opened rule',
      'ended flushed',
      'denied rule_deny',
    ]);
  });
});

describe('the ring', () => {
  function deny(events: FlowEvents, packet = new Packet()): void {
    events.denied(packet, 0, Reason.RuleDeny, packSlots(1, NO_SLOT), 1);
  }

  test('denied packets get a burst and then a rate; the others are counted', () => {
    const buffer = new ArrayBuffer(FlowEvents.bytes);
    const events = FlowEvents.create(buffer);
    const reader = new FlowEventReader(buffer);
    events.setTime(1000);
    for (let packet = 0; packet < 10_000; packet++) deny(events);
    expect([reader.written(Denied), reader.lost(Denied)]).toEqual([
      DENIED_BURST,
      10_000 - DENIED_BURST,
    ]);
    events.setTime(1100);
    for (let packet = 0; packet < 10_000; packet++) deny(events);
    expect(reader.written(Denied)).toBe(DENIED_BURST + 400);
    events.setTime(900);
    deny(events);
    expect(reader.written(Denied)).toBe(DENIED_BURST + 400);
    expect(reader.written(Denied) + reader.lost(Denied)).toBe(20_001);
  });

  test('denied packets take half of it and leave the rest to flows', () => {
    const rig = new PipelineRig(WEB, { maxFlows: 65_536 });
    const denied = buildFrame(tcp(`${REMOTE}:9`, `${LOCAL}:22`, 'S'));
    for (let second = 0; second < 20; second++) {
      rig.at(second);
      for (let packet = 0; packet < 3000; packet++) rig.inbound(denied);
    }
    expect(rig.events.written(Denied)).toBe(EVENT_CAPACITY / 2);
    for (let port = 1; port <= 20_000; port++) rig.inbound(udp(`${REMOTE}:${port}`, `${LOCAL}:53`));
    expect(rig.events.written(Opened)).toBe(EVENT_CAPACITY / 2);
    expect(rig.events.lost(Opened)).toBe(20_000 - EVENT_CAPACITY / 2);
    // Whoever reads makes room, and the order is that of the packets.
    const kinds: number[] = [];
    while (rig.events.next()) kinds.push(rig.events.kind);
    expect(kinds).toEqual([
      ...Array.from({ length: EVENT_CAPACITY / 2 }, () => Denied),
      ...Array.from({ length: EVENT_CAPACITY / 2 }, () => Opened),
    ]);
    rig.inbound(udp(`${REMOTE}:30000`, `${LOCAL}:53`));
    expect(told(rig)).toHaveLength(1);
  });

  test('a writer that was killed while it wrote is followed by another, and nothing half is seen', () => {
    const buffer = new ArrayBuffer(FlowEvents.bytes);
    FlowEvents.create(buffer);
    const reader = new FlowEventReader(buffer);
    const packet = new Packet();
    deny(FlowEvents.attach(buffer), packet);
    // Killed: the record is there in part, the position is not.
    new Int32Array(buffer).fill(
      -1,
      EVENT_HEADER_WORDS + EVENT_WORDS,
      EVENT_HEADER_WORDS + EVENT_WORDS + 9,
    );
    const next = FlowEvents.attach(buffer);
    next.setTime(5000);
    deny(next, packet);
    const times: number[] = [];
    while (reader.next()) times.push(reader.time);
    expect(times).toEqual([0, 5000]);
    expect(reader.damaged).toBe(0);
  });

  test.each([
    ['ahead of what is there', 5],
    ['behind by more than the ring holds', -EVENT_CAPACITY - 1],
  ])('a position %s is mended', (_, read) => {
    const buffer = new ArrayBuffer(FlowEvents.bytes);
    const events = FlowEvents.create(buffer);
    const reader = new FlowEventReader(buffer);
    new Int32Array(buffer)[EventHeader.Read] = read;
    expect(reader.next()).toBe(false);
    expect(reader.damaged).toBe(1);
    deny(events);
    expect(reader.next()).toBe(true);
    expect(reader.next()).toBe(false);
  });

  test('a record of no known kind is skipped and counted', () => {
    const buffer = new ArrayBuffer(FlowEvents.bytes);
    const events = FlowEvents.create(buffer);
    const reader = new FlowEventReader(buffer);
    deny(events);
    deny(events);
    new Int32Array(buffer)[EVENT_HEADER_WORDS + EventWord.Kind] = 0x7f;
    expect(reader.next()).toBe(true);
    expect(reader.next()).toBe(false);
    expect(reader.damaged).toBe(1);
  });

  test.each([
    ['zeros', new ArrayBuffer(FlowEvents.bytes)],
    ['too short', new ArrayBuffer(64)],
  ])('memory that is no ring is refused: %s', (_, buffer) => {
    expect(() => FlowEvents.attach(buffer)).toThrow(FlowEventsError);
    expect(() => new FlowEventReader(buffer)).toThrow(FlowEventsError);
  });
});

test('telling and reading allocate nothing', () => {
  const rig = new PipelineRig(WEB);
  const frame = viewOf(buildFrame(tcp(`${REMOTE}:9`, `${LOCAL}:22`, 'S')));
  let clock = 1_000_000;
  let sum = 0;
  const bytes = bytesPerCall(() => {
    clock = (clock + 1) | 0;
    rig.pipeline.setTime(clock);
    rig.pipeline.judge(frame, 0, frame.byteLength, 0);
    while (rig.events.next()) sum = (sum + rig.events.kind + rig.events.remotePort) | 0;
  }, 100_000);
  expect(bytes).toBeLessThan(0.5);
  expect(sum).toBeGreaterThan(0);
});
