/**
 * Test texts that say themselves where problems must be found: the mark § stands before each place and is taken out.
 */
import type { Problem } from '../../src/policy/problem.ts';

export interface MarkedText {
  readonly text: string;
  /** `line:column` of each mark, in order. */
  readonly marks: readonly string[];
}

export function marked(source: string): MarkedText {
  const marks: string[] = [];
  const lines = source.split('\n').map((line, index) => {
    const parts = line.split('§');
    let column = 1;
    for (const part of parts.slice(0, -1)) {
      column += part.length;
      marks.push(`${index + 1}:${column}`);
    }
    return parts.join('');
  });
  return { text: lines.join('\n'), marks };
}

/** `line:column code` of each problem. */
export function placesOf(problems: readonly Problem[]): string[] {
  return problems.map(({ line, column, code }) => `${line}:${column} ${code}`);
}

const RULE = {
  name: 'web',
  priority: '100',
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: '"*"',
  sourcePortRange: '"*"',
  destinationAddressPrefix: '"*"',
  destinationPortRange: '"80"',
};

export type RuleLines = Readonly<Record<string, string | undefined>>;

/** A rule as YAML lines, indented for a list: a sound rule with fields replaced, added or (undefined) left out. */
export function ruleText(changes: RuleLines): string {
  const fields = Object.entries({ ...RULE, ...changes }).filter(([, value]) => value !== undefined);
  return fields
    .map(([key, value], index) => `${index === 0 ? '  - ' : '    '}${key}: ${value}`)
    .join('\n');
}

/** A group of rules as YAML. */
export function groupText(...rules: readonly RuleLines[]): string {
  return ['name: nsg1', 'securityRules:', ...rules.map(ruleText), ''].join('\n');
}
