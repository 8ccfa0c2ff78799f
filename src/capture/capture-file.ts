/**
 * Opens a capture file of any format we read, told by its first bytes: classic pcap or pcapng.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type ByteReader, ByteWindow, WINDOW_BYTES } from './byte-window.ts';
import { CaptureFileError } from './capture-file-error.ts';
import type { FrameSource } from './frame.ts';
import { PcapFileSource, isPcapMagic } from './pcap-file.ts';
import { PcapngFileSource, SECTION_HEADER } from './pcapng-file.ts';

const MAGIC_BYTES = 4;

/** What a file that is no capture may be, by its first bytes (hexadecimal), and what to do about it. */
const LOOKS_LIKE: readonly (readonly [prefix: string, what: string])[] = [
  ['1f8b', 'gzip: decompress it first (gunzip)'],
  ['28b52ffd', 'zstd: decompress it first (unzstd)'],
  ['fd377a58', 'xz: decompress it first (unxz)'],
  ['425a68', 'bzip2: decompress it first (bunzip2)'],
  ['04224d18', 'lz4: decompress it first (unlz4)'],
  ['504b0304', 'a zip archive: extract it first'],
  ['a1b2cd34', 'the modified pcap of old patched libpcap: convert it with editcap -F pcap'],
  ['34cdb2a1', 'the modified pcap of old patched libpcap: convert it with editcap -F pcap'],
  ['736e6f6f', 'snoop: convert it with editcap -F pcap'],
  ['474d4255', 'Microsoft Network Monitor: convert it with editcap -F pcap'],
  ['52545353', 'Microsoft Network Monitor: convert it with editcap -F pcap'],
];

/**
 * Opens a capture file, or a pipe, and reads its header. Memory is bounded whatever the file's size.
 * @throws CaptureFileError when it cannot be opened or is no capture; nothing is left open then
 */
export function openCaptureFile(path: string): FrameSource {
  const descriptor = openDescriptor(path);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  let fileOffset = 0;
  const read: ByteReader = (target, start, length) => {
    try {
      const got = readSync(descriptor, target, start, length, null);
      fileOffset += got;
      return got;
    } catch (error) {
      throw new CaptureFileError('read', path, fileOffset, reason(error));
    }
  };
  try {
    return openWindow(new ByteWindow(read, WINDOW_BYTES), path, close);
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Reads a capture that is already in memory.
 * @param name stands for the file's name in messages
 * @param windowBytes bytes of the window to begin with; small ones make tests cross every boundary
 * @throws CaptureFileError as `openCaptureFile`
 */
export function readCapture(
  bytes: Uint8Array,
  name: string,
  windowBytes: number = WINDOW_BYTES,
): FrameSource {
  let used = 0;
  const read: ByteReader = (target, start, length) => {
    const chunk = bytes.subarray(used, used + length);
    target.set(chunk, start);
    used += chunk.length;
    return chunk.length;
  };
  return openWindow(new ByteWindow(read, windowBytes), name, () => undefined);
}

function openWindow(window: ByteWindow, file: string, close: () => void): FrameSource {
  const available = window.require(MAGIC_BYTES);
  if (available < MAGIC_BYTES) {
    const problem = available === 0 ? 'the file is empty' : `the file has only ${available} bytes`;
    throw new CaptureFileError('truncated', file, 0, problem);
  }
  const { view, position } = window;
  const magic = view.getUint32(position, false);
  if (magic === SECTION_HEADER) return new PcapngFileSource(window, file, close);
  if (isPcapMagic(magic) || isPcapMagic(view.getUint32(position, true))) {
    return new PcapFileSource(window, file, close);
  }
  throw new CaptureFileError(
    'format',
    file,
    0,
    `expected pcap or pcapng, found ${describe(magic)}`,
  );
}

function describe(magic: number): string {
  const found = magic.toString(16).padStart(8, '0');
  for (const [prefix, what] of LOOKS_LIKE) {
    if (found.startsWith(prefix)) return `what looks like ${what}`;
  }
  const first = String.fromCharCode(
    magic >>> 24,
    (magic >>> 16) & 255,
    (magic >>> 8) & 255,
    magic & 255,
  );
  return /^[\t\n\r\x20-\x7e]{4}$/.test(first)
    ? `what looks like text (${JSON.stringify(first)}...)`
    : `the bytes ${found}`;
}

function openDescriptor(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new CaptureFileError('open', path, 0, reason(error));
  }
}

/** The operating system's words, without Node's code in front and the path behind. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^\w+: /, '').replace(/, \w+( '.*')?$/, '');
}
