/**
 * FrameMutator: a frame into another that is wrong in a way a header can be wrong. It knows where the fields are (link, IP,
 * upper layer) and gives them values at their limits, beside random bytes anywhere, cuts, padding, and parts of two frames
 * put together. Most IPv4 header checksums are made right again, else nothing would come past that check.
 *
 * The frame is made in one buffer that is used again: a `FuzzFrame` is valid until the next.
 */
import { naiveChecksum } from '../helpers/frames.ts';
import type { Random } from '../helpers/random.ts';

/** Room for a frame: more than the MTU allows, so that some are oversize. */
export const FRAME_ROOM = 2048;

const INTERESTING_8 = [0, 1, 4, 5, 6, 15, 16, 17, 41, 43, 44, 50, 58, 59, 60, 127, 128, 254, 255];
const INTERESTING_16 = [
  0, 1, 7, 8, 19, 20, 28, 40, 53, 80, 0x1fff, 0x2000, 0x3fff, 0x7fff, 0x8000, 0xffff,
];
const ETHER_TYPES = [0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x9100, 0x88cc, 0x8847, 0x8864, 46, 0];
const TAG_TYPES = [0x8100, 0x88a8, 0x9100];
const EXTENSIONS = [0, 43, 44, 51, 60, 135, 139, 140, 253];
const TCP = 6;
const UDP = 17;

