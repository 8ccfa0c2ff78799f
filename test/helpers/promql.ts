/**
 * PromQL taken apart by Prometheus' own grammar: whether an expression is one, and which series it selects.
 */
import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

export interface Selector {
  readonly metric: string;
  /** As written: `job=~"$job"`. */
  readonly matchers: readonly string[];
  /** The whole of it, without range and offset. */
  readonly text: string;
}

export interface Expression {
  readonly selectors: readonly Selector[];
  /** Durations in brackets, each with the function it is an argument of; none where it is not directly. */
  readonly ranges: readonly { readonly text: string; readonly function: string | undefined }[];
}

/** Parses an expression without variables. @throws Error that shows the place of the first error */
export function parsePromql(text: string): Expression {
  const selectors: Selector[] = [];
  const ranges: { text: string; function: string | undefined }[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) throw new Error(`not PromQL at "${text.slice(from)}": ${text}`);
      if (type.name === 'VectorSelector') {
        const matchers = node
          .getChild('LabelMatchers')
          ?.cursor()
          .node.getChildren('UnquotedLabelMatcher')
          .map((each) => text.slice(each.from, each.to));
        const name = node.getChild('Identifier');
        selectors.push({
          metric: name === null ? '' : text.slice(name.from, name.to),
          matchers: matchers ?? [],
          text: text.slice(from, to),
        });
      }
      if (type.name === 'MatrixSelector') {
        ranges.push({
          text: /\[([^\]]+)\]$/.exec(text.slice(from, to))?.[1] ?? '',
          function: functionOf(node, text),
        });
      }
    },
  });
  return { selectors, ranges };
}

/** The function that a node is an argument of, with or without an offset. */
function functionOf(node: SyntaxNode, text: string): string | undefined {
  const body = node.parent?.name === 'OffsetExpr' ? node.parent.parent : node.parent;
  const name =
    body?.name === 'FunctionCallBody' ? body.parent?.getChild('FunctionIdentifier') : null;
  return name === null || name === undefined ? undefined : text.slice(name.from, name.to);
}
