/**
 * DataPlane: what surrounds the packet loop of one wire. The backend calls `judge` per frame and `tick` per batch; a
 * timer calls `tick` when no frame comes. `tick` is where time, policy changes, expiry and orders are looked at.
 *
 * It logs nothing: what it does is in the counters and on the control page.
 */
import type { FrameBatch, FrameJudge } from '../../src/capture/frame.ts';
import type { LiveWire, WireCounts, WireHandler } from '../../src/capture/live/live-wire.ts';
import { completePartialChecksum } from '../../src/capture/wire/checksum.ts';
import { BatchHistogram, type Counters, InterfaceCounter } from '../../src/engine/counters.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import type { Pipeline } from '../../src/engine/pipeline.ts';
import type { Steps } from '../../src/engine/steps.ts';
import { Segment } from '../native/segment.ts';
import { type ControlPage, NO_GENERATION, Phase } from './control-page.ts';

const FRAMES_OUT = InterfaceCounter.FramesOut;
const BYTES_OUT = InterfaceCounter.BytesOut;
const SEND_ERRORS = InterfaceCounter.SendErrors;
const KERNEL_DROPS = InterfaceCounter.KernelDrops;
const RING_FULL = InterfaceCounter.ReceiveRingFull;
const INVALID_DESCRIPTORS = InterfaceCounter.InvalidDescriptors;
const WAITING = BatchHistogram.Waiting;
const MICROSECONDS = BatchHistogram.Microseconds;

const FORWARD = 1;
const NOT_IP = 0;
const MILLISECONDS = 1000;

/**
 * A new policy is checked for so long at a time, and packets then have the processor for at least so long: rings of
 * thousands of frames hold what arrives meanwhile, and forwarding loses a fifth of its rate until the check is over.
 */
const LOAD_SLICE_MILLISECONDS = 0.3;
const LOAD_PAUSE_MILLISECONDS = 1.2;

/** A policy that is mapped and was checked. */
export interface LoadedPolicy {
  readonly image: PolicyImage;
  readonly segment: Segment;
}

export interface DataPlaneDependencies {
  readonly page: ControlPage;
  readonly counters: Counters;
  readonly pipeline: Pick<
    Pipeline,
    'packet' | 'judge' | 'lookAhead' | 'setTime' | 'housekeep' | 'usePolicy'
  >;
  /** In force when this starts. */
  readonly policy: LoadedPolicy;
  /** Maps and checks a generation. @throws where it is missing or broken */
  readonly loadPolicy: (generation: number) => Steps<LoadedPolicy>;
  /** Milliseconds of a clock that is the same in every process and never set back. */
  readonly clock: () => number;
  readonly events: {
    policyActive(generation: number): void;
    policyRejected(generation: number, error: unknown): void;
    /** Everything is closed. May be called from within the packet loop. */
    stopped(): void;
  };
}

export class DataPlane implements WireHandler {
  readonly judge: FrameJudge;
  readonly counts: WireCounts;
  readonly #dependencies: DataPlaneDependencies;
  #wire: LiveWire | undefined;
  #policy: LoadedPolicy;
  /** Last generation that was begun, loaded or rejected: nothing to begin until another is wanted. */
  #seenGeneration: number;
  /** The loading of that generation, until it is over. */
  #loading: Steps<LoadedPolicy> | undefined;
  // No small integers: V8 would keep these fields for such alone, and throw compiled code away at the first other number.
  #nextSlice = -Infinity;
  #nextSecond = -Infinity;
  #isStopped = false;

  constructor(dependencies: DataPlaneDependencies) {
    const { pipeline, counters, policy } = dependencies;
    this.#dependencies = dependencies;
    this.#policy = policy;
    this.#seenGeneration = policy.image.generation;
    this.judge = (view, offset, length, side) => {
      const access = pipeline.judge(view, offset, length, side);
      // The sender's host may have left the checksum to hardware that is not on this path.
      if (access === FORWARD && pipeline.packet.ipVersion !== NOT_IP) {
        completePartialChecksum(view, pipeline.packet);
      }
      return access;
    };
    this.counts = wireCounts(counters);
    pipeline.setTime(dependencies.clock());
  }

  lookAhead(view: DataView, batch: FrameBatch, side: number): void {
    this.#dependencies.pipeline.lookAhead(view, batch, side);
  }

  /** From here on the wire is watched, and the control page says so. */
  run(wire: LiveWire): void {
    const { page } = this.#dependencies;
    this.#wire = wire;
    page.activeGeneration = this.#policy.image.generation;
    page.phase = Phase.Running;
    this.tick();
  }

