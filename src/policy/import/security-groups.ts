/**
 * Reads the network security groups among found resources, with the rules that stand outside their group.
 *
 * Codes: ParentResourceNotFound, and those of nsg-group.ts.
 */
import type { NetworkSecurityGroup } from '../security-rule.ts';
import { type ChildRule, readGroup } from '../nsg-group.ts';
import { readSecurityRule } from '../nsg-rule.ts';
import { quote } from '../problem.ts';
import {
  type FoundResource,
  isSameResource,
  keyOf,
  keyOfId,
  keyOfNames,
  ResourceType,
} from './resource.ts';

export interface ReadGroup {
  readonly resource: FoundResource;
  readonly group: NetworkSecurityGroup;
}

/** In the order in which they were found. Problems go to the lists of the resources' own files. */
export function readSecurityGroups(resources: readonly FoundResource[]): ReadGroup[] {
  const owners = resources.filter(({ type }) => type === ResourceType.SecurityGroup);
  const children = new Map<FoundResource, ChildRule[]>(owners.map((owner) => [owner, []]));
  for (const rule of resources.filter(({ type }) => type === ResourceType.SecurityRule)) {
    const child = childOf(rule);
    const owner = ownerOf(rule, owners);
    const list = owner && children.get(owner);
    if (list !== undefined && rule.names !== undefined) list.push(child);
    else {
      if (rule.names !== undefined) reportOrphan(rule);
      // Where it belongs is unknown; what else is wrong with it is not.
      readSecurityRule(rule.map, rule.context, child.origin);
    }
  }
  return owners.flatMap((resource) => {
    const group = readGroup(resource.map, resource.context, children.get(resource));
    return group === undefined ? [] : [{ resource, group }];
  });
}

function childOf(rule: FoundResource): ChildRule {
  const text = rule.names?.at(-1) ?? 'unknown';
  return { node: rule.map, context: rule.context, origin: { name: { text, at: rule.at } } };
}

function ownerOf(rule: FoundResource, owners: readonly FoundResource[]): FoundResource | undefined {
  const groupId = rule.id?.replace(/\/securityRules\/[^/]*$/i, '');
  const key =
    groupId?.includes('/providers/') === true
      ? keyOfId(groupId)
      : keyOfNames(ResourceType.SecurityGroup, rule.names ?? []);
  return owners.find((owner) => {
    const ownKey = keyOf(owner);
    return ownKey !== undefined && isSameResource(ownKey, key);
  });
}

function reportOrphan({ names = [], at, context }: FoundResource): void {
  const message =
    `the rule ${quote(names[1] ?? '')} belongs to the network security group ${quote(names[0] ?? '')}, ` +
    'which is not in the files';
  context.problems.error(at, 'ParentResourceNotFound', message);
}
