/**
 * bench/REPORT.md and its plots, from what the benchmarks wrote into bench/results. What was not run is left out.
 *
 *     make bench-report
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { times } from '../numbers.ts';
import { readResults } from '../results-file.ts';
import { Inline } from './inline.ts';
import { type Comparison, inlineSection } from './inline-section.ts';
import { table } from './markdown.ts';
import { matrixSection } from './matrix-section.ts';
import { hotPathSection, matcherSection, memorySection } from './memory-sections.ts';
import { reloadSection } from './reload-section.ts';
import { type Chart, lineChart } from './svg.ts';
import { targetSection } from './targets.ts';

const folder = join(projectRoot, 'bench');

/** Each comparison that nsgd loses, the worst first. */
function lossSection(comparisons: readonly Comparison[]): string {
  const lost = comparisons.filter(({ ratio }) => ratio < 1).toSorted((a, b) => a.ratio - b.ratio);
  const rows = lost.map(({ what, peer, ratio }) => [what, peer, times(ratio)]);
  return [
    '## Where nsgd loses',
    lost.length === 0
      ? 'Nowhere in this run.'
      : `Every comparison below in which the peer does better, the worst first (1x is a draw). ${lost.length} of ${comparisons.length}.`,
    ...(lost.length === 0 ? [] : [table(['what', 'peer', 'nsgd is'], rows)]),
    'What bounds them, and what was tried against it, is in [NOTES.md](NOTES.md).',
  ].join('\n\n');
}

function main(): void {
  const sections: string[] = [];
  const charts: Record<string, Chart> = {};
  const comparisons: Comparison[] = [];
  const hotPath = readResults('hot-path');
  const matcher = readResults('matcher');
  const memory = readResults('memory');
  const compare = readResults('inline-compare') ?? readResults('inline-quick');
  const matrix = readResults('inline-matrix');
  const pauses = readResults('pauses');
  const reload = readResults('inline-reload');

  if (compare !== undefined) {
    const section = inlineSection(new Inline(compare));
    sections.push(section.text);
    Object.assign(charts, section.charts);
    comparisons.push(...section.comparisons);
  }
  if (reload !== undefined) sections.push(reloadSection(reload));
  if (matrix !== undefined) sections.push(matrixSection(new Inline(matrix)));
  if (matcher !== undefined) {
    const section = matcherSection(matcher);
    sections.push(section.text);
    comparisons.push(...section.comparisons);
  }
  if (memory !== undefined) {
    const section = memorySection(memory);
    sections.push(section.text);
    charts['memory-by-flows'] = section.chart;
  }
  if (hotPath !== undefined) {
    const section = hotPathSection(hotPath);
    sections.push(section.text);
    comparisons.push(...section.comparisons);
  }
  const inline = compare === undefined ? undefined : new Inline(compare);
  const head = [
    '# Benchmark report',
    'Written by `make bench-report` from the results of the commands named below; change nothing by hand. Every claim is a ratio ' +
      'to a named peer in the same run on the same machine; absolute numbers are of this machine only.',
    targetSection({ inline, hotPath, matcher, memory, reload, pauses }),
    lossSection(comparisons),
  ];
  mkdirSync(join(folder, 'plots'), { recursive: true });
  for (const [name, chart] of Object.entries(charts)) {
    writeFileSync(join(folder, 'plots', `${name}.svg`), lineChart(chart));
  }
  writeFileSync(join(folder, 'REPORT.md'), `${[...head, ...sections].join('\n\n')}\n`);
  process.stdout.write(
    `bench/REPORT.md: ${sections.length} sections, ${Object.keys(charts).length} plots\n`,
  );
}

main();
