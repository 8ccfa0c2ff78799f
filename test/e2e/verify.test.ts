/**
 * What `nsgd verify` says of a packet is what the daemon does to it: packets of random tuples through a real wire, under random
 * policies, beside the answers of `nsgd verify --batch` from the same file. NSGD_VERIFY_PACKETS=10000 sends more of them than
 * 2,000; NSGD_SEED takes another seed than 1.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NsgdWire } from '../hostile/nsgd-wire.ts';
import { nsgd } from '../helpers/daemon.ts';
import { buildFrame, toHex } from '../helpers/frames.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { Random } from '../helpers/random.ts';
import { firstPacket, randomPolicy, randomTuple } from '../helpers/random-tuples.ts';
import type { TextTuple } from '../helpers/text-tuple.ts';

const PACKETS = Number(process.env['NSGD_VERIFY_PACKETS'] ?? 2000);
const PACKETS_OF_A_POLICY = 500;
/** So many at once are far from filling a ring. */
const BATCH = 200;

/** As `nsgd verify --batch` reads it. */
function lineOf({ isInbound, protocol, local, remote, localPort, remotePort }: TextTuple): string {
  return isInbound
    ? `Inbound ${protocol} ${remote} ${remotePort} ${local} ${localPort}`
    : `Outbound ${protocol} ${local} ${localPort} ${remote} ${remotePort}`;
}

/** Which flow it would be of: both directions and every policy share them. */
function flowOf({ protocol, local, remote, localPort, remotePort }: TextTuple): string {
  const hasPorts = protocol === 6 || protocol === 17;
  return [protocol, local, remote, ...(hasPorts ? [localPort, remotePort] : [])].join();
}

describe.skipIf(liveObstacle !== undefined)(`verify (${liveObstacle ?? 'live'})`, () => {
  const seed = Number(process.env['NSGD_SEED'] ?? 1);
  const random = new Random(seed);
  const flows = new Set<string>();
  let lab: Lab;
  let wire: NsgdWire;

  beforeAll(async () => {
    lab = new Lab();
    wire = await NsgdWire.start(lab, {});
  });
  afterAll(async () => {
    wire?.close();
    await lab?.close();
  });

  /** Of a flow that no packet was of yet: it is the rules that judge it. */
  function newTuple(): TextTuple {
    for (;;) {
      const some = randomTuple(random);
      const remotePort = random.below(2) === 0 ? some.remotePort : 1024 + random.below(60_000);
      const tuple = { ...some, remotePort };
      if (flows.has(flowOf(tuple))) continue;
      flows.add(flowOf(tuple));
      return tuple;
    }
  }

  /** Sends the first packet of each. @returns for each whether it came out */
  async function passed(tuples: readonly TextTuple[]): Promise<boolean[]> {
    const frames = tuples.map((tuple) => buildFrame(firstPacket(tuple)));
    const out = new Set<string>();
    for (const side of [0, 1] as const) {
      const own = frames.filter((_, index) => (tuples[index]?.isInbound === true) === (side === 0));
      // oxlint-disable-next-line no-await-in-loop -- one side after the other
      for (const frame of await wire.wire.pass(side, own)) out.add(toHex(frame));
    }
    return frames.map((frame) => out.has(toHex(frame)));
  }

  test(`${PACKETS} packets: each passes or not as verify says`, async () => {
    const different: string[] = [];
    const answered = { Allow: 0, Deny: 0 };
    for (let round = 0; round * PACKETS_OF_A_POLICY < PACKETS; round++) {
      // oxlint-disable-next-line no-await-in-loop -- one policy after another
      await wire.reload(randomPolicy(random));
      const tuples = Array.from({ length: PACKETS_OF_A_POLICY }, newTuple);
      const file = wire.daemon.configurationFile;
      const asked = ['verify', '--config', file, '--nic', 'vm1', '--batch', '-'];
      const { stdout, stderr } = nsgd(asked, tuples.map(lineOf).join('\n'));
      const answers = stdout.trimEnd().split('\n');
      expect(answers, stderr).toHaveLength(tuples.length);
      for (let from = 0; from < tuples.length; from += BATCH) {
        const some = tuples.slice(from, from + BATCH);
        // oxlint-disable-next-line no-await-in-loop -- one batch after another
        for (const [index, isPassed] of (await passed(some)).entries()) {
          const answer = answers[from + index] ?? '';
          const access = answer.startsWith('Allow ') ? 'Allow' : 'Deny';
          answered[access]++;
          if ((access === 'Allow') !== isPassed) {
            different.push(
              `policy ${round}, ${lineOf(tuples[from + index] as TextTuple)}: ${answer}`,
            );
          }
        }
      }
    }
    expect(different, `seed ${seed}`).toEqual([]);
    expect(answered.Allow).toBeGreaterThan(PACKETS / 10);
    expect(answered.Deny).toBeGreaterThan(PACKETS / 10);
    const { interfaces } = wire.daemon.wire();
    expect(interfaces.map(({ kernelDrops }) => kernelDrops)).toEqual([0, 0]);
  });
});
