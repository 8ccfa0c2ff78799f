/**
 * The nodes of a document tree: plain data, built once by the YAML and JSON readers.
 */
import type { Position } from './problem.ts';

export type Scalar = string | number | boolean | null;

interface NodeBase {
  /** Where the value starts. */
  readonly at: Position;
  /** Undefined for the root. A value behind a YAML alias has the path of its anchor. */
  readonly path: PathLink | undefined;
}

export interface ScalarNode extends NodeBase {
  readonly kind: 'scalar';
  readonly value: Scalar;
  /**
   * A number as it was written (YAML reads `0777` as 777 and `0x50` as 80, which nobody means by a port); otherwise
   * the value as text.
   */
  readonly text: string;
}

export interface ListNode extends NodeBase {
  readonly kind: 'list';
  readonly items: readonly DocumentNode[];
}

export interface MapEntry {
  readonly key: string;
  readonly keyAt: Position;
  readonly value: DocumentNode;
}

export interface MapNode extends NodeBase {
  readonly kind: 'map';
  /** In the order of the file. A repeated key was reported and only its first entry is here. */
  readonly entries: readonly MapEntry[];
}

export type DocumentNode = ScalarNode | ListNode | MapNode;

/** One step from a value up to the root. */
export interface PathLink {
  readonly parent: PathLink | undefined;
  readonly key: string | number;
}

/** `resources[3].properties['a b']`; of the root, `(root)`. */
export function formatPath(path: PathLink | undefined): string {
  const parts: string[] = [];
  for (let link = path; link !== undefined; link = link.parent) {
    if (typeof link.key === 'number') parts.push(`[${link.key}]`);
    else if (!/^[A-Za-z_$][\w$-]*$/.test(link.key)) parts.push(`['${link.key}']`);
    else parts.push(link.parent === undefined ? link.key : `.${link.key}`);
  }
  return parts.length === 0 ? '(root)' : parts.toReversed().join('');
}

/** What kind of value a node is, in words for messages. */
export function describeNode(node: DocumentNode): string {
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a map';
  return node.value === null ? 'null' : `a ${typeof node.value}`.replace('a string', 'text');
}
