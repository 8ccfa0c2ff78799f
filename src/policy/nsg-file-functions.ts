/**
 * The template functions whose result is the same offline as in Azure. All others make a value unknowable.
 */
import type { DocumentNode, ListNode, Scalar, ScalarNode } from './document-node.ts';
import { plainValue } from './document.ts';
import { nameKey } from './names.ts';

/** Thrown while an expression is evaluated; the message says why its value cannot be known. */
export class Unknowable extends Error {}

/** Azure Resource Manager's limit for a text in a template, in characters. */
const TEXT_LENGTH_MAX = 131_072;
const LIST_LENGTH_MAX = 10_000;

/** Takes evaluated arguments; `origin` is the value in the file that the expression is. */
type TemplateFunction = (args: readonly DocumentNode[], origin: DocumentNode) => DocumentNode;

export function scalarNode(value: Scalar, origin: DocumentNode): ScalarNode {
  return { kind: 'scalar', at: origin.at, path: origin.path, value, text: String(value) };
}

function listNode(items: readonly DocumentNode[], origin: DocumentNode): ListNode {
  if (items.length > LIST_LENGTH_MAX) throw new Unknowable('the list it makes is too long');
  return { kind: 'list', at: origin.at, path: origin.path, items };
}

/** Functions that look into lists and maps need those without expressions. By name in lower case, as the next. */
export const LOOKING_INSIDE: ReadonlySet<string> = new Set(['contains', 'equals']);

export const TEMPLATE_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<
  string,
  TemplateFunction
>([
  ['concat', concat],
  ['format', (args, origin) => scalarNode(format(args), origin)],
  ['resourceid', (args, origin) => scalarNode(resourceId(args), origin)],
  ['tolower', (args, origin) => scalarNode(textArgument(args, 0).toLowerCase(), origin)],
  ['toupper', (args, origin) => scalarNode(textArgument(args, 0).toUpperCase(), origin)],
  ['string', (args, origin) => scalarNode(textArgument(args, 0), origin)],
  ['int', (args, origin) => scalarNode(numberArgument(args, 0), origin)],
  ['bool', (args, origin) => scalarNode(nameKey(textArgument(args, 0)) === 'true', origin)],
  ['true', (_, origin) => scalarNode(true, origin)],
  ['false', (_, origin) => scalarNode(false, origin)],
  ['null', (_, origin) => scalarNode(null, origin)],
  ['createarray', listNode],
  ['array', (args, origin) => (args[0]?.kind === 'list' ? args[0] : listNode(args, origin))],
  ['length', (args, origin) => scalarNode(lengthOf(argument(args, 0)), origin)],
  ['empty', (args, origin) => scalarNode(isEmpty(argument(args, 0)), origin)],
  ['contains', (args, origin) => scalarNode(contains(args), origin)],
  ['not', (args, origin) => scalarNode(!booleanOf(argument(args, 0)), origin)],
  ['equals', (args, origin) => scalarNode(areEqual(argument(args, 0), argument(args, 1)), origin)],
  ['greater', comparison((a, b) => a > b)],
  ['greaterorequals', comparison((a, b) => a >= b)],
  ['less', comparison((a, b) => a < b)],
  ['lessorequals', comparison((a, b) => a <= b)],
]);

/** The truth of a condition; throws Unknowable for what is none. */
export function booleanOf(node: DocumentNode): boolean {
  if (node.kind === 'scalar') {
    if (typeof node.value === 'boolean') return node.value;
    if (/^(?:true|false)$/i.test(node.text)) return nameKey(node.text) === 'true';
  }
  throw new Unknowable('a condition in it is neither true nor false');
}

/** Texts joined, or lists. */
function concat(args: readonly DocumentNode[], origin: DocumentNode): DocumentNode {
  if (args.some((node) => node.kind === 'list')) {
    const items = args.flatMap((node) => (node.kind === 'list' ? node.items : [node]));
    return listNode(items, origin);
  }
  return scalarNode(
    checkedText(args.map((_, index) => textArgument(args, index)).join('')),
    origin,
  );
}

/** `{0}` stands for the argument after the format; formats such as `{0:N}` are not known here. */
function format(args: readonly DocumentNode[]): string {
  const text = textArgument(args, 0).replaceAll(/\{\{|\}\}|\{(\d{1,3})\}|[{}]/g, (found, index) => {
    if (found === '{{' || found === '}}') return found.slice(1);
    if (index === undefined) throw new Unknowable('its format is not understood');
    return textArgument(args, Number(index) + 1);
  });
  return checkedText(text);
}

/**
 * The end of a resource id, `/providers/TYPE/NAME`. What stands before, subscription and resource group, is known only
 * when a template is deployed, and names are enough to tell the resources of one template apart.
 */
function resourceId(args: readonly DocumentNode[]): string {
  const texts = args.map((_, index) => textArgument(args, index));
  const typeIndex = texts.findIndex((text) => text.includes('/'));
  const names = texts.slice(typeIndex + 1);
  const [provider, ...types] = texts[typeIndex]?.split('/') ?? [];
  if (typeIndex === -1 || provider === undefined || names.length !== types.length) {
    throw new Unknowable('the arguments of resourceId() do not fit together');
  }
  const segments = types.map((type, index) => `${type}/${names[index] ?? ''}`);
  return checkedText(['', 'providers', provider, ...segments].join('/'));
}

function lengthOf(node: DocumentNode): number {
  if (node.kind === 'list') return node.items.length;
  if (node.kind === 'map') return node.entries.length;
  return node.text.length;
}

function isEmpty(node: DocumentNode): boolean {
  return (node.kind === 'scalar' && node.value === null) || lengthOf(node) === 0;
}

function contains(args: readonly DocumentNode[]): boolean {
  const container = argument(args, 0);
  const item = argument(args, 1);
  if (container.kind === 'list') return container.items.some((member) => areEqual(member, item));
  const text = textArgument(args, 1);
  if (container.kind === 'scalar') return container.text.includes(text);
  return container.entries.some((entry) => nameKey(entry.key) === nameKey(text));
}

function areEqual(a: DocumentNode, b: DocumentNode): boolean {
  if (a.kind === 'scalar' && b.kind === 'scalar') return a.value === b.value;
  return JSON.stringify(plainValue(a)) === JSON.stringify(plainValue(b));
}

function comparison(compare: (a: number, b: number) => boolean): TemplateFunction {
  return (args, origin) =>
    scalarNode(compare(numberArgument(args, 0), numberArgument(args, 1)), origin);
}

function argument(args: readonly DocumentNode[], index: number): DocumentNode {
  const node = args[index];
  if (node === undefined) throw new Unknowable('a function in it has too few arguments');
  return node;
}

function textArgument(args: readonly DocumentNode[], index: number): string {
  const node = argument(args, index);
  if (node.kind !== 'scalar' || node.value === null) {
    throw new Unknowable('a function in it has an argument that is no text');
  }
  return node.text;
}

function numberArgument(args: readonly DocumentNode[], index: number): number {
  const text = textArgument(args, index);
  if (!/^-?\d{1,15}$/.test(text)) {
    throw new Unknowable('a function in it has an argument that is no whole number');
  }
  return Number(text);
}

function checkedText(text: string): string {
  if (text.length > TEXT_LENGTH_MAX) throw new Unknowable('the text it makes is too long');
  return text;
}
