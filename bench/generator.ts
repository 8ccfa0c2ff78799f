/**
 * A packet generator that outruns every receiver: the kernel's live-frame test run (BPF_PROG_TEST_RUN with
 * BPF_F_TEST_XDP_LIVE_FRAMES) of a small XDP program that numbers each frame and sends it out of a device.
 *
 *   const generator = new Generator({ device: 'gen0', frame, fields: [{ at: 34, bytes: 2, base: 1024, mask: 0xfff }] });
 *   generator.send(1_000_000);                 // as fast as it goes
 *   await generator.sendAt(500_000, 1_000_000) // paced: frames per second, frames
 *   generator.close();
 *
 * The device must be able to send from XDP: a veth whose peer has GRO on or an XDP program. Frames that do not fit
 * into the peer's queue are lost without a word, so count at the receiver, never here. The frame's checksums are not
 * made good after a field was changed: change ports of UDP with checksum 0, or what nobody checks.
 *
 * As a program: node dist/bench/generator.js --device gen0 --count 1000000 [--rate 500000] [--size 64] [--flows 4096]
 *   [--source 10.9.0.1] [--destination 10.9.0.2] [--port 53] [--denied-port 54]: UDP, the source port runs through the
 *   flows, every second frame goes to the denied port when there is one.
 */
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  add,
  and,
  assemble,
  call,
  exit,
  fetchAdd,
  type Instruction,
  load,
  loadMapValue,
  move,
  multiply32,
  set,
  shiftRight,
  skipIfGreater,
  store,
  toBigEndian,
} from '../daemon/native/bpf-assembler.ts';
import { Bpf, MapType } from '../daemon/native/bpf.ts';
import { readNetworkDevice } from '../daemon/native/network-device.ts';

/** A number in the frame that differs from frame to frame: base + ((n >> shift) & mask), in network byte order. */
export interface Field {
  /** Byte in the frame. */
  readonly at: number;
  readonly bytes: 2 | 4;
  readonly base: number;
  /** 0 to 2^31 - 1. */
  readonly mask: number;
  readonly shift?: number;
  /** Scatter n first, so that neighbours differ in all bits and every value still comes as often. */
  readonly isScattered?: boolean;
}

export interface GeneratorOptions {
  readonly device: string;
  /** Without frame check sequence, at least 14 bytes. */
  readonly frame: Uint8Array;
  readonly fields: readonly Field[];
}

const BPF_REDIRECT = 23;
const XDP_DROP = 1;
/** Knuth's multiplicative hash, as int32: odd, so it permutes the numbers. */
const SCATTER = 2654435761 | 0;
/** struct xdp_md { data, data_end, ... } */
const DATA_END = 4;
const PACE_MILLISECONDS = 1;
const INSTRUCTION_BYTES = 8;

export class Generator {
  readonly #bpf = new Bpf();
  readonly #program: number;
  readonly #map: number;
  readonly #frame: Uint8Array;

  /** @throws Error where there is no such device, SystemCallError */
  constructor(options: GeneratorOptions) {
    const device = readNetworkDevice(options.device);
    if (device === undefined) throw new Error(`there is no interface ${options.device}`);
    this.#frame = options.frame;
    this.#map = this.#bpf.createMap(MapType.Array, 8, 1);
    this.#program = this.#bpf.loadXdpProgram(
      generatorProgram(this.#map, device.index, options.frame.length, options.fields),
    );
  }

  /** As fast as the kernel can; blocks. @returns seconds it took */
  send(count: number): number {
    const start = performance.now();
    this.#bpf.runLive(this.#program, this.#frame, count);
    return (performance.now() - start) / 1000;
  }

  /** At a rate, in a burst every millisecond. @returns seconds it took */
  async sendAt(perSecond: number, count: number): Promise<number> {
    const start = performance.now();
    let sent = 0;
    while (sent < count) {
      const due = Math.min(count, Math.floor(((performance.now() - start) * perSecond) / 1000));
      if (due > sent) this.#bpf.runLive(this.#program, this.#frame, due - sent);
      sent = Math.max(sent, due);
      // One burst after another.
      // oxlint-disable-next-line no-await-in-loop
      await sleep(PACE_MILLISECONDS);
    }
    return (performance.now() - start) / 1000;
  }

