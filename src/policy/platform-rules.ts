/**
 * Platform rules: what passes, or does not, before any network security group is asked. They are not among the
 * effective rules, as in Azure, but explanations name them `platformRules/NAME`.
 *
 * Azure page "Network security groups", section "Azure platform considerations".
 */
import type { AddressSet } from '../engine/address-set.ts';
import { ANY_ADDRESS, NO_ADDRESS } from '../engine/address-set.ts';
import type { PolicyRule, RuleList } from '../engine/policy.ts';
import { RuleKind } from '../engine/policy.ts';
import type { PortRange } from '../engine/rule.ts';
import { Access, Direction } from '../engine/rule.ts';
import { KMS_PORT, METADATA_ADDRESS, PLATFORM_ADDRESS, SpecialTag } from './service-tags.ts';

const TCP = 6;
const UDP = 17;
const SMTP_PORT = 25;

/** `azure`: what Azure's host does. `none`: only what a link needs; ARP and neighbour discovery are no IP rules. */
export type PlatformProfile = 'azure' | 'none';

/**
 * Subscription types and whether Azure lets their machines send mail on port 25. Where Azure has lifted the block for a
 * subscription, or it is older than 15 November 2017, the type is left unset.
 */
export const SMTP_ALLOWED = Object.freeze({
  EnterpriseAgreement: true,
  EnterpriseDevTest: false,
  PayAsYouGo: false,
  MSDN: false,
  AzurePass: false,
  AzureInOpen: false,
  Education: false,
  BizSpark: false,
  FreeTrial: false,
  CSP: false,
} as const);
export type SubscriptionType = keyof typeof SMTP_ALLOWED;

export interface PlatformOptions {
  readonly profile: PlatformProfile;
  /** A route for 0.0.0.0/0 leads elsewhere than to Azure's Internet: the licensing rule is off. */
  readonly hasDefaultRoute: boolean;
  /** Undefined: port 25 is not restricted. */
  readonly subscription: SubscriptionType | undefined;
  readonly internet: AddressSet;
}

/** The tags that switch a platform rule off when an outbound deny rule names them. */
export type PlatformTag =
  | typeof SpecialTag.AzurePlatformDNS
  | typeof SpecialTag.AzurePlatformIMDS
  | typeof SpecialTag.AzurePlatformLKM;

export const PLATFORM_TAGS: readonly PlatformTag[] = [
  SpecialTag.AzurePlatformDNS,
  SpecialTag.AzurePlatformIMDS,
  SpecialTag.AzurePlatformLKM,
];

interface Template {
  readonly name: string;
  readonly access: Access;
  readonly protocol: number;
  readonly destination: AddressSet;
  readonly ports: readonly number[];
  /** The tag a deny rule names to get this traffic into its own hands. */
  readonly tag?: PlatformTag;
}

function portList(ports: readonly number[]): PortRange[] {
  return ports.map((port) => ({ low: port, high: port }));
}

/**
 * DHCP for one family and direction. Stateless: the answer to a broadcast comes from an address that was not asked,
 * so no flow record would match it (RFC 2131 section 4.1, RFC 8415 section 7.2).
 */
function dhcpRule(family: 4 | 6, direction: Direction): Omit<PolicyRule, 'priority'> {
  const client = family === 4 ? 68 : 546;
  const server = family === 4 ? 67 : 547;
  const everyone = {
    ...NO_ADDRESS,
    ...(family === 4 ? { ipv4: ANY_ADDRESS.ipv4 } : { ipv6: ANY_ADDRESS.ipv6 }),
  };
  const isOutbound = direction === Direction.Outbound;
  return {
    name: family === 4 ? 'AllowDhcp' : 'AllowDhcpV6',
    kind: RuleKind.Platform,
    access: Access.Allow,
    protocol: { ipv4: UDP, ipv6: UDP },
    source: everyone,
    sourcePorts: portList([isOutbound ? client : server]),
    destination: everyone,
    destinationPorts: portList([isOutbound ? server : client]),
    isStateful: false,
  };
}

/** What Azure adds to outbound traffic, in order. */
function azureTemplates(options: PlatformOptions): Template[] {
  const { Allow, Deny } = Access;
  const templates: Template[] = [
    {
      name: 'AllowAzureWireServer',
      access: Allow,
      protocol: TCP,
      destination: PLATFORM_ADDRESS,
      ports: [80, 32526],
    },
    {
      name: 'AllowAzureDns',
      access: Allow,
      protocol: UDP,
      destination: PLATFORM_ADDRESS,
      ports: [53],
      tag: SpecialTag.AzurePlatformDNS,
    },
    {
      name: 'AllowAzureDnsTcp',
      access: Allow,
      protocol: TCP,
      destination: PLATFORM_ADDRESS,
      ports: [53],
      tag: SpecialTag.AzurePlatformDNS,
    },
    {
      name: 'AllowAzureInstanceMetadata',
      access: Allow,
      protocol: TCP,
      destination: METADATA_ADDRESS,
      ports: [80],
      tag: SpecialTag.AzurePlatformIMDS,
    },
  ];
  if (!options.hasDefaultRoute) {
    templates.push({
      name: 'AllowAzureKms',
      access: Allow,
      protocol: TCP,
      destination: options.internet,
      ports: [KMS_PORT],
      tag: SpecialTag.AzurePlatformLKM,
    });
  }
  if (options.subscription !== undefined && !SMTP_ALLOWED[options.subscription]) {
    templates.push({
      name: 'DenySmtpOutBound',
      access: Deny,
      protocol: TCP,
      destination: options.internet,
      ports: [SMTP_PORT],
    });
  }
  return templates;
}

function ruleOf(template: Template): Omit<PolicyRule, 'priority'> {
  return {
    name: template.name,
    kind: RuleKind.Platform,
    access: template.access,
    protocol: { ipv4: template.protocol, ipv6: template.protocol },
    source: ANY_ADDRESS,
    sourcePorts: 'any',
    destination: template.destination,
    destinationPorts: portList(template.ports),
    isStateful: true,
  };
}

/**
 * The platform rules of one direction. `denied` holds the platform tags that an outbound deny rule of the interface's
 * groups names: those allow rules step aside, so that the deny rule is reached.
 */
export function platformRules(
  options: PlatformOptions,
  direction: Direction,
  denied: ReadonlySet<PlatformTag>,
): RuleList {
  const rules = [dhcpRule(4, direction), dhcpRule(6, direction)];
  if (options.profile === 'azure' && direction === Direction.Outbound) {
    for (const template of azureTemplates(options)) {
      if (template.tag === undefined || !denied.has(template.tag)) rules.push(ruleOf(template));
    }
  }
  return {
    owner: 'platform',
    direction,
    rules: rules.map((rule, index) => ({ ...rule, priority: index + 1 })),
  };
}
