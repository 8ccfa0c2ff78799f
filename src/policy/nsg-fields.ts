/**
 * The properties of an Azure object: flat or under `properties`, in any letter case, absent when `""`, `null` or `[]`.
 *
 * The REST API nests them, `az` flattens them, and exports of all ages write the unused form of a property in one of
 * those three ways. An empty list is therefore absent and never "any".
 */
import { describeNode, type DocumentNode, type MapNode } from './document-node.ts';
import { nameKey, nearestName } from './names.ts';
import { formatPosition, type Position, type ProblemList, quote } from './problem.ts';

/** What reading a part of a file needs to know of the file. */
export interface ReadContext {
  readonly problems: ProblemList;
  /**
   * The value that a template expression stands for, and any other value itself. Undefined when that cannot be known
   * offline; the problem is then reported, once per value.
   */
  resolve(node: DocumentNode): DocumentNode | undefined;
  /** The same without a complaint: what cannot be known stays as it is written. For text that decides nothing. */
  resolveIfKnown(node: DocumentNode): DocumentNode;
}

export interface Field {
  /** As it was written. */
  readonly key: string;
  readonly keyAt: Position;
  readonly at: Position;
  /** Undefined when the value cannot be known; the problem is reported. */
  readonly node: DocumentNode | undefined;
}

export interface FieldNames {
  /** What the object is, for messages: `security rule`. */
  readonly owner: string;
  /** In Azure's spelling. */
  readonly known: readonly string[];
  /** Accepted and not read; `others`: all that are not known. */
  readonly ignored: readonly string[] | 'others';
}

/** Read-only in Azure, on groups and rules alike. */
export const READ_ONLY_FIELDS: readonly string[] = [
  'etag',
  'provisioningState',
  'resourceGroup',
  'resourceGuid',
  'systemData',
  'additionalProperties',
];

/** Of any resource of a template. `condition` and `copy` are looked at before the resource is read. */
export const TEMPLATE_FIELDS: readonly string[] = [
  'apiVersion',
  'location',
  'dependsOn',
  'condition',
  'copy',
  'comments',
  'metadata',
  'scope',
  'tags',
];

interface RawField {
  readonly key: string;
  readonly keyAt: Position;
  readonly value: DocumentNode;
}

const PROPERTIES = 'properties';

/** The fields of one object. Unknown and repeated keys are reported at construction. */
export class Fields {
  readonly #context: ReadContext;
  readonly #names: FieldNames;
  readonly #known: ReadonlyMap<string, string>;
  readonly #ignored: ReadonlySet<string> | 'others';
  readonly #raw = new Map<string, RawField>();

  constructor(map: MapNode, names: FieldNames, context: ReadContext) {
    this.#context = context;
    this.#names = names;
    this.#known = new Map(names.known.map((name) => [nameKey(name), name]));
    this.#ignored = names.ignored === 'others' ? 'others' : new Set(names.ignored.map(nameKey));
    this.#collect(map, true);
  }

  /** The field with its expression resolved, or undefined when it is absent. */
  get(name: string): Field | undefined {
    const raw = this.#raw.get(name);
    if (raw === undefined) return undefined;
    const node = this.#context.resolve(raw.value);
    if (node !== undefined && isAbsent(node)) return undefined;
    return { key: raw.key, keyAt: raw.keyAt, at: raw.value.at, node };
  }

  /** Where the field stands if it is written at all, be it as `[]`. */
  writtenAt(name: string): Position | undefined {
    return this.#raw.get(name)?.keyAt;
  }

  /** The value as it is written, an expression as its text; undefined when it is absent or no scalar. */
  writtenText(name: string): { readonly text: string; readonly at: Position } | undefined {
    return textIn(this.#raw.get(name)?.value);
  }

  /** The value of an expression where it can be known, else what `writtenText` gives. */
  textIfKnown(name: string): { readonly text: string; readonly at: Position } | undefined {
    const value = this.#raw.get(name)?.value;
    return textIn(value && this.#context.resolveIfKnown(value));
  }

  #collect(map: MapNode, isTop: boolean): void {
    for (const { key, keyAt, value } of map.entries) {
      const lookup = nameKey(key);
      const name = this.#known.get(lookup);
      if (name !== undefined) this.#add(name, { key, keyAt, value });
      else if (isTop && lookup === PROPERTIES) this.#collectProperties(value);
      else if (this.#ignored !== 'others' && !this.#ignored.has(lookup)) {
        this.#reportUnknown(key, keyAt);
      }
    }
  }

  #collectProperties(value: DocumentNode): void {
    const properties = this.#context.resolve(value);
    if (properties === undefined || isAbsent(properties)) return;
    if (properties.kind === 'map') this.#collect(properties, false);
    else reportType(properties, PROPERTIES, 'a map', this.#context);
  }

  #add(name: string, field: RawField): void {
    const first = this.#raw.get(name);
    if (first === undefined || isAbsent(first.value)) this.#raw.set(name, field);
    else if (!isAbsent(field.value)) {
      const message = `${quote(field.key)} is already given at ${formatPosition(first.keyAt)}`;
      this.#context.problems.error(field.keyAt, 'DuplicateKey', message);
    }
  }

  #reportUnknown(key: string, keyAt: Position): void {
    const near = nearestName(key, this.#names.known);
    const hint = near === undefined ? '' : `; did you mean ${quote(near)}?`;
    const message = `a ${this.#names.owner} has no property ${quote(key)}${hint}`;
    this.#context.problems.error(keyAt, 'UnknownProperty', message);
  }
}

function textIn(
  value: DocumentNode | undefined,
): { readonly text: string; readonly at: Position } | undefined {
  if (value === undefined || value.kind !== 'scalar' || isAbsent(value)) return undefined;
  return { text: value.text, at: value.at };
}

/** `""`, `null` and `[]`, which Azure's tools write for what is not there. */
export function isAbsent(node: DocumentNode): boolean {
  if (node.kind === 'scalar') return node.value === null || node.value === '';
  return node.kind === 'list' && node.items.length === 0;
}

/** The text of a string or a number as it was written; reports InvalidValue for anything else. */
export function textOf(node: DocumentNode, key: string, context: ReadContext): string | undefined {
  if (
    node.kind === 'scalar' &&
    (typeof node.value === 'string' || typeof node.value === 'number')
  ) {
    return node.text;
  }
  reportType(node, key, 'text', context);
  return undefined;
}

/** Reports InvalidValue. A list where one value should be is told of its plural property. */
export function reportType(
  node: DocumentNode,
  key: string,
  expected: string,
  context: ReadContext,
): void {
  const plural = /(?:Prefix|PortRange)$/i.exec(key)?.[0].toLowerCase();
  const suffix = plural === 'prefix' ? 'es' : 's';
  const hint =
    node.kind === 'list' && plural !== undefined
      ? `; a list belongs in ${quote(key + suffix)}`
      : hintOfFlowMap(node);
  const message = `${quote(key)} must be ${expected}, not ${describeNode(node)}${hint}`;
  context.problems.error(node.at, 'InvalidValue', message);
}

/** In a YAML list `[fd00::]` is a map with the key `fd00:`, to everyone's surprise. */
function hintOfFlowMap(node: DocumentNode): string {
  const key = node.kind === 'map' ? node.entries[0]?.key : undefined;
  const isAddress = key !== undefined && /^[0-9a-f:]+:$/i.test(key);
  return isAddress ? '; an IPv6 address that ends in ":" must be in quotes' : '';
}
