/**
 * A resource of Terraform, or a block within one: its attributes, those that are known only after apply, and the
 * resources that its attributes refer to.
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import type { ReadContext } from '../nsg-fields.ts';
import type { Position, ProblemList } from '../problem.ts';
import { ResourceType } from './resource.ts';
import { isNull, scalarNode, valueOf } from './template-values.ts';

export interface TerraformResource {
  /** `module.net.azurerm_subnet.web[0]` */
  readonly address: string;
  readonly type: string;
  readonly block: TerraformBlock;
  /** From the outermost Azure resource to this one. */
  readonly names: readonly string[] | undefined;
  /** Azure's id, or as much of it as can be told before there is one. */
  readonly id: string | undefined;
}

/** What becomes of an attribute's value. */
export interface AttributeSource {
  /** The value of an attribute; the unknown stays in it as nodes that `unknown` has a reason for. */
  valueOf(node: DocumentNode): DocumentNode;
  /** Ids of the resources that an attribute refers to when it is not known itself; undefined when they are not either. */
  targetsOf(path: readonly (string | number)[]): readonly string[] | undefined;
}

/** Reports what is known only after apply, once per place. */
export class TerraformContext implements ReadContext {
  readonly problems: ProblemList;
  readonly #unknown = new WeakMap<DocumentNode, string>();
  readonly #reported = new Set<string>();

  constructor(problems: ProblemList) {
    this.problems = problems;
  }

  resolve(node: DocumentNode): DocumentNode | undefined {
    const message = this.#unknown.get(node);
    if (message === undefined) return node;
    if (!this.#reported.has(message)) {
      this.problems.error(node.at, 'TerraformValueUnknown', message);
    }
    this.#reported.add(message);
    return undefined;
  }

  resolveIfKnown(node: DocumentNode): DocumentNode {
    return node;
  }

  /** A node that is reported when it is needed. @param message begins with the attribute's address */
  unknownNode(origin: DocumentNode, message: string): DocumentNode {
    const node = scalarNode(null, origin);
    this.#unknown.set(node, message);
    return node;
  }

  isUnknown(node: DocumentNode): boolean {
    return this.#unknown.has(node);
  }
}

export class TerraformBlock {
  readonly context: TerraformContext;
  readonly origin: MapNode;
  readonly #address: string;
  readonly #unknown: DocumentNode | undefined;
  readonly #source: AttributeSource;
  readonly #path: readonly (string | number)[];

  /** @param unknown `after_unknown`: true where a value is known only after apply */
  constructor(
    context: TerraformContext,
    address: string,
    parts: { readonly values: MapNode; readonly unknown: DocumentNode | undefined },
    source: AttributeSource,
    path: readonly (string | number)[] = [],
  ) {
    this.context = context;
    this.#address = address;
    this.origin = parts.values;
    this.#unknown = parts.unknown;
    this.#source = source;
    this.#path = path;
  }

  get at(): Position {
    return this.origin.at;
  }

