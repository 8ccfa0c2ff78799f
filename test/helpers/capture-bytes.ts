/**
 * Builds capture files byte by byte, sound or not, without the project's own writer: what the readers are tested with.
 */
import type { Frame } from '../../src/capture/frame-sink.ts';

export type Chunk = Uint8Array<ArrayBuffer>;

export type PcapShape = {
  readonly littleEndian?: boolean;
  readonly nanoseconds?: boolean;
  readonly major?: number;
  readonly minor?: number;
  readonly snapLength?: number;
  /** The whole word, FCS bits included. */
  readonly linkType?: number;
};

/** A classic file header. */
export function pcapHeader(shape: PcapShape = {}): Chunk {
  const { littleEndian = true, nanoseconds = false, major = 2, minor = 4 } = shape;
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, littleEndian);
  view.setUint16(4, major, littleEndian);
  view.setUint16(6, minor, littleEndian);
  view.setUint32(16, shape.snapLength ?? 262_144, littleEndian);
  view.setUint32(20, shape.linkType ?? 1, littleEndian);
  return new Uint8Array(view.buffer);
}

/** A classic record: header words exactly as given, then the bytes. */
export function pcapRecord(
  words: readonly [seconds: number, fraction: number, captured: number, original: number],
  bytes: Uint8Array,
  littleEndian = true,
): Chunk {
  const chunk = new Uint8Array(16 + bytes.length);
  const view = new DataView(chunk.buffer);
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word, littleEndian);
  chunk.set(bytes, 16);
  return chunk;
}

/** A whole classic file. Times are whole microseconds. */
export function pcapOf(frames: readonly Frame[], shape: PcapShape = {}): Chunk {
  const chunks = [pcapHeader(shape)];
  for (const frame of frames) {
    const microseconds = Math.round(frame.timestamp * 1000);
    const seconds = Math.floor(microseconds / 1e6);
    const fraction = (microseconds - seconds * 1e6) * (shape.nanoseconds === true ? 1000 : 1);
    chunks.push(
      pcapRecord(
        [seconds, fraction, frame.length, frame.originalLength],
        bytesOf(frame),
        shape.littleEndian,
      ),
    );
  }
  return concat(chunks);
}

/** Writes pcapng blocks of one byte order. */
export class PcapngBlocks {
  readonly #littleEndian: boolean;

  constructor(littleEndian = true) {
    this.#littleEndian = littleEndian;
  }

  /** Any block: its body padded to 32 bits, both lengths right. */
  block(type: number, body: Uint8Array): Chunk {
    const length = 12 + padded(body.length);
    const chunk = new Uint8Array(length);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, type, this.#littleEndian);
    view.setUint32(4, length, this.#littleEndian);
    chunk.set(body, 8);
    view.setUint32(length - 4, length, this.#littleEndian);
    return chunk;
  }

  section(major = 1, minor = 0, options: Uint8Array = new Uint8Array(0)): Chunk {
    const body = new DataView(new ArrayBuffer(16));
    body.setUint32(0, 0x1a2b3c4d, this.#littleEndian);
    body.setUint16(4, major, this.#littleEndian);
    body.setUint16(6, minor, this.#littleEndian);
    body.setBigInt64(8, -1n, this.#littleEndian);
    return this.block(0x0a0d0d0a, concat([new Uint8Array(body.buffer), options]));
  }

  interface(linkType = 1, snapLength = 0, options: Uint8Array = new Uint8Array(0)): Chunk {
    const body = new DataView(new ArrayBuffer(8));
    body.setUint16(0, linkType, this.#littleEndian);
    body.setUint32(4, snapLength, this.#littleEndian);
    return this.block(1, concat([new Uint8Array(body.buffer), options]));
  }

  option(code: number, value: Uint8Array): Chunk {
    const chunk = new Uint8Array(4 + padded(value.length));
    const view = new DataView(chunk.buffer);
    view.setUint16(0, code, this.#littleEndian);
    view.setUint16(2, value.length, this.#littleEndian);
    chunk.set(value, 4);
    return chunk;
  }

  timeResolution(exponent: number): Chunk {
    return this.option(9, Uint8Array.of(exponent));
  }

  timeOffset(seconds: bigint): Chunk {
    const value = new DataView(new ArrayBuffer(8));
    value.setBigInt64(0, seconds, this.#littleEndian);
    return this.option(14, new Uint8Array(value.buffer));
  }

  /** Header words exactly as given, then the bytes and the options. */
  enhanced(
    on: number,
    ticks: bigint,
    lengths: readonly [captured: number, original: number],
    bytes: Uint8Array,
    options: Uint8Array = new Uint8Array(0),
  ): Chunk {
    return this.block(6, concat([this.#packet(on, ticks, lengths), pad(bytes), options]));
  }

  /** The obsolete packet block; `drops` shares a word with the interface. */
  packet(on: number, ticks: bigint, bytes: Uint8Array, drops = 0xffff): Chunk {
    const header = this.#packet(0, ticks, [bytes.length, bytes.length]);
    const view = new DataView(header.buffer);
    view.setUint16(0, on, this.#littleEndian);
    view.setUint16(2, drops, this.#littleEndian);
    return this.block(2, concat([header, bytes]));
  }

  simple(original: number, bytes: Uint8Array): Chunk {
    const header = new DataView(new ArrayBuffer(4));
    header.setUint32(0, original, this.#littleEndian);
    return this.block(3, concat([new Uint8Array(header.buffer), bytes]));
  }

  #packet(on: number, ticks: bigint, lengths: readonly [number, number]): Chunk {
    const header = new DataView(new ArrayBuffer(20));
    header.setUint32(0, on, this.#littleEndian);
    header.setUint32(4, Number(ticks >> 32n), this.#littleEndian);
    header.setUint32(8, Number(ticks & 0xffff_ffffn), this.#littleEndian);
    header.setUint32(12, lengths[0], this.#littleEndian);
    header.setUint32(16, lengths[1], this.#littleEndian);
    return new Uint8Array(header.buffer);
  }
}

/** A pcapng file of one section and one interface with microseconds. Times are whole microseconds. */
export function pcapngOf(frames: readonly Frame[], littleEndian = true): Chunk {
  const blocks = new PcapngBlocks(littleEndian);
  const chunks = [blocks.section(), blocks.interface()];
  for (const frame of frames) {
    const ticks = BigInt(Math.round(frame.timestamp * 1000));
    chunks.push(blocks.enhanced(0, ticks, [frame.length, frame.originalLength], bytesOf(frame)));
  }
  return concat(chunks);
}

/** A copy of the frame's bytes. */
export function bytesOf(frame: Frame): Chunk {
  return new Uint8Array(
    frame.view.buffer,
    frame.view.byteOffset + frame.offset,
    frame.length,
  ).slice();
}

export function concat(chunks: readonly Uint8Array[]): Chunk {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let used = 0;
  for (const chunk of chunks) {
    whole.set(chunk, used);
    used += chunk.length;
  }
  return whole;
}

function pad(bytes: Uint8Array): Chunk {
  const whole = new Uint8Array(padded(bytes.length));
  whole.set(bytes);
  return whole;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
