/**
 * Classic capture files ("pcap", "savefile"): draft-ietf-opsawg-pcap, and pcap-savefile(5).
 *
 * File header, 24 bytes, in the byte order that the magic number shows:
 *
 *      0  magic  a1b2c3d4 (fractions in microseconds) or a1b23c4d (nanoseconds)
 *      4  major version (16 bits), minor version (16 bits)
 *      8  two reserved words
 *     16  snapshot length
 *     20  link type (16 bits), 10 reserved bits that must be 0, FCS bits (length of a trailing checksum)
 *
 * Record header, 16 bytes: seconds, fraction, captured length, original length. Then the bytes of the frame.
 */
import type { ByteWindow } from './byte-window.ts';
import { CaptureFileError } from './capture-file-error.ts';
import type { FrameSource } from './frame.ts';

export const PcapMagic = Object.freeze({
  Microseconds: 0xa1b2c3d4,
  Nanoseconds: 0xa1b23c4d,
} as const);

export const PCAP_HEADER_BYTES = 24;
export const PCAP_RECORD_BYTES = 16;
/** libpcap's MAXIMUM_SNAPLEN: nothing sound is longer, GSO and jumbo frames included. */
export const MAX_FRAME_BYTES = 262_144;

const MAJOR_OFFSET = 4;
const MINOR_OFFSET = 6;
const LINK_TYPE_OFFSET = 20;
const LINK_TYPE_MASK = 0xffff;
const LINK_TYPE_RESERVED = 0x03ff_0000;

const FRACTION_OFFSET = 4;
const CAPTURED_OFFSET = 8;
const ORIGINAL_OFFSET = 12;

/** Every version since 1993 is 2.4. Older 2.x files differ in the order of the two lengths. */
const MAJOR = 2;
const MINOR = 4;
const MINOR_LENGTHS_ORDERED = 3;

/** Reads a classic file from the window, whose next byte is the first of the file. */
export class PcapFileSource implements FrameSource {
  view: DataView;
  offset = 0;
  length = 0;
  originalLength = 0;
  timestamp = 0;
  readonly linkType: number;
  readonly #window: ByteWindow;
  readonly #file: string;
  readonly #close: () => void;
  readonly #littleEndian: boolean;
  readonly #fractionsPerMillisecond: number;
  readonly #minorVersion: number;
  #records = 0;
  #ended = false;

  /**
   * @param file the name for messages
   * @param close called once, by `close()`
   * @throws CaptureFileError when the file header is not sound
   */
  constructor(window: ByteWindow, file: string, close: () => void) {
    const available = window.require(PCAP_HEADER_BYTES);
    if (available < PCAP_HEADER_BYTES) {
      const problem = `the file header needs ${PCAP_HEADER_BYTES} bytes, the file ends after ${available}`;
      throw new CaptureFileError('truncated', file, 0, problem);
    }
    const { view, position } = window;
    this.#littleEndian = isPcapMagic(view.getUint32(position, true));
    const magic = view.getUint32(position, this.#littleEndian);
    this.#fractionsPerMillisecond = magic === PcapMagic.Nanoseconds ? 1e6 : 1e3;
    const major = view.getUint16(position + MAJOR_OFFSET, this.#littleEndian);
    this.#minorVersion = view.getUint16(position + MINOR_OFFSET, this.#littleEndian);
    if (major !== MAJOR || this.#minorVersion > MINOR) {
      const problem = `expected pcap version 2.0 to 2.4, found ${major}.${this.#minorVersion}`;
      throw new CaptureFileError('version', file, 0, problem);
    }
    const linkType = view.getUint32(position + LINK_TYPE_OFFSET, this.#littleEndian);
    if ((linkType & LINK_TYPE_RESERVED) !== 0) {
      const problem = `the reserved bits of the link type are not zero (0x${linkType.toString(16)})`;
      throw new CaptureFileError('malformed', file, 0, problem);
    }
    this.linkType = linkType & LINK_TYPE_MASK;
    window.advance(PCAP_HEADER_BYTES);
    this.view = view;
    this.#window = window;
    this.#file = file;
    this.#close = close;
  }

  next(): boolean {
    if (this.#ended) return false;
    const window = this.#window;
    const littleEndian = this.#littleEndian;
    const available = window.require(PCAP_RECORD_BYTES);
    if (available < PCAP_RECORD_BYTES) {
      if (available > 0) {
        this.#fail(
          'truncated',
          `needs a header of ${PCAP_RECORD_BYTES} bytes, the file ends after ${available}`,
        );
      }
      this.#ended = true;
      return false;
    }
    let view = window.view;
    const record = window.position;
    const seconds = view.getUint32(record, littleEndian);
    const fraction = view.getUint32(record + FRACTION_OFFSET, littleEndian);
    let captured = view.getUint32(record + CAPTURED_OFFSET, littleEndian);
    let original = view.getUint32(record + ORIGINAL_OFFSET, littleEndian);
    if (this.#lengthsSwapped(captured, original)) [captured, original] = [original, captured];
    if (captured > MAX_FRAME_BYTES) {
      this.#fail('length', `claims ${captured} captured bytes, the limit is ${MAX_FRAME_BYTES}`);
    }
    const whole = window.require(PCAP_RECORD_BYTES + captured);
    if (whole < PCAP_RECORD_BYTES + captured) {
      this.#fail(
        'truncated',
        `has ${captured} captured bytes, the file ends after ${whole - PCAP_RECORD_BYTES}`,
      );
    }
    view = window.view;
    this.view = view;
    this.offset = window.position + PCAP_RECORD_BYTES;
    this.length = captured;
    this.originalLength = Math.max(original, captured);
    this.timestamp = seconds * 1000 + fraction / this.#fractionsPerMillisecond;
    this.#records++;
    window.advance(PCAP_RECORD_BYTES + captured);
    return true;
  }

  close(): void {
    this.#ended = true;
    this.#close();
  }

  /** Before 2.3 the original length stood first; in 2.3 some writers had it one way and some the other. */
  #lengthsSwapped(captured: number, original: number): boolean {
    if (this.#minorVersion > MINOR_LENGTHS_ORDERED) return false;
    return this.#minorVersion < MINOR_LENGTHS_ORDERED || captured > original;
  }

  #fail(code: 'truncated' | 'length', problem: string): never {
    this.#ended = true;
    const offset = this.#window.fileOffset;
    throw new CaptureFileError(code, this.#file, offset, `record ${this.#records + 1} ${problem}`);
  }
}

/** True when `magic`, read in the right byte order, opens a classic file that we read. */
export function isPcapMagic(magic: number): boolean {
  return magic === PcapMagic.Microseconds || magic === PcapMagic.Nanoseconds;
}
