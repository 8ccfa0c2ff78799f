/**
 * What the expressions of a template can refer to, and their evaluation: parameters, variables, loops, its own
 * functions, other resources, and the functions of template-functions.ts. Everything else is reported as unknowable,
 * with its path and the reason.
 *
 * A file that is no template has an empty scope: an expression in it is reported just the same.
 */
import {
  type DocumentNode,
  formatPath,
  type MapNode,
  type PathLink,
  type ScalarNode,
} from '../document-node.ts';
import { nameKey } from '../names.ts';
import type { ReadContext } from '../nsg-fields.ts';
import { type Position, type ProblemList, quote } from '../problem.ts';
import { type Expression, isExpression, parseExpression } from './template-expression.ts';
import { LOOKING_INSIDE, TEMPLATE_FUNCTIONS } from './template-functions.ts';
import { declareNames, type Names, newNames, type ReferenceReader } from './template-names.ts';
import {
  booleanOf,
  isNull,
  listNode,
  memberOf,
  numberArgument,
  scalarNode,
  scalarOf,
  textAt,
  Unknowable,
  valueOf,
} from './template-values.ts';

/** Evaluation steps for one file: variables can be made to double their work with every line. */
const STEPS_MAX = 1_000_000;
/** Functions within functions, through variables too; guards the stack. */
const DEPTH_MAX = 200;
/** Azure Resource Manager's limit for a loop. */
const LOOP_COUNT_MAX = 800;

/** What the scopes of one file share. */
interface FileState {
  readonly problems: ProblemList;
  /** Places already reported: the same value is resolved wherever it is used. */
  readonly reported: Set<string>;
  /** Values that are left out of an evaluated whole, and why: they are reported by whoever needs them. */
  readonly unknown: WeakMap<DocumentNode, string>;
  /** References that are being followed now: a resource may not refer to itself. */
  readonly openReferences: Set<string>;
  steps: number;
  /** Of the evaluation under way. */
  depth: number;
}

/** The iteration that a value belongs to. */
interface Iteration {
  readonly name: string;
  readonly index: number;
}

export class TemplateScope implements ReadContext {
  readonly #file: FileState;
  #names: Names = newNames();
  /** The outermost first: that of the resource, where it is in a loop. */
  #iterations: readonly Iteration[] = [];
  /** Variables of the lambdas around, by name without case. */
  #lambdaVariables: ReadonlyMap<string, DocumentNode> = new Map();
  /** What is being evaluated now: a variable may not refer to itself. */
  readonly #open = new Set<string>();

  constructor(problems: ProblemList, outer?: TemplateScope) {
    this.#file = outer === undefined ? newFileState(problems) : outer.#file;
  }

  get problems(): ProblemList {
    return this.#file.problems;
  }

