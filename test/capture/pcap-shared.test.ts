/**
 * Real capture files: some 870 of the tcpdump and libpcap tests (many malformed on purpose), tcpreplay's, and a large mix.
 * Every one is read to its end or to an error with its place. Two independent readers are the oracles: npm pcap-parser
 * (classic microsecond files) and tcpdump (every format), which must see the same frames.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type ParsedPacket, parse } from 'pcap-parser';
import { describe, expect, test } from 'vitest';
import { openCaptureFile, readCapture } from '../../src/capture/capture-file.ts';
import { type Seen, drain } from '../helpers/drain.ts';
import { sharedData } from '../helpers/shared-data.ts';

const folder = sharedData('pcaps');
const files = folder === undefined ? [] : filesUnder(folder);
const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0;
const TCPDUMP_EVERY = 8;
const MAX_OUTPUT_BYTES = 1 << 26;

/** The files that nobody reads, and why. */
const REFUSED: readonly string[] = [
  'tests__linktype-reserved-field-not-zero.pcap malformed at 0',
  'tests__pcap-invalid-version-1.pcap version at 0',
  'tests__pcap-invalid-version-2.pcap version at 0',
  'tests__pcapng-invalid-vers-1.pcapng version at 0',
  'tests__pcapng-invalid-vers-2.pcapng version at 0',
  'tests__shb-option-too-long.pcapng malformed at 0',
];

/** Fractions of 2 s and more, which tcpdump takes for negative ones. */
const TCPDUMP_MISREADS = 'timestamp_invalid_nano.pcap';
const HALF_MICROSECOND = 0.0005;
const PCAP_SNAP_LENGTH_OFFSET = 16;

function filesUnder(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile())
    .toSorted();
}

function isClassicMicroseconds(file: string): boolean {
  const magic = readFileSync(file).subarray(0, 4).toString('hex');
  return magic === 'd4c3b2a1' || magic === 'a1b2c3d4';
}

async function parsedBy(file: string): Promise<readonly Omit<Seen, 'linkType'>[]> {
  const packets: Omit<Seen, 'linkType'>[] = [];
  const parser = parse(file);
  parser.on('packet', ({ header, data }: ParsedPacket) => {
    packets.push({
      bytes: data.toString('hex'),
      originalLength: Math.max(header.originalLength, header.capturedLength),
      timestamp: header.timestampSeconds * 1000 + header.timestampMicroseconds / 1000,
    });
  });
  await once(parser, 'end');
  return packets;
}

describe.skipIf(folder === undefined)('real capture files (needs ../shared/data)', () => {
  test('every file is read to its end, or to an error with its place', () => {
    const errors: string[] = [];
    let frames = 0;
    for (const file of files) {
      const drained = drain(() => openCaptureFile(file));
      frames += drained.frames.length;
      if (drained.error === undefined) continue;
      expect(drained.error.offset).toBeLessThan(statSync(file).size);
      errors.push(`${basename(file)} ${drained.error.code} at ${drained.error.offset}`);
    }
    expect(files.length).toBeGreaterThan(800);
    expect(frames).toBeGreaterThan(40_000);
    expect(errors).toEqual(REFUSED);
  });

  test('a small window reads the same', () => {
    for (const file of files) {
      const bytes = readFileSync(file);
      if (bytes.length > 100_000) continue;
      const expected = drain(() => readCapture(bytes, file));
      expect(drain(() => readCapture(bytes, file, 1))).toEqual(expected);
    }
  });

  test('npm pcap-parser sees the same frames of classic microsecond files', async () => {
    let compared = 0;
    for (const file of files.filter(isClassicMicroseconds)) {
      if (statSync(file).size > 1 << 20) continue;
      const { frames, error } = drain(() => openCaptureFile(file));
      // pcap-parser takes versions that we refuse, and does not bound a length.
      if (error !== undefined && error.code !== 'truncated') continue;
      const ours = frames.map(({ bytes, originalLength, timestamp }) => ({
        bytes,
        originalLength,
        timestamp,
      }));
      // oxlint-disable-next-line no-await-in-loop -- one file at a time bounds the open files
      expect(ours, file).toEqual(await parsedBy(file));
      compared++;
    }
    expect(compared).toBeGreaterThan(700);
  });

  test.skipIf(!hasTcpdump)('tcpdump sees the same frames (needs tcpdump)', () => {
    const sample = files.filter(
      (file, index) =>
        file.endsWith('ng') || file.includes('libpcap') || index % TCPDUMP_EVERY === 0,
    );
    for (const file of sample) {
      if (basename(file) === TCPDUMP_MISREADS) continue;
      const args = ['-Z', 'root', '-r', file, '-w', '-'];
      const { stdout, status } = spawnSync('tcpdump', args, { maxBuffer: MAX_OUTPUT_BYTES });
      const ours = drain(() => openCaptureFile(file));
      expect(ours.error === undefined, file).toBe(status === 0);
      const snapLength = stdout.length === 0 ? 0 : stdout.readUInt32LE(PCAP_SNAP_LENGTH_OFFSET);
      const theirs = stdout.length === 0 ? [] : drain(() => readCapture(stdout, file)).frames;
      const comparable = (frame: Seen): Omit<Seen, 'timestamp'> =>
        asTcpdumpWrites(frame, snapLength);
      expect(ours.frames.map(comparable), file).toEqual(theirs.map(comparable));
      expect(timeDifference(ours.frames, theirs), file).toBeLessThan(HALF_MICROSECOND);
    }
    expect(sample.length).toBeGreaterThan(150);
  });
});

/** Without the bytes past the file's snapshot length, which tcpdump cuts; a record may have them, and we deliver what is there. */
function asTcpdumpWrites(frame: Seen, snapLength: number): Omit<Seen, 'timestamp'> {
  const bytes = frame.bytes.slice(0, snapLength * 2);
  const isCut = bytes.length === snapLength * 2;
  const originalLength = isCut ? snapLength : frame.originalLength;
  return { bytes, originalLength, linkType: frame.linkType };
}

/** The largest difference in time, beyond what tcpdump loses: nanoseconds, and seconds past 32 bits. */
function timeDifference(ours: readonly Seen[], theirs: readonly Seen[]): number {
  const differences = ours.map((frame, index) => {
    const lost = frame.timestamp % (2 ** 32 * 1000);
    return Math.max(0, Math.abs(lost - (theirs[index]?.timestamp ?? 0)) - 0.001);
  });
  return Math.max(0, ...differences);
}
