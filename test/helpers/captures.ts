/**
 * Scripted traffic: whole conversations, frame by frame, as a capture at one workload's interface shows them. Tests replay
 * it, and so does the demo where there is no root. Every frame says which conversation it belongs to and which way it
 * goes, so that what nsgd does with it can be told and compared.
 */
import { MemorySink, type MemorySource } from '../../src/capture/memory.ts';
import { frameOf } from '../../src/capture/frame-sink.ts';
import { encodeCapture } from '../../src/capture/pcap-writer.ts';
import {
  type Bytes,
  type FrameSpec,
  buildArp,
  buildFragments,
  buildFrame,
  buildIcmpError,
} from './frames.ts';

export type ScriptedFrame = {
  /** The conversation, as it was named. */
  readonly name: string;
  readonly direction: 'Inbound' | 'Outbound';
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly bytes: Uint8Array;
};

/** Two ends; the first one speaks first. IPv4 or IPv6, both of the same family. */
export type Ends = {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
};

const LOCAL_MAC = '02:00:00:00:00:04';
const GATEWAY_MAC = '02:00:00:00:00:01';
/** 9 October 2025, 08:53:20 UTC. */
const START = 1_760_000_000_000;
const STEP_MILLISECONDS = 0.25;
const PAUSE_MILLISECONDS = 40;
const SEGMENT_BYTES = 1448;
const MSS_OPTION = [2, 4, 0x05, 0xb4];
const FIRST_SEQUENCE = { from: 1_000_000, to: 0xffff_ff00 };

/** Writes conversations of one workload, one after another. */
export class TrafficScript {
  readonly frames: ScriptedFrame[] = [];
  readonly #local: string;
  #clock = START;
  #name = '';
  #fragmentId = 0;

  /** @param local the workload's address; frames from it are outbound, all others inbound */
  constructor(local: string) {
    this.#local = local;
  }

  /** Lets time pass. */
  pause(milliseconds: number): this {
    this.#clock += milliseconds;
    return this;
  }

