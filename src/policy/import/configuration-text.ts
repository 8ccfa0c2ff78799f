/**
 * The text of an imported configuration: YAML with a comment that says where each part comes from, or JSON.
 */
import { Document, isMap, isSeq, type Node, visit } from 'yaml';
import type { Position } from '../problem.ts';
import { escapeControls, formatPosition } from '../problem.ts';
import type { Assembly, Origin } from './assemble.ts';

/** Lists of plain values are written in one line up to this width. */
const LINE_WIDTH = 100;

export function configurationYaml(assembly: Assembly, header: readonly string[]): string {
  const document = new Document(assembly.sections, { aliasDuplicateObjects: false });
  annotate(document.contents, assembly.sections, assembly.origins);
  visit(document, {
    Seq(_, node) {
      if (!node.items.some((item) => isMap(item) || isSeq(item))) node.flow = true;
    },
  });
  const text = document.toString({ lineWidth: LINE_WIDTH, flowCollectionPadding: false });
  return `${header.map((line) => `# ${escapeControls(line)}\n`).join('')}\n${text}`;
}

export function configurationJson({ sections }: Assembly): string {
  return `${JSON.stringify(sections, null, 2)}\n`;
}

/** Puts a comment before every map that has an origin. */
function annotate(node: Node | null, value: unknown, origins: ReadonlyMap<object, Origin>): void {
  if (typeof value !== 'object' || value === null || node === null) return;
  const origin = origins.get(value);
  if (origin !== undefined && isMap(node)) node.commentBefore = ` ${originText(origin)}`;
  if (isSeq(node) && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      annotate((node.items[index] ?? null) as Node | null, item, origins);
    }
  } else if (isMap(node)) {
    for (const [key, item] of Object.entries(value)) {
      annotate(node.get(key, true) ?? null, item, origins);
    }
  }
}

function originText({ at, note }: Origin): string {
  const place = at === undefined ? undefined : `from ${formatPosition(at)}`;
  return escapeControls([place, note].filter((part) => part !== undefined).join(', '));
}

/**
 * The same configuration as JSON, one value a line, and the place that each line comes from: what is found wrong with the
 * whole is reported where it was written, not in a text that nobody has seen.
 */
export function traceableJson({ sections, origins }: Assembly): {
  readonly text: string;
  readonly places: readonly (Position | undefined)[];
} {
  const lines: string[] = [];
  const places: (Position | undefined)[] = [];
  const write = (line: string, at: Position | undefined): void => {
    lines.push(line);
    places.push(at);
  };
  const append = (
    value: unknown,
    before: string,
    after: string,
    at: Position | undefined,
  ): void => {
    if (typeof value !== 'object' || value === null) {
      write(`${before}${JSON.stringify(value)}${after}`, at);
      return;
    }
    const origin = origins.get(value);
    const place = origin?.at ?? at;
    const isList = Array.isArray(value);
    const entries = Object.entries(value);
    write(`${before}${isList ? '[' : '{'}`, place);
    for (const [index, [key, item]] of entries.entries()) {
      const comma = index === entries.length - 1 ? '' : ',';
      append(
        item,
        isList ? '' : `${JSON.stringify(key)}: `,
        comma,
        origin?.placeOf?.(key) ?? place,
      );
    }
    write(`${isList ? ']' : '}'}${after}`, place);
  };
  append(sections, '', '', undefined);
  return { text: lines.join('\n'), places };
}
