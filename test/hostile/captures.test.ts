/**
 * Capture files through live wires with tcpreplay, both backends and both directions at once: after each file every process is
 * the one it was, and every frame is found again, exactly. One file is made here, of mutated frames. The others are the real
 * captures of the shared data folder: a few that were made to break readers, or all of them with NSGD_CAPTURES=all
 * (`make captures`). NSGD_SEED takes another seed for the frames than 1.
 *
 * What is not an Ethernet capture is sent too: its bytes, as they are. Not sent is what the kernel refuses to any sender: frames
 * without a whole Ethernet header and frames beyond the MTU.
 */
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCaptureFile } from '../../src/capture/capture-file.ts';
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import type { Frame } from '../../src/capture/frame-sink.ts';
import { MemorySource } from '../../src/capture/memory.ts';
import { encodeCapture } from '../../src/capture/pcap-writer.ts';
import { FrameMutator } from '../fuzz/frame-mutator.ts';
import { frameSeeds } from '../fuzz/frame-seeds.ts';
import { Lab } from '../helpers/lab.ts';
import { Random } from '../helpers/random.ts';
import { sharedData } from '../helpers/shared-data.ts';
import { CaptureWires, replayObstacle } from './capture-wires.ts';

const MUTATED_FRAMES = 3000;
const ETHERNET_HEADER = 14;
const VLAN_TAG = 4;
const VLAN = 0x8100;
const SERVICE_VLAN = 0x88a8;

/** Fragments, extension headers, offsets out of range, frames of 80,000 bytes, tags, tunnels, and link types that are not Ethernet. */
const NASTY: readonly string[] = [
  '802.1ad_QinQ.pcap',
  'bad-ipv4-version-pgm-heapoverflow.pcap',
  'bigtcp-ipv6-hbh.pcap',
  'cve2015-0261-ipv6.pcap',
  'heapoverflow-tcp_print.pcap',
  'icmp-icmp_print-oobr-2.pcap',
  'ip6_frag_asan.pcap',
  'ipv6-next-header-oobr-1.pcap',
  'ipv6_39_byte_header.pcap',
  'ipv6_frag6_negative_len.pcap',
  'test_fragroute.pcap',
  'tests__filter__wpa-Induction.pcap',
];
/** Where tcpreplay gives up, at the start or at a record whose length is 0. What it sent before has to be found again, too. */
const GIVEN_UP: readonly string[] = [
  'bgp_vpn_rt-oobr.pcap',
  'icmp-icmp_print-oobr-2.pcap',
  'icmp6_mobileprefix_asan.pcap',
  'olsr-oobr-2.pcap',
  'pim_header_asan-2.pcap',
  'rsvp-rsvp_obj_print-oobr.pcap',
  'rx_serviceid_oobr.pcap',
  'tests__pcap-invalid-version-1.pcap',
  'tests__pcap-invalid-version-2.pcap',
  'tests__pcapng-invalid-vers-1.pcapng',
  'tests__pcapng-invalid-vers-2.pcapng',
  'tests__shb-option-too-long.pcapng',
  'vtp_asan.pcap',
];

const isAll = process.env['NSGD_CAPTURES'] === 'all';
const folder = sharedData('pcaps');
const files = (folder === undefined ? [] : filesUnder(folder)).filter(
  (file) => isAll || NASTY.includes(basename(file)),
);

function filesUnder(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile())
    .toSorted();
}

/**
 * Whether the kernel drops a frame before any packet socket sees it, and counts it nowhere: its tag has no EtherType behind it
 * (`skb_vlan_untag` in net/core/skbuff.c). XDP comes before that.
 */
function hasCutTag({ view, offset, length }: Frame): boolean {
  if (length < ETHERNET_HEADER || length >= ETHERNET_HEADER + VLAN_TAG + 2) return false;
  const etherType = view.getUint16(offset + 12);
  return etherType === VLAN || etherType === SERVICE_VLAN;
}

/** Frames of a file by our own reader, up to where the file is broken, and those of them with a cut tag. */
function countFrames(file: string): { readonly frames: number; readonly cutTags: number } {
  let frames = 0;
  let cutTags = 0;
  try {
    const source = openCaptureFile(file);
    try {
      for (; source.next(); frames++) if (hasCutTag(source)) cutTags++;
    } finally {
      source.close();
    }
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
  }
  return { frames, cutTags };
}

describe.skipIf(replayObstacle !== undefined)(`captures (${replayObstacle ?? 'live'})`, () => {
  let lab: Lab;
  let wires: CaptureWires;
  const givenUp = new Set<string>();
  /** Of all files so far. */
  let cutTags = 0;

  beforeAll(async () => {
    lab = new Lab();
    wires = await CaptureWires.start(lab);
  });
  afterAll(async () => {
    await lab?.close();
  });

  /** Sends a file into each end, and says what is wrong after it. */
  async function problemsOf(file: string, speed?: string): Promise<string[]> {
    const replays = await wires.replay(file, speed);
    const inFile = countFrames(file);
    const problems: string[] = [];
    for (const { device, exitCode, sent, refused, output } of replays) {
      if (exitCode !== 0) givenUp.add(basename(file));
      else if (sent + refused === inFile.frames) continue;
      else problems.push(`${device}: ${sent} of ${inFile.frames} frames sent\n${output}`);
    }
    cutTags += inFile.cutTags;
    problems.push(...(await wires.problems(cutTags)));
    return problems.map((problem) => `${basename(file)}: ${problem}`);
  }

  async function checkAll(captures: readonly string[]): Promise<void> {
    for (const file of captures) {
      // oxlint-disable-next-line no-await-in-loop -- counts are compared after each file
      expect(await problemsOf(file)).toEqual([]);
    }
  }

  test('one that is made here, of mutated frames', async () => {
    const seed = Number(process.env['NSGD_SEED'] ?? 1);
    const random = new Random(seed);
    const mutator = new FrameMutator(random, frameSeeds(random));
    const frames = Array.from({ length: MUTATED_FRAMES }, () => {
      mutator.next();
      return mutator.bytes.slice(0, mutator.length);
    });
    const file = join(lab.directory, 'mutated.pcap');
    writeFileSync(file, encodeCapture(MemorySource.of(frames)));
    await checkAll([file]);
    const { forwarded, dropped, reasons } = await wires.totals();
    expect(forwarded).toBeGreaterThan(MUTATED_FRAMES);
    expect(dropped).toBeGreaterThan(MUTATED_FRAMES);
    expect(reasons.length).toBeGreaterThan(30);
  });

  const title = isAll ? 'every real one' : 'some real ones';
  const timeout = 30_000 + files.length * 1000;
  test.skipIf(folder === undefined)(`${title} (needs ../shared/data)`, { timeout }, async () => {
    expect(files.length).toBeGreaterThanOrEqual(isAll ? 800 : NASTY.length);
    await checkAll(files);
    const names = new Set(files.map((file) => basename(file)));
    expect([...givenUp].toSorted()).toEqual(GIVEN_UP.filter((name) => names.has(name)));
    if (isAll) console.info(`${files.length} captures: ${JSON.stringify(await wires.totals())}`);
  });

  test.runIf(isAll && folder !== undefined)('the largest, faster than it can be read', async () => {
    const largest = files.toSorted((a, b) => statSync(b).size - statSync(a).size)[0] ?? '';
    const before = await wires.totals();
    expect(await problemsOf(largest, '--topspeed')).toEqual([]);
    const after = await wires.totals();
    console.info(
      `as fast as it goes: ${after.kernelDrops - before.kernelDrops} of ${after.sent - before.sent} frames dropped by the kernel`,
    );
  });
});
