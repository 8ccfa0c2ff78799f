/**
 * Resolve: a configuration becomes the policy that the engine enforces. Every name is replaced by what it stands for,
 * default and platform rules are added, and every interface gets its chains.
 */
import { NO_ADDRESS } from '../engine/address-set.ts';
import type { NicPolicy, Policy, PolicyRule, RuleList, StageChain } from '../engine/policy.ts';
import { NO_RULE_LIST, RuleKind } from '../engine/policy.ts';
import type { PortMatch } from '../engine/rule.ts';
import { Access, ANY_PROTOCOL, Direction } from '../engine/rule.ts';
import type { Configuration } from './configuration.ts';
import { ApplicationSecurityGroups } from './application-security-groups.ts';
import type { NetworkInterface } from './configuration-interfaces.ts';
import { DEFAULT_RULES } from './default-rules.ts';
import { nameKey } from './names.ts';
import type { PlatformOptions, PlatformTag } from './platform-rules.ts';
import { PLATFORM_TAGS, platformRules } from './platform-rules.ts';
import type { ProblemList } from './problem.ts';
import type { NameScope, ResolvedSide } from './resolve-addresses.ts';
import { AddressResolver } from './resolve-addresses.ts';
import type { NetworkSecurityGroup, RuleProtocol, SecurityRule } from './security-rule.ts';
import type { ServiceTags } from './service-tags.ts';
import { KMS_PORT, SpecialTag } from './service-tags.ts';

const TCP = 6;

/** IP protocol numbers (IANA) of Azure's protocol names; ICMP has one per family. */
const PROTOCOL_NUMBERS: Readonly<Record<RuleProtocol, PolicyRule['protocol']>> = {
  Any: { ipv4: ANY_PROTOCOL, ipv6: ANY_PROTOCOL },
  Tcp: { ipv4: TCP, ipv6: TCP },
  Udp: { ipv4: 17, ipv6: 17 },
  Icmp: { ipv4: 1, ipv6: 58 },
  Esp: { ipv4: 50, ipv6: 50 },
  Ah: { ipv4: 51, ipv6: 51 },
};

/** The names of a configuration, for rules. */
export function nameScope(configuration: Configuration, tags: ServiceTags): NameScope {
  const asgNames = configuration.applicationSecurityGroups;
  return {
    tags,
    asgs: new ApplicationSecurityGroups(asgNames, configuration.networkInterfaces),
    asgNames,
  };
}

/** Custom rules of one direction by priority, then the default rules: the order in which they are asked. */
export function orderedRules(
  group: NetworkSecurityGroup,
  direction: Direction,
): { readonly rule: SecurityRule; readonly kind: RuleKind }[] {
  const custom = group.rules
    .filter((rule) => rule.direction === direction)
    .toSorted((a, b) => a.priority - b.priority);
  const defaults = DEFAULT_RULES.filter((rule) => rule.direction === direction);
  return [
    ...custom.map((rule) => ({ rule, kind: RuleKind.Security })),
    ...defaults.map((rule) => ({ rule, kind: RuleKind.Default })),
  ];
}

/** The part of `ports` that is the licensing port: all that a rule for AzurePlatformLKM may match. */
function licensingPorts(ports: PortMatch): PortMatch {
  const isWanted =
    ports === 'any' || ports.some(({ low, high }) => low <= KMS_PORT && KMS_PORT <= high);
  return isWanted ? [{ low: KMS_PORT, high: KMS_PORT }] : [];
}

function policyRule(
  rule: SecurityRule,
  kind: RuleKind,
  source: ResolvedSide,
  destination: ResolvedSide,
): PolicyRule {
  const written = PROTOCOL_NUMBERS[rule.protocol];
  const isTcp = rule.protocol === 'Any' || rule.protocol === 'Tcp';
  return {
    name: rule.name,
    kind,
    priority: rule.priority,
    access: rule.access,
    protocol: destination.isLicensing ? PROTOCOL_NUMBERS.Tcp : written,
    source: source.addresses,
    sourcePorts: rule.sourcePorts,
    destination: destination.isLicensing && !isTcp ? NO_ADDRESS : destination.addresses,
    destinationPorts: destination.isLicensing
      ? licensingPorts(rule.destinationPorts)
      : rule.destinationPorts,
    isStateful: true,
  };
}

