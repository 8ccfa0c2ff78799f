/**
 * Reads YAML 1.2 with the core schema into a document tree. Aliases are followed, with a limit on what they unfold to.
 */
import {
  Composer,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  Parser,
  type Alias,
  type CST,
  type Document,
  type Node,
  type Pair,
  type Scalar as YamlScalar,
  type YAMLError,
} from 'yaml';
import { NESTING_MAX, SYNTAX_ERRORS_MAX } from './document-json.ts';
import type { DocumentNode, MapEntry, PathLink, Scalar } from './document-node.ts';
import type { ProblemCode } from './problem-codes.ts';
import { formatPosition, type Position, type ProblemList, quote } from './problem.ts';

/** How many nodes aliases may add to a document. The "billion laughs" file is 10^9 of them in 300 characters. */
const ALIASED_NODES_MAX = 100_000;
/** A level of nesting is one or two open tokens, and the document is one. */
const TOKENS_OPEN_MAX = 2 * NESTING_MAX + 1;
const NESTED_TOO_DEEPLY = `more than ${NESTING_MAX} levels of nesting`;

/** The tree, or undefined when `problems` got a syntax error. Repeated keys are reported and do not prevent a tree. */
export function readYamlTree(
  text: string,
  file: string,
  problems: ProblemList,
): DocumentNode | undefined {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let documents: Document.Parsed[];
  try {
    const composer = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false });
    documents = [...composer.compose(tokensOf(text, lines), true, text.length)];
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    problems.error(positionAt(error.offset), 'InvalidYaml', NESTED_TOO_DEEPLY);
    return undefined;
  }
  const [document, second] = documents;
  if (document === undefined) return undefined;
  // A warning is a tag that the core schema does not know: the value would lose what the tag says.
  const mistakes = [...document.errors, ...document.warnings];
  for (const mistake of mistakes.slice(0, SYNTAX_ERRORS_MAX)) {
    problems.error(positionAt(mistake.pos[0]), 'InvalidYaml', yamlMessage(mistake));
  }
  if (second !== undefined) {
    const message = 'the file may hold only one YAML document';
    problems.error(positionAt(second.range[0]), 'InvalidYaml', message);
    return undefined;
  }
  if (mistakes.length > 0) return undefined;
  if (document.contents === null) {
    problems.error(positionAt(0), 'EmptyDocument', 'the file is empty');
    return undefined;
  }
  return new TreeBuilder(text, positionAt, problems).build(document.contents);
}

class TooDeep extends Error {
  readonly offset: number;

  constructor(offset: number) {
    super(NESTED_TOO_DEEPLY);
    this.offset = offset;
  }
}

/**
 * The tokens of a text, as `parseDocument` has them made, but that nesting is stopped before it costs the stack and,
 * for four megabytes of `[`, all memory.
 */
function* tokensOf(text: string, lines: LineCounter): Generator<CST.Token, void> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    if (parser.stack.length > TOKENS_OPEN_MAX) throw new TooDeep(parser.offset);
  }
  yield* parser.end();
}

/** The parser's own words, but for the mistakes that people make with Azure's `*`. */
function yamlMessage(mistake: YAMLError): string {
  if (mistake.code === 'BAD_ALIAS') return `${mistake.message}; a value * must be in quotes: "*"`;
  if (mistake.code === 'TAB_AS_INDENT') return 'tabs cannot indent YAML; use spaces';
  return mistake.message;
}

interface Anchor {
  readonly node: DocumentNode;
  /** Nodes in it, itself included and aliases unfolded. */
  readonly size: number;
}

class TreeBuilder {
  readonly #text: string;
  readonly #positionAt: (offset: number) => Position;
  readonly #problems: ProblemList;
  /** By name; undefined while the anchored node is being built (an alias to it would contain itself). */
  readonly #anchors = new Map<string, Anchor | undefined>();
  #size = 0;
  #aliased = 0;
  #isBroken = false;

  constructor(text: string, positionAt: (offset: number) => Position, problems: ProblemList) {
    this.#text = text;
    this.#positionAt = positionAt;
    this.#problems = problems;
  }

  build(contents: Node): DocumentNode | undefined {
    const root = this.#node(contents, undefined, this.#positionAt(0), 0);
    return this.#isBroken ? undefined : root;
  }

