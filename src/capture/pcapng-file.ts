/**
 * pcapng capture files: draft-ietf-opsawg-pcapng. What bears frames is read, every other block is passed over.
 *
 * Every block:
 *
 *      0  block type
 *      4  total length T, a multiple of 4
 *      8  body
 *    T-4  total length again
 *
 * A section header block opens a section and fixes its byte order; interfaces are numbered from 0 in each section, and
 * each has its own link type, snapshot length and clock. Body of the blocks we read, offsets from the block's start:
 *
 *    section header (SHB)  8 byte-order magic   12 major, minor version (16 bits each)   16 section length
 *    interface (IDB)       8 link type (16 bits)   12 snapshot length   16 options
 *    enhanced packet (EPB) 8 interface   12 time, high word   16 time, low word   20 captured   24 original   28 frame
 *    packet, obsolete (PB) as EPB, but the interface is 16 bits and a drop count follows it
 *    simple packet (SPB)   8 original length   12 frame
 */
import type { ByteWindow } from './byte-window.ts';
import { CaptureFileError, type CaptureFileErrorCode } from './capture-file-error.ts';
import type { FrameSource } from './frame.ts';
import { MAX_FRAME_BYTES } from './pcap-file.ts';

/** Reads the same in both byte orders. */
export const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BYTE_ORDER_MAGIC_SWAPPED = 0x4d3c2b1a;
const MAJOR = 1;
/** libpcap's limit as well. The window grows to hold a block that we read whole. */
const MAX_BLOCK_BYTES = 1 << 24;
/** Bounds the memory that a file of nothing but interface blocks can claim. */
const MAX_INTERFACES = 65_536;

const LENGTH_OFFSET = 4;
const BODY_OFFSET = 8;
const TRAILER_BYTES = 4;
const MIN_BLOCK_BYTES = 12;
const SHB_MAJOR_OFFSET = 12;
const SHB_BYTES = 28;
const IDB_SNAP_LENGTH_OFFSET = 12;
const IDB_OPTIONS_OFFSET = 16;
const IDB_BYTES = 20;
const EPB_TIME_HIGH_OFFSET = 12;
const EPB_TIME_LOW_OFFSET = 16;
const EPB_CAPTURED_OFFSET = 20;
const EPB_ORIGINAL_OFFSET = 24;
const EPB_FRAME_OFFSET = 28;
const EPB_BYTES = 32;
const SPB_ORIGINAL_OFFSET = 8;
const SPB_FRAME_OFFSET = 12;
const SPB_BYTES = 16;

const OPTION_END = 0;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_TIME_OFFSET = 14;
const OPTION_HEADER_BYTES = 4;
/** if_tsresol: the top bit says power of 2, otherwise power of 10, of the ticks in a second. */
const RESOLUTION_IS_BINARY = 0x80;
const DEFAULT_RESOLUTION = 6;

const TWO_TO_32 = 0x1_0000_0000;

/** What an interface description block says. Time in milliseconds is `ticks / ticksPer * millis + offset`. */
type Interface = {
  readonly linkType: number;
  /** 0 means no limit. */
  readonly snapLength: number;
  readonly ticksPer: number;
  readonly millis: number;
  readonly offset: number;
};

/** Reads a pcapng file from the window, whose next byte is the first of the file. */
export class PcapngFileSource implements FrameSource {
  view: DataView;
  offset = 0;
  length = 0;
  originalLength = 0;
  /** A simple packet block has no time: its frame keeps that of the frame before it (0 where there is none). */
  timestamp = 0;
  linkType = 0;
  readonly #window: ByteWindow;
  readonly #file: string;
  readonly #close: () => void;
  #littleEndian = true;
  #interfaces: Interface[] = [];
  #ended = false;

  /**
   * @param file the name for messages
   * @param close called by `close()`
   * @throws CaptureFileError when the first section header is not sound
   */
  constructor(window: ByteWindow, file: string, close: () => void) {
    this.#window = window;
    this.view = window.view;
    this.#file = file;
    this.#close = close;
    this.#readBlock();
  }