/** Platform tags that an outbound deny rule of the groups names: it wants that traffic for itself. */
function deniedPlatformTags(
  groups: readonly (NetworkSecurityGroup | undefined)[],
): ReadonlySet<PlatformTag> {
  const denied = new Set<PlatformTag>();
  for (const rule of groups.flatMap((group) => group?.rules ?? [])) {
    if (rule.direction !== Direction.Outbound || rule.access !== Access.Deny) continue;
    const { destination } = rule;
    if (destination.kind !== 'tag') continue;
    const tag = PLATFORM_TAGS.find((name) => nameKey(name) === nameKey(destination.tag));
    if (tag !== undefined) denied.add(tag);
  }
  return denied;
}

/** Builds the lists of a policy, each once however many interfaces use it. */
class PolicyBuilder {
  readonly ruleLists: RuleList[] = [];
  readonly #resolver: AddressResolver;
  readonly #platform: PlatformOptions;
  readonly #groups: ReadonlyMap<string, NetworkSecurityGroup>;
  readonly #indexes = new Map<string, number>();

  constructor(configuration: Configuration, tags: ServiceTags, problems: ProblemList) {
    this.#resolver = new AddressResolver(nameScope(configuration, tags), problems);
    this.#platform = { ...configuration.platform, internet: tags.special(SpecialTag.Internet) };
    this.#groups = new Map(
      configuration.networkSecurityGroups.map((group) => [nameKey(group.name), group]),
    );
    for (const group of configuration.networkSecurityGroups) {
      // Also groups that no interface uses: their mistakes are mistakes too.
      this.#list(group, Direction.Inbound);
      this.#list(group, Direction.Outbound);
    }
  }

  nic(nic: NetworkInterface): NicPolicy {
    const ofSubnet = this.#group(nic.subnet?.networkSecurityGroup);
    const ofNic = this.#group(nic.networkSecurityGroup);
    const denied = deniedPlatformTags([ofSubnet, ofNic]);
    const chain = (
      direction: Direction,
      stages: readonly [NetworkSecurityGroup | undefined, NetworkSecurityGroup | undefined],
    ): StageChain => ({
      platform: this.#platformList(direction, denied),
      stages: [this.#list(stages[0], direction), this.#list(stages[1], direction)],
    });
    return {
      name: nic.name,
      wire: nic.wire,
      addresses: nic.addresses,
      inbound: chain(Direction.Inbound, [ofSubnet, ofNic]),
      outbound: chain(Direction.Outbound, [ofNic, ofSubnet]),
      isFlushing: [ofSubnet, ofNic].some((group) => group?.flushConnection === true),
    };
  }

  #group(name: string | undefined): NetworkSecurityGroup | undefined {
    return name === undefined ? undefined : this.#groups.get(nameKey(name));
  }

  #list(group: NetworkSecurityGroup | undefined, direction: Direction): number {
    if (group === undefined) return NO_RULE_LIST;
    return this.#once(`group ${direction} ${nameKey(group.name)}`, () => ({
      owner: group.name,
      direction,
      rules: orderedRules(group, direction).map(({ rule, kind }) =>
        policyRule(
          rule,
          kind,
          this.#resolver.resolve(rule, 'source'),
          this.#resolver.resolve(rule, 'destination'),
        ),
      ),
    }));
  }

  #platformList(direction: Direction, denied: ReadonlySet<PlatformTag>): number {
    const isOutbound = direction === Direction.Outbound;
    const key = `platform ${direction} ${isOutbound ? [...denied].toSorted().join(' ') : ''}`;
    return this.#once(key, () => platformRules(this.#platform, direction, denied));
  }

  #once(key: string, build: () => RuleList): number {
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const index = this.ruleLists.push(build()) - 1;
    this.#indexes.set(key, index);
    return index;
  }
}

/**
 * The policy of a configuration. Names that mean nothing and other mistakes are added to `problems`; with errors among
 * them the policy is not fit for use.
 */
export function resolvePolicy(
  configuration: Configuration,
  tags: ServiceTags,
  problems: ProblemList,
): Policy {
  const builder = new PolicyBuilder(configuration, tags, problems);
  const nics = configuration.networkInterfaces.map((nic) => builder.nic(nic));
  return { ruleLists: builder.ruleLists, nics, link: configuration.link };
}
