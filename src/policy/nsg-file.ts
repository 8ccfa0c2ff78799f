/**
 * Reads network security groups from the files that Azure's tools write: a REST answer, one or a list (`value`), an
 * ARM resource, an ARM template, `az network nsg show` and `list`, Terraform's JSON, and building blocks; as JSON or
 * YAML. Import (import/) reads whole deployments from the same files.
 */
import { describeNode, type DocumentNode } from './document-node.ts';
import { readGroup } from './nsg-group.ts';
import { ResourceType } from './import/resource.ts';
import { findResources } from './import/resource-file.ts';
import { readSecurityGroups } from './import/security-groups.ts';
import { TemplateScope } from './import/template-scope.ts';
import { valueOf } from './import/template-values.ts';
import { type Problem, ProblemList } from './problem.ts';
import type { NetworkSecurityGroup } from './security-rule.ts';

export interface NsgFileReading {
  /** In the order of the file. Only complete when `problems` has no error. */
  readonly groups: readonly NetworkSecurityGroup[];
  /** All of them, in order of position. */
  readonly problems: readonly Problem[];
}

const WANTED: ReadonlySet<string> = new Set([
  ResourceType.SecurityGroup,
  ResourceType.SecurityRule,
]);

/**
 * Reads a file's text. Never throws.
 *
 * Codes beside those of documents, groups and resource files: NoNetworkSecurityGroup, InvalidValue.
 */
export function readNsgFile(text: string, fileName: string): NsgFileReading {
  const problems = new ProblemList();
  const { resources } = findResources(text, fileName, problems, { wanted: WANTED });
  const groups = readSecurityGroups(resources).map(({ group }) => group);
  if (groups.length === 0 && problems.errorCount === 0) {
    const [other] = resources;
    const type = other && valueOf(other.map, 'type');
    if (type === undefined) {
      const at = { file: fileName, line: 1, column: 1 };
      const message = 'the file holds no network security group';
      problems.error(at, 'NoNetworkSecurityGroup', message);
    } else {
      const message = 'the resource is no network security group, going by its type';
      problems.error(type.at, 'InvalidValue', message);
    }
  }
  return { groups, problems: problems.sorted() };
}

/** Reads a group that stands in a configuration; `node` is the map with its name and rules. */
export function readInlineGroup(
  node: DocumentNode,
  problems: ProblemList,
): NetworkSecurityGroup | undefined {
  const scope = new TemplateScope(problems);
  const map = scope.resolve(node);
  if (map === undefined) return undefined;
  if (map.kind === 'map') return readGroup(map, scope);
  const message = `"network security group" must be a map, not ${describeNode(map)}`;
  problems.error(map.at, 'InvalidValue', message);
  return undefined;
}