  /** A connection from handshake to close: one request, one response, both in as many segments as they need. */
  tcp(name: string, ends: Ends, request: string, response: string): this {
    this.#begin(name);
    const talk = new TcpTalk(ends, (spec) => this.#add(spec));
    talk.handshake();
    talk.send('from', request);
    talk.send('to', response);
    talk.close();
    return this;
  }

  /** A connection that nobody answers: the first SYN and what is sent again after 1 and 3 seconds. */
  tcpAttempt(name: string, ends: Ends): this {
    this.#begin(name);
    for (const wait of [0, 1000, 2000]) {
      this.#clock += wait;
      this.#add({ ...specOf(ends), tcp: { ...portsOf(ends), sequence: 1, options: MSS_OPTION } });
    }
    return this;
  }

  /** One SYN to each port. */
  portScan(name: string, from: string, to: string, ports: readonly number[]): this {
    this.#begin(name);
    for (const toPort of ports) {
      const ends = { from, fromPort: 40_000 + (toPort % 1000), to, toPort };
      this.#add({ ...specOf(ends), tcp: { ...portsOf(ends), sequence: 7 }, padTo: 60 });
    }
    return this;
  }

  /** A segment of a connection that was never opened. */
  strayTcp(name: string, ends: Ends, flags: string): this {
    this.#begin(name);
    this.#add({
      ...specOf(ends),
      tcp: { ...portsOf(ends), flags, sequence: 9, acknowledgment: 9 },
    });
    return this;
  }

  /** Datagrams in turn: the first from `from`, the second from `to`, and so on. */
  udp(name: string, ends: Ends, datagrams: readonly (Bytes | string)[]): this {
    this.#begin(name);
    for (const [index, payload] of datagrams.entries()) {
      const way = index % 2 === 0 ? ends : reversed(ends);
      this.#add({ ...specOf(way), udp: portsOf(way), payload });
    }
    return this;
  }

  /** One datagram each way, both in fragments of at most 1,480 bytes. */
  fragmentedUdp(name: string, ends: Ends, bytes: number): this {
    this.#begin(name);
    for (const way of [ends, reversed(ends)]) {
      const spec = this.#linked({
        ...specOf(way),
        udp: portsOf(way),
        payload: new Uint8Array(bytes).fill(0x2e),
      });
      this.#fragmentId++;
      for (const frame of buildFragments(spec, 1480, this.#fragmentId)) this.#push(frame, way.from);
    }
    return this;
  }

  /** A datagram that a router on the way (or the host itself) answers with port unreachable. */
  udpUnreachable(name: string, ends: Ends, reporter: string): this {
    this.#begin(name);
    const spec = this.#linked({ ...specOf(ends), udp: portsOf(ends), payload: 'anyone?' });
    const quoted = buildFrame(spec);
    this.#push(quoted, ends.from);
    const isIpv6 = ends.from.includes(':');
    const type = isIpv6 ? 1 : 3;
    const code = isIpv6 ? 4 : 3;
    this.#push(buildIcmpError({ src: reporter, dst: ends.from, type, code, quoted }), reporter);
    return this;
  }

  /** Echo requests, each with its reply. */
  ping(name: string, from: string, to: string, count: number): this {
    this.#begin(name);
    const [request, reply] = from.includes(':') ? [128, 129] : [8, 0];
    for (let sequence = 1; sequence <= count; sequence++) {
      const echo = { id: 0x4e53, sequence };
      const payload = 'abcdefghijklmnopqrstuvwabcdefghi';
      this.#add({ ip: { src: from, dst: to }, icmp: { type: request, ...echo }, payload });
      this.#add({ ip: { src: to, dst: from }, icmp: { type: reply, ...echo }, payload });
      this.#clock += 1000;
    }
    return this;
  }

  /** The gateway asks for the workload's link address, and is told. IPv4 only. */
  arp(name: string, gateway: string): this {
    this.#begin(name);
    const asked = buildArp({ senderMac: GATEWAY_MAC, sender: gateway, target: this.#local });
    this.#push(asked, gateway);
    const ends = {
      senderMac: LOCAL_MAC,
      sender: this.#local,
      targetMac: GATEWAY_MAC,
      target: gateway,
    };
    this.#push(buildArp({ ...ends, operation: 2 }), this.#local);
    return this;
  }

  source(): MemorySource {
    const sink = new MemorySink();
    for (const { bytes, timestamp } of this.frames) sink.write(frameOf(bytes, timestamp));
    return sink.source();
  }

  /** A classic capture file. */
  captureFile(): Uint8Array {
    return encodeCapture(this.source());
  }

  #begin(name: string): void {
    this.#name = name;
    this.#clock += PAUSE_MILLISECONDS;
  }

  #add(spec: FrameSpec): void {
    this.#push(buildFrame(this.#linked(spec)), spec.ip?.src ?? '');
  }

  #push(bytes: Uint8Array, src: string): void {
    const direction = src === this.#local ? 'Outbound' : 'Inbound';
    this.frames.push({ name: this.#name, direction, timestamp: this.#clock, bytes });
    this.#clock += STEP_MILLISECONDS;
  }

  #linked(spec: FrameSpec): FrameSpec {
    const isOutbound = spec.ip?.src === this.#local;
    return {
      ...spec,
      srcMac: isOutbound ? LOCAL_MAC : GATEWAY_MAC,
      dstMac: isOutbound ? GATEWAY_MAC : LOCAL_MAC,
    };
  }
}

/** One TCP connection; keeps both ends' sequence numbers. */
class TcpTalk {
  readonly #ends: Ends;
  readonly #add: (spec: FrameSpec) => void;
  readonly #next = { ...FIRST_SEQUENCE };

  constructor(ends: Ends, add: (spec: FrameSpec) => void) {
    this.#ends = ends;
    this.#add = add;
  }

  handshake(): void {
    this.#segment('from', 'S');
    this.#segment('to', 'SA');
    this.#segment('from', 'A');
  }

  send(side: 'from' | 'to', text: string): void {
    for (let at = 0; at < text.length; at += SEGMENT_BYTES) {
      this.#segment(side, 'PA', text.slice(at, at + SEGMENT_BYTES));
      this.#segment(other(side), 'A');
    }
  }

