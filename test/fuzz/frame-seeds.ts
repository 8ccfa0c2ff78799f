/**
 * What the frame fuzzer starts from: the good frames of every shape, the frames of the catalogue of hostile traffic, and
 * packets between a few hosts and ports, so that flows are made, answered, closed and opened again.
 */
import { catalogue } from '../hostile/catalogue/catalogue.ts';
import type { Frame } from '../hostile/catalogue/case.ts';
import {
  buildFragments,
  buildFrame,
  buildIcmpError,
  fragmentExtension,
  type FrameSpec,
} from '../helpers/frames.ts';
import { icmp, LOCAL, LOCAL6, REMOTE, REMOTE6, tcp, udp } from '../helpers/pipeline-rig.ts';
import type { Random } from '../helpers/random.ts';
import { seeds } from '../helpers/seed-frames.ts';

/** Frames above this are left to the tests of sizes: copying them would take most of the time. */
const MAX_FRAME = 1518;
const CONVERSATIONS = 600;
/** Packets between the same few hosts that follow one another. */
const PACKETS = 12;
const PORTS = [53, 80, 4000] as const;
const FLAGS = ['S', 'SA', 'A', 'PA', 'FA', 'R', 'RA', 'SEC', 'PAU'] as const;

/** @param random gives the conversations */
export function frameSeeds(random: Random): Uint8Array[] {
  return frameSequences(random)
    .flat()
    .map(({ frame }) => frame);
}

/** A frame, with the side that it comes from: 0 outside, 1 inside. */
export interface SidedFrame {
  readonly frame: Uint8Array;
  readonly side: number;
}

/** The same in the order in which they mean something: what an entry of the catalogue does, some packets between hosts. */
export function frameSequences(random: Random): SidedFrame[][] {
  const conversations = Array.from({ length: CONVERSATIONS / PACKETS }, () =>
    Array.from({ length: PACKETS }, () => conversation(random)),
  );
  const sequences = [
    ...seeds.map(({ frame }) => [{ frame, side: 0 }]),
    ...catalogueSequences(),
    ...conversations,
  ];
  return sequences.map((sequence) => sequence.filter(({ frame }) => frame.length <= MAX_FRAME));
}

function catalogueSequences(): SidedFrame[][] {
  const bytes = (frame: Frame): Uint8Array =>
    frame instanceof Uint8Array ? frame : buildFrame(frame);
  return catalogue.map((entry) => {
    if (!('steps' in entry)) return [];
    return entry.steps.flatMap((step) => {
      if (step.kind === 'wait') return [];
      const frames = step.kind === 'frame' ? [step.frame] : [step.frame(0), step.frame(1)];
      const side = step.direction === 'in' ? 0 : 1;
      return frames.map((frame) => ({ frame: bytes(frame), side }));
    });
  });
}

function conversation(random: Random): SidedFrame {
  const isInbound = random.below(2) === 0;
  return { frame: packet(random, isInbound), side: isInbound ? 0 : 1 };
}

function packet(random: Random, isInbound: boolean): Uint8Array {
  const isIpv6 = random.below(3) === 0;
  const local = isIpv6 ? LOCAL6 : LOCAL;
  const remote = isIpv6 ? REMOTE6 : REMOTE;
  const [src, dst] = isInbound ? [remote, local] : [local, remote];
  const end = (host: string): string => `${isIpv6 ? `[${host}]` : host}:${random.pick(PORTS)}`;
  const [from, to] = [end(src), end(dst)];
  switch (random.below(6)) {
    case 0: {
      // Now and then a service of the platform, for which there are rules of its own.
      const isPlatform = !isIpv6 && !isInbound && random.below(4) === 0;
      return buildFrame(udp(from, isPlatform ? '168.63.129.16:53' : to));
    }
    case 1:
      return buildFrame(icmp(src, dst, random.pick(isIpv6 ? [128, 129] : [8, 0]), random.below(2)));
    case 2: {
      const whole = udp(from, to, { payload: new Uint8Array(400) });
      return random.pick(buildFragments(whole, 8 * (1 + random.below(20)), random.below(3)));
    }
    case 3: {
      const quoted = buildFrame(quotable(random, [dst, src], [to, from]));
      const type = random.pick(isIpv6 ? [1, 2, 3] : [3, 5, 11]);
      return buildIcmpError({ src, dst, type, code: random.below(5), mtu: 1400, quoted });
    }
    default:
      return buildFrame(
        tcp(from, to, random.pick(FLAGS), {
          sequence: random.below(4),
          acknowledgment: random.below(4),
          payload: 'x'.repeat(random.below(3)),
        }),
      );
  }
}

/** A packet that an error may be about: of every protocol with flows, whole or a fragment. */
function quotable(
  random: Random,
  [src, dst]: readonly [string, string],
  [from, to]: readonly [string, string],
): FrameSpec {
  const isIpv6 = src.includes(':');
  const fragment = fragmentExtension(8 * random.below(2), random.below(2) === 0);
  const ip = isIpv6 && random.below(3) === 0 ? { extensions: [fragment] } : {};
  switch (random.below(3)) {
    case 0:
      return udp(from, to, { ip });
    case 1:
      return tcp(from, to, 'A', { ip, sequence: random.below(4) });
    default:
      return icmp(src, dst, isIpv6 ? 128 : 8, random.below(2), ip);
  }
}
