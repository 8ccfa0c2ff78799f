/**
 * evaluate: what the record says of each step, and that it equals asking every rule in order.
 */
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import { Evaluation, evaluate, NO_RULE } from '../../src/engine/evaluate.ts';
import {
  compileImage,
  PolicyRegistry,
  ruleSlotName,
} from '../../src/engine/policy-image-compile.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import {
  NO_RULE_LIST,
  type PolicyRule,
  type RuleList,
  type StageChain,
} from '../../src/engine/policy.ts';
import { Reason, reasonNames } from '../../src/engine/reason.ts';
import { Access } from '../../src/engine/rule.ts';
import { bytesPerCall } from '../helpers/bytes-per-call.ts';
import {
  addresses,
  allow,
  deny,
  engineNic,
  enginePolicy,
  NO_CHAIN,
  protocol,
  ruleList,
} from '../helpers/engine-policy.ts';
import { linearMatch } from '../helpers/linear-match.ts';
import { Random } from '../helpers/random.ts';

const TCP = 6;
const UDP = 17;

function packetOf(number: number): Packet {
  const packet = new Packet();
  packet.ipVersion = 4;
  packet.protocol = number;
  packet.src3 = 0x0a000001;
  packet.dst3 = 0x0a000002;
  packet.hasPorts = number === TCP || number === UDP;
  packet.srcPort = packet.hasPorts ? 1000 : 0;
  packet.dstPort = packet.hasPorts ? 80 : 0;
  return packet;
}

interface Judged {
  readonly reason: string | undefined;
  /** Name of the rule of each step, `-` for a list without a match, undefined where the step has no list. */
  readonly rules: readonly (string | undefined)[];
  readonly decidingStep: number;
  readonly isStateful: boolean;
}

function judge(lists: readonly RuleList[], chain: StageChain, packet: Packet): Judged {
  const nic = engineNic('nic', { inbound: chain });
  const registry = new PolicyRegistry();
  const compiled = compileImage(enginePolicy([nic], lists), [nic], 1, registry);
  const evaluation = new Evaluation();
  const reason = evaluate(PolicyImage.attach(compiled.buffer), 0, 0, packet, evaluation);
  const rules = Array.from(evaluation.lists, (list, step) => {
    const ruleListOfStep = compiled.lists[list];
    if (ruleListOfStep === undefined) return undefined;
    const rule = ruleListOfStep.rules[evaluation.rules[step] ?? NO_RULE];
    const slot =
      rule === undefined ? NO_RULE : registry.rules.slotOf(ruleSlotName(ruleListOfStep, rule));
    expect(evaluation.slots[step]).toBe(slot);
    return rule?.name ?? '-';
  });
  const { decidingStep, isStateful } = evaluation;
  return { reason: reasonNames[reason], rules, decidingStep, isStateful };
}

const chain = (platform: number, first: number, second: number): StageChain => ({
  platform,
  stages: [first, second],
});
const N = NO_RULE_LIST;

describe('evaluate', () => {
  const lists = [
    ruleList('platform', 0, [
      allow('dhcp', { ...protocol(UDP), isStateful: false }),
      allow('esp', protocol(50)),
      deny('ah', protocol(51)),
    ]),
    ruleList('A', 0, [allow('a-tcp', protocol(TCP)), deny('a-all')]),
    ruleList('B', 0, [deny('b-tcp', protocol(TCP)), allow('b-all')]),
    ruleList('half', 0, [allow('half-udp', protocol(UDP))]),
  ];
  const rows: readonly (readonly [string, StageChain, number, Judged])[] = [
    [
      'nothing at all allows',
      chain(N, N, N),
      TCP,
      {
        reason: 'rule',
        rules: [undefined, undefined, undefined],
        decidingStep: -1,
        isStateful: true,
      },
    ],
    [
      'no match on the platform goes on',
      chain(0, N, N),
      TCP,
      { reason: 'rule', rules: ['-', undefined, undefined], decidingStep: -1, isStateful: true },
    ],
    [
      'the platform allows: no stage is asked',
      chain(0, 1, 2),
      50,
      {
        reason: 'platform',
        rules: ['esp', undefined, undefined],
        decidingStep: 0,
        isStateful: true,
      },
    ],
    [
      'the platform denies',
      chain(0, 1, 2),
      51,
      {
        reason: 'platform_deny',
        rules: ['ah', undefined, undefined],
        decidingStep: 0,
        isStateful: true,
      },
    ],
    [
      'the platform allows without state',
      chain(0, 1, 2),
      UDP,
      {
        reason: 'platform',
        rules: ['dhcp', undefined, undefined],
        decidingStep: 0,
        isStateful: false,
      },
    ],
    [
      'the first stage denies',
      chain(0, 1, 2),
      47,
      { reason: 'rule_deny', rules: ['-', 'a-all', undefined], decidingStep: 1, isStateful: true },
    ],
    [
      'the second stage denies',
      chain(0, 1, 2),
      TCP,
      { reason: 'rule_deny', rules: ['-', 'a-tcp', 'b-tcp'], decidingStep: 2, isStateful: true },
    ],
    [
      'both allow',
      chain(0, 1, 1),
      TCP,
      { reason: 'rule', rules: ['-', 'a-tcp', 'a-tcp'], decidingStep: 2, isStateful: true },
    ],
    [
      'only the second stage has a list',
      chain(0, N, 2),
      47,
      { reason: 'rule', rules: ['-', undefined, 'b-all'], decidingStep: 2, isStateful: true },
    ],
    [
      'only the first stage has a list',
      chain(0, 1, N),
      TCP,
      { reason: 'rule', rules: ['-', 'a-tcp', undefined], decidingStep: 1, isStateful: true },
    ],
    [
      'a list that matches nothing denies, and no rule decided',
      chain(0, 1, 3),
      TCP,
      { reason: 'rule_deny', rules: ['-', 'a-tcp', '-'], decidingStep: -1, isStateful: true },
    ],
  ];
  test.each(rows)('%s', (_name, stages, number, expected) => {
    expect(judge(lists, stages, packetOf(number))).toEqual(expected);
  });

  test('a call leaves nothing of the call before', () => {
    const nic = engineNic('nic', { inbound: chain(0, 1, 2), outbound: NO_CHAIN });
    const compiled = compileImage(enginePolicy([nic], lists), [nic], 1, new PolicyRegistry());
    const image = PolicyImage.attach(compiled.buffer);
    const evaluation = new Evaluation();
    evaluate(image, 0, 0, packetOf(UDP), evaluation);
    expect(evaluate(image, 0, 1, packetOf(TCP), evaluation)).toBe(Reason.Rule);
    expect(evaluation).toEqual(new Evaluation0());
  });
});

