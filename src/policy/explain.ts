/**
 * Explainer: IP flow verify, offline. Asks the same `evaluate` that judges live packets, through the same compiled
 * image, and gives the numbers their names back.
 */
import { IpProtocol, Packet } from '../capture/packet.ts';
import { Evaluation, evaluate, EVALUATION_STEPS, NO_RULE } from '../engine/evaluate.ts';
import { compileImage, PolicyRegistry } from '../engine/policy-image-compile.ts';
import { PolicyImage } from '../engine/policy-image.ts';
import { type NicPolicy, type Policy, printedRuleName, type RuleList } from '../engine/policy.ts';
import { FIRST_DROP } from '../engine/reason.ts';
import { Access } from '../engine/rule.ts';
import { type AddressWords, hasIpv4, hasIpv6, ipv6Words, isEmpty } from '../engine/address-set.ts';

/** An address of either family: IPv4 as an unsigned number, IPv6 as an unsigned 128-bit integer. */
export type Address = number | bigint;

/** The first packet of a flow, seen from the NIC. */
export interface FlowTuple {
  readonly direction: 0 | 1;
  /** IP protocol number. */
  readonly protocol: number;
  readonly local: Address;
  /** Ignored where the protocol has no ports. */
  readonly localPort: number;
  readonly remote: Address;
  readonly remotePort: number;
}

/** One step of the chain, as `verify` shows it. */
export interface ExplanationStep {
  readonly stage: 'platform' | 'subnet' | 'networkInterface';
  /** Name of the NSG, or undefined where the stage has none. */
  readonly networkSecurityGroup: string | undefined;
  /** A stage without an NSG allows; platform rules may match nothing; what follows a denial is not reached. */
  readonly access: 'Allow' | 'Deny' | 'NotReached' | 'NoMatch';
  /** As Azure prints it: `securityRules/x`. */
  readonly ruleName: string | undefined;
  readonly priority: number | undefined;
}

export interface Explanation {
  readonly access: 'Allow' | 'Deny';
  /** The rule that denied, or that of the last stage that has an NSG; undefined when no NSG applies. */
  readonly ruleName: string | undefined;
  readonly steps: readonly ExplanationStep[];
}

/** Fills a packet record as the decoder would for the first packet of the flow. */
function fillPacket(packet: Packet, tuple: FlowTuple): void {
  const isInbound = tuple.direction === 0;
  const source = addressWords(isInbound ? tuple.remote : tuple.local);
  const destination = addressWords(isInbound ? tuple.local : tuple.remote);
  packet.ipVersion = typeof tuple.local === 'bigint' ? 6 : 4;
  [packet.src0, packet.src1, packet.src2, packet.src3] = source;
  [packet.dst0, packet.dst1, packet.dst2, packet.dst3] = destination;
  packet.protocol = tuple.protocol;
  packet.hasPorts = tuple.protocol === IpProtocol.Tcp || tuple.protocol === IpProtocol.Udp;
  packet.srcPort = packet.hasPorts ? (isInbound ? tuple.remotePort : tuple.localPort) : 0;
  packet.dstPort = packet.hasPorts ? (isInbound ? tuple.localPort : tuple.remotePort) : 0;
}

/** Four words, most significant first, as packets and flow records have them. */
export function addressWords(address: Address): AddressWords {
  return typeof address === 'bigint' ? ipv6Words(address) : [0, 0, 0, address | 0];
}

export class Explainer {
  readonly nic: NicPolicy;
  readonly #lists: readonly RuleList[];
  readonly #allLists: readonly RuleList[];
  readonly #image: PolicyImage;
  readonly #packet = new Packet();
  readonly #evaluation = new Evaluation();

  /** @param nic one of the policy's NICs */
  constructor(policy: Policy, nic: NicPolicy) {
    const compiled = compileImage(policy, [nic], 1, new PolicyRegistry());
    this.nic = nic;
    this.#lists = compiled.lists;
    this.#allLists = policy.ruleLists;
    this.#image = PolicyImage.attach(compiled.buffer);
  }

  /** True when the NIC has this address, or takes every address. */
  hasAddress(address: Address): boolean {
    if (isEmpty(this.nic.addresses)) return true;
    return typeof address === 'number'
      ? hasIpv4(this.nic.addresses, address)
      : hasIpv6(this.nic.addresses, address);
  }

  /** @param tuple both addresses of one family */
  explain(tuple: FlowTuple): Explanation {
    const evaluation = this.#evaluation;
    fillPacket(this.#packet, tuple);
    const reason = evaluate(this.#image, 0, tuple.direction, this.#packet, evaluation);
    const { decidingStep } = evaluation;
    return {
      access: reason < FIRST_DROP ? 'Allow' : 'Deny',
      ruleName: decidingStep === NO_RULE ? undefined : this.#ruleName(decidingStep),
      steps: Array.from({ length: EVALUATION_STEPS }, (_, step) =>
        this.#step(step, tuple.direction),
      ),
    };
  }

  #ruleName(step: number): string | undefined {
    const list = this.#lists[this.#evaluation.lists[step] ?? NO_RULE];
    const rule = list?.rules[this.#evaluation.rules[step] ?? NO_RULE];
    return rule === undefined ? undefined : printedRuleName(rule);
  }

  /** Whether nothing before this step had the last word: a platform rule, or a denial. */
  #isReached(step: number): boolean {
    const { rules, lists } = this.#evaluation;
    for (let earlier = 0; earlier < step; earlier++) {
      const rule = this.#lists[lists[earlier] ?? NO_RULE]?.rules[rules[earlier] ?? NO_RULE];
      if (rule !== undefined && (earlier === 0 || rule.access === Access.Deny)) return false;
    }
    return true;
  }

  #step(step: number, direction: 0 | 1): ExplanationStep {
    const chain = direction === 0 ? this.nic.inbound : this.nic.outbound;
    const isSubnet = (step === 1) === (direction === 0);
    const stage = step === 0 ? 'platform' : isSubnet ? 'subnet' : 'networkInterface';
    const list = this.#lists[this.#evaluation.lists[step] ?? NO_RULE];
    if (list === undefined) {
      const owner =
        step === 0 ? undefined : this.#allLists[chain.stages[step - 1] ?? NO_RULE]?.owner;
      const access = step === 0 ? 'NoMatch' : this.#isReached(step) ? 'Allow' : 'NotReached';
      return {
        stage,
        networkSecurityGroup: owner,
        access,
        ruleName: undefined,
        priority: undefined,
      };
    }
    const rule = list.rules[this.#evaluation.rules[step] ?? NO_RULE];
    return {
      stage,
      networkSecurityGroup: step === 0 ? undefined : list.owner,
      access: rule === undefined ? 'NoMatch' : rule.access === Access.Allow ? 'Allow' : 'Deny',
      ruleName: this.#ruleName(step),
      priority: rule?.priority,
    };
  }
}
