/**
 * The load of a trial: which frames, in which order. The same for every device and every generator.
 *
 * All frames are UDP from outside to inside. "Established" traffic is of flows that both sides have spoken in; "new"
 * traffic does not repeat a flow within a trial; of "half-denied" traffic every other frame is refused by the policy.
 */
import { buildFrame, viewOf } from '../../test/helpers/frames.ts';
import { ALLOWED_PORT, DENIED_PORT, type Family, LOCAL, REMOTE } from '../rules/trial-policy.ts';
import { setFlow } from './frame-pool.ts';

export type TrafficKind = 'established' | 'new' | 'half-denied' | 'denied';
/** Bytes of a frame as captured, or the mix. */
export type FrameSize = 64 | 512 | 1514 | 'mix';

export interface Traffic {
  readonly kind: TrafficKind;
  readonly size: FrameSize;
  readonly family: Family;
  /** Flows that the frames are of, in turn. */
  readonly flows: number;
}

/** 7 : 4 : 1, the "simple IMIX" that vendors quote; 362 bytes on average. */
const MIX = [64, 64, 64, 594, 64, 64, 594, 64, 594, 64, 594, 1514] as const;
const ETHERNET = 14;
/** Link, IP and UDP headers. On IPv6 they are 62 bytes, so 64 is a frame of both families. */
const HEADERS: Readonly<Record<Family, number>> = { 4: ETHERNET + 28, 6: ETHERNET + 48 };

/** Sizes of consecutive frames, repeated. */
export function frameSizes(size: FrameSize): readonly number[] {
  return size === 'mix' ? MIX : [size];
}

/** Part of the frames that the policy allows. */
export function allowedPart(kind: TrafficKind): number {
  if (kind === 'denied') return 0;
  return kind === 'half-denied' ? 0.5 : 1;
}

/** A frame of one size, to the port that the policy allows or to one that it denies. */
export function templateFrame(family: Family, bytes: number, isAllowed: boolean): Uint8Array {
  return buildFrame({
    ip: { src: REMOTE[family], dst: LOCAL[family] },
    // IPv4 may go without; on IPv6 filters look no closer than IPv4's.
    udp: { srcPort: 4000, dstPort: isAllowed ? ALLOWED_PORT : DENIED_PORT, checksum: 0 },
    payload: new Uint8Array(bytes - HEADERS[family]),
  });
}

/**
 * The frames of a traffic, one for each flow, in the order of sending. Each is valid until the next.
 * @param firstFlow number of the first one's flow
 */
export function* framesOf(
  { kind, size, family, flows }: Traffic,
  firstFlow: number,
): Generator<Uint8Array> {
  const sizes = frameSizes(size);
  const templates = sizes.map((bytes) =>
    [false, true].map((isAllowed) => templateFrame(family, bytes, isAllowed)),
  );
  for (let flow = 0; flow < flows; flow++) {
    const isAllowed = kind === 'half-denied' ? flow % 2 === 0 : kind !== 'denied';
    const frame = templates[flow % sizes.length]?.[isAllowed ? 1 : 0];
    if (frame === undefined) throw new RangeError('a size for every frame');
    setFlow(viewOf(frame), 0, 'source', firstFlow + flow);
    yield frame;
  }
}

/** The answer of the protected end in each flow: what makes it established. Each is valid until the next. */
export function* answersOf({ family, flows }: Traffic): Generator<Uint8Array> {
  const frame = buildFrame({
    srcMac: '02:00:00:00:00:02',
    dstMac: '02:00:00:00:00:01',
    ip: { src: LOCAL[family], dst: REMOTE[family] },
    udp: { srcPort: ALLOWED_PORT, dstPort: 4000, checksum: 0 },
    payload: new Uint8Array(2),
  });
  for (let flow = 0; flow < flows; flow++) {
    setFlow(viewOf(frame), 0, 'destination', flow);
    yield frame;
  }
}