  /** True while a policy is being loaded. */
  get isTickWanted(): boolean {
    return this.#loading !== undefined;
  }

  tick(): void {
    if (this.#isStopped) return;
    const { clock, page, pipeline } = this.#dependencies;
    const now = clock();
    pipeline.setTime(now);
    pipeline.housekeep();
    page.beat();
    const wanted = page.wantedGeneration;
    if (wanted !== this.#seenGeneration) this.#beginLoading(wanted);
    if (this.#loading !== undefined && now >= this.#nextSlice) this.#load(this.#loading);
    if (now >= this.#nextSecond) {
      this.#nextSecond = now + MILLISECONDS;
      page.clockSeconds = Math.floor(now / MILLISECONDS);
      this.#wire?.collectKernelDrops();
    }
    if (page.isStopRequested) this.stop();
  }

  /** Closes the wire, with every drop of the kernel counted. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#wire?.collectKernelDrops();
    this.#wire?.stop();
    const { page, events } = this.#dependencies;
    page.activeGeneration = NO_GENERATION;
    page.phase = Phase.Stopped;
    events.stopped();
  }

  #beginLoading(generation: number): void {
    // Gives back what the loading of another generation has mapped.
    this.#loading?.return(this.#policy);
    this.#loading = undefined;
    this.#seenGeneration = generation;
    // Wanted again after another was rejected.
    if (generation === this.#policy.image.generation) return;
    this.#loading = this.#dependencies.loadPolicy(generation);
  }

  /** A slice of the loading; the last one puts the policy in force. Cold: a few hundred times per reload. */
  #load(loading: Steps<LoadedPolicy>): void {
    const { clock, page, events } = this.#dependencies;
    const end = clock() + LOAD_SLICE_MILLISECONDS;
    let step: IteratorResult<undefined, LoadedPolicy>;
    try {
      do step = loading.next();
      while (step.done !== true && clock() < end);
    } catch (error) {
      this.#loading = undefined;
      page.rejectedGeneration = this.#seenGeneration;
      events.policyRejected(this.#seenGeneration, error);
      return;
    }
    if (step.done === true) {
      this.#loading = undefined;
      this.#usePolicy(step.value);
    } else {
      this.#nextSlice = clock() + LOAD_PAUSE_MILLISECONDS;
    }
  }

  #usePolicy(next: LoadedPolicy): void {
    const { page, pipeline, events } = this.#dependencies;
    const previous = this.#policy;
    pipeline.usePolicy(next.image);
    this.#policy = next;
    page.activeGeneration = next.image.generation;
    previous.segment.release();
    events.policyActive(next.image.generation);
  }
}

function wireCounts(counters: Counters): WireCounts {
  return {
    sent(side, bytes) {
      counters.addInterface(side, FRAMES_OUT, 1);
      counters.addInterface(side, BYTES_OUT, bytes);
    },
    sendFailed(side) {
      counters.addInterface(side, SEND_ERRORS, 1);
    },
    kernelDropped(side, frames) {
      counters.addInterface(side, KERNEL_DROPS, frames);
    },
    receiveRingFull(side, frames) {
      counters.addInterface(side, RING_FULL, frames);
    },
    invalidDescriptors(side, entries) {
      counters.addInterface(side, INVALID_DESCRIPTORS, entries);
    },
    batch(waiting, milliseconds) {
      counters.addBatch(WAITING, waiting);
      counters.addBatch(MICROSECONDS, milliseconds * 1000);
    },
  };
}

/** A policy file that holds another generation than its name says. */
export class PolicyGenerationError extends Error {
  readonly code = 'POLICY_GENERATION';
}

/**
 * Maps a policy file and checks it, which faults its pages in, so that packets do not pay for that.
 * @throws SegmentError, PolicyImageError, PolicyGenerationError, or ENOENT where there is none
 */
export function* loadPolicyFile(path: string, generation: number): Steps<LoadedPolicy> {
  const segment = Segment.open(path);
  let isLoaded = false;
  try {
    const image = yield* PolicyImage.attachInSteps(segment.buffer);
    if (image.generation !== generation) {
      throw new PolicyGenerationError(
        `${path} holds generation ${image.generation}, expected ${generation}`,
      );
    }
    isLoaded = true;
    return { image, segment };
  } finally {
    if (!isLoaded) segment.release();
  }
}
