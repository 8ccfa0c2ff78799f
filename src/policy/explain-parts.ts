/**
 * Explains traffic instead of one packet: a question whose addresses are prefixes or tags, whose ports are ranges and whose
 * protocol may be any is cut into the fewest parts that each have one answer, and each part names its rules.
 *
 * The rules are those that explain.ts asks through the compiled image; here they are taken one by one, as sets. The tests
 * hold the two against each other.
 */
import type { AddressSet } from '../engine/address-set.ts';
import { intersectIntervals, isWithin, subtractIntervals } from '../engine/intervals.ts';
import type { NicPolicy, Policy, PolicyRule, RuleList, StageChain } from '../engine/policy.ts';
import { NO_RULE_LIST } from '../engine/policy.ts';
import { NO_PORT } from '../engine/rule-set-layout.ts';
import { Access, Direction, PORT_MAX, type PortMatch, PROTOCOL_MAX } from '../engine/rule.ts';
import {
  type Box,
  boxOfRule,
  type Field,
  FIELDS,
  intersectBox,
  type Intervals,
  mergeBoxes,
  portIntervals,
  subtractBox,
} from './explain-box.ts';

/** A question over more than this many boxes is refused: its answer would help nobody, and take all day. */
const BOXES_MAX = 5000;
/** Protocols that have ports here: TCP and UDP. */
const WITH_PORTS: Intervals = [
  [6, 6],
  [17, 17],
];

const ALL_PROTOCOLS: Intervals = [[0, PROTOCOL_MAX]];
const ALL_PORTS: Intervals = [[0, PORT_MAX]];
const NO_PORTS: Intervals = [[NO_PORT, NO_PORT]];
const ANY_PORT: Intervals = [[0, NO_PORT]];

/** Traffic that is asked about, seen from the network interface. */
export interface TrafficQuestion {
  readonly direction: Direction;
  /** IP protocol numbers, one for each family (`Icmp` is 1 and 58), or `any`. */
  readonly protocol: { readonly ipv4: number; readonly ipv6: number } | 'any';
  readonly local: AddressSet;
  /** Of protocols that have ports; `any` also asks about those that have none. */
  readonly localPorts: PortMatch;
  readonly remote: AddressSet;
  readonly remotePorts: PortMatch;
}

/** How one rule stands to all the packets of a part, as NSG diagnostics tells it. */
export interface RuleEvaluation {
  readonly rule: PolicyRule;
  /** True when the field of every packet of the part is one that the rule takes. */
  readonly protocolMatched: boolean;
  readonly sourceMatched: boolean;
  readonly sourcePortMatched: boolean;
  readonly destinationMatched: boolean;
  readonly destinationPortMatched: boolean;
}

export interface PartStage {
  readonly stage: 'platform' | 'subnet' | 'networkInterface';
  /** Undefined where the stage has no network security group. */
  readonly list: RuleList | undefined;
  /**
   * The first rule that takes any of the part, if it takes all of it. Of platform rules there may be none; where the stage is
   * not reached, packets of the part may match several.
   */
  readonly matched: PolicyRule | undefined;
  /** False behind a denial, and behind a platform rule. */
  readonly isReached: boolean;
}

/** Packets that have one answer and the same rules in every stage. */
export interface TrafficPart {
  readonly box: Box;
  readonly access: 'Allow' | 'Deny';
  /** The rule that denied, or that of the last stage that has a group; undefined when no group applies. */
  readonly deciding: PolicyRule | undefined;
  /** Platform, then the stages in the order of evaluation. */
  readonly stages: readonly PartStage[];
}

/** A question with more parts than anybody reads; the message says what to ask instead. */
export class TooManyParts extends Error {
  constructor() {
    super(
      `the answer has more than ${BOXES_MAX} parts: ask about fewer addresses, ports or protocols`,
    );
  }
}

