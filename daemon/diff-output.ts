/**
 * How a diff is shown: a table with names in place of what they stand for, or JSON with every prefix.
 */
import { isEmpty } from '../src/engine/address-set.ts';
import { formatAddressSet } from '../src/policy/address.ts';
import type { AddressNames } from '../src/policy/address-names.ts';
import type { Change, Decision, NicDiff, PolicyDiff } from '../src/policy/policy-diff.ts';
import {
  addressTexts,
  formatProtocols,
  portTexts,
  protocolTexts,
} from '../src/policy/regions/region.ts';
import type { ServiceTagChange } from '../src/policy/service-tags-diff.ts';
import { print, printTable } from './output.ts';

/** A cell with more items than this is cut: -o json has them all. */
const ITEMS_MAX = 6;

function cell(items: readonly string[]): string {
  if (items.length <= ITEMS_MAX) return items.join(',');
  return `${items.slice(0, ITEMS_MAX).join(',')},... (${items.length})`;
}

function directionName(direction: 0 | 1): 'Inbound' | 'Outbound' {
  return direction === 0 ? 'Inbound' : 'Outbound';
}

function decisionText({ access, ruleName, networkSecurityGroup }: Decision): string {
  if (ruleName === undefined) return `${access} (no group applies)`;
  return networkSecurityGroup === 'platform'
    ? `${access} ${ruleName}`
    : `${access} ${ruleName} (${networkSecurityGroup})`;
}

function changeRow(
  name: string,
  addresses: NicDiff['addresses'],
  change: Change,
  names: AddressNames,
): string[] {
  return [
    name,
    directionName(change.direction),
    formatProtocols(change.protocols),
    cell(names.localTexts(change.local, addresses[change.direction])),
    cell(portTexts(change.localPorts)),
    cell(names.remoteTexts(change.remote, addresses[change.direction])),
    cell(portTexts(change.remotePorts)),
    decisionText(change.before),
    decisionText(change.after),
  ];
}

/** Prints nothing when nothing changes. */
export function printDiff(diff: PolicyDiff, names: AddressNames): void {
  for (const name of diff.removed)
    print(`network interface ${name} is only in the old configuration`);
  for (const name of diff.added)
    print(`network interface ${name} is only in the new configuration`);
  for (const { name, addedAddresses, removedAddresses } of diff.nics) {
    const said = [
      [addedAddresses, 'new'],
      [removedAddresses, 'old'],
    ] as const;
    for (const [addresses, which] of said) {
      if (isEmpty(addresses)) continue;
      const texts = cell(addressTexts(addresses));
      print(`network interface ${name} has ${texts} only in the ${which} configuration`);
    }
  }
  const rows = diff.nics.flatMap(({ name, addresses, changes }) =>
    changes.map((change) => changeRow(name, addresses, change, names)),
  );
  if (rows.length === 0) return;
  printTable(
    [
      'nic',
      'direction',
      'protocol',
      'local',
      'local ports',
      'remote',
      'remote ports',
      'before',
      'after',
    ],
    rows,
  );
}

/** The plain fields of a decision: what `verify` calls them. */
function decisionJson({ access, ruleName, networkSecurityGroup, priority }: Decision): unknown {
  return {
    access,
    ruleName: ruleName ?? null,
    networkSecurityGroup: networkSecurityGroup ?? null,
    priority: priority ?? null,
  };
}

export function diffJson({ added, removed, nics }: PolicyDiff): Readonly<Record<string, unknown>> {
  return {
    added,
    removed,
    networkInterfaces: nics.map(({ name, addedAddresses, removedAddresses, changes }) => ({
      name,
      addedAddresses: addressTexts(addedAddresses),
      removedAddresses: addressTexts(removedAddresses),
      changes: changes.map((change) => ({
        direction: directionName(change.direction),
        protocols: protocolTexts(change.protocols),
        localAddressPrefixes: formatAddressSet(change.local),
        localPortRanges: portTexts(change.localPorts),
        remoteAddressPrefixes: formatAddressSet(change.remote),
        remotePortRanges: portTexts(change.remotePorts),
        before: decisionJson(change.before),
        after: decisionJson(change.after),
      })),
    })),
  };
}

export function printTagChanges(changes: readonly ServiceTagChange[]): void {
  if (changes.length === 0) return;
  printTable(
    ['service tag', 'change', 'gained', 'lost'],
    changes.map(({ name, kind, gained, lost }) => [
      name,
      kind,
      cell(formatAddressSet(gained)) || '-',
      cell(formatAddressSet(lost)) || '-',
    ]),
  );
}

export function tagChangeJson({ name, kind, gained, lost }: ServiceTagChange): unknown {
  return {
    name,
    change: kind,
    gained: formatAddressSet(gained),
    lost: formatAddressSet(lost),
  };
}
