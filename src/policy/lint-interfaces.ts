/**
 * Lint of rules on the interfaces that have them: rules about addresses that no interface has, rules that one group allows
 * and the other denies, and ports for managing machines that much of the Internet reaches.
 */
import { type AddressSet, ANY_ADDRESS, intersect, isEmpty, union } from '../engine/address-set.ts';
import { type Policy, type PolicyRule, RuleKind } from '../engine/policy.ts';
import { Access } from '../engine/rule.ts';
import { Explainer } from './explain.ts';
import type { Example, LintChain } from './lint-chains.ts';
import type { ProblemCode } from './problem-codes.ts';
import { quote } from './problem.ts';

const TCP = 6;

/** TCP ports that machines and databases are managed through, and what listens there. */
export const MANAGEMENT_PORTS: ReadonlyMap<number, string> = new Map([
  [22, 'SSH'],
  [23, 'Telnet'],
  [135, 'RPC'],
  [445, 'SMB'],
  [1433, 'SQL Server'],
  [1521, 'Oracle'],
  [2375, 'Docker'],
  [3306, 'MySQL'],
  [3389, 'RDP'],
  [5432, 'PostgreSQL'],
  [5900, 'VNC'],
  [5985, 'WinRM'],
  [5986, 'WinRM'],
  [6379, 'Redis'],
  [27017, 'MongoDB'],
]);

/** From this many addresses of the Internet on a source is much of it: a /8 in IPv4, a /16 in IPv6. */
const MUCH_IPV4 = 2 ** 24;
const MUCH_IPV6 = 1n << 112n;

export interface InterfaceFinding {
  readonly rule: PolicyRule;
  readonly direction: 0 | 1;
  readonly code: ProblemCode;
  readonly message: string;
  readonly example: Example | undefined;
}

function probe(port: number, internet: AddressSet): PolicyRule {
  return {
    name: `port${port}`,
    priority: 0,
    kind: RuleKind.Security,
    access: Access.Allow,
    protocol: { ipv4: TCP, ipv6: TCP },
    source: internet,
    sourcePorts: 'any',
    destination: ANY_ADDRESS,
    destinationPorts: [{ low: port, high: port }],
    isStateful: true,
  };
}

/** What the chains are asked about, one rule for each port. */
export function managementProbes(ports: readonly number[], internet: AddressSet): PolicyRule[] {
  return ports.map((port) => probe(port, internet));
}

function isMuch({ ipv4, ipv6 }: AddressSet): boolean {
  const count4 = ipv4.reduce((sum, [low, high]) => sum + high - low + 1, 0);
  const count6 = ipv6.reduce((sum, [low, high]) => sum + high - low + 1n, 0n);
  return count4 >= MUCH_IPV4 || count6 >= MUCH_IPV6;
}

/** What was found of one rule on all chains that have it. */
interface RuleState {
  readonly rule: PolicyRule;
  readonly direction: 0 | 1;
  local: AddressSet;
  /** A packet that it allows and the other group denies; kept while none passes on any interface. */
  denied: Example | undefined;
  passes: boolean;
  readonly openPorts: Set<number>;
  open: Example | undefined;
}

export class InterfaceLinter {
  readonly #policy: Policy;
  readonly #ports: readonly number[];
  readonly #internet: AddressSet;
  readonly #states = new Map<PolicyRule, RuleState>();

  /** @param ports those of the probes that the chains have */
  constructor(policy: Policy, ports: readonly number[], internet: AddressSet) {
    this.#policy = policy;
    this.#ports = ports;
    this.#internet = internet;
  }

