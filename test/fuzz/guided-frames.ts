/**
 * Sequences of frames as bytes, for the fuzzer that is guided by coverage.
 *
 * An input is a byte for the policy, then for each frame two bytes, most significant first, and the frame: bit 15 its side,
 * bit 14 whether its IPv4 header checksum stays as it is (else it is made right, or nothing would come past that check), the
 * rest its length. The last frame may be cut short. So bytes that are inserted or taken away still make frames.
 */
import { Random } from '../helpers/random.ts';
import { FUZZ_POLICIES } from './frame-fuzz.ts';
import { FRAME_ROOM, FrameMutator, mendChecksum } from './frame-mutator.ts';
import { frameSeeds, frameSequences, type SidedFrame } from './frame-seeds.ts';
import type { GuidedInputs } from './target.ts';
import { TwinPipelines } from './twin-pipelines.ts';

const PREFIX_BYTES = 2;
const SIDE = 0x8000;
const CHECKSUM_STAYS = 0x4000;
const LENGTH = FRAME_ROOM - 1;
/** Of one input: more take long and reach nothing new. */
const MAX_FRAMES = 64;
/** Of one that the mutator makes. */
const CHANGED_FRAMES = 24;

/** Whether its length can be told. */
const isShort = ({ frame }: SidedFrame): boolean => frame.length <= LENGTH;

/** Twins under each policy, made once: compiling a policy takes a hundred times as long as an input. */
const twinsOf: (TwinPipelines | undefined)[] = [];

function twinsUnder(index: number): TwinPipelines {
  const known = twinsOf[index];
  if (known !== undefined) {
    known.forget();
    return known;
  }
  // How long a call takes is no matter of instrumented code.
  const twins = new TwinPipelines(new Random(1), Number.POSITIVE_INFINITY);
  const policy = FUZZ_POLICIES[index];
  if (policy !== undefined) twins.reload(policy);
  twinsOf[index] = twins;
  return twins;
}

function takeFrames(input: Uint8Array): void {
  const twins = twinsUnder((input[0] ?? 0) % FUZZ_POLICIES.length);
  let at = 1;
  for (let count = 0; count < MAX_FRAMES && at + PREFIX_BYTES <= input.length; count++) {
    const prefix = ((input[at] ?? 0) << 8) | (input[at + 1] ?? 0);
    at += PREFIX_BYTES;
    const frame = input.slice(at, at + (prefix & LENGTH));
    at += frame.length;
    if ((prefix & CHECKSUM_STAYS) === 0) mendChecksum(frame, frame.length);
    const problem = twins.judge(frame, frame.length, (prefix & SIDE) === 0 ? 0 : 1);
    if (problem !== undefined) throw new Error(`frame ${count}: ${problem}`);
  }
  const [problem] = twins.problems();
  if (problem !== undefined) throw new Error(problem);
}

function inputOf(policy: number, sequence: readonly SidedFrame[]): Uint8Array {
  const bytes = sequence.flatMap(({ frame, side }) => {
    const prefix = (side === 0 ? 0 : SIDE) | CHECKSUM_STAYS | frame.length;
    return [prefix >>> 8, prefix & 0xff, ...frame];
  });
  return Uint8Array.from([policy, ...bytes]);
}

/** Some frames that the mutator makes, one after the other. */
function changes(random: Random): () => Uint8Array {
  const mutator = new FrameMutator(random, frameSeeds(random));
  const next = (): SidedFrame => {
    mutator.next();
    return { frame: mutator.bytes.slice(0, mutator.length), side: random.below(2) };
  };
  return () => {
    const sequence = Array.from({ length: 1 + random.below(CHANGED_FRAMES) }, next);
    return inputOf(random.below(FUZZ_POLICIES.length), sequence.filter(isShort));
  };
}

export const frameInputs: GuidedInputs = {
  code: ['src/capture', 'src/flowtable', 'src/engine'],
  seeds: () =>
    frameSequences(new Random(1)).map((sequence, index) =>
      inputOf(index % FUZZ_POLICIES.length, sequence),
    ),
  changes,
  take: takeFrames,
};
