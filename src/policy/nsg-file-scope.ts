/**
 * What the expressions of a template can refer to, and their evaluation: parameters with a default value, variables,
 * and the functions of nsg-file-functions.ts. Everything else is reported as unknowable, with its path and the reason.
 *
 * A file that is no template has an empty scope: an expression in it is reported just the same.
 */
import {
  type DocumentNode,
  formatPath,
  type MapNode,
  type PathLink,
  type ScalarNode,
} from './document-node.ts';
import { nameKey } from './names.ts';
import { type Expression, isExpression, parseExpression } from './nsg-file-expression.ts';
import {
  booleanOf,
  LOOKING_INSIDE,
  scalarNode,
  TEMPLATE_FUNCTIONS,
  Unknowable,
} from './nsg-file-functions.ts';
import type { ReadContext } from './nsg-fields.ts';
import { type Position, type ProblemList, quote } from './problem.ts';

/** Evaluation steps for one file: variables can be made to double their work with every line. */
const STEPS_MAX = 1_000_000;
/** Functions within functions, through variables too; guards the stack. */
const DEPTH_MAX = 200;

/** What the scopes of one file share. */
interface FileState {
  readonly problems: ProblemList;
  /** Places already reported: the same value is resolved wherever it is used. */
  readonly reported: Set<string>;
  steps: number;
  /** Of the evaluation under way. */
  depth: number;
}

/** A parameter's value, or why it has none. */
type Parameter = { readonly node: DocumentNode } | { readonly reason: string };

export class TemplateScope implements ReadContext {
  readonly #file: FileState;
  /** By name without case, as are the variables. */
  readonly #parameters = new Map<string, Parameter>();
  readonly #variables = new Map<string, DocumentNode>();
  /** What is being evaluated now: a variable may not refer to itself. */
  readonly #open = new Set<string>();

  constructor(problems: ProblemList, outer?: TemplateScope) {
    this.#file =
      outer === undefined ? { problems, reported: new Set(), steps: 0, depth: 0 } : outer.#file;
  }

  get problems(): ProblemList {
    return this.#file.problems;
  }

  resolve(node: DocumentNode): DocumentNode | undefined {
    if (!isExpressionNode(node)) return node;
    try {
      return this.#evaluateNode(node);
    } catch (error) {
      if (!(error instanceof Unknowable)) throw error;
      this.reportUnknown(
        node.at,
        node.path,
        `${quote(node.text)} cannot be known offline: ${error.message}`,
      );
      return undefined;
    }
  }

  /** Reports what cannot be known, once per place, under the path in the file. */
  reportUnknown(at: Position, path: PathLink | undefined, message: string): void {
    const key = `${at.line}:${at.column}`;
    if (this.#file.reported.has(key)) return;
    this.#file.reported.add(key);
    this.problems.error(at, 'TemplateValueUnknown', `${formatPath(path)}: ${message}`);
  }

  /** Takes over a template's `parameters` (each with its default value) and `variables`. */
  declare(parameters: DocumentNode | undefined, variables: DocumentNode | undefined): void {
    for (const { key, value } of entriesOf(parameters)) {
      this.#parameters.set(nameKey(key), parameterOf(key, value));
    }
    for (const { key, value } of entriesOf(variables)) this.#variables.set(nameKey(key), value);
  }

  /** Sets parameters from the `{ name: { value } }` that an outer template, whose scope is `outer`, passes. */
  pass(values: DocumentNode | undefined, outer: TemplateScope): void {
    for (const { key, value } of entriesOf(values)) {
      const passed = entriesOf(value).find((entry) => nameKey(entry.key) === 'value')?.value;
      if (passed !== undefined) this.#parameters.set(nameKey(key), outer.#passedValue(passed));
    }
  }

  #passedValue(node: DocumentNode): Parameter {
    try {
      return { node: this.#evaluateDeep(node) };
    } catch (error) {
      if (error instanceof Unknowable) return { reason: error.message };
      throw error;
    }
  }

  /** The node with every expression in it replaced. */
  #evaluateDeep(source: DocumentNode): DocumentNode {
    return this.#nested(() => {
      const node = this.#evaluateNode(source);
      if (node.kind === 'scalar') return node;
      if (node.kind === 'list') {
        return { ...node, items: node.items.map((item) => this.#evaluateDeep(item)) };
      }
      const entries = node.entries.map((entry) => ({
        ...entry,
        value: this.#evaluateDeep(entry.value),
      }));
      return { ...node, entries };
    });
  }

