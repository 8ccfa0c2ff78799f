/**
 * What another policy would say of a flow: of the packet that opened it, seen from the interface that has its local
 * address. Live flows go on whatever the rules say, so this is about connections that are made anew.
 */
import { hasIpv4, hasIpv6 } from '../src/engine/address-set.ts';
import type { NicPolicy, Policy } from '../src/engine/policy.ts';
import { Explainer, type Explanation, type FlowTuple } from '../src/policy/explain.ts';
import { localAddresses } from '../src/policy/policy-diff.ts';
import type { FlowStatus } from './status.ts';
import { parseDirection, parseEndpoint, parseProtocol } from './tuple.ts';

export interface WhatIf {
  readonly flow: FlowStatus;
  /** `denied`: the policy would not admit it. `rule`: another rule would. `interface`: nobody has its address. */
  readonly change: 'denied' | 'rule' | 'interface';
  readonly networkInterface: string | undefined;
  readonly explanation: Explanation | undefined;
}

/** Local addresses that are remembered with their interface; those of a policy are far fewer. */
const OWNERS_MAX = 65_536;

/** The rules of a policy asked about many packets: each interface is compiled once, when it is first asked about. */
export class PolicyQuestions {
  readonly #policy: Policy;
  readonly #explainers = new Map<NicPolicy, Explainer>();
  readonly #owners = new Map<string, Explainer | undefined>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** @returns undefined when no interface of the wire has the local address */
  ask(
    tuple: FlowTuple,
    wire: string,
  ): { readonly nic: NicPolicy; readonly explanation: Explanation } | undefined {
    const explainer = this.#ownerOf(tuple, wire);
    return explainer && { nic: explainer.nic, explanation: explainer.explain(tuple) };
  }

  #ownerOf({ local, direction }: FlowTuple, wire: string): Explainer | undefined {
    const key = `${wire} ${direction} ${typeof local} ${local}`;
    if (this.#owners.has(key)) return this.#owners.get(key);
    const nic = this.#policy.nics.find((candidate) => {
      if (candidate.wire !== wire) return false;
      const own = localAddresses(this.#policy, candidate, direction);
      return typeof local === 'number' ? hasIpv4(own, local) : hasIpv6(own, local);
    });
    const owner = nic && this.#explainerOf(nic);
    if (this.#owners.size === OWNERS_MAX) this.#owners.clear();
    this.#owners.set(key, owner);
    return owner;
  }

  #explainerOf(nic: NicPolicy): Explainer {
    const explainer = this.#explainers.get(nic) ?? new Explainer(this.#policy, nic);
    this.#explainers.set(nic, explainer);
    return explainer;
  }
}

function tupleOf({ direction, protocol, local, remote }: FlowStatus): FlowTuple {
  const localEnd = parseEndpoint(local);
  const remoteEnd = parseEndpoint(remote);
  return {
    direction: parseDirection(direction),
    protocol: parseProtocol(protocol, localEnd.address),
    local: localEnd.address,
    localPort: localEnd.port ?? 0,
    remote: remoteEnd.address,
    remotePort: remoteEnd.port ?? 0,
  };
}

/** `NSG/rule` of the rules that admit, stage by stage; platform rules in place of the first. */
export function admittingRules({ steps }: Explanation): string[] {
  return steps.flatMap(({ ruleName, networkSecurityGroup }) =>
    ruleName === undefined ? [] : [`${networkSecurityGroup ?? 'platform'}/${ruleName}`],
  );
}

/** The flows that a policy would treat differently. */
export function whatIf(flows: readonly FlowStatus[], policy: Policy): WhatIf[] {
  const questions = new PolicyQuestions(policy);
  return flows.flatMap((flow): WhatIf[] => {
    const answer = questions.ask(tupleOf(flow), flow.wire);
    if (answer === undefined) {
      return [{ flow, change: 'interface', networkInterface: undefined, explanation: undefined }];
    }
    const { nic, explanation } = answer;
    const now = flow.rules.map(
      ({ networkSecurityGroup, ruleName }) => `${networkSecurityGroup}/${ruleName}`,
    );
    const then = admittingRules(explanation);
    const isSame = now.length === then.length && now.every((rule, index) => rule === then[index]);
    if (explanation.access === 'Allow' && isSame) return [];
    const change = explanation.access === 'Deny' ? 'denied' : 'rule';
    return [{ flow, change, networkInterface: nic.name, explanation }];
  });
}
