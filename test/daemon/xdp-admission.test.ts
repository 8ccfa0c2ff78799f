/**
 * The program that decides who gets into a queue that is filling up, run by the kernel on frames of our own and compared
 * with the flow table: what it takes for a packet of an established flow is one, and nothing else.
 */
import { afterEach, describe, expect, test } from 'vitest';

import { Bpf, MapType } from '../../daemon/native/bpf.ts';
import { kernelFunction } from '../../daemon/native/btf.ts';
import { redirectProgram, VLAN_TAG_FUNCTION } from '../../daemon/native/xdp-program.ts';
import { afXdpSystem } from '../../daemon/native/xdp-socket.ts';
import { Admission, Queue, QUEUE_WORDS } from '../../src/capture/live/af-xdp/admission.ts';
import type { ProgramParts } from '../../src/capture/live/af-xdp/system.ts';
import { EstablishedMarks } from '../../src/flowtable/established-marks.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import type { FlowTable } from '../../src/flowtable/table.ts';
import { newTable, packetOf } from '../helpers/flows.ts';
import { buildArp, buildFragments, buildFrame, type FrameSpec } from '../helpers/frames.ts';
import { liveTestObstacle } from '../helpers/network-namespace.ts';
import { Random } from '../helpers/random.ts';

const RESERVE = 100;
const LINK_RESERVE = 50;
const PLACES = 1000;

/** The program of one side beside a flow table. */
class Rig {
  readonly table: FlowTable;
  readonly marks: EstablishedMarks;
  readonly queue: Int32Array;
  readonly admission: Admission;
  readonly #bpf = new Bpf();
  readonly #system = afXdpSystem();
  readonly #program: number;
  readonly #descriptors: number[] = [];
  readonly #side: number;

  constructor(side: number, seeds: readonly [number, number] = [1, 2]) {
    this.#side = side;
    this.table = newTable({ maxFlows: 4096, seeds });
    const { hashKey, markBuckets, bucketWords } = this.table;
    const marks = this.#system.createSharedMap(bucketWords, markBuckets);
    const queues = this.#system.createSharedMap(QUEUE_WORDS, 1);
    this.marks = new EstablishedMarks(marks.words);
    this.queue = queues.words;
    this.admission = new Admission(queues.words, 0, PLACES);
    const sockets = this.#bpf.createMap(MapType.XdpSocket, 4, 1);
    const parts: ProgramParts = {
      sockets,
      queues: queues.descriptor,
      marks: marks.descriptor,
      buckets: markBuckets,
      hashKey,
      side,
      reserve: RESERVE,
      linkReserve: LINK_RESERVE,
    };
    this.#program = this.#bpf.loadXdpProgram(redirectProgram(parts));
    this.#descriptors.push(marks.descriptor, queues.descriptor, sockets, this.#program);
  }

