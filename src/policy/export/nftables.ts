/**
 * The rules of one network interface as an nftables ruleset of the bridge family: the same verdict for every packet, as
 * far as the rules alone decide it. Flows are not tracked, so a reply needs a rule of its own; that makes it a second
 * opinion on every verdict (test/policy/export/nftables.test.ts) and a picture for people who read nft.
 *
 * A chain of platform rules accepts, drops or returns; a chain of a stage returns when it allows and drops when not;
 * what comes back from all is accepted. Sets hold intervals, so tags and groups are written out.
 */
import type { AddressSet } from '../../engine/address-set.ts';
import { IPV4_MAX, IPV6_MAX } from '../../engine/address-set.ts';
import type { NicPolicy, Policy, PolicyRule, RuleList, StageChain } from '../../engine/policy.ts';
import { printedRuleName, RuleKind } from '../../engine/policy.ts';
import { Access, ANY_PROTOCOL, type PortMatch, type PortRange } from '../../engine/rule.ts';
import { formatIpv4, formatIpv6 } from '../address.ts';
import type { Wire } from '../configuration-interfaces.ts';

const TCP = 6;
const UDP = 17;

/** Longer ones become sets of their own, which rules share. */
const INLINE_INTERVALS_MAX = 4;
/** Elements on one line of a set. */
const LINE_ELEMENTS = 4;

type Family = 'ipv4' | 'ipv6';
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const ETHER_TYPES = { ipv4: 'ip', ipv6: 'ip6' } as const;
const SET_TYPES = { ipv4: 'ipv4_addr', ipv6: 'ipv6_addr' } as const;

/** @param wire where the interface is; without one nothing leads into the chains `inbound` and `outbound` */
export function nftablesRuleset(policy: Policy, nic: NicPolicy, wire: Wire | undefined): string {
  return new RulesetWriter(policy, nic).write(wire);
}

class RulesetWriter {
  readonly #policy: Policy;
  readonly #nic: NicPolicy;
  /** Elements of a set, with its type, to its name. */
  readonly #sets = new Map<string, string>();
  readonly #chains: string[] = [];

  constructor(policy: Policy, nic: NicPolicy) {
    this.#policy = policy;
    this.#nic = nic;
  }

  write(wire: Wire | undefined): string {
    this.#direction('inbound', this.#nic.inbound);
    this.#direction('outbound', this.#nic.outbound);
    if (wire !== undefined) this.#chains.push(this.#hook(wire));
    const sets = [...this.#sets].map(([key, name]) => setText(key, name));
    const header = [
      `# Rules of the network interface ${this.#nic.name}, made by nsgd export. Stateless: a reply needs a rule of its own.`,
      'table bridge nsgd',
      'delete table bridge nsgd',
      'table bridge nsgd {',
    ];
    return `${header.join('\n')}\n${[...sets, ...this.#chains].join('\n\n')}\n}\n`;
  }

  #direction(name: 'inbound' | 'outbound', chain: StageChain): void {
    const jumps: string[] = [];
    const add = (suffix: string, list: RuleList | undefined): void => {
      if (list === undefined) return;
      const lines = list.rules.flatMap((rule) => this.#ruleLines(rule));
      // Lists of groups end in a rule that matches everything, but no match would be a denial.
      if (list.rules.some(({ kind }) => kind !== RuleKind.Platform)) lines.push('counter drop');
      this.#chains.push(chainText(`${name}_${suffix}`, lines));
      jumps.push(`jump ${name}_${suffix}`);
    };
    const lists = this.#policy.ruleLists;
    add('platform', lists[chain.platform]);
    for (const [index, stage] of chain.stages.entries()) {
      const list = lists[stage];
      add(`${index + 1}_${list?.owner ?? ''}`, list);
    }
    this.#chains.push(chainText(name, [...jumps, 'counter accept']));
  }

  /** At most one line for each family; none for a rule that matches nothing. */
  #ruleLines(rule: PolicyRule): string[] {
    const verdict = `counter ${verdictOf(rule)} comment "${printedRuleName(rule)}"`;
    const isAlike =
      FAMILIES.every((family) => isAny(rule.source, family) && isAny(rule.destination, family)) &&
      rule.protocol.ipv4 === rule.protocol.ipv6;
    if (isAlike) {
      const matches = serviceMatches(rule, rule.protocol.ipv4);
      return matches === undefined ? [] : [[...matches, verdict].join(' ')];
    }
    return FAMILIES.flatMap((family) => {
      if (rule.source[family].length === 0 || rule.destination[family].length === 0) return [];
      const matches = serviceMatches(rule, rule.protocol[family]);
      if (matches === undefined) return [];
      const type = ETHER_TYPES[family];
      const addresses = (['source', 'destination'] as const).flatMap((side) =>
        isAny(rule[side], family)
          ? []
          : [
              `${type} ${side === 'source' ? 'saddr' : 'daddr'} ${this.#addresses(rule[side], family)}`,
            ],
      );
      return [[`meta protocol ${type}`, ...addresses, ...matches, verdict].join(' ')];
    });
  }

