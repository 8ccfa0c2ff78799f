/**
 * What goes through the wire of a rig while something happens to the daemon: thousands of open TCP connections, and frames at a
 * rate. All frames come from packet sockets on the neighbours of nsgd's interfaces, and are for nobody: their hardware address
 * is no machine's.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemorySource } from '../../src/capture/memory.ts';
import { encodeCapture } from '../../src/capture/pcap-writer.ts';
import { buildFrame } from '../helpers/frames.ts';
import type { LabProcess } from '../helpers/lab.ts';
import { MarkedWire } from '../helpers/marked-wire.ts';
import { VM } from '../helpers/one-vm.ts';
import { PacketSocket } from '../helpers/packet-socket.ts';
import type { FaultRig } from './rig.ts';

/** Device of the router and of the switch at the wire. */
const NEIGHBOUR = 'wire0';
/** Allowed by the rig's rules. */
const PORT = 8000;
const FIRST_SOURCE_PORT = 10_000;
const PORTS_PER_SOURCE = 50_000;
const OPENER = 1000;
const ANSWERER = 5000;
/** Frames between two looks at whether they came out. */
const BATCH = 500;
/** Where an Ethernet frame with an IPv4 header without options has the destination port. */
const DESTINATION_PORT_AT = 14 + 20 + 2;
const SOURCE_PORT_AT = 14 + 20;
const SEQUENCE_AT = 14 + 20 + 4;
/** Frames of a flood between two turns of this process, which has others to hear. */
const FLOOD_SLICE = 2000;

export class Load {
  readonly #rig: FaultRig;
  readonly #outside: PacketSocket;
  readonly #inside: PacketSocket;
  readonly #wire: MarkedWire;
  #captures = 0;

  constructor(rig: FaultRig) {
    this.#rig = rig;
    this.#outside = new PacketSocket(rig.network.router, NEIGHBOUR);
    this.#inside = new PacketSocket(rig.network.switch, NEIGHBOUR);
    this.#wire = new MarkedWire(this.#outside, this.#inside);
  }

  /** Opens TCP connections numbered from 0, by the three frames of each. @returns how many came through whole */
  async open(count: number): Promise<number> {
    let opened = 0;
    for (let first = 0; first < count; first += BATCH) {
      const flows = range(first, Math.min(count, first + BATCH));
      await this.#pass(0, flows.map(syn));
      await this.#pass(1, flows.map(synAck));
      opened += await this.#pass(0, flows.map(ack));
    }
    return opened;
  }

  /** Sends a segment from outside on each of these connections. @returns how many passed */
  async passing(flows: readonly number[]): Promise<number> {
    let passed = 0;
    for (let at = 0; at < flows.length; at += BATCH) {
      passed += await this.#pass(0, flows.slice(at, at + BATCH).map(ack));
    }
    return passed;
  }

  async #pass(side: 0 | 1, frames: readonly Uint8Array[]): Promise<number> {
    const out = await this.#wire.pass(side, frames);
    const at = side === 0 ? DESTINATION_PORT_AT : SOURCE_PORT_AT;
    return out.filter((frame) => ((frame[at] ?? 0) << 8) + (frame[at + 1] ?? 0) === PORT).length;
  }

  /**
   * Starts to send segments of the first `flows` connections from outside.
   * @param frames in all, a multiple of `flows`
   * @returns the program that sends; it ends with the last frame
   */
  replay(flows: number, frames: number, perSecond: number): LabProcess {
    const loops = frames / flows;
    return this.#replay(range(0, flows).map(ack), [`--pps=${perSecond}`, `--loop=${loops}`]);
  }

  /** Starts to send a SYN of one connection from outside, as fast as it goes, so many times. */
  replayAtTopSpeed(frames: number): LabProcess {
    return this.#replay([syn(0)], ['--topspeed', `--loop=${frames}`]);
  }

  #replay(frames: readonly Uint8Array[], options: readonly string[]): LabProcess {
    const { lab, network } = this.#rig;
    const capture = join(lab.directory, `load${this.#captures++}.pcap`);
    writeFileSync(capture, encodeCapture(MemorySource.of(frames)));
    const always = [`--intf1=${NEIGHBOUR}`, '--preload-pcap', '--quiet'];
    return lab.spawn(network.router, 'load', ['tcpreplay', ...always, ...options, capture]);
  }

  /**
   * Sends SYNs as fast as this process can, each of another connection; some may find no room.
   * @param count at most 12 million
   * @returns frames a second
   */
  async synFlood(count: number): Promise<number> {
    const start = performance.now();
    let sent = 0;
    for (let source = 0; sent < count; source++) {
      // Port and sequence number change, their sum and so the checksum does not.
      const frame = buildFrame({
        ip: { src: `198.51.100.${source + 1}`, dst: VM },
        tcp: { srcPort: 0, dstPort: PORT, sequence: 0xffff },
      });
      const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
      for (let port = 1; port <= PORTS_PER_SOURCE && sent < count; port++, sent++) {
        view.setUint16(SOURCE_PORT_AT, port);
        view.setUint16(SEQUENCE_AT + 2, 0xffff - port);
        this.#outside.offer(frame);
        if (sent % FLOOD_SLICE === 0) await nextTurn();
      }
    }
    return (sent * 1000) / (performance.now() - start);
  }

  close(): void {
    this.#outside.close();
    this.#inside.close();
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

const opener = (flow: number) => ({
  address: `203.0.113.${20 + Math.floor(flow / PORTS_PER_SOURCE)}`,
  port: FIRST_SOURCE_PORT + (flow % PORTS_PER_SOURCE),
});

function fromOpener(flow: number, flags: string, sequence: number, acknowledgment: number) {
  const { address, port } = opener(flow);
  const tcp = { srcPort: port, dstPort: PORT, flags, sequence, acknowledgment };
  return buildFrame({ ip: { src: address, dst: VM }, tcp });
}

const syn = (flow: number): Uint8Array => fromOpener(flow, 'S', OPENER, 0);
const ack = (flow: number): Uint8Array => fromOpener(flow, 'A', OPENER + 1, ANSWERER + 1);

function synAck(flow: number): Uint8Array {
  const { address, port } = opener(flow);
  const numbers = { sequence: ANSWERER, acknowledgment: OPENER + 1 };
  const tcp = { srcPort: PORT, dstPort: port, flags: 'SA', ...numbers };
  return buildFrame({ ip: { src: VM, dst: address }, tcp });
}
