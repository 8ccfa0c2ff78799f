/**
 * Resources as they are found in the files of a deployment, whatever wrote them: an ARM template, the REST API, `az`
 * or Terraform. All of them are in Azure's shape (flat or with `properties`), so that one reader reads them.
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import { isAbsent, type ReadContext } from '../nsg-fields.ts';
import type { Position } from '../problem.ts';
import { valueOf } from './template-values.ts';

const NETWORK = 'microsoft.network';

/** The types that are read, in lower case. The two associations are Terraform's and building blocks' own. */
export const ResourceType = Object.freeze({
  SecurityGroup: `${NETWORK}/networksecuritygroups`,
  SecurityRule: `${NETWORK}/networksecuritygroups/securityrules`,
  VirtualNetwork: `${NETWORK}/virtualnetworks`,
  Subnet: `${NETWORK}/virtualnetworks/subnets`,
  Peering: `${NETWORK}/virtualnetworks/virtualnetworkpeerings`,
  NetworkInterface: `${NETWORK}/networkinterfaces`,
  ApplicationSecurityGroup: `${NETWORK}/applicationsecuritygroups`,
  /** `{ target: { id }, networkSecurityGroup: { id } }`: the group of a subnet or network interface. */
  GroupAssociation: 'association/networksecuritygroup',
  /** `{ target: { id }, applicationSecurityGroup: { id } }`: a group that a network interface is in. */
  AsgAssociation: 'association/applicationsecuritygroup',
} as const);
export type ResourceType = (typeof ResourceType)[keyof typeof ResourceType];

const TYPES: ReadonlySet<string> = new Set(Object.values(ResourceType));

/** Types that decide on traffic too, and that nsgd has nothing for; in lower case, with what is lost. */
const UNSUPPORTED_TYPES: ReadonlyMap<string, string> = new Map([
  [
    `${NETWORK}/networkmanagers/securityadminconfigurations/rulecollections/rules`,
    'security admin rules come before all security groups, and nsgd has none',
  ],
  [
    `${NETWORK}/networksecuritygroups/defaultsecurityrules`,
    'default rules cannot be changed; write a rule with a priority of at most 4096',
  ],
  [
    'microsoft.compute/virtualmachinescalesets',
    'the network interfaces of a scale set are not read; add them under networkInterfaces',
  ],
]);

export function isResourceType(type: string): type is ResourceType {
  return TYPES.has(type);
}

export interface FoundResource {
  readonly type: ResourceType;
  readonly map: MapNode;
  readonly context: ReadContext;
  /** From the outermost resource to this one; undefined when they cannot be known (reported) or are missing. */
  readonly names: readonly string[] | undefined;
  /** Where its name stands, else where it does. */
  readonly at: Position;
  /** The resource id, where the file gives one. */
  readonly id: string | undefined;
  /** How its file calls it, beside the place: its id, or its address in Terraform. */
  readonly label: string | undefined;
}

/** What one or more files hold. */
export interface Findings {
  /** Types that are looked for: of others not even the name is evaluated. */
  readonly wanted: ReadonlySet<string>;
  readonly resources: FoundResource[];
  /** Types of resources that were passed over, in the file's spelling, and how many there are of each. */
  readonly passedOver: Map<string, number>;
}

export function newFindings(wanted: ReadonlySet<string> = TYPES): Findings {
  return { wanted, resources: [], passedOver: new Map() };
}

/** Why a resource of this type matters although nsgd has nothing for it; undefined for all others. */
export function lossOf(type: string, { wanted }: Findings): string | undefined {
  return wanted === TYPES ? UNSUPPORTED_TYPES.get(type) : undefined;
}

export function passOver(findings: Findings, type: string): void {
  findings.passedOver.set(type, (findings.passedOver.get(type) ?? 0) + 1);
}

/** What tells a resource from all others, as far as a file says it; all in lower case. */
export interface ResourceKey {
  readonly subscription: string | undefined;
  readonly resourceGroup: string | undefined;
  /** `microsoft.network/virtualnetworks/vnet1/subnets/a` */
  readonly path: string;
}

/** A resource id, which may lack what stands before `/providers/`. */
export function keyOfId(id: string): ResourceKey {
  const key = id.toLowerCase();
  const at = key.lastIndexOf('/providers/');
  const scope = at === -1 ? '' : key.slice(0, at);
  return {
    subscription: /\/subscriptions\/([^/]+)/.exec(scope)?.[1],
    resourceGroup: /\/resourcegroups\/([^/]+)/.exec(scope)?.[1],
    path: at === -1 ? key : key.slice(at + '/providers/'.length),
  };
}

/** The same from a type and the names of the resource and those around it. */
export function keyOfNames(type: string, names: readonly string[]): ResourceKey {
  const [provider = '', ...types] = type.split('/');
  const segments = types.flatMap((part, index) => [part, names[index] ?? '']);
  const path = [provider, ...segments].join('/').toLowerCase();
  return { subscription: undefined, resourceGroup: undefined, path };
}

/** Undefined for a resource whose name cannot be known. */
export function keyOf(resource: FoundResource): ResourceKey | undefined {
  if (resource.id?.includes('/providers/') === true) return keyOfId(resource.id);
  return resource.names && keyOfNames(resource.type, resource.names);
}

function agree(one: string | undefined, other: string | undefined): boolean {
  return one === undefined || other === undefined || one === other;
}

/** True when two keys may be of one resource: what only one of them says does not tell them apart. */
export function isSameResource(a: ResourceKey, b: ResourceKey): boolean {
  return (
    a.path === b.path &&
    agree(a.resourceGroup, b.resourceGroup) &&
    agree(a.subscription, b.subscription)
  );
}

/** A reference to another resource, `{ id }`. */
export interface Reference {
  readonly id: string;
  readonly at: Position;
}

/** The reference in a field; undefined when there is none, or it cannot be known (reported). */
export function referenceOf(
  node: DocumentNode | undefined,
  context: ReadContext,
): Reference | undefined {
  const target = node && context.resolve(node);
  if (target === undefined || isAbsent(target)) return undefined;
  const source = target.kind === 'map' ? valueOf(target, 'id') : target;
  const id = source && context.resolve(source);
  if (id?.kind !== 'scalar' || typeof id.value !== 'string' || id.value === '') return undefined;
  return { id: id.value, at: id.at };
}
