/**
 * The fragment table does what its naive twin does (test/helpers/naive-fragments.ts), in any order of fragments.
 */
import { describe, expect, test } from 'vitest';
import { Fragment, Packet } from '../../src/capture/packet.ts';
import { FragmentTable, MAX_DATAGRAMS } from '../../src/flowtable/fragments.ts';
import { NaiveFragmentTable } from '../helpers/naive-fragments.ts';
import { Random } from '../helpers/random.ts';

const STEPS = 40_000;
const SEED = Math.floor(Math.random() * 2 ** 31);

/** Of so many datagrams the fragments come in any order: few meet again and again, many push each other out. */
const SHAPES = [
  { name: 'few datagrams', ids: 3, pieces: 6, secondsPerStep: 0.001 },
  { name: 'few datagrams that time out', ids: 20, pieces: 4, secondsPerStep: 0.5 },
  { name: 'more fragments than are tracked', ids: 1, pieces: 400, secondsPerStep: 0 },
  {
    name: 'more datagrams than are remembered',
    ids: 4 * MAX_DATAGRAMS,
    pieces: 2,
    secondsPerStep: 0,
  },
] as const;

function fragmentOf(random: Random, { ids, pieces }: (typeof SHAPES)[number]): Packet {
  const piece = random.below(pieces);
  const isIpv4 = random.below(2) === 0;
  return Object.assign(new Packet(), {
    ipVersion: isIpv4 ? 4 : 6,
    // 0xffff_ffff as int32: every bit of every word counts.
    src0: isIpv4 ? 0 : -random.below(2),
    src3: -random.below(2),
    dst0: isIpv4 ? 0 : 0x2001_0db8,
    dst3: 0x0a00_0104,
    protocol: random.pick([6, 17]),
    vlanOuter: random.pick([0, 0, 0, 4095]),
    vlanInner: random.pick([0, 0, 0, 4095]),
    fragment: piece === 0 ? Fragment.First : Fragment.Later,
    fragmentId: random.below(ids) + (isIpv4 ? 0 : -5),
    // Now and then a byte too many, which overlaps the next.
    fragmentOffset: piece * 8,
    fragmentLength: random.below(50) === 0 ? 9 : 8,
    hasMoreFragments: piece < pieces - 1,
  });
}

describe(`${STEPS} fragments, seed ${SEED}`, () => {
  test.each(SHAPES)('$name', (shape) => {
    const random = new Random(SEED);
    const table = new FragmentTable([random.below(2 ** 31), random.below(2 ** 31)]);
    const naive = new NaiveFragmentTable();
    const answers = new Map<string, number>();
    for (let step = 0; step < STEPS; step++) {
      const packet = fragmentOf(random, shape);
      const direction = random.below(2);
      const now = 100 + Math.floor(step * shape.secondsPerStep);
      const access = random.below(2);
      const of = [table, naive].map((each) => {
        if (packet.fragment === Fragment.Later) return each.later(packet, direction, now);
        if (!each.isNew(packet, direction, now)) return 'known';
        each.note(packet, direction, access, now);
        return 'new';
      });
      if (of[0] !== of[1] || table.size !== naive.size) {
        expect.fail(
          `step ${step}: ${of.join(', not ')}; ${table.size} datagrams, not ${naive.size}`,
        );
      }
      answers.set(String(of[0]), (answers.get(String(of[0])) ?? 0) + 1);
    }
    // New, known, and for later ones at least what was allowed or denied, or is not known.
    expect(answers.size).toBeGreaterThanOrEqual(4);
  });
});
