/**
 * Reads network security groups from the files that Azure's tools write: a REST answer, one or a list (`value`), an
 * ARM resource, an ARM template, `az network nsg show` and `list`, and building blocks; as JSON or YAML.
 */
import { readDocument } from './document.ts';
import { describeNode, type DocumentNode, type MapNode } from './document-node.ts';
import { nameKey } from './names.ts';
import { isAbsent } from './nsg-fields.ts';
import {
  readBuildingBlocks,
  readGroupNode,
  readTemplate,
  textAt,
  valueOf,
} from './nsg-file-template.ts';
import { TemplateScope } from './nsg-file-scope.ts';
import { GROUP_TYPE } from './nsg-group.ts';
import { type Problem, ProblemList } from './problem.ts';
import type { NetworkSecurityGroup } from './security-rule.ts';

export interface NsgFileReading {
  /** In the order of the file. Only complete when `problems` has no error. */
  readonly groups: readonly NetworkSecurityGroup[];
  /** All of them, in order of position. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a file's text. Never throws.
 *
 * Codes beside those of documents, groups and templates: UnsupportedFileFormat, NoNetworkSecurityGroup, PartialList
 * (a warning), InvalidValue.
 */
export function readNsgFile(text: string, fileName: string): NsgFileReading {
  const problems = new ProblemList();
  const at = { file: fileName, line: 1, column: 1 };
  const foreign = foreignFormat(text, fileName);
  if (foreign !== undefined) {
    problems.error(at, 'UnsupportedFileFormat', foreign);
    return { groups: [], problems: problems.sorted() };
  }
  const { document, problems: syntaxProblems } = readDocument(text, fileName);
  problems.addAll(syntaxProblems);
  if (document === undefined) return { groups: [], problems: problems.sorted() };
  const groups = readRoot(document.root, problems);
  if (groups.length === 0 && problems.errorCount === 0) {
    problems.error(at, 'NoNetworkSecurityGroup', 'the file holds no network security group');
  }
  return { groups, problems: problems.sorted() };
}

/** Reads a group that stands in a configuration; `node` is the map with its name and rules. */
export function readInlineGroup(
  node: DocumentNode,
  problems: ProblemList,
): NetworkSecurityGroup | undefined {
  return readGroupNode(node, new TemplateScope(problems));
}

/** Why the file is in another language, or undefined. */
function foreignFormat(text: string, fileName: string): string | undefined {
  const isData = /^\s*[{[]/.test(text);
  if (
    /\.bicep$/i.test(fileName) ||
    (!isData && /^(?:param|var|resource|targetScope)\b.*=/m.test(text))
  ) {
    return 'Bicep is not read; build it to JSON and read that: az bicep build --file FILE';
  }
  const isTerraform = /\.(?:tf|tfvars|tf\.json|tfstate)$/i.test(fileName);
  if (
    isTerraform ||
    (!isData && /^\s*(?:resource|module|data|provider)\s+"[^"]*".*\{\s*$/m.test(text))
  ) {
    return (
      'Terraform is not read; export what it made to JSON: ' +
      'az network nsg show --resource-group GROUP --name NAME -o json'
    );
  }
  return undefined;
}

function readRoot(root: DocumentNode, problems: ProblemList): NetworkSecurityGroup[] {
  const scope = new TemplateScope(problems);
  if (root.kind === 'list') return readList(root.items, scope);
  if (root.kind === 'scalar') {
    const message = `expected a network security group, not ${describeNode(root)}`;
    problems.error(root.at, 'InvalidValue', message);
    return [];
  }
  const type = valueOf(root, 'type');
  if (type !== undefined) {
    if (nameKey(textAt(root, 'type') ?? '') === GROUP_TYPE) return readList([root], scope);
    const message = 'the resource is no network security group, going by its type';
    problems.error(type.at, 'InvalidValue', message);
    return [];
  }
  if (valueOf(root, 'resources') !== undefined) return readTemplate(root, scope);
  const blocks = buildingBlocksOf(root);
  if (blocks !== undefined) return readBuildingBlocks(blocks, scope);
  const list = valueOf(root, 'value');
  if (list?.kind !== 'list') return readList([root], scope);
  warnOfNextLink(root, problems);
  return readList(list.items, scope);
}

function readList(items: readonly DocumentNode[], scope: TemplateScope): NetworkSecurityGroup[] {
  const [first] = items;
  if (first !== undefined && isBareRule(first)) {
    const message =
      'these are rules without their network security group; export it whole: az network nsg show -o json';
    scope.problems.error(first.at, 'InvalidValue', message);
    return [];
  }
  return items.map((item) => readGroupNode(item, scope)).filter((group) => group !== undefined);
}

/** True for what `az network nsg rule list` prints. */
function isBareRule(node: DocumentNode): boolean {
  const inner = valueOf(node, 'properties') ?? node;
  return valueOf(inner, 'priority') !== undefined && valueOf(inner, 'direction') !== undefined;
}

/** `parameters.buildingBlocks.value`. */
function buildingBlocksOf(root: MapNode): readonly DocumentNode[] | undefined {
  const parameters = valueOf(root, 'parameters');
  const blocks = parameters && valueOf(parameters, 'buildingBlocks');
  const value = blocks && valueOf(blocks, 'value');
  return value?.kind === 'list' ? value.items : undefined;
}

function warnOfNextLink(root: MapNode, problems: ProblemList): void {
  const next = valueOf(root, 'nextLink');
  if (next === undefined || isAbsent(next)) return;
  const message = 'the list goes on at "nextLink": groups that are not in this file are not read';
  problems.warning(next.at, 'PartialList', message);
}