  close(): void {
    this.#segment('to', 'FA');
    this.#segment('from', 'FA');
    this.#segment('to', 'A');
  }

  #segment(side: 'from' | 'to', flags: string, payload = ''): void {
    const way = side === 'from' ? this.#ends : reversed(this.#ends);
    const sequence = this.#next[side];
    const acknowledgment = flags.includes('A') ? this.#next[other(side)] : 0;
    const options = flags.includes('S') ? MSS_OPTION : [];
    const tcp = { ...portsOf(way), sequence, acknowledgment, flags, options };
    this.#add({ ...specOf(way), tcp, payload });
    const taken = payload.length + (/[SF]/.test(flags) ? 1 : 0);
    this.#next[side] = (sequence + taken) >>> 0;
  }
}

/**
 * A minute of a small web server: what a policy that allows HTTP and ping in, and everything out, forwards and drops.
 * IPv4 and documentation addresses (RFC 5737) but for `local` and `gateway`.
 */
export function webServerTraffic(local = '10.0.1.4', gateway = '10.0.1.1'): TrafficScript {
  const client = '203.0.113.10';
  const scanner = '198.51.100.66';
  const page = `HTTP/1.1 200 OK\r\n\r\n${'nsgd '.repeat(1000)}`;
  const get = 'GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n';
  const http = { from: client, fromPort: 50_001, to: local, toPort: 80 };
  const ssh = { from: scanner, fromPort: 50_022, to: local, toPort: 22 };
  const dns = { from: local, fromPort: 53_001, to: '192.0.2.53', toPort: 53 };
  const update = { from: local, fromPort: 44_001, to: '192.0.2.80', toPort: 443 };
  const tunnel = { from: local, fromPort: 40_500, to: '192.0.2.45', toPort: 5201 };
  const trace = { from: local, fromPort: 33_000, to: '192.0.2.99', toPort: 33_434 };
  return new TrafficScript(local)
    .arp('ARP', gateway)
    .tcp('HTTP in', http, get, page)
    .ping('ping in', client, local, 2)
    .tcpAttempt('SSH in', ssh)
    .portScan('port scan', scanner, local, [21, 23, 25, 110, 143, 445, 3306, 3389, 5432, 8080])
    .strayTcp('stray ACK to port 80', { ...http, from: scanner }, 'A')
    .udp('unasked UDP in', { from: scanner, fromPort: 9999, to: local, toPort: 40_053 }, [
      'surprise',
    ])
    .udp('DNS out', dns, [dnsMessage(false), dnsMessage(true)])
    .tcp('HTTPS out', update, 'client hello', 'server hello'.repeat(300))
    .fragmentedUdp('fragmented UDP out', tunnel, 4000)
    .udpUnreachable('traceroute out', trace, '192.0.2.1')
    .ping('ping out', local, '192.0.2.80', 1);
}

/** A query for the address of example.com (RFC 1035), or its answer, 192.0.2.80. */
function dnsMessage(isAnswer: boolean): Uint8Array {
  const name = [
    7,
    ...new TextEncoder().encode('example'),
    3,
    ...new TextEncoder().encode('com'),
    0,
  ];
  const flags = isAnswer ? [0x81, 0x80] : [0x01, 0x00];
  const counts = [0, 1, 0, isAnswer ? 1 : 0, 0, 0, 0, 0];
  const question = [...name, 0, 1, 0, 1];
  const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80];
  return Uint8Array.of(0x4e, 0x53, ...flags, ...counts, ...question, ...(isAnswer ? answer : []));
}

function specOf(ends: Ends): { readonly ip: { readonly src: string; readonly dst: string } } {
  return { ip: { src: ends.from, dst: ends.to } };
}

function portsOf(ends: Ends): { readonly srcPort: number; readonly dstPort: number } {
  return { srcPort: ends.fromPort, dstPort: ends.toPort };
}

function reversed(ends: Ends): Ends {
  return { from: ends.to, fromPort: ends.toPort, to: ends.from, toPort: ends.fromPort };
}

function other(side: 'from' | 'to'): 'from' | 'to' {
  return side === 'from' ? 'to' : 'from';
}