/** What an evaluation holds when nothing was asked. */
class Evaluation0 extends Evaluation {
  constructor() {
    super();
    this.lists.fill(NO_RULE);
    this.rules.fill(NO_RULE);
    this.slots.fill(NO_RULE);
  }
}

/** Rules over few values, so that they overlap. */
function randomRules(random: Random, count: number): PolicyRule[] {
  const rules = Array.from({ length: count }, (_, index): PolicyRule => {
    const hosts = Array.from({ length: 1 + random.below(3) }, () => 0x0a000000 + random.below(6));
    const low = 79 + random.below(3);
    return (random.below(2) === 0 ? allow : deny)(`r${index}`, {
      ...(random.below(2) === 0 ? {} : protocol(random.pick([TCP, UDP, 47]))),
      ...(random.below(2) === 0 ? {} : { source: addresses([...new Set(hosts)]) }),
      ...(random.below(2) === 0
        ? {}
        : { destinationPorts: [{ low, high: low + random.below(3) }] }),
    });
  });
  return [...rules, random.below(2) === 0 ? allow('last') : deny('last')];
}

test('any chain gives what asking every rule in order gives', () => {
  const random = new Random();
  const evaluation = new Evaluation();
  for (let round = 0; round < 200; round++) {
    const lists = [
      ruleList('platform', 0, randomRules(random, random.below(4)).slice(0, -1)),
      ruleList('A', 0, randomRules(random, random.below(40))),
      ruleList('B', 0, randomRules(random, random.below(40))),
    ];
    const stages = chain(random.pick([0, N]), random.pick([1, 2, N]), random.pick([1, 2, N]));
    const nic = engineNic('nic', { outbound: stages });
    const compiled = compileImage(enginePolicy([nic], lists), [nic], 1, new PolicyRegistry());
    const image = PolicyImage.attach(compiled.buffer);
    for (let i = 0; i < 50; i++) {
      const packet = packetOf(random.pick([TCP, UDP, 47, 1]));
      packet.src3 = 0x0a000000 + random.below(6);
      packet.dstPort = packet.hasPorts ? 78 + random.below(7) : 0;
      const reason = evaluate(image, 0, 1, packet, evaluation);
      expect(reason, `seed ${random.seed}, round ${round}, packet ${i}`).toBe(
        linear(lists, stages, packet),
      );
    }
  }
});

function linear(lists: readonly RuleList[], stages: StageChain, packet: Packet): number {
  const ask = (index: number): PolicyRule | undefined => {
    const rules = lists[index]?.rules ?? [];
    return rules[linearMatch(rules, packet)];
  };
  const platform = ask(stages.platform);
  if (platform !== undefined) {
    return platform.access === Access.Allow ? Reason.Platform : Reason.PlatformDeny;
  }
  const isDenied = stages.stages.some(
    (index) => index !== N && ask(index)?.access !== Access.Allow,
  );
  return isDenied ? Reason.RuleDeny : Reason.Rule;
}

/** Enough that all of it is optimised before it is measured. */
const CALLS = 100_000;

test('evaluating allocates nothing', () => {
  const rules = [
    ...Array.from({ length: 300 }, (_, i) => deny(`d${i}`, { source: addresses([i * 7]) })),
    allow('last'),
  ];
  const nic = engineNic('nic', { inbound: chain(N, 0, 0) });
  const compiled = compileImage(
    enginePolicy([nic], [ruleList('A', 0, rules)]),
    [nic],
    1,
    new PolicyRegistry(),
  );
  const image = PolicyImage.attach(compiled.buffer);
  const packet = packetOf(TCP);
  const evaluation = new Evaluation();
  const bytes = bytesPerCall((i) => {
    packet.src3 = i | 0;
    evaluate(image, 0, 0, packet, evaluation);
  }, CALLS);
  expect(bytes).toBeLessThan(0.5);
});
