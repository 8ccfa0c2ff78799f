/**
 * Resources of `terraform show -json`: of a state, where everything is known, or of a plan, where ids are not known yet
 * and the plan's copy of the configuration tells what refers to what.
 *
 * Terraform page "JSON Output Format", format version 1.
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import type { Position, ProblemList } from '../problem.ts';
import {
  type AttributeSource,
  identify,
  TerraformBlock,
  TerraformContext,
  type TerraformResource,
} from './terraform-block.ts';
import { textAt, valueOf } from './template-values.ts';

/** Through variables and outputs of modules. */
const REFERENCES_DEEP_MAX = 30;

/** A resource as the plan has it, before its references are followed. */
interface Planned {
  readonly address: string;
  /** `module.net`, with indexes; empty for the root module. */
  readonly module: string;
  readonly type: string;
  readonly name: string;
  readonly mode: string;
  /** `[0]`, `["web"]` or empty. */
  readonly index: string;
  readonly block: TerraformBlock;
}

/** Where a reference stands: a module and, for `each` and `count`, the index of who refers. */
interface Place {
  readonly module: string;
  readonly index: string;
  /** True when the index chooses among several even if it is not named: whoever led here has named it. */
  readonly isChoosing: boolean;
  /** The resource's configuration, for what `each.value` is. */
  readonly resource: DocumentNode | undefined;
}

export function plannedResources(root: MapNode, problems: ProblemList): TerraformResource[] {
  return new PlanReader(root, problems).resources();
}

class PlanReader {
  readonly #root: MapNode;
  readonly #context: TerraformContext;
  readonly #planned: Planned[] = [];

  constructor(root: MapNode, problems: ProblemList) {
    this.#root = root;
    this.#context = new TerraformContext(problems);
  }

