/**
 * The catalogue through a real wire: the built daemon with af-xdp between two namespaces, every frame injected by a packet
 * socket on one side, and what comes out on the other side compared with it byte for byte.
 *
 * Each entry has a VLAN of its own, so that flows and datagrams of one are none of another's; entries with two tags already
 * go as they are. Left out is what needs time, a flow table of another size, floods, or a frame that a socket cannot send.
 */
import { buildFrame, type TcpFields } from '../helpers/frames.ts';
import { Lab } from '../helpers/lab.ts';
import type { MarkedWire } from '../helpers/marked-wire.ts';
import type { Frame, FrameCase, FrameStep } from './catalogue/case.ts';
import { NsgdWire } from './nsgd-wire.ts';

export interface WireRun {
  /** Of each entry that went through the wire: `pass`, `drop` or what else happened, for each step. */
  readonly verdicts: ReadonlyMap<FrameCase, readonly string[]>;
  /** Frames by reason and direction, `reason inbound outbound`: as the entries expect, and as the daemon counted. */
  readonly expectedCounts: readonly string[];
  readonly counts: readonly string[];
}

const MAX_FRAME = 1514;
const MIN_FRAME = 14;
const MAX_TAGS = 2;
const TAG_LENGTH = 4;
const TAG_TYPES = new Set([0x8100, 0x88a8]);

/** An entry whose every step is a frame. */
export interface WireCase extends FrameCase {
  readonly steps: readonly FrameStep[];
}

/** Whether every step of an entry can go through a wire. */
export function canGoThroughWire(entry: FrameCase): entry is WireCase {
  if (entry.options !== undefined) return false;
  return entry.steps.every((step) => {
    if (step.kind !== 'frame') return false;
    const { length } = bytesOf(step.frame);
    return length >= MIN_FRAME && length <= MAX_FRAME;
  });
}

/** @param cases those that cannot go through a wire are left out */
export async function runOnWire(cases: readonly FrameCase[]): Promise<WireRun> {
  const lab = new Lab();
  try {
    return await run(lab, cases.filter(canGoThroughWire));
  } finally {
    await lab.close();
  }
}

async function run(lab: Lab, entries: readonly WireCase[]): Promise<WireRun> {
  const nsgd = await NsgdWire.start(lab, {});
  const verdicts = new Map<FrameCase, string[]>();
  const expected = new Map<string, [number, number]>();
  const byPolicy = entries
    .map((entry, index) => ({ entry, vlan: index + 1, policy: JSON.stringify(entry.policy) }))
    .toSorted((a, b) => (a.policy < b.policy ? -1 : 1));
  let inForce = '';
  for (const { entry, vlan, policy } of byPolicy) {
    if (policy !== inForce) {
      inForce = policy;
      // oxlint-disable-next-line no-await-in-loop -- one after another is the point
      await nsgd.reload(entry.policy);
    }
    const seen: string[] = [];
    for (const step of entry.steps) {
      const side = step.direction === 'in' ? 0 : 1;
      count(expected, step.reason, side, 1);
      // oxlint-disable-next-line no-await-in-loop -- one after another is the point
      seen.push(await passed(nsgd.wire, side, step.frame, vlan));
      count(expected, 'link', side, 1);
    }
    verdicts.set(entry, seen);
  }
  const { reasons } = nsgd.daemon.wire();
  nsgd.close();
  return {
    verdicts,
    expectedCounts: [...expected].map(([reason, [a, b]]) => `${reason} ${a} ${b}`).toSorted(),
    counts: reasons
      .map(({ reason, inbound, outbound }) => `${reason} ${inbound} ${outbound}`)
      .toSorted(),
  };
}

function count(
  counts: Map<string, [number, number]>,
  reason: string,
  side: 0 | 1,
  by: number,
): void {
  const both = counts.get(reason) ?? [0, 0];
  both[side] += by;
  counts.set(reason, both);
}

/** Sends one frame of an entry. @returns `pass`, `drop`, or what else came out */
async function passed(wire: MarkedWire, side: 0 | 1, frame: Frame, vlan: number): Promise<string> {
  const own = bytesOf(frame);
  const isTagged = tagsOf(own) < MAX_TAGS;
  const frames = await wire.pass(side, [isTagged ? tagged(own, vlan) : own]);
  const [first] = frames;
  if (first === undefined) return 'drop';
  if (frames.length > 1) return `${frames.length} frames`;
  const left = isTagged || tagsOf(own) === 0 ? leaving(frame) : untagged(own);
  return Buffer.compare(first, left) === 0 ? 'pass' : 'pass, but changed';
}

function bytesOf(frame: Frame): Uint8Array {
  return frame instanceof Uint8Array ? frame : buildFrame(frame);
}

/** As it must leave: a partial checksum is completed. */
function leaving(frame: Frame): Uint8Array {
  if (frame instanceof Uint8Array) return frame;
  if (frame.tcp?.checksum !== 'partial') return buildFrame(frame);
  const { checksum: _, ...tcp }: TcpFields = frame.tcp;
  return buildFrame({ ...frame, tcp });
}

function tagsOf(frame: Uint8Array): number {
  let tags = 0;
  let at = 12;
  while (TAG_TYPES.has(((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0))) {
    tags++;
    at += TAG_LENGTH;
  }
  return tags;
}

function tagged(frame: Uint8Array, vlan: number): Uint8Array {
  const tag = [0x81, 0x00, vlan >> 8, vlan & 255];
  return Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)]);
}

/** Without the outer tag, as a packet socket sees it. */
function untagged(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(12 + TAG_LENGTH)]);
}