  resolve(node: DocumentNode): DocumentNode | undefined {
    if (node.kind === 'list' && !this.#file.unknown.has(node)) return node;
    try {
      return this.evaluate(node);
    } catch (error) {
      if (!(error instanceof Unknowable)) throw error;
      const what = node.kind === 'scalar' ? quote(node.text) : 'it';
      this.reportUnknown(node.at, node.path, `${what} cannot be known offline: ${error.message}`);
      return undefined;
    }
  }

  resolveIfKnown(node: DocumentNode): DocumentNode {
    if (!this.#names.isTemplate) return node;
    try {
      return this.evaluate(node);
    } catch (error) {
      if (error instanceof Unknowable) return node;
      throw error;
    }
  }

  /** Reports what cannot be known, once per place, under the path in the file. */
  reportUnknown(at: Position, path: PathLink | undefined, message: string): void {
    const key = `${at.file}:${at.line}:${at.column}`;
    if (this.#file.reported.has(key)) return;
    this.#file.reported.add(key);
    this.problems.error(at, 'TemplateValueUnknown', `${formatPath(path)}: ${message}`);
  }

  /** Takes over a template's `parameters` (each with its default value), `variables` and `functions`. */
  declare(template: DocumentNode): void {
    declareNames(this.#names, template);
  }

  /** True for a parameter that the template declares. */
  hasParameter(name: string): boolean {
    return this.#names.parameters.has(nameKey(name));
  }

  get parameterNames(): readonly string[] {
    return [...this.#names.parameters.keys()];
  }

  /** Sets a parameter to a value of `outer`, or to one that is known to be unknown. */
  pass(
    name: string,
    value: DocumentNode | { readonly reason: string },
    outer: TemplateScope,
  ): void {
    const parameter = 'reason' in value ? value : { node: outer.evaluateParts(value) };
    this.#names.parameters.set(nameKey(name), parameter);
  }

  setReferences(reader: ReferenceReader): void {
    this.#names.references = reader;
  }

  /** The same names seen from one iteration of a loop. */
  inIteration(name: string, index: number): TemplateScope {
    const scope = this.#inner();
    scope.#iterations = [...this.#iterations, { name: nameKey(name), index }];
    return scope;
  }

  /** How often the loop `{ count }` goes round. @throws Unknowable */
  loopCount(loop: DocumentNode): number {
    const source = valueOf(loop, 'count');
    if (source === undefined) throw new Unknowable('a copy loop in it has no count');
    const count = numberArgument([this.evaluate(source)], 0);
    if (count >= 0 && count <= LOOP_COUNT_MAX) return count;
    throw new Unknowable(`a copy loop in it goes round ${count} times, not 0 to ${LOOP_COUNT_MAX}`);
  }

  /**
   * The node with every expression in it replaced. What cannot be known stays as it is written, and is reported when
   * somebody resolves it.
   */
  evaluateParts(source: DocumentNode): DocumentNode {
    try {
      return this.#nested(() => this.#evaluateInner(source, (node) => this.evaluateParts(node)));
    } catch (error) {
      if (error instanceof Unknowable) return this.#unknownNode(source, error.message);
      throw error;
    }
  }

  /** A computed scalar stands where its expression stands; a list or map where it is written. @throws Unknowable */
  evaluate(node: DocumentNode): DocumentNode {
    const reason = this.#file.unknown.get(node);
    if (reason !== undefined) throw new Unknowable(reason);
    if (node.kind === 'map') return this.#withoutLoops(node);
    if (!isExpressionNode(node)) return this.#names.isTemplate ? unescaped(node) : node;
    this.#step();
    const expression = parseExpression(node.text);
    if (expression === undefined) throw new Unknowable('it is not understood as an expression');
    const value = this.#evaluate(expression, node);
    return value.kind === 'scalar' ? { ...value, at: node.at, path: node.path } : value;
  }

  #inner(): TemplateScope {
    const scope = new TemplateScope(this.problems, this);
    scope.#names = this.#names;
    scope.#iterations = this.#iterations;
    scope.#lambdaVariables = this.#lambdaVariables;
    for (const name of this.#open) scope.#open.add(name);
    return scope;
  }

  #unknownNode(node: DocumentNode, reason: string): DocumentNode {
    const unknown = { ...node };
    this.#file.unknown.set(unknown, reason);
    return unknown;
  }

  /** The node with every expression in it replaced. @throws Unknowable */
  #evaluateDeep(source: DocumentNode): DocumentNode {
    return this.#nested(() => this.#evaluateInner(source, (node) => this.#evaluateDeep(node)));
  }

  #evaluateInner(
    source: DocumentNode,
    evaluatePart: (node: DocumentNode) => DocumentNode,
  ): DocumentNode {
    const node = this.evaluate(source);
    if (node.kind === 'scalar') return node;
    if (node.kind === 'list') return { ...node, items: node.items.map(evaluatePart) };
    const entries = node.entries.map((entry) => ({ ...entry, value: evaluatePart(entry.value) }));
    return { ...node, entries };
  }

  /** `copy: [{ name, count, input }]` in a map stands for properties, each a list of as many evaluated inputs. */
  #withoutLoops(map: MapNode): MapNode {
    const copy = map.entries.find(({ key }) => nameKey(key) === 'copy');
    if (copy?.value.kind !== 'list') return map;
    const entries = map.entries.filter((entry) => entry !== copy);
    for (const loop of copy.value.items) {
      const key = textAt(loop, 'name') ?? '';
      entries.push({ key, keyAt: loop.at, value: this.#loopItems(loop) });
    }
    return { ...map, entries };
  }

  #loopItems(loop: DocumentNode): DocumentNode {
    const input = valueOf(loop, 'input');
    const name = textAt(loop, 'name') ?? '';
    if (input === undefined) return this.#unknownNode(loop, 'a copy loop in it has no input');
    try {
      const items = Array.from({ length: this.loopCount(loop) }, (_, index) =>
        this.inIteration(name, index).evaluateParts(input),
      );
      return listNode(items, loop);
    } catch (error) {
      if (error instanceof Unknowable) return this.#unknownNode(loop, error.message);
      throw error;
    }
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
    const value = memberOf(container, text);
    if (value === undefined) throw new Unknowable(`there is no ${quote(text)} in the value`);
    return this.evaluate(value);
  }

  #call(name: string, args: readonly Expression[], origin: DocumentNode): DocumentNode {
    const value = (index: number): DocumentNode => {
      const argument = args[index];
      if (argument === undefined) throw new Unknowable(`${name}() has too few arguments`);
      return this.#evaluate(argument, origin);
    };
    const text = (index: number): string => scalarOf(value(index)).text;
    switch (name) {
      case 'parameters':
        return this.#parameter(text(0));
      case 'variables':
        return this.#variable(text(0));
      case 'copyindex':
        return scalarNode(this.#copyIndex(args.map((_, index) => scalarOf(value(index)))), origin);
      case 'reference':
        return this.#reference(text(0), args.length > 2 && nameKey(text(2)) === 'full', origin);
      case 'resourceinfo':
        return this.#reference(text(0), true, origin);
      case 'if':
        return value(booleanOf(value(0)) ? 1 : 2);
      case 'and':
        return scalarNode(args.every((_, index) => booleanOf(value(index))), origin); // prettier-ignore
      case 'or':
        return scalarNode(args.some((_, index) => booleanOf(value(index))), origin); // prettier-ignore
      case 'coalesce': {
        const index = args.findIndex((_, at) => !isNull(value(at)));
        return index === -1 ? scalarNode(null, origin) : value(index);
      }
      case 'tryget':
        return this.#tryGet(args.map((_, index) => value(index)), origin); // prettier-ignore
      case 'lambdavariables':
        return this.#lambdaVariable(text(0));
      case 'map':
      case 'filter':
        return this.#eachOf(name, value(0), args[1], origin);
      default:
        return this.#apply(name, args, origin);
    }
  }

  #apply(name: string, args: readonly Expression[], origin: DocumentNode): DocumentNode {
    const own = this.#names.functions.get(name);
    const apply = TEMPLATE_FUNCTIONS.get(name);
    if (own === undefined && apply === undefined) {
      throw new Unknowable(`${name}() is evaluated only by Azure`);
    }
    const values = args.map((argument) => {
      const value = this.#evaluate(argument, origin);
      return LOOKING_INSIDE.has(name) || own !== undefined ? this.#evaluateDeep(value) : value;
    });
    return apply === undefined ? this.#callOwn(own, values) : apply(values, origin);
  }

  /** A function that the template defines sees its arguments and other such functions, nothing else. */
  #callOwn(definition: DocumentNode | undefined, values: readonly DocumentNode[]): DocumentNode {
    const scope = new TemplateScope(this.problems, this);
    scope.#names = newNames(this.#names.functions);
    const parameters = valueOf(definition, 'parameters');
    for (const [index, parameter] of (parameters?.kind === 'list'
      ? parameters.items
      : []
    ).entries()) {
      const value = values[index];
      if (value !== undefined) scope.pass(textAt(parameter, 'name') ?? '', value, this);
    }
    const output = valueOf(valueOf(definition, 'output'), 'value');
    if (output === undefined) throw new Unknowable('a function in it has no output');
    return scope.#evaluateDeep(output);
  }