  /** True for a value that Terraform itself does not know yet. */
  isUnknown(key: string): boolean {
    const flag = valueOf(this.#unknown, key);
    return flag?.kind === 'scalar' && flag.value === true;
  }

  /** Undefined when it is not there or null. */
  value(key: string): DocumentNode | undefined {
    const unknown = this.unknownValue(key);
    if (unknown !== undefined) return unknown;
    const node = valueOf(this.origin, key);
    return node === undefined || isNull(node) ? undefined : this.#source.valueOf(node);
  }

  /** The node for a value that is known only after apply; undefined for all others. */
  unknownValue(key: string): DocumentNode | undefined {
    if (!this.isUnknown(key)) return undefined;
    const path = [...this.#path, key].join('.');
    const message = `${this.#address}.${path} is known only after apply`;
    return this.context.unknownNode(this.origin, message);
  }

  /** The id of another resource. */
  reference(key: string): DocumentNode | undefined {
    const value = this.value(key);
    if (value === undefined || !this.context.isUnknown(value)) return value;
    const [id, ...others] = this.#source.targetsOf([...this.#path, key]) ?? [];
    return id === undefined || others.length > 0 ? value : scalarNode(id, this.origin);
  }

  /** The ids of other resources. */
  references(key: string): DocumentNode | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    const items = value.kind === 'list' ? value.items : [value];
    const isKnown = items.every((item) => !this.context.isUnknown(item) && !isNull(item));
    if (isKnown && value.kind === 'list') return value;
    const ids = this.#source.targetsOf([...this.#path, key]);
    if (ids === undefined || (value.kind === 'list' && ids.length !== items.length)) return value;
    const nodes = ids.map((id) => scalarNode(id, this.origin));
    return { kind: 'list', at: value.at, path: value.path, items: nodes };
  }

  /** Blocks within; one that is not repeated may stand without a list. */
  blocks(key: string): TerraformBlock[] {
    const node = valueOf(this.origin, key);
    const items = node?.kind === 'list' ? node.items : node === undefined ? [] : [node];
    const unknown = valueOf(this.#unknown, key);
    return items.flatMap((item, index) => {
      // Its attributes are evaluated one by one, and no text twice.
      const values = item.kind === 'map' ? item : this.#source.valueOf(item);
      if (values.kind !== 'map') return [];
      const parts = {
        values,
        unknown: unknown?.kind === 'list' ? unknown.items[index] : undefined,
      };
      const path = [...this.#path, key, index];
      return [new TerraformBlock(this.context, this.#address, parts, this.#source, path)];
    });
  }
}

/** How the resources of a type are named: the attributes that hold the names, from the outermost resource on. */
const NAMES: ReadonlyMap<string, readonly [type: string, ...attributes: string[]]> = new Map([
  ['azurerm_network_security_group', [ResourceType.SecurityGroup, 'name']],
  [
    'azurerm_network_security_rule',
    [ResourceType.SecurityRule, 'network_security_group_name', 'name'],
  ],
  ['azurerm_virtual_network', [ResourceType.VirtualNetwork, 'name']],
  ['azurerm_subnet', [ResourceType.Subnet, 'virtual_network_name', 'name']],
  ['azurerm_virtual_network_peering', [ResourceType.Peering, 'virtual_network_name', 'name']],
  ['azurerm_network_interface', [ResourceType.NetworkInterface, 'name']],
  ['azurerm_application_security_group', [ResourceType.ApplicationSecurityGroup, 'name']],
]);

/** The attributes that hold the names of a resource and those around it; none for a type without any. */
export function nameAttributes(type: string): readonly string[] {
  return NAMES.get(type)?.slice(1) ?? [];
}

/**
 * The names of a resource, and the id that Azure gives it as far as they tell it: the provider makes ids of names, so a
 * resource that does not exist yet can be referred to.
 */
export function identify(
  type: string,
  block: TerraformBlock,
): { readonly names: readonly string[] | undefined; readonly id: string | undefined } {
  const [azureType, ...attributes] = NAMES.get(type) ?? [];
  const text = (key: string): string | undefined => {
    const node = block.value(key);
    if (node === undefined || node.kind !== 'scalar' || block.context.isUnknown(node))
      return undefined;
    return node.text;
  };
  const known = block.isUnknown('id') ? undefined : text('id');
  const parts = attributes.map(text);
  const names = parts.filter((part) => part !== undefined);
  if (azureType === undefined || names.length < parts.length)
    return { names: undefined, id: known };
  if (known !== undefined) return { names, id: known };
  const group = text('resource_group_name');
  const scope = group === undefined ? '' : `/resourceGroups/${group}`;
  const [provider = '', ...types] = azureType.split('/');
  const segments = types.flatMap((part, index) => [part, names[index] ?? '']);
  return { names, id: [`${scope}/providers`, provider, ...segments].join('/') };
}