/** The question as boxes, one for each family. */
export function boxesOfQuestion(question: TrafficQuestion): Box[] {
  const { protocol, localPorts, remotePorts } = question;
  const isAnyPort = localPorts === 'any' && remotePorts === 'any';
  return ([4, 6] as const).flatMap((family) => {
    const key = family === 4 ? 'ipv4' : 'ipv6';
    const [local, remote] = [question.local[key], question.remote[key]];
    if (local.length === 0 || remote.length === 0) return [];
    const number = protocol === 'any' ? undefined : protocol[key];
    const asked: Intervals = number === undefined ? ALL_PROTOCOLS : [[number, number]];
    const isPortless = intersectIntervals(asked, WITH_PORTS).length === 0;
    const ports = isPortless ? NO_PORTS : isAnyPort && number === undefined ? ANY_PORT : ALL_PORTS;
    return [
      {
        family,
        protocols: isAnyPort || isPortless ? asked : intersectIntervals(asked, WITH_PORTS),
        local,
        remote,
        localPorts: isPortless ? ports : portIntervals(localPorts, ports),
        remotePorts: isPortless ? ports : portIntervals(remotePorts, ports),
      },
    ];
  });
}

/** Without packets that there cannot be: TCP without ports, or ICMP with some. At most two boxes. */
function possible(box: Box): Box[] {
  const isAnyPort = [box.localPorts, box.remotePorts].every((ports) => isWithin(ANY_PORT, ports));
  const withPorts = {
    ...box,
    protocols: intersectIntervals(box.protocols, WITH_PORTS),
    localPorts: intersectIntervals(box.localPorts, ALL_PORTS),
    remotePorts: intersectIntervals(box.remotePorts, ALL_PORTS),
  };
  const without = {
    ...box,
    protocols: subtractIntervals(box.protocols, WITH_PORTS),
    localPorts: intersectIntervals(box.localPorts, NO_PORTS),
    remotePorts: intersectIntervals(box.remotePorts, NO_PORTS),
  };
  const boxes = [withPorts, without].filter((part) =>
    FIELDS.every((field) => part[field].length > 0),
  );
  // Ports that are all there is to them need not be told apart from there being none.
  return isAnyPort && boxes.length === 2 ? [box] : boxes;
}

/** A part on its way through the stages. */
interface Piece {
  readonly box: Box;
  /** The rule of each stage so far; undefined for a stage without one, and behind a decision. */
  readonly rules: readonly (PolicyRule | undefined)[];
}

class Splitter {
  readonly #direction: Direction;
  readonly #boxes = { 4: new Map<PolicyRule, Box>(), 6: new Map<PolicyRule, Box>() };
  #count = 0;

  constructor(direction: Direction) {
    this.#direction = direction;
  }