  next(): boolean {
    while (!this.#ended) {
      if (this.#readBlock()) return true;
    }
    return false;
  }

  close(): void {
    this.#ended = true;
    this.#close();
  }

  /** Reads one block. True when it bore a frame. */
  #readBlock(): boolean {
    const window = this.#window;
    const available = window.require(MIN_BLOCK_BYTES);
    if (available === 0) {
      this.#ended = true;
      return false;
    }
    if (available < MIN_BLOCK_BYTES) {
      this.#fail(
        'truncated',
        `expected a block of at least ${MIN_BLOCK_BYTES} bytes, the file ends after ${available}`,
      );
    }
    const type = window.view.getUint32(window.position, this.#littleEndian);
    if (type === SECTION_HEADER) this.#readByteOrder();
    const length = window.view.getUint32(window.position + LENGTH_OFFSET, this.#littleEndian);
    if (length < MIN_BLOCK_BYTES || length > MAX_BLOCK_BYTES || length % 4 !== 0) {
      const expected = `a multiple of 4 from ${MIN_BLOCK_BYTES} to ${MAX_BLOCK_BYTES}`;
      this.#fail('length', `block length ${length} is not ${expected}`);
    }
    if (!isRead(type)) {
      this.#skipBlock(length);
      return false;
    }
    const whole = window.require(length);
    if (whole < length) {
      this.#fail('truncated', `block of ${length} bytes, the file ends after ${whole}`);
    }
    this.#checkTrailer(window.position + length - TRAILER_BYTES, length);
    const hasFrame = this.#interpret(type, length);
    window.advance(length);
    return hasFrame;
  }

  #readByteOrder(): void {
    const window = this.#window;
    const magic = window.view.getUint32(window.position + BODY_OFFSET, true);
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_MAGIC_SWAPPED) {
      const found = magic.toString(16).padStart(8, '0');
      this.#fail('malformed', `section header block with byte-order magic 0x${found}`);
    }
    this.#littleEndian = magic === BYTE_ORDER_MAGIC;
  }

  /** A block of no interest need not fit the window. */
  #skipBlock(length: number): void {
    const window = this.#window;
    const blockOffset = window.fileOffset;
    const passed = window.skip(length - TRAILER_BYTES);
    const available = window.require(TRAILER_BYTES);
    if (available < TRAILER_BYTES) {
      const problem = `block of ${length} bytes, the file ends after ${passed + available}`;
      this.#failAt(blockOffset, 'truncated', problem);
    }
    this.#checkTrailer(window.position, length, blockOffset);
    window.advance(TRAILER_BYTES);
  }

  #checkTrailer(position: number, length: number, blockOffset = this.#window.fileOffset): void {
    const trailer = this.#window.view.getUint32(position, this.#littleEndian);
    if (trailer === length) return;
    this.#failAt(
      blockOffset,
      'malformed',
      `block length ${length} at its start, ${trailer} at its end`,
    );
  }

  /** @returns true when the block bore a frame, whose fields are then set */
  #interpret(type: number, length: number): boolean {
    switch (type) {
      case SECTION_HEADER:
        this.#readSection(length);
        return false;
      case INTERFACE:
        this.#readInterface(length);
        return false;
      case SIMPLE_PACKET:
        this.#readSimplePacket(length);
        return true;
      default:
        this.#readPacket(type, length);
        return true;
    }
  }

  #readSection(length: number): void {
    this.#requireBlock('section header', length, SHB_BYTES);
    const { view, position } = this.#window;
    const major = view.getUint16(position + SHB_MAJOR_OFFSET, this.#littleEndian);
    const minor = view.getUint16(position + SHB_MAJOR_OFFSET + 2, this.#littleEndian);
    // 1.2 was written by mistake and means 1.0 (the draft, section 4.1).
    if (major !== MAJOR || (minor !== 0 && minor !== 2)) {
      this.#fail('version', `expected pcapng version 1.0, found ${major}.${minor}`);
    }
    this.#interfaces = [];
  }

  #readInterface(length: number): void {
    this.#requireBlock('interface', length, IDB_BYTES);
    if (this.#interfaces.length === MAX_INTERFACES) {
      this.#fail('length', `more than ${MAX_INTERFACES} interfaces in one section`);
    }
    const { view, position } = this.#window;
    const linkType = view.getUint16(position + BODY_OFFSET, this.#littleEndian);
    const snapLength = view.getUint32(position + IDB_SNAP_LENGTH_OFFSET, this.#littleEndian);
    let resolution = DEFAULT_RESOLUTION;
    let offset = 0;
    let option = position + IDB_OPTIONS_OFFSET;
    const end = position + length - TRAILER_BYTES;
    while (end - option >= OPTION_HEADER_BYTES) {
      const code = view.getUint16(option, this.#littleEndian);
      const size = view.getUint16(option + 2, this.#littleEndian);
      const value = option + OPTION_HEADER_BYTES;
      if (code === OPTION_END) break;
      if (size > end - value) {
        this.#fail(
          'length',
          `interface option ${code} of ${size} bytes, the block has ${end - value} left`,
        );
      }
      if (code === OPTION_TIME_RESOLUTION) {
        this.#requireOption('if_tsresol', size, 1);
        resolution = view.getUint8(value);
      } else if (code === OPTION_TIME_OFFSET) {
        this.#requireOption('if_tsoffset', size, 8);
        offset = Number(view.getBigInt64(value, this.#littleEndian)) * 1000;
      }
      option = value + ((size + 3) & ~3);
    }
    this.#interfaces.push({ linkType, snapLength, offset, ...clock(resolution) });
  }

  #readPacket(type: number, length: number): void {
    this.#requireBlock('packet', length, EPB_BYTES);
    const littleEndian = this.#littleEndian;
    const { view, position } = this.#window;
    const id =
      type === PACKET
        ? view.getUint16(position + BODY_OFFSET, littleEndian)
        : view.getUint32(position + BODY_OFFSET, littleEndian);
    const captured = view.getUint32(position + EPB_CAPTURED_OFFSET, littleEndian);
    const original = view.getUint32(position + EPB_ORIGINAL_OFFSET, littleEndian);
    const on = this.#interface(id);
    this.#setFrame(on, EPB_FRAME_OFFSET, captured, length);
    this.originalLength = Math.max(original, captured);
    const high = view.getUint32(position + EPB_TIME_HIGH_OFFSET, littleEndian);
    const low = view.getUint32(position + EPB_TIME_LOW_OFFSET, littleEndian);
    this.timestamp = quotient(high, low, on.ticksPer) * on.millis + on.offset;
  }

  #readSimplePacket(length: number): void {
    this.#requireBlock('simple packet', length, SPB_BYTES);
    const { view, position } = this.#window;
    const original = view.getUint32(position + SPB_ORIGINAL_OFFSET, this.#littleEndian);
    const on = this.#interface(0);
    const captured = on.snapLength === 0 ? original : Math.min(original, on.snapLength);
    this.#setFrame(on, SPB_FRAME_OFFSET, captured, length);
    this.originalLength = original;
  }

  #setFrame(on: Interface, frameOffset: number, captured: number, blockLength: number): void {
    if (captured > MAX_FRAME_BYTES) {
      this.#fail('length', `frame of ${captured} captured bytes, the limit is ${MAX_FRAME_BYTES}`);
    }
    const room = blockLength - frameOffset - TRAILER_BYTES;
    if (captured > room) {
      this.#fail('length', `frame of ${captured} captured bytes in a block with room for ${room}`);
    }
    this.view = this.#window.view;
    this.offset = this.#window.position + frameOffset;
    this.length = captured;
    this.linkType = on.linkType;
  }

  #interface(id: number): Interface {
    const found = this.#interfaces[id];
    if (found === undefined) {
      const described = this.#interfaces.length;
      this.#fail('malformed', `frame of interface ${id}, the section has described ${described}`);
    }
    return found;
  }

  #requireBlock(name: string, length: number, minimum: number): void {
    if (length >= minimum) return;
    this.#fail('length', `${name} block of ${length} bytes, expected at least ${minimum}`);
  }

  #requireOption(name: string, size: number, expected: number): void {
    if (size === expected) return;
    this.#fail('length', `option ${name} of ${size} bytes, expected ${expected}`);
  }

  #fail(code: CaptureFileErrorCode, problem: string): never {
    return this.#failAt(this.#window.fileOffset, code, problem);
  }

  #failAt(offset: number, code: CaptureFileErrorCode, problem: string): never {
    this.#ended = true;
    throw new CaptureFileError(code, this.#file, offset, problem);
  }
}

function isRead(type: number): boolean {
  return (
    type === ENHANCED_PACKET ||
    type === SIMPLE_PACKET ||
    type === PACKET ||
    type === INTERFACE ||
    type === SECTION_HEADER
  );
}

/** How to turn ticks into milliseconds, arranged so that the common resolutions divide by an exact number. */
function clock(resolution: number): Pick<Interface, 'ticksPer' | 'millis'> {
  const exponent = resolution & ~RESOLUTION_IS_BINARY;
  if ((resolution & RESOLUTION_IS_BINARY) !== 0) return { ticksPer: 2 ** exponent, millis: 1000 };
  return exponent >= 3
    ? { ticksPer: 10 ** (exponent - 3), millis: 1 }
    : { ticksPer: 1, millis: 10 ** (3 - exponent) };
}

/**
 * (high * 2^32 + low) / divisor, rounded once. Nanoseconds since the epoch do not fit a double, so the high word is
 * divided first and its remainder goes with the low word, as in long division.
 */
function quotient(high: number, low: number, divisor: number): number {
  const remainder = high % divisor;
  const whole = (high - remainder) / divisor;
  return whole * TWO_TO_32 + (remainder * TWO_TO_32 + low) / divisor;
}
