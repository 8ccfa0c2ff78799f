/**
 * Fuzzing of the packet path: mutated frames through twin pipelines, under policies that change.
 *
 * A frame that reaches something new (a reason, with a state of its flow, by protocol, kind of fragment and message) joins the
 * frames that others are made of, so that the way leads deeper with time.
 */
import { REASON_LIMIT, reasonNames } from '../../src/engine/reason.ts';
import { hexBytes, toHex } from '../helpers/frames.ts';
import type { RigPolicy } from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';
import { FRAME_ROOM, FrameMutator } from './frame-mutator.ts';
import { frameSeeds } from './frame-seeds.ts';
import { FuzzFailure, type FuzzReport, type FuzzRun, type FuzzTarget } from './target.ts';
import { TwinPipelines } from './twin-pipelines.ts';

export interface FrameFuzzReport extends FuzzReport {
  readonly frames: number;
  /** Names of the reasons that frames got. */
  readonly reasons: readonly string[];
  /** Distinct things reached. */
  readonly reached: number;
  /** Calls above a millisecond in one of the twins, which were shorter when they were repeated. */
  readonly disturbed: number;
  /** Longest call, as the shorter of the twins' and of repetitions, in milliseconds. */
  readonly longestMilliseconds: number;
  /** A frame for each reason, state of its flow, and kind of packet that was reached, as lines. */
  readonly corpus: readonly string[];
}

/** Frames between two policies, and two looks at the whole flow table. */
const ROUND = 20_000;
const FRAMES_PER_SECOND = 200;
/** Frames that a failure shows. */
const HISTORY = 256;
/** Frames kept for what they reached. */
const KEPT = 4000;

/** So many that the matcher takes every way it has. */
const manyRules = Array.from({ length: 120 }, (_, index) => {
  const access = index % 3 === 0 ? 'Deny' : 'Allow';
  const protocol = ['Tcp', 'Udp', '*'][index % 3] ?? '*';
  const source = index % 2 === 0 ? `203.0.113.${index}/32` : `2001:db8::${index}/128`;
  return `R${index} ${200 + index} Inbound ${access} ${protocol} ${source} * * ${index * 40}-${index * 40 + 60}`;
});

export const FUZZ_POLICIES: readonly RigPolicy[] = [
  { nic: ['AllowTcp 100 Inbound Allow Tcp * * * *', 'AllowPing 110 Inbound Allow Icmp * * * *'] },
  { subnet: manyRules, nic: [...manyRules, 'Any 4000 Inbound Allow * * * * *'] },
  { subnet: [], nic: [], flush: true, settings: { tcp: { pickup: 'loose' } } },
  {
    nic: ['In 100 Inbound Allow * * * * *', 'Out 100 Outbound Allow * * * * *'],
    settings: { link: { unknownEtherType: 'pass', forwardLinkLocal: true } },
  },
];

/** @throws FuzzFailure with the frames that led to it, as lines: `in 02 00 ...` */
export function fuzzFrames({ cases, seed, progress }: FuzzRun): FrameFuzzReport {
  const random = new Random(seed);
  const mutator = new FrameMutator(random, frameSeeds(random));
  const twins = new TwinPipelines(random);
  const history = new History();
  const reached = new Set<number>();
  const corpus = new Map<number, string>();
  const reasons = new Uint8Array(REASON_LIMIT);
  const fail = (message: string): never => {
    throw new FuzzFailure(`seed ${seed}: ${message}`, shortest(history.lines()));
  };
  const checkTables = (): void => {
    const [problem] = twins.problems();
    if (problem !== undefined) fail(problem);
  };
  for (let number = 0; number < cases; number++) {
    if (number % ROUND === 0) {
      checkTables();
      twins.reload(random.pick(FUZZ_POLICIES));
      progress?.(number);
    }
    if (number % FRAMES_PER_SECOND === 0) twins.at(number / FRAMES_PER_SECOND);
    mutator.next();
    const side = random.below(2);
    history.add(mutator.bytes, mutator.length, side);
    const problem = twins.judge(mutator.bytes, mutator.length, side);
    if (problem !== undefined) fail(`frame ${number}: ${problem}`);
    reasons[twins.pipeline.reason] = 1;
    const signature = signatureOf(twins);
    if (!reached.has(signature)) {
      reached.add(signature);
      mutator.keep(KEPT);
      const coarse = Math.floor(signature / 0x1_0000);
      if (!corpus.has(coarse)) corpus.set(coarse, history.line(number));
    }
  }
  checkTables();
  return {
    frames: cases,
    reasons: reasonNames.filter((_, reason) => reasons[reason] === 1),
    reached: reached.size,
    disturbed: twins.disturbed,
    longestMilliseconds: twins.longest,
    corpus: [...corpus.values()],
  };
}

/** The last frame when it fails alone, else all that led to it. */
function shortest(lines: readonly string[]): string {
  const last = lines.at(-1) ?? '';
  try {
    judgeLines(new TextEncoder().encode(last));
  } catch {
    return `${last}\n`;
  }
  return `${lines.join('\n')}\n`;
}

/** Frames as a failure keeps them, under every policy. @throws FuzzFailure */
export function judgeLines(input: Uint8Array): void {
  const lines = new TextDecoder()
    .decode(input)
    .split('\n')
    .filter((line) => line !== '');
  for (const policy of FUZZ_POLICIES) {
    const twins = new TwinPipelines(new Random(1));
    twins.reload(policy);
    for (const line of lines) {
      const frame = hexBytes(line.replace(/^\w+ ?/, ''));
      const problem = twins.judge(frame, frame.length, line.startsWith('in') ? 0 : 1);
      if (problem !== undefined) throw new FuzzFailure(problem, line);
    }
    const [problem] = twins.problems();
    if (problem !== undefined) throw new FuzzFailure(problem, input);
  }
}

export const frameTarget: FuzzTarget = {
  name: 'frames',
  cases: 10_000_000,
  run: fuzzFrames,
  again: judgeLines,
};

/** What a frame reached, as a number below 2^53. */
function signatureOf({ pipeline, flowState }: TwinPipelines): number {
  const { packet, reason } = pipeline;
  const message = packet.protocol === 6 ? packet.tcpFlags : packet.icmpType;
  const kind = (packet.ipVersion << 2) | packet.fragment;
  return (((reason * 16 + flowState) * 32 + kind) * 256 + packet.protocol) * 256 + message;
}

/** The frames judged last. */
class History {
  readonly #frames = Array.from({ length: HISTORY }, () => new Uint8Array(FRAME_ROOM));
  readonly #lengths = new Uint16Array(HISTORY);
  readonly #sides = new Uint8Array(HISTORY);
  #count = 0;

  add(bytes: Uint8Array, length: number, side: number): void {
    const at = this.#count++ % HISTORY;
    this.#frames[at]?.set(length < FRAME_ROOM ? bytes.subarray(0, length) : bytes);
    this.#lengths[at] = length;
    this.#sides[at] = side;
  }

  /** Frame `number` as a line: its direction and its bytes. */
  line(number: number): string {
    const at = number % HISTORY;
    const bytes = this.#frames[at]?.subarray(0, this.#lengths[at]) ?? new Uint8Array();
    return `${this.#sides[at] === 0 ? 'in' : 'out'} ${toHex(bytes)}`;
  }

  /** All of them, the oldest first. */
  lines(): string[] {
    const oldest = Math.max(0, this.#count - HISTORY);
    return Array.from({ length: this.#count - oldest }, (_, index) => this.line(oldest + index));
  }
}