  resources(): TerraformResource[] {
    const values = valueOf(this.#root, 'planned_values') ?? valueOf(this.#root, 'values');
    this.#readModule(valueOf(values, 'root_module'), '', this.#unknownByAddress());
    return this.#planned.map(({ address, type, block }) => ({
      address,
      type,
      block,
      ...identify(type, block),
    }));
  }

  #unknownByAddress(): ReadonlyMap<string, DocumentNode> {
    const changes = valueOf(this.#root, 'resource_changes');
    const unknown = new Map<string, DocumentNode>();
    for (const change of changes?.kind === 'list' ? changes.items : []) {
      const node = valueOf(valueOf(change, 'change'), 'after_unknown');
      if (node !== undefined) unknown.set(textAt(change, 'address') ?? '', node);
    }
    return unknown;
  }

  #readModule(
    module: DocumentNode | undefined,
    moduleAddress: string,
    unknown: ReadonlyMap<string, DocumentNode>,
  ): void {
    for (const resource of itemsOf(valueOf(module, 'resources'))) {
      const values = valueOf(resource, 'values');
      const address = textAt(resource, 'address');
      if (values?.kind !== 'map' || address === undefined) continue;
      const parts = {
        address,
        module: moduleAddress,
        type: textAt(resource, 'type') ?? '',
        name: textAt(resource, 'name') ?? '',
        mode: textAt(resource, 'mode') ?? 'managed',
        index: indexText(valueOf(resource, 'index')),
        at: values.at,
      };
      const source: AttributeSource = {
        valueOf: (node) => node,
        targetsOf: (path) => this.#targetsOf(parts, path),
      };
      const written = { values, unknown: unknown.get(address) };
      const block = new TerraformBlock(this.#context, address, written, source);
      this.#planned.push({ ...parts, block });
    }
    for (const child of itemsOf(valueOf(module, 'child_modules'))) {
      this.#readModule(child, textAt(child, 'address') ?? '', unknown);
    }
  }

  /** Ids of the resources that an attribute of `from` refers to. */
  #targetsOf(
    from: Omit<Planned, 'block'> & { readonly at: Position },
    path: readonly (string | number)[],
  ): readonly string[] | undefined {
    const module = this.#configurationOf(from.module);
    const own =
      from.mode === 'data' ? `data.${from.type}.${from.name}` : `${from.type}.${from.name}`;
    const resource = itemsOf(valueOf(module, 'resources')).find(
      (candidate) => textAt(candidate, 'address') === own,
    );
    const expression = expressionAt(valueOf(resource, 'expressions'), path);
    const place = { module: from.module, index: from.index, isChoosing: false, resource };
    const targets = this.#follow(expression, place, 0);
    const ids = [...targets].map(({ type, block }) => identify(type, block).id);
    const known = ids.filter((id) => id !== undefined);
    if (known.length > 0 && referencesOf(expression).includes('count.index')) {
      const message =
        `${from.address}.${path.join('.')} is taken to refer to what has the same count.index; ` +
        'a plan does not tell whether it is one more or less';
      this.#context.problems.warning(from.at, 'TerraformIndexAssumed', message);
    }
    return known.length === 0 || known.length < ids.length ? undefined : known;
  }

  /** The part of the plan's `configuration` that is of a module. */
  #configurationOf(module: string): DocumentNode | undefined {
    let node = valueOf(valueOf(this.#root, 'configuration'), 'root_module');
    for (const name of moduleNames(module)) {
      node = valueOf(valueOf(valueOf(node, 'module_calls'), name), 'module');
    }
    return node;
  }

  /** The resources behind the references of an expression. */
  #follow(expression: DocumentNode | undefined, place: Place, depth: number): Set<Planned> {
    const found = new Set<Planned>();
    if (depth > REFERENCES_DEEP_MAX) return found;
    const references = referencesOf(expression);
    // Of `each.value` nobody can tell here which index it is.
    const isOwnIndex =
      place.isChoosing || references.some((text) => text === 'each.key' || text === 'count.index');
    const from = { place, isOwnIndex, references };
    for (const text of references) {
      for (const resource of this.#followOne(text, from, depth)) found.add(resource);
    }
    return found;
  }

  #followOne(
    text: string,
    from: {
      readonly place: Place;
      readonly isOwnIndex: boolean;
      readonly references: readonly string[];
    },
    depth: number,
  ): Iterable<Planned> {
    const { place, isOwnIndex, references } = from;
    // Terraform lists `a.b.id`, then what it is part of: `a.b`. The longest says all.
    const isPart = references.some((other) => other !== text && /^[.[]/.test(other.slice(text.length)) && other.startsWith(text)); // prettier-ignore
    if (isPart) return [];
    const [, variable] = /^var\.([\w-]+)/.exec(text) ?? [];
    if (variable !== undefined) return this.#followVariable(variable, place.module, depth);
    if (text.startsWith('each.value')) {
      const expression = valueOf(place.resource, 'for_each_expression');
      return this.#follow(expression, { ...place, isChoosing: true }, depth + 1);
    }
    const index = isOwnIndex ? place.index : '';
    const [, child, written = '', output] =
      /^module\.([\w-]+)(\[[^\]]*\])?\.([\w-]+)/.exec(text) ?? [];
    if (child !== undefined && output !== undefined) {
      const base = `${place.module === '' ? '' : `${place.module}.`}module.${child}`;
      const inner = this.#hasModule(`${base}${index}`)
        ? `${base}${written || index}`
        : base + written;
      const outputs = valueOf(this.#configurationOf(inner), 'outputs');
      const expression = valueOf(valueOf(outputs, output), 'expression');
      const there = { module: inner, index, isChoosing: isOwnIndex, resource: undefined };
      return this.#follow(expression, there, depth + 1);
    }
    return this.#instancesOf(text, place.module, index);
  }

  #hasModule(address: string): boolean {
    return this.#planned.some(
      ({ module }) => module === address || module.startsWith(`${address}.`),
    );
  }

  #followVariable(name: string, module: string, depth: number): Iterable<Planned> {
    const calls = moduleCalls(module);
    if (calls === undefined) return [];
    const outer = this.#configurationOf(calls.outer);
    const call = valueOf(valueOf(outer, 'module_calls'), calls.name);
    const expression = valueOf(valueOf(call, 'expressions'), name);
    const place = { module: calls.outer, index: calls.index, isChoosing: false, resource: call };
    return this.#follow(expression, place, depth + 1);
  }

  /**
   * `azurerm_subnet.web.id`, `azurerm_subnet.web[0].id`. Of several, without an index, that of the referrer's own index:
   * `each.key` and `count.index` are all that is left of it in a plan.
   */
  #instancesOf(text: string, module: string, own: string): Planned[] {
    const [, data, type, name, index] =
      /^(data\.)?([a-z]\w*)\.([\w-]+)(\[[^\]]*\])?/.exec(text) ?? [];
    const mode = data === undefined ? 'managed' : 'data';
    const instances = this.#planned.filter(
      (resource) =>
        resource.module === module &&
        resource.type === type &&
        resource.name === name &&
        resource.mode === mode,
    );
    if (index !== undefined) return instances.filter((resource) => resource.index === index);
    if (instances.length < 2) return instances;
    const same = instances.filter((resource) => resource.index === own);
    return same.length === 1 ? same : instances;
  }
}

function referencesOf(expression: DocumentNode | undefined): string[] {
  return itemsOf(valueOf(expression, 'references')).flatMap((node) =>
    node.kind === 'scalar' ? [node.text] : [],
  );
}

function itemsOf(node: DocumentNode | undefined): readonly DocumentNode[] {
  return node?.kind === 'list' ? node.items : [];
}

function indexText(node: DocumentNode | undefined): string {
  if (node?.kind !== 'scalar' || node.value === null) return '';
  return typeof node.value === 'number' ? `[${node.text}]` : `[${JSON.stringify(node.text)}]`;
}

/** `module.a["x"].module.b` to `a`, `b`. */
function moduleNames(module: string): string[] {
  return [...module.matchAll(/module\.([\w-]+)/g)].map(([, name = '']) => name);
}

/** The module around, the last call's name and its index; undefined for the root module. */
function moduleCalls(
  module: string,
): { readonly outer: string; readonly name: string; readonly index: string } | undefined {
  const [, outer = '', name, index = ''] =
    /^(?:(.*)\.)?module\.([\w-]+)(\[[^\]]*\])?$/.exec(module) ?? [];
  return name === undefined ? undefined : { outer, name, index };
}

/** Of a block that stands once in the configuration and often in the plan (a dynamic one), that one. */
function expressionAt(
  expressions: DocumentNode | undefined,
  path: readonly (string | number)[],
): DocumentNode | undefined {
  let node = expressions;
  for (const part of path) {
    if (node?.kind === 'list') node = node.items[Number(part)] ?? node.items[0];
    else if (typeof part === 'string') node = valueOf(node, part);
  }
  return node;
}
