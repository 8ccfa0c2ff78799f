/**
 * Random configurations that have no error: networks, groups with overlapping rules, application security groups, and
 * network interfaces with and without subnets and addresses.
 */
import type { Random } from './random.ts';

export interface RandomConfigurationOptions {
  /** Settings that Azure's resources have no place for: own tags, the platform profile, wires. */
  readonly hasSettings: boolean;
}

/** Plain data, for `JSON.stringify`: JSON is a configuration too. */
export type PlainObject = Record<string, unknown>;

export const RANDOM_WIRE = Object.freeze({ name: 'wire0', outside: 'out1', inside: 'in1' });

/** Small on purpose, so that rules meet. `::` belongs to the second list. */
const PREFIXES = {
  4: [
    '10.0.1.0/24',
    '10.0.1.4',
    '10.0.1.5/32',
    '10.0.0.0/8',
    '10.0.1.0/29',
    '203.0.113.0/25',
    '203.0.113.7',
    '198.51.100.0/24',
    '168.63.129.16',
    '172.16.0.0/12',
    '128.0.0.0/1',
    '0.0.0.0/0',
    '255.255.255.255',
    '224.0.0.0/4',
  ],
  6: [
    'fd00:db8:1::/64',
    'fd00:db8:1::4',
    'fd00::/8',
    '2001:db8::/32',
    '2001:db8::7/128',
    '2001:db8:0:8000::/49',
    '::/0',
    '::/1',
    'fe80::/10',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ],
} as const;

const TAGS = ['VirtualNetwork', 'Internet', 'AzureLoadBalancer', 'internet'];
const PLATFORM_TAGS = ['AzurePlatformDNS', 'AzurePlatformIMDS', 'AzurePlatformLKM'];
const OWN_TAGS = {
  Office: ['198.51.100.0/24', '2001:db8:7::/48'],
  Nobody: [],
  Many: manyPrefixes(),
};
const PORTS = [
  '0',
  '22',
  '53',
  '80',
  '443',
  '67-68',
  '0-1023',
  '1024-65535',
  '79-81',
  '65535',
  '0-65535',
];
const NETWORK = { addressSpace: ['10.0.0.0/16', 'fd00:db8::/32'] };
const SUBNETS = [
  { name: 'web', addressPrefixes: ['10.0.1.0/24', 'fd00:db8:1::/64'] },
  { name: 'data', addressPrefixes: ['10.0.2.0/24'] },
  { name: 'GatewaySubnet', addressPrefixes: ['10.0.255.0/27', 'fd00:db8:ff::/64'] },
];