/** Offset of what follows the link header and its tags. */
function networkAt(frame: Uint8Array, length: number): number {
  let at = 12;
  while (at + 6 <= length && TAG_TYPES.includes(((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0)))
    at += 4;
  return Math.min(at + 2, length);
}

/** Makes the checksum of an IPv4 header right, where there is a whole one. */
export function mendChecksum(frame: Uint8Array, length: number): void {
  const at = networkAt(frame, length);
  const first = frame[at] ?? 0;
  const end = at + (first & 15) * 4;
  if (first >>> 4 !== 4 || end > length || end < at + 20) return;
  frame.fill(0, at + 10, at + 12);
  const sum = naiveChecksum(frame.subarray(at, end));
  frame[at + 10] = sum >>> 8;
  frame[at + 11] = sum & 0xff;
}

type Mutation = (mutator: FrameMutator) => void;

export class FrameMutator {
  readonly bytes = new Uint8Array(FRAME_ROOM);
  length = 0;
  readonly random: Random;
  readonly #view = new DataView(this.bytes.buffer);
  readonly #pool: Uint8Array[];
  readonly #own: number;

  /** @param pool is added to by `keep` */
  constructor(random: Random, pool: Uint8Array[]) {
    this.random = random;
    this.#pool = pool;
    this.#own = pool.length;
  }

  /** Makes the next frame: `bytes` up to `length`. */
  next(): void {
    const { random } = this;
    this.#load(random.pick(this.#pool));
    let changes = random.below(8);
    // A quarter goes as it is: flows have to be made before they can be attacked.
    if (changes < 2) return;
    for (changes >>= 1; changes > 0; changes--) random.pick(MUTATIONS)(this);
    if (random.below(8) !== 0) mendChecksum(this.bytes, this.length);
  }

  /** Takes the frame into the pool, for what it has reached. The oldest of those taken in makes room. */
  keep(limit: number): void {
    const frame = this.bytes.slice(0, this.length);
    if (this.#pool.length < this.#own + limit) this.#pool.push(frame);
    else this.#pool[this.#own + this.random.below(limit)] = frame;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Offset of the IP header, or of whatever follows the link header. */
  get ipAt(): number {
    return networkAt(this.bytes, this.length);
  }

  /** Offset of the upper layer, as far as the IP header says; extension headers count as upper layer here. */
  get upperAt(): number {
    const at = this.ipAt;
    const first = this.u8(at);
    const length = first >>> 4 === 6 ? 40 : Math.max(20, (first & 15) * 4);
    return Math.min(at + length, this.length);
  }

  get isIpv6(): boolean {
    return this.u8(this.ipAt) >>> 4 === 6;
  }

  u8(at: number): number {
    return at < FRAME_ROOM ? (this.bytes[at] ?? 0) : 0;
  }

  u16(at: number): number {
    return (this.u8(at) << 8) | this.u8(at + 1);
  }

  set8(at: number, value: number): void {
    if (at >= 0 && at < this.length) this.bytes[at] = value;
  }

  set16(at: number, value: number): void {
    if (at >= 0 && at + 2 <= this.length) this.#view.setUint16(at, value);
  }

  set32(at: number, value: number): void {
    if (at >= 0 && at + 4 <= this.length) this.#view.setUint32(at, value >>> 0);
  }

  /** Shifts what is at `at` and behind by `count` bytes, which hold random bytes then. */
  insert(at: number, count: number): void {
    if (at > this.length || this.length + count > FRAME_ROOM) return;
    this.bytes.copyWithin(at + count, at, this.length);
    this.length += count;
    for (let i = at; i < at + count; i++) this.bytes[i] = this.random.below(256);
  }

  remove(at: number, count: number): void {
    const taken = Math.min(count, this.length - at);
    if (taken <= 0) return;
    this.bytes.copyWithin(at, at + taken, this.length);
    this.length -= taken;
  }

  /** Puts the tail of another frame in place of this one's, from the same layer on. */
  splice(): void {
    const other = this.random.pick(this.#pool);
    const at = this.random.below(2) === 0 ? this.ipAt : this.upperAt;
    const tail = other.subarray(Math.min(at, other.length), other.length);
    const end = Math.min(FRAME_ROOM, at + tail.length);
    this.bytes.set(tail.subarray(0, end - at), at);
    this.length = end;
  }

  #load(frame: Uint8Array): void {
    this.bytes.set(frame);
    this.length = frame.length;
  }
}

/** Flips, sets and overwrites anywhere, most often in the headers. */
const anywhere: readonly Mutation[] = [
  (m) => {
    const at = m.random.below(Math.min(m.length, 100));
    m.set8(at, m.u8(at) ^ (1 << m.random.below(8)));
  },
  (m) => m.set8(m.random.below(Math.min(m.length, 100)), m.random.pick(INTERESTING_8)),
  (m) => m.set16(m.random.below(Math.min(m.length, 100)), m.random.pick(INTERESTING_16)),
  (m) => m.set8(m.random.below(m.length), m.random.below(256)),
  (m) => {
    m.length = m.random.below(m.length + 1);
  },
  (m) => m.insert(m.length, m.random.below(64)),
  (m) => m.insert(m.random.below(m.length + 1), 1 + m.random.below(8)),
  (m) => m.remove(m.random.below(m.length + 1), 1 + m.random.below(8)),
  (m) => m.splice(),
];

const link: readonly Mutation[] = [
  (m) => m.set16(m.ipAt - 2, m.random.pick(ETHER_TYPES)),
  (m) => {
    m.insert(12, 4);
    m.set16(12, m.random.pick(TAG_TYPES));
    m.set16(14, m.random.below(4));
  },
  (m) => m.remove(12, 4),
  (m) => {
    m.set32(0, 0x0180c200);
    m.set16(4, m.random.below(20));
  },
];

const network: readonly Mutation[] = [
  // Version and header length; total or payload length, near the right one or at a limit.
  (m) => m.set8(m.ipAt, (m.random.pick([4, 4, 6, 5, 0]) << 4) | m.random.below(16)),
  (m) => {
    const at = m.ipAt;
    const right = m.length - at - (m.isIpv6 ? 40 : 0);
    const value =
      m.random.below(2) === 0 ? right + m.random.below(5) - 2 : m.random.pick(INTERESTING_16);
    m.set16(at + (m.isIpv6 ? 4 : 2), value);
  },
  (m) => m.set8(m.ipAt + (m.isIpv6 ? 6 : 9), m.random.pick(INTERESTING_8)),
  (m) => m.set8(m.ipAt + (m.isIpv6 ? 7 : 8), m.random.pick([0, 1, 64, 254, 255])),
  // IPv4: identification of few values, fragment fields. IPv6: an extension header before what follows.
  (m) => {
    const at = m.ipAt;
    if (m.isIpv6) return insertExtension(m, at);
    m.set16(at + 4, m.random.below(4));
    m.set16(at + 6, (m.random.below(2) << 13) | m.random.pick([0, 1, 2, 10, 185, 8191]));
  },
  // Source and destination swapped, or the last byte of one changed: other hosts, LAND, other NICs.
  (m) => swapAddresses(m),
  (m) =>
    m.set8(
      m.ipAt + (m.isIpv6 ? 23 : 15) + m.random.below(2) * (m.isIpv6 ? 16 : 4),
      m.random.pick(INTERESTING_8),
    ),
  // IPv4 options.
  (m) => {
    const at = m.ipAt;
    if (m.isIpv6 || m.u8(at) !== 0x45) return;
    m.insert(at + 20, 4 * (1 + m.random.below(10)));
    m.set8(at, 0x40 | Math.min(15, m.random.below(16)));
    m.set8(at + 20, m.random.pick([0, 1, 7, 68, 131, 137, 148]));
    m.set8(at + 21, m.random.pick([0, 1, 2, 3, 4, 40]));
    m.set16(at + 2, m.length - at);
  },
];

const upper: readonly Mutation[] = [
  (m) => m.set16(m.upperAt + m.random.below(2) * 2, m.random.pick(INTERESTING_16)),
  // Ports swapped: an answer. TCP numbers near those of the conversations, flags, header length; UDP length.
  (m) => {
    const at = m.upperAt;
    const source = m.u16(at);
    m.set16(at, m.u16(at + 2));
    m.set16(at + 2, source);
    swapAddresses(m);
  },
  (m) => m.set32(m.upperAt + 4 + m.random.below(2) * 4, m.random.below(5) - 1),
  (m) => m.set8(m.upperAt + 13, m.random.below(256)),
  (m) => m.set8(m.upperAt + 12, m.random.below(16) << 4),
  (m) => m.set16(m.upperAt + 4, m.random.pick(INTERESTING_16)),
  (m) =>
    m.set8(
      m.upperAt,
      m.random.pick([0, 1, 2, 3, 4, 5, 8, 11, 12, 13, 127, 128, 129, 130, 134, 135, 143, 255]),
    ),
  (m) => m.set16(m.upperAt + 4, m.random.below(3)),
  (m) => m.set8(m.ipAt + (m.isIpv6 ? 6 : 9), m.random.pick([1, TCP, UDP, 58])),
  // Inside what an ICMP error quotes.
  (m) => m.set8(m.upperAt + 8 + m.random.below(40), m.random.pick(INTERESTING_8)),
];

const MUTATIONS: readonly Mutation[] = [
  ...anywhere,
  ...link,
  ...network,
  ...network,
  ...upper,
  ...upper,
];

function insertExtension(m: FrameMutator, at: number): void {
  const blocks = m.random.pick([1, 1, 1, 2, 5, 33]);
  m.insert(at + 40, blocks * 8);
  const type = m.random.pick(EXTENSIONS);
  m.set8(at + 40, m.u8(at + 6));
  m.set8(at + 41, m.random.below(4) === 0 ? m.random.below(256) : blocks - 1);
  m.set8(at + 6, type);
  if (type === 44) {
    m.set16(at + 42, m.random.pick([0, 1, 8, 9, 64, 0xfff8]));
    m.set32(at + 44, m.random.below(3));
  }
  m.set16(at + 4, Math.max(0, m.length - at - 40));
}

function swapAddresses(m: FrameMutator): void {
  const size = m.isIpv6 ? 16 : 4;
  const at = m.ipAt + (m.isIpv6 ? 8 : 12);
  if (at + 2 * size > m.length) return;
  const source = m.bytes.slice(at, at + size);
  m.bytes.copyWithin(at, at + size, at + 2 * size);
  m.bytes.set(source, at + size);
}
