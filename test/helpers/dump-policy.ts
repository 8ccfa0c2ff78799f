/**
 * A compiled policy as text for people: who is asked what, in which order, over which addresses. Golden files hold it, so
 * that a change of resolution or of the chains shows as a difference that can be read.
 */
import type { AddressSet } from '../../src/engine/address-set.ts';
import {
  type CompiledImage,
  compileImage,
  PolicyRegistry,
  ruleSlotName,
} from '../../src/engine/policy-image-compile.ts';
import {
  type NicPolicy,
  type Policy,
  type PolicyRule,
  printedRuleName,
  type StageChain,
} from '../../src/engine/policy.ts';
import { Access, ANY_PROTOCOL, type PortMatch } from '../../src/engine/rule.ts';
import { formatIpv4, formatIpv6 } from '../../src/policy/address.ts';

const DIRECTIONS = ['Inbound', 'Outbound'] as const;

function interval(low: string, high: string): string {
  return low === high ? low : `${low}-${high}`;
}

function intervals(set: AddressSet): string[] {
  return [
    ...set.ipv4.map(([low, high]) => interval(formatIpv4(low), formatIpv4(high))),
    ...set.ipv6.map(([low, high]) => interval(formatIpv6(low), formatIpv6(high))),
  ];
}

/** Names for sets of addresses: the same set has one name, single addresses stand for themselves. */
class SetNames {
  readonly #names = new Map<string, string>();

  nameOf(set: AddressSet): string {
    const parts = intervals(set);
    const text = parts.join('\n      ');
    if (parts.length === 1 && !text.includes('-')) return text;
    if (parts.length === 0) return 'nothing';
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const name = `set${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }

  lines(): string[] {
    return [...this.#names].map(([text, name]) => `  ${name}\n      ${text}`);
  }
}

function portText(ports: PortMatch): string {
  if (ports === 'any') return '*';
  return ports.map(({ low, high }) => interval(String(low), String(high))).join(',') || 'none';
}

function protocolText({ ipv4, ipv6 }: PolicyRule['protocol']): string {
  const text = (number: number): string => (number === ANY_PROTOCOL ? '*' : String(number));
  return ipv4 === ipv6 ? text(ipv4) : `${text(ipv4)}/${text(ipv6)}`;
}

function chainText(
  direction: 0 | 1,
  chain: StageChain,
  compiled: CompiledImage,
  policy: Policy,
): string {
  const list = (index: number): string => {
    const found = policy.ruleLists[index];
    return found === undefined ? '-' : `list ${compiled.lists.indexOf(found)} (${found.owner})`;
  };
  const [first, second] = chain.stages;
  const [one, two] = direction === 0 ? ['subnet', 'interface'] : ['interface', 'subnet'];
  return `  ${DIRECTIONS[direction]}: platform ${list(chain.platform)}, ${one} ${list(first)}, ${two} ${list(second)}`;
}

function nicText(nic: NicPolicy, compiled: CompiledImage, policy: Policy): string[] {
  return [
    `${nic.name} on ${nic.wire ?? 'no wire'}: ${intervals(nic.addresses).join(', ') || 'every address'}${nic.isFlushing ? ', flushing' : ''}`,
    chainText(0, nic.inbound, compiled, policy),
    chainText(1, nic.outbound, compiled, policy),
  ];
}

/** Interfaces with their chains, rule lists with counter slots, then the sets of addresses that the rules name. */
export function dumpPolicy(policy: Policy): string {
  const registry = new PolicyRegistry();
  const compiled = compileImage(policy, policy.nics, 1, registry);
  const sets = new SetNames();
  const lists = compiled.lists.flatMap((list, index) => [
    '',
    `list ${index}: ${list.owner} ${DIRECTIONS[list.direction]}`,
    ...list.rules.map((rule) => {
      const slot = registry.rules.slotOf(ruleSlotName(list, rule));
      const match =
        `protocol ${protocolText(rule.protocol)}, from ${sets.nameOf(rule.source)} port ${portText(rule.sourcePorts)}` +
        ` to ${sets.nameOf(rule.destination)} port ${portText(rule.destinationPorts)}`;
      const access = rule.access === Access.Allow ? 'Allow' : 'Deny';
      return `  ${rule.priority} ${printedRuleName(rule)}: ${access} ${match}${rule.isStateful ? '' : ', stateless'} [slot ${slot}]`;
    }),
  ]);
  const nics = policy.nics.flatMap((nic) => nicText(nic, compiled, policy));
  const link = Object.entries(policy.link)
    .filter(([, isSet]) => isSet)
    .map(([name]) => name);
  return [
    `link: ${link.join(', ') || 'defaults'}`,
    ...nics,
    ...lists,
    '',
    ...sets.lines(),
    '',
  ].join('\n');
}