  /** `fallback` is the position of a node that has no text of its own: the empty value after `key:`. */
  #node(
    node: Node | null,
    path: PathLink | undefined,
    fallback: Position,
    depth: number,
  ): DocumentNode {
    const at = node?.range ? this.#positionAt(node.range[0]) : fallback;
    if (depth > NESTING_MAX) return this.#broken(at, path, 'InvalidYaml', NESTED_TOO_DEEPLY);
    if (isAlias(node)) return this.#alias(node, at, path);
    const anchor = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
    const sizeBefore = this.#size;
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    const built = this.#content(node, at, path, depth);
    this.#size++;
    if (anchor !== undefined) {
      this.#anchors.set(anchor, { node: built, size: this.#size - sizeBefore });
    }
    return built;
  }

  #content(
    node: Node | null,
    at: Position,
    path: PathLink | undefined,
    depth: number,
  ): DocumentNode {
    if (isMap(node)) {
      return { kind: 'map', at, path, entries: this.#entries(node.items, at, path, depth) };
    }
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        this.#node(item as Node | null, { parent: path, key: index }, at, depth + 1),
      );
      return { kind: 'list', at, path, items };
    }
    return isScalar(node) ? this.#scalar(node, at, path) : emptyValue(at, path);
  }

  #entries(
    pairs: readonly Pair[],
    at: Position,
    path: PathLink | undefined,
    depth: number,
  ): MapEntry[] {
    const entries = new Map<string, MapEntry>();
    for (const pair of pairs) {
      const keyNode = pair.key as Node | null;
      const keyAt = keyNode?.range ? this.#positionAt(keyNode.range[0]) : at;
      if (!isScalar(keyNode) || keyNode.value === null) {
        this.#broken(keyAt, path, 'InvalidYaml', 'a key must be text');
        continue;
      }
      const key = typeof keyNode.value === 'string' ? keyNode.value : sourceOf(keyNode, this.#text);
      const value = this.#node(pair.value as Node | null, { parent: path, key }, keyAt, depth + 1);
      const first = entries.get(key);
      if (first === undefined) entries.set(key, { key, keyAt, value });
      else {
        const message = `the key ${quote(key)} is already at ${formatPosition(first.keyAt)}`;
        this.#problems.error(keyAt, 'DuplicateKey', message);
      }
    }
    return [...entries.values()];
  }

  #scalar(node: YamlScalar, at: Position, path: PathLink | undefined): DocumentNode {
    const value = node.value as Scalar;
    const text = typeof value === 'number' ? sourceOf(node, this.#text) : String(value);
    return { kind: 'scalar', at, path, value, text };
  }

  #alias(alias: Alias, at: Position, path: PathLink | undefined): DocumentNode {
    const name = quote(`*${alias.source}`);
    const anchor = this.#anchors.get(alias.source);
    if (anchor === undefined) {
      const message = this.#anchors.has(alias.source)
        ? `the alias ${name} stands for a value that contains it`
        : `no anchor "&${alias.source}" stands before the alias ${name}`;
      return this.#broken(at, path, 'InvalidYaml', message);
    }
    this.#size += anchor.size;
    this.#aliased += anchor.size;
    if (this.#aliased <= ALIASED_NODES_MAX) return anchor.node;
    const message = `the alias ${name} makes the document unfold to more than ${ALIASED_NODES_MAX} values`;
    return this.#broken(at, path, 'ExcessiveAliases', message);
  }

  /** Reports, once per document and code, and stands in for the value. */
  #broken(
    at: Position,
    path: PathLink | undefined,
    code: ProblemCode,
    message: string,
  ): DocumentNode {
    if (code !== 'ExcessiveAliases' || this.#aliased !== Number.POSITIVE_INFINITY) {
      this.#problems.error(at, code, message);
    }
    if (code === 'ExcessiveAliases') this.#aliased = Number.POSITIVE_INFINITY;
    this.#isBroken = true;
    return emptyValue(at, path);
  }
}

function emptyValue(at: Position, path: PathLink | undefined): DocumentNode {
  return { kind: 'scalar', at, path, value: null, text: 'null' };
}

/** A scalar as it was written. */
function sourceOf(node: YamlScalar, text: string): string {
  return node.range ? text.slice(node.range[0], node.range[1]) : String(node.value);
}