  /** A computed scalar stands where its expression stands; a list or map where it is written. */
  #evaluateNode(node: DocumentNode): DocumentNode {
    this.#step();
    if (!isExpressionNode(node)) return node;
    const expression = parseExpression(node.text);
    if (expression === undefined) throw new Unknowable('it is not understood as an expression');
    const value = this.#evaluate(expression, node);
    return value.kind === 'scalar' ? { ...value, at: node.at, path: node.path } : value;
  }

  #evaluate(expression: Expression, origin: DocumentNode): DocumentNode {
    if (expression.kind === 'literal') return scalarNode(expression.value, origin);
    return this.#nested(() =>
      expression.kind === 'member'
        ? this.#member(expression.object, expression.key, origin)
        : this.#call(expression.name, expression.arguments, origin),
    );
  }

  #member(object: Expression, key: Expression, origin: DocumentNode): DocumentNode {
    const container = this.#evaluate(object, origin);
    const { text } = scalarOf(this.#evaluate(key, origin));
    let value: DocumentNode | undefined;
    if (container.kind === 'list') value = container.items[Number(text)];
    if (container.kind === 'map') {
      value = container.entries.find((entry) => nameKey(entry.key) === nameKey(text))?.value;
    }
    if (value === undefined) throw new Unknowable(`there is no ${quote(text)} in the value`);
    return this.#evaluateNode(value);
  }

  #call(name: string, args: readonly Expression[], origin: DocumentNode): DocumentNode {
    const value = (index: number): DocumentNode => {
      const argument = args[index];
      if (argument === undefined) throw new Unknowable(`${name}() has too few arguments`);
      return this.#evaluate(argument, origin);
    };
    switch (name) {
      case 'parameters':
        return this.#parameter(scalarOf(value(0)).text);
      case 'variables':
        return this.#variable(scalarOf(value(0)).text);
      case 'if':
        return value(booleanOf(value(0)) ? 1 : 2);
      case 'and':
        return scalarNode(
          args.every((_, index) => booleanOf(value(index))),
          origin,
        );
      case 'or':
        return scalarNode(
          args.some((_, index) => booleanOf(value(index))),
          origin,
        );
      default: {
        const apply = TEMPLATE_FUNCTIONS.get(name);
        if (apply === undefined) throw new Unknowable(`${name}() is evaluated only by Azure`);
        const values = args.map((_, index) =>
          LOOKING_INSIDE.has(name) ? this.#evaluateDeep(value(index)) : value(index),
        );
        return apply(values, origin);
      }
    }
  }

  #parameter(name: string): DocumentNode {
    const parameter = this.#parameters.get(nameKey(name));
    if (parameter === undefined) throw new Unknowable(`there is no parameter ${quote(name)}`);
    if ('reason' in parameter) throw new Unknowable(parameter.reason);
    return this.#named(`parameter ${quote(name)}`, parameter.node);
  }

  #variable(name: string): DocumentNode {
    const variable = this.#variables.get(nameKey(name));
    if (variable !== undefined) return this.#named(`variable ${quote(name)}`, variable);
    const reason = this.#variables.has('copy') ? 'is made by a copy loop' : 'does not exist';
    throw new Unknowable(`the variable ${quote(name)} ${reason}`);
  }

  #named(name: string, node: DocumentNode): DocumentNode {
    if (this.#open.has(name)) throw new Unknowable(`the ${name} refers to itself`);
    this.#open.add(name);
    try {
      return this.#evaluateNode(node);
    } finally {
      this.#open.delete(name);
    }
  }

  #step(): void {
    this.#file.steps++;
    if (this.#file.steps > STEPS_MAX)
      throw new Unknowable('the template takes too long to evaluate');
  }

  #nested(evaluate: () => DocumentNode): DocumentNode {
    this.#step();
    if (this.#file.depth >= DEPTH_MAX) throw new Unknowable('it is nested too deeply');
    this.#file.depth++;
    try {
      return evaluate();
    } finally {
      this.#file.depth--;
    }
  }
}

function isExpressionNode(node: DocumentNode): node is ScalarNode {
  return node.kind === 'scalar' && typeof node.value === 'string' && isExpression(node.value);
}

function scalarOf(node: DocumentNode): ScalarNode {
  if (node.kind === 'scalar') return node;
  throw new Unknowable('a name in it is no text');
}

function entriesOf(node: DocumentNode | undefined): MapNode['entries'] {
  return node?.kind === 'map' ? node.entries : [];
}

function parameterOf(name: string, definition: DocumentNode): Parameter {
  const entries = entriesOf(definition);
  const initial = entries.find((entry) => nameKey(entry.key) === 'defaultvalue');
  if (initial !== undefined) return { node: initial.value };
  const nullable = entries.find((entry) => nameKey(entry.key) === 'nullable')?.value;
  if (nullable?.kind === 'scalar' && nullable.value === true) {
    return { node: scalarNode(null, nullable) };
  }
  return { reason: `the parameter ${quote(name)} has no default value` };
}