  #parameter(name: string): DocumentNode {
    const parameter = this.#names.parameters.get(nameKey(name));
    if (parameter === undefined) throw new Unknowable(`there is no parameter ${quote(name)}`);
    if ('reason' in parameter) throw new Unknowable(parameter.reason);
    return this.#named(`parameter ${quote(name)}`, parameter.node);
  }

  #variable(name: string): DocumentNode {
    const variable = this.#names.variables.get(nameKey(name));
    if (variable !== undefined) return this.#named(`variable ${quote(name)}`, variable);
    const loop = this.#names.variableLoops.get(nameKey(name));
    if (loop === undefined) throw new Unknowable(`the variable ${quote(name)} does not exist`);
    return this.evaluate(this.#loopItems(loop));
  }

  /** `copyIndex()`, `copyIndex(offset)`, `copyIndex('loop')`, `copyIndex('loop', offset)`. */
  #copyIndex(args: readonly ScalarNode[]): number {
    const [first, second] = args;
    const isNamed = typeof first?.value === 'string';
    const offset = isNamed ? second : first;
    const iteration = isNamed
      ? this.#iterations.findLast(({ name }) => name === nameKey(first.text))
      : this.#iterations[0];
    if (iteration === undefined) throw new Unknowable('copyIndex() stands outside its loop');
    return iteration.index + (offset === undefined ? 0 : numberArgument([offset], 0));
  }

  #reference(name: string, isFull: boolean, origin: DocumentNode): DocumentNode {
    const { openReferences } = this.#file;
    const key = `${isFull ? 'full ' : ''}${nameKey(name)}`;
    if (openReferences.has(key)) throw new Unknowable('the resource refers to itself');
    openReferences.add(key);
    try {
      const value = this.#names.references?.(name, isFull, origin);
      if (value !== undefined) return this.evaluate(value);
      throw new Unknowable('reference() is evaluated only by Azure');
    } finally {
      openReferences.delete(key);
    }
  }

  /** Null where there is no such member. */
  #tryGet([container, ...keys]: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
    let node = container;
    for (const key of keys) {
      const member = node && memberOf(node, scalarOf(key).text);
      node = member && this.evaluate(member);
    }
    return node ?? scalarNode(null, origin);
  }

  #lambdaVariable(name: string): DocumentNode {
    const value = this.#lambdaVariables.get(nameKey(name));
    if (value === undefined) throw new Unknowable(`there is no lambda variable ${quote(name)}`);
    return this.evaluate(value);
  }

  /** `map(list, lambda('x', expression))` and `filter`. */
  #eachOf(
    name: 'map' | 'filter',
    list: DocumentNode,
    lambda: Expression | undefined,
    origin: DocumentNode,
  ): DocumentNode {
    const parts = lambda?.kind === 'call' && lambda.name === 'lambda' ? lambda.arguments : [];
    const body = parts.at(-1);
    if (list.kind !== 'list' || body === undefined) {
      throw new Unknowable(`the arguments of ${name}() do not fit together`);
    }
    const names = parts.slice(0, -1).map((part) => scalarOf(this.#evaluate(part, origin)).text);
    const results = list.items.map((item, index) => {
      const scope = this.#inner();
      const values = [this.evaluate(item), scalarNode(index, origin)];
      scope.#lambdaVariables = new Map([
        ...this.#lambdaVariables,
        ...names.map((key, at) => [nameKey(key), values[at] ?? scalarNode(null, origin)] as const),
      ]);
      return scope.#evaluate(body, origin);
    });
    if (name === 'map') return listNode(results, origin);
    return listNode(
      list.items.filter((_, index) => booleanOf(results[index] ?? list)),
      origin,
    );
  }

  #named(name: string, node: DocumentNode): DocumentNode {
    if (this.#open.has(name)) throw new Unknowable(`the ${name} refers to itself`);
    this.#open.add(name);
    try {
      return this.evaluate(node);
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

function newFileState(problems: ProblemList): FileState {
  return {
    problems,
    reported: new Set(),
    unknown: new WeakMap(),
    openReferences: new Set(),
    steps: 0,
    depth: 0,
  };
}

function isExpressionNode(node: DocumentNode): node is ScalarNode {
  return node.kind === 'scalar' && typeof node.value === 'string' && isExpression(node.value);
}

/** `[[text]` is the text `[text]`, which would be an expression. */
function unescaped(node: DocumentNode): DocumentNode {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') return node;
  return /^\[\[.*\]$/s.test(node.value) ? { ...scalarNode(node.value.slice(1), node) } : node;
}
