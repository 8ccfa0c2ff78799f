/**
 * The template functions whose result is the same offline as in Azure: texts, numbers, truth and resource ids. Lists
 * and maps are in template-list-functions.ts. All other functions make a value unknowable.
 */
import { formatIpv4, formatIpv6, formatPrefix, parsePrefix, type Prefix } from '../address.ts';
import { plainValue } from '../document.ts';
import type { DocumentNode } from '../document-node.ts';
import { nameKey } from '../names.ts';
import { LIST_FUNCTIONS } from './template-list-functions.ts';
import {
  areEqual,
  argument,
  booleanOf,
  listNode,
  nodeOf,
  numberArgument,
  scalarNode,
  type TemplateFunction,
  textArgument,
  textNode,
  Unknowable,
} from './template-values.ts';

/** Functions that look into lists and maps need those without expressions. By name in lower case, as the next. */
export const LOOKING_INSIDE: ReadonlySet<string> = new Set([
  'contains',
  'equals',
  'string',
  'join',
  'union',
  'intersection',
]);

export const TEMPLATE_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<
  string,
  TemplateFunction
>([
  ...LIST_FUNCTIONS,
  ['format', (args, origin) => textNode(format(args), origin)],
  ['resourceid', (args, origin) => textNode(resourceId(args), origin)],
  ['subscriptionresourceid', (args, origin) => textNode(resourceId(args), origin)],
  ['tolower', (args, origin) => scalarNode(textArgument(args, 0).toLowerCase(), origin)],
  ['toupper', (args, origin) => scalarNode(textArgument(args, 0).toUpperCase(), origin)],
  ['trim', (args, origin) => scalarNode(textArgument(args, 0).trim(), origin)],
  ['string', (args, origin) => textNode(stringOf(argument(args, 0)), origin)],
  ['replace', replace],
  ['split', split],
  ['substring', substring],
  ['startswith', textTest((text, part) => text.startsWith(part))],
  ['endswith', textTest((text, part) => text.endsWith(part))],
  ['indexof', (args, origin) => scalarNode(indexOf(args), origin)],
  ['padleft', padLeft],
  ['json', (args, origin) => json(textArgument(args, 0), origin)],
  ['int', (args, origin) => scalarNode(numberArgument(args, 0), origin)],
  ['bool', (args, origin) => scalarNode(nameKey(textArgument(args, 0)) === 'true', origin)],
  ['true', (_, origin) => scalarNode(true, origin)],
  ['false', (_, origin) => scalarNode(false, origin)],
  ['null', (_, origin) => scalarNode(null, origin)],
  ['not', (args, origin) => scalarNode(!booleanOf(argument(args, 0)), origin)],
  ['equals', (args, origin) => scalarNode(areEqual(argument(args, 0), argument(args, 1)), origin)],
  ['greater', comparison((a, b) => a > b)],
  ['greaterorequals', comparison((a, b) => a >= b)],
  ['less', comparison((a, b) => a < b)],
  ['lessorequals', comparison((a, b) => a <= b)],
  ['add', arithmetic((a, b) => a + b)],
  ['sub', arithmetic((a, b) => a - b)],
  ['mul', arithmetic((a, b) => a * b)],
  ['div', arithmetic((a, b) => Math.trunc(a / b))],
  ['mod', arithmetic((a, b) => a % b)],
  ['cidrsubnet', (args, origin) => scalarNode(cidrSubnet(args), origin)],
  ['cidrhost', (args, origin) => scalarNode(cidrHost(args), origin)],
]);

/** `{0}` stands for the argument after the format; formats such as `{0:N}` are not known here. */
function format(args: readonly DocumentNode[]): string {
  const text = textArgument(args, 0);
  return text.replaceAll(/\{\{|\}\}|\{(\d{1,3})\}|[{}]/g, (found, index) => {
    if (found === '{{' || found === '}}') return found.slice(1);
    if (index === undefined) throw new Unknowable('its format is not understood');
    return textArgument(args, Number(index) + 1);
  });
}

/**
 * The end of a resource id, `/providers/TYPE/NAME`. What stands before, subscription and resource group, is known only
 * when a template is deployed, and names are enough to tell the resources of one template apart.
 */
function resourceId(args: readonly DocumentNode[]): string {
  const texts = args.map((_, index) => textArgument(args, index));
  const typeIndex = texts.findIndex((text) => text.includes('/'));
  // A name with a slash in it (`nsg/rule`) is as good as two.
  const names = texts.slice(typeIndex + 1).flatMap((name) => name.split('/'));
  const [provider, ...types] = texts[typeIndex]?.split('/') ?? [];
  if (typeIndex === -1 || provider === undefined || names.length !== types.length) {
    throw new Unknowable('the arguments of resourceId() do not fit together');
  }
  const segments = types.map((type, index) => `${type}/${names[index] ?? ''}`);
  return ['', 'providers', provider, ...segments].join('/');
}

