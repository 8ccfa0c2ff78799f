/**
 * The syntax of template expressions: `[concat(parameters('prefix'), '-nsg')]`. What they mean is in nsg-file-scope.ts.
 *
 * expression: primary, then any number of `.name` and `[expression]`; primary: 'text', a number, or name(arguments).
 * In a text `''` is one quote. (Azure Resource Manager, "Syntax and expressions in ARM templates".)
 */

export type Expression =
  | { readonly kind: 'literal'; readonly value: string | number }
  /** `name` in lower case: function names are compared without case. */
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] }
  | { readonly kind: 'member'; readonly object: Expression; readonly key: Expression };

/** Azure Resource Manager's own limit for an expression, in characters. */
const EXPRESSION_LENGTH_MAX = 24_576;
const NESTING_MAX = 50;

const TOKEN = /\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([()[\],.]))/y;

interface Token {
  readonly kind: 'text' | 'number' | 'name' | 'sign';
  readonly text: string;
}

/** True for a text that Azure evaluates. `[[` starts a literal `[`. */
export function isExpression(text: string): boolean {
  return text.startsWith('[') && text.endsWith(']') && !text.startsWith('[[');
}

/** The expression in a text that `isExpression`, or undefined when it has a syntax error or is too long. */
export function parseExpression(text: string): Expression | undefined {
  if (text.length > EXPRESSION_LENGTH_MAX) return undefined;
  const tokens = tokensOf(text.slice(1, -1));
  if (tokens === undefined) return undefined;
  const parser = new Parser(tokens);
  const expression = parser.expression(0);
  return parser.isAtEnd() ? expression : undefined;
}

function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const match = TOKEN.exec(text);
    if (match === null) return undefined;
    const [, quoted, number, name, sign] = match;
    if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replaceAll("''", "'") });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else tokens.push({ kind: 'sign', text: sign ?? '' });
  }
  return tokens;
}

/** Every method returns undefined at a syntax error. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  expression(depth: number): Expression | undefined {
    let expression = depth > NESTING_MAX ? undefined : this.#primary(depth);
    while (expression !== undefined) {
      let key: Expression | undefined;
      if (this.#takeSign('.')) key = this.#memberName();
      else if (this.#takeSign('[')) key = this.#index(depth);
      else return expression;
      expression = key && { kind: 'member', object: expression, key };
    }
    return undefined;
  }

  #primary(depth: number): Expression | undefined {
    const token = this.#next();
    if (token === undefined || token.kind === 'sign') return undefined;
    if (token.kind === 'text') return { kind: 'literal', value: token.text };
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) };
    let name = token.text.toLowerCase();
    // A function of a namespace; those of `sys` are the built-in ones.
    while (this.#takeSign('.')) {
      const member = this.#next();
      if (member?.kind !== 'name') return undefined;
      name = name === 'sys' ? member.text.toLowerCase() : `${name}.${member.text.toLowerCase()}`;
    }
    if (!this.#takeSign('(')) return undefined;
    const args = this.#arguments(depth);
    return args && { kind: 'call', name, arguments: args };
  }

  #arguments(depth: number): Expression[] | undefined {
    const args: Expression[] = [];
    if (this.#takeSign(')')) return args;
    for (;;) {
      const argument = this.expression(depth + 1);
      if (argument === undefined) return undefined;
      args.push(argument);
      if (this.#takeSign(')')) return args;
      if (!this.#takeSign(',')) return undefined;
    }
  }

  #memberName(): Expression | undefined {
    const token = this.#next();
    return token?.kind === 'name' ? { kind: 'literal', value: token.text } : undefined;
  }

  #index(depth: number): Expression | undefined {
    const key = this.expression(depth + 1);
    return this.#takeSign(']') ? key : undefined;
  }

  #next(): Token | undefined {
    return this.#tokens[this.#at++];
  }

  #takeSign(sign: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'sign' || token.text !== sign) return false;
    this.#at++;
    return true;
  }
}
