/**
 * The policy of the inline trials, the same for every device under test: a list of rules in priority order of which the
 * traffic matches only the last two, so that a linear scan has to look at all of them. Everything else is denied.
 *
 * The rules before the last are what access lists are made of: source networks of several lengths, TCP and UDP, single
 * ports and ranges. None of their networks holds the address that trial traffic comes from.
 */
import { Random } from '../../test/helpers/random.ts';

export type Family = 4 | 6;

/** The protected end of the trial traffic, and the network that its remote ends are in. */
export const LOCAL: Readonly<Record<Family, string>> = { 4: '10.0.1.4', 6: 'fd00:db8:1::4' };
export const REMOTE: Readonly<Record<Family, string>> = { 4: '203.0.113.9', 6: '2001:db8:9::9' };
/** Traffic to this port is allowed by the last rule, to the other by none. */
export const ALLOWED_PORT = 5001;
export const DENIED_PORT = 5002;

export interface TrialRule {
  readonly name: string;
  readonly access: 'Allow' | 'Deny';
  readonly protocol: 'Tcp' | 'Udp';
  /** A network in CIDR form, or `*`. */
  readonly source: string;
  /** Closed range of destination ports. */
  readonly ports: readonly [low: number, high: number];
}

const SEED = 20_261_122;
const IPV4_LENGTHS = [16, 20, 24, 24, 24, 28, 32] as const;
const IPV6_LENGTHS = [32, 40, 48, 48, 56, 64, 128] as const;
const SERVICES = [22, 25, 53, 80, 123, 161, 389, 443, 445, 1433, 3306, 3389, 5432, 8080] as const;

/**
 * @param count number of rules, at least 1; the last allows UDP to `ALLOWED_PORT` from anywhere, the one before TCP
 * @param seed of the rules before these
 */
export function trialRules(count: number, family: Family, seed = SEED): TrialRule[] {
  const random = new Random(seed);
  const rules: TrialRule[] = [];
  while (rules.length < count - 2) {
    const index = rules.length;
    rules.push({
      name: `Rule${index}`,
      access: random.below(4) === 0 ? 'Deny' : 'Allow',
      protocol: random.below(3) === 0 ? 'Udp' : 'Tcp',
      source: network(random, family),
      ports: ports(random),
    });
  }
  const anywhere = {
    access: 'Allow',
    source: '*',
    ports: [ALLOWED_PORT, ALLOWED_PORT],
  } as const;
  if (count > 1) rules.push({ name: 'AllowStream', protocol: 'Tcp', ...anywhere });
  rules.push({ name: 'AllowTraffic', protocol: 'Udp', ...anywhere });
  return rules;
}

function network(random: Random, family: Family): string {
  if (family === 4) {
    const length = random.pick(IPV4_LENGTHS);
    const address = (((20 + random.below(150)) << 24) | random.below(0x100_0000)) >>> 0;
    const kept = length === 32 ? address : (address & ~(0xffff_ffff >>> length)) >>> 0;
    const bytes = [kept >>> 24, (kept >>> 16) & 255, (kept >>> 8) & 255, kept & 255];
    return `${bytes.join('.')}/${length}`;
  }
  const length = random.pick(IPV6_LENGTHS);
  const groups = Array.from({ length: 8 }, (_, index) => {
    // 2600::/12 and up: not the documentation network of the traffic.
    const group = index === 0 ? 0x2600 + random.below(0x100) : random.below(0x1_0000);
    const bits = Math.max(0, Math.min(16, length - index * 16));
    return (group & (0xffff << (16 - bits)) & 0xffff).toString(16);
  });
  return `${groups.join(':')}/${length}`;
}

function ports(random: Random): [number, number] {
  if (random.below(3) !== 0) {
    const port = random.pick(SERVICES);
    return [port, port];
  }
  const low = 10_000 + random.below(50_000);
  return [low, low + random.below(500)];
}

/**
 * nsgd's configuration for these rules, as text. The NIC has no addresses: it takes every address, so that the frames
 * need not be told about it.
 * @param settings further sections, or `wires` in place of the default
 */
export function nsgdConfiguration(
  rules: readonly TrialRule[],
  settings: Readonly<Record<string, unknown>> = {},
): string {
  const securityRules = rules.map((rule, index) => ({
    name: rule.name,
    priority: 100 + index,
    direction: 'Inbound',
    access: rule.access,
    protocol: rule.protocol,
    sourceAddressPrefix: rule.source,
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange:
      rule.ports[0] === rule.ports[1] ? String(rule.ports[0]) : rule.ports.join('-'),
  }));
  // VirtualNetwork may come in by a default rule, so neither end is in it.
  return JSON.stringify({
    virtualNetwork: { addressSpace: ['192.168.0.0/16', 'fd99::/48'] },
    networkSecurityGroups: [{ name: 'nsg', securityRules }],
    networkInterfaces: [{ name: 'nic0', networkSecurityGroup: 'nsg', wire: 'wire0' }],
    wires: [{ name: 'wire0', outside: 'out0', inside: 'in0' }],
    ...settings,
  });
}
