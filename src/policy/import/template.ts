/**
 * Finds the resources of ARM templates, hand-written or built from Bicep: in lists and by symbolic name, within other
 * resources, in loops, and in nested deployments.
 *
 * Codes: TemplateValueUnknown, InvalidResourceName, LinkedTemplateNotRead, UnsupportedResource, InvalidValue.
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import { nameKey } from '../names.ts';
import { reportType } from '../nsg-fields.ts';
import { quote } from '../problem.ts';
import {
  type Findings,
  type FoundResource,
  isResourceType,
  keyOfId,
  lossOf,
  keyOfNames,
  passOver,
} from './resource.ts';
import type { ReferenceReader } from './template-names.ts';
import { TemplateScope } from './template-scope.ts';
import {
  entryOfAnyCase,
  isNull,
  mapNode,
  scalarNode,
  textAt,
  Unknowable,
  valueOf,
} from './template-values.ts';

const DEPLOYMENT_TYPE = 'microsoft.resources/deployments';
const NETWORK_TYPE = 'microsoft.network/virtualnetworks';

/** Sets the parameters of a template that it does not set itself; those of a parameters file. */
export type ParameterSetter = (scope: TemplateScope) => void;

/** The resource around, when one stands within another. */
interface Parent {
  readonly type: string;
  readonly names: readonly string[] | undefined;
}

/** The resources of a template with its own parameters and variables. */
export function findInTemplate(
  template: MapNode,
  outer: TemplateScope,
  findings: Findings,
  setParameters?: ParameterSetter,
): void {
  const scope = new TemplateScope(outer.problems, outer);
  scope.declare(template);
  setParameters?.(scope);
  findInResources(template, scope, findings);
}

/** One resource, with those within it, that stands alone. */
export function findTemplateResource(
  resource: MapNode,
  scope: TemplateScope,
  findings: Findings,
): void {
  findOne(resource, scope, findings, undefined);
}

/** The resources of a template, evaluated in `scope`. */
function findInResources(template: DocumentNode, scope: TemplateScope, findings: Findings): void {
  const resources = valueOf(template, 'resources');
  scope.setReferences(referenceReader(resources, scope));
  findAmong(resources, scope, findings);
}

/** Follows references among the resources of one template, each once: they may refer to each other in long chains. */
function referenceReader(
  resources: DocumentNode | undefined,
  scope: TemplateScope,
): ReferenceReader {
  const values = new Map<string, DocumentNode | undefined>();
  return (name, isFull, origin) => {
    const key = `${isFull ? 'full ' : ''}${name}`;
    if (!values.has(key)) {
      const found = resources && findReferenced(resources, name, scope);
      values.set(key, found && referenceValue(found, isFull, origin));
    }
    return values.get(key);
  };
}

/** In `resources`: a list, or a map by symbolic name as newer Bicep makes it. */
function findAmong(
  resources: DocumentNode | undefined,
  scope: TemplateScope,
  findings: Findings,
  parent?: Parent,
): void {
  const node = resources && scope.resolve(resources);
  if (node === undefined || isNull(node)) return;
  if (node.kind === 'scalar') {
    reportType(node, 'resources', 'a list', scope);
    return;
  }
  const items = node.kind === 'list' ? node.items : node.entries.map((entry) => entry.value);
  for (const item of items) if (item.kind === 'map') findOne(item, scope, findings, parent);
}

function findOne(
  resource: MapNode,
  scope: TemplateScope,
  findings: Findings,
  parent: Parent | undefined,
): void {
  const type = typeOf(resource, parent);
  const loss = lossOf(type, findings);
  if (type !== DEPLOYMENT_TYPE && !findings.wanted.has(type) && loss === undefined) {
    const children = valueOf(resource, 'resources');
    if (type !== '') passOver(findings, textAt(resource, 'type') ?? type);
    if (children !== undefined) findAmong(children, scope, findings, { type, names: undefined });
    return;
  }
  for (const iteration of iterationsOf(resource, scope)) {
    if (!isDeployed(resource, iteration)) continue;
    if (loss !== undefined) {
      const at = valueOf(resource, 'type')?.at ?? resource.at;
      scope.problems.warning(at, 'UnsupportedResource', loss);
    } else if (type === DEPLOYMENT_TYPE) findInDeployment(resource, iteration, findings);
    else findResource(resource, iteration, findings, parent);
  }
}

