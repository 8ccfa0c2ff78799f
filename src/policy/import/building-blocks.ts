/**
 * Finds the resources of `mspnp/template-building-blocks`: flat networks and groups, and templates within.
 */
import type { DocumentNode } from '../document-node.ts';
import { nameKey } from '../names.ts';
import { type Findings, passOver, ResourceType } from './resource.ts';
import { findInTemplate } from './template.ts';
import type { TemplateScope } from './template-scope.ts';
import { mapNode, scalarNode, textAt, valueOf } from './template-values.ts';

const FLAT_TYPES: ReadonlyMap<string, ResourceType> = new Map([
  ['networksecuritygroup', ResourceType.SecurityGroup],
  ['virtualnetwork', ResourceType.VirtualNetwork],
]);

export function findInBuildingBlocks(
  blocks: readonly DocumentNode[],
  scope: TemplateScope,
  findings: Findings,
): void {
  for (const block of blocks) {
    const kind = nameKey(textAt(block, 'type') ?? '');
    const settings = valueOf(block, 'settings');
    const type = FLAT_TYPES.get(kind);
    const template = kind === 'template' ? valueOf(settings, 'template') : undefined;
    if (template?.kind === 'map') findInTemplate(template, scope, findings);
    else if (type === undefined) passOver(findings, textAt(block, 'type') ?? 'building block');
    else if (settings !== undefined) {
      for (const item of settings.kind === 'list' ? settings.items : [settings]) {
        findFlat(item, type, scope, findings);
      }
    }
  }
}

function findFlat(
  map: DocumentNode,
  type: ResourceType,
  context: TemplateScope,
  findings: Findings,
): void {
  if (map.kind !== 'map') {
    findings.resources.push({
      type,
      map: mapNode([], map),
      context,
      names: undefined,
      at: map.at,
      id: undefined,
      label: undefined,
    });
    return;
  }
  const name = textAt(map, 'name');
  const at = valueOf(map, 'name')?.at ?? map.at;
  const names = name === undefined ? undefined : [name];
  findings.resources.push({ type, map, context, names, at, id: undefined, label: undefined });
  if (type === ResourceType.SecurityGroup && name !== undefined) {
    findAssociations(map, name, context, findings);
  }
}

/** `virtualNetworks: [{ name, subnets: [name] }]`: the subnets that a group is attached to. */
function findAssociations(
  group: DocumentNode,
  groupName: string,
  context: TemplateScope,
  findings: Findings,
): void {
  const networks = valueOf(group, 'virtualNetworks');
  for (const network of networks?.kind === 'list' ? networks.items : []) {
    const networkName = textAt(network, 'name') ?? '';
    const subnets = valueOf(network, 'subnets');
    for (const subnet of subnets?.kind === 'list' ? subnets.items : []) {
      if (subnet.kind !== 'scalar') continue;
      const target = `/providers/${ResourceType.VirtualNetwork}/${networkName}/subnets/${subnet.text}`;
      const owner = `/providers/${ResourceType.SecurityGroup}/${groupName}`;
      const map = mapNode(
        [
          ['target', scalarNode(target, subnet)],
          ['networkSecurityGroup', scalarNode(owner, subnet)],
        ],
        subnet,
      );
      const { at } = subnet;
      const type = ResourceType.GroupAssociation;
      findings.resources.push({
        type,
        map,
        context,
        names: undefined,
        at,
        id: undefined,
        label: undefined,
      });
    }
  }
}
