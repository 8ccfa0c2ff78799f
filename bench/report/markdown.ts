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
  const { cpu, cores, memoryGiB, kernel, node, nsgd, date, load } = environment;
  const machine = `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`;
  const when = `${date.slice(0, 16).replace('T', ' ')} UTC, load ${load} before`;
  return `Measured with \`${command}\` on ${machine}; nsgd ${nsgd}; ${when}.${more === '' ? '' : ` ${more}`}`;
}