function findResource(
  map: MapNode,
  scope: TemplateScope,
  findings: Findings,
  parent: Parent | undefined,
): void {
  const type = typeOf(map, parent);
  if (!isResourceType(type)) return;
  const names = namesOf(map, type, scope, parent);
  const at = valueOf(map, 'name')?.at ?? map.at;
  const found: FoundResource = {
    type,
    map,
    context: scope,
    names,
    at,
    id: undefined,
    label: undefined,
  };
  findings.resources.push(found);
  findAmong(valueOf(map, 'resources'), scope, findings, { type, names });
}

/** In lower case. The type of a resource within another one may be given without the outer one's. */
function typeOf(resource: MapNode, parent: Parent | undefined): string {
  // Bicep's symbolic form has the version behind it: `Microsoft.Network/virtualNetworks@2023-09-01`.
  const type = nameKey(textAt(resource, 'type') ?? '').replace(/@.*$/, '');
  return parent !== undefined && type !== '' && !type.includes('/')
    ? `${parent.type}/${type}`
    : type;
}

/** One scope for each time the resource is deployed. A loop that cannot be known is reported, and goes round once. */
function iterationsOf(resource: MapNode, scope: TemplateScope): TemplateScope[] {
  const copy = entryOfAnyCase(resource, 'copy');
  if (copy?.value.kind !== 'map') return [scope];
  const name = textAt(copy.value, 'name') ?? '';
  try {
    const count = scope.loopCount(copy.value);
    return Array.from({ length: count }, (_, index) => scope.inIteration(name, index));
  } catch (error) {
    if (!(error instanceof Unknowable)) throw error;
    const message = `the copy loop cannot be known offline: ${error.message}`;
    scope.reportUnknown(copy.keyAt, copy.value.path, message);
    return [scope.inIteration(name, 0)];
  }
}

/** False for a reference to something that exists and for a condition that is false. */
function isDeployed(resource: MapNode, scope: TemplateScope): boolean {
  const existing = valueOf(resource, 'existing');
  if (existing?.kind === 'scalar' && existing.value === true) return false;
  const source = valueOf(resource, 'condition');
  const condition = source && scope.resolve(source);
  if (condition?.kind !== 'scalar') return true;
  return nameKey(condition.text) !== 'false';
}

/** Names from the outermost resource to this one; undefined, and reported, when they cannot be known or do not fit. */
function namesOf(
  resource: MapNode,
  type: string,
  scope: TemplateScope,
  parent: Parent | undefined,
): readonly string[] | undefined {
  const source = valueOf(resource, 'name');
  const node = source && scope.resolve(source);
  if (node?.kind !== 'scalar' || isNull(node)) return undefined;
  const own = node.text.split('/');
  const count = type.split('/').length - 1;
  if (own.length === count) return own;
  if (parent !== undefined && own.length === 1) return parent.names && [...parent.names, ...own];
  const isRule = type.endsWith('/securityrules');
  const what = isRule ? 'a rule outside its group' : 'a resource outside the one it belongs to';
  const form = isRule ? 'GROUP/RULE' : 'OUTER/INNER';
  // A name that is wrong in itself is reported by whoever reads the resource.
  if (count > 1) {
    const message = `the name of ${what} is ${quote(form)}, not ${quote(node.text)}`;
    scope.problems.error(node.at, 'InvalidResourceName', message);
  }
  return undefined;
}

/** The template of a deployment and its scope, which is the outer one unless it says `inner` (as a module's does). */
function deploymentOf(
  resource: MapNode,
  outer: TemplateScope,
): { readonly template: DocumentNode; readonly scope: TemplateScope } | undefined {
  const properties = valueOf(resource, 'properties');
  const template = valueOf(properties, 'template');
  if (properties === undefined || template === undefined) return undefined;
  const options = valueOf(properties, 'expressionEvaluationOptions');
  if (nameKey(textAt(options, 'scope') ?? '') !== 'inner') return { template, scope: outer };
  const scope = new TemplateScope(outer.problems, outer);
  scope.declare(template);
  const parameters = valueOf(properties, 'parameters');
  for (const { key, value } of parameters?.kind === 'map' ? parameters.entries : []) {
    const passed = valueOf(value, 'value');
    if (passed !== undefined) scope.pass(key, passed, outer);
  }
  return { template, scope };
}

function findInDeployment(resource: MapNode, outer: TemplateScope, findings: Findings): void {
  const deployment = deploymentOf(resource, outer);
  if (deployment !== undefined) {
    const { template, scope } = deployment;
    if (scope === outer) findAmong(valueOf(template, 'resources'), outer, findings);
    else findInResources(template, scope, findings);
    return;
  }
  const link = valueOf(valueOf(resource, 'properties'), 'templateLink');
  if (link === undefined) return;
  const message = 'a linked template is in another place: import the file that it names as well';
  outer.problems.warning(link.at, 'LinkedTemplateNotRead', message);
}

