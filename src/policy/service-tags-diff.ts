/**
 * What two service tag files say differently: tags that only one of them has, and the addresses that a tag gained or
 * lost. Prefixes that are written otherwise and mean the same are no difference.
 */
import { type AddressSet, isEmpty, NO_ADDRESS, subtract } from '../engine/address-set.ts';
import { nameKey } from './names.ts';
import type { Problem } from './problem.ts';
import type { ServiceTagFile, TagAddresses } from './service-tags-file.ts';

export interface ServiceTagChange {
  /** As the newer file that has it spells it. */
  readonly name: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly gained: AddressSet;
  readonly lost: AddressSet;
}

export type ServiceTagsDiff =
  | { readonly ok: true; readonly changes: readonly ServiceTagChange[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

function addressesOf(tag: TagAddresses | undefined, problems: Problem[]): AddressSet {
  if (tag === undefined) return NO_ADDRESS;
  if (tag.ok) return tag.addresses;
  problems.push(...tag.problems);
  return NO_ADDRESS;
}

/** In the order of names. */
export function diffServiceTags(old: ServiceTagFile, current: ServiceTagFile): ServiceTagsDiff {
  const names = new Map([...old.names, ...current.names].map((name) => [nameKey(name), name]));
  const problems: Problem[] = [];
  const changes = [...names.values()].flatMap((name): ServiceTagChange[] => {
    const before = addressesOf(old.find(name), problems);
    const after = addressesOf(current.find(name), problems);
    const gained = subtract(after, before);
    const lost = subtract(before, after);
    const kind = !old.has(name) ? 'added' : !current.has(name) ? 'removed' : 'changed';
    if (kind === 'changed' && isEmpty(gained) && isEmpty(lost)) return [];
    return [{ name, kind, gained, lost }];
  });
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    changes: changes.toSorted((a, b) => (nameKey(a.name) < nameKey(b.name) ? -1 : 1)),
  };
}
