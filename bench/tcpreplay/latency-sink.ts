/**
 * Receives the frames with a time stamp, a program of its own in the sink's namespace:
 *
 *     node latency-sink.js '{"device": "s0", "stampAt": 42}'
 *
 * A frame's departure is the generator's clock when it made the frame, its arrival the kernel's time stamp on it here; how
 * late this process reads it does not matter. Prints `ready`, and when its input ends the delays in microseconds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadKoffi } from '../../daemon/native/libc.ts';
import { readNetworkDevice } from '../../daemon/native/network-device.ts';
import { STAMP_MARK } from '../traffic/live-program.ts';

export interface LatencySinkArguments {
  readonly device: string;
  /** Byte of the frame where the stamp is. */
  readonly stampAt: number;
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL_NETWORK_ORDER = 0x0300;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const RECEIVE_BUFFER_BYTES = 64 << 20;
const MSG_DONTWAIT = 0x40;
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
/** Readings of both clocks, of which the closest counts. */
const CLOCK_READINGS = 64;

const BATCH = 64;
const FRAME_ROOM = 128;
const CONTROL_ROOM = 64;
/** struct mmsghdr, and in it the length of the control data, which the kernel overwrites. */
const MESSAGE_BYTES = 64;
const CONTROL_LENGTH_AT = 40;
/** In the control data: a header of 16 bytes, then seconds and nanoseconds. */
const TIME_AT = 16;
const PAUSE_MS = 2;
const SAMPLES_MAX = 1 << 21;

const { device, stampAt } = JSON.parse(process.argv[2] ?? '{}') as LatencySinkArguments;
const koffi = loadKoffi();
const library = koffi.load(null);
const socket = library.func('socket', 'int', ['int', 'int', 'int']);
const bind = library.func('bind', 'int', ['int', 'void *', 'uint32_t']);
const setsockopt = library.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']);
const recvmmsg = library.func('recvmmsg', 'int', ['int', 'void *', 'uint32_t', 'int', 'void *']);
const clockGettime = library.func('clock_gettime', 'int', ['int', 'void *']);

const time = new BigInt64Array(2);
function clock(number: number): bigint {
  clockGettime(number, time);
  return (time[0] ?? 0n) * 1_000_000_000n + (time[1] ?? 0n);
}

/** Real time minus monotonic time, in nanoseconds. */
function clockOffset(): bigint {
  let offset = 0n;
  let closest = 1n << 62n;
  for (let reading = 0; reading < CLOCK_READINGS; reading++) {
    const before = clock(CLOCK_MONOTONIC);
    const real = clock(CLOCK_REALTIME);
    const after = clock(CLOCK_MONOTONIC);
    if (after - before >= closest) continue;
    closest = after - before;
    offset = real - (before + after) / 2n;
  }
  return offset;
}

function check(result: unknown, what: string): number {
  if (Number(result) < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return Number(result);
}

/** A packet socket that gets marked frames only, each with the kernel's time. */
function openSocket(): number {
  const index = readNetworkDevice(device)?.index;
  if (index === undefined) throw new Error(`there is no interface ${device}`);
  const opened = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket');
  const filter = [
    [0x28, 0, 0, stampAt], // ldh [mark]
    [0x15, 0, 1, STAMP_MARK], // jeq
    [0x06, 0, 0, FRAME_ROOM], // ret: accept
    [0x06, 0, 0, 0], // ret: drop
  ] as const;
  const program = Buffer.alloc(filter.length * 8);
  for (const [row, [code, yes, no, value]] of filter.entries()) {
    program.writeUInt16LE(code, row * 8);
    program.writeUInt8(yes, row * 8 + 2);
    program.writeUInt8(no, row * 8 + 3);
    program.writeUInt32LE(value, row * 8 + 4);
  }
  const descriptor = Buffer.alloc(16);
  descriptor.writeUInt16LE(filter.length, 0);
  descriptor.writeBigUInt64LE(koffi.address(program), 8);
  check(setsockopt(opened, SOL_SOCKET, SO_ATTACH_FILTER, descriptor, 16), 'SO_ATTACH_FILTER');
  const on = new Int32Array([1]);
  check(setsockopt(opened, SOL_SOCKET, SO_TIMESTAMPNS, on, 4), 'SO_TIMESTAMPNS');
  const room = new Int32Array([RECEIVE_BUFFER_BYTES]);
  check(setsockopt(opened, SOL_SOCKET, SO_RCVBUFFORCE, room, 4), 'SO_RCVBUFFORCE');
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16LE(ETH_P_ALL_NETWORK_ORDER, 2);
  address.writeInt32LE(index, 4);
  check(bind(opened, address, address.length), 'bind');
  return opened;
}

const frames = Buffer.alloc(BATCH * FRAME_ROOM);
const controls = Buffer.alloc(BATCH * CONTROL_ROOM);
const vectors = Buffer.alloc(BATCH * 16);
const messages = Buffer.alloc(BATCH * MESSAGE_BYTES);
for (let index = 0; index < BATCH; index++) {
  // struct iovec { base, length }; struct msghdr { name, name length, vectors, count, control, control length, flags }
  vectors.writeBigUInt64LE(koffi.address(frames) + BigInt(index * FRAME_ROOM), index * 16);
  vectors.writeBigUInt64LE(BigInt(FRAME_ROOM), index * 16 + 8);
  const at = index * MESSAGE_BYTES;
  messages.writeBigUInt64LE(koffi.address(vectors) + BigInt(index * 16), at + 16);
  messages.writeBigUInt64LE(1n, at + 24);
  messages.writeBigUInt64LE(koffi.address(controls) + BigInt(index * CONTROL_ROOM), at + 32);
}

const opened = openSocket();
const offset = clockOffset();
const delays: number[] = [];
let isOver = false;

/** Everything that has arrived. */
function receive(): void {
  for (;;) {
    for (let index = 0; index < BATCH; index++) {
      messages.writeUInt32LE(CONTROL_ROOM, index * MESSAGE_BYTES + CONTROL_LENGTH_AT);
    }
    const count = Number(recvmmsg(opened, messages, BATCH, MSG_DONTWAIT, null));
    for (let index = 0; index < count; index++) {
      const departure = frames.readBigUInt64BE(index * FRAME_ROOM + stampAt + 2);
      const at = index * CONTROL_ROOM + TIME_AT;
      const arrival =
        controls.readBigInt64LE(at) * 1_000_000_000n + controls.readBigInt64LE(at + 8) - offset;
      if (delays.length < SAMPLES_MAX) delays.push(Number(arrival - departure) / 1000);
    }
    if (count < BATCH) return;
  }
}

process.stdin.resume().once('end', () => (isOver = true));
process.stdout.write('ready\n');
for (let isLast = false; !isLast;) {
  isLast = isOver;
  receive();
  // One look after another.
  // oxlint-disable-next-line no-await-in-loop
  await sleep(PAUSE_MS);
}
process.stdout.write(`${JSON.stringify(delays.map((delay) => Math.round(delay * 100) / 100))}\n`);