function manyPrefixes(): string[] {
  return Array.from(
    { length: 40 },
    (_, index) => `100.${index * 3}.${index}.0/${20 + (index % 5)}`,
  ).map((text) => text.replace(/\.\d+\.0\//, '.0.0/').replace(/\/2\d$/, '/20'));
}

export function randomConfiguration(
  random: Random,
  options: RandomConfigurationOptions,
): PlainObject {
  return new Maker(random, options).configuration();
}

class Maker {
  readonly #random: Random;
  readonly #options: RandomConfigurationOptions;
  readonly #asgs: string[];
  readonly #groups: string[];

  constructor(random: Random, options: RandomConfigurationOptions) {
    this.#random = random;
    this.#options = options;
    this.#asgs = ['asg-web', 'asg.data', 'ASG_3'].slice(0, random.below(4));
    this.#groups = ['nsg-1', 'NSG.2', '3nsg_'].slice(0, 1 + random.below(3));
  }

  configuration(): PlainObject {
    const subnets = SUBNETS.slice(0, this.#random.below(4)).map((subnet) => ({
      ...subnet,
      ...this.#groupReference(),
    }));
    const isAlone = this.#random.below(3) === 0;
    const nics = isAlone ? [this.#loneInterface()] : this.#interfaces(subnets);
    // A group without a member matches nothing, which is worth a try too.
    return {
      virtualNetwork: {
        ...(this.#chance(2) ? { name: 'vnet-1' } : {}),
        ...NETWORK,
        ...(this.#chance(3) ? { connectedAddressSpaces: ['192.168.0.0/16', 'fd99::/16'] } : {}),
        ...(this.#chance(4) ? { flowTimeoutInMinutes: 4 + this.#random.below(27) } : {}),
        subnets,
      },
      applicationSecurityGroups: this.#asgs.map((name) => ({ name })),
      networkSecurityGroups: this.#groups.map((name) => this.#group(name)),
      networkInterfaces: nics,
      ...(this.#options.hasSettings ? this.#settings() : {}),
    };
  }

  #settings(): PlainObject {
    const types = ['EnterpriseAgreement', 'FreeTrial', 'CSP'];
    const profile = this.#random.pick(['azure', 'azure', 'none']);
    return {
      wires: [RANDOM_WIRE],
      serviceTags: { custom: OWN_TAGS },
      platform: { profile, defaultRoute: this.#chance(3) },
      ...(profile === 'azure' && this.#chance(2)
        ? { subscription: { type: this.#random.pick(types) } }
        : {}),
    };
  }

  #chance(oneIn: number): boolean {
    return this.#random.below(oneIn) === 0;
  }

  #groupReference(): PlainObject {
    return this.#chance(3) ? {} : { networkSecurityGroup: this.#random.pick(this.#groups) };
  }

  #wire(): PlainObject {
    return this.#options.hasSettings ? { wire: RANDOM_WIRE.name } : {};
  }

  /** Takes every address. */
  #loneInterface(): PlainObject {
    return { name: 'nic-any', ...this.#groupReference(), ...this.#wire() };
  }

  #interfaces(subnets: readonly PlainObject[]): PlainObject[] {
    return Array.from({ length: 1 + this.#random.below(3) }, (_, index) => {
      const subnet = subnets.length === 0 ? undefined : this.#random.pick(subnets);
      const [ipv4, ipv6] =
        subnet === undefined
          ? ['10.0.1.0/24', 'fd00:db8:1::/64']
          : (subnet['addressPrefixes'] as string[]);
      const host = 4 + index;
      const addresses = [
        ...(ipv6 !== undefined && this.#chance(2) ? [ipv6.replace('::/64', `::${host}`)] : []),
        (ipv4 ?? '').replace(/0\/\d+$/, String(host)),
        ...(this.#chance(4) ? [(ipv4 ?? '').replace(/0\/\d+$/, String(host + 10))] : []),
      ];
      return {
        name: `nic-${index}`,
        ...(subnet === undefined ? {} : { subnet: subnet['name'] }),
        addresses,
        ...this.#groupReference(),
        ...(this.#asgs.length > 0 && this.#chance(2)
          ? {
              applicationSecurityGroups: [
                ...new Set([this.#random.pick(this.#asgs), this.#random.pick(this.#asgs)]),
              ],
            }
          : {}),
        ...(this.#chance(4) ? { macAddress: `00-0D-3A-92-6A-0${index}` } : {}),
        ...this.#wire(),
      };
    });
  }

  #group(name: string): PlainObject {
    const priorities = new Set<number>();
    const securityRules = Array.from({ length: this.#random.below(14) }, (_, index) => {
      let priority = 100 + this.#random.below(3997);
      while (priorities.has(priority)) priority = 100 + this.#random.below(3997);
      priorities.add(priority);
      return this.#rule(`Rule${index}`, priority);
    });
    return { name, ...(this.#chance(4) ? { flushConnection: true } : {}), securityRules };
  }

  #rule(name: string, priority: number): PlainObject {
    const direction = this.#random.pick(['Inbound', 'Outbound']);
    const family = this.#random.pick([4, 4, 6] as const);
    const protocol = this.#random.pick(['*', '*', 'Tcp', 'Udp', 'Icmp', 'Esp', 'Ah']);
    const hasPorts = ['*', 'Tcp', 'Udp'].includes(protocol);
    return {
      name,
      ...(this.#chance(5) ? { description: this.#random.pick(['[all]', '${x} %{y} $', 'Über "alle"\n', '[[x]', "it's #1"]) } : {}), // prettier-ignore
      priority,
      direction,
      access: this.#random.pick(['Allow', 'Deny']),
      protocol,
      ...this.#addresses('source', family, false),
      ...this.#ports('source', hasPorts && this.#chance(4)),
      ...this.#addresses('destination', family, direction === 'Outbound'),
      ...this.#ports('destination', hasPorts && !this.#chance(3)),
    };
  }

  #addresses(side: string, family: 4 | 6, mayBePlatform: boolean): PlainObject {
    const one = `${side}AddressPrefix`;
    switch (this.#random.below(6)) {
      case 0:
        return { [one]: '*' };
      case 1: {
        const own = this.#options.hasSettings ? Object.keys(OWN_TAGS) : [];
        const platform = mayBePlatform ? PLATFORM_TAGS : PLATFORM_TAGS.slice(0, 2);
        return { [one]: this.#random.pick([...TAGS, ...TAGS, ...own, ...platform]) };
      }
      case 2:
        if (this.#asgs.length > 0) {
          const asgs = [...new Set([this.#random.pick(this.#asgs), this.#random.pick(this.#asgs)])];
          return { [`${side}ApplicationSecurityGroups`]: asgs };
        }
        return { [one]: '*' };
      case 3: {
        const count = 2 + this.#random.below(6);
        const prefixes = Array.from({ length: count }, () => this.#random.pick(PREFIXES[family]));
        return { [`${one}es`]: [...new Set(prefixes)] };
      }
      default:
        return { [one]: this.#random.pick(PREFIXES[family]) };
    }
  }

  #ports(side: string, isLimited: boolean): PlainObject {
    if (!isLimited) return { [`${side}PortRange`]: '*' };
    if (this.#chance(2)) return { [`${side}PortRange`]: this.#random.pick(PORTS) };
    const count = 2 + this.#random.below(3);
    const ports = Array.from({ length: count }, () => this.#random.pick(PORTS));
    return { [`${side}PortRanges`]: [...new Set(ports)] };
  }
}
