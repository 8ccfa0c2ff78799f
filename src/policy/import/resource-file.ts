/**
 * Finds the network resources of one file, by its shape: an ARM template, an answer of the REST API or `az` (one, a list,
 * or `value`), a building block, or Terraform's JSON.
 *
 * Codes: UnsupportedFileFormat, PartialList (a warning), InvalidValue, and those of template.ts and terraform.ts.
 */
import { readDocument } from '../document.ts';
import { describeNode, type DocumentNode, type MapNode } from '../document-node.ts';
import { nameKey } from '../names.ts';
import { isAbsent } from '../nsg-fields.ts';
import type { ProblemList } from '../problem.ts';
import { findInBuildingBlocks } from './building-blocks.ts';
import {
  type Findings,
  type FoundResource,
  isResourceType,
  keyOfId,
  lossOf,
  newFindings,
  passOver,
  ResourceType,
} from './resource.ts';
import { findInTemplate, findTemplateResource, type ParameterSetter } from './template.ts';
import { TemplateScope } from './template-scope.ts';
import { textAt, valueOf } from './template-values.ts';
import { findInTerraform, isTerraform } from './terraform.ts';

export interface FindOptions {
  /** Types in lower case; all that are known when left out. */
  readonly wanted?: ReadonlySet<string>;
  readonly setParameters?: ParameterSetter | undefined;
}

/** The resources of a file's text; those that could be found, when there are problems. Never throws. */
export function findResources(
  text: string,
  fileName: string,
  problems: ProblemList,
  { wanted, setParameters }: FindOptions = {},
): Findings {
  const findings = newFindings(wanted);
  const at = { file: fileName, line: 1, column: 1 };
  const foreign = foreignFormat(text, fileName);
  if (foreign !== undefined) {
    problems.error(at, 'UnsupportedFileFormat', foreign);
    return findings;
  }
  const { document, problems: syntaxProblems } = readDocument(text, fileName);
  problems.addAll(syntaxProblems);
  if (document !== undefined) findInRoot(document.root, problems, findings, setParameters);
  return findings;
}

