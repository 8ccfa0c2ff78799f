/**
 * `nsgd replay --against`: one capture through two policies, each with state of its own, and the frames about which they
 * differ. A connection that only one of them opens differs in all of its packets: they are grouped by what was decided
 * and why, with the first of each.
 */
import type { FrameSource } from '../src/capture/frame.ts';
import { Reason, reasonNames } from '../src/engine/reason.ts';
import { ipProtocolName, packetEndpoints } from './packet-text.ts';
import type { Replay, ReplayedFrame } from './replay.ts';

/** What one policy did with a frame, and why. */
export interface FrameDecision {
  readonly access: 'Allow' | 'Deny';
  readonly reason: string;
  /** As Azure prints it; null when no rule was asked. */
  readonly ruleName: string | null;
}

/** Frames that two policies treat differently, in the same way. */
export interface ReplayChange {
  readonly direction: 'Inbound' | 'Outbound';
  readonly before: FrameDecision;
  readonly after: FrameDecision;
  frames: number;
  bytes: number;
  /** Number of the first, from 1. */
  readonly firstFrame: number;
  /** Of the first; null where the frame carries no IP packet. */
  readonly protocol: string | null;
  readonly source: string | null;
  readonly destination: string | null;
}

const DIRECTIONS = ['Inbound', 'Outbound'] as const;

function decisionOf(replay: Replay, { reason, isForwarded }: ReplayedFrame): FrameDecision {
  return {
    access: isForwarded ? 'Allow' : 'Deny',
    reason: reasonNames[reason] ?? 'unknown',
    ruleName: replay.decidingRule() ?? null,
  };
}

export class ReplayComparison {
  readonly #old: Replay;
  readonly #new: Replay;
  readonly #changes = new Map<string, ReplayChange>();

  constructor(old: Replay, current: Replay) {
    this.#old = old;
    this.#new = current;
  }

  /** Judges the source's current frame twice. @returns the frame's own change, or undefined when both agree */
  judge(source: FrameSource): ReplayChange | undefined {
    const before = this.#old.judge(source);
    const after = this.#new.judge(source);
    if (before.isForwarded === after.isForwarded) return undefined;
    const change = this.#changeOf(before, after, source.length);
    const key = JSON.stringify([change.direction, change.before, change.after]);
    const known = this.#changes.get(key);
    if (known === undefined) {
      this.#changes.set(key, { ...change });
    } else {
      known.frames++;
      known.bytes += source.length;
    }
    return change;
  }

  /** Grouped, in the order of their first frames. */
  get changes(): readonly ReplayChange[] {
    return [...this.#changes.values()];
  }

  get frames(): number {
    return this.#new.frame.number;
  }

  /** Frames that only the new policy forwards, or only the old one. */
  total(access: FrameDecision['access']): number {
    return this.changes
      .filter(({ after }) => after.access === access)
      .reduce((sum, { frames }) => sum + frames, 0);
  }

  #changeOf(before: ReplayedFrame, after: ReplayedFrame, length: number): ReplayChange {
    const { packet } = this.#new.pipeline;
    const isIp = after.reason !== Reason.UnsupportedLinkType && packet.ipVersion !== 0;
    const ends = isIp ? packetEndpoints(packet) : undefined;
    return {
      direction: DIRECTIONS[after.direction],
      before: decisionOf(this.#old, before),
      after: decisionOf(this.#new, after),
      frames: 1,
      bytes: length,
      firstFrame: after.number,
      protocol: isIp ? ipProtocolName(packet.protocol) : null,
      source: ends?.source ?? null,
      destination: ends?.destination ?? null,
    };
  }
}
