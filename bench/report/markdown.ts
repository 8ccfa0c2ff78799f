/**
 * Markdown tables, and the line that stands over one.
 */
import type { Environment } from '../environment.ts';

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** What a table was measured on, in one line. */
export function measuredOn(environment: Environment, command: string, more = ''): string {
  const { cpu, cores, memoryGiB, kernel, node, nsgd } = environment;
  const machine = `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`;
  const rest = more === '' ? '' : ` ${more}`;
  return `Measured with \`${command}\` on ${machine}; nsgd ${nsgd}; ${when(environment)}.${rest}`;
}

/** `2026-11-22 21:11 UTC, load 2.06 before`. */
export function when({ date, load }: Pick<Environment, 'date' | 'load'>): string {
  return `${date.slice(0, 16).replace('T', ' ')} UTC, load ${load} before`;
}
