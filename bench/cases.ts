/**
 * What is measured: steps of a packet's path, and all of them together. Each case prepares its data and returns one call.
 */
import { decode } from '../src/capture/decode.ts';
import { Packet } from '../src/capture/packet.ts';
import { PipelineRig, tcp, udp } from '../test/helpers/pipeline-rig.ts';
import { Random } from '../test/helpers/random.ts';
import { type FramePool, framePool } from './frames.ts';

/** One packet. @param index from 0, rising */
export type PacketCall = (index: number) => void;

const POOL = 4096;
const RULES = 1000;
const LOCAL = '10.0.1.4';
const REMOTE = '203.0.113.9';
const OUTSIDE = 0;
const INSIDE = 1;
const ALLOW = 1;
const DENY = 0;
/** Fixed, so that two runs measure the same. */
const SEED = 20_261_122;

export const CASES: Readonly<Record<string, () => PacketCall>> = {
  'decode, TCP over IPv4': () => {
    const { view, stride, length } = framePool(
      tcp(`${REMOTE}:9`, `${LOCAL}:80`, 'A'),
      'source',
      POOL,
    );
    const packet = new Packet();
    return (index) => decode(view, (index % POOL) * stride, length, packet);
  },
  'rules, 1,000 of them, denied by the last': () => {
    const rig = new PipelineRig({ nic: denyingRules() });
    const pool = framePool(udp(`${REMOTE}:9`, `${LOCAL}:9`), 'source', POOL);
    sendAll(rig, pool, OUTSIDE, DENY);
    return judging(rig, pool, OUTSIDE);
  },
  'flow hit, UDP, 1,000 flows': () => establishedUdp(1000),
  'flow hit, TCP, 1,000 flows': () => establishedTcp(1000),
  'flow hit, UDP, 1,000,000 flows in random order': () => establishedUdp(1_000_000, true),
};

/** None matches UDP, and each names another network and port range. */
function denyingRules(): string[] {
  const random = new Random(SEED);
  return Array.from({ length: RULES - 1 }, (_, index) => {
    const network = `${20 + random.below(180)}.${random.below(256)}.${random.below(256)}.0/24`;
    const low = 1 + random.below(60_000);
    return `Rule${index} ${100 + index} Inbound Allow Tcp ${network} * * ${low}-${low + 100}`;
  });
}

function establishedUdp(count: number, isShuffled = false): PacketCall {
  const rig = new PipelineRig(
    { nic: ['AllowIn 100 Inbound Allow Udp * * * *'] },
    { maxFlows: Math.ceil(count * 1.25) + 1024 },
  );
  const questions = framePool(udp(`${REMOTE}:9`, `${LOCAL}:53`), 'source', count);
  const answers = framePool(udp(`${LOCAL}:53`, `${REMOTE}:9`), 'destination', count);
  sendAll(rig, questions, OUTSIDE);
  sendAll(rig, answers, INSIDE);
  return judging(rig, questions, OUTSIDE, isShuffled);
}

function establishedTcp(count: number): PacketCall {
  const rig = new PipelineRig(
    { nic: ['AllowIn 100 Inbound Allow Tcp * * * *'] },
    { maxFlows: 4096 },
  );
  const [client, server] = [`${REMOTE}:9`, `${LOCAL}:80`];
  const opening = tcp(client, server, 'S', { sequence: 99 });
  const answer = tcp(server, client, 'SA', { sequence: 499, acknowledgment: 100 });
  const segment = tcp(client, server, 'A', { sequence: 100, acknowledgment: 500 });
  sendAll(rig, framePool(opening, 'source', count), OUTSIDE);
  sendAll(rig, framePool(answer, 'destination', count), INSIDE);
  const segments = framePool(segment, 'source', count);
  sendAll(rig, segments, OUTSIDE);
  return judging(rig, segments, OUTSIDE);
}

/** @throws Error at another verdict: the measurement would be of something else */
function sendAll(
  { pipeline }: PipelineRig,
  pool: FramePool,
  side: number,
  verdict: number = ALLOW,
): void {
  for (let index = 0; index < pool.count; index++) {
    if (pipeline.judge(pool.view, index * pool.stride, pool.length, side) !== verdict) {
      throw new Error(`frame ${index} was judged otherwise, with reason ${pipeline.reason}`);
    }
  }
}

function judging(
  { pipeline }: PipelineRig,
  { view, length, stride, count }: FramePool,
  side: number,
  isShuffled = false,
): PacketCall {
  if (!isShuffled) {
    return (index) => {
      pipeline.judge(view, (index % count) * stride, length, side);
    };
  }
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const random = new Random(SEED);
  for (let last = count - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return (index) => {
    pipeline.judge(view, (order[index % count] ?? 0) * stride, length, side);
  };
}