  /** One element, some in braces, or the name of a set. */
  #addresses(set: AddressSet, family: Family): string {
    const elements = elementsOf(set, family);
    const [first = ''] = elements;
    if (elements.length === 1) return first;
    if (elements.length <= INLINE_INTERVALS_MAX) return `{ ${elements.join(', ')} }`;
    const key = `${SET_TYPES[family]} ${elements.join(',')}`;
    const name = this.#sets.get(key) ?? `addresses_${this.#sets.size + 1}`;
    this.#sets.set(key, name);
    return `@${name}`;
  }

  /** Frames between the two interfaces of the wire, both ways; what is not IP is for the link and passes. */
  #hook({ outside, inside }: Wire): string {
    const { addresses } = this.#nic;
    const takesAll = addresses.ipv4.length === 0 && addresses.ipv6.length === 0;
    const jumps = (['inbound', 'outbound'] as const).flatMap((direction) => {
      const [from, to, side] =
        direction === 'inbound' ? [outside, inside, 'daddr'] : [inside, outside, 'saddr'];
      const ends = `iifname "${from}" oifname "${to}"`;
      if (takesAll) return [`${ends} jump ${direction}`];
      return FAMILIES.filter((family) => addresses[family].length > 0).map((family) => {
        const own = this.#addresses(addresses, family);
        return `${ends} ${ETHER_TYPES[family]} ${side} ${own} jump ${direction}`;
      });
    });
    return chainText('forward', [
      'type filter hook forward priority filter; policy accept;',
      'meta protocol != { ip, ip6 } accept',
      ...jumps,
    ]);
  }
}

function verdictOf(rule: PolicyRule): string {
  if (rule.access === Access.Deny) return 'drop';
  return rule.kind === RuleKind.Platform ? 'accept' : 'return';
}

/** Protocol and ports; undefined when nothing can match them. Only TCP and UDP have ports. */
function serviceMatches(rule: PolicyRule, protocol: number): string[] | undefined {
  const sides = [
    ['sport', rule.sourcePorts],
    ['dport', rule.destinationPorts],
  ] as const;
  const ports: string[] = [];
  for (const [name, match] of sides) {
    if (match === 'any') continue;
    if (match.length === 0) return undefined;
    ports.push(`th ${name} ${portsText(match)}`);
  }
  if (ports.length === 0) return protocol === ANY_PROTOCOL ? [] : [`meta l4proto ${protocol}`];
  if (protocol === ANY_PROTOCOL) return [`meta l4proto { ${TCP}, ${UDP} }`, ...ports];
  if (protocol !== TCP && protocol !== UDP) return undefined;
  return [`meta l4proto ${protocol}`, ...ports];
}

/** Ranges of a rule may overlap, and those of a set may not. */
function portsText(match: Exclude<PortMatch, 'any'>): string {
  const merged: PortRange[] = [];
  for (const ports of match.toSorted((a, b) => a.low - b.low)) {
    const last = merged.at(-1);
    if (last === undefined || ports.low > last.high + 1) merged.push(ports);
    else merged[merged.length - 1] = { low: last.low, high: Math.max(last.high, ports.high) };
  }
  const texts = merged.map(({ low, high }) => (low === high ? String(low) : `${low}-${high}`));
  return texts.length === 1 ? texts.join('') : `{ ${texts.join(', ')} }`;
}

function isAny(set: AddressSet, family: Family): boolean {
  const [first, ...others] = set[family];
  if (first === undefined || others.length > 0) return false;
  return (
    BigInt(first[0]) === 0n &&
    BigInt(first[1]) === (family === 'ipv4' ? BigInt(IPV4_MAX) : IPV6_MAX)
  );
}

function range(low: string, high: string): string {
  return low === high ? low : `${low}-${high}`;
}

function elementsOf(set: AddressSet, family: Family): string[] {
  return family === 'ipv4'
    ? set.ipv4.map(([low, high]) => range(formatIpv4(low), formatIpv4(high)))
    : set.ipv6.map(([low, high]) => range(formatIpv6(low), formatIpv6(high)));
}

function chainText(name: string, lines: readonly string[]): string {
  return [`  chain ${name} {`, ...lines.map((line) => `    ${line}`), '  }'].join('\n');
}

function setText(key: string, name: string): string {
  const [type = '', list = ''] = key.split(' ');
  const elements = list.split(',');
  const lines: string[] = [];
  for (let at = 0; at < elements.length; at += LINE_ELEMENTS) {
    lines.push(`      ${elements.slice(at, at + LINE_ELEMENTS).join(', ')}`);
  }
  return [
    `  set ${name} {`,
    `    type ${type}; flags interval;`,
    '    elements = {',
    lines.join(',\n'),
    '    }',
    '  }',
  ].join('\n');
}
