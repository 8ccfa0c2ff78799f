/**
 * What is declared in one template, under names that are compared without case.
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import { nameKey } from '../names.ts';
import { quote } from '../problem.ts';
import { scalarNode, textAt, valueOf } from './template-values.ts';

/** A parameter's value, or why it has none. */
export type Parameter = { readonly node: DocumentNode } | { readonly reason: string };

/** Gives the value of `reference(name)` and `reference(name, version, 'Full')`; undefined: no such resource. */
export type ReferenceReader = (
  name: string,
  isFull: boolean,
  origin: DocumentNode,
) => DocumentNode | undefined;

/** What is declared in one template; all by name without case. */
export interface Names {
  readonly parameters: Map<string, Parameter>;
  readonly variables: Map<string, DocumentNode>;
  /** Variables that are made by a loop: `{ name, count, input }`. */
  readonly variableLoops: Map<string, DocumentNode>;
  /** `namespace.name` to `{ parameters, output }`. */
  readonly functions: Map<string, DocumentNode>;
  references: ReferenceReader | undefined;
  /** False for a file without expressions: there `[[` is no more than two brackets. */
  isTemplate: boolean;
}

export function newNames(functions: Names['functions'] = new Map()): Names {
  return {
    parameters: new Map(),
    variables: new Map(),
    variableLoops: new Map(),
    functions,
    references: undefined,
    isTemplate: false,
  };
}

/** Takes over a template's `parameters` (each with its default value), `variables` and `functions`. */
export function declareNames(names: Names, template: DocumentNode): void {
  names.isTemplate = true;
  for (const { key, value } of entriesOf(valueOf(template, 'parameters'))) {
    names.parameters.set(nameKey(key), parameterOf(key, value));
  }
  for (const { key, value } of entriesOf(valueOf(template, 'variables'))) {
    if (nameKey(key) !== 'copy') names.variables.set(nameKey(key), value);
    for (const loop of nameKey(key) === 'copy' && value.kind === 'list' ? value.items : []) {
      names.variableLoops.set(nameKey(textAt(loop, 'name') ?? ''), loop);
    }
  }
  const namespaces = valueOf(template, 'functions');
  for (const space of namespaces?.kind === 'list' ? namespaces.items : []) {
    for (const { key, value } of entriesOf(valueOf(space, 'members'))) {
      const name = `${textAt(space, 'namespace') ?? ''}.${key}`;
      names.functions.set(nameKey(name), value);
    }
  }
}

function entriesOf(node: DocumentNode | undefined): MapNode['entries'] {
  return node?.kind === 'map' ? node.entries : [];
}

function parameterOf(name: string, definition: DocumentNode): Parameter {
  const initial = valueOf(definition, 'defaultValue');
  if (initial !== undefined) return { node: initial };
  const nullable = valueOf(definition, 'nullable');
  if (nullable?.kind === 'scalar' && nullable.value === true) {
    return { node: scalarNode(null, nullable) };
  }
  return { reason: `the parameter ${quote(name)} has no default value` };
}
