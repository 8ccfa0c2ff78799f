/**
 * What `verify` says is what the wire does: for random policies and tuples, the explanation and the live pipeline agree on
 * the verdict and on the rule. Cases that never reach the rules are left out: martians, port 0, addresses of no NIC.
 */
import { expect, test } from 'vitest';
import { NO_FLOW, RemoveReason } from '../../src/flowtable/record.ts';
import { printedRuleName } from '../../src/engine/policy.ts';
import { FIRST_DROP, reasonNames } from '../../src/engine/reason.ts';
import { Explainer } from '../../src/policy/explain.ts';
import { buildFrame } from '../helpers/frames.ts';
import { loadGood } from '../helpers/load-text.ts';
import { configurationText, PipelineRig } from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';
import { firstPacket, randomPolicy, randomTuple } from '../helpers/random-tuples.ts';
import { flowTuple, type TextTuple } from '../helpers/text-tuple.ts';

const POLICIES = 50;
const TUPLES = 200;

/** Verdict and rule as the pipeline has them; the flow it made is removed. */
function live(
  rig: PipelineRig,
  tuple: TextTuple,
): { reason: string | undefined; access: string; ruleName: string | undefined } {
  const frame = buildFrame(firstPacket(tuple));
  const { pipeline, compiled } = rig;
  if (tuple.isInbound) rig.inbound(frame);
  else rig.outbound(frame);
  const { evaluation, flow, reason } = pipeline;
  if (flow !== NO_FLOW) rig.flows.remove(flow, RemoveReason.Flushed);
  const step = evaluation.decidingStep;
  const list =
    step < 0 || !pipeline.isEvaluated ? undefined : compiled.lists[evaluation.lists[step] ?? -1];
  const rule = list?.rules[evaluation.rules[step] ?? -1];
  return {
    reason: reasonNames[reason],
    access: reason < FIRST_DROP ? 'Allow' : 'Deny',
    ruleName: rule === undefined ? undefined : printedRuleName(rule),
  };
}

test(`${POLICIES * TUPLES} random tuples: verify answers what the pipeline does`, () => {
  const random = new Random();
  const reasons = new Map<string | undefined, number>();
  for (let round = 0; round < POLICIES; round++) {
    const policy = randomPolicy(random);
    const loaded = loadGood(configurationText(policy));
    const [nic] = loaded.policy.nics;
    if (nic === undefined) throw new Error('no NIC');
    const explainer = new Explainer(loaded.policy, nic);
    const rig = new PipelineRig(policy);
    for (let i = 0; i < TUPLES; i++) {
      const tuple = randomTuple(random);
      const { reason, ...wire } = live(rig, tuple);
      const said = explainer.explain(flowTuple(tuple));
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      const message = `seed ${random.seed}: ${JSON.stringify({ policy, tuple })}`;
      // Broadcast DHCP passes before the rules; verify names the platform rule that says the same.
      const ruleName = reason === 'link' ? wire.ruleName : said.ruleName;
      expect({ access: wire.access, ruleName: wire.ruleName }, message).toEqual({
        access: said.access,
        ruleName,
      });
    }
  }
  expect([...reasons.keys()], `seed ${random.seed}`).toEqual(
    expect.arrayContaining(['platform', 'rule', 'rule_deny']),
  );
});
