/**
 * evaluate: the one function that turns a packet without a flow into a verdict. The live path, `replay`, `verify`
 * and every other explanation go through it.
 *
 * Order: platform rules (no match goes on), then the two stages of the direction. Every stage must allow; a stage
 * without an NSG allows; an NSG's lists end in a rule that matches everything, so "no match" there is a denial.
 */
import type { Packet } from '../capture/packet.ts';
import {
  Nic as NicWord,
  NIC_WORDS,
  RULE_ALLOW,
  RULE_SLOT_MASK,
  RULE_STATEFUL,
} from './policy-image-layout.ts';
import type { PolicyImage } from './policy-image.ts';
import { matchRule } from './match.ts';
import { Reason } from './reason.ts';

const PLATFORM = NicWord.Platform;
const STAGE0 = NicWord.Stage0;
const OUTBOUND_SHIFT = NicWord.OutboundShift;
const RULE = Reason.Rule;
const PLATFORM_ALLOW = Reason.Platform;
const RULE_DENY = Reason.RuleDeny;
const PLATFORM_DENY = Reason.PlatformDeny;

/** No rule decided: the stage has no NSG, or was not reached. */
export const NO_RULE = -1;

/** What a stage did. Index 0 is the platform, 1 and 2 the stages in order. */
export const EVALUATION_STEPS = 3;

/** The record that `evaluate` fills; overwritten by every call. */
export class Evaluation {
  /** True when a flow record may be made. */
  isStateful = true;
  /** Rule list (index in the image) of each step, or `NO_RULE` where the step has no list or was not reached. */
  readonly lists = new Int32Array(EVALUATION_STEPS);
  /** Index of the first matching rule in that list, or `NO_RULE`. */
  readonly rules = new Int32Array(EVALUATION_STEPS);
  /** Counter slot of that rule, or `NO_RULE`. */
  readonly slots = new Int32Array(EVALUATION_STEPS);
  /** Step whose rule decided: the one that denied, or the last that allowed; `NO_RULE` when no rule did. */
  decidingStep = NO_RULE;
}

/**
 * Judges a packet by the rules alone.
 * @param nic index in the image, from `PolicyImage.nicOf`
 * @param direction 0 inbound, 1 outbound
 * @returns `Reason.Rule` or `Reason.Platform` when allowed, `Reason.RuleDeny` or `Reason.PlatformDeny` when not
 */
export function evaluate(
  image: PolicyImage,
  nic: number,
  direction: number,
  packet: Packet,
  evaluation: Evaluation,
): number {
  evaluation.lists.fill(NO_RULE);
  evaluation.rules.fill(NO_RULE);
  evaluation.slots.fill(NO_RULE);
  evaluation.decidingStep = NO_RULE;
  evaluation.isStateful = true;
  const at = image.nicsAt + nic * NIC_WORDS + (direction === 0 ? 0 : OUTBOUND_SHIFT);

  const platformList = image.words[at + PLATFORM];
  if (platformList >= 0) {
    const word = matchStep(image, platformList, packet, evaluation, 0);
    if (word !== NO_RULE) {
      evaluation.isStateful = (word & RULE_STATEFUL) !== 0;
      return (word & RULE_ALLOW) !== 0 ? PLATFORM_ALLOW : PLATFORM_DENY;
    }
  }
  for (let step = 1; step < EVALUATION_STEPS; step++) {
    const list = image.words[at + STAGE0 + step - 1];
    if (list < 0) continue;
    const word = matchStep(image, list, packet, evaluation, step);
    if (word === NO_RULE) {
      evaluation.decidingStep = NO_RULE;
      return RULE_DENY;
    }
    if ((word & RULE_ALLOW) === 0) return RULE_DENY;
  }
  return RULE;
}

/** First match of one list, noted in the evaluation. @returns the rule's word, or `NO_RULE` */
function matchStep(
  image: PolicyImage,
  list: number,
  packet: Packet,
  evaluation: Evaluation,
  step: number,
): number {
  evaluation.lists[step] = list;
  const rule = matchRule(image.ruleSets[list], packet);
  if (rule < 0) return NO_RULE;
  const word = image.words[image.ruleWordsAt[list] + rule];
  evaluation.rules[step] = rule;
  evaluation.slots[step] = word & RULE_SLOT_MASK;
  evaluation.decidingStep = step;
  return word;
}
