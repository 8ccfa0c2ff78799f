/**
 * Lint: what is allowed in a policy and nevertheless a mistake, or may be one. Every finding is a warning at the name of
 * its rule, and names a packet that shows it, which `nsgd verify` confirms.
 *
 * Codes: RuleNeverMatches, RuleShadowed (earlier rules together take everything it matches, and some do the opposite),
 * RuleRedundant (without it every verdict would be the same), RuleMatchesNoInterface, RuleDeniedByOtherGroup,
 * ManagementPortOpenToInternet; of tags, ServiceTagChanged and ServiceTagAdded.
 */
import { type Policy, type PolicyRule, RuleKind } from '../engine/policy.ts';
import { type Example, type LintChain, lintChains } from './lint-chains.ts';
import { InterfaceLinter, MANAGEMENT_PORTS, managementProbes } from './lint-interfaces.ts';
import { type ListFinding, lintList } from './lint-list.ts';
import { lintTags } from './lint-tags.ts';
import type { LoadedConfiguration } from './load.ts';
import { nameKey } from './names.ts';
import type { Position, Problem } from './problem.ts';
import { ProblemList } from './problem.ts';
import { orderedRules } from './resolve.ts';
import type { ServiceTagFile } from './service-tags-file.ts';
import { SpecialTag } from './service-tags.ts';
import { witnessOf } from './witness.ts';

export interface LintOptions {
  /** TCP ports that the Internet should not reach. */
  readonly managementPorts: readonly number[];
  /** The service tags to compare those of the configuration with. */
  readonly earlierTags?: ServiceTagFile | undefined;
}

export const DEFAULT_LINT: LintOptions = { managementPorts: [...MANAGEMENT_PORTS.keys()] };

/** The custom rules of the groups, each with where its name stands. */
function positionsOf({ configuration, policy }: LoadedConfiguration): Map<PolicyRule, Position> {
  const groups = new Map(
    configuration.networkSecurityGroups.map((group) => [nameKey(group.name), group]),
  );
  const positions = new Map<PolicyRule, Position>();
  for (const { owner, direction, rules } of policy.ruleLists) {
    // Platform rules have no group, though a group may have that name.
    const group = rules[0]?.kind === RuleKind.Platform ? undefined : groups.get(nameKey(owner));
    if (group === undefined) continue;
    for (const [index, { rule, kind }] of orderedRules(group, direction).entries()) {
      const resolved = rules[index];
      if (resolved !== undefined && kind === RuleKind.Security) {
        positions.set(resolved, rule.positions.name);
      }
    }
  }
  return positions;
}

/** A packet for what is said of a list, preferably one that its group is asked about. */
function exampleOf(
  { rule, witness }: ListFinding,
  chains: readonly LintChain[],
): Example | undefined {
  if (witness === undefined) return undefined;
  const isDecided = witness === 'decided';
  for (const chain of chains) {
    const number = chain.rules.indexOf(rule);
    if (number === -1) continue;
    // What the first stage denies never gets to the second.
    const isAsked = chain.find({ match: [number], isDecided, ...chain.reaching(number) });
    const example = isAsked ?? chain.find({ match: [number], isDecided });
    if (example !== undefined) return example;
  }
  return undefined;
}

/** Warnings about the custom rules of every group, in the order of files and positions. */
export function lintPolicy(
  loaded: LoadedConfiguration,
  options: LintOptions = DEFAULT_LINT,
): Problem[] {
  const { policy, tags } = loaded;
  const problems = new ProblemList();
  const positions = positionsOf(loaded);
  const internet = tags.special(SpecialTag.Internet);
  const chains = lintChains(policy, managementProbes(options.managementPorts, internet));
  const idle = new Set<PolicyRule>();
  for (const { direction, rule, finding } of listFindings(policy, positions)) {
    idle.add(rule);
    const example = exampleOf(finding, chains);
    const witness = example && witnessOf(example.packet, direction, example.nic.name);
    const at = positions.get(rule);
    if (at !== undefined) problems.finding(at, finding.code, finding.message, witness);
  }
  const linter = new InterfaceLinter(policy, options.managementPorts, internet);
  for (const { rule, direction, code, message, example } of linter.findings(chains, idle)) {
    const witness = example && witnessOf(example.packet, direction, example.nic.name);
    const at = positions.get(rule);
    if (at !== undefined) problems.finding(at, code, message, witness);
  }
  if (options.earlierTags !== undefined) problems.addAll(lintTags(loaded, options.earlierTags));
  return problems.sorted();
}

function listFindings(
  policy: Policy,
  positions: ReadonlyMap<PolicyRule, Position>,
): { direction: 0 | 1; rule: PolicyRule; finding: ListFinding }[] {
  return policy.ruleLists
    .filter(({ rules }) => rules.some((rule) => positions.has(rule)))
    .flatMap(({ direction, rules }) =>
      lintList(rules, direction).map((finding) => ({ direction, rule: finding.rule, finding })),
    );
}