  /** @param idle rules of which is said already that they do nothing */
  findings(chains: readonly LintChain[], idle: ReadonlySet<PolicyRule>): InterfaceFinding[] {
    for (const chain of chains) {
      for (const number of chain.customRules()) {
        const rule = chain.rules[number];
        if (rule === undefined || idle.has(rule)) continue;
        const state = this.#stateOf(rule, chain);
        this.#lookAtGroups(chain, number, state);
        this.#lookAtPorts(chain, number, state);
      }
    }
    return [...this.#states.values()].flatMap((state) => [
      ...(this.#noInterface(state) ?? []),
      ...(this.#deniedByOther(state) ?? []),
      ...(this.#openToInternet(state) ?? []),
    ]);
  }

  #stateOf(rule: PolicyRule, { direction, local }: LintChain): RuleState {
    const known = this.#states.get(rule);
    if (known !== undefined) {
      known.local = union([known.local, local]);
      return known;
    }
    const state: RuleState = {
      rule,
      direction,
      local,
      denied: undefined,
      passes: false,
      openPorts: new Set(),
      open: undefined,
    };
    this.#states.set(rule, state);
    return state;
  }

  #lookAtGroups(chain: LintChain, number: number, state: RuleState): void {
    if (state.rule.access !== Access.Allow || state.passes) return;
    const query = { match: [number], isDecided: true, isBeyondDefaults: true };
    const beyond = chain.find(query);
    // What the default rules allow passes the other group's too, and is not what the rule is for.
    const meant = beyond === undefined ? { ...query, isBeyondDefaults: false } : query;
    if (chain.find({ ...meant, other: Access.Allow }) !== undefined) state.passes = true;
    else if (chain.hasBothGroups) state.denied ??= beyond ?? chain.find(meant);
  }

  #lookAtPorts(chain: LintChain, number: number, state: RuleState): void {
    const { rule, direction, openPorts } = state;
    if (direction !== 0 || rule.access !== Access.Allow) return;
    if (!isMuch(intersect(rule.source, this.#internet))) return;
    for (const [index, port] of this.#ports.entries()) {
      const { destinationPorts } = rule;
      const hasPort =
        destinationPorts === 'any' ||
        destinationPorts.some(({ low, high }) => low <= port && port <= high);
      if (!hasPort || openPorts.has(port)) continue;
      const match = [number, chain.probe(index)];
      const example = chain.find({ match, isDecided: true, other: Access.Allow });
      if (example === undefined) continue;
      openPorts.add(port);
      state.open ??= example;
    }
  }

  #noInterface({ rule, direction, local }: RuleState): InterfaceFinding[] | undefined {
    const own = direction === 0 ? rule.destination : rule.source;
    if (!isEmpty(intersect(own, local))) return undefined;
    const side = direction === 0 ? 'destination' : 'source';
    const message = `${quote(rule.name)} never matches: no interface that its group applies to has an address of its ${side}`;
    return [{ rule, direction, code: 'RuleMatchesNoInterface', message, example: undefined }];
  }

  #deniedByOther({ rule, denied, passes, direction }: RuleState): InterfaceFinding[] | undefined {
    if (passes || denied === undefined) return undefined;
    const { steps } = new Explainer(this.#policy, denied.nic).explain({
      direction,
      ...denied.packet,
    });
    const step = steps.find(({ access }) => access === 'Deny');
    const message =
      `${quote(rule.name)} lets nothing through: the other group of ${denied.nic.name} denies what it allows ` +
      `(${step?.ruleName ?? 'no rule'} of ${step?.networkSecurityGroup ?? 'no group'})`;
    return [{ rule, direction, code: 'RuleDeniedByOtherGroup', message, example: denied }];
  }

  #openToInternet({ rule, direction, open, openPorts }: RuleState): InterfaceFinding[] | undefined {
    if (open === undefined) return undefined;
    const ports = [...openPorts].map((port) => {
      const name = MANAGEMENT_PORTS.get(port);
      return name === undefined ? String(port) : `${port} (${name})`;
    });
    const message =
      `${quote(rule.name)} lets much of the Internet reach ` +
      `${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')} of ${open.nic.name}`;
    return [{ rule, direction, code: 'ManagementPortOpenToInternet', message, example: open }];
  }
}
