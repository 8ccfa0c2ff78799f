/**
 * nsgd beside the kernel: the same conversations through nsgd on a wire, its pipeline over plain memory, and nftables with
 * connection tracking. The verdict on every packet, of IPv4 and IPv6, and on every datagram in fragments is equal, or the
 * difference is in the list with its reason. NSGD_SEED takes another seed than 1.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFrame, toHex, viewOf } from '../../helpers/frames.ts';
import { Lab } from '../../helpers/lab.ts';
import { liveObstacle } from '../../helpers/live.ts';
import { PipelineRig } from '../../helpers/pipeline-rig.ts';
import { Random } from '../../helpers/random.ts';
import {
  type Conversation,
  type ConversationPacket,
  IPV4,
  IPV6,
  OPEN_TCP,
  OPEN_UDP,
} from './conversation.ts';
import { conversationsFrom } from './conversations.ts';
import { differences } from './differences.ts';
import { countsById, identified, KernelFilter } from './kernel-filter.ts';
import { NsgdWire } from '../nsgd-wire.ts';

type Verdict = 'pass' | 'drop';

const POLICY = {
  nic: [
    `Tcp 100 Inbound Allow Tcp * * * ${OPEN_TCP}`,
    `Udp 110 Inbound Allow Udp * * * ${OPEN_UDP}`,
    'Icmp 120 Inbound Allow Icmp * * * *',
    'Deny 130 Inbound Deny * * * * *',
    'Out 100 Outbound Allow * * * * *',
  ],
  neighbour: [IPV4.neighbour, IPV6.neighbour],
};
const FIRST_IDENTIFICATION = 1000;
const hasNft = spawnSync('nft', ['--version']).status === 0;
const obstacle = liveObstacle ?? (hasNft ? undefined : 'needs nftables');

interface Sent extends ConversationPacket {
  readonly conversation: string;
  readonly step: number;
  readonly identification: number;
  /** One, or the fragments that it is cut into. */
  readonly frames: readonly Uint8Array[];
}

/** Every packet with an identification of its own, which no kernel sets itself. */
function numbered(conversations: readonly Conversation[]): Sent[] {
  let identification = FIRST_IDENTIFICATION;
  return conversations.flatMap(({ name, packets }) =>
    packets.map((packet, step) => {
      identification++;
      const { frame, cut } = packet;
      if (frame.ip === undefined) throw new Error('IP, please');
      const whole = { ...frame, ip: { ...frame.ip, id: identification } };
      const built = cut === undefined ? [buildFrame(whole)] : cut(whole, identification);
      const frames = built.map((one) => identified(one, identification));
      return { ...packet, conversation: name, step, identification, frames };
    }),
  );
}

function verdict(isPassed: boolean): Verdict {
  return isPassed ? 'pass' : 'drop';
}

function lineOf({ conversation, step, label }: Sent): string {
  return `${conversation}, step ${step}, ${label}`;
}

describe.skipIf(obstacle !== undefined)(`beside the kernel (${obstacle ?? 'live'})`, () => {
  const seed = Number(process.env['NSGD_SEED'] ?? 1);
  const conversations = conversationsFrom(new Random(seed));
  const sent = numbered(conversations);
  const lines: string[] = [];
  /** Verdicts of the wire that are not the pipeline's. */
  const unlike: string[] = [];
  const occurred = new Set<string>();
  let lab: Lab;

  beforeAll(async () => {
    lab = new Lab();
    const kernel = new KernelFilter(lab);
    const nsgd = await NsgdWire.start(lab, POLICY);
    const rig = new PipelineRig(POLICY, { maxFlows: 4096 });
    const steps = Math.max(...sent.map(({ step }) => step));
    // All conversations at once, a step at a time: within one the order is kept.
    for (let step = 0; step <= steps; step++) {
      for (const side of [0, 1] as const) {
        const direction = side === 0 ? 'in' : 'out';
        const packets = sent.filter((one) => one.step === step && one.direction === direction);
        const frames = packets.flatMap((packet) => packet.frames);
        // oxlint-disable-next-line no-await-in-loop -- one after another is the point
        const [byKernel, byNsgd] = await Promise.all([
          kernel.pass(side, frames),
          nsgd.wire.pass(side, frames),
        ]);
        const counts = countsById(byNsgd);
        const out = new Set(byNsgd.map((frame) => toHex(frame)));
        for (const packet of packets) {
          const { identification } = packet;
          const offline = packet.frames.filter(
            (frame) => rig.pipeline.judge(viewOf(frame), 0, frame.length, side) === 1,
          ).length;
          const live = counts.get(identification) ?? 0;
          if (live !== offline) unlike.push(`${lineOf(packet)}: ${live}, offline ${offline}`);
          note(
            packet,
            verdict(byKernel.has(identification)),
            verdict(packet.frames.every((frame) => out.has(toHex(frame)))),
          );
        }
      }
    }
    kernel.close();
    nsgd.close();
  });
  afterAll(async () => {
    await lab?.close();
  });

  function note(packet: Sent, kernel: Verdict, nsgd: Verdict): void {
    if (kernel === nsgd) return;
    const listed = differences[packet.label];
    if (listed?.kernel === kernel && listed.nsgd === nsgd) occurred.add(packet.label);
    else lines.push(`${lineOf(packet)}: kernel ${kernel}, nsgd ${nsgd}`);
  }

  test('200 conversations at least, of every protocol and both families', () => {
    expect(conversations.length).toBeGreaterThanOrEqual(200);
    for (const protocol of ['TCP', 'UDP', 'ICMP', 'fragments']) {
      for (const family of ['', ' over IPv6']) {
        const start = new RegExp(`^${protocol}${family}(?: from \\w+)?: `);
        const some = conversations.filter(({ name }) => start.test(name));
        expect(some.length, `${protocol}${family}`).toBeGreaterThanOrEqual(10);
      }
    }
  });

  test('on a wire nsgd judges as its pipeline does', () => {
    expect(unlike, `seed ${seed}`).toEqual([]);
  });

  test('every packet gets the same verdict, or its difference is listed', () => {
    expect(lines, `seed ${seed}`).toEqual([]);
  });

  test('every listed difference occurs', () => {
    expect([...occurred].toSorted()).toEqual(Object.keys(differences).toSorted());
  });
});