/** Why the file is in another language, or undefined. */
function foreignFormat(text: string, fileName: string): string | undefined {
  const isData = /^\s*[{[]/.test(text);
  if (/\.bicepparam$/i.test(fileName)) {
    return 'Bicep parameters are not read; build them to JSON and read that: az bicep build-params --file FILE';
  }
  if (
    /\.bicep$/i.test(fileName) ||
    (!isData && /^(?:param|var|resource|targetScope)\b.*=/m.test(text))
  ) {
    return 'Bicep is not read; build it to JSON and read that: az bicep build --file FILE';
  }
  const isSource =
    /\.(?:tf|tfvars)(?:\.txt)?$/i.test(fileName) ||
    (!isData && /^\s*(?:resource|module|data|provider)\s+"[^"]*".*\{\s*$/m.test(text));
  if (isSource) {
    return (
      "Terraform's language is not read; make JSON of a plan or of what is deployed and read that: " +
      'terraform plan -out PLAN, terraform show -json PLAN > plan.json'
    );
  }
  if (
    /\.tfstate$/i.test(fileName) ||
    /^\s*\{\s*"version":\s*\d+,\s*"terraform_version"/.test(text)
  ) {
    return 'a Terraform state is not read as it is; make JSON of it and read that: terraform show -json > state.json';
  }
  return undefined;
}

function findInRoot(
  root: DocumentNode,
  problems: ProblemList,
  findings: Findings,
  setParameters: ParameterSetter | undefined,
): void {
  const scope = new TemplateScope(problems);
  if (root.kind === 'list') return findInList(root.items, scope, findings);
  if (root.kind === 'scalar') {
    const message = `expected a resource such as a network security group, not ${describeNode(root)}`;
    problems.error(root.at, 'InvalidValue', message);
    return undefined;
  }
  if (isTerraform(root, root.at.file))
    return findInTerraform(root, root.at.file, problems, findings);
  if (valueOf(root, 'type') !== undefined) return findInList([root], scope, findings);
  if (valueOf(root, 'resources') !== undefined) {
    return findInTemplate(root, scope, findings, setParameters);
  }
  const blocks = valueOf(valueOf(valueOf(root, 'parameters'), 'buildingBlocks'), 'value');
  if (blocks?.kind === 'list') return findInBuildingBlocks(blocks.items, scope, findings);
  const list = valueOf(root, 'value');
  if (list?.kind !== 'list') return findInList([root], scope, findings);
  warnOfNextLink(root, problems);
  return findInList(list.items, scope, findings);
}

function findInList(
  items: readonly DocumentNode[],
  scope: TemplateScope,
  findings: Findings,
): void {
  const [first] = items;
  if (first !== undefined && isBareRule(first)) {
    const message =
      'these are rules without their network security group; export it whole: az network nsg show -o json';
    scope.problems.error(first.at, 'InvalidValue', message);
    return;
  }
  for (const item of items) {
    const map = scope.resolve(item);
    if (map === undefined) continue;
    if (map.kind === 'map') findWritten(map, scope, findings);
    else {
      const message = `a resource must be a map, not ${describeNode(map)}`;
      scope.problems.error(map.at, 'InvalidValue', message);
    }
  }
}

/** A resource as Azure answers it. */
function findWritten(map: MapNode, scope: TemplateScope, findings: Findings): void {
  if (['apiVersion', 'resources'].some((key) => valueOf(map, key) !== undefined)) {
    findTemplateResource(map, scope, findings);
    return;
  }
  const written = textAt(map, 'type');
  const type = typeOfWritten(map, written);
  const loss = lossOf(type, findings);
  if (loss !== undefined) {
    scope.problems.warning(valueOf(map, 'type')?.at ?? map.at, 'UnsupportedResource', loss);
  } else if (isResourceType(type)) {
    findings.resources.push(writtenResource(map, type, scope));
  } else passOver(findings, written ?? type);
}

function writtenResource(map: MapNode, type: ResourceType, context: TemplateScope): FoundResource {
  const id = textAt(map, 'id');
  const name = textAt(map, 'name');
  const names = id?.includes('/providers/') === true ? namesOfId(id) : name?.split('/');
  const isWhole = names?.length === type.split('/').length - 1;
  if (!isWhole && type.split('/').length > 2) {
    const message =
      'without its id nobody can tell which resource it belongs to; export it with the id';
    context.problems.error(map.at, 'MissingProperty', message);
  }
  const at = valueOf(map, 'name')?.at ?? map.at;
  return { type, map, context, names: isWhole ? names : undefined, at, id, label: id };
}

/** Every second segment behind the provider. */
function namesOfId(id: string): string[] {
  const segments = id.slice(id.toLowerCase().lastIndexOf('/providers/')).split('/').slice(3);
  return segments.filter((_, index) => index % 2 === 1);
}

/** By its type, its id, or else by the properties that only one type has. In lower case. */
function typeOfWritten(map: MapNode, written: string | undefined): string {
  if (written !== undefined) return nameKey(written);
  const id = textAt(map, 'id');
  if (id?.includes('/providers/') === true) {
    const [provider = '', ...segments] = keyOfId(id).path.split('/');
    return [provider, ...segments.filter((_, index) => index % 2 === 0)].join('/');
  }
  const inner = valueOf(map, 'properties') ?? map;
  if (valueOf(inner, 'addressSpace') !== undefined) return ResourceType.VirtualNetwork;
  const hasRules = ['securityRules', 'defaultSecurityRules'].some(
    (key) => valueOf(inner, key) !== undefined,
  );
  const isInterface = valueOf(inner, 'ipConfigurations') !== undefined && !hasRules;
  return isInterface && valueOf(inner, 'addressPrefix') === undefined
    ? ResourceType.NetworkInterface
    : ResourceType.SecurityGroup;
}

/** True for what `az network nsg rule list` prints, without the ids that would tell the group. */
function isBareRule(node: DocumentNode): boolean {
  const inner = valueOf(node, 'properties') ?? node;
  const isRule =
    valueOf(inner, 'priority') !== undefined && valueOf(inner, 'direction') !== undefined;
  return isRule && valueOf(node, 'id') === undefined;
}

function warnOfNextLink(root: MapNode, problems: ProblemList): void {
  const next = valueOf(root, 'nextLink');
  if (next === undefined || isAbsent(next)) return;
  const message = 'the list goes on at "nextLink": what is not in this file is not read';
  problems.warning(next.at, 'PartialList', message);
}