  close(): void {
    this.#bpf.close(this.#program);
    this.#bpf.close(this.#map);
  }
}

/** The program: take the next number, write the fields, send. */
export function generatorProgram(
  map: number,
  device: number,
  frameBytes: number,
  fields: readonly Field[],
): Uint8Array {
  const body: Instruction[] = [
    loadMapValue(5, map, 0),
    set(7, 1),
    fetchAdd(5, 0, 7, 8),
    ...fields.flatMap(({ at, bytes, base, mask, shift, isScattered }) => [
      move(8, 7),
      ...(isScattered === true ? [multiply32(8, SCATTER)] : []),
      ...(shift === undefined ? [] : [shiftRight(8, shift)]),
      and(8, mask),
      add(8, base),
      toBigEndian(8, bytes === 2 ? 16 : 32),
      store(2, at, 8, bytes),
    ]),
    set(1, device),
    set(2, 0),
    call(BPF_REDIRECT),
    exit(),
  ];
  return assemble([
    load(2, 1, 0, 4),
    load(3, 1, DATA_END, 4),
    move(4, 2),
    add(4, frameBytes),
    skipIfGreater(4, 3, assemble(body).length / INSTRUCTION_BYTES),
    ...body,
    set(0, XDP_DROP),
    exit(),
  ]);
}

/** An IPv4 UDP frame without a UDP checksum. */
export function udpFrame(options: {
  readonly bytes: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}): Uint8Array {
  const frame = new Uint8Array(options.bytes);
  const view = new DataView(frame.buffer);
  frame.set([0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45]);
  view.setUint16(16, options.bytes - 14);
  frame.set([64, 17], 22);
  frame.set(options.source.split('.').map(Number), 26);
  frame.set(options.destination.split('.').map(Number), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  view.setUint16(34, options.sourcePort);
  view.setUint16(36, options.destinationPort);
  view.setUint16(38, options.bytes - 34);
  return frame;
}

const FIRST_PORT = 1024;
const SOURCE_PORT_AT = 34;
const DESTINATION_PORT_AT = 36;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      device: { type: 'string' },
      count: { type: 'string', default: '1000000' },
      rate: { type: 'string' },
      size: { type: 'string', default: '64' },
      flows: { type: 'string', default: '4096' },
      source: { type: 'string', default: '10.9.0.1' },
      destination: { type: 'string', default: '10.9.0.2' },
      port: { type: 'string', default: '53' },
      'denied-port': { type: 'string' },
    },
  });
  if (values.device === undefined) throw new Error('--device is needed');
  const flows = 2 ** Math.floor(Math.log2(Number(values.flows)));
  const port = Number(values.port);
  const denied = values['denied-port'];
  const fields: Field[] = [
    { at: SOURCE_PORT_AT, bytes: 2, base: FIRST_PORT, mask: flows - 1, shift: 1 },
  ];
  if (denied !== undefined) {
    // One bit of the number decides, so the two ports differ by one.
    if (Number(denied) !== port + 1) throw new Error('--denied-port must be --port plus one');
    fields.push({ at: DESTINATION_PORT_AT, bytes: 2, base: port, mask: 1 });
  }
  const frame = udpFrame({
    bytes: Number(values.size),
    source: values.source,
    destination: values.destination,
    sourcePort: FIRST_PORT,
    destinationPort: port,
  });
  const generator = new Generator({ device: values.device, frame, fields });
  const count = Number(values.count);
  const seconds =
    values.rate === undefined
      ? generator.send(count)
      : await generator.sendAt(Number(values.rate), count);
  generator.close();
  const perSecond = Math.round(count / seconds);
  console.log(JSON.stringify({ count, seconds, perSecond }));
}

if (import.meta.filename === process.argv[1]) await main();