  /** Marks the flow of a frame that comes by this side. */
  mark(frame: Uint8Array): void {
    const key = new FlowKey();
    flowKey(packetOf(frame), this.#side, key);
    this.marks.mark(this.table.hashOf(key));
  }

  /** How many of 1,000 equal frames get in when the queue has places for `places` frames of anybody. */
  admitted(frame: Uint8Array, places = 0): number {
    this.queue.fill(0);
    this.queue[Queue.Limit] = places;
    this.#bpf.runLive(this.#program, frame.slice(), 1000);
    const count = this.queue[Queue.Admitted] ?? 0;
    expect(count + (this.queue[Queue.Refused] ?? 0)).toBe(1000);
    return count;
  }

  close(): void {
    for (const descriptor of this.#descriptors) this.#system.close(descriptor);
  }
}

const V4 = { src: '203.0.113.9', dst: '10.0.1.4' };
const V6 = { src: '2001:db8::9', dst: 'fd00::4' };
const TCP = { srcPort: 40_000, dstPort: 443, flags: 'A' };
const UDP = { srcPort: 5353, dstPort: 53 };

const obstacle = liveTestObstacle();
describe.skipIf(obstacle !== undefined)(`admission (${obstacle ?? 'live'})`, () => {
  let rig: Rig | undefined;
  const start = (side = 0, seeds?: readonly [number, number]): Rig => {
    rig = new Rig(side, seeds);
    return rig;
  };
  afterEach(() => {
    rig?.close();
    rig = undefined;
  });

  test.each<[string, FrameSpec]>([
    ['TCP', { ip: V4, tcp: TCP }],
    ['UDP', { ip: V4, udp: UDP }],
    ['TCP over IPv6', { ip: V6, tcp: TCP }],
    ['UDP over IPv6', { ip: V6, udp: UDP }],
    ['TCP in a VLAN', { ip: V4, tcp: TCP, vlans: [{ vid: 100, priority: 5 }] }],
    ['UDP over IPv6 in a VLAN', { ip: V6, udp: UDP, vlans: [{ vid: 4094 }] }],
    ['UDP that may not be cut', { ip: { ...V4, dontFragment: true }, udp: UDP }],
  ])('%s: a packet of an established flow has the last places, any other has not', (_, spec) => {
    const { admitted, mark } = bound(start());
    const frame = buildFrame(spec);
    expect(admitted(frame)).toBe(0);
    expect(admitted(frame, 10)).toBe(10);
    mark(frame);
    expect(admitted(frame)).toBe(RESERVE);
    expect(admitted(frame, 10)).toBe(RESERVE + 10);
    // The limit may wrap, and be behind what was let in: the ring is that full.
    expect(admitted(frame, -30)).toBe(RESERVE - 30);
    expect(admitted(frame, -RESERVE)).toBe(0);
  });

  test.each<[string, FrameSpec]>([
    ['another source port', { ip: V4, tcp: { ...TCP, srcPort: 40_001 } }],
    ['another destination port', { ip: V4, tcp: { ...TCP, dstPort: 444 } }],
    ['another source', { ip: { ...V4, src: '203.0.113.8' }, tcp: TCP }],
    ['another destination', { ip: { ...V4, dst: '10.0.1.5' }, tcp: TCP }],
    ['another protocol', { ip: V4, udp: { srcPort: 40_000, dstPort: 443 } }],
    ['a VLAN', { ip: V4, tcp: TCP, vlans: [{ vid: 1 }] }],
    ['two VLANs', { ip: V4, tcp: TCP, vlans: [{ vid: 1 }, { vid: 2 }] }],
    ['IPv4 options', { ip: { ...V4, options: [1, 1, 1, 1] }, tcp: TCP }],
    ['the first fragment', { ip: { ...V4, moreFragments: true }, tcp: TCP }],
    ['a later fragment', { ip: { ...V4, fragmentOffset: 64 }, tcp: TCP }],
    [
      'the other direction',
      { ip: { src: V4.dst, dst: V4.src }, tcp: { ...TCP, srcPort: 443, dstPort: 40_000 } },
    ],
    ['ICMP', { ip: V4, icmp: { type: 8 } }],
    ['a router advertisement cut short', { ip: V6, raw: [] }],
    ['a packet that is not IP', { raw: new Uint8Array(60) }],
  ])('%s is not of the flow', (_, spec) => {
    const { admitted, mark } = bound(start());
    mark(buildFrame({ ip: V4, tcp: TCP }));
    expect(admitted(buildFrame({ padTo: 60, ...spec }))).toBe(0);
  });

  test('the other side knows the same flow', () => {
    const { admitted, mark } = bound(start(1));
    const answer = buildFrame({
      ip: { src: V4.dst, dst: V4.src },
      tcp: { ...TCP, srcPort: 443, dstPort: 40_000 },
    });
    mark(answer);
    expect(admitted(answer)).toBe(RESERVE);
    expect(admitted(buildFrame({ ip: V4, tcp: TCP }))).toBe(0);
  });

  test.each<readonly [string, Uint8Array, number]>([
    ['an ARP request', buildArp({ sender: '10.0.1.1', target: '10.0.1.4' }), LINK_RESERVE],
    ...[133, 134, 135, 136, 137].map(
      (type) => [`neighbour discovery ${type}`, icmpv6(type), LINK_RESERVE] as const,
    ),
    ...[1, 128, 132, 138, 255].map((type) => [`ICMPv6 ${type}`, icmpv6(type), 0] as const),
  ])('%s', (_, frame, expected) => {
    expect(bound(start()).admitted(frame)).toBe(expected);
  });

  test.each([0, 1])('random packets on side %i are known by their marks alone', (side) => {
    const random = new Random(side + 11);
    const { admitted, mark } = bound(start(side, [random.uint32(), random.uint32()]));
    const address = (isIpv6: boolean): string =>
      isIpv6
        ? Array.from({ length: 8 }, () => random.below(65_536).toString(16)).join(':')
        : Array.from({ length: 4 }, () => random.below(256)).join('.');
    for (let n = 0; n < 40; n++) {
      const isIpv6 = random.below(2) === 1;
      const ports = { srcPort: random.below(65_536), dstPort: random.below(65_536) };
      const frame = buildFrame({
        ip: { src: address(isIpv6), dst: address(isIpv6) },
        ...(random.below(2) === 1 ? { tcp: ports } : { udp: ports }),
        ...(random.below(3) === 0 ? { vlans: [{ vid: random.below(4096) }] } : {}),
      });
      const isMarked = random.below(2) === 1;
      if (isMarked) mark(frame);
      expect(admitted(frame), `frame ${n}`).toBe(isMarked ? RESERVE : 0);
    }
  });

  test('no frame is too short or too odd for it', () => {
    const { admitted } = bound(start());
    const frame = buildFrame({ ip: V6, tcp: TCP, vlans: [{ vid: 1 }] });
    // The kernel takes nothing below an Ethernet header for a test.
    for (let length = 14; length <= frame.length; length += 3) {
      expect(admitted(frame.subarray(0, length), 3)).toBe(3);
    }
  });

  test('counts a flood exactly, and lets in as many as there is room for', () => {
    const { queue, admission, admitted } = bound(start());
    const frame = buildFrame({ ip: V4, udp: UDP });
    expect(admitted(frame, 5)).toBe(5);
    expect(admission.takeRefused()).toBe(995);
    expect(admission.takeRefused()).toBe(0);
    admission.grant(1, 1, 0);
    expect((queue[Queue.Limit] ?? 0) - (queue[Queue.Admitted] ?? 0)).toBe(PLACES - PLACES / 8 - 1);
  });

  test('fragments of an established flow take their chance with everybody', () => {
    const { admitted, mark } = bound(start());
    const spec = { ip: V4, udp: UDP, payload: new Uint8Array(64) };
    mark(buildFrame(spec));
    for (const fragment of buildFragments(spec, 24)) expect(admitted(fragment)).toBe(0);
  });

  test.skipIf(kernelFunction(VLAN_TAG_FUNCTION) === undefined)('the one with tags is taken', () => {
    const system = afXdpSystem();
    const { table } = start();
    const marks = system.createSharedMap(table.bucketWords, table.markBuckets);
    const bpf = new Bpf();
    const parts: ProgramParts = {
      sockets: marks.descriptor,
      queues: marks.descriptor,
      marks: marks.descriptor,
      buckets: table.markBuckets,
      hashKey: table.hashKey,
      side: 0,
      reserve: RESERVE,
      linkReserve: LINK_RESERVE,
    };
    const loopback = 1;
    // Loopback has no XDP of its own, so it is the device that is refused, not the program.
    expect(() =>
      bpf.loadXdpProgram(redirectProgram(parts, kernelFunction(VLAN_TAG_FUNCTION)), loopback),
    ).toThrow(/EINVAL|EOPNOTSUPP/);
    system.close(marks.descriptor);
  });
});

/** The methods of a rig, to be used by their names alone. */
function bound(rig: Rig): {
  readonly queue: Int32Array;
  readonly admission: Admission;
  readonly admitted: (frame: Uint8Array, places?: number) => number;
  readonly mark: (frame: Uint8Array) => void;
} {
  return {
    queue: rig.queue,
    admission: rig.admission,
    admitted: (frame, places) => rig.admitted(frame, places),
    mark: (frame) => rig.mark(frame),
  };
}

function icmpv6(type: number): Uint8Array {
  return buildFrame({ ip: V6, icmp: { type }, payload: new Uint8Array(24) });
}