/** A resource that an expression refers to, in the scope of its own iteration. */
interface Referenced {
  readonly map: MapNode;
  readonly scope: TemplateScope;
  readonly type: string;
}

/** By symbolic name (`nsg`, in a loop `nsg[1]`), by name, or by resource id. */
function findReferenced(
  resources: DocumentNode,
  name: string,
  scope: TemplateScope,
): Referenced | undefined {
  const [, symbol = name, index] = /^(.*)\[(\d{1,3})\]$/.exec(name) ?? [];
  if (resources.kind === 'map') {
    const map = valueOf(resources, symbol);
    if (map?.kind !== 'map') return undefined;
    const loop = textAt(valueOf(map, 'copy'), 'name') ?? '';
    const own = index === undefined ? scope : scope.inIteration(loop, Number(index));
    return { map, scope: own, type: typeOf(map, undefined) };
  }
  if (resources.kind !== 'list') return undefined;
  const { path } = keyOfId(name);
  for (const map of resources.items) {
    if (map.kind !== 'map') continue;
    const type = typeOf(map, undefined);
    const source = valueOf(map, 'name');
    // Most names do not need evaluation to be seen to be others.
    if (source === undefined || (name.includes('/') && !path.startsWith(type))) continue;
    for (const own of iterationsOf(map, scope)) {
      const text = evaluatedName(source, own);
      if (text === undefined) continue;
      if (nameKey(text) === nameKey(name) || keyOfNames(type, text.split('/')).path === path) {
        return { map, scope: own, type };
      }
    }
  }
  return undefined;
}

function evaluatedName(source: DocumentNode, scope: TemplateScope): string | undefined {
  const node = scope.evaluateParts(source);
  return node.kind === 'scalar' ? node.text : undefined;
}

/** What Azure answers about a resource, as far as the template says it. */
function referenceValue(
  { map, scope, type }: Referenced,
  isFull: boolean,
  origin: DocumentNode,
): DocumentNode {
  if (type === DEPLOYMENT_TYPE) return deploymentOutputs(map, scope, origin);
  const name = evaluatedName(valueOf(map, 'name') ?? origin, scope) ?? '';
  const id = `/providers/${idPath(type, name)}`;
  const source = valueOf(map, 'properties');
  let properties = source === undefined ? mapNode([], origin) : scope.evaluateParts(source);
  if (type === NETWORK_TYPE) properties = withSubnetIds(properties, id, origin);
  if (!isFull) return properties;
  return mapNode(
    [
      ['id', scalarNode(id, origin)],
      ['name', scalarNode(name, origin)],
      ['properties', properties],
    ],
    origin,
  );
}

function idPath(type: string, name: string): string {
  const names = name.split('/');
  const [provider = '', ...types] = type.split('/');
  return [provider, ...types.flatMap((part, index) => [part, names[index] ?? ''])].join('/');
}

/** Azure gives each subnet its id, which templates use: `reference('vnet').subnets[0].id`. */
function withSubnetIds(properties: DocumentNode, id: string, origin: DocumentNode): DocumentNode {
  if (properties.kind !== 'map') return properties;
  const entries = properties.entries.map((entry) => {
    if (nameKey(entry.key) !== 'subnets' || entry.value.kind !== 'list') return entry;
    const items = entry.value.items.map((subnet) => {
      const name = textAt(subnet, 'name');
      if (subnet.kind !== 'map' || name === undefined) return subnet;
      const value = scalarNode(`${id}/subnets/${name}`, origin);
      return { ...subnet, entries: [...subnet.entries, { key: 'id', keyAt: subnet.at, value }] };
    });
    return { ...entry, value: { ...entry.value, items } };
  });
  return { ...properties, entries };
}

/** `{ outputs: { name: { value } } }` */
function deploymentOutputs(map: MapNode, outer: TemplateScope, origin: DocumentNode): DocumentNode {
  const deployment = deploymentOf(map, outer);
  const outputs = deployment && valueOf(deployment.template, 'outputs');
  if (deployment === undefined || outputs === undefined) return mapNode([], origin);
  const { template, scope } = deployment;
  const resources = valueOf(template, 'resources');
  if (scope !== outer) scope.setReferences(referenceReader(resources, scope));
  return mapNode([['outputs', scope.evaluateParts(outputs)]], origin);
}