function stringOf(node: DocumentNode): string {
  return node.kind === 'scalar' ? node.text : JSON.stringify(plainValue(node));
}

function replace(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const [text, old, fresh] = [
    textArgument(args, 0),
    textArgument(args, 1),
    textArgument(args, 2),
  ] as const;
  if (old === '') throw new Unknowable('there is nothing to replace in it');
  return textNode(text.split(old).join(fresh), origin);
}

function split(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const delimiters = argument(args, 1);
  const list = delimiters.kind === 'list' ? delimiters.items : [delimiters];
  let parts = [textArgument(args, 0)];
  for (const [index] of list.entries()) {
    const delimiter = textArgument(list, index);
    if (delimiter !== '') parts = parts.flatMap((part) => part.split(delimiter));
  }
  return listNode(
    parts.map((part) => scalarNode(part, origin)),
    origin,
  );
}

function substring(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const text = textArgument(args, 0);
  const start = numberArgument(args, 1);
  const length = args.length > 2 ? numberArgument(args, 2) : text.length - start;
  if (start < 0 || length < 0 || start + length > text.length) {
    throw new Unknowable('substring() is asked for what is not in the text');
  }
  return scalarNode(text.slice(start, start + length), origin);
}

/** Compared without case, as Azure does. */
function textTest(test: (text: string, part: string) => boolean): TemplateFunction {
  return (args, origin) => {
    const [text, part] = [textArgument(args, 0), textArgument(args, 1)];
    return scalarNode(test(text.toLowerCase(), part.toLowerCase()), origin);
  };
}

function indexOf(args: readonly DocumentNode[]): number {
  const container = argument(args, 0);
  if (container.kind === 'list') {
    return container.items.findIndex((item) => areEqual(item, argument(args, 1)));
  }
  return textArgument(args, 0).toLowerCase().indexOf(textArgument(args, 1).toLowerCase());
}

function padLeft(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  const length = numberArgument(args, 1);
  if (length < 0 || length > 1000) throw new Unknowable('the text it makes is too long');
  const filler = args.length > 2 ? textArgument(args, 2) : ' ';
  return textNode(textArgument(args, 0).padStart(length, filler), origin);
}

function json(text: string, origin: DocumentNode): DocumentNode {
  try {
    return nodeOf(JSON.parse(text) as unknown, origin);
  } catch {
    throw new Unknowable('the text that json() reads is no JSON');
  }
}

/** Of numbers, or of texts letter by letter. */
function comparison(compare: (a: number, b: number) => boolean): TemplateFunction {
  return (args, origin) => {
    const [a, b] = [argument(args, 0), argument(args, 1)];
    const areTexts = [a, b].every(
      (node) =>
        node.kind === 'scalar' && typeof node.value === 'string' && !/^-?\d+$/.test(node.text),
    );
    if (!areTexts) {
      return scalarNode(compare(numberArgument(args, 0), numberArgument(args, 1)), origin);
    }
    const [textA, textB] = [textArgument(args, 0), textArgument(args, 1)];
    return scalarNode(compare(textA < textB ? -1 : textA > textB ? 1 : 0, 0), origin);
  };
}

function arithmetic(compute: (a: number, b: number) => number): TemplateFunction {
  return (args, origin) => {
    const result = compute(numberArgument(args, 0), numberArgument(args, 1));
    if (!Number.isSafeInteger(result)) throw new Unknowable('a number in it is out of range');
    return scalarNode(result, origin);
  };
}

function networkArgument(args: readonly DocumentNode[]): Prefix {
  const prefix = parsePrefix(textArgument(args, 0));
  if (typeof prefix === 'string') throw new Unknowable('a network in it is no prefix');
  return prefix;
}

/** The subnet of `length` bits with the number `index` (Azure: cidrSubnet). */
function cidrSubnet(args: readonly DocumentNode[]): string {
  const network = networkArgument(args);
  const [length, index] = [numberArgument(args, 1), numberArgument(args, 2)];
  const bits = network.family === 4 ? 32 : 128;
  const free = length - network.length;
  if (free < 0 || length > bits || index < 0 || BigInt(index) >> BigInt(free) !== 0n) {
    throw new Unknowable('cidrSubnet() is asked for a subnet that is not in the network');
  }
  const low = BigInt(network.low) + (BigInt(index) << BigInt(bits - length));
  return network.family === 4
    ? formatPrefix({ family: 4, low: Number(low), high: Number(low), length })
    : formatPrefix({ family: 6, low, high: low, length });
}

/** The usable address with the number `index`, from 0: the network's own address is left out (Azure: cidrHost). */
function cidrHost(args: readonly DocumentNode[]): string {
  const network = networkArgument(args);
  const address = BigInt(network.low) + BigInt(numberArgument(args, 1)) + 1n;
  if (address > BigInt(network.high)) {
    throw new Unknowable('cidrHost() is asked for an address that is not in the network');
  }
  return network.family === 4 ? formatIpv4(Number(address)) : formatIpv6(address);
}
