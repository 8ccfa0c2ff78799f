/**
 * A packet generator that outruns every receiver: the kernel's live-frame test run (BPF_PROG_TEST_RUN with
 * BPF_F_TEST_XDP_LIVE_FRAMES) of a small XDP program that numbers each frame and sends it out of a device.
 *
 *   const generator = new Generator({ device: 'gen0', frame, fields: [{ at: 34, bytes: 2, base: 1024, mask: 0xfff }] });
 *   generator.send(1_000_000);                 // frames, as fast as it goes
 *   generator.runFor(2);                       // seconds, at `perSecond` when that is given
 *   generator.close();
 *
 * The device must be able to send from XDP: a veth whose peer has GRO on or an XDP program. Frames that do not fit
 * into the peer's queue are lost without a word, so count at the receiver, never here. The frame's checksums are not
 * made good after a field was changed: change ports of UDP with checksum 0, or two fields that cancel out.
 *
 * As a program: node dist/bench/generator.js --device gen0 --count 1000000 [--rate 500000] [--size 64] [--flows 4096]
 *   [--source 10.9.0.1] [--destination 10.9.0.2] [--port 53] [--denied-port 54]: UDP, the source port runs through the
 *   flows, every second frame goes to the denied port when there is one.
 */
import { parseArgs } from 'node:util';

import { Bpf, MapType } from '../daemon/native/bpf.ts';
import { loadKoffi } from '../daemon/native/libc.ts';
import { readNetworkDevice } from '../daemon/native/network-device.ts';
import {
  type Field,
  liveProgram,
  type LiveProgramOptions,
  mapValue,
} from './traffic/live-program.ts';

export interface GeneratorOptions extends Omit<LiveProgramOptions, 'device' | 'frameBytes'> {
  readonly device: string;
  /** Without frame check sequence, at least 14 bytes. */
  readonly frame: Uint8Array;
}

/** Of one run: it is ended by a timer before. */
const COUNT_MAX = 0x7fff_ffff;
const ITIMER_REAL = 0;
const MICROSECONDS = 1_000_000;

export class Generator {
  readonly #bpf = new Bpf();
  readonly #program: number;
  readonly #map: number;
  readonly #frame: Uint8Array;

  /** @throws Error where there is no such device, SystemCallError */
  constructor({ device, frame, ...options }: GeneratorOptions) {
    const found = readNetworkDevice(device);
    if (found === undefined) throw new Error(`there is no interface ${device}`);
    this.#frame = frame;
    const value = mapValue(options);
    this.#map = this.#bpf.createMap(MapType.Array, value.length, 1);
    this.#bpf.updateMap(this.#map, 0, value);
    const program = { ...options, device: found.index, frameBytes: frame.length };
    this.#program = this.#bpf.loadXdpProgram(liveProgram(this.#map, program));
  }

  /** Runs the program for that many frames, due or not; blocks. @returns seconds it took */
  send(count: number): number {
    const start = performance.now();
    this.#bpf.runLive(this.#program, this.#frame, count);
    return (performance.now() - start) / 1000;
  }

  /** Sends for some seconds; blocks. @returns seconds it took */
  runFor(seconds: number): number {
    const ignore = (): void => undefined;
    process.on('SIGALRM', ignore);
    const start = performance.now();
    const end = start + seconds * 1000;
    try {
      for (let left = seconds; left > 0; left = (end - performance.now()) / 1000) {
        interruptAfter(left);
        this.#bpf.runLive(this.#program, this.#frame, COUNT_MAX);
      }
    } finally {
      process.off('SIGALRM', ignore);
    }
    return (performance.now() - start) / 1000;
  }

  close(): void {
    this.#bpf.close(this.#program);
    this.#bpf.close(this.#map);
  }
}

/** Has the kernel send SIGALRM, which ends the system call that is under way. */
function interruptAfter(seconds: number): void {
  const setitimer = loadKoffi().load(null).func('setitimer', 'int', ['int', 'void *', 'void *']);
  const microseconds = Math.ceil(seconds * MICROSECONDS);
  // struct itimerval: interval (none), then the time until the signal, each in seconds and microseconds.
  const timer = new BigInt64Array([
    0n,
    0n,
    BigInt(Math.floor(microseconds / MICROSECONDS)),
    BigInt(microseconds % MICROSECONDS),
  ]);
  setitimer(ITIMER_REAL, timer, null);
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

function main(): void {
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
  const count = Number(values.count);
  const rate = values.rate === undefined ? {} : { perSecond: Number(values.rate) };
  const generator = new Generator({ device: values.device, frame, fields, ...rate });
  const seconds =
    values.rate === undefined
      ? generator.send(count)
      : generator.runFor(count / Number(values.rate));
  generator.close();
  const perSecond = Math.round(count / seconds);
  console.log(JSON.stringify({ count, seconds, perSecond }));
}

if (import.meta.filename === process.argv[1]) main();
