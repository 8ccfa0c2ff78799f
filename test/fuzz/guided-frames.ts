/**
 * Sequences of frames as bytes, for the fuzzer that is guided by coverage.
 *
 * An input is a byte for the policy, then for each frame two bytes, most significant first, and the frame: bit 15 its side,
 * bit 14 whether its IPv4 header checksum stays as it is (else it is made right, or nothing would come past that check), the
 * rest its length. The last frame may be cut short. So bytes that are inserted or taken away still make frames.
 */
import { concat } from '../helpers/capture-bytes.ts';
import { Random } from '../helpers/random.ts';
import { FUZZ_POLICIES } from './frame-fuzz.ts';
import { FRAME_ROOM, FrameMutator, mendChecksum } from './frame-mutator.ts';
import { frameSequences, type SidedFrame } from './frame-seeds.ts';
import type { GuidedInputs } from './target.ts';
import { TwinPipelines } from './twin-pipelines.ts';

const PREFIX_BYTES = 2;
const SIDE = 0x8000;
const CHECKSUM_STAYS = 0x4000;
const LENGTH = FRAME_ROOM - 1;
/** Of one input: more take long and reach nothing new. */
const MAX_FRAMES = 64;

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

interface JudgedFrame extends SidedFrame {
  /** Whether its checksum is left alone. */
  readonly staysWrong: boolean;
}

function sequenceOf(input: Uint8Array): JudgedFrame[] {
  const sequence: JudgedFrame[] = [];
  for (let at = 1; sequence.length < MAX_FRAMES && at + PREFIX_BYTES <= input.length;) {
    const prefix = ((input[at] ?? 0) << 8) | (input[at + 1] ?? 0);
    at += PREFIX_BYTES;
    const frame = input.slice(at, at + (prefix & LENGTH));
    at += frame.length;
    const side = (prefix & SIDE) === 0 ? 0 : 1;
    sequence.push({ frame, side, staysWrong: (prefix & CHECKSUM_STAYS) !== 0 });
  }
  return sequence;
}

function inputOf(policy: number, sequence: readonly JudgedFrame[]): Uint8Array {
  const whole = sequence.map(({ frame, side, staysWrong }) => {
    const prefix = (side === 0 ? 0 : SIDE) | (staysWrong ? CHECKSUM_STAYS : 0) | frame.length;
    return [Uint8Array.of(prefix >>> 8, prefix & 0xff), frame];
  });
  return concat([Uint8Array.of(policy), ...whole.flat()]);
}

function takeFrames(input: Uint8Array): void {
  const twins = twinsUnder((input[0] ?? 0) % FUZZ_POLICIES.length);
  sequenceOf(input).forEach(({ frame, side, staysWrong }, index) => {
    if (!staysWrong) mendChecksum(frame, frame.length);
    const problem = twins.judge(frame, frame.length, side);
    if (problem !== undefined) throw new Error(`frame ${index}: ${problem}`);
  });
  const [problem] = twins.problems();
  if (problem !== undefined) throw new Error(problem);
}

/** Makes one of the frames another, or adds one. */
function change(input: Uint8Array, random: Random): Uint8Array {
  const sequence = sequenceOf(input);
  if (sequence.length === 0) return input;
  const mutator = new FrameMutator(
    random,
    sequence.map(({ frame }) => frame),
  );
  mutator.next();
  const fresh = {
    frame: mutator.bytes.slice(0, Math.min(mutator.length, LENGTH)),
    side: random.below(2),
    staysWrong: true,
  };
  sequence.splice(random.below(sequence.length), random.below(4) === 0 ? 0 : 1, fresh);
  return inputOf(input[0] ?? 0, sequence);
}

export const frameInputs: GuidedInputs = {
  code: ['src/capture', 'src/flowtable', 'src/engine'],
  seeds: () =>
    frameSequences(new Random(1)).map((sequence, index) =>
      inputOf(
        index % FUZZ_POLICIES.length,
        sequence.map((sided) => ({ ...sided, staysWrong: true })),
      ),
    ),
  change,
  take: takeFrames,
};
