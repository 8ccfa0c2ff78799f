/**
 * Finds the resources of Terraform's JSON and gives them Azure's shape: `terraform show -json` of a plan or a state,
 * and configurations in JSON (`*.tf.json`).
 *
 * Provider documentation: registry.terraform.io/providers/hashicorp/azurerm. Codes: TerraformValueUnknown,
 * RouteTableNotRead (a warning).
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import type { ProblemList } from '../problem.ts';
import { TAG_FLUSH } from '../export/azure-tags.ts';
import { type Findings, passOver, ResourceType } from './resource.ts';
import { nameAttributes, type TerraformBlock, type TerraformResource } from './terraform-block.ts';
import { configurationResources } from './terraform-configuration.ts';
import { plannedResources } from './terraform-plan.ts';
import { mapNode, scalarNode, valueOf } from './template-values.ts';

/** Goes by what only Terraform's files have at their top, or by the name. */
export function isTerraform(root: MapNode, fileName: string): boolean {
  if (/\.tf\.json$/i.test(fileName)) return true;
  const hasState = valueOf(valueOf(root, 'values'), 'root_module') !== undefined;
  return hasState || ['planned_values', 'terraform_version'].some((key) => valueOf(root, key));
}

/** Azure types of Terraform's, and how their properties are made. */
const SHAPES: ReadonlyMap<
  string,
  { readonly type: ResourceType; readonly shape: (block: TerraformBlock) => Properties }
> = new Map([
  ['azurerm_network_security_group', { type: ResourceType.SecurityGroup, shape: groupShape }],
  ['azurerm_network_security_rule', { type: ResourceType.SecurityRule, shape: ruleShape }],
  ['azurerm_virtual_network', { type: ResourceType.VirtualNetwork, shape: networkShape }],
  ['azurerm_subnet', { type: ResourceType.Subnet, shape: subnetShape }],
  ['azurerm_virtual_network_peering', { type: ResourceType.Peering, shape: peeringShape }],
  ['azurerm_network_interface', { type: ResourceType.NetworkInterface, shape: interfaceShape }],
  [
    'azurerm_application_security_group',
    { type: ResourceType.ApplicationSecurityGroup, shape: () => [] },
  ],
  [
    'azurerm_subnet_network_security_group_association',
    { type: ResourceType.GroupAssociation, shape: groupAssociation('subnet_id') },
  ],
  [
    'azurerm_network_interface_security_group_association',
    { type: ResourceType.GroupAssociation, shape: groupAssociation('network_interface_id') },
  ],
  [
    'azurerm_network_interface_application_security_group_association',
    { type: ResourceType.AsgAssociation, shape: asgAssociation },
  ],
]);

const ROUTES = 'azurerm_subnet_route_table_association';

type Properties = readonly (readonly [key: string, value: DocumentNode | undefined])[];

export function findInTerraform(
  root: MapNode,
  fileName: string,
  problems: ProblemList,
  findings: Findings,
): void {
  const isConfiguration = valueOf(root, 'resource') !== undefined || /\.tf\.json$/i.test(fileName);
  const resources = isConfiguration
    ? configurationResources(root, problems)
    : plannedResources(root, problems);
  for (const resource of resources) {
    const known = SHAPES.get(resource.type);
    if (known !== undefined) findings.resources.push(found(resource, known.type, known.shape));
    else if (resource.type !== ROUTES) passOver(findings, resource.type);
    else {
      const message =
        `${resource.address} gives a subnet a route table, which is not read: a default route turns the rule for ` +
        'Windows licensing off (platform.defaultRoute), and its prefixes belong in connectedAddressSpaces';
      problems.warning(resource.block.at, 'RouteTableNotRead', message);
    }
  }
}

function found(
  resource: TerraformResource,
  type: ResourceType,
  shape: (block: TerraformBlock) => Properties,
): Findings['resources'][number] {
  const { block, names } = resource;
  const name = block.value('name');
  if (names === undefined) reportUnknownNames(resource);
  const map = nodeOf(block, [
    ['name', name],
    ['properties', nodeOf(block, shape(block))],
    ['tags', block.value('tags')],
  ]);
  return {
    type,
    map,
    context: block.context,
    names,
    at: name?.at ?? block.at,
    id: resource.id,
    label: resource.address,
  };
}

