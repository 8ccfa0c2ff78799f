/**
 * Plays an entry of the catalogue through the real pipeline, over plain memory, and tells what was seen in the words that
 * the entry uses for what is expected.
 */
import { FLOW_STATE_NAMES, type FlowIndex, NO_FLOW } from '../../../src/flowtable/record.ts';
import { FlowStat } from '../../../src/flowtable/segment.ts';
import { FIRST_DROP, reasonNames } from '../../../src/engine/reason.ts';
import { loadText } from '../../helpers/load-text.ts';
import { PipelineRig } from '../../helpers/pipeline-rig.ts';
import type { Direction, FrameCase, FrameStep, Step, TextCase } from './case.ts';

/** `pass` or `drop`, by the name of a reason. */
export function verdictOf(reason: string): 'pass' | 'drop' {
  const number = reasonNames.indexOf(reason);
  if (number < 0) throw new Error(`there is no reason ${reason}`);
  return number < FIRST_DROP ? 'pass' : 'drop';
}

/** What an entry expects: a line for each step. */
export function expectedOf(entry: FrameCase | TextCase): readonly string[] {
  if ('text' in entry) return [entry.codes.join(' ') || 'accepted'];
  return entry.steps.map((step) => {
    if (step.kind === 'wait') return waited(step.seconds);
    if (step.kind === 'flood') return flooded(step.direction, step.count, step.outcome);
    return judged(step.direction, step.reason, step.change);
  });
}

/** What comes of it: a line for each step. */
export function play(entry: FrameCase | TextCase): readonly string[] {
  if ('text' in entry) {
    const result = loadText(entry.text);
    const codes = result.ok ? [] : result.problems.map(({ code }) => code);
    return [codes.join(' ') || 'accepted'];
  }
  const player = new Player(entry);
  return entry.steps.map((step) => player.step(step));
}

class Player {
  readonly #rig: PipelineRig;
  #seconds = 0;

  constructor(entry: FrameCase) {
    this.#rig = new PipelineRig(entry.policy, entry.options);
  }

  step(step: Step): string {
    if (step.kind === 'frame') return this.#frame(step);
    if (step.kind === 'flood') {
      return flooded(
        step.direction,
        step.count,
        this.#flood(step.direction, step.count, step.frame),
      );
    }
    this.#seconds += step.seconds;
    this.#rig.at(this.#seconds);
    return waited(step.seconds);
  }

  #judge(direction: Direction, frame: FrameStep['frame']): string {
    return direction === 'in' ? this.#rig.inbound(frame) : this.#rig.outbound(frame);
  }

  #frame({ direction, frame }: FrameStep): string {
    const before = this.#states();
    const inserts = this.#rig.flows.stat(FlowStat.Inserts);
    const reason = this.#judge(direction, frame);
    const after = this.#states();
    const made =
      this.#rig.flows.stat(FlowStat.Inserts) > inserts ? this.#rig.pipeline.flow : NO_FLOW;
    const changes: string[] = [];
    for (const [flow, state] of before) {
      const next = flow === made ? undefined : after.get(flow);
      if (next === undefined) changes.push(`-${state}`);
      else if (next !== state) changes.push(`${state}>${next}`);
    }
    if (made !== NO_FLOW) changes.push(`+${after.get(made)}`);
    return judged(direction, reason, changes.join(' '));
  }

  #flood(
    direction: Direction,
    count: number,
    frame: (index: number) => FrameStep['frame'],
  ): string {
    const reasons = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const reason = this.#judge(direction, frame(index));
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    const counts = [...reasons].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const { flows, fragments } = this.#rig;
    const tables = `${flows.size} flows, ${fragments.size} datagrams`;
    return `${counts.map(([reason, number]) => `${reason} ${number}`).join(', ')}; ${tables}`;
  }

  #states(): Map<FlowIndex, string> {
    const { flows } = this.#rig;
    const states = new Map<FlowIndex, string>();
    for (let record = 0; record < flows.recordLimit; record++) {
      const flow = flows.flowAt(record);
      if (flow !== NO_FLOW) states.set(flow, FLOW_STATE_NAMES[flows.state(flow)] ?? '?');
    }
    return states;
  }
}

function judged(direction: Direction, reason: string, change: string): string {
  const line = `${direction} ${verdictOf(reason)} ${reason}`;
  return change === '' ? line : `${line} ${change}`;
}

function waited(seconds: number): string {
  return seconds < 0 ? `the clock goes back ${-seconds} s` : `${seconds} s later`;
}

function flooded(direction: Direction, count: number, outcome: string): string {
  return `${direction} ${count} frames: ${outcome}`;
}
