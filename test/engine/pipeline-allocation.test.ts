/**
 * No allocation per packet: neither for a packet of a live flow nor for one that the rules judge.
 */
import { describe, expect, test } from 'vitest';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import { buildFrame, buildIcmpError, type FrameSpec, viewOf } from '../helpers/frames.ts';
import {
  ALLOW_ALL,
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  tcp,
  TcpConversation,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';

const INBOUND = 0;
const OUTBOUND = 1;
const ETHERNET_AND_IPV4_SOURCE = 14 + 12;
const IPV4_SOURCE_PORT = 14 + 20;

interface Judged {
  readonly view: DataView;
  readonly length: number;
  readonly side: number;
}

function frameOf(spec: FrameSpec | Uint8Array, side: number): Judged {
  const bytes = spec instanceof Uint8Array ? spec : buildFrame(spec);
  return { view: viewOf(bytes), length: bytes.length, side };
}

/**
 * Calls before and in each measurement: the whole path must have been optimised, since code that is not yet boxes
 * unsigned 32-bit intermediates.
 */
const CALLS = 100_000;

/** Bytes that one call of `judge` allocates, going round the frames. */
function bytesOf(rig: PipelineRig, frames: readonly Judged[]): number {
  const { pipeline } = rig;
  return bytesPerCall((index) => {
    const frame = frames[index % frames.length] as Judged;
    pipeline.judge(frame.view, 0, frame.length, frame.side);
  }, CALLS);
}

describe('a packet of a live flow allocates nothing', () => {
  test('TCP, both ways', () => {
    const rig = new PipelineRig(WEB);
    const talk = new TcpConversation(`${REMOTE}:50000`, `${LOCAL}:80`);
    rig.inbound(talk.client('S'));
    rig.outbound(talk.server('SA'));
    rig.inbound(talk.client('A'));
    const frames = [
      frameOf(talk.client('PA', 'data'), INBOUND),
      frameOf(talk.server('PA', 'data'), OUTBOUND),
    ];
    expect(bytesOf(rig, frames)).toBeLessThan(0.5);
    expect(rig.pipeline.reason).toBe(0);
  });

  test.each<readonly [string, FrameSpec, FrameSpec]>([
    ['UDP', udp(`${LOCAL}:4000`, `${REMOTE}:53`), udp(`${REMOTE}:53`, `${LOCAL}:4000`)],
    [
      'UDP, IPv6',
      udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:53`),
      udp(`[${REMOTE6}]:53`, `[${LOCAL6}]:4000`),
    ],
    ['echo', icmp(LOCAL, REMOTE, 8, 7), icmp(REMOTE, LOCAL, 0, 7)],
  ])('%s, both ways', (_name, first, reply) => {
    const rig = new PipelineRig(WEB);
    rig.outbound(first);
    rig.inbound(reply);
    const bytes = bytesOf(rig, [frameOf(first, OUTBOUND), frameOf(reply, INBOUND)]);
    expect(bytes).toBeLessThan(0.5);
    expect(rig.pipeline.reason).toBe(0);
  });

  test('over a clock that goes on', () => {
    const rig = new PipelineRig(WEB);
    const reply = frameOf(udp(`${REMOTE}:53`, `${LOCAL}:4000`), INBOUND);
    rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
    let clock = 1_000_000;
    const bytes = bytesPerCall(() => {
      clock = (clock + 100) | 0;
      rig.pipeline.setTime(clock);
      rig.pipeline.judge(reply.view, 0, reply.length, INBOUND);
      rig.pipeline.housekeep();
    }, CALLS);
    expect(bytes).toBeLessThan(0.5);
    expect(rig.pipeline.reason).toBe(0);
  });

  test('after a reload, flushing or not', () => {
    for (const flush of [false, true]) {
      const rig = new PipelineRig({ ...WEB, flush });
      rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
      rig.reload({ ...WEB, flush });
      const bytes = bytesOf(rig, [frameOf(udp(`${REMOTE}:53`, `${LOCAL}:4000`), INBOUND)]);
      expect(bytes).toBeLessThan(0.5);
      expect(rig.pipeline.reason).toBe(0);
    }
  });
});

describe('a packet without a flow allocates nothing', () => {
  /** Another source address and port in each call. The checksum covers the address, so the port moves alone. */
  function missing(rig: PipelineRig, spec: FrameSpec): number {
    const frame = frameOf(spec, INBOUND);
    expect(frame.view.getUint32(ETHERNET_AND_IPV4_SOURCE)).toBe(0xcb007109);
    return bytesPerCall((index) => {
      frame.view.setUint16(IPV4_SOURCE_PORT, 1 + (index % 65_535));
      rig.pipeline.judge(frame.view, 0, frame.length, INBOUND);
    }, CALLS);
  }

  test('denied', () => {
    const rig = new PipelineRig(WEB);
    expect(missing(rig, tcp(`${REMOTE}:1`, `${LOCAL}:22`, 'S'))).toBeLessThan(0.5);
    expect(rig.flows.size).toBe(0);
  });

  test('allowed, each a new flow in a full table', () => {
    const rig = new PipelineRig(WEB, { maxFlows: 1024 });
    expect(missing(rig, udp(`${REMOTE}:1`, `${LOCAL}:53`))).toBeLessThan(1);
    expect(rig.flows.size).toBe(1024);
  });

  test('refused: the table is full of established flows', () => {
    const rig = new PipelineRig(ALLOW_ALL, { maxFlows: 1 });
    rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
    rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:4000`));
    expect(missing(rig, tcp(`${REMOTE}:1`, `${LOCAL}:80`, 'S'))).toBeLessThan(0.5);
  });

  test('malformed, martian, for nobody, unknown EtherType, stray ICMP error', () => {
    const rig = new PipelineRig(ALLOW_ALL);
    const frames = [
      frameOf(
        { ...tcp(`${REMOTE}:1`, `${LOCAL}:80`, 'S'), ip: { src: REMOTE, dst: LOCAL, ihl: 4 } },
        INBOUND,
      ),
      frameOf(udp('127.0.0.1:1', `${LOCAL}:80`), INBOUND),
      frameOf(udp(`${REMOTE}:1`, '10.0.1.99:80'), INBOUND),
      frameOf({ etherType: 0x8847, raw: new Uint8Array(46) }, OUTBOUND),
      frameOf(
        buildIcmpError({
          src: REMOTE,
          dst: LOCAL,
          type: 3,
          quoted: buildFrame(udp(`${LOCAL}:1`, `${REMOTE}:2`)),
        }),
        INBOUND,
      ),
    ];
    expect(bytesOf(rig, frames)).toBeLessThan(0.5);
  });

  test('a later fragment allocates its key and no more', () => {
    // The fragment table is a keyed cache (flowtable/fragments.ts says why); its key is a short string.
    const rig = new PipelineRig(ALLOW_ALL);
    const later: FrameSpec = {
      ip: { src: REMOTE, dst: LOCAL, protocol: 17, id: 7, fragmentOffset: 1480 },
      raw: new Uint8Array(64),
    };
    expect(bytesOf(rig, [frameOf(later, INBOUND)])).toBeLessThan(400);
  });
});