/** Nobody else asks for the name of the resource around one. */
function reportUnknownNames({ type, block }: TerraformResource): void {
  for (const attribute of nameAttributes(type)) {
    const value = block.value(attribute);
    if (value !== undefined) block.context.resolve(value);
  }
}

/** A map of what is there. */
function nodeOf(block: TerraformBlock, properties: Properties): MapNode {
  const entries = properties.flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return mapNode(entries, block.origin);
}

function listOf(
  block: TerraformBlock,
  key: string,
  shape: (inner: TerraformBlock) => Properties,
): DocumentNode | undefined {
  const unknown = block.unknownValue(key);
  if (unknown !== undefined) return unknown;
  const items = block.blocks(key).map((inner) => nodeOf(inner, shape(inner)));
  return items.length === 0
    ? undefined
    : { kind: 'list', at: block.at, path: block.origin.path, items };
}

function groupShape(block: TerraformBlock): Properties {
  const rules = listOf(block, 'security_rule', (rule) => [
    ['name', rule.value('name')],
    ['properties', nodeOf(rule, ruleShape(rule))],
  ]);
  return [
    ['securityRules', rules],
    // The provider has no such property: a tag of ours (export/) carries it.
    ['flushConnection', flushTag(block)],
  ];
}

function flushTag(block: TerraformBlock): DocumentNode | undefined {
  const tag = valueOf(block.value('tags'), TAG_FLUSH);
  return tag?.kind === 'scalar' && tag.text === 'true' ? scalarNode(true, tag) : undefined;
}

function ruleShape(rule: TerraformBlock): Properties {
  const plain = ['description', 'priority', 'direction', 'access', 'protocol'];
  const sides = (['source', 'destination'] as const).flatMap((side): Properties => [
    [`${side}AddressPrefix`, rule.value(`${side}_address_prefix`)],
    [`${side}AddressPrefixes`, rule.value(`${side}_address_prefixes`)],
    [`${side}ApplicationSecurityGroups`, rule.references(`${side}_application_security_group_ids`)],
    [`${side}PortRange`, rule.value(`${side}_port_range`)],
    [`${side}PortRanges`, rule.value(`${side}_port_ranges`)],
  ]);
  return [...plain.map((key) => [key, rule.value(key)] as const), ...sides];
}

function networkShape(block: TerraformBlock): Properties {
  // Also set by Azure: unknown means that the network has none of its own.
  const isWritten = !block.isUnknown('subnet');
  const subnets = listOf(block, isWritten ? 'subnet' : '', (subnet) => [
    ['name', subnet.value('name')],
    ['addressPrefix', subnet.value('address_prefix')],
    ['addressPrefixes', subnet.value('address_prefixes')],
    ['networkSecurityGroup', subnet.reference('security_group')],
  ]);
  return [
    ['addressPrefixes', block.value('address_space')],
    ['flowTimeoutInMinutes', block.value('flow_timeout_in_minutes')],
    ['subnets', subnets],
  ];
}

function subnetShape(block: TerraformBlock): Properties {
  return [
    ['addressPrefixes', block.value('address_prefixes')],
    // Of the data source.
    ['networkSecurityGroup', block.reference('network_security_group_id')],
  ];
}

function peeringShape(block: TerraformBlock): Properties {
  return [
    ['remoteVirtualNetwork', block.reference('remote_virtual_network_id')],
    ['allowVirtualNetworkAccess', block.value('allow_virtual_network_access')],
  ];
}

function interfaceShape(block: TerraformBlock): Properties {
  const configurations = listOf(block, 'ip_configuration', (inner) => [
    ['name', inner.value('name')],
    ['subnet', inner.reference('subnet_id')],
    // Before it is deployed, an address that Azure assigns is unknown, as in a template.
    ['privateIPAddress', inner.isUnknown('private_ip_address') ? undefined : inner.value('private_ip_address')], // prettier-ignore
  ]);
  return [
    ['ipConfigurations', configurations],
    ['macAddress', block.isUnknown('mac_address') ? undefined : block.value('mac_address')],
  ];
}

function groupAssociation(target: string): (block: TerraformBlock) => Properties {
  return (block) => [
    ['target', block.reference(target)],
    ['networkSecurityGroup', block.reference('network_security_group_id')],
  ];
}

function asgAssociation(block: TerraformBlock): Properties {
  return [
    ['target', block.reference('network_interface_id')],
    ['applicationSecurityGroup', block.reference('application_security_group_id')],
  ];
}
