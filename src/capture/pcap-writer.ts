/**
 * Writes classic capture files, version 2.4, little-endian: see pcap-file.ts for the layout.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type FrameSource, LinkType } from './frame.ts';
import type { Frame, FrameSink } from './frame-sink.ts';
import { MAX_FRAME_BYTES, PCAP_HEADER_BYTES, PCAP_RECORD_BYTES, PcapMagic } from './pcap-file.ts';

/** Takes bytes that are borrowed until it returns. */
export type ByteWriter = (bytes: Uint8Array) => void;

export type PcapWriterOptions = {
  /** Default Ethernet. A frame of another link type is refused: the format has one for the whole file. */
  readonly linkType?: number;
  /** Default microseconds, which every reader knows. Of a time in milliseconds a double keeps about 0.25 us today. */
  readonly resolution?: 'microseconds' | 'nanoseconds';
  /** Longer frames are cut to this; default 262,144. */
  readonly snapLength?: number;
};

const MAJOR = 2;
const MINOR = 4;
const BUFFER_BYTES = 1 << 16;

export class PcapWriter implements FrameSink {
  readonly #write: ByteWriter;
  readonly #close: () => void;
  readonly #linkType: number;
  readonly #snapLength: number;
  readonly #fractionsPerSecond: number;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  #used = 0;
  #closed = false;

  /** @param close called once, after the last bytes are written */
  constructor(options: PcapWriterOptions, write: ByteWriter, close: () => void = () => undefined) {
    const {
      linkType = LinkType.Ethernet,
      resolution = 'microseconds',
      snapLength = MAX_FRAME_BYTES,
    } = options;
    if (!(snapLength > 0 && snapLength <= MAX_FRAME_BYTES)) {
      throw new RangeError(`snapLength ${snapLength} is not 1 to ${MAX_FRAME_BYTES}`);
    }
    this.#write = write;
    this.#close = close;
    this.#linkType = linkType;
    this.#snapLength = snapLength;
    this.#fractionsPerSecond = resolution === 'nanoseconds' ? 1e9 : 1e6;
    this.#buffer = new Uint8Array(BUFFER_BYTES + PCAP_RECORD_BYTES + snapLength);
    this.#view = new DataView(this.#buffer.buffer);
    this.#writeHeader(
      resolution === 'nanoseconds' ? PcapMagic.Nanoseconds : PcapMagic.Microseconds,
    );
  }

  /** @throws RangeError when the frame's link type is not the file's, or its time is not one that the format can hold */
  write(frame: Frame): void {
    if (this.#closed) throw new Error('PcapWriter.write after close');
    if (frame.linkType !== this.#linkType) {
      throw new RangeError(
        `frame of link type ${frame.linkType} in a file of link type ${this.#linkType}`,
      );
    }
    const milliseconds = frame.timestamp % 1000;
    const ticks = Math.round(milliseconds * (this.#fractionsPerSecond / 1000));
    const carry = ticks === this.#fractionsPerSecond ? 1 : 0;
    const seconds = (frame.timestamp - milliseconds) / 1000 + carry;
    if (!(ticks >= 0 && seconds <= 0xffff_ffff)) {
      throw new RangeError(`timestamp ${frame.timestamp} ms is outside 1970 to 2106`);
    }
    const length = Math.min(frame.length, this.#snapLength);
    const record = this.#used;
    this.#view.setUint32(record, seconds, true);
    this.#view.setUint32(record + 4, ticks % this.#fractionsPerSecond, true);
    this.#view.setUint32(record + 8, length, true);
    this.#view.setUint32(record + 12, frame.originalLength, true);
    const bytes = new Uint8Array(frame.view.buffer, frame.view.byteOffset + frame.offset, length);
    this.#buffer.set(bytes, record + PCAP_RECORD_BYTES);
    this.#used = record + PCAP_RECORD_BYTES + length;
    if (this.#used >= BUFFER_BYTES) this.#flush();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#flush();
    } finally {
      this.#close();
    }
  }

  #writeHeader(magic: number): void {
    const view = this.#view;
    view.setUint32(0, magic, true);
    view.setUint16(4, MAJOR, true);
    view.setUint16(6, MINOR, true);
    view.setUint32(16, this.#snapLength, true);
    view.setUint32(20, this.#linkType, true);
    this.#used = PCAP_HEADER_BYTES;
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}

/** Creates or replaces a capture file. It is complete after `close()`. @throws the operating system's error */
export function createCaptureFile(path: string, options: PcapWriterOptions = {}): FrameSink {
  const descriptor = openSync(path, 'w');
  const write: ByteWriter = (bytes) => {
    let done = 0;
    while (done < bytes.length) done += writeSync(descriptor, bytes, done);
  };
  return new PcapWriter(options, write, () => closeSync(descriptor));
}

/** The capture file, as bytes, of every frame that `source` still has. */
export function encodeCapture(source: FrameSource, options: PcapWriterOptions = {}): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter(options, (bytes) => chunks.push(bytes.slice()));
  while (source.next()) writer.write(source);
  writer.close();
  return Buffer.concat(chunks);
}
