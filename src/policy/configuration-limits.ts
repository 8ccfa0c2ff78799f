/**
 * Limits of a subscription and of a virtual network that no single object breaks (Azure page "Azure subscription limits,
 * Networking"). Warnings: nsgd can hold more, and a file may put together what several subscriptions have.
 */
import type { AddressSet } from '../engine/address-set.ts';
import type { Configuration } from './configuration.ts';
import type { ConfigurationReader } from './configuration-reader.ts';
import type { DocumentPath } from './document.ts';
import { nameKey } from './names.ts';
import { quote } from './problem.ts';

/** Network security groups in one region of a subscription. */
const GROUPS_MAX = 5000;
/** Application security groups in one region of a subscription. */
const ASGS_MAX = 3000;
/** IP configurations in one application security group; an interface has one for each address. */
const ADDRESSES_PER_ASG_MAX = 4000;
/** Private addresses of network interfaces in one virtual network. */
const ADDRESSES_PER_NETWORK_MAX = 65_536;

/** Single addresses: an interface has no others. */
function addressCount({ ipv4, ipv6 }: AddressSet): number {
  const counts = [
    ...ipv4.map(([low, high]) => high - low + 1),
    ...ipv6.map(([low, high]) => Number(high - low) + 1),
  ];
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Addresses by application security group, compared without case. */
function addressesOfGroups({ networkInterfaces }: Configuration): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { addresses, applicationSecurityGroups } of networkInterfaces) {
    for (const group of applicationSecurityGroups) {
      const key = nameKey(group);
      counts.set(key, (counts.get(key) ?? 0) + addressCount(addresses));
    }
  }
  return counts;
}

/** Warns of every limit that the configuration as a whole is over, where what is counted begins. */
export function checkLimits(reader: ConfigurationReader, configuration: Configuration): void {
  const { networkSecurityGroups, applicationSecurityGroups, networkInterfaces } = configuration;
  const check = (path: DocumentPath, count: number, max: number, what: string): void => {
    if (count > max) {
      reader.warning(path, 'SubscriptionLimitReached', `Azure allows ${max} ${what}, not ${count}`);
    }
  };
  check(
    ['networkSecurityGroups'],
    networkSecurityGroups.length,
    GROUPS_MAX,
    'network security groups in a region of a subscription',
  );
  check(
    ['applicationSecurityGroups'],
    applicationSecurityGroups.length,
    ASGS_MAX,
    'application security groups in a region of a subscription',
  );
  const counts = addressesOfGroups(configuration);
  for (const [index, name] of applicationSecurityGroups.entries()) {
    check(
      ['applicationSecurityGroups', index, 'name'],
      counts.get(nameKey(name)) ?? 0,
      ADDRESSES_PER_ASG_MAX,
      `addresses in the application security group ${quote(name)}`,
    );
  }
  const addresses = networkInterfaces.map((nic) => addressCount(nic.addresses));
  check(
    ['networkInterfaces'],
    addresses.reduce((sum, count) => sum + count, 0),
    ADDRESSES_PER_NETWORK_MAX,
    'private addresses in a virtual network',
  );
}
