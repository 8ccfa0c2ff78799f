/**
 * Resources of a Terraform configuration in JSON (`*.tf.json`), as far as they can be read without Terraform: literal
 * values, references to other resources of the file, variables with a default, and locals. For all else there is
 * `terraform show -json` of a plan.
 */
import type { DocumentNode, MapNode } from '../document-node.ts';
import { type ProblemList, quote } from '../problem.ts';
import {
  type AttributeSource,
  identify,
  TerraformBlock,
  TerraformContext,
  type TerraformResource,
} from './terraform-block.ts';
import { scalarNode, textAt, valueOf } from './template-values.ts';

const REFERENCES_DEEP_MAX = 20;
/** Arguments of any resource that make more or fewer of it. */
const META_ARGUMENTS = ['count', 'for_each'];

export function configurationResources(root: MapNode, problems: ProblemList): TerraformResource[] {
  return new ConfigurationReader(root, problems).resources();
}

class ConfigurationReader implements AttributeSource {
  readonly #root: MapNode;
  readonly #context: TerraformContext;
  #depth = 0;

  constructor(root: MapNode, problems: ProblemList) {
    this.#root = root;
    this.#context = new TerraformContext(problems);
  }

  resources(): TerraformResource[] {
    const types = entriesOf(valueOf(this.#root, 'resource'));
    return types.flatMap(({ key: type, value }) =>
      entriesOf(value).flatMap(({ key: name, value: written }) => {
        const values = bodyOf(written);
        if (values === undefined) return [];
        const address = `${type}.${name}`;
        this.#reportLoops(address, values);
        const block = this.#block(address, values);
        return [{ address, type, block, ...identify(type, block) }];
      }),
    );
  }

  /** With every reference in it replaced. */
  valueOf(node: DocumentNode): DocumentNode {
    if (node.kind === 'list')
      return { ...node, items: node.items.map((item) => this.valueOf(item)) };
    if (node.kind === 'map') {
      const entries = node.entries.map((entry) => ({ ...entry, value: this.valueOf(entry.value) }));
      return { ...node, entries };
    }
    if (typeof node.value !== 'string' || !/[$%]\{/.test(node.value)) return node;
    const text = node.value.replaceAll(/([$%])\1\{/g, '');
    if (!/[$%]\{/.test(text)) {
      return scalarNode(node.value.replaceAll(/([$%])\1\{/g, '$1{'), node);
    }
    const [, path] = /^\$\{\s*([\w.-]+)\s*\}$/.exec(node.value) ?? [];
    const value = path === undefined ? undefined : this.#follow(path.split('.'), node);
    if (value !== undefined) return value;
    const message =
      `${quote(node.value)} is evaluated only by Terraform; read a plan instead: ` +
      'terraform plan -out PLAN, terraform show -json PLAN > plan.json';
    return this.#context.unknownNode(node, message);
  }

  /** A reference that is not followed is unknown, and says so. */
  targetsOf(): undefined {
    return undefined;
  }

  #block(address: string, values: MapNode): TerraformBlock {
    return new TerraformBlock(this.#context, address, { values, unknown: undefined }, this);
  }

  /** `type.name.attribute`, `var.name`, `local.name`. */
  #follow(
    [first = '', second = '', third, ...rest]: readonly string[],
    origin: DocumentNode,
  ): DocumentNode | undefined {
    // prettier-ignore
    if (this.#depth >= REFERENCES_DEEP_MAX || rest.length > 0) return undefined;
    this.#depth++;
    try {
      if (first === 'var' && third === undefined) return this.#variable(second, origin);
      if (first === 'local' && third === undefined) return this.#local(second, origin);
      return this.#attribute(first, second, third, origin);
    } finally {
      this.#depth--;
    }
  }

  #variable(name: string, origin: DocumentNode): DocumentNode | undefined {
    const variable = bodyOf(valueOf(valueOf(this.#root, 'variable'), name));
    const initial = valueOf(variable, 'default');
    return initial && placed(this.valueOf(initial), origin);
  }

  #local(name: string, origin: DocumentNode): DocumentNode | undefined {
    const value = valueOf(bodyOf(valueOf(this.#root, 'locals')), name);
    return value && placed(this.valueOf(value), origin);
  }

  #attribute(
    type: string,
    name: string,
    attribute: string | undefined,
    origin: DocumentNode,
  ): DocumentNode | undefined {
    const values = bodyOf(valueOf(valueOf(valueOf(this.#root, 'resource'), type), name));
    if (values === undefined || attribute === undefined) return undefined;
    const block = this.#block(`${type}.${name}`, values);
    if (attribute === 'id') {
      const { id } = identify(type, block);
      return id === undefined ? undefined : scalarNode(id, origin);
    }
    const value = block.value(attribute);
    return value && placed(value, origin);
  }

  #reportLoops(address: string, values: MapNode): void {
    for (const argument of META_ARGUMENTS) {
      const node = valueOf(values, argument);
      if (node === undefined || textAt(values, argument) === '') continue;
      const message =
        `${address}: ${argument} is evaluated only by Terraform; read a plan instead: ` +
        'terraform plan -out PLAN, terraform show -json PLAN > plan.json';
      this.#context.problems.error(node.at, 'TerraformValueUnknown', message);
    }
  }
}

/** A block may stand in a list of one. */
function bodyOf(node: DocumentNode | undefined): MapNode | undefined {
  const body = node?.kind === 'list' ? node.items[0] : node;
  return body?.kind === 'map' ? body : undefined;
}

function entriesOf(node: DocumentNode | undefined): MapNode['entries'] {
  return node?.kind === 'map' ? node.entries : [];
}

/** A scalar stands where it is used. */
function placed(value: DocumentNode, origin: DocumentNode): DocumentNode {
  return value.kind === 'scalar' && origin.kind === 'scalar' && value.value !== null
    ? { ...value, at: origin.at, path: origin.path }
    : value;
}
