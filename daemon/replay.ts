/**
 * Replay: a capture through the whole stateful path, offline. The pipeline is the live one; only the memory behind
 * it is private and the clock is the capture's.
 */
import { decode } from '../src/capture/decode.ts';
import { type FrameSource, LinkType, Side } from '../src/capture/frame.ts';
import { Packet } from '../src/capture/packet.ts';
import { Counters } from '../src/engine/counters.ts';
import {
  type CompiledImage,
  compileImage,
  PolicyRegistry,
} from '../src/engine/policy-image-compile.ts';
import { NO_RULE } from '../src/engine/evaluate.ts';
import { FlowEvents } from '../src/engine/flow-events.ts';
import { PolicyImage } from '../src/engine/policy-image.ts';
import { Pipeline } from '../src/engine/pipeline.ts';
import { type NicPolicy, type Policy, printedRuleName } from '../src/engine/policy.ts';
import { FIRST_DROP, Reason, REASON_LIMIT } from '../src/engine/reason.ts';
import { hasIpv4, hasIpv6, ipv6OfWords, isEmpty } from '../src/engine/address-set.ts';
import { DEFAULT_TIMEOUTS } from '../src/flowtable/expiry.ts';
import { FragmentTable } from '../src/flowtable/fragments.ts';
import { FlowTable } from '../src/flowtable/table.ts';
import { randomSeeds } from './seeds.ts';

export interface ReplayOptions {
  readonly maxFlows: number;
  /** Seconds without a packet after which an established flow ends. */
  readonly idleTimeout: number;
}

/** What became of one frame; refilled for the next. */
export interface ReplayedFrame {
  /** From 1, as capture tools count. */
  number: number;
  /** Milliseconds since the epoch, as captured. */
  timestamp: number;
  direction: 0 | 1;
  reason: number;
  isForwarded: boolean;
}

/** Longest frame that a replay takes: a capture may hold what offloads made of smaller ones. */
const MAX_FRAME_LENGTH = 262_144;

export class Replay {
  readonly counters = new Counters(new ArrayBuffer(Counters.bytes));
  readonly pipeline: Pipeline;
  readonly flows: FlowTable;
  readonly compiled: CompiledImage;
  readonly frame: ReplayedFrame = {
    number: 0,
    timestamp: 0,
    direction: 0,
    reason: 0,
    isForwarded: false,
  };
  readonly #nic: NicPolicy;
  readonly #probe = new Packet();
  #clock = 1000;
  #lastTimestamp = Number.NaN;

  constructor(options: ReplayOptions, policy: Policy, nic: NicPolicy) {
    this.#nic = nic;
    this.compiled = compileImage(policy, [nic], 1, new PolicyRegistry());
    const buffer = new ArrayBuffer(FlowTable.bytesFor(options.maxFlows));
    this.flows = FlowTable.create(buffer, 0, {
      maxFlows: options.maxFlows,
      seeds: randomSeeds(),
      timeouts: { ...DEFAULT_TIMEOUTS, established: options.idleTimeout },
    });
    this.pipeline = new Pipeline(
      { maxFrameLength: MAX_FRAME_LENGTH },
      {
        image: PolicyImage.attach(this.compiled.buffer),
        flows: this.flows,
        fragments: new FragmentTable(randomSeeds()),
        counters: this.counters,
        // Nobody reads them: what a replay shows it takes from the table and the counters.
        events: FlowEvents.create(new ArrayBuffer(FlowEvents.bytes)),
      },
    );
  }

  /**
   * Judges the source's current frame into `frame`.
   * @returns `frame`
   */
  judge(source: FrameSource): ReplayedFrame {
    const { frame, pipeline } = this;
    this.#advance(source.timestamp);
    frame.number++;
    frame.timestamp = source.timestamp;
    if (source.linkType !== LinkType.Ethernet) {
      frame.direction = 0;
      frame.reason = Reason.UnsupportedLinkType;
      frame.isForwarded = false;
      this.counters.addReason(0, frame.reason, source.length);
      return frame;
    }
    const side = this.#side(source);
    frame.direction = side;
    frame.isForwarded = pipeline.judge(source.view, source.offset, source.length, side) === 1;
    frame.reason = pipeline.reason;
    pipeline.housekeep();
    return frame;
  }

  /** The rule that decided the frame judged last, as Azure prints it; undefined when none did. */
  decidingRule(): string | undefined {
    const { isEvaluated, evaluation } = this.pipeline;
    const { decidingStep, lists, rules } = evaluation;
    if (!isEvaluated || decidingStep === NO_RULE) return undefined;
    const list = this.compiled.lists[lists[decidingStep] ?? NO_RULE];
    const rule = list?.rules[rules[decidingStep] ?? NO_RULE];
    return rule === undefined ? undefined : printedRuleName(rule);
  }

  /** Frames so far that were forwarded or dropped, whatever the reason and direction. */
  total(isForwarded: boolean): number {
    let sum = 0;
    for (let reason = 0; reason < REASON_LIMIT; reason++) {
      if (reason < FIRST_DROP === isForwarded) sum += this.frames(reason);
    }
    return sum;
  }

  frames(reason: number): number {
    return this.counters.reasonFrames(0, reason) + this.counters.reasonFrames(1, reason);
  }

  /** The capture's clock, made monotonic: a step back in the file does not move it, a step ahead does. */
  #advance(timestamp: number): void {
    const step = timestamp - this.#lastTimestamp;
    if (step > 0) this.#clock += step;
    this.#lastTimestamp = timestamp;
    this.pipeline.setTime(this.#clock);
  }

  /** The side a frame came from: inside when its source is the NIC's address. */
  #side(source: FrameSource): Side {
    const packet = this.#probe;
    decode(source.view, source.offset, source.length, packet);
    if (packet.ipVersion === 0) return Side.Outside;
    const isSource = this.#isLocal(packet.src0, packet.src1, packet.src2, packet.src3);
    return isSource ? Side.Inside : Side.Outside;
  }

  #isLocal(w0: number, w1: number, w2: number, w3: number): boolean {
    const { addresses } = this.#nic;
    if (this.#probe.ipVersion === 4) {
      return isEmpty(addresses) ? isPrivate4(w3 >>> 0) : hasIpv4(addresses, w3 >>> 0);
    }
    const address = ipv6OfWords([w0, w1, w2, w3]);
    return isEmpty(addresses) ? isPrivate6(address) : hasIpv6(addresses, address);
  }
}

/** RFC 1918: the inside of a NIC that names no addresses. */
function isPrivate4(address: number): boolean {
  return address >>> 24 === 10 || address >>> 20 === 0xac1 || address >>> 16 === 0xc0a8;
}

/** RFC 4193 and link-local. */
function isPrivate6(address: bigint): boolean {
  return address >> 121n === 0xfcn >> 1n || address >> 118n === 0xfe80n >> 6n;
}