  boxOf(rule: PolicyRule, family: 4 | 6): Box {
    const known = this.#boxes[family].get(rule);
    if (known !== undefined) return known;
    const box = boxOfRule(rule, this.#direction, family);
    this.#boxes[family].set(rule, box);
    return box;
  }

  /** Cuts a piece by the first rule of a list that takes each packet; undefined for what none takes. */
  split(piece: Piece, { rules }: RuleList): Piece[] {
    const pieces: Piece[] = [];
    let rest = [piece.box];
    for (const rule of rules) {
      if (rest.length === 0) break;
      const ofRule = this.boxOf(rule, piece.box.family);
      rest = rest.flatMap((box) => {
        const common = intersectBox(box, ofRule);
        if (common === undefined) return [box];
        pieces.push({ box: common, rules: [...piece.rules, rule] });
        return subtractBox(box, ofRule);
      });
      if (this.#count + rest.length + pieces.length > BOXES_MAX) throw new TooManyParts();
    }
    for (const box of rest) pieces.push({ box, rules: [...piece.rules, undefined] });
    this.#count += pieces.length;
    return pieces;
  }
}

/** The lists of a chain with the names of their stages: platform first, then in the order of evaluation. */
function stageLists(
  policy: Policy,
  chain: StageChain,
  direction: Direction,
): { stage: PartStage['stage']; list: RuleList | undefined }[] {
  const listOf = (index: number): RuleList | undefined =>
    index === NO_RULE_LIST ? undefined : policy.ruleLists[index];
  const names = ['subnet', 'networkInterface'] as const;
  const [first, second] = direction === Direction.Inbound ? names : names.toReversed();
  return [
    { stage: 'platform', list: listOf(chain.platform) },
    { stage: first ?? 'subnet', list: listOf(chain.stages[0]) },
    { stage: second ?? 'networkInterface', list: listOf(chain.stages[1]) },
  ];
}

interface Decision {
  /** Index of the stage whose rule had the last word, or -1 when no group applies. */
  readonly step: number;
  readonly access: Access;
  /** False when a later stage is still to be asked. */
  readonly isFinal: boolean;
}

/** Who has the last word on a piece, given the rule of every stage so far: as evaluate.ts decides. */
function decide(
  rules: readonly (PolicyRule | undefined)[],
  lists: readonly (RuleList | undefined)[],
): Decision {
  const [platform] = rules;
  if (platform !== undefined) return { step: 0, access: platform.access, isFinal: true };
  let last = -1;
  for (let step = 1; step < rules.length; step++) {
    if (lists[step] === undefined) continue;
    last = step;
    const rule = rules[step];
    if (rule === undefined || rule.access === Access.Deny) {
      return { step, access: Access.Deny, isFinal: true };
    }
  }
  return { step: last, access: Access.Allow, isFinal: false };
}

/** The rule that takes all of the box before any other takes some of it. */
function matchOf(box: Box, { rules }: RuleList, splitter: Splitter): PolicyRule | undefined {
  for (const rule of rules) {
    const ofRule = splitter.boxOf(rule, box.family);
    if (intersectBox(box, ofRule) === undefined) continue;
    return FIELDS.every((field) => isWithin(box[field], ofRule[field])) ? rule : undefined;
  }
  return undefined;
}

/**
 * The parts of a question, as few as merging makes them: allowed ones and denied ones, each with the rule of every stage that
 * it reaches. Disjoint, and together all that was asked.
 * @throws TooManyParts
 */
export function explainParts(
  policy: Policy,
  nic: NicPolicy,
  question: TrafficQuestion,
): TrafficPart[] {
  const { direction } = question;
  const chain = direction === Direction.Inbound ? nic.inbound : nic.outbound;
  const stages = stageLists(policy, chain, direction);
  const lists = stages.map(({ list }) => list);
  const splitter = new Splitter(direction);
  let pieces: Piece[] = boxesOfQuestion(question).map((box) => ({ box, rules: [] }));
  for (const list of lists) {
    pieces = pieces.flatMap((piece) =>
      list === undefined || decide(piece.rules, lists).isFinal
        ? [{ box: piece.box, rules: [...piece.rules, undefined] }]
        : splitter.split(piece, list),
    );
  }
  return mergedPieces(pieces).map(({ box, rules }): TrafficPart => {
    const { step, access, isFinal } = decide(rules, lists);
    return {
      box,
      access: access === Access.Allow ? 'Allow' : 'Deny',
      deciding: rules[step],
      stages: stages.map(({ stage, list }, index): PartStage => {
        const isReached = !isFinal || index <= step;
        const matched =
          isReached || list === undefined ? rules[index] : matchOf(box, list, splitter);
        return { stage, list, matched, isReached };
      }),
    };
  });
}

/** Pieces with the same rule in every stage, in fewer boxes. */
function mergedPieces(pieces: readonly Piece[]): Piece[] {
  const numbers = new Map<PolicyRule | undefined, number>();
  const groups = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const key = piece.rules
      .map((rule) => {
        if (!numbers.has(rule)) numbers.set(rule, numbers.size);
        return numbers.get(rule);
      })
      .join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [piece]);
    else group.push(piece);
  }
  return [...groups.values()].flatMap((group) =>
    mergeBoxes(group.flatMap(({ box }) => possible(box))).map((box) => ({
      box,
      rules: group[0]?.rules ?? [],
    })),
  );
}

/** How every rule of a list stands to a part, in the order of evaluation. */
export function evaluateRules(
  part: TrafficPart,
  list: RuleList,
  direction: Direction,
): RuleEvaluation[] {
  const { box } = part;
  const isInbound = direction === Direction.Inbound;
  return list.rules.map((rule) => {
    const ofRule = boxOfRule(rule, direction, box.family);
    const has = (field: Field): boolean => isWithin(box[field], ofRule[field]);
    return {
      rule,
      protocolMatched: has('protocols'),
      sourceMatched: has(isInbound ? 'remote' : 'local'),
      sourcePortMatched: has(isInbound ? 'remotePorts' : 'localPorts'),
      destinationMatched: has(isInbound ? 'local' : 'remote'),
      destinationPortMatched: has(isInbound ? 'localPorts' : 'remotePorts'),
    };
  });
}
