/**
 * Whatever comes in, every frame is counted once, under one reason; and nothing throws.
 */
import { expect, test } from 'vitest';
import { InterfaceCounter } from '../../src/engine/counters.ts';
import { REASON_LIMIT } from '../../src/engine/reason.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import { buildFragments, viewOf } from '../helpers/frames.ts';
import {
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  tcp,
  udp,
} from '../helpers/pipeline-rig.ts';
import { buildFrame } from '../helpers/frames.ts';
import { Random } from '../helpers/random.ts';
import { seeds } from '../helpers/seed-frames.ts';

const FRAMES = 15_000;
const POLICIES: readonly RigPolicy[] = [
  { nic: ['AllowTcp 100 Inbound Allow Tcp * * * *', 'AllowPing 110 Inbound Allow Icmp * * * *'] },
  { subnet: [], nic: [], flush: true, settings: { tcp: { pickup: 'loose' } } },
  {
    nic: ['AllowAll 100 Inbound Allow * * * * *'],
    addresses: [],
    settings: { link: { unknownEtherType: 'pass', forwardLinkLocal: true } },
  },
];

/** A frame that may be anything: good, of a flow that is likely to live, changed in some bytes, cut, or noise. */
function randomFrame(random: Random): Uint8Array {
  const kind = random.below(8);
  if (kind === 0) return Uint8Array.from({ length: random.below(200) }, () => random.below(256));
  const frame = kind < 4 ? random.pick(seeds).frame.slice() : conversation(random);
  if (kind === 1 || kind === 4) {
    for (let change = 0; change <= random.below(4); change++)
      frame[random.below(frame.length)] = random.below(256);
  }
  return kind === 2 ? frame.slice(0, random.below(frame.length + 1)) : frame;
}

/** Packets between few hosts and ports, so that flows form, are answered, closed and reopened. */
function conversation(random: Random): Uint8Array {
  const isIpv6 = random.below(3) === 0;
  const isInbound = random.below(2) === 0;
  const local = isIpv6 ? LOCAL6 : LOCAL;
  const remote = isIpv6 ? REMOTE6 : REMOTE;
  const [src, dst] = isInbound ? [remote, local] : [local, remote];
  const end = (host: string): string =>
    `${isIpv6 ? `[${host}]` : host}:${random.pick([0, 53, 80, 4000])}`;
  switch (random.below(4)) {
    case 0:
      return buildFrame(udp(end(src), end(dst)));
    case 1:
      return buildFrame(
        icmp(src, dst, random.pick(isIpv6 ? [128, 129, 1, 135] : [8, 0, 3, 5]), random.below(2)),
      );
    case 2: {
      const parts = buildFragments(
        udp(end(src), end(dst), { payload: new Uint8Array(2000) }),
        8 * (1 + random.below(100)),
        random.below(3),
      );
      return random.pick(parts);
    }
    default:
      return buildFrame(
        tcp(end(src), end(dst), random.below(256), {
          sequence: random.below(4),
          acknowledgment: random.below(4),
        }),
      );
  }
}

/** Sums over all reasons of one direction. */
function sums(rig: PipelineRig, direction: number): { frames: number; bytes: number } {
  let frames = 0;
  let bytes = 0;
  for (let reason = 0; reason < REASON_LIMIT; reason++) {
    frames += rig.counters.reasonFrames(direction, reason);
    bytes += rig.counters.reasonBytes(direction, reason);
  }
  return { frames, bytes };
}

test.each(POLICIES.map((policy, index) => [index, policy] as const))(
  'frames in are the sum of their reasons, in each direction: policy %i',
  (_index, policy) => {
    const random = new Random();
    const message = `seed ${random.seed}`;
    const rig = new PipelineRig(policy, { maxFlows: 16 });
    const sent = [0, 0];
    const bytes = [0, 0];
    let forwarded = 0;
    for (let i = 0; i < FRAMES; i++) {
      const frame = randomFrame(random);
      const side = random.below(2);
      if (i % 50 === 0) rig.at(i / 50).pipeline.housekeep();
      if (i % 5000 === 4999)
        rig.reload(random.pick(POLICIES.filter((other) => other.addresses === policy.addresses)));
      forwarded += rig.pipeline.judge(viewOf(frame), 0, frame.length, side);
      sent[side] = (sent[side] ?? 0) + 1;
      bytes[side] = (bytes[side] ?? 0) + frame.length;
      if (rig.flows.size > 16) throw new Error(`${message}: ${rig.flows.size} flows`);
    }
    let counted = 0;
    for (const side of [0, 1]) {
      expect(sums(rig, side), message).toEqual({ frames: sent[side], bytes: bytes[side] });
      expect(rig.counters.interface(side, InterfaceCounter.FramesIn), message).toBe(sent[side]);
      expect(rig.counters.interface(side, InterfaceCounter.BytesIn), message).toBe(bytes[side]);
      for (let reason = 0; reason < 8; reason++) counted += rig.counters.reasonFrames(side, reason);
    }
    expect(counted, message).toBe(forwarded);
    const gone = [0, 1, 2, 3, 4, 5].reduce(
      (sum, reason) => sum + rig.flows.stat(FlowStat.Removed + reason),
      0,
    );
    expect(rig.flows.stat(FlowStat.Inserts) - gone, message).toBe(rig.flows.size);
  },
);

test('where the frame lies in its buffer makes no difference, and bytes around it are not read', () => {
  const random = new Random();
  const here = new PipelineRig({ nic: [] });
  const there = new PipelineRig({ nic: [] });
  const buffer = new Uint8Array(4096);
  for (let i = 0; i < 5000; i++) {
    const frame = randomFrame(random);
    const offset = random.below(buffer.length - frame.length);
    const side = random.below(2);
    buffer.fill(random.below(256));
    buffer.set(frame, offset);
    here.pipeline.judge(viewOf(frame), 0, frame.length, side);
    there.pipeline.judge(new DataView(buffer.buffer), offset, frame.length, side);
    expect(there.pipeline.reason, `seed ${random.seed}, frame ${i}`).toBe(here.pipeline.reason);
  }
});
